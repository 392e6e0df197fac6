//! The tables and columns that statements are made of, once discovery has found them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::catalog::{Column, Kind};
use super::id_form::{Compared, IdForm};
use super::zone;

/// Which database's dialect statements are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    Sqlite,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    pub schema: Option<String>,
    pub name: String,
}

impl TableName {
    pub fn shown(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// A column that holds a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeColumn {
    pub name: String,
    /// Whose wall clock it holds; none where the database itself knows the moment.
    pub zone: Option<TimeZone>,
    /// Digits of a second's fraction that its type names; none where it names none.
    pub digits: Option<u8>,
}

impl TimeColumn {
    /// A column of the catalog, where it holds moments; without a zone in the database, in UTC.
    pub fn of(column: &Column) -> Option<Self> {
        let zone = match column.kind() {
            Kind::Instant => None,
            Kind::NaiveTime => Some(TimeZone::UTC),
            _ => return None,
        };
        Some(Self {
            name: column.name.clone(),
            zone,
            digits: column.argument(),
        })
    }

    /// Whether it holds microseconds: in one that is coarser, two saves may leave the same date.
    pub(super) fn is_fine(&self, dialect: Dialect) -> bool {
        let unsaid = match dialect {
            Dialect::Postgres | Dialect::Sqlite => 6,
            Dialect::Mysql => 0,
        };
        self.digits.unwrap_or(unsaid) >= 6
    }

    pub(crate) fn in_zone(&mut self, zone: &TimeZone) {
        if self.zone.is_some() {
            self.zone = Some(zone.clone());
        }
    }

    /// The zone that its values are read in.
    pub(super) fn zone(&self) -> &TimeZone {
        const UTC: &TimeZone = &TimeZone::UTC;
        self.zone.as_ref().unwrap_or(UTC)
    }

    /// What Django compares the column with at this moment.
    pub(super) fn wall(&self, at: Timestamp) -> DateTime {
        self.zone().to_datetime(at)
    }

    /// Sessions of this age that were saved after a moment expire after this. Where the site's clock is a wall
    /// clock, Django counts the age on the wall, too.
    pub(super) fn saved_after(&self, at: Timestamp, age: SignedDuration) -> Option<DateTime> {
        self.over(at).checked_add(age).ok()
    }

    /// Sessions of this age that were saved by a moment expire by this.
    pub(super) fn saved_by(&self, at: Timestamp, age: SignedDuration) -> Option<DateTime> {
        zone::highest(self.zone(), at).checked_add(age).ok()
    }

    /// Values up to this are over at this moment, whatever the clocks do.
    pub(super) fn over(&self, at: Timestamp) -> DateTime {
        zone::over(self.zone(), at)
    }
}

/// A table with Django's three columns, and whatever it has beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionTable {
    pub table: TableName,
    pub expires: TimeColumn,
    /// The user of each session, where the table says so itself, and what that column holds.
    pub user: Option<(String, IdForm)>,
    pub ip: Option<String>,
    pub device: Option<String>,
    pub seen: Option<TimeColumn>,
    /// What is done to it can be taken back, and rows of it be locked.
    pub transactional: bool,
    /// Rows of it are locked one by one, and no two have the same key.
    pub keyed: bool,
}

/// A table whose model the user model inherits from. It holds some of each user's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    pub table: TableName,
    /// Its key, which equals the user's.
    pub key: String,
    pub columns: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserTable {
    pub table: TableName,
    /// The tables that a user's other columns are in, nearest first.
    pub parents: Vec<Parent>,
    pub id: String,
    pub id_form: IdForm,
    pub username: String,
    /// How the database compares usernames.
    pub names: Compared,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub password: Option<String>,
    pub last_login: Option<TimeColumn>,
    pub last_activity: Option<TimeColumn>,
    pub flag: Option<String>,
    pub is_active: Option<String>,
    pub is_staff: Option<String>,
    pub is_superuser: Option<String>,
    /// As [`SessionTable::transactional`].
    pub transactional: bool,
    /// As [`SessionTable::keyed`].
    pub keyed: bool,
}

impl UserTable {
    /// The table that has this column, and that table's key.
    pub fn place_of(&self, column: &str) -> (&TableName, &str) {
        let has = |parent: &&Parent| parent.columns.iter().any(|own| own == column);
        match self.parents.iter().find(has) {
            Some(parent) => (&parent.table, &parent.key),
            None => (&self.table, &self.id),
        }
    }
}

#[cfg(test)]
impl UserTable {
    /// A table of which nothing but the name is known.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            table: TableName {
                schema: None,
                name: name.into(),
            },
            id: "id".into(),
            parents: Vec::new(),
            id_form: IdForm::Integer,
            username: "username".into(),
            names: Compared::default(),
            email: None,
            first_name: None,
            last_name: None,
            password: None,
            last_login: None,
            last_activity: None,
            flag: None,
            is_active: None,
            is_staff: None,
            is_superuser: None,
            transactional: true,
            keyed: true,
        }
    }
}

/// A site's tables and columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// None where sessions lie in no table.
    pub sessions: Option<SessionTable>,
    pub users: UserTable,
}

impl Schema {
    /// Columns without a zone of their own hold this zone's wall clock (USE_TZ off).
    pub fn in_zone(mut self, zone: &TimeZone) -> Self {
        let users = &mut self.users;
        let mut columns: Vec<&mut TimeColumn> = [&mut users.last_login, &mut users.last_activity]
            .into_iter()
            .flatten()
            .collect();
        if let Some(sessions) = &mut self.sessions {
            columns.push(&mut sessions.expires);
            columns.extend(&mut sessions.seen);
        }
        for column in columns {
            column.in_zone(zone);
        }
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_type_says_whether_it_holds_microseconds() {
        for (type_name, dialect, fine) in [
            ("datetime(6)", Dialect::Mysql, true),
            ("datetime", Dialect::Mysql, false),
            ("timestamp(3)", Dialect::Mysql, false),
            ("timestamp with time zone", Dialect::Postgres, true),
            ("timestamp(0) with time zone", Dialect::Postgres, false),
            ("datetime", Dialect::Sqlite, true),
        ] {
            let column = Column {
                name: "expire_date".into(),
                type_name: type_name.into(),
                ..Column::default()
            };
            let time = TimeColumn::of(&column).unwrap();
            assert_eq!(time.is_fine(dialect), fine, "{type_name}");
        }
    }
}
