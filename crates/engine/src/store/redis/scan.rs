//! Listing a site's keys: SCAN in steps on each server, over several looks where there are many. A listing counts as
//! whole only where every server's cursor came round while the servers stayed the same.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use redis::{Value, cmd};
use tokio::time::Instant;

use super::RedisSessions;
use super::link::{Map, Node};
use super::values::Expiry;
use crate::error::{Code, Error, Result};
use crate::store::cache_key::KeyForm;
use crate::store::way::{Meter, Way};
use crate::store::{Listed, Mark, SessionKey, Sink, pace};

/// Keys a step looks at.
pub const COUNT: usize = 1000;
/// What a look may spend on listing. The first listing, and one before a deed, is done whole.
const BUDGET: Duration = Duration::from_millis(100);
/// On a long way a look takes no longer than so many times as much.
const WAITED: u32 = 3;
/// How often a listing begins anew because servers changed under it.
const TRIES: u32 = 4;

/// How far a listing has come.
pub(crate) struct Scan {
    under_way: Option<Course>,
    pub(crate) budget: Duration,
    /// There was a whole one.
    whole_once: bool,
    /// The next is to be whole, and to begin now.
    pub(crate) at_once: bool,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            under_way: None,
            budget: BUDGET,
            whole_once: false,
            at_once: false,
        }
    }
}

struct Course {
    form: KeyForm,
    map: Map,
    /// Servers that are not through yet, and their cursors.
    left: Vec<(Node, u64)>,
    /// It met a session.
    met: bool,
}

/// What a step of a listing says.
enum Step {
    /// A listing begins, and with it whatever was named before is void.
    Begins,
    Found(Vec<(SessionKey, Expiry)>),
    /// All keys have been named.
    Whole,
    /// Enough for this look.
    Enough,
}

/// One look's share of a listing.
struct Share {
    meter: Meter,
    /// Of its cost, what reading what changed took: no part of the listing's.
    reading: Duration,
    in_full: bool,
    tries: u32,
    /// SCANs so far. However little time there is, a look does one.
    steps: u32,
}

impl RedisSessions {
    /// Lists sessions, and hands over those that are new or were saved since.
    pub(super) async fn list_into(&self, mark: &mut Mark, sink: &mut dyn Sink) -> Result<()> {
        let Some(mut share) = share(mark, &self.link.way) else {
            return Ok(());
        };
        self.link.measure().await?;
        loop {
            match self.step(mark, &mut share).await? {
                Step::Begins => sink.listing_begins(),
                Step::Found(found) => {
                    let wanted: Vec<(SessionKey, Expiry)> = found
                        .into_iter()
                        .filter(|(key, expiry)| sink.listed(key.lend(), expiry.moment()))
                        .collect();
                    let meter = self.link.way.meter();
                    self.fetch(&wanted, |row| sink.session(row)).await?;
                    share.reading += meter.cost();
                }
                Step::Whole => {
                    sink.listing_done();
                    break;
                }
                Step::Enough => break,
            }
        }
        done(mark, &share);
        Ok(())
    }

    /// Lists copies, by key and expiry alone.
    pub(super) async fn list_copies(&self, mark: &mut Mark) -> Result<Listed> {
        let mut listed = Listed::default();
        let Some(mut share) = share(mark, &self.link.way) else {
            return Ok(listed);
        };
        self.link.measure().await?;
        loop {
            match self.step(mark, &mut share).await? {
                Step::Begins => {
                    listed.begins = true;
                    listed.copies.clear();
                }
                Step::Found(found) => listed.copies.extend(
                    found
                        .into_iter()
                        .map(|(key, expiry)| (key, expiry.moment()))
                        .collect::<Vec<(SessionKey, Timestamp)>>(),
                ),
                Step::Whole => {
                    listed.whole = true;
                    break;
                }
                Step::Enough => break,
            }
        }
        done(mark, &share);
        Ok(listed)
    }

    async fn step(&self, mark: &mut Mark, share: &mut Share) -> Result<Step> {
        let scan = &mut mark.scan;
        let Some(course) = &mut scan.under_way else {
            if share.tries >= TRIES {
                return Err(Error::new(
                    Code::Unreachable,
                    format!(
                        "the cache at {} changes servers while its keys are listed; look again in a moment",
                        self.link.shown()
                    ),
                ));
            }
            share.tries += 1;
            let map = self.link.map().await?;
            scan.under_way = Some(Course {
                form: self.forms.form(),
                left: map.nodes.iter().rev().map(|node| (*node, 0)).collect(),
                map,
                met: false,
            });
            return Ok(Step::Begins);
        };
        let Some((node, cursor)) = course.left.last_mut() else {
            if self.link.map().await? != course.map || self.forms.form() != course.form {
                // Keys may have moved from a server still to come to one that was through.
                scan.under_way = None;
                return Box::pin(self.step(mark, share)).await;
            }
            let met = course.met;
            scan.under_way = None;
            scan.whole_once = true;
            scan.at_once = false;
            self.steady.turn();
            if !met && self.engine_alone() && !self.forms.seen() {
                self.guess_form().await?;
                if self.forms.seen() {
                    return Box::pin(self.step(mark, share)).await;
                }
            }
            return Ok(Step::Whole);
        };
        if !share.in_full && share.steps > 0 && share.spent(scan.budget) {
            return Ok(Step::Enough);
        }
        share.steps += 1;
        let (next, keys) = self
            .scan_step(*node, *cursor, &course.form.pattern(), COUNT)
            .await?;
        let sessions: Vec<SessionKey> = keys
            .iter()
            .filter_map(|key| course.form.session(key))
            .collect();
        let expiries = self.expiries(&sessions).await?;
        let found: Vec<(SessionKey, Expiry)> = sessions
            .into_iter()
            .zip(expiries)
            .filter_map(|(key, expiry)| Some((key, expiry?)))
            .collect();
        if !found.is_empty() {
            course.met = true;
            if self.engine_alone() {
                self.forms.met(&course.form);
            }
        }
        // Only now: a step that failed is done again.
        *cursor = next;
        if next == 0 {
            course.left.pop();
        }
        Ok(Step::Found(found))
    }

    /// One SCAN. Zero for a cursor says that it came round.
    pub(super) async fn scan_step(
        &self,
        node: Node,
        cursor: u64,
        pattern: &[u8],
        count: usize,
    ) -> Result<(u64, Vec<Vec<u8>>)> {
        let mut scan = cmd("SCAN");
        scan.arg(cursor)
            .arg("MATCH")
            .arg(pattern)
            .arg("COUNT")
            .arg(count);
        let odd = || {
            Error::new(
                Code::Database,
                format!("the cache at {} answers SCAN oddly", self.link.shown()),
            )
        };
        let Value::Array(parts) = self.link.on(node, scan).await? else {
            return Err(odd());
        };
        let [next, keys] = parts.as_slice() else {
            return Err(odd());
        };
        let next = redis::from_redis_value_ref(next).map_err(|_| odd())?;
        let keys = redis::from_redis_value_ref(keys).map_err(|_| odd())?;
        Ok((next, keys))
    }

    /// No row stands beside these sessions.
    fn engine_alone(&self) -> bool {
        self.forms.engine.base == crate::config::Base::Cache
    }
}

impl Share {
    fn spent(&self, budget: Duration) -> bool {
        self.meter.cost() > budget || self.meter.elapsed() > budget * WAITED
    }
}

fn done(mark: &mut Mark, share: &Share) {
    let cost = share.meter.cost().saturating_sub(share.reading);
    let cost = match share.in_full {
        // What comes next is a part, however long it took to list everything at once: it waits as after a part.
        true => cost.min(mark.scan.budget.max(cost / share.steps.max(1))),
        false => cost,
    };
    mark.copies.took(cost, pace::Share::Doing, Instant::now());
}

/// None: nothing is due.
fn share(mark: &mut Mark, way: &Arc<Way>) -> Option<Share> {
    let scan = &mut mark.scan;
    if scan.at_once {
        // What was named before someone asked says too little of now.
        scan.under_way = None;
    }
    let in_full = scan.at_once || !scan.whole_once;
    (in_full || mark.copies.due(Instant::now())).then(|| Share {
        meter: way.meter(),
        reading: Duration::ZERO,
        in_full,
        tries: 0,
        steps: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the next part is due after one that took so long.
    fn due(in_full: bool, took: Duration) -> Duration {
        due_over(&Arc::default(), in_full, took)
    }

    /// The same, for which the way was gone twice.
    fn due_over(way: &Arc<Way>, in_full: bool, took: Duration) -> Duration {
        let (mut mark, now) = (Mark::default(), Instant::now());
        mark.scan.at_once = in_full;
        mark.scan.whole_once = true;
        let mut share = share(&mut mark, way).expect("due at first");
        share.steps = 100;
        let began = now.checked_sub(took).expect("after this machine began");
        share.meter = way.meter_since(began);
        for _ in 0..2 {
            drop(way.trip());
        }
        done(&mut mark, &share);
        let waits = (0..600).map(Duration::from_secs);
        let mut late = waits.skip_while(|wait| !mark.copies.due(now + *wait));
        late.next().expect("within ten minutes")
    }

    #[test]
    fn a_long_way_puts_nothing_off() {
        let (way, ms) = (Arc::new(Way::default()), Duration::from_millis);
        assert!(due_over(&way, false, ms(220)) >= ms(10_000));
        way.measured(ms(100));
        assert!(due_over(&way, false, ms(220)) <= ms(3_000));
    }

    #[test]
    fn after_a_whole_listing_the_next_part_waits_as_after_a_part() {
        let s = Duration::from_secs;
        assert!(due(true, s(4)) <= s(6));
        // A part is never less than one step.
        assert!(due(true, s(100)) >= s(49));
        assert!(due(true, Duration::from_millis(20)) <= s(2));
        // A part that a slow server made long waits for as long as that is.
        assert!(due(false, s(4)) >= s(200));
    }
}
