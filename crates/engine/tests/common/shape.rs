//! How a site's tables are made: Django's own, with other ids, names or column types.

use super::Engine;

/// What kind of key people have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    Integer,
    Uuid,
    Text,
    /// A UUID in 36 characters of text, in upper case.
    UuidText,
    /// MariaDB's own type for UUIDs.
    UuidOfMariadb,
    /// 32 bits: Django's AutoField.
    Small,
    /// MySQL's `bigint unsigned`, beyond what others hold.
    Unsigned,
}

impl Id {
    /// The nth person's id as Django writes it into a session.
    pub fn said(self, number: u32) -> String {
        match self {
            Self::Integer | Self::Small => number.to_string(),
            Self::Unsigned => ((1 << 63) + u64::from(number)).to_string(),
            Self::Uuid | Self::UuidText | Self::UuidOfMariadb => {
                format!("{number:08x}-52f1-4c3a-9d0e-a0b1c2d3e4f5")
            }
            Self::Text => format!("née o'{number}"),
        }
    }

    /// The same as a literal of the user table's column.
    pub fn kept(self, number: u32, engine: Engine) -> String {
        match (self, engine) {
            (Self::Integer | Self::Small, _) => number.to_string(),
            (Self::Uuid, Engine::Sqlite | Engine::Mysql) => {
                format!("'{}'", self.said(number).replace('-', ""))
            }
            (Self::Unsigned, _) => self.said(number),
            (Self::UuidText, _) => format!("'{}'", self.said(number).to_uppercase()),
            _ => format!("'{}'", self.said(number).replace('\'', "''")),
        }
    }

    fn column(self, engine: Engine) -> &'static str {
        match (self, engine) {
            (Self::Integer, Engine::Postgres | Engine::Mysql) => "bigint",
            (Self::Integer, Engine::Sqlite) | (Self::Small, _) => "integer",
            (Self::Uuid, Engine::Postgres) => "uuid",
            (Self::Uuid, Engine::Sqlite | Engine::Mysql) => "char(32)",
            (Self::Text, _) => "varchar(40)",
            (Self::UuidText, _) => "varchar(36)",
            (Self::UuidOfMariadb, _) => "uuid",
            (Self::Unsigned, _) => "bigint unsigned",
        }
    }
}

/// What the user table and its columns are called.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    pub table: &'static str,
    pub id: &'static str,
    pub username: &'static str,
    pub activity: &'static str,
    pub flag: &'static str,
}

impl Names {
    pub const USUAL: Self = Self {
        table: "accounts_user",
        id: "id",
        username: "username",
        activity: "last_activity",
        flag: "isCurrentlyActive",
    };
    /// Reserved words, mixed case, spaces.
    pub const ODD: Self = Self {
        table: "Order",
        id: "Person Id",
        username: "User Name",
        activity: "Last seen at",
        flag: "Is Online",
    };
    /// Reserved words alone.
    pub const RESERVED: Self = Self {
        table: "user",
        id: "select",
        username: "from",
        activity: "when",
        flag: "group",
    };
}

#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub id: Id,
    pub names: Names,
    /// Moments without a time zone, where the database has both.
    pub naive: bool,
    /// Whose wall clock they show then.
    pub zone: &'static str,
    pub activity: bool,
    pub login: bool,
    pub flag: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            id: Id::Integer,
            names: Names::USUAL,
            naive: false,
            zone: "UTC",
            activity: true,
            login: true,
            flag: true,
        }
    }
}

impl Shape {
    /// The statements that make the tables.
    pub fn tables(&self, engine: Engine) -> String {
        let (text, deferred) = match engine {
            Engine::Mysql => ("longtext", ""),
            _ => ("text", "DEFERRABLE INITIALLY DEFERRED"),
        };
        let time = match engine {
            Engine::Sqlite => "datetime",
            Engine::Mysql => "datetime(6)",
            Engine::Postgres if self.naive => "timestamp",
            Engine::Postgres => "timestamptz",
        };
        let Names {
            table,
            id,
            username,
            activity,
            flag,
        } = self.names;
        let key = self.id.column(engine);
        let mut optional = String::new();
        if self.activity {
            optional += &format!(", \"{activity}\" {time} NULL");
        }
        if self.login {
            optional += &format!(", last_login {time} NULL");
        }
        if self.flag {
            optional += &format!(", \"{flag}\" bool NOT NULL DEFAULT false");
        }
        format!(
            "CREATE TABLE \"{table}\" (
                \"{id}\" {key} NOT NULL PRIMARY KEY,
                password varchar(128) NOT NULL DEFAULT '!',
                \"{username}\" varchar(150) NOT NULL UNIQUE,
                first_name varchar(150) NOT NULL DEFAULT '',
                last_name varchar(150) NOT NULL DEFAULT '',
                email varchar(254) NOT NULL DEFAULT '',
                is_superuser bool NOT NULL DEFAULT false,
                is_staff bool NOT NULL DEFAULT false,
                is_active bool NOT NULL DEFAULT true{optional});
             CREATE TABLE django_admin_log (
                id integer NOT NULL PRIMARY KEY,
                user_id {key} NOT NULL,
                FOREIGN KEY (user_id) REFERENCES \"{table}\" (\"{id}\") {deferred});
             CREATE TABLE django_session (
                session_key varchar(40) NOT NULL PRIMARY KEY,
                session_data {text} NOT NULL,
                expire_date {time} NOT NULL);
             CREATE INDEX django_session_expire_date ON django_session (expire_date);"
        )
    }
}
