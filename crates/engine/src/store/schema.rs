//! The tables and columns that statements are made of, once discovery has found them.

use super::catalog::Kind;

/// Which database's dialect statements are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
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
    /// Without a time zone in the database: UTC.
    pub naive: bool,
}

/// A table with Django's three columns, and whatever it has beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionTable {
    pub table: TableName,
    pub expires: TimeColumn,
    /// The user of each session, where the table says so itself, and what that column holds.
    pub user: Option<(String, Kind)>,
    pub ip: Option<String>,
    pub device: Option<String>,
    pub seen: Option<TimeColumn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserTable {
    pub table: TableName,
    pub id: String,
    pub id_kind: Kind,
    pub username: String,
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
}

/// A site's tables and columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// None where sessions lie in no table.
    pub sessions: Option<SessionTable>,
    pub users: UserTable,
}
