//! The rows that a demo site begins with: who is here, who is idle, who only seems to be here.
//! Pure but for the random keys and passwords: `now` is given, and SQL is elsewhere.
//! Invariant: no session was saved later than its user was last active.

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, json};

use super::people::{Person, people};
use super::{BACKEND, COOKIE_AGE, secret};
use crate::django::auth_hash::session_auth_hash;
use crate::django::secret::SecretKeys;
use crate::django::session::{Expiry, Fields, encode};
use crate::error::Result;

pub(super) struct Site {
    pub users: Vec<User>,
    pub sessions: Vec<Session>,
}

pub(super) struct User {
    pub id: i64,
    pub person: Person,
    pub password: String,
    pub joined: Timestamp,
    pub last_login: Option<Timestamp>,
    pub last_activity: Option<Timestamp>,
    pub flag: bool,
}

pub(super) struct Session {
    pub key: String,
    pub data: String,
    pub expires: Timestamp,
}

/// How someone stands at the start, under the rules that Curfew starts with (5 and 35 minutes).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Active,
    Idle,
    Overdue,
    /// Flagged, with a session that has run out.
    StaleExpired,
    /// Flagged, with no session at all.
    StaleGone,
    /// Signed out properly, some time ago.
    Away,
    /// Has an account and never used it.
    Never,
}

/// How many of a thousand people stand so; everyone else is away.
const SHARES: [(Standing, u32); 6] = [
    (Standing::Active, 230),
    (Standing::Idle, 130),
    (Standing::Overdue, 50),
    (Standing::StaleExpired, 14),
    (Standing::StaleGone, 21),
    (Standing::Never, 40),
];

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

impl Site {
    pub(super) fn at(now: Timestamp, users: u32, keys: &SecretKeys) -> Result<Self> {
        let mut making = Making {
            now,
            keys,
            chance: Rng::with_seed(now.as_microsecond().unsigned_abs()),
            sessions: Vec::new(),
        };
        let standings = making.standings(users);
        let users = people(users)
            .into_iter()
            .zip(standings)
            .zip(1..)
            .map(|((person, standing), id)| making.user(id, person, standing))
            .collect::<Result<Vec<_>>>()?;
        making.visitors(users.len())?;
        making.a_corrupt_row()?;
        Ok(Self {
            users,
            sessions: making.sessions,
        })
    }
}

struct Making<'a> {
    now: Timestamp,
    keys: &'a SecretKeys,
    chance: Rng,
    sessions: Vec<Session>,
}

impl Making<'_> {
    /// At least one of each standing where there are people enough.
    fn standings(&mut self, users: u32) -> Vec<Standing> {
        let mut all = Vec::with_capacity(users as usize);
        for (standing, share) in SHARES {
            let many = (u64::from(users) * u64::from(share) / 1_000).max(1);
            all.extend((0..many).map(|_| standing));
        }
        all.truncate(users as usize);
        all.resize(users as usize, Standing::Away);
        self.chance.shuffle(&mut all);
        all
    }

    fn user(&mut self, id: i64, person: Person, standing: Standing) -> Result<User> {
        // Who may not sign in any more is not here; Django would not show them as signed in.
        let standing = if person.enabled {
            standing
        } else {
            Standing::Away
        };
        let last_activity = match standing {
            Standing::Active => Some(self.ago(1, 4 * MINUTE)),
            Standing::Idle => Some(self.ago(5 * MINUTE + 10, 33 * MINUTE)),
            Standing::Overdue => Some(self.ago(36 * MINUTE, 6 * HOUR)),
            Standing::StaleExpired | Standing::StaleGone => Some(self.ago(40 * MINUTE, 8 * HOUR)),
            Standing::Away => Some(self.ago(9 * HOUR, 40 * DAY)),
            Standing::Never => None,
        };
        let signed_in = last_activity.map(|at| self.before(at, MINUTE, 4 * HOUR));
        let user = User {
            id,
            person,
            password: secret::unusable_password()?,
            joined: self.ago(60 * DAY, 900 * DAY),
            last_login: signed_in,
            last_activity,
            flag: !matches!(standing, Standing::Away | Standing::Never),
        };
        let (Some(active), Some(signed_in)) = (last_activity, signed_in) else {
            return Ok(user);
        };
        match standing {
            Standing::Active | Standing::Idle | Standing::Overdue => {
                let expiry = self.expiry(signed_in);
                self.session(&user, active, expiry)?;
                // Another browser, another machine: signed in earlier, quiet since.
                for _ in 0..[0, 0, 0, 0, 0, 0, 0, 1, 1, 2][self.chance.usize(..10)] {
                    let saved = self.before(signed_in, MINUTE, 2 * DAY);
                    self.session(&user, saved, Expiry::Default)?;
                }
            }
            Standing::StaleExpired => self.session(&user, active, Expiry::Seconds(30 * MINUTE))?,
            // Rows that nobody cleared away, as sites have them.
            Standing::Away if self.chance.u8(..100) < 5 => {
                self.session(&user, active, Expiry::Seconds(HOUR))?;
            }
            Standing::StaleGone | Standing::Away | Standing::Never => {}
        }
        Ok(user)
    }

    /// Every kind of expiry, none of which ends before the longest absence of `Overdue` does.
    fn expiry(&mut self, signed_in: Timestamp) -> Expiry {
        match self.chance.u8(..100) {
            0..68 => Expiry::Default,
            68..80 => Expiry::BrowserClose,
            80..92 => Expiry::Seconds(8 * HOUR),
            _ => Expiry::Fixed(signed_in + SignedDuration::from_hours(12)),
        }
    }

    fn session(&mut self, user: &User, saved: Timestamp, expiry: Expiry) -> Result<()> {
        let fields = fields(user.id, &user.password, expiry, self.keys);
        self.sessions.push(Session {
            key: secret::session_key()?,
            data: encode(&fields, self.keys, saved),
            expires: expires(expiry, saved),
        });
        Ok(())
    }

    /// People who only look around: a session without a user.
    fn visitors(&mut self, users: usize) -> Result<()> {
        for _ in 0..(users / 7).max(3) {
            let saved = self.ago(1, 3 * DAY);
            let fields = visitor(&mut self.chance);
            self.sessions.push(Session {
                key: secret::session_key()?,
                data: encode(&fields, self.keys, saved),
                expires: expires(fields.expiry, saved),
            });
        }
        Ok(())
    }

    /// A row as a column that was too short leaves it: its end is missing.
    fn a_corrupt_row(&mut self) -> Result<()> {
        let saved = self.ago(HOUR, DAY);
        let mut fields = fields(0, "", Expiry::Default, self.keys);
        fields.user = None;
        let mut data = encode(&fields, self.keys, saved);
        data.truncate(data.len() / 2);
        self.sessions.push(Session {
            key: secret::session_key()?,
            data,
            expires: expires(Expiry::Default, saved),
        });
        Ok(())
    }

    fn ago(&mut self, least: i64, most: i64) -> Timestamp {
        self.before(self.now, least, most)
    }

    /// Between `least` and `most` seconds before `at`, to the microsecond.
    fn before(&mut self, at: Timestamp, least: i64, most: i64) -> Timestamp {
        at - SignedDuration::from_micros(self.chance.i64(least * 1_000_000..most * 1_000_000))
    }
}

/// What `login()` leaves in a session.
pub(super) fn fields(user: i64, password: &str, expiry: Expiry, keys: &SecretKeys) -> Fields {
    Fields {
        user: Some(user.to_string()),
        backend: Some(BACKEND.to_owned()),
        auth_hash: Some(session_auth_hash(password, keys.first())),
        expiry,
        extra: Map::new(),
    }
}

/// A session of somebody who has not signed in, now and then with something in the cart.
pub(super) fn visitor(chance: &mut Rng) -> Fields {
    let mut fields = Fields::default();
    if chance.u8(..10) < 6 {
        let article = format!("HB-{}", chance.u16(1_000..9_999));
        fields
            .extra
            .insert("cart".into(), json!({ article: chance.u8(1..5) }));
    }
    fields
}

/// `expire_date` as Django computes it at each save.
pub(super) fn expires(expiry: Expiry, saved: Timestamp) -> Timestamp {
    match expiry {
        Expiry::Default | Expiry::BrowserClose => saved + COOKIE_AGE,
        Expiry::Seconds(seconds) => saved + SignedDuration::from_secs(seconds),
        Expiry::Fixed(at) => at,
    }
}
