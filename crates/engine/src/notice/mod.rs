//! Which notices the desktop shows, out of a site's events: grouped, held back, and in words. Pure.
//! How a notice is shown is the shell's. Invariant: at most one notice about idle people a minute.

#[cfg(test)]
mod tests;
mod words;

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use specta::Type;

use crate::event::{Event, Person};
use crate::view::{Connection, Link, NoticeRules, SweepSummary};

const BETWEEN_IDLE: SignedDuration = SignedDuration::from_secs(60);

/// A look that failed once is no lost site.
const LOST_AFTER: SignedDuration = SignedDuration::from_secs(4);

/// Beyond this nothing is known about who is idle now: the site does not answer, or this machine slept.
const OLD: SignedDuration = SignedDuration::from_secs(30);

/// A timer meets the same guard again and again.
const SAME_AGAIN: SignedDuration = SignedDuration::from_secs(3_600);

/// The longest list of people in a notice, and of those remembered as told of.
const MOST_PEOPLE: usize = 20;
const MOST_TOLD: usize = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// People have become idle.
    Idle,
    /// A sweep ended, verified or not.
    Sweep,
    /// A guard held a sweep, or it failed.
    SweepHeld,
    /// The site's database does not answer.
    Lost,
    /// It answers again.
    Back,
}

/// One notice, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Notice {
    pub kind: NoticeKind,
    /// Plain text, as is the body: whoever shows it escapes markup. Names in it are cleaned and isolated.
    pub title: String,
    pub body: String,
    /// Who it is about, longest idle first, at most 20. Their names are as the site has them.
    pub people: Vec<Person>,
}

/// Someone idle whom no notice has named yet.
#[derive(Debug)]
struct Waiting {
    username: String,
    since: Timestamp,
}

/// What is to be told about one site.
#[derive(Debug)]
pub struct Notices {
    rules: NoticeRules,
    /// By id.
    waiting: HashMap<String, Waiting>,
    /// Idle people that no event named: since when, and how many.
    unnamed: Vec<(Timestamp, u32)>,
    /// Ids of idle people that a notice was about.
    told: HashSet<String>,
    idle_told_at: Option<Timestamp>,
    looked_at: Option<Timestamp>,
    lost_at: Option<Timestamp>,
    lost_because: Option<String>,
    lost_told: bool,
    held_told: Option<(Timestamp, String)>,
}

impl Notices {
    pub fn new(rules: NoticeRules) -> Self {
        Self {
            rules,
            waiting: HashMap::new(),
            unnamed: Vec::new(),
            told: HashSet::new(),
            idle_told_at: None,
            looked_at: None,
            lost_at: None,
            lost_because: None,
            lost_told: false,
            held_told: None,
        }
    }

    /// Other rules from now on, for what is held back as well.
    pub fn set_rules(&mut self, rules: NoticeRules) {
        self.rules = rules;
    }

    /// Hears an event; gives the notice that it calls for, if one is due at once.
    pub fn take(&mut self, event: &Event, now: Timestamp) -> Option<Notice> {
        match event {
            Event::Looked { .. } => {
                self.looked_at = Some(now);
                None
            }
            Event::WentIdle { people, more } => {
                self.went_idle(people, *more, now);
                self.idle(now)
            }
            Event::CameBack { ids } => {
                self.came_back(ids);
                None
            }
            Event::Swept { summary } => self.swept(summary, now),
            Event::Connection { connection } => self.connection(connection, now),
            Event::LoggedOut { .. }
            | Event::SignedInAgain { .. }
            | Event::AccountSwitched { .. }
            | Event::Health { .. }
            | Event::Settings => None,
        }
    }

    /// Whether anything is held back: otherwise nothing comes due before the next event.
    pub fn waits(&self) -> bool {
        let lost = self.lost_at.is_some() && !self.lost_told;
        lost || !self.waiting.is_empty() || !self.unnamed.is_empty()
    }

    /// The next notice that was held back and is due. Ask about once a second while anything waits.
    pub fn due(&mut self, now: Timestamp) -> Option<Notice> {
        self.lost(now).or_else(|| self.idle(now))
    }

    fn went_idle(&mut self, people: &[Person], more: u32, now: Timestamp) {
        let since = |seconds: u32| back(now, seconds);
        for person in people {
            self.told.remove(&person.id);
            self.waiting.insert(
                person.id.clone(),
                Waiting {
                    username: person.username.clone(),
                    since: since(person.idle_seconds),
                },
            );
        }
        if more > 0 {
            // They crossed the same line at the same look as those who are named.
            let idle = people.iter().map(|p| p.idle_seconds).min().unwrap_or(0);
            self.unnamed.push((since(idle), more));
        }
    }

    fn came_back(&mut self, ids: &[String]) {
        for id in ids {
            if self.told.remove(id) || self.waiting.remove(id).is_some() {
                continue;
            }
            // One of those that no event named.
            if let Some((_, count)) = self.unnamed.iter_mut().find(|(_, count)| *count > 0) {
                *count -= 1;
            }
        }
        self.unnamed.retain(|(_, count)| *count > 0);
    }

    fn idle(&mut self, now: Timestamp) -> Option<Notice> {
        if !self.rules.idle {
            self.waiting.clear();
            self.unnamed.clear();
            return None;
        }
        let soon = self
            .idle_told_at
            .is_some_and(|at| within(at, now, BETWEEN_IDLE));
        let old = self.looked_at.is_some_and(|at| !within(at, now, OLD));
        if soon || old || self.lost_at.is_some() {
            return None;
        }
        let ready = |since: &Timestamp| seconds(*since, now) >= self.rules.idle_from;
        let mut people: Vec<Person> = self
            .waiting
            .iter()
            .filter(|(_, who)| ready(&who.since))
            .map(|(id, who)| Person {
                id: id.clone(),
                username: who.username.clone(),
                idle_seconds: seconds(who.since, now),
            })
            .collect();
        let unnamed: Vec<(Timestamp, u32)> = self
            .unnamed
            .iter()
            .filter(|(since, _)| ready(since))
            .copied()
            .collect();
        self.unnamed.retain(|group| !unnamed.contains(group));
        if people.is_empty() && unnamed.is_empty() {
            return None;
        }
        for person in &people {
            self.waiting.remove(&person.id);
            if self.told.len() < MOST_TOLD {
                self.told.insert(person.id.clone());
            }
        }
        self.idle_told_at = Some(now);

        people.sort_by(|a, b| {
            let longest = b.idle_seconds.cmp(&a.idle_seconds);
            longest.then_with(|| a.username.cmp(&b.username))
        });
        let least = unnamed.iter().map(|(since, _)| seconds(*since, now)).min();
        let more = unnamed
            .iter()
            .fold(0u32, |sum, (_, n)| sum.saturating_add(*n));
        let (title, body) = words::idle(&people, more, least.unwrap_or(0));
        people.truncate(MOST_PEOPLE);
        Some(Notice {
            kind: NoticeKind::Idle,
            title,
            body,
            people,
        })
    }

    fn swept(&mut self, summary: &SweepSummary, now: Timestamp) -> Option<Notice> {
        let Some(why) = &summary.held else {
            self.held_told = None;
            let body = words::swept(summary)?;
            return self
                .rules
                .sweeps
                .then(|| notice(NoticeKind::Sweep, "Inactivity sweep", body));
        };
        if let Some((at, told)) = &self.held_told
            && told == why
            && within(*at, now, SAME_AGAIN)
        {
            return None;
        }
        if !self.rules.sweeps {
            return None;
        }
        self.held_told = Some((now, why.clone()));
        let body = words::ended(&format!("Sweep held: {}", words::plain(why)));
        Some(notice(NoticeKind::SweepHeld, "Inactivity sweep", body))
    }

    fn connection(&mut self, connection: &Connection, now: Timestamp) -> Option<Notice> {
        match connection.link {
            Link::Offline => {
                self.lost_at.get_or_insert(now);
                self.lost_because = connection.error.as_ref().map(|e| e.message.clone());
                None
            }
            Link::Stale => None,
            Link::Live => {
                let lost_at = self.lost_at.take()?;
                self.lost_because = None;
                if !std::mem::take(&mut self.lost_told) || !self.rules.connection {
                    return None;
                }
                let after = words::duration(seconds(lost_at, now));
                let body = format!("The site answers again, after {after}.");
                Some(notice(NoticeKind::Back, "Site back", body))
            }
        }
    }

    fn lost(&mut self, now: Timestamp) -> Option<Notice> {
        let lost_at = self.lost_at?;
        if self.lost_told || within(lost_at, now, LOST_AFTER) || !self.rules.connection {
            return None;
        }
        self.lost_told = true;
        let body = match &self.lost_because {
            Some(why) => words::ended(&words::plain(why)),
            None => "Its database does not answer.".into(),
        };
        Some(notice(NoticeKind::Lost, "Site lost", body))
    }
}

fn notice(kind: NoticeKind, title: &str, body: String) -> Notice {
    Notice {
        kind,
        title: title.into(),
        body,
        people: Vec::new(),
    }
}

/// Whether less than `span` has passed. A clock that was set back counts as passed: nothing is held back for that long.
fn within(from: Timestamp, now: Timestamp, span: SignedDuration) -> bool {
    let passed = now.duration_since(from);
    !passed.is_negative() && passed < span
}

/// Whole seconds from then to now, none below zero.
fn seconds(from: Timestamp, now: Timestamp) -> u32 {
    let passed = now.duration_since(from).as_secs();
    u32::try_from(passed.max(0)).unwrap_or(u32::MAX)
}

fn back(now: Timestamp, seconds: u32) -> Timestamp {
    let span = SignedDuration::from_secs(i64::from(seconds));
    now.checked_sub(span).unwrap_or(Timestamp::MIN)
}
