//! With nothing around it: a logout, a flag, the account switch. What others hold is tried for a while, and nothing else is
//! held meanwhile. A sweep whose sessions lie in another database than its people holds these, and tries nothing again.

use std::time::{Duration, Instant};

use sea_query::Expr;

use super::{Deed, Take, texts};
use crate::error::{Code, Result};
use crate::store::db::{Db, Failure};
use crate::store::explain::held_up;
use crate::store::expr;
use crate::store::schema::Dialect;
use crate::store::statement::{Cell, Read, Statement};

/// Pauses between tries for rows that others hold for a moment.
const PAUSES: [u64; 7] = [5, 10, 20, 40, 80, 160, 320];

/// So long PostgreSQL goes through rows one by one: whoever waits for that has a deadline.
const LONGEST: Duration = Duration::from_secs(2);

/// How long PostgreSQL waits for a lock. Said in the statement itself, it is asked before any row, and is over with the
/// statement: set beside it, it would cost a trip, and stay with a connection that a pooler hands on.
#[derive(Clone, Copy)]
enum Wait {
    Moment,
    /// The least that it can be told.
    Not,
}

impl Wait {
    fn condition(self) -> Expr {
        Expr::cust(match self {
            Self::Moment => "(SELECT set_config('lock_timeout', '100', true)) IS NOT NULL",
            Self::Not => "(SELECT set_config('lock_timeout', '1', true)) IS NOT NULL",
        })
    }
}

/// What was taken.
pub(in crate::store::sql) struct Alone {
    pub keys: Vec<String>,
    /// Somebody else holds some of what was meant.
    pub held: bool,
}

impl Alone {
    fn all(rows: Vec<Vec<Cell>>) -> Self {
        Self {
            keys: texts(rows),
            held: false,
        }
    }
}

impl Take {
    /// Takes them with nothing around it.
    pub async fn alone(self, db: &Db) -> Result<Alone> {
        self.tried(db, &PAUSES).await
    }

    /// The same for whoever holds others meanwhile: what somebody holds is left.
    pub async fn alone_at_once(self, db: &Db) -> Result<Alone> {
        self.tried(db, &[]).await
    }

    /// What others hold is tried again after each of these, or, where the server itself waits, so many times.
    async fn tried(self, db: &Db, pauses: &[u64]) -> Result<Alone> {
        let d = db.dialect();
        match d {
            Dialect::Sqlite => db.run_change(self.returning(d)).await.map(Alone::all),
            Dialect::Postgres => self.on_postgres(db, pauses.len()).await,
            Dialect::Mysql => self.on_mysql(db, pauses).await,
        }
    }

    /// In one statement; where somebody holds one of them, each by itself: nobody's is held for another's.
    async fn on_postgres(self, db: &Db, mut waits: usize) -> Result<Alone> {
        let d = Dialect::Postgres;
        match db.run_change(self.waiting(Wait::Moment).returning(d)).await {
            Err(error) if held_up(&error) => {}
            taken => return taken.map(Alone::all),
        }
        let meant = self.keys(d, self.condition.clone());
        let mut left = texts(db.rows(&meant, &[Read::Text]).await?);
        let began = Instant::now();
        let (mut keys, mut failed) = (Vec::new(), None);
        loop {
            let mut held = Vec::new();
            for key in left {
                let Some(this) = self.these(d, std::slice::from_ref(&key)) else {
                    continue;
                };
                if began.elapsed() > LONGEST {
                    held.push(key);
                    continue;
                }
                // Each is asked for once, however many are held.
                let wait = if waits > 0 { Wait::Moment } else { Wait::Not };
                let one = Self {
                    condition: self.condition.clone().add(this),
                    ..self.clone()
                };
                match db.run_change(one.waiting(wait).returning(d)).await {
                    Ok(taken) => keys.extend(texts(taken)),
                    Err(error) if held_up(&error) => {
                        waits = waits.saturating_sub(1);
                        held.push(key);
                    }
                    // Some row of another table needs this one, say. The others go.
                    Err(error) if error.code == Code::Database => failed = Some(error),
                    // Reading back tells of those that went before, too.
                    Err(error) if keys.is_empty() || error.code == Code::NotKnown => {
                        return Err(error);
                    }
                    Err(_) => return Ok(Alone { keys, held: true }),
                }
            }
            left = held;
            if left.is_empty() || waits == 0 || began.elapsed() > LONGEST {
                break;
            }
        }
        match failed {
            Some(error) if keys.is_empty() => Err(error),
            // Whoever asks for what is left will hear of it.
            _ => Ok(Alone {
                keys,
                held: !left.is_empty(),
            }),
        }
    }

    fn waiting(&self, wait: Wait) -> Self {
        Self {
            condition: self.condition.clone().add(wait.condition()),
            ..self.clone()
        }
    }

    async fn on_mysql(self, db: &Db, pauses: &[u64]) -> Result<Alone> {
        let d = Dialect::Mysql;
        if matches!(self.deed, Deed::Delete) && db.deletes_at_once() {
            let key = expr::text(d, expr::col(&self.key));
            let deletion = self.deletion(d, self.condition.clone(), self.most);
            let deletion = Statement::deleting_at_once(&deletion, vec![key], &[Read::Text]);
            match db.run_change(deletion).await {
                // Somebody holds one of them, or the table, and none went.
                Err(error) if held_up(&error) => {}
                taken => return taken.map(Alone::all),
            }
        }
        let mut all = Vec::new();
        let mut held = true;
        for pause in pauses.iter().map(Some).chain([None]) {
            match self.clone().once(db).await {
                Ok(taken) => all.extend(taken),
                Err(error) if held_up(&error) => {}
                Err(error) if error.code == Code::NotKnown => return Err(error),
                // What went has to be told of; whoever asks for the rest will hear of this.
                Err(_) if !all.is_empty() => break,
                Err(error) => return Err(error),
            }
            // What still is as it was meant is in other hands.
            let left = self.keys(d, self.condition.clone());
            held = !db.rows(&left, &[Read::Text]).await?.is_empty();
            if !held {
                break;
            }
            if let Some(pause) = pause {
                tokio::time::sleep(Duration::from_millis(*pause)).await;
            }
        }
        Ok(Alone { keys: all, held })
    }

    /// One try, in a short transaction.
    async fn once(self, db: &Db) -> Result<Vec<String>> {
        let within = db.clone();
        db.finish::<_, Failure>(async move {
            let mut tx = within.begin().await?;
            match self.within(&mut tx).await {
                Ok(taken) => tx.commit().await.map(|()| taken),
                Err(error) => {
                    // Dropped, it would still hold what the next try asks for.
                    tx.abandon().await;
                    Err(error.into())
                }
            }
        })
        .await
    }
}
