//! What a database says of its own tables: the raw material of discovery.

use super::id_form::Compared;

/// A table that Curfew may look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// None where the database has no schemas, or where it is the first on the search path.
    pub schema: Option<String>,
    /// The schema that it is in; MySQL's database; `main` of SQLite.
    pub place: String,
    /// Its bare name means this table, by a search path that somebody set, or by the database that the address names.
    pub meant: bool,
    pub name: String,
    pub columns: Vec<Column>,
    pub references: Vec<Reference>,
    /// What is done to it can be taken back, and rows of it be locked: of MySQL's tables that is InnoDB's.
    pub transactional: bool,
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Rows of it are locked one by one, and no two have the same in this column.
    pub fn is_keyed_by(&self, column: &Column) -> bool {
        self.transactional && (column.primary || column.unique)
    }

    /// The table that its key refers to: a model that inherits from another has the other's key for its own.
    pub fn parent<'a>(&self, tables: &'a [Self]) -> Option<&'a Self> {
        let mut keys = self.columns.iter().filter(|column| column.primary);
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return None;
        };
        let mut up = self.references.iter().filter(|r| r.column == key.name);
        let (Some(reference), None) = (up.next(), up.next()) else {
            return None;
        };
        tables.iter().find(|table| table.is_target(reference))
    }

    pub fn is_target(&self, reference: &Reference) -> bool {
        self.name == reference.to_table && self.place == reference.to_place
    }

    /// `schema.table`, whatever the search path is.
    pub fn whole_name(&self) -> String {
        match self.place.is_empty() {
            true => self.name.clone(),
            false => format!("{}.{}", self.place, self.name),
        }
    }

    /// As people name it: `schema.table` where a schema matters.
    pub fn shown(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// The database's own word for the type, in lower case.
    pub type_name: String,
    pub primary: bool,
    pub unique: bool,
    /// How its texts are compared.
    pub compared: Compared,
}

/// A foreign key of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub column: String,
    /// As [`Table::place`].
    pub to_place: String,
    pub to_table: String,
}

/// What a column holds, as far as discovery cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Integer,
    Uuid,
    Text,
    Boolean,
    /// With a time zone.
    Instant,
    /// Without one: UTC, or the site's wall clock where USE_TZ is off.
    NaiveTime,
    Other,
}

impl Column {
    /// The number that its type bears, as the 6 of `datetime(6)`.
    pub fn argument(&self) -> Option<u8> {
        let (_, argument) = self.type_name.split_once('(')?;
        argument.split_once(')')?.0.trim().parse().ok()
    }

    pub fn kind(&self) -> Kind {
        let t = self.type_name.as_str();
        let head = t.split(['(', ' ']).next().unwrap_or(t);
        match head {
            "timestamp" if t.contains("without") => Kind::NaiveTime,
            "timestamp" | "timestamptz" => Kind::Instant,
            "datetime" => Kind::NaiveTime,
            "bool" | "boolean" => Kind::Boolean,
            // MySQL has no other word for it.
            "tinyint" if t.starts_with("tinyint(1)") => Kind::Boolean,
            "bit" if t == "bit(1)" => Kind::Boolean,
            "int" | "integer" | "bigint" | "mediumint" | "smallint" | "tinyint" | "int2"
            | "int4" | "int8" | "serial" | "bigserial" => Kind::Integer,
            "uuid" => Kind::Uuid,
            // Django's UUIDField where the database has no such type.
            "char" if t.replace(' ', "") == "char(32)" => Kind::Uuid,
            "varchar" | "character" | "text" | "char" | "citext" | "nvarchar" | "tinytext"
            | "mediumtext" | "longtext" => Kind::Text,
            _ => Kind::Other,
        }
    }
}
