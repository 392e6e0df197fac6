//! Pages of rows in the order the asker wants. The order is made once for a question and a revision,
//! and kept while people scroll.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::person::Person;
use super::{Roster, device};
use crate::config::Exempt;
use crate::policy::exemption;
use crate::store::UserId;
use crate::view::{
    Evidence, EvidenceView, Filter, Page, Query, SessionView, Sort, State, UserView,
};

/// The people of one question, in its order.
pub struct Order {
    query: Query,
    ids: Vec<UserId>,
}

impl Roster {
    /// The rows that a question asks for.
    pub fn page(&mut self, query: &Query, exempt: &Exempt) -> Page {
        let question = Query {
            offset: 0,
            limit: 0,
            ..query.clone()
        };
        if self.order.as_ref().is_none_or(|o| o.query != question) {
            let ids = self.sorted(&question);
            self.order = Some(Order {
                query: question,
                ids,
            });
        }
        let ids = self.order.as_ref().map_or(&[][..], |o| o.ids.as_slice());
        let rows = ids
            .iter()
            .skip(query.offset as usize)
            .take(query.limit as usize)
            .filter_map(|id| self.people.get(id).map(|p| view(id, p, exempt)))
            .collect();
        Page {
            revision: self.revision,
            total: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            offset: query.offset,
            rows,
        }
    }

    fn sorted(&self, query: &Query) -> Vec<UserId> {
        let needle = query.search.trim().to_lowercase();
        let mut people: Vec<(&UserId, &Person)> = self
            .people()
            .filter(|(_, p)| fits(p, query.filter))
            .filter(|(id, p)| needle.is_empty() || found(id, p, &needle))
            .collect();
        people.sort_by(|a, b| {
            let order = compare(a.1, b.1, query.sort, query.descending);
            order
                .then_with(|| a.1.username().cmp(b.1.username()))
                .then_with(|| a.0.cmp(b.0))
        });
        people.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// One person's row.
    pub fn view(&self, id: &UserId, exempt: &Exempt) -> Option<UserView> {
        self.people.get(id).map(|p| view(id, p, exempt))
    }

    /// People of that name among those with a session or the flag.
    pub fn named(&self, username: &str) -> Vec<UserId> {
        self.people()
            .filter(|(_, p)| p.username() == username)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Someone's sessions, newest save first.
    pub fn sessions_of(&self, id: &UserId, now: Timestamp) -> Vec<SessionView> {
        let Some(person) = self.people.get(id) else {
            return Vec::new();
        };
        let mut sessions: Vec<SessionView> = person
            .keys()
            .iter()
            .filter_map(|key| self.sessions.get(key).map(|s| (key, s)))
            .map(|(key, session)| {
                let refusal = person.refusal(session, now);
                let own = session.extra.as_deref();
                SessionView {
                    fingerprint: key.fingerprint(),
                    last_saved: session.last_saved,
                    expires: session.expires,
                    expiry: session.expiry.kind(),
                    readable: session.unread.is_none(),
                    signature: session.signature,
                    ip: own.and_then(|own| own.ip.clone()),
                    device: own.and_then(|own| own.device.as_deref()).map(device::name),
                    user_agent: own.and_then(|own| own.device.clone()),
                    seen: own.and_then(|own| own.seen),
                    usable: refusal.is_none(),
                    why: refusal.map(str::to_string),
                }
            })
            .collect();
        sessions
            .sort_by(|a, b| (b.last_saved, &a.fingerprint).cmp(&(a.last_saved, &b.fingerprint)));
        sessions
    }

    /// Each source of evidence about someone; `activity` is the column's name on this site.
    pub fn evidence_of(&self, id: &UserId, activity: Option<&str>) -> Vec<EvidenceView> {
        let Some(person) = self.people.get(id) else {
            return Vec::new();
        };
        let decides = person
            .verdict
            .and_then(|v| v.seen)
            .map(|(_, source)| source);
        let row = person.row.as_ref();
        let mut sources = Vec::with_capacity(3);
        if let Some(label) = activity {
            sources.push((
                Evidence::LastActivity,
                label,
                row.and_then(|r| r.last_activity),
            ));
        }
        sources.push((Evidence::SessionSave, "session save", person.last_save));
        sources.push((
            Evidence::LastLogin,
            "last_login",
            row.and_then(|r| r.last_login),
        ));
        sources
            .into_iter()
            .map(|(source, label, at)| EvidenceView {
                source,
                label: label.to_string(),
                at,
                decides: decides == Some(source),
            })
            .collect()
    }
}

fn fits(person: &Person, filter: Filter) -> bool {
    let Some(state) = person.verdict.map(|v| v.state) else {
        return false;
    };
    match filter {
        Filter::Everyone => true,
        Filter::SignedIn => state != State::Stale,
        Filter::Active => state == State::Active,
        Filter::Idle => state == State::Idle,
        Filter::Overdue => state == State::Overdue,
        Filter::Stale => state == State::Stale,
        Filter::Unknown => state == State::Unknown,
    }
}

fn found(id: &UserId, person: &Person, needle: &str) -> bool {
    let Some(row) = &person.row else {
        return id.as_str() == needle;
    };
    let holds = |text: &str| text.to_lowercase().contains(needle);
    holds(&row.username)
        || row.email.as_deref().is_some_and(holds)
        || row.name.as_deref().is_some_and(holds)
        || id.as_str() == needle
}

/// What is not known stands last, whichever way the rest is turned.
fn compare(a: &Person, b: &Person, sort: Sort, descending: bool) -> Ordering {
    let turn = |o: Ordering| if descending { o.reverse() } else { o };
    let known = |a: Option<Ordering>, x: bool, y: bool| match a {
        Some(order) => turn(order),
        None => y.cmp(&x),
    };
    let text = |f: fn(&Person) -> Option<String>| {
        let (x, y) = (f(a), f(b));
        let order = x.as_ref().zip(y.as_ref()).map(|(x, y)| x.cmp(y));
        known(order, x.is_some(), y.is_some())
    };
    match sort {
        Sort::State => turn(a.verdict.map(|v| v.state).cmp(&b.verdict.map(|v| v.state))),
        Sort::Username => turn(
            a.username()
                .to_lowercase()
                .cmp(&b.username().to_lowercase()),
        ),
        Sort::Email => text(|p| p.row.as_ref()?.email.as_ref().map(|e| e.to_lowercase())),
        Sort::LastSeen => {
            let seen = |p: &Person| p.verdict.and_then(|v| v.seen).map(|(at, _)| at);
            let (x, y) = (seen(a), seen(b));
            known(x.zip(y).map(|(x, y)| x.cmp(&y)), x.is_some(), y.is_some())
        }
        Sort::Idle => {
            // Who is active is not idle at all: their rows keep still while they act. Least idle is last seen latest.
            let idle = |p: &Person| {
                p.verdict.and_then(|v| match v.state {
                    State::Active => Some(None),
                    _ => v.seen.map(|(at, _)| Some(std::cmp::Reverse(at))),
                })
            };
            let (x, y) = (idle(a), idle(b));
            known(x.zip(y).map(|(x, y)| x.cmp(&y)), x.is_some(), y.is_some())
        }
        Sort::Sessions => turn(a.usable.cmp(&b.usable)),
        Sort::Role => {
            let rank = |p: &Person| {
                p.row
                    .as_ref()
                    .map(|r| (r.superuser, r.staff))
                    .unwrap_or_default()
            };
            turn(rank(a).cmp(&rank(b)))
        }
        Sort::Evidence => {
            let source = |p: &Person| p.verdict.and_then(|v| v.seen).map(|(_, s)| s);
            let (x, y) = (source(a), source(b));
            known(x.zip(y).map(|(x, y)| x.cmp(&y)), x.is_some(), y.is_some())
        }
    }
}

fn view(id: &UserId, person: &Person, exempt: &Exempt) -> UserView {
    let row = person.row.as_ref();
    let verdict = person.verdict;
    let seen = verdict.and_then(|v| v.seen);
    let staff = row.is_some_and(|r| r.staff);
    let superuser = row.is_some_and(|r| r.superuser);
    UserView {
        id: id.to_string(),
        username: person.username().to_string(),
        email: row.and_then(|r| r.email.clone()),
        name: row.and_then(|r| r.name.clone()),
        state: verdict.map_or(State::Unknown, |v| v.state),
        last_activity: row.and_then(|r| r.last_activity),
        last_seen: seen.map(|(at, _)| at),
        evidence: seen.map(|(_, source)| source),
        idle_seconds: verdict.and_then(|v| v.idle_seconds),
        sessions: person.usable,
        flagged: row.is_some_and(|r| r.flagged),
        staff,
        superuser,
        enabled: row.is_some_and(|r| r.enabled),
        exempt: exemption(exempt, person.username(), staff, superuser).map(str::to_string),
        fault: verdict.and_then(|v| v.fault).map(|source| {
            let name = match source {
                Evidence::LastActivity => "the activity column",
                Evidence::LastLogin => "last_login",
                Evidence::SessionSave => "a session's last save",
            };
            format!("{name} is in the future")
        }),
    }
}
