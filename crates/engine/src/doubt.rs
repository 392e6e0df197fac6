//! What keeps a result from being verified although all sessions in sight are gone. Something that Curfew does not see, does
//! not know or cannot delete may still let a user in.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::django::session::{Decoder, Expiry};
use crate::evidence::{Misread, Records, Saved};
use crate::site::{Site, hold};
use crate::store::hiding::{HiddenBy, Hiding};
use crate::store::schema::TimeColumn;
use crate::view::{Doubt, ReasonCode};

/// Fewer users than this may all have signed out by themselves within a short time.
const CROWD: u32 = 3;
/// Users beyond this number are not counted.
pub(crate) const MOST: u32 = 1000;
/// Entries of the journal among which Curfew's own deletions are looked for.
const RECENT_ENTRIES: usize = 50;
/// Sessions whose dates are compared with the moments of their saves.
const SAMPLE: u32 = 20;
/// Requests that were under way when the last sessions went note activity for this much longer.
const UNDER_WAY: Duration = Duration::from_secs(60);
/// How often the window's refreshes look for doubts.
const EVERY: Duration = Duration::from_secs(60);

/// The doubts that were found last.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    found: Vec<Doubt>,
    at: Option<tokio::time::Instant>,
    /// How wrong wall-clock times are read.
    misread: Option<Misread>,
    /// When usable sessions were last seen.
    sighted: Option<Timestamp>,
}

impl Doubt {
    fn new(code: ReasonCode, count: u32, detail: impl Into<String>) -> Self {
        Self {
            code,
            count,
            detail: detail.into(),
        }
    }

    /// `whom`: "this user", "a user".
    fn engine_unknown(whom: &str) -> Self {
        let text = format!(
            "SESSION_ENGINE is not known; a cached copy may still let {whom} in. State it with --session-engine, or as engine under [site.sessions]."
        );
        Self::new(ReasonCode::EngineUnknown, 0, text)
    }

    fn sessions_elsewhere(users: u32) -> Self {
        let were = match users {
            1 => "1 user was".to_owned(),
            MOST.. => format!("{MOST} or more users were"),
            n => format!("{n} users were"),
        };
        let text = format!(
            "Who is signed in cannot be known: {were} active recently, and no usable session is here. This site may keep its sessions elsewhere; state SESSION_ENGINE with --session-engine, or as engine under [site.sessions]."
        );
        Self::new(ReasonCode::SessionsElsewhere, users, text)
    }

    /// No answer came to the sign-out of these users.
    pub(crate) fn not_known(users: u32) -> Self {
        let whom = match users {
            1 => "1 user was".to_owned(),
            n => format!("{n} users were"),
        };
        let text = format!(
            "It is not known whether {whom} signed out: the connection broke, and the database could not be asked again. Run `curfew users`."
        );
        Self::new(ReasonCode::NotKnown, users, text)
    }

    fn all_rejected(sessions: u32) -> Self {
        let which = match sessions {
            1 => "the only session".to_owned(),
            n => format!("all {n} sessions"),
        };
        let text = format!(
            "Who is signed in cannot be known: Django would reject {which} here. Check the SECRET_KEY, and state SESSION_ENGINE with --session-engine, or as engine under [site.sessions]."
        );
        Self::new(ReasonCode::AllRejected, sessions, text)
    }

    fn zone_doubtful(misread: Misread) -> Self {
        let text = format!(
            "Who is signed in cannot be known: {}. {}.",
            misread.why(),
            Misread::FIX
        );
        Self::new(ReasonCode::ZoneDoubtful, 0, text)
    }

    fn backend_unlisted(users: u32) -> Self {
        let are = match users {
            1 => "1 user is".to_owned(),
            n => format!("{n} users are"),
        };
        let text = format!(
            "{are} active by an authentication backend that the configuration does not list, and may be signed in. Correct backends under [site.users]: it is the site's AUTHENTICATION_BACKENDS."
        );
        Self::new(ReasonCode::BackendUnlisted, users, text)
    }

    fn unattributed(sessions: u32, whom: &str) -> Self {
        let which = match sessions {
            1 => "1 session cannot be attributed to a user".to_owned(),
            n => format!("{n} sessions cannot be attributed to a user"),
        };
        let text = format!(
            "{which}, and may let {whom} in. `curfew sessions --unreadable` lists such sessions."
        );
        Self::new(ReasonCode::Unattributed, sessions, text)
    }

    fn rows_hidden(hiding: &Hiding) -> Self {
        let table = &hiding.table;
        let text = match hiding.by {
            HiddenBy::RowSecurity => format!(
                "Row level security hides rows of {table} from this role. Give the role BYPASSRLS, or a policy that shows every row."
            ),
            HiddenBy::View => format!(
                "{table} is a view that may show only a part of the sessions. Name the table itself under [site.sessions] table."
            ),
        };
        Self::new(ReasonCode::RowsHidden, 0, text)
    }

    /// `by`: the triggers, rules and policies that can keep rows from being deleted.
    pub(crate) fn delete_swallowed(sessions: u32, by: &[String]) -> Self {
        let what = match sessions {
            1 => "1 session".to_owned(),
            n => format!("{n} sessions"),
        };
        let by = match by {
            [] => "a trigger, rule or policy may be the cause".to_owned(),
            names => format!("the cause may be {}", names.join(", ")),
        };
        let text = format!("The database accepted the deletion of {what} and kept the rows; {by}.");
        Self::new(ReasonCode::DeleteSwallowed, sessions, text)
    }

    /// Whether users without a session in sight may be signed in all the same. Their flags stay as they are.
    pub(crate) fn hides_users(&self) -> bool {
        matches!(
            self.code,
            ReasonCode::RowsHidden
                | ReasonCode::SessionsElsewhere
                | ReasonCode::AllRejected
                | ReasonCode::BackendUnlisted
                | ReasonCode::ZoneDoubtful
                | ReasonCode::Unattributed
                | ReasonCode::NotChecked
        )
    }
}

/// The doubts in one line of text.
pub(crate) fn sentences(doubts: &[Doubt]) -> String {
    let all: Vec<&str> = doubts.iter().map(|d| d.detail.as_str()).collect();
    all.join(" ")
}

/// Since when activity without a session contradicts what was seen. `known`: the engine was stated, or the data show it.
///
/// A user who signs out leaves recent activity and no session. With an unknown engine a single such user is a sign, and
/// the window is the session's age. With a known engine it takes a crowd within the idle time. Either way only activity
/// counts that is a minute newer than the last usable session that Curfew saw or deleted.
fn contradiction(
    now: Timestamp,
    known: bool,
    session_age: Duration,
    idle_after: Duration,
    explained: Option<Timestamp>,
) -> (Timestamp, u32) {
    let (window, least) = match known {
        true => (idle_after, CROWD),
        false => (session_age, 1),
    };
    let since = now.checked_sub(window).unwrap_or(Timestamp::MIN);
    let explained = explained.map(|at| at.checked_add(UNDER_WAY).unwrap_or(Timestamp::MAX));
    (since.max(explained.unwrap_or(Timestamp::MIN)), least)
}

impl Site {
    /// Asks for everything that keeps a result about `whom` ("this user", "a user") from being verified.
    pub async fn doubts(&self, whom: &str) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        // Where nobody can be signed out, nothing is claimed.
        if self.barrier.is_some() {
            return doubts;
        }
        if !self.engine_known() {
            doubts.push(Doubt::engine_unknown(whom));
        }
        match self.store.hides_rows().await {
            Ok(Some(hiding)) => doubts.push(Doubt::rows_hidden(&hiding)),
            Ok(None) => {}
            Err(error) => doubts.push(not_checked("hides rows", &error.message)),
        }
        match self.contradicted().await {
            Ok(doubt) => doubts.extend(doubt),
            Err(error) => doubts.push(not_checked("holds every session", &error.message)),
        }
        let misread = match self.misread().await {
            Ok(misread) => misread,
            Err(error) => {
                doubts.push(not_checked(
                    "is read in the site's time zone",
                    &error.message,
                ));
                None
            }
        };
        doubts.extend(misread.map(Doubt::zone_doubtful));
        let now = self.db_now().unwrap_or(Timestamp::MIN);
        if !self.config().users.backends.is_empty() {
            let lately = now.checked_sub(self.policy().idle_after).unwrap_or(now);
            match hold(&self.roster).active_by_unlisted(now, lately) {
                0 => {}
                n => doubts.push(Doubt::backend_unlisted(n)),
            }
        }
        match hold(&self.roster).unattributed(now) {
            0 => {}
            n => doubts.push(Doubt::unattributed(n, whom)),
        }
        let mut last = hold(&self.doubted);
        last.found.clone_from(&doubts);
        last.misread = misread;
        last.at = Some(tokio::time::Instant::now());
        doubts
    }

    /// When Curfew last deleted sessions of this site, by the newest entries of the journal.
    fn last_deletion(&self) -> Option<Timestamp> {
        let (mut seen, mut last) = (0, None);
        let read = self.newest_entries(|entry| {
            seen += 1;
            let deleted = entry.site == self.name() && entry.sessions_deleted > Some(0);
            last = deleted.then_some(entry.at);
            last.is_none() && seen < RECENT_ENTRIES
        });
        read.ok().and(last)
    }

    fn engine_known(&self) -> bool {
        self.config()
            .sessions
            .engine_known(self.store.sees_copies())
    }

    /// The doubts that were found last.
    pub(crate) fn known_doubts(&self) -> Vec<Doubt> {
        hold(&self.doubted).found.clone()
    }

    /// How wrong wall-clock times were read when doubts were looked for last.
    pub(crate) fn known_misread(&self) -> Option<Misread> {
        hold(&self.doubted).misread
    }

    /// How wrong wall-clock times are read, by what sessions and sign-ins show together.
    async fn misread(&self) -> crate::error::Result<Option<Misread>> {
        let rows = self.store.last_to_expire(SAMPLE).await?;
        let mut decoder = Decoder::new(None);
        let sessions: Vec<Saved> = rows
            .iter()
            .filter_map(|row| {
                let text = std::str::from_utf8(row.data.bytes()).ok()?;
                let session = decoder.decode(text).ok()?;
                Some(Saved {
                    at: session.last_saved?,
                    expires: row.expires,
                    age: match session.expiry {
                        Expiry::Seconds(seconds) => Some(seconds),
                        Expiry::Default | Expiry::BrowserClose => None,
                        Expiry::Fixed(_) => return None,
                    },
                })
            })
            .collect();
        let (age, zone) = {
            let config = self.config();
            let zone = config.time_zone.clone().unwrap_or(TimeZone::UTC);
            (config.sessions.age(), zone)
        };
        let users = &self.schema.users;
        let wall = |column: &Option<TimeColumn>| column.as_ref().is_some_and(|c| c.zone.is_some());
        let (login, activity) = (wall(&users.last_login), wall(&users.last_activity));
        let (mut logins, mut newest) = (Vec::new(), Vec::new());
        let roster = hold(&self.roster);
        let Some(now) = roster
            .now()
            .filter(|_| login || activity || !sessions.is_empty())
        else {
            return Ok(None);
        };
        for person in roster.people() {
            let login = person.last_login().filter(|_| login);
            let activity = person.last_activity().filter(|_| activity);
            logins.extend(person.last_save().zip(login));
            newest.extend(login.max(activity));
        }
        let records = Records {
            now,
            zone: &zone,
            sessions: &sessions,
            age: SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX),
            logins: &logins,
            newest: &newest,
        };
        Ok(records.wrong().map(|wrong| Misread {
            wrong,
            read_in: zone.to_offset(now),
        }))
    }

    /// After a refresh: notes whether sessions were seen, and looks for doubts from time to time.
    pub(crate) async fn look_for_doubts(&self) {
        let due = hold(&self.doubted)
            .at
            .is_none_or(|at| at.elapsed() >= EVERY);
        if due {
            self.doubts("a user").await;
        }
    }

    /// Usable sessions were seen at this moment.
    pub(crate) fn sighted(&self, at: Timestamp) {
        hold(&self.doubted).sighted = Some(at);
    }

    /// Whether users without a session in sight may be signed in all the same.
    pub(crate) async fn users_may_be_hidden(&self) -> bool {
        let doubts = self.doubts("a user").await;
        doubts.iter().any(Doubt::hides_users)
    }

    /// Whether the evidence of users contradicts that nobody is signed in.
    async fn contradicted(&self) -> crate::error::Result<Option<Doubt>> {
        let (counts, (fit, unfit)) = {
            let roster = hold(&self.roster);
            (roster.counts(), roster.signatures())
        };
        // Flagged users are counted as signed in while rows may be hidden, so only sessions show that the table is in use.
        let Some(now) = self.db_now().filter(|_| counts.sessions == 0) else {
            return Ok(None);
        };
        if fit == 0 && unfit > 0 {
            return Ok(Some(Doubt::all_rejected(unfit)));
        }
        let (policy, sessions) = {
            let config = self.config();
            (config.policy.clone(), config.sessions.clone())
        };
        let own = self.last_deletion();
        let explained = own.max(hold(&self.doubted).sighted);
        let (since, least) = contradiction(
            now,
            self.engine_known(),
            sessions.age(),
            policy.idle_after,
            explained,
        );
        let users = self.store.seen_since(since, now, MOST).await?;
        Ok((users >= least).then(|| Doubt::sessions_elsewhere(users)))
    }
}

fn not_checked(what: &str, why: &str) -> Doubt {
    let text = format!("Whether the database {what} could not be checked: {why}.");
    Doubt::new(ReasonCode::NotChecked, 0, text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn activity_counts_only_after_what_explains_that_no_session_is_left() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let (day, minutes) = (Duration::from_secs(86_400), Duration::from_secs(300));
        let at = |known, explained| contradiction(now, known, day, minutes, explained);
        assert_eq!(at(false, None), (now - day, 1));
        assert_eq!(at(true, None), (now - minutes, CROWD));
        // After a sweep of everybody an hour ago, only what came since is a sign.
        let sweep = now - Duration::from_secs(3600);
        assert_eq!(at(false, Some(sweep)), (sweep + UNDER_WAY, 1));
        assert_eq!(at(true, Some(sweep)), (now - minutes, CROWD));
    }
}
