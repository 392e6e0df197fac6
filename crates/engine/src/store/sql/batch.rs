//! The statements of a sweep's batch, within its transaction.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use sea_query::{Alias, Cond, Expr, ExprTrait, LockBehavior, LockType};

use super::sessions::keys_of;
use super::sweep::{Dates, Judged, Now};
use super::users::user_row;
use super::{At, CHUNK, KEY, SqlSessions, SqlStore};
use crate::store::db::Failure;
use crate::store::key::{SessionKey, UserId};
use crate::store::schema::Dialect;
use crate::store::statement::{Cell, Read};
use crate::store::tx::Tx;
use crate::store::{SessionRow, SweepBatch, expr};

/// MySQL waits up to a second for a table that is being altered. If so, before anybody's row is held. A deletion at once
/// needs none of this.
pub(super) async fn touch(store: &SqlStore, tx: &mut Tx) -> Result<(), sqlx::Error> {
    let (At::Beside(sessions), Some(passing)) = (&store.sessions, tx.passing()) else {
        return Ok(());
    };
    let mut query = sessions.select_sessions();
    query.and_where(Expr::val(1).eq(0));
    passing.lock(&mut query, None);
    tx.rows(&query, &[]).await.map(|_| ())
}

/// Somebody who is locked, as they are now.
pub(super) struct Held {
    /// Why the policy leaves them alone, where it does.
    pub exempt: Option<&'static str>,
    pub flagged: bool,
}

/// Locks those of `ids` for which `condition` holds, passing over rows that others hold: who is being
/// written right now is here. Foreign keys that point at them are not held up.
pub(super) async fn lock(
    store: &SqlStore,
    tx: &mut Tx,
    ids: &[UserId],
    condition: Cond,
    batch: &SweepBatch,
) -> Result<HashMap<UserId, Held>, sqlx::Error> {
    let Some(these) = store.among(ids) else {
        return Ok(HashMap::new());
    };
    let users = &store.users;
    let mut query = store.select_users();
    query.and_where(these).cond_where(condition);
    // As [`SqlStore::holds_people`] has it: without a flag to write, the role may well lack the right that a row lock asks for.
    if let Some(flag) = &users.flag {
        match (tx.dialect(), tx.passing()) {
            // The role need not have the right to lock a parent's rows.
            (Dialect::Postgres, _) if !users.parents.is_empty() => {
                let (table, _) = users.place_of(flag);
                let table = [Alias::new(&table.name)];
                query.lock_with_tables_behavior(
                    LockType::NoKeyUpdate,
                    table,
                    LockBehavior::SkipLocked,
                );
            }
            (Dialect::Postgres, _) => {
                query.lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked);
            }
            (_, Some(passing)) => {
                let few = store.most(ids).map(|most| (users.id.as_str(), most));
                passing.lock(&mut query, few);
            }
            (_, None) => {}
        }
    }
    let rows = tx.rows(&query, &store.user_shape()).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| user_row(row, users))
        .map(|row| {
            let exempt = (batch.exempts)(&row);
            let flagged = row.flagged;
            (row.id, Held { exempt, flagged })
        })
        .collect())
}

/// Of these users, those for whom the condition holds, whoever has locked them.
pub(super) async fn matching(
    store: &SqlStore,
    tx: &mut Tx,
    ids: &[UserId],
    condition: Cond,
) -> Result<HashSet<UserId>, sqlx::Error> {
    let Some(these) = store.among(ids) else {
        return Ok(HashSet::new());
    };
    let mut query = store.select_users();
    query.and_where(these).cond_where(condition);
    let rows = tx.rows(&query, &store.user_shape()).await?;
    let rows = rows.into_iter();
    Ok(rows
        .filter_map(|row| user_row(row, &store.users))
        .map(|row| row.id)
        .collect())
}

/// What these sessions hold now, wherever they lie. The people's locks are held meanwhile.
pub(super) async fn read(
    store: &SqlStore,
    tx: &mut Tx,
    keys: &[SessionKey],
) -> Result<Vec<SessionRow>, Failure> {
    let rows = match &store.sessions {
        At::Elsewhere(sessions) => return Ok(sessions.read(keys).await?),
        At::Beside(rows) => rows,
    };
    let mut read = Vec::with_capacity(keys.len());
    let shape = rows.whole_shape();
    for chunk in keys.chunks(store.db.chunk()) {
        let query = rows.select_keys(chunk);
        let found = tx.rows(&query, &shape).await?;
        read.extend(found.into_iter().filter_map(|row| rows.session_row(row)));
    }
    Ok(read)
}

/// What [`dates`] found.
#[derive(Default)]
pub(super) struct Dated {
    pub found: Vec<(SessionKey, Timestamp)>,
    /// Those that somebody else holds.
    pub busy: Vec<SessionKey>,
}

/// The dates of these sessions now. On MySQL they are locked by it, and what others hold is passed over: the deletion would
/// wait for it, with everybody's row held meanwhile.
pub(super) async fn dates(
    store: &SqlStore,
    tx: &mut Tx,
    keys: &[SessionKey],
) -> Result<Dated, Failure> {
    let mut dated = Dated::default();
    if keys.is_empty() {
        return Ok(dated);
    }
    let sessions = match &store.sessions {
        At::Beside(sessions) => sessions,
        At::Elsewhere(sessions) => {
            dated.found = sessions.dates(keys).await?;
            return Ok(dated);
        }
    };
    let shape = [Read::Text, expr::time_shape(tx.dialect())];
    let passing = tx.passing();
    let asked: HashSet<&SessionKey> = keys.iter().collect();
    for chunk in keys.chunks(store.db.chunk()) {
        let mut query = sessions.select_dates();
        query.and_where(sessions.alike(chunk));
        if let Some(passing) = passing {
            let few = sessions.table.keyed.then_some((KEY, chunk.len()));
            passing.lock(&mut query, few);
        }
        for row in tx.rows(&query, &shape).await? {
            let mut cells = row.into_iter();
            if let (Some(Cell::Text(key)), Some(expires)) = (cells.next(), cells.next()) {
                let key = SessionKey::new(key);
                if asked.contains(&key) {
                    dated.found.push((key, sessions.expiry(&expires)));
                }
            }
        }
    }
    if passing.is_some() && dated.found.len() < keys.len() {
        let found: HashSet<&SessionKey> = dated.found.iter().map(|(key, _)| key).collect();
        let others = keys.iter().filter(|key| !found.contains(key));
        dated.busy = there(sessions, tx, &others.cloned().collect::<Vec<_>>()).await?;
    }
    Ok(dated)
}

/// Which of these sessions are there, whoever holds them, and what a collation takes for one.
async fn there(
    sessions: &SqlSessions,
    tx: &mut Tx,
    keys: &[SessionKey],
) -> Result<Vec<SessionKey>, sqlx::Error> {
    let mut found = Vec::new();
    for chunk in keys.chunks(sessions.db.chunk()) {
        let mut query = sessions.select_dates();
        query.and_where(sessions.alike(chunk));
        found.extend(keys_of(tx.rows(&query, &[Read::Text]).await?));
    }
    Ok(found)
}

/// Deletes these sessions where they still are what was judged, and where nobody of `ids` was seen
/// after the cutoff. What went stands in `deleted`; in another place than the users' that holds where it fails, too. With
/// dates that are [`Dates::Taken`] all of a chunk are named where they went with the dates that they had, and otherwise
/// none, and nothing more is deleted.
pub(super) async fn delete(
    store: &SqlStore,
    tx: &mut Tx,
    doomed: &[Judged<'_>],
    ids: &[UserId],
    batch: &SweepBatch,
    how: Dates,
    deleted: &mut Vec<SessionKey>,
) -> Result<(), Failure> {
    let (mut rows, mut by_date) = (Vec::new(), Vec::new());
    for one in doomed {
        match &one.now {
            Now::Row(row) => rows.push(row.clone()),
            Now::Dated(expires) => by_date.push((one.key.expose(), *expires)),
        }
    }
    let sessions = match &store.sessions {
        At::Elsewhere(sessions) => {
            let dated = by_date.into_iter();
            let dated: Vec<_> = dated.map(|(key, at)| (SessionKey::new(key), at)).collect();
            sessions.delete_judged(&dated, &rows, deleted).await?;
            return Ok(());
        }
        At::Beside(sessions) => sessions,
    };
    // In the order of the index, which the database would bring them into.
    by_date.sort_unstable();
    let d = tx.dialect();
    let users = &store.users;
    let mut seen_since = Cond::any();
    for column in [&users.last_activity, &users.last_login]
        .into_iter()
        .flatten()
    {
        seen_since = seen_since.add(expr::maybe_after(d, column, batch.cutoff));
    }
    // Who is locked cannot be seen meanwhile. Asked for nonetheless, MySQL's kind would lock whatever it goes through.
    let held = d == Dialect::Mysql && store.holds_people();
    let back = store.among(ids).filter(|_| !held).map(|these| {
        expr::from_users(users)
            .expr(Expr::val(1))
            .and_where(these)
            .cond_where(seen_since)
            .to_owned()
    });
    let take = |condition: Cond, of: usize| {
        let not_back = back.clone().map(Expr::not_exists);
        let asks = not_back.is_some();
        let condition = Cond::all().add(condition).add_option(not_back);
        let take = sessions.take(condition, of);
        match asks {
            true => take.whole(),
            false => take,
        }
    };
    for chunk in rows.chunks(CHUNK) {
        let taken = take(sessions.unchanged(chunk), chunk.len())
            .within(tx)
            .await?;
        deleted.extend(taken.into_iter().map(SessionKey::new));
    }
    for chunk in by_date.chunks(store.db.chunk()) {
        let keys = || chunk.iter().map(|(key, _)| *key);
        let unmoved = || {
            let pairs = expr::pairs(KEY, &sessions.table.expires, chunk);
            let these = expr::among(d, KEY, keys());
            take(Cond::all().add(these).add(pairs), chunk.len())
        };
        let taken = match how {
            Dates::Taken => {
                let all = match d {
                    Dialect::Postgres => unmoved().counted(tx).await? == chunk.len() as u64,
                    Dialect::Mysql | Dialect::Sqlite => {
                        let these = Cond::all().add(expr::alike(d, KEY, keys()));
                        let take = take(these, chunk.len());
                        let date = expr::time(d, &sessions.table.expires);
                        let taken = take.with(tx, date, expr::time_shape(d)).await?;
                        same(&taken, chunk, |date| sessions.expiry(date))
                    }
                };
                if !all {
                    return Ok(());
                }
                keys().map(str::to_owned).collect()
            }
            Dates::Read => unmoved().within(tx).await?,
            Dates::Held => {
                let held = keys().map(str::to_owned).collect();
                // A table that knows no transactions holds nothing. What is saved is later than all that go.
                let newest = chunk.iter().map(|(_, expires)| *expires).max();
                let old = newest.map(|at| sessions.expires().lte(sessions.moment(at)));
                let take = take(Cond::all().add_option(old), chunk.len());
                take.of_held(tx, held).await?
            }
        };
        deleted.extend(taken.into_iter().map(SessionKey::new));
    }
    Ok(())
}

/// Whether these are what was meant, each with its date.
fn same(
    taken: &[(String, Cell)],
    meant: &[(&str, Timestamp)],
    date: impl Fn(&Cell) -> Timestamp,
) -> bool {
    let meant: HashSet<_> = meant.iter().copied().collect();
    let mut taken = taken.iter().map(|(key, at)| (key.as_str(), date(at)));
    taken.len() == meant.len() && taken.all(|one| meant.contains(&one))
}

/// Clears the flag of these people, who bore it when they were locked, and returns those whose flag this statement cleared.
pub(super) async fn mark(
    store: &SqlStore,
    tx: &mut Tx,
    ids: &[UserId],
) -> Result<Vec<UserId>, sqlx::Error> {
    let users = &store.users;
    let holds = store.holds_people();
    let take = users
        .flag
        .as_ref()
        .and_then(|flag| store.take(ids, holds, flag, false));
    let Some(take) = take else {
        return Ok(Vec::new());
    };
    let taken = match holds {
        true => {
            let held = ids.iter().map(|id| id.as_str().to_owned()).collect();
            take.of_held(tx, held).await?
        }
        false => take.within(tx).await?,
    };
    let ids = taken.iter().map(|id| users.id_form.id(id));
    Ok(ids.collect())
}
