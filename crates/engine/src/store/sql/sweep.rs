//! One batch of a sweep, in one short transaction: people are locked only while still as the plan saw them, and a session
//! goes only while its date or its content is what was judged.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sea_query::{Cond, ExprTrait};
use tokio::time::Instant;

use super::batch::{Held, dates, delete, lock, mark, matching, read, touch};
use super::read_back::{Found, read_back};
use super::{At, SqlStore};
use crate::error::{Code, Error, Result};
use crate::store::db::Failure;
use crate::store::explain::{explain, held_up};
use crate::store::key::{SessionKey, UserId};
use crate::store::mysql::Passing;
use crate::store::schema::{Dialect, SessionTable};
use crate::store::tx::Tx;
use crate::store::{BatchDone, Hold, SessionRow, SweepBatch, expr};

/// How long a batch is taken apart for, to find whose row somebody else holds.
const PATIENCE: Duration = Duration::from_secs(2);

/// What became of a transaction.
enum Applied {
    Done(BatchDone),
    /// Nothing is done.
    Held(Hold),
}

/// Runs a batch to its end. If another transaction holds a row of it, the batch is halved until that row keeps nobody but its
/// own user here.
pub async fn run(store: SqlStore, batch: SweepBatch) -> Result<BatchDone> {
    let began = Instant::now();
    let (mut done, mut whole, mut left) = (BatchDone::default(), true, vec![batch]);
    while let Some(batch) = left.pop() {
        let applied = store.db.finish(apply(store.clone(), batch.clone()));
        let applied = match applied.await {
            Ok(Applied::Held(hold)) => Ok(Applied::Held(store.told_apart(hold).await)),
            other => other,
        };
        match applied {
            Ok(Applied::Done(part)) => done.add(part),
            Ok(Applied::Held(Hold::Row)) if batch.size() > 1 && began.elapsed() < PATIENCE => {
                left.extend(batch.halves());
            }
            Ok(Applied::Held(hold)) => done.spare(batch.users(), hold),
            // Nothing is done yet: the caller decides.
            Err(error) if whole => return Err(error),
            Err(error) if error.code == Code::Database && batch.size() > 1 => {
                left.extend(batch.halves());
            }
            Err(error) if error.code == Code::Database => done.spare(batch.users(), Hold::Refused),
            Err(error) => done.broken = Some(error),
        }
        whole = false;
        if done.broken.is_some() {
            break;
        }
    }
    Ok(done)
}

/// How long a batch may have taken when it comes to delete in another place than the users': what is begun there later
/// might end when nobody waits for it any more.
const LATEST: Duration = Duration::from_millis(900);

/// A session that the batch means, as it is now.
pub(super) struct Judged<'a> {
    pub key: &'a SessionKey,
    pub now: Now,
}

pub(super) enum Now {
    /// What it holds.
    Row(SessionRow),
    /// The date that it had when it was judged.
    Dated(Timestamp),
}

/// Who leaves, with all their sessions.
type Leaving<'a> = HashMap<&'a UserId, &'a [SessionKey]>;
/// Whose each session is.
type Owners<'a> = HashMap<&'a SessionKey, &'a UserId>;

/// Who stays, and why.
type Back<'a> = Vec<(&'a UserId, Hold)>;

/// How it is known whether a session has the date still that it had when it was judged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dates {
    /// By its deletion: where one had another, that is taken back.
    Taken,
    /// It is read before, and its deletion asks once more.
    Read,
    /// It is read before, and nobody else changes it until the batch is over.
    Held,
}

async fn apply(store: SqlStore, batch: SweepBatch) -> Result<Applied, Failure> {
    let how = match store.db.dialect() {
        Dialect::Postgres => Dates::Read,
        Dialect::Mysql | Dialect::Sqlite => Dates::Held,
    };
    if store.tells_by_deleting(&batch)
        && let Some(applied) = attempt(&store, &batch, Dates::Taken).await?
    {
        return Ok(applied);
    }
    let applied = attempt(&store, &batch, how).await?;
    Ok(applied.unwrap_or_else(|| Applied::Done(BatchDone::default())))
}

/// None, and nothing is done: not every session had the date that was taken for its own, or somebody holds one. Whose
/// that is, reading tells. Where it fails before its commit, too, it leaves everybody's row before it says so.
async fn attempt(
    store: &SqlStore,
    batch: &SweepBatch,
    how: Dates,
) -> Result<Option<Applied>, Failure> {
    let began = Instant::now();
    let d = store.db.dialect();
    let (mut done, mut table) = (BatchDone::default(), false);
    let held = |error: &Failure, table: bool| match error {
        Failure::Driver(error) => Hold::of(d, error, table),
        Failure::Said(error) => held_up(error).then_some(Hold::Slow),
        Failure::Unsure(_) => None,
    };
    let mut tx = match store.db.begin().await {
        Ok(tx) => tx,
        Err(error) => {
            let error = Failure::from(error);
            return held(&error, true)
                .map(|hold| Some(Applied::Held(hold)))
                .ok_or(error);
        }
    };
    let worked = within(store, &mut tx, batch, how, began, (&mut done, &mut table)).await;
    let ended = match worked {
        Ok(true) => tx.commit().await,
        Ok(false) => {
            tx.rollback().await?;
            return Ok(None);
        }
        Err(error) => {
            tx.abandon().await;
            Err(error)
        }
    };
    match ended {
        Ok(()) => Ok(Some(Applied::Done(done))),
        // No rollback of the users' brings back what was deleted elsewhere.
        Err(error) if store.is_apart() && !done.deleted.is_empty() => {
            done.marked.clear();
            done.broken = Some(error.into());
            Ok(Some(Applied::Done(done)))
        }
        Err(Failure::Unsure(why)) => what_became(store, batch, done, why).await.map(Some),
        Err(error) => match held(&error, table) {
            Some(hold) => Ok(Some(Applied::Held(hold))),
            None => Err(error),
        },
    }
}

/// No answer came to the COMMIT: reads what it came to. If nobody can be asked, nothing is claimed, and the users are named.
async fn what_became(
    store: &SqlStore,
    batch: &SweepBatch,
    mut done: BatchDone,
    why: Error,
) -> Result<Applied, Failure> {
    // All of it, or none: it was one transaction. A row that came back since does not count against it.
    let some_gone = || async {
        let there = match done.deleted.as_slice() {
            [] => Vec::new(),
            keys => store.sessions().surviving(keys).await?,
        };
        let flagged = store.flagged_of(&done.marked).await?;
        let gone = there.len() < done.deleted.len() || flagged.len() < done.marked.len();
        Ok(gone.then_some(()))
    };
    match read_back(some_gone).await {
        Found::Made(()) => return Ok(Applied::Done(done)),
        Found::NotMade => return Err(Failure::Said(why)),
        Found::NotKnown => {}
    }
    let mut unsure = BatchDone {
        broken: Some(why),
        ..BatchDone::default()
    };
    let spared: HashSet<&UserId> = done.spared.iter().map(|(id, _)| id).collect();
    let others = batch.users().filter(|id| !spared.contains(id));
    unsure.spare(others, Hold::Unsure);
    unsure.spared.append(&mut done.spared);
    Ok(Applied::Done(unsure))
}

/// Whether this is to be committed; if not, all of it is to be taken back.
async fn within(
    store: &SqlStore,
    tx: &mut Tx,
    batch: &SweepBatch,
    how: Dates,
    began: Instant,
    (done, table): (&mut BatchDone, &mut bool),
) -> Result<bool, Failure> {
    // A deletion that tells waits for no table either, and is all that this batch asks of it.
    let mut keys = batch.overdue.iter().flat_map(|(_, keys)| keys);
    if how != Dates::Taken || !keys.all(|key| batch.dates.contains_key(key)) {
        *table = true;
        touch(store, tx).await?;
    }

    let overdue: Vec<UserId> = batch.overdue.iter().map(|(id, _)| id.clone()).collect();
    let still = overdue_still(store, batch);
    // Where rows that others hold are passed over, only the table can be in the way.
    *table = tx.passing() == Some(Passing::Skip);
    let held = lock(store, tx, &overdue, still, batch).await?;
    *table = false;
    let mut missing = Vec::new();
    let mut leaving = Leaving::new();
    for (id, keys) in &batch.overdue {
        match held.get(id) {
            Some(Held {
                exempt: Some(exempt),
                ..
            }) => done.spared.push((id.clone(), Hold::Exempt(exempt))),
            Some(_) => {
                leaving.insert(id, keys);
            }
            None => missing.push(id.clone()),
        }
    }
    name_missing(store, tx, &missing, overdue_still(store, batch), done).await?;
    let owners: Owners<'_> = leaving
        .iter()
        .flat_map(|(id, keys)| keys.iter().map(|key| (key, *id)))
        .collect();
    let (sessions, back) = judge(store, tx, batch, &owners, how).await?;
    for (id, why) in back {
        if leaving.remove(id).is_some() {
            done.spared.push((id.clone(), why));
        }
    }
    let goes = |key: &SessionKey| owners.get(key).is_some_and(|id| leaving.contains_key(id));
    let doomed: Vec<Judged<'_>> = sessions.into_iter().filter(|one| goes(one.key)).collect();
    let ids: Vec<UserId> = leaving.keys().map(|id| (*id).clone()).collect();
    if store.is_apart() && began.elapsed() > LATEST {
        return Err(Hold::Slow.error().into());
    }
    done.deleted.reserve(doomed.len());
    let ended = delete(store, tx, &doomed, &ids, batch, how, &mut done.deleted).await;
    let other = match &ended {
        Ok(()) => done.deleted.len() < doomed.len(),
        // At once, where PostgreSQL has waited for as long as a batch may.
        Err(Failure::Driver(e)) => store.db.dialect() == Dialect::Mysql && held_up(&explain(e)),
        Err(Failure::Said(_) | Failure::Unsure(_)) => false,
    };
    if how == Dates::Taken && other {
        return Ok(false);
    }
    ended?;
    let all = (&doomed[..], &owners);
    let leaving = leaving.into_keys();
    let leaving = leaving.filter_map(|id| Some((id, held.get(id)?))).collect();
    conclude(store, tx, batch, all, leaving, done).await?;
    Ok(true)
}

/// Users whose row was not locked: somebody else holds it, or it is not what it was.
async fn name_missing(
    store: &SqlStore,
    tx: &mut Tx,
    missing: &[UserId],
    condition: Cond,
    done: &mut BatchDone,
) -> Result<(), sqlx::Error> {
    let held: HashSet<UserId> = matching(store, tx, missing, condition).await?;
    for id in missing {
        let why = match held.contains(id) {
            true => Hold::Written,
            false => Hold::SeenAgain,
        };
        done.spared.push((id.clone(), why));
    }
    Ok(())
}

/// What the sessions are now, judged now; and of whom one is not what it was, or is in other hands.
async fn judge<'a>(
    store: &SqlStore,
    tx: &mut Tx,
    batch: &SweepBatch,
    owners: &Owners<'a>,
    how: Dates,
) -> Result<(Vec<Judged<'a>>, Back<'a>), Failure> {
    let apart = store.is_apart();
    // Where what others hold cannot be passed over, only what is sure to go is locked.
    let passes = apart || how == Dates::Taken || matches!(tx.passing(), None | Some(Passing::Skip));
    let by_date = passes && store.dated(batch);
    let date = |key: &SessionKey| {
        let date = batch.dates.get(key).copied().filter(|_| by_date);
        date.filter(|at| store.tells_exactly(*at))
    };
    let (mut sessions, mut back) = (Vec::with_capacity(owners.len()), Vec::new());
    let (mut dated, mut others) = (Vec::new(), Vec::new());
    for &key in owners.keys() {
        match (date(key), how) {
            (Some(expires), Dates::Taken) => sessions.push(Judged {
                key,
                now: Now::Dated(expires),
            }),
            (Some(_), Dates::Read | Dates::Held) => dated.push(key.clone()),
            (None, _) => others.push(key.clone()),
        }
    }
    let dated = dates(store, tx, &dated).await?;
    // What somebody else holds right now may be what they save.
    let busy = dated.busy.iter().filter_map(|key| owners.get(key).copied());
    back.extend(busy.map(|id| (id, Hold::Row)));
    for (key, expires) in dated.found {
        let Some((&key, &id)) = owners.get_key_value(&key) else {
            continue;
        };
        match date(key) == Some(expires) {
            true => sessions.push(Judged {
                key,
                now: Now::Dated(expires),
            }),
            // A cache's expiry may be off by a moment from what the roster took it for: what the session holds tells.
            false if apart => others.push(key.clone()),
            false => back.push((id, Hold::SeenAgain)),
        }
    }
    for row in read(store, tx, &others).await? {
        let Some((&key, &id)) = owners.get_key_value(&row.key) else {
            continue;
        };
        match (batch.decide)(id, &row) {
            true => sessions.push(Judged {
                key,
                now: Now::Row(row),
            }),
            false => back.push((id, Hold::SeenAgain)),
        }
    }
    Ok((sessions, back))
}

impl SqlStore {
    /// The sessions lie in another place than the users.
    fn is_apart(&self) -> bool {
        matches!(self.sessions, At::Elsewhere(_))
    }

    /// Whether a batch's people stay as they were locked until it is over.
    pub(super) fn holds_people(&self) -> bool {
        self.users.flag.is_some() && self.users.transactional
    }

    /// Whether a deletion may tell which sessions have the date still that they had: where it says so, waits for nobody
    /// beyond what a batch may, and is taken back where one had another. What was deleted elsewhere cannot be.
    fn tells_by_deleting(&self, batch: &SweepBatch) -> bool {
        let At::Beside(sessions) = &self.sessions else {
            return false;
        };
        let says = self.db.dialect() != Dialect::Mysql || self.db.deletes_at_once();
        says && sessions.table.transactional && self.dated(batch)
    }

    /// Whether a session's date tells that it is as it was: where dates have microseconds, and no clock that goes back. Where
    /// the table itself says when a session was used, that may move by itself.
    fn dated(&self, batch: &SweepBatch) -> bool {
        match &self.sessions {
            At::Beside(sessions) if !batch.dates.is_empty() => {
                let SessionTable { expires, seen, .. } = &sessions.table;
                let utc = *expires.zone() == TimeZone::UTC;
                seen.is_none() && utc && expires.is_fine(self.db.dialect())
            }
            At::Elsewhere(sessions) => !batch.dates.is_empty() && sessions.date_tells(),
            At::Beside(_) => false,
        }
    }

    /// Whether a statement can ask for exactly this date.
    fn tells_exactly(&self, at: Timestamp) -> bool {
        match &self.sessions {
            At::Beside(sessions) if self.db.dialect() == Dialect::Postgres => {
                expr::is_exact(&sessions.table.expires, at)
            }
            At::Beside(_) | At::Elsewhere(_) => true,
        }
    }
}

/// What of a batch comes after its sessions: who was back after all, and the flags.
async fn conclude(
    store: &SqlStore,
    tx: &mut Tx,
    batch: &SweepBatch,
    (doomed, owners): (&[Judged<'_>], &Owners<'_>),
    mut leaving: HashMap<&UserId, &Held>,
    done: &mut BatchDone,
) -> Result<(), Failure> {
    // A session that was there a moment ago and outlived the predicate: its holder is back, or something kept it.
    let gone: HashSet<&SessionKey> = done.deleted.iter().collect();
    let outlived = doomed.iter().filter(|one| !gone.contains(one.key));
    let outlived: Vec<&Judged<'_>> = outlived.collect();
    let kept = kept(store, tx, batch, &outlived, owners).await?;
    for session in outlived {
        if let Some(id) = owners.get(session.key)
            && leaving.remove(id).is_some()
        {
            let why = match (kept.contains(session.key), tx.dialect()) {
                // Nothing there swallows a deletion: it passed over what somebody holds.
                (true, Dialect::Mysql) => Hold::Row,
                (true, Dialect::Postgres | Dialect::Sqlite) => Hold::Swallowed,
                (false, _) => Hold::SeenAgain,
            };
            done.spared.push(((*id).clone(), why));
        }
    }

    let flagged = leaving.into_iter().filter(|(_, held)| held.flagged);
    let mut to_mark: Vec<UserId> = flagged.map(|(id, _)| id.clone()).collect();
    for (id, seen) in &batch.stale {
        let still = lock(
            store,
            tx,
            std::slice::from_ref(id),
            stale_still(store, *seen),
            batch,
        )
        .await?;
        match still.get(id) {
            Some(Held {
                exempt: Some(exempt),
                ..
            }) => done.spared.push((id.clone(), Hold::Exempt(exempt))),
            Some(held) if held.flagged => to_mark.push(id.clone()),
            Some(_) => {}
            None => {
                let missing = std::slice::from_ref(id);
                name_missing(store, tx, missing, stale_still(store, *seen), done).await?;
            }
        }
    }
    done.marked = mark(store, tx, &to_mark).await?;
    Ok(())
}

/// Of sessions that the deletion left, those that still are what was judged, although nobody was seen: the database kept them.
async fn kept(
    store: &SqlStore,
    tx: &mut Tx,
    batch: &SweepBatch,
    outlived: &[&Judged<'_>],
    owners: &Owners<'_>,
) -> Result<HashSet<SessionKey>, Failure> {
    let mut kept = HashSet::new();
    if outlived.is_empty() || store.is_apart() {
        return Ok(kept);
    }
    let keys: Vec<SessionKey> = outlived.iter().map(|one| one.key.clone()).collect();
    let rows = read(store, tx, &keys).await?;
    let rows: HashMap<&SessionKey, &SessionRow> = rows.iter().map(|row| (&row.key, row)).collect();
    let ids = outlived.iter().filter_map(|one| owners.get(one.key));
    let ids: Vec<UserId> = ids.map(|id| (*id).clone()).collect();
    let away = matching(store, tx, &ids, overdue_still(store, batch)).await?;
    for one in outlived {
        let same = rows.get(one.key).is_some_and(|row| match &one.now {
            Now::Row(before) => row.data.bytes() == before.data.bytes(),
            Now::Dated(expires) => row.expires == *expires,
        });
        if same && owners.get(one.key).is_some_and(|id| away.contains(*id)) {
            kept.insert(one.key.clone());
        }
    }
    Ok(kept)
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
