//! One look at the site: what changed goes into the roster, everyone is judged by the database's clock,
//! and small events say what moved.

use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Site, hold, secret_keys};
use crate::error::Result;
use crate::event::{self, Event};
use crate::roster::{Crossed, Fresh, Reader, Roster};
use crate::store::{Helper, KeyRef, Mark, SessionKey, SessionRef, Sink, UserId, UserRow};
use crate::view::Link;

/// Sessions that are read, or named, before the roster's lock is taken for them.
const AT_ONCE: usize = 256;

/// Reads sessions, and takes them into the roster. What costs is done without its lock, and the lock is held for a few
/// pieces at a time: pages are answered meanwhile.
struct Reading {
    roster: Arc<Mutex<Roster>>,
    reader: Reader,
    read: Vec<Fresh>,
}

impl Reading {
    /// The roster, with all that was read so far in it.
    fn roster(&mut self) -> MutexGuard<'_, Roster> {
        let mut roster = hold(&self.roster);
        for fresh in self.read.drain(..) {
            roster.enter(fresh);
        }
        roster
    }
}

impl Helper for Reading {
    fn take(&mut self, row: SessionRef<'_>) {
        self.read.push(self.reader.read(row));
        if self.read.len() >= AT_ONCE {
            self.flush();
        }
    }
    fn flush(&mut self) {
        drop(self.roster());
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // A look that broke off has read what it has read.
        drop(self.roster());
    }
}

/// Takes pieces into the roster.
struct Intake<'a> {
    site: &'a Site,
    /// Made once there is something to read.
    reading: Option<Reading>,
    /// Sessions that were named as saved.
    saved: usize,
    /// A listing began in this look,
    began: bool,
    /// and came to its end.
    named_all: bool,
}

impl<'a> Intake<'a> {
    fn of(site: &'a Site) -> Self {
        Self {
            site,
            reading: None,
            saved: 0,
            began: false,
            named_all: false,
        }
    }

    fn roster(&mut self) -> MutexGuard<'_, Roster> {
        match &mut self.reading {
            Some(reading) => reading.roster(),
            None => hold(&self.site.roster),
        }
    }
}

impl Sink for Intake<'_> {
    fn take(&mut self, row: SessionRef<'_>) {
        let site = self.site;
        self.reading.get_or_insert_with(|| site.reading()).take(row);
    }
    fn helper(&mut self) -> Option<Box<dyn Helper>> {
        Some(Box::new(self.site.reading()))
    }
    fn listed(&mut self, key: KeyRef<'_>, expires: Timestamp) -> bool {
        self.roster().listed(key, expires)
    }
    fn saved(
        &mut self,
        found: &[(KeyRef<'_>, Timestamp)],
        within: Option<(Timestamp, Timestamp)>,
    ) -> Vec<usize> {
        self.saved += found.len();
        let mut wanted = Vec::new();
        for (n, some) in found.chunks(AT_ONCE).enumerate() {
            let places = self.roster().saved(some, within).into_iter();
            wanted.extend(places.map(|place| n * AT_ONCE + place));
        }
        wanted
    }
    fn knows(&mut self, key: KeyRef<'_>) -> bool {
        self.roster().knows(key)
    }
    fn listing_begins(&mut self) {
        self.began = true;
        self.roster().listing_begins();
    }
    fn unnamed(&mut self) -> Vec<SessionKey> {
        self.roster().unnamed()
    }
    fn listing_done(&mut self) {
        self.named_all = self.began;
        self.roster().listing_done();
    }
    fn ages(&mut self) -> Vec<i64> {
        let usual = self.site.config().sessions.age().as_secs();
        let usual = i64::try_from(usual).unwrap_or(i64::MAX);
        let mut ages = self.roster().ages();
        if !ages.contains(&usual) {
            ages.insert(0, usual);
        }
        ages
    }
    fn user(&mut self, row: UserRow) {
        self.roster().user(row);
    }
    fn users_unread(&mut self) -> Vec<UserId> {
        self.roster().users_unread()
    }
    fn users_in_turn(&mut self, from: u32, most: usize) -> (Vec<UserId>, Option<u32>) {
        self.roster().users_in_turn(from, most)
    }
    fn users_missing(&mut self, ids: Vec<UserId>) {
        self.roster().users_missing(ids);
    }
    fn flagged(&mut self, ids: Vec<UserId>) {
        self.roster().flagged(ids);
    }
}

impl Site {
    /// One look, as cheap as the site allows: what the window asks for every few seconds.
    pub async fn look(&self) -> Result<()> {
        {
            let mut mark = self.mark.lock().await;
            self.look_at(&mut mark).await?;
        }
        self.look_for_doubts().await;
        Ok(())
    }

    /// A look that knows of everything that people did, and reads these users anew.
    pub(crate) async fn look_fresh(&self, users: &[UserId]) -> Result<()> {
        let mut mark = self.mark.lock().await;
        mark.freshen();
        mark.read_again(users);
        self.look_at(&mut mark).await
    }

    /// A look that knows of what people did as far as the table of users tells, and reads these anew.
    pub(crate) async fn look_at_people(&self, users: &[UserId]) -> Result<()> {
        let mut mark = self.mark.lock().await;
        mark.freshen_people();
        mark.read_again(users);
        self.look_at(&mut mark).await
    }

    /// The sessions saved since the last look, and no more: what a logout asks for before its first deletion, without
    /// waiting for a look that is under way. People's states stay as the last look left them.
    pub(crate) async fn glance(&self) -> Result<()> {
        let (last, now) = {
            let line = hold(&self.line);
            (line.covered(), line.db_now())
        };
        match (last, now) {
            (Some(last), Some(now)) => self.store.glance(now, last, &mut Intake::of(self)).await,
            _ => self.look().await,
        }
    }

    /// For the sessions of one look.
    fn reading(&self) -> Reading {
        let config = self.config();
        let keys = secret_keys(&config);
        Reading {
            roster: self.roster.clone(),
            reader: Reader::new(keys.as_ref(), config.sessions.cookie_age)
                .with_ids(self.schema.users.id_form)
                .with_loginas_key(config.sessions.loginas_key.clone())
                .with_backends(config.users.accepted()),
            read: Vec::new(),
        }
    }

    /// A look as deep as the mark says.
    pub(super) async fn look_at(&self, mark: &mut Mark) -> Result<()> {
        let began = Instant::now();
        let local = Timestamp::now();
        let before = hold(&self.line).view();
        let mut intake = Intake::of(self);
        // What is saved while all is read for the first time is found by the next look.
        let first = mark.last.is_none();
        let looked = self.store.look(mark, &mut intake).await;
        let saved = intake.saved;
        mark.named_all = intake.named_all && looked.is_ok() && !first;
        drop(intake);
        match looked {
            Ok(db) => {
                {
                    let mut line = hold(&self.line);
                    line.succeeded(began, db, local, saved);
                    line.covers(mark.covered());
                }
                let crossed = self.settle();
                self.learn().await;
                let counts = hold(&self.roster).counts();
                if counts.sessions > 0 {
                    self.sighted(db);
                }
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
        for ids in event::in_parts(crossed.came_back) {
            self.emit(Event::CameBack { ids });
        }
        if !crossed.went_idle.is_empty() {
            let (people, more) = event::named(crossed.went_idle);
            self.emit(Event::WentIdle { people, more });
        }
    }
}
