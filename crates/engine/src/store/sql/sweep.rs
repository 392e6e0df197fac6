//! One batch of a sweep, in one short transaction. The predicates carry the safety: people are locked only
//! while still as the plan saw them, and a session goes only while its content is what was just judged.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Cond, Expr, ExprTrait, LockBehavior, LockType, Query, SelectStatement};
use tokio::time::Instant;

use super::users::user_id;
use super::{At, CHUNK, SqlStore};
use crate::error::Result;
use crate::store::db::Failure;
use crate::store::explain::{explain, held_up, put_off};
use crate::store::key::{SessionKey, UserId};
use crate::store::schema::Dialect;
use crate::store::statement::{Cell, Read};
use crate::store::tx::Tx;
use crate::store::{BatchDone, SessionRow, SweepBatch, expr};

const CAME_BACK: &str = "was seen again in the meantime";
const BUSY: &str = "is being changed right now";

/// Runs a batch to its end. Where someone else holds a lock for too long, nothing of the batch is done.
pub async fn run(store: SqlStore, batch: SweepBatch) -> Result<BatchDone> {
    let people: Vec<UserId> = batch
        .overdue
        .iter()
        .map(|(id, _)| id.clone())
        .chain(batch.stale.iter().map(|(id, _)| id.clone()))
        .collect();
    let db = store.db.clone();
    match db.finish(attempt(store, batch)).await {
        // A lock was not to be had within 100 ms. The site goes first.
        Err(e) if held_up(&e) => Ok(BatchDone {
            spared: people.into_iter().map(|id| (id, BUSY)).collect(),
            ..BatchDone::default()
        }),
        other => other,
    }
}

/// How long a batch may have taken when it comes to delete in another place than the users': what is begun there later
/// might end when nobody waits for it any more.
const LATEST: Duration = Duration::from_millis(900);

async fn attempt(store: SqlStore, batch: SweepBatch) -> Result<BatchDone, Failure> {
    let began = Instant::now();
    let mut tx = store.db.begin().await?;
    tx.limit_waiting().await?;
    touch(&store, &mut tx).await?;
    let mut done = BatchDone::default();

    let overdue: Vec<UserId> = batch.overdue.iter().map(|(id, _)| id.clone()).collect();
    let held = lock(&store, &mut tx, &overdue, overdue_still(&store, &batch)).await?;
    let mut leaving: HashMap<UserId, Vec<SessionKey>> = HashMap::new();
    for (id, keys) in &batch.overdue {
        if held.contains(id) {
            leaving.insert(id.clone(), keys.clone());
        } else {
            done.spared.push((id.clone(), CAME_BACK));
        }
    }

    // What the sessions hold now, judged now.
    let keys: Vec<SessionKey> = leaving.values().flatten().cloned().collect();
    let rows = read(&store, &mut tx, &keys).await?;
    let owner: HashMap<SessionKey, UserId> = leaving
        .iter()
        .flat_map(|(id, keys)| keys.iter().map(|k| (k.clone(), id.clone())))
        .collect();
    let returned: HashSet<UserId> = rows
        .iter()
        .filter_map(|row| owner.get(&row.key).map(|id| (row, id)))
        .filter(|(row, id)| !(batch.decide)(id, row))
        .map(|(_, id)| id.clone())
        .collect();
    for id in returned {
        leaving.remove(&id);
        done.spared.push((id, CAME_BACK));
    }
    let doomed: Vec<SessionRow> = rows
        .into_iter()
        .filter(|row| {
            owner
                .get(&row.key)
                .is_some_and(|id| leaving.contains_key(id))
        })
        .collect();
    let ids: Vec<UserId> = leaving.keys().cloned().collect();
    let apart = matches!(store.sessions, At::Elsewhere(_));
    if apart && began.elapsed() > LATEST {
        return Err(put_off().into());
    }
    done.deleted = delete(&store, &mut tx, &doomed, &ids, &batch).await?;
    let ended = conclude(&store, tx, &batch, (&doomed, &owner), leaving, &mut done).await;
    match ended {
        // No rollback of the users' brings back what was deleted elsewhere.
        Err(error) if apart && !done.deleted.is_empty() => {
            done.marked.clear();
            done.broken = Some(explain(&error));
            Ok(done)
        }
        ended => ended.map(|()| done).map_err(Into::into),
    }
}

/// Everything of a batch that comes after its sessions: who was back after all, and the flags.
async fn conclude(
    store: &SqlStore,
    mut tx: Tx,
    batch: &SweepBatch,
    (doomed, owner): (&[SessionRow], &HashMap<SessionKey, UserId>),
    mut leaving: HashMap<UserId, Vec<SessionKey>>,
    done: &mut BatchDone,
) -> Result<(), sqlx::Error> {
    // A session that was there a moment ago and outlived the predicate: its holder is back.
    let gone: HashSet<&SessionKey> = done.deleted.iter().collect();
    for row in doomed {
        if gone.contains(&row.key) {
            continue;
        }
        if let Some(id) = owner.get(&row.key)
            && leaving.remove(id).is_some()
        {
            done.spared.push((id.clone(), CAME_BACK));
        }
    }

    let mut to_mark: Vec<UserId> = leaving.into_keys().collect();
    for (id, seen) in &batch.stale {
        let still = lock(
            store,
            &mut tx,
            std::slice::from_ref(id),
            stale_still(store, *seen),
        )
        .await?;
        if still.is_empty() {
            done.spared.push((id.clone(), CAME_BACK));
        } else {
            to_mark.push(id.clone());
        }
    }
    done.marked = mark(store, &mut tx, &to_mark).await?;
    tx.commit().await
}

/// MySQL waits up to a second for a table that is being altered. If so, before anybody's row is held.
async fn touch(store: &SqlStore, tx: &mut Tx) -> Result<(), sqlx::Error> {
    let (At::Beside(sessions), Some(passing)) = (&store.sessions, tx.passing()) else {
        return Ok(());
    };
    let mut query = sessions.select_sessions();
    query.and_where(Expr::val(1).eq(0));
    passing.lock(&mut query);
    tx.rows(&query, &[]).await.map(|_| ())
}

/// Not seen since the cutoff, by the table's own columns.
fn overdue_still(store: &SqlStore, batch: &SweepBatch) -> Cond {
    let d = store.db.dialect();
    let users = &store.users;
    let mut all = Cond::all();
    if let Some(column) = &users.last_activity {
        let past = expr::surely_not_after(d, column, batch.cutoff);
        // No activity recorded proves nothing, unless saves prove it.
        all = all.add(if batch.saves_prove {
            expr::col(&column.name).is_null().or(past)
        } else {
            past
        });
    }
    if let Some(column) = &users.last_login {
        all = all.add(expr::not_after(d, column, batch.cutoff));
    }
    all
}

/// No newer evidence than what was seen.
fn stale_still(store: &SqlStore, seen: Option<Timestamp>) -> Cond {
    let d = store.db.dialect();
    let users = &store.users;
    let mut all = Cond::all();
    for column in [&users.last_activity, &users.last_login]
        .into_iter()
        .flatten()
    {
        all = all.add(match seen {
            Some(seen) => expr::not_after(d, column, seen),
            None => expr::col(&column.name).is_null(),
        });
    }
    all
}

/// Locks those of `ids` for which `condition` holds, passing over rows that others hold: who is being
/// written right now is here. Foreign keys that point at them are not held up.
async fn lock(
    store: &SqlStore,
    tx: &mut Tx,
    ids: &[UserId],
    condition: Cond,
) -> Result<HashSet<UserId>, sqlx::Error> {
    let Some(these) = store.among(ids) else {
        return Ok(HashSet::new());
    };
    let users = &store.users;
    let mut query: SelectStatement = Query::select()
        .expr(expr::text(tx.dialect(), expr::col(&users.id)))
        .from(expr::table(&users.table))
        .and_where(these)
        .cond_where(condition)
        .to_owned();
    // Without a flag to write, the role may well lack the right that a row lock asks for.
    if users.flag.is_some() {
        match (tx.dialect(), tx.passing()) {
            (Dialect::Postgres, _) => {
                query.lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked);
            }
            (_, Some(passing)) => passing.lock(&mut query),
            (_, None) => {}
        }
    }
    let rows = tx.rows(&query, &[Read::Text]).await?;
    let ids = rows.into_iter().flatten().filter_map(Cell::text);
    Ok(ids.map(|id| user_id(id, users.id_kind)).collect())
}

/// What these sessions hold now, wherever they lie. The people's locks are held meanwhile.
async fn read(
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
    for chunk in keys.chunks(CHUNK) {
        let query = rows.select_keys(chunk);
        let found = tx.rows(&query, &shape).await?;
        read.extend(found.into_iter().filter_map(|row| rows.session_row(row)));
    }
    Ok(read)
}

/// Deletes these rows where their content still is what was judged, and where nobody of `ids` was seen
/// after the cutoff.
async fn delete(
    store: &SqlStore,
    tx: &mut Tx,
    rows: &[SessionRow],
    ids: &[UserId],
    batch: &SweepBatch,
) -> Result<Vec<SessionKey>, Failure> {
    let sessions = match &store.sessions {
        At::Elsewhere(sessions) => return Ok(sessions.delete_unchanged(rows).await?),
        At::Beside(sessions) => sessions,
    };
    let d = tx.dialect();
    let users = &store.users;
    let mut seen_since = Cond::any();
    for column in [&users.last_activity, &users.last_login]
        .into_iter()
        .flatten()
    {
        seen_since = seen_since.add(expr::maybe_after(d, column, batch.cutoff));
    }
    let back = store.among(ids).map(|these| {
        Query::select()
            .expr(Expr::val(1))
            .from(expr::table(&users.table))
            .and_where(these)
            .cond_where(seen_since)
            .to_owned()
    });
    let mut deleted = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(CHUNK) {
        let mut condition = Cond::all().add(sessions.unchanged(chunk));
        if let Some(back) = &back {
            condition = condition.add(Expr::not_exists(back.clone()));
        }
        let taken = sessions.take(condition).within(tx).await?;
        deleted.extend(taken.into_iter().map(SessionKey::new));
    }
    Ok(deleted)
}

/// Clears the flag of these people, and returns those whose flag this statement cleared.
async fn mark(store: &SqlStore, tx: &mut Tx, ids: &[UserId]) -> Result<Vec<UserId>, sqlx::Error> {
    let users = &store.users;
    let (Some(flag), Some(these)) = (&users.flag, store.among(ids)) else {
        return Ok(Vec::new());
    };
    let take = store.take(Cond::all().add(these), flag, false);
    let taken = take.within(tx).await?;
    let ids = taken.into_iter().map(|id| user_id(id, users.id_kind));
    Ok(ids.collect())
}
