//! What a store hands over: sessions as they lie there, and users.

use jiff::Timestamp;
use secrecy::SecretString;

use super::key::{KeyRef, SessionKey, UserId};

/// A session's content as it lies there, held only while it is read.
#[derive(Clone, PartialEq, Eq)]
pub enum Data {
    /// Django's `session_data`: a column of a table, or a file.
    Encoded(Vec<u8>),
    /// The session's dict, packed as a cache's values are. Not signed.
    Cached(Vec<u8>),
}

impl Data {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Encoded(bytes) | Self::Cached(bytes) => bytes,
        }
    }

    pub fn lend(&self) -> DataRef<'_> {
        match self {
            Self::Encoded(bytes) => DataRef::Encoded(bytes),
            Self::Cached(bytes) => DataRef::Cached(bytes),
        }
    }
}

/// As [`Data`], where it was read into.
#[derive(Clone, Copy)]
pub enum DataRef<'a> {
    Encoded(&'a [u8]),
    Cached(&'a [u8]),
}

/// As [`SessionRow`], where it was read into: nothing is copied that is looked at once.
#[derive(Clone, Copy)]
pub struct SessionRef<'a> {
    pub key: KeyRef<'a>,
    pub data: DataRef<'a>,
    pub expires: Timestamp,
    pub saved: Option<Timestamp>,
    pub extra: Option<&'a Extra>,
}

impl SessionRef<'_> {
    pub fn to_row(self) -> SessionRow {
        SessionRow {
            key: self.key.to_key(),
            data: match self.data {
                DataRef::Encoded(bytes) => Data::Encoded(bytes.to_vec()),
                DataRef::Cached(bytes) => Data::Cached(bytes.to_vec()),
            },
            expires: self.expires,
            saved: self.saved,
            extra: self.extra.cloned().map(Box::new),
        }
    }
}

/// One session as it lies in the store.
#[derive(Clone)]
pub struct SessionRow {
    pub key: SessionKey,
    pub data: Data,
    pub expires: Timestamp,
    /// The last save, where the store knows it beside the data: a file's time.
    pub saved: Option<Timestamp>,
    /// What tables with columns of their own say of a session.
    pub extra: Option<Box<Extra>>,
}

impl SessionRow {
    /// Of Django's three columns alone.
    pub fn encoded(key: SessionKey, data: Vec<u8>, expires: Timestamp) -> Self {
        Self {
            key,
            data: Data::Encoded(data),
            expires,
            saved: None,
            extra: None,
        }
    }

    pub fn lend(&self) -> SessionRef<'_> {
        SessionRef {
            key: self.key.lend(),
            data: self.data.lend(),
            expires: self.expires,
            saved: self.saved,
            extra: self.extra.as_deref(),
        }
    }
}

/// A session's own columns, beside Django's three.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extra {
    pub user: Option<UserId>,
    pub ip: Option<String>,
    /// The browser's User-Agent, as it was sent.
    pub device: Option<String>,
    /// The table's own time of its last use.
    pub seen: Option<Timestamp>,
}

/// One user as the site's table has them.
#[derive(Debug, Clone)]
pub struct UserRow {
    pub id: UserId,
    pub username: String,
    pub email: Option<String>,
    pub name: Option<String>,
    pub last_activity: Option<Timestamp>,
    pub last_login: Option<Timestamp>,
    pub flagged: bool,
    pub staff: bool,
    pub superuser: bool,
    pub enabled: bool,
    /// The stored password string, read only where a SECRET_KEY is known: the auth hash is made of it.
    pub password: Option<SecretString>,
}
