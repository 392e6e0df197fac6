//! A plan's batches, as many of them at once as the store allows, and what each did.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::time::Instant;

use super::plan::{Plan, Taken};
use crate::django::session::Decoder;
use crate::error::{Code, Error};
use crate::policy::exemption;
use crate::roster::last_save;
use crate::site::{Site, hold};
use crate::store::{Data, Hold, IdForm, SessionKey, SessionRow, SweepBatch, UserId, UserRow};
use crate::view::SweepReason;

/// People in one transaction: few enough that no lock is held for long.
const BATCH: usize = 50;
/// Where batches take longer, the last connection is left to looks.
const QUICK: Duration = Duration::from_millis(300);

/// What the batches did, put together.
#[derive(Default)]
pub(super) struct Done {
    pub marked: Vec<UserId>,
    pub deleted: Vec<SessionKey>,
    /// Those that were there when their batch was over, and those that could not be asked for.
    pub there: Vec<SessionKey>,
    /// Dates tell what is saved, whoever's sessions went: looks find what they found before.
    pub dates_told: bool,
    pub spared: HashMap<UserId, Hold>,
    /// The database would not do it for someone, and said so.
    pub refused: Option<Error>,
    /// Why the sweep ended before its last batch.
    pub broken: Option<Error>,
    /// Of somebody it is unknown whether they were signed out.
    pub unsure: bool,
}

impl Done {
    /// Whether somebody who is overdue is still here although nothing of their own doing speaks for it.
    pub fn kept_somebody(&self) -> bool {
        self.spared.values().any(|hold| hold.keeps())
    }
}

impl Site {
    pub(super) async fn apply(&self, plan: &Plan) -> Done {
        let mut done = Done::default();
        let config = self.settings();
        let decoder = Mutex::new(Decoder::new(crate::site::secret_keys(&config).as_ref()));
        let (cutoff, age) = (plan.cutoff, config.sessions.cookie_age);
        let ids = self.schema.users.id_form;
        let decide = Arc::new(move |id: &UserId, row: &SessionRow| {
            may_go(&decoder, age, ids, cutoff, id, row)
        });
        let exempt = plan.exempt.clone();
        let exempts = Arc::new(move |row: &UserRow| {
            exemption(&exempt, &row.username, row.staff, row.superuser)
        });
        let swept = |people: &[&Taken]| {
            let (overdue, stale): (Vec<&Taken>, Vec<&Taken>) = people
                .iter()
                .copied()
                .partition(|t| t.reason == SweepReason::Overdue);
            let dated = overdue.iter().flat_map(|t| &t.sessions);
            self.store.sweep(SweepBatch {
                dates: dated
                    .filter_map(|(key, date)| Some((key.clone(), (*date)?)))
                    .collect(),
                overdue: overdue
                    .iter()
                    .map(|t| (t.id.clone(), t.keys().cloned().collect()))
                    .collect(),
                stale: stale.iter().map(|t| (t.id.clone(), t.seen)).collect(),
                cutoff,
                saves_prove: config.sessions.saved_every_request,
                decide: decide.clone(),
                exempts: exempts.clone(),
            })
        };
        let before = self.told_by_dates();
        let mut took = QUICK;
        let mut batches: VecDeque<Vec<&Taken>> = plan.batches(BATCH).into();
        let (mut running, mut asking) = (FuturesUnordered::new(), FuturesUnordered::new());
        loop {
            let (sessions, people) = hold(&self.roster).size();
            let most = self.store.sweeps_at_once(sessions, people);
            let at_once = side_by_side(most, took);
            while running.len() < at_once
                && asking.len() < at_once
                && done.broken.is_none()
                && !self.halt.is_cancelled()
                && let Some(people) = batches.pop_front()
            {
                let batch = swept(&people);
                let began = Instant::now();
                running.push(async move { (people, batch.await, began.elapsed()) });
            }
            // What a batch deleted is asked for beside the next.
            let (people, swept, time) = tokio::select! {
                Some((deleted, there)) = asking.next() => {
                    done.deleted.extend(deleted);
                    done.there.extend(there);
                    continue;
                }
                Some(ended) = running.next() => ended,
                else => {
                    let left: usize = batches.iter().map(Vec::len).sum();
                    if left > 0 && self.halt.is_cancelled() {
                        done.broken.get_or_insert(super::stopped(left));
                    }
                    done.dates_told = self.still_told_by_dates(before);
                    return done;
                }
            };
            took = time;
            match swept {
                Ok(batch) => {
                    self.forget(&batch);
                    asking.push(self.there_again(batch.deleted));
                    done.marked.extend(batch.marked);
                    let unsure = |(_, hold): &(UserId, Hold)| *hold == Hold::Unsure;
                    done.unsure |= batch.spared.iter().any(unsure);
                    done.spared.extend(batch.spared);
                    if let Some(error) = batch.broken {
                        done.broken.get_or_insert(error);
                    }
                }
                // One row that another table of the site holds on to must not keep everyone else here.
                Err(error) if error.code == Code::Database => match people.as_slice() {
                    [one] => {
                        done.refused = Some(error);
                        done.spared.insert(one.id.clone(), Hold::Refused);
                    }
                    several => several
                        .iter()
                        .rev()
                        .for_each(|one| batches.push_front(vec![*one])),
                },
                Err(error) => {
                    done.broken.get_or_insert(error);
                }
            }
        }
    }
}

/// Batches that go at once after one that took so long.
fn side_by_side(most: usize, took: Duration) -> usize {
    match took < QUICK {
        true => most,
        false => most.div_ceil(2),
    }
}

/// A session as it is now may go where it still is that user's and was not saved since the cutoff.
fn may_go(
    decoder: &Mutex<Decoder>,
    cookie_age: Option<Duration>,
    ids: IdForm,
    cutoff: Timestamp,
    id: &UserId,
    row: &SessionRow,
) -> bool {
    let decoded = match &row.data {
        Data::Encoded(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => hold(decoder).decode(text),
            Err(_) => return false,
        },
        Data::Cached(bytes) => hold(decoder).cached(bytes),
    };
    decoded.is_ok_and(|session| {
        session.user.as_deref().map(|user| ids.id(user)).as_ref() == Some(id)
            && last_save(row.lend(), Some(&session), cookie_age).is_none_or(|at| at <= cutoff)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_that_are_slow_leave_room_for_looks() {
        for (most, quick, slow) in [(1, 1, 1), (2, 2, 1), (3, 3, 2)] {
            assert_eq!(side_by_side(most, Duration::from_millis(20)), quick);
            assert_eq!(side_by_side(most, QUICK), slow);
        }
    }
}
