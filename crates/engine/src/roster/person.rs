//! One person, as the roster holds them: who they are, what their evidence says, and what was made of it last.

use jiff::Timestamp;

use super::rows::{NONE, Rows};
use super::session::{HashStart, Row, UNKNOWN, micros, moment};
use super::standing::Standing;
use crate::django::backends::Admits;
use crate::django::session::Signature;
use crate::policy::Facts;
use crate::store::{UserId, UserRow};
use crate::view::{Evidence, State};

const READ: u8 = 1;
const MISSING: u8 = 2;
const FLAGGED: u8 = 4;
const STAFF: u8 = 8;
const SUPERUSER: u8 = 16;
const ENABLED: u8 = 32;
const EMAIL: u8 = 64;
const NAME: u8 = 128;

/// A user with sessions, the flag, or both.
#[derive(Debug, Clone)]
pub struct Person {
    /// Id, username, e-mail and name, one after the other.
    text: Box<str>,
    /// Where the first three of them end.
    ends: [u32; 3],
    marks: u8,
    activity: i64,
    login: i64,
    /// When a refresh last saw their evidence move on.
    observed: i64,
    /// It has moved on since the last settling.
    pub(super) stirred: bool,
    /// None where the user has no password, or nobody can check it.
    password: Option<Password>,
    /// The first of their sessions, and how many there are.
    pub(super) first: u32,
    pub(super) sessions: u32,
    /// What the last settling made of them. None: neither signed in nor flagged.
    pub(super) standing: Option<Standing>,
    pub(super) made: Made,
    /// When time alone changes that.
    pub(super) due: i64,
    /// What of theirs was taken in since.
    pub(super) touched: Touch,
}

/// What has to be made anew of someone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Touch {
    #[default]
    Nothing,
    /// Sessions that let them in were saved, and no more: which of them do so is as it was.
    Save,
    Anything,
}

/// What a settling made of someone's sessions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub usable: u32,
    pub rejected: u32,
    /// Those that the SECRET_KEY fits, and those that it does not.
    pub fit: u32,
    pub unfit: u32,
    /// The newest save, in microseconds since 1970.
    last_save: i64,
}

/// What is kept of a password: what the auth hashes made with it begin with. The password itself is not kept.
#[derive(Debug, Clone)]
pub(super) struct Password {
    /// Tells whether it is another now.
    pub stamp: u64,
    pub starts: Starts,
}

/// One key of the site is the usual case, and needs no memory of its own.
#[derive(Debug, Clone)]
pub(super) enum Starts {
    Two([HashStart; 2]),
    Many(Box<[HashStart]>),
}

impl Starts {
    fn hold(&self, start: HashStart) -> bool {
        match self {
            Self::Two(starts) => starts.contains(&start),
            Self::Many(starts) => starts.contains(&start),
        }
    }
}

impl Person {
    /// Someone of whom nothing is known but the id.
    pub(super) fn new(id: &str) -> Self {
        let end = u32::try_from(id.len()).unwrap_or(u32::MAX);
        Self {
            text: id.into(),
            ends: [end; 3],
            marks: 0,
            activity: micros(None),
            login: micros(None),
            observed: UNKNOWN,
            stirred: false,
            password: None,
            first: NONE,
            sessions: 0,
            standing: None,
            made: Made::NOTHING,
            due: i64::MAX,
            touched: Touch::Nothing,
        }
    }

    fn part(&self, from: u32, to: u32) -> &str {
        self.text
            .get(from as usize..to as usize)
            .unwrap_or_default()
    }

    pub(super) fn id_text(&self) -> &str {
        self.part(0, self.ends[0])
    }

    pub fn id(&self) -> UserId {
        UserId::new(self.id_text())
    }

    pub fn username(&self) -> &str {
        self.part(self.ends[0], self.ends[1])
    }

    pub fn email(&self) -> Option<&str> {
        self.is(EMAIL)
            .then(|| self.part(self.ends[1], self.ends[2]))
    }

    pub fn name(&self) -> Option<&str> {
        let name = self.text.get(self.ends[2] as usize..);
        name.filter(|_| self.is(NAME))
    }

    /// Something of each line of the processor's cache that they lie across.
    pub(super) fn met(&self) -> i64 {
        self.activity
            ^ self.due
            ^ i64::from(self.marks)
            ^ i64::from(self.ends[0])
            ^ i64::from(self.made.unfit)
    }

    fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    /// Their row has been read.
    pub fn is_read(&self) -> bool {
        self.is(READ)
    }

    /// The sessions name a user that the table does not have.
    pub fn is_missing(&self) -> bool {
        self.is(MISSING)
    }

    pub fn is_flagged(&self) -> bool {
        self.is(FLAGGED)
    }

    pub fn is_staff(&self) -> bool {
        self.is(STAFF)
    }

    pub fn is_superuser(&self) -> bool {
        self.is(SUPERUSER)
    }

    pub fn is_enabled(&self) -> bool {
        self.is(ENABLED)
    }

    pub fn last_activity(&self) -> Option<Timestamp> {
        moment(self.activity)
    }

    pub fn last_login(&self) -> Option<Timestamp> {
        moment(self.login)
    }

    /// When a refresh last saw their evidence move on.
    pub fn observed(&self) -> Option<Timestamp> {
        moment(self.observed)
    }

    /// Notes what was seen to move since the last settling as activity at `now`.
    pub(super) fn settle_observed(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.stirred) {
            self.observed = self.observed.max(micros(Some(now)));
        }
    }

    /// How many of their sessions Django lets in.
    pub fn usable(&self) -> u32 {
        self.made.usable
    }

    /// The newest save among those.
    pub fn last_save(&self) -> Option<Timestamp> {
        self.made.last_save()
    }

    /// None: neither signed in nor flagged.
    pub fn state(&self) -> Option<State> {
        self.standing.map(|standing| standing.state)
    }

    /// Their newest evidence that can be trusted.
    pub fn last_seen(&self) -> Option<Timestamp> {
        self.standing?.seen()
    }

    /// What that is.
    pub fn evidence(&self) -> Option<Evidence> {
        self.standing?.source()
    }

    /// What tells of a time in the future.
    pub fn fault(&self) -> Option<Evidence> {
        self.standing?.fault()
    }

    /// Seconds since they were last seen; none where the state is unknown.
    pub fn idle_seconds(&self, now: Timestamp) -> Option<u32> {
        let standing = self.standing.filter(|standing| standing.tells)?;
        let seconds = now.duration_since(standing.seen()?).as_secs().max(0);
        Some(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// Raises the flag or lowers it, and says whether that changed it.
    pub(super) fn set_flag(&mut self, up: bool) -> bool {
        let was = self.is(FLAGGED);
        self.marks = self.marks & !FLAGGED | if up { FLAGGED } else { 0 };
        was != up
    }

    /// Takes in what the table says, and says whether that is anything new; and whether the names are.
    pub(super) fn renew(&mut self, row: &UserRow, password: Option<Password>) -> (bool, bool) {
        let mark = |mark: u8, there: bool| if there { mark } else { 0 };
        let marks = READ
            | mark(FLAGGED, row.flagged)
            | mark(STAFF, row.staff)
            | mark(SUPERUSER, row.superuser)
            | mark(ENABLED, row.enabled)
            | mark(EMAIL, row.email.is_some())
            | mark(NAME, row.name.is_some());
        let named = !self.is(READ)
            || self.username() != row.username
            || self.email() != row.email.as_deref()
            || self.name() != row.name.as_deref();
        let stamp = |password: &Option<Password>| password.as_ref().map(|p| p.stamp);
        let (activity, login) = (micros(row.last_activity), micros(row.last_login));
        let new = named
            || self.marks != marks
            || (self.activity, self.login) != (activity, login)
            || stamp(&self.password) != stamp(&password);
        if named {
            let (email, name) = (row.email.as_deref(), row.name.as_deref());
            let parts = [
                self.id_text(),
                &row.username,
                email.unwrap_or_default(),
                name.unwrap_or_default(),
            ];
            let mut end = 0;
            let ends = [0, 1, 2].map(|at| {
                end += parts[at].len();
                u32::try_from(end).unwrap_or(u32::MAX)
            });
            self.text = parts.concat().into();
            self.ends = ends;
        }
        if new {
            (self.marks, self.activity, self.login) = (marks, activity, login);
            self.password = password;
        }
        (new, named)
    }

    /// What a password said before, where it is the same.
    pub(super) fn same_password(&self, stamp: u64) -> Option<Password> {
        let known = self.password.as_ref();
        known.filter(|known| known.stamp == stamp).cloned()
    }

    /// The table may have them after all.
    pub(super) fn look_for(&mut self) {
        self.marks &= !MISSING;
    }

    /// The table does not have them. Says whether that is new.
    pub(super) fn miss(&mut self) -> bool {
        let new = !self.is(MISSING);
        let gone = Self {
            marks: MISSING,
            first: self.first,
            sessions: self.sessions,
            standing: self.standing,
            made: self.made,
            due: self.due,
            touched: self.touched,
            ..Self::new(self.id_text())
        };
        *self = gone;
        new
    }

    /// Their sessions, in no order.
    pub(super) fn numbers<'a>(&self, rows: &'a Rows) -> impl Iterator<Item = u32> + 'a {
        let mut next = self.first;
        std::iter::from_fn(move || {
            let number = next;
            (number != NONE).then(|| {
                next = rows[number].next;
                number
            })
        })
        .filter(|number| !rows[*number].is_gone())
    }

    /// Why Django would not let the holder of this session in; none where it would.
    pub(super) fn refusal(&self, session: &Row, now: Timestamp) -> Option<&'static str> {
        if session.signature() == Signature::Invalid {
            return Some("its signature is not this site's");
        }
        if session.is_damaged() {
            return Some("its content is damaged");
        }
        if !self.is(READ) {
            return Some(match self.is(MISSING) {
                true => "its user no longer exists",
                false => "its user has not been read yet",
            });
        }
        if session.admits() == Admits::Nobody {
            Some("the site no longer lists its authentication backend")
        } else if !self.is(ENABLED) && session.admits() != Admits::Everyone {
            Some("the account is disabled")
        } else if !self.fits(session) {
            Some("the password has changed since")
        } else if session.expires() <= now {
            Some("it has expired")
        } else {
            None
        }
    }

    /// Whether this session was made with the password that the user has now.
    fn fits(&self, session: &Row) -> bool {
        match &self.password {
            // A user model without passwords has no hash to compare.
            None => true,
            // The hash stands in what could not be read.
            Some(_) if session.unread().is_some() => true,
            Some(password) => session.hash != 0 && password.starts.hold(session.hash),
        }
    }

    /// Whether the SECRET_KEY fits this session, as far as it says so: by its signature, and where a cache keeps it
    /// unsigned by its auth hash, which is made with the same key.
    pub(super) fn key_fits(&self, session: &Row) -> Option<bool> {
        match session.signature() {
            Signature::Verified => Some(true),
            Signature::Invalid => Some(false),
            // Both have to be there to be compared.
            Signature::Unchecked => {
                (session.hash != 0 && self.password.is_some()).then(|| self.fits(session))
            }
        }
    }

    pub(super) fn facts(&self, made: &Made) -> Facts {
        Facts {
            last_activity: self.last_activity(),
            last_login: self.last_login(),
            last_save: made.last_save(),
            observed: self.observed(),
            flagged: self.is_flagged(),
            usable_sessions: made.usable,
        }
    }
}

impl Made {
    pub const NOTHING: Self = Self {
        usable: 0,
        rejected: 0,
        fit: 0,
        unfit: 0,
        last_save: UNKNOWN,
    };

    /// A session that lets them in was saved at this moment.
    pub fn saved(&mut self, at: i64) {
        // No moment at all is less than any.
        self.last_save = self.last_save.max(at);
    }

    pub fn last_save(&self) -> Option<Timestamp> {
        moment(self.last_save)
    }
}
