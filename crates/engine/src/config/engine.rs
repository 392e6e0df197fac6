//! Which session engine a site uses, by Django's own dotted name, and what follows from it.

use serde::Deserialize;

use super::SessionsConfig;
use crate::error::{Code, Error, Result};

/// What a session engine is built on. A site's own subclass works as its base does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// Rows of a table.
    Db,
    /// Rows of a table, and a copy of each in a cache that is asked first.
    CachedDb,
    /// A cache alone.
    Cache,
    /// A folder with a file a session.
    File,
    /// The browser: nothing on the server.
    SignedCookies,
}

/// A session engine that Curfew knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    pub base: Base,
    /// Its save inserts a row that was deleted under it.
    pub inserts_again: bool,
    /// What it puts before a session key to ask the cache.
    pub cache_prefix: &'static str,
    /// The table that its own package makes; none where sites choose.
    pub table: Option<&'static str>,
}

impl Engine {
    /// By its dotted name, else by what the operator says it is built on.
    ///
    /// # Errors
    /// [`Code::NotPossible`] for a name that is not known and has no base: nothing may be deleted on a guess.
    pub fn of(config: &SessionsConfig) -> Result<Self> {
        let plain = |base| Self {
            base,
            inserts_again: false,
            cache_prefix: match base {
                Base::Cache => "django.contrib.sessions.cache",
                _ => "django.contrib.sessions.cached_db",
            },
            table: (base == Base::Db || base == Base::CachedDb).then_some("django_session"),
        };
        let known = match config.engine.as_str() {
            "django.contrib.sessions.backends.db" => plain(Base::Db),
            "django.contrib.sessions.backends.cached_db" => plain(Base::CachedDb),
            "django.contrib.sessions.backends.cache" => plain(Base::Cache),
            "django.contrib.sessions.backends.file" => plain(Base::File),
            "django.contrib.sessions.backends.signed_cookies" => plain(Base::SignedCookies),
            "user_sessions.backends.db" => Self {
                inserts_again: true,
                table: Some("user_sessions_session"),
                ..plain(Base::Db)
            },
            "qsessions.backends.db" => Self {
                table: Some("qsessions_session"),
                ..plain(Base::Db)
            },
            "qsessions.backends.cached_db" => Self {
                cache_prefix: "qsessions.q_cached_db",
                table: Some("qsessions_session"),
                ..plain(Base::CachedDb)
            },
            own => match config.base {
                Some(base) => Self {
                    table: None,
                    ..plain(base)
                },
                None => {
                    return Err(Error::new(
                        Code::NotPossible,
                        format!(
                            "{own} is no session engine that Curfew knows; say what it is built on, with base = \"db\", \"cached_db\", \"cache\" or \"file\" under [site.sessions]"
                        ),
                    ));
                }
            },
        };
        Ok(match config.base {
            // A subclass may keep the name of its module; what the operator says goes.
            Some(base) if base != known.base => Self {
                inserts_again: known.inserts_again,
                ..plain(base)
            },
            _ => known,
        })
    }

    /// Whether sessions lie in a table.
    pub fn has_rows(&self) -> bool {
        matches!(self.base, Base::Db | Base::CachedDb)
    }

    /// Whether a cache holds sessions, or copies of them.
    pub fn has_cache(&self) -> bool {
        matches!(self.base, Base::CachedDb | Base::Cache)
    }

    /// Whether a request under way at the moment of a deletion can bring the session back.
    pub fn can_come_back(&self) -> bool {
        self.has_cache() || self.inserts_again
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn named(engine: &str, base: Option<Base>) -> Result<Engine> {
        Engine::of(&SessionsConfig {
            engine: engine.into(),
            base,
            ..SessionsConfig::default()
        })
    }

    #[test]
    fn an_engine_is_known_by_its_dotted_name() {
        let engine = named("qsessions.backends.cached_db", None).unwrap();
        assert_eq!(engine.base, Base::CachedDb);
        assert_eq!(engine.cache_prefix, "qsessions.q_cached_db");
        assert!(engine.can_come_back());
        assert!(
            !named("qsessions.backends.db", None)
                .unwrap()
                .can_come_back()
        );
        assert!(
            named("user_sessions.backends.db", None)
                .unwrap()
                .can_come_back()
        );
    }

    #[test]
    fn a_name_that_is_not_known_needs_a_base() {
        let error = named("shop.sessions", None).unwrap_err();
        assert_eq!(error.code, Code::NotPossible);
        assert_eq!(
            named("shop.sessions", Some(Base::Db)).unwrap().base,
            Base::Db
        );
        // No table of that name is taken for granted.
        assert_eq!(named("shop.sessions", Some(Base::Db)).unwrap().table, None);
    }
}
