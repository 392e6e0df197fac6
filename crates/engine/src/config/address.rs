//! A site's address. The password in it is never printed, logged or serialised.

mod parameters;

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::error::{Code, Error, Result};

/// Which database answers at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
    Sqlite(PathBuf),
}

impl Backend {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Sqlite(_) => "sqlite",
        }
    }
}

/// `postgres://user:password@host:port/db`, `mysql://...` or `sqlite:///absolute/path.sqlite3`.
#[derive(Clone)]
pub struct Address {
    whole: SecretString,
    shown: String,
    backend: Backend,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({})", self.shown)
    }
}

impl Address {
    /// Whether a text is meant as an address rather than as a site's name.
    pub fn looks_like(text: &str) -> bool {
        text.contains("://") || text.starts_with("sqlite:")
    }

    /// Whether a text can be repeated in an error. A name can; what may be an address, a list of `key=value` pairs or a
    /// command with a password in it cannot.
    pub fn is_plain_name(text: &str) -> bool {
        text.chars().count() <= 64
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.'))
    }

    /// Reads an address. No error repeats the text: a password may stand in it.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            Error::new(
                Code::Config,
                format!(
                    "the site's address {why}; write postgres://user@host:port/db, mysql://user@host:port/db or sqlite:///absolute/path.sqlite3"
                ),
            )
        };
        let mut url = Url::parse(text.trim()).map_err(|_| bad("cannot be read"))?;
        let backend = match url.scheme() {
            "postgres" | "postgresql" | "mysql" | "mariadb" => {
                if url.path().contains('@') || url.fragment().is_some() {
                    return Err(bad(
                        "has a / or # before its @; write those of a password as %2F and %23",
                    ));
                }
                if url.path().trim_matches('/').is_empty() {
                    return Err(bad("names no database"));
                }
                parameters::settle(&mut url).map_err(bad)?;
                match url.scheme() {
                    "mysql" | "mariadb" => Backend::Mysql,
                    _ => Backend::Postgres,
                }
            }
            "sqlite" | "sqlite3" => {
                if url.host_str().is_some_and(|h| !h.is_empty()) {
                    return Err(bad(
                        "has two slashes where three belong (the path is absolute)",
                    ));
                }
                parameters::settle(&mut url).map_err(bad)?;
                let path = percent_decode_str(url.path())
                    .decode_utf8()
                    .map_err(|_| bad("is not UTF-8"))?;
                let path = PathBuf::from(path.as_ref());
                if !path.is_absolute() || path.parent().is_none() {
                    return Err(bad("has no absolute path"));
                }
                Backend::Sqlite(path)
            }
            // A password may stand where a scheme belongs.
            _ => return Err(bad("begins with no scheme that Curfew knows")),
        };
        let shown = match &backend {
            Backend::Sqlite(path) => path.display().to_string(),
            Backend::Postgres | Backend::Mysql => {
                let host = url.host_str().unwrap_or("localhost");
                let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
                format!("{host}{port}/{}", url.path().trim_matches('/'))
            }
        };
        Ok(Self {
            whole: SecretString::from(url.to_string()),
            shown,
            backend,
        })
    }

    /// Without user and password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The whole address, password and all: for the driver alone.
    pub(crate) fn expose(&self) -> &str {
        self.whole.expose_secret()
    }

    pub fn has_password(&self) -> bool {
        self.url().is_some_and(|u| u.password().is_some())
    }

    /// The password alone, decoded: for the keychain.
    pub fn password(&self) -> Option<SecretString> {
        let url = self.url()?;
        let text = percent_decode_str(url.password()?).decode_utf8().ok()?;
        Some(SecretString::from(text.into_owned()))
    }

    /// The same address without its password, as it may stand in a file.
    pub fn without_password(&self) -> String {
        match self.url() {
            Some(mut url) => {
                // Fails for addresses that cannot hold one, which then have none either.
                let _ = url.set_password(None);
                url.to_string()
            }
            None => String::new(),
        }
    }

    pub fn with_password(&self, password: &SecretString) -> Self {
        let Some(mut url) = self.url() else {
            return self.clone();
        };
        let _ = url.set_password(Some(password.expose_secret()));
        Self {
            whole: SecretString::from(url.to_string()),
            shown: self.shown.clone(),
            backend: self.backend.clone(),
        }
    }

    /// A name for a site that has only an address: its database or its file.
    pub fn site_name(&self) -> String {
        match &self.backend {
            Backend::Sqlite(path) => path
                .file_stem()
                .map(|s| s.to_string_lossy().into_owned())
                .unwrap_or_else(|| "site".into()),
            Backend::Postgres | Backend::Mysql => self
                .shown
                .rsplit('/')
                .next()
                .filter(|s| !s.is_empty())
                .unwrap_or("site")
                .to_string(),
        }
    }

    /// The value of a parameter behind the question mark, by one of its names. The last one counts, as for the driver.
    pub fn parameter(&self, names: &[&str]) -> Option<String> {
        let url = self.url()?;
        let pairs = url.query_pairs();
        let named = pairs.filter(|(name, _)| names.contains(&name.as_ref()));
        named.last().map(|(_, value)| value.into_owned())
    }

    pub fn host(&self) -> Option<String> {
        self.url().and_then(|u| u.host_str().map(str::to_string))
    }

    /// Whether both are signed in to on the same server, as the same user.
    pub fn same_login(&self, other: &Self) -> bool {
        let login = |address: &Self| {
            let url = address.url()?;
            let socket = url
                .query_pairs()
                .find(|(name, _)| name == "host" || name == "socket")
                .map(|(_, path)| path.into_owned());
            Some((
                url.host_str()?.to_string(),
                url.port(),
                url.username().to_string(),
                socket,
            ))
        };
        self.backend == other.backend && login(self).is_some_and(|own| login(other) == Some(own))
    }

    fn url(&self) -> Option<Url> {
        Url::parse(self.expose()).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_no_password() {
        let a = Address::parse("postgres://bob:s3cr%40t@db.internal:6432/shop").unwrap();
        assert_eq!(a.shown(), "db.internal:6432/shop");
        assert_eq!(a.site_name(), "shop");
        assert_eq!(a.password().unwrap().expose_secret(), "s3cr@t");
        assert!(!format!("{a:?}").contains("s3cr"));
        assert!(!a.without_password().contains("s3cr"));
    }

    #[test]
    fn a_sqlite_address_is_an_absolute_path() {
        let a = Address::parse("sqlite:///srv/my%20site.sqlite3").unwrap();
        assert_eq!(
            a.backend(),
            &Backend::Sqlite(PathBuf::from("/srv/my site.sqlite3"))
        );
        assert!(Address::parse("sqlite://relative.sqlite3").is_err());
        assert!(Address::parse("sqlite:relative.sqlite3").is_err());
        assert!(Address::parse("postgres://host/").is_err());
        assert!(Address::parse("nonsense").is_err());
    }

    #[test]
    fn two_databases_of_one_server_have_one_login() {
        let login = |a: &str, b: &str| {
            Address::parse(a)
                .unwrap()
                .same_login(&Address::parse(b).unwrap())
        };
        assert!(login(
            "postgres://ana@db/shop",
            "postgres://ana:x@db/sessions"
        ));
        assert!(!login("postgres://ana@db/shop", "postgres://ben@db/shop"));
        assert!(!login("postgres://ana@db/shop", "postgres://ana@db2/shop"));
        assert!(!login("postgres://ana@db/shop", "mysql://ana@db/shop"));
        assert!(!login(
            "postgres://ana@localhost/shop?host=/run/a",
            "postgres://ana@localhost/shop?host=/run/b"
        ));
    }

    #[test]
    fn a_password_among_the_parameters_is_the_password() {
        for text in [
            "postgres://bob@db/shop?sslmode=require&password=s3cr%40t",
            "mysql://bob@db/shop?password=s3cr%40t&ssl-mode=REQUIRED",
            "postgres://bob:old@db/shop?password=s3cr%40t",
        ] {
            let a = Address::parse(text).unwrap();
            assert_eq!(a.password().unwrap().expose_secret(), "s3cr@t", "{text}");
            assert!(!a.without_password().contains("s3cr"), "{text}");
            assert!(!a.without_password().contains("password"), "{text}");
            assert_eq!(a.shown(), "db/shop");
        }
        let a = Address::parse("postgres://bob@db/shop?sslmode=require&password=x").unwrap();
        assert_eq!(
            a.without_password(),
            "postgres://bob@db/shop?sslmode=require"
        );
        assert_eq!(a.parameter(&["sslmode"]).as_deref(), Some("require"));
    }

    #[test]
    fn no_part_of_a_password_is_taken_for_something_else() {
        for text in [
            "postgres://bob:12/hunter2@db/shop",
            "postgres://bob:12#hunter2@db/shop",
            "postgres://bob:12?hunter2@db/shop",
            "postgres://bob@db/shop?sslpassword=hunter2",
            "mysql://bob@db/shop?passwd=hunter2",
            "sqlite:///srv/site.sqlite3?key_secret=hunter2",
            "hunter2://bob@db/shop",
            "jdbc:postgresql://db/shop?user=bob&password=hunter2",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(!error.message.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn only_a_name_may_be_repeated() {
        for name in ["shop", "My shop 2", "shop-eu.prod_1", "\u{5e97}"] {
            assert!(Address::is_plain_name(name), "{name}");
        }
        for text in [
            "host=db user=u password=hunter2",
            "Server=db;Uid=u;Pwd=hunter2;",
            "u:hunter2@tcp(db:3306)/shop",
            "u/hunter2@db",
            "db:5432:shop:u:hunter2",
        ] {
            assert!(!Address::is_plain_name(text), "{text}");
        }
    }

    #[test]
    fn an_unreadable_address_is_not_repeated() {
        let error = Address::parse("postgres://bob:hunter2@[/x").unwrap_err();
        assert!(!error.message.contains("hunter2"));
    }
}
