//! What is shown of one person: their row, their sessions, their evidence.

use jiff::Timestamp;

use super::{Person, Roster, device};
use crate::config::Exempt;
use crate::policy::exemption;
use crate::store::UserId;
use crate::view::{Evidence, EvidenceView, SessionView, State, UserView};

impl Roster {
    /// One person's row.
    pub fn view(&self, id: &UserId, exempt: &Exempt) -> Option<UserView> {
        Some(self.row(self.person(id)?, exempt))
    }

    /// People of that name among those with a session or the flag.
    pub fn named(&self, username: &str) -> Vec<UserId> {
        self.people()
            .filter(|person| person.username() == username)
            .map(Person::id)
            .collect()
    }

    /// Someone's sessions, newest save first.
    pub fn sessions_of(&self, id: &UserId, now: Timestamp) -> Vec<SessionView> {
        let Some(person) = self.person(id) else {
            return Vec::new();
        };
        let mut sessions: Vec<SessionView> = self
            .all_of(person)
            .map(|number| {
                let session = &self.rows[number];
                let owner = self.people.get(session.person).unwrap_or(person);
                let refusal = owner.refusal(session, now);
                let actors = self.actors(number);
                let (impersonator, acts_as) = actors.map(|a| (a.impersonator, a.acts_as)).unzip();
                let own = self.rows.extra(number);
                SessionView {
                    fingerprint: self.rows.key(number).fingerprint(),
                    last_saved: session.saved(),
                    expires: session.expires(),
                    expiry: session.kind(),
                    readable: session.unread().is_none(),
                    signature: session.signature(),
                    ip: own.and_then(|own| own.ip.clone()),
                    device: own.and_then(|own| own.device.as_deref()).map(device::name),
                    user_agent: own.and_then(|own| own.device.clone()),
                    seen: own.and_then(|own| own.seen),
                    usable: refusal.is_none(),
                    why: refusal.map(str::to_string),
                    impersonator,
                    acts_as,
                }
            })
            .collect();
        sessions
            .sort_by(|a, b| (b.last_saved, &a.fingerprint).cmp(&(a.last_saved, &b.fingerprint)));
        sessions
    }

    /// Each source of evidence about someone; `activity` is the column's name on this site.
    pub fn evidence_of(&self, id: &UserId, activity: Option<&str>) -> Vec<EvidenceView> {
        let Some(person) = self.person(id) else {
            return Vec::new();
        };
        let decides = person.evidence();
        let mut sources = Vec::with_capacity(4);
        if let Some(label) = activity {
            sources.push((Evidence::LastActivity, label, person.last_activity()));
        }
        sources.push((Evidence::SessionSave, "session save", person.last_save()));
        sources.push((Evidence::LastLogin, "last_login", person.last_login()));
        if let Some(at) = person.observed() {
            sources.push((Evidence::ObservedChange, "observed change", Some(at)));
        }
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

    pub(super) fn row(&self, person: &Person, exempt: &Exempt) -> UserView {
        let (staff, superuser) = (person.is_staff(), person.is_superuser());
        let (impersonators, acts_as) = self.acting_of(person);
        UserView {
            id: person.id_text().to_string(),
            username: person.username().to_string(),
            email: person.email().map(str::to_string),
            name: person.name().map(str::to_string),
            state: person.state().unwrap_or(State::Unknown),
            last_activity: person.last_activity(),
            last_seen: person.last_seen(),
            evidence: person.evidence(),
            idle_seconds: self.now.and_then(|now| person.idle_seconds(now)),
            sessions: person.usable() + self.sessions_as_others(person),
            flagged: person.is_flagged(),
            staff,
            superuser,
            enabled: person.is_enabled(),
            impersonators,
            acts_as,
            exempt: exemption(exempt, person.username(), staff, superuser).map(str::to_string),
            fault: person.fault().map(|source| {
                let name = match source {
                    Evidence::LastActivity => "the activity column",
                    Evidence::LastLogin => "last_login",
                    Evidence::SessionSave => "a session's last save",
                    Evidence::ObservedChange => "an observed change",
                };
                format!("{name} is in the future")
            }),
        }
    }
}
