//! One look at the site: what changed goes into the roster, everyone is judged by the database's clock,
//! and small events say what moved.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Site, hold};
use crate::error::Result;
use crate::event::Event;
use crate::roster::Crossed;
use crate::store::{SessionKey, SessionRow, Sink, UserId, UserRow};
use crate::view::Link;

/// People that one event names.
const NAMED: usize = 20;
/// Ids that one event names.
const IDS: usize = 200;

/// Whether a look asks for everything, or may leave costly parts to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Paced,
    Whole,
}

/// Takes pieces into the roster, holding its lock for one piece at a time: pages are answered meanwhile.
struct Intake<'a>(&'a Site);

impl Sink for Intake<'_> {
    fn session(&mut self, row: SessionRow) {
        hold(&self.0.roster).session(row);
    }
    fn listed(&mut self, key: &SessionKey, expires: Timestamp) -> bool {
        hold(&self.0.roster).listed(key, expires)
    }
    fn knows(&self, key: &SessionKey) -> bool {
        hold(&self.0.roster).knows(key)
    }
    fn listing_begins(&mut self) {
        hold(&self.0.roster).listing_begins();
    }
    fn listing_done(&mut self) {
        hold(&self.0.roster).listing_done();
    }
    fn ages(&self) -> Vec<i64> {
        let usual = self.0.config().sessions.age().as_secs();
        let usual = i64::try_from(usual).unwrap_or(i64::MAX);
        let mut ages = hold(&self.0.roster).ages();
        if !ages.contains(&usual) {
            ages.insert(0, usual);
        }
        ages
    }
    fn user(&mut self, row: UserRow) {
        hold(&self.0.roster).user(row);
    }
    fn users_wanted(&self, all: bool) -> Vec<UserId> {
        hold(&self.0.roster).users_wanted(all)
    }
    fn users_missing(&mut self, ids: Vec<UserId>) {
        hold(&self.0.roster).users_missing(ids);
    }
    fn flagged(&mut self, ids: BTreeSet<UserId>) {
        hold(&self.0.roster).flagged(ids);
    }
}

impl Site {
    /// One look, as cheap as the site allows: what the window asks for every two seconds.
    pub async fn look(&self) -> Result<()> {
        self.look_with(Depth::Paced).await
    }

    /// A look that leaves nothing out: before each deed and after it.
    pub(crate) async fn look_whole(&self) -> Result<()> {
        self.look_with(Depth::Whole).await
    }

    /// The sessions saved since the last look, and no more: what a logout asks for before its first deletion, without
    /// waiting for a look that is under way. People's states stay as the last look left them.
    pub(crate) async fn glance(&self) -> Result<()> {
        let (last, now) = {
            let line = hold(&self.line);
            (line.last(), line.db_now())
        };
        match (last, now) {
            (Some(last), Some(now)) => self.store.glance(now, last, &mut Intake(self)).await,
            _ => self.look().await,
        }
    }

    async fn look_with(&self, how: Depth) -> Result<()> {
        let mut mark = self.mark.lock().await;
        if how == Depth::Whole {
            mark.hurry();
        }
        let began = Instant::now();
        let local = Timestamp::now();
        let before = hold(&self.line).view();
        let looked = self.store.look(&mut mark, &mut Intake(self)).await;
        drop(mark);
        match looked {
            Ok(db) => {
                hold(&self.line).succeeded(began, db, local);
                let crossed = self.settle();
                let counts = hold(&self.roster).counts();
                hold(&self.history).sample(db, &counts);
                let connection = hold(&self.line).view();
                if before.link != connection.link || before.error.is_some() {
                    self.emit(Event::Connection { connection });
                }
                self.tell(crossed);
                Ok(())
            }
            Err(error) => {
                hold(&self.line).failed(error.clone());
                let connection = hold(&self.line).view();
                if before.link != Link::Offline || before.error.as_ref() != Some(&error) {
                    self.emit(Event::Connection { connection });
                }
                Err(error)
            }
        }
    }

    /// Judges everyone anew at the database's present time.
    pub(crate) fn settle(&self) -> Crossed {
        let Some(now) = self.db_now() else {
            return Crossed::default();
        };
        let rules = self.rules();
        hold(&self.roster).settle(now, &rules)
    }

    fn tell(&self, crossed: Crossed) {
        let (revision, counts) = {
            let roster = hold(&self.roster);
            (roster.revision(), roster.counts())
        };
        self.emit(Event::Looked { revision, counts });
        for ids in crossed.came_back.chunks(IDS) {
            self.emit(Event::CameBack { ids: ids.to_vec() });
        }
        if !crossed.went_idle.is_empty() {
            let mut people = crossed.went_idle;
            people.sort_by_key(|p| std::cmp::Reverse(p.idle_seconds));
            let more = u32::try_from(people.len().saturating_sub(NAMED)).unwrap_or(u32::MAX);
            people.truncate(NAMED);
            self.emit(Event::WentIdle { people, more });
        }
    }
}
