//! A site's tables in a database of one test's own, and the people and sessions in it.
//! What the engine's store makes of them is in the tests; nothing here runs Curfew but to open the store.

mod database;
mod far;
mod looking;
mod posing;
mod shape;
mod ways;

use std::collections::HashMap;
use std::sync::LazyLock;

use curfew_engine::django::secret::SecretKeys;
use curfew_engine::django::session::{Expiry, Fields, encode};
use curfew_engine::store::sql::SqlStore;
use curfew_engine::store::{SessionKey, SessionRow, SweepBatch, UserId};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use database::{Database, Engine};
pub use looking::Looking;
pub use shape::{Id, Names, Shape};

/// SESSION_COOKIE_AGE as Django sets it.
pub const COOKIE_AGE: i64 = 1_209_600;
pub static KEYS: LazyLock<SecretKeys> =
    LazyLock::new(|| SecretKeys::new("a key of the tests".into(), Vec::new()));

/// Runs each of these on every database, as tests of their own.
#[macro_export]
macro_rules! on_each_store {
    // Those with locks on rows.
    (servers: $($name:ident)*) => {
        on_each_store!(@ postgres Postgres $($name)*);
        on_each_store!(@ mysql Mysql $($name)*);
    };
    (@ $module:ident $engine:ident $($name:ident)*) => {
        mod $module {
            use $crate::common::Engine;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(Engine::$engine).await;
            })*
        }
    };
    ($($name:ident)*) => {
        on_each_store!(@ sqlite Sqlite $($name)*);
        on_each_store!(@ postgres Postgres $($name)*);
        on_each_store!(@ mysql Mysql $($name)*);
    };
}

/// One site, and the store that is tested.
pub struct Ground {
    pub db: Database,
    pub shape: Shape,
    pub store: SqlStore,
    /// The database's time when the test began, to the microsecond.
    pub now: Timestamp,
}

/// Someone in the user table, `Default` but for what a test is about.
#[derive(Clone, Copy, Default)]
pub struct Person {
    pub activity: Option<Timestamp>,
    pub login: Option<Timestamp>,
    pub flag: bool,
}

impl Ground {
    /// The site that most tests want: whole numbers for ids, `last_activity`, `isCurrentlyActive`.
    pub async fn on(engine: Engine) -> Self {
        Self::shaped(engine, Shape::default()).await
    }

    pub async fn shaped(engine: Engine, shape: Shape) -> Self {
        let mut db = Database::create(engine).await;
        db.zone = TimeZone::get(shape.zone).unwrap();
        db.execute(&shape.tables(engine)).await;
        let store = db.store().await;
        let now = Timestamp::now().round(jiff::Unit::Microsecond).unwrap();
        Self {
            db,
            shape,
            store,
            now,
        }
    }

    pub fn ago(&self, seconds: i64) -> Timestamp {
        self.now - SignedDuration::from_secs(seconds)
    }

    /// Half an hour and five minutes ago: Curfew's own limit.
    pub fn cutoff(&self) -> Timestamp {
        self.ago(2_100)
    }

    pub fn id(&self, number: u32) -> UserId {
        UserId::new(self.shape.id.said(number))
    }

    /// A moment as a literal of this database.
    pub fn at(&self, at: Timestamp) -> String {
        let form = match (self.db.engine(), at.subsec_nanosecond()) {
            (Engine::Sqlite, 0) => "'%Y-%m-%d %H:%M:%S'",
            (Engine::Sqlite, _) => "'%Y-%m-%d %H:%M:%S.%6f'",
            (Engine::Mysql, _) => "'%Y-%m-%d %H:%M:%S.%6f'",
            (Engine::Postgres, _) if self.shape.naive => "'%Y-%m-%d %H:%M:%S.%6f'",
            (Engine::Postgres, _) => "'%Y-%m-%d %H:%M:%S.%6f+00'",
        };
        let wall = match (self.db.engine(), self.shape.naive) {
            (Engine::Postgres, false) => TimeZone::UTC.to_datetime(at),
            _ => self.db.zone.to_datetime(at),
        };
        wall.strftime(form).to_string()
    }

    pub async fn person(&self, number: u32, name: &str, person: Person) {
        let names = &self.shape.names;
        let mut columns = format!("\"{}\", \"{}\"", names.id, names.username);
        let id = self.shape.id.kept(number, self.db.engine());
        let mut values = format!("{id}, '{}'", name.replace('\'', "''"));
        let mut add = |there: bool, column: &str, value: String| {
            if there {
                columns += &format!(", \"{column}\"");
                values += &format!(", {value}");
            }
        };
        let at = |at: Option<Timestamp>| at.map_or("NULL".into(), |at| self.at(at));
        add(self.shape.activity, names.activity, at(person.activity));
        add(self.shape.login, "last_login", at(person.login));
        add(self.shape.flag, names.flag, person.flag.to_string());
        let sql = format!(
            "INSERT INTO \"{}\" ({columns}) VALUES ({values})",
            names.table
        );
        self.db.execute(&sql).await;
    }

    /// Changes one column of somebody, as the site would.
    pub async fn set(&self, number: u32, column: &str, value: &str) {
        assert_eq!(
            self.db.execute(&self.setting(number, column, value)).await,
            1
        );
    }

    /// The statement that does it.
    pub fn setting(&self, number: u32, column: &str, value: &str) -> String {
        let names = &self.shape.names;
        format!(
            "UPDATE \"{}\" SET \"{column}\" = {value} WHERE \"{}\" = {}",
            names.table,
            names.id,
            self.shape.id.kept(number, self.db.engine())
        )
    }

    pub async fn activity(&self, number: u32, at: Timestamp) {
        self.set(number, self.shape.names.activity, &self.at(at))
            .await;
    }

    /// Whether somebody carries the flag.
    pub async fn flagged(&self, number: u32) -> bool {
        let names = &self.shape.names;
        let sql = format!(
            "SELECT count(*) FROM \"{}\" WHERE \"{}\" AND \"{}\" = {}",
            names.table,
            names.flag,
            names.id,
            self.shape.id.kept(number, self.db.engine())
        );
        self.db.int(&sql).await == 1
    }

    /// What Django would write for this person, saved then.
    pub fn data(&self, user: Option<u32>, saved: Timestamp, expiry: Expiry) -> String {
        let fields = Fields {
            user: user.map(|number| self.shape.id.said(number)),
            expiry,
            ..Fields::default()
        };
        encode(&fields, &KEYS, saved)
    }

    /// A session of the usual age, saved then. Returns its key.
    pub async fn session(&self, key: &str, user: Option<u32>, saved: Timestamp) -> SessionKey {
        let data = self.data(user, saved, Expiry::Default);
        self.row(key, &data, self.expires(saved)).await
    }

    /// Any row of the session table.
    pub async fn row(&self, key: &str, data: &str, expires: Timestamp) -> SessionKey {
        let sql = format!(
            "INSERT INTO django_session (session_key, session_data, expire_date) VALUES ('{key}', '{data}', {})",
            self.at(expires)
        );
        self.db.execute(&sql).await;
        SessionKey::new(key)
    }

    /// Saves a session again, as Django does for one with an age.
    pub async fn save(&self, key: &str, user: Option<u32>, saved: Timestamp) {
        let data = self.data(user, saved, Expiry::Default);
        let saving = self.saving(key, &data, self.expires(saved));
        assert_eq!(self.db.execute(&saving).await, 1);
    }

    /// When a session of the usual age expires. With USE_TZ off, Django counts days on the wall's clock.
    pub fn expires(&self, saved: Timestamp) -> Timestamp {
        let zone = &self.db.zone;
        let wall = zone.to_datetime(saved) + SignedDuration::from_secs(COOKIE_AGE);
        zone.to_timestamp(wall).unwrap()
    }

    pub fn saving(&self, key: &str, data: &str, expires: Timestamp) -> String {
        format!(
            "UPDATE django_session SET session_data = '{data}', expire_date = {} WHERE session_key = '{key}'",
            self.at(expires)
        )
    }

    /// The keys in the table, sorted.
    pub async fn keys(&self) -> Vec<String> {
        let text = match self.db.engine() {
            Engine::Mysql => "char",
            _ => "text",
        };
        let sql = format!("SELECT CAST(session_key AS {text}) FROM django_session ORDER BY 1");
        self.db.texts(&sql).await
    }

    /// Sessions of one content and one end, many at once.
    pub async fn rows(&self, keys: &[String], data: &str, expires: Timestamp) -> Vec<SessionKey> {
        let expires = self.at(expires);
        for chunk in keys.chunks(1_000) {
            let rows: Vec<String> = chunk
                .iter()
                .map(|key| format!("('{key}', '{data}', {expires})"))
                .collect();
            let sql = format!("INSERT INTO django_session VALUES {}", rows.join(", "));
            self.db.execute(&sql).await;
        }
        keys.iter()
            .map(|key| SessionKey::new(key.as_str()))
            .collect()
    }

    /// Somebody overdue, flagged, with one session `key`.
    pub async fn overdue(&self, number: u32, key: &str) -> SessionKey {
        let seen = self.ago(7_200 + i64::from(number));
        let person = Person {
            activity: Some(seen),
            login: Some(seen),
            flag: true,
        };
        self.person(number, &format!("person{number}"), person)
            .await;
        self.session(key, Some(number), seen).await
    }

    /// A batch that takes these people, each session judged as a sweep judges it.
    pub fn batch(&self, overdue: Vec<(UserId, Vec<SessionKey>)>) -> SweepBatch {
        let cutoff = self.cutoff();
        SweepBatch {
            overdue,
            dates: HashMap::new(),
            stale: Vec::new(),
            cutoff,
            saves_prove: false,
            decide: std::sync::Arc::new(move |id, row| may_go(cutoff, id, row)),
            exempts: std::sync::Arc::new(|_| None),
        }
    }
}

/// Still theirs, and not saved since the cutoff.
pub fn may_go(cutoff: Timestamp, id: &UserId, row: &SessionRow) -> bool {
    let text = std::str::from_utf8(row.data.bytes()).unwrap_or("");
    curfew_engine::django::session::decode(text, Some(&KEYS)).is_ok_and(|session| {
        session.user.as_deref() == Some(id.as_str())
            && session.last_saved.is_none_or(|at| at <= cutoff)
    })
}

pub fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort();
    items
}
