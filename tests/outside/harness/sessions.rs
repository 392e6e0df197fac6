//! How a site keeps its sessions: the engine, the cache, and what Curfew has to be told of both.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::environment::setting;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionEngine {
    Db,
    CachedDb,
    Cache,
    File,
    SignedCookies,
    /// django-user-sessions.
    UserSessions,
    /// django-qsessions, without and with a cache.
    Qsessions,
    QsessionsCachedDb,
    /// The site's own, with a table and a user column of its own; see shop_sessions.
    Custom,
    CustomCachedDb,
}

impl SessionEngine {
    /// Django's own dotted name.
    pub fn dotted(self) -> &'static str {
        match self {
            Self::Db => "django.contrib.sessions.backends.db",
            Self::CachedDb => "django.contrib.sessions.backends.cached_db",
            Self::Cache => "django.contrib.sessions.backends.cache",
            Self::File => "django.contrib.sessions.backends.file",
            Self::SignedCookies => "django.contrib.sessions.backends.signed_cookies",
            Self::UserSessions => "user_sessions.backends.db",
            Self::Qsessions => "qsessions.backends.db",
            Self::QsessionsCachedDb => "qsessions.backends.cached_db",
            Self::Custom => "shop_sessions.db",
            Self::CustomCachedDb => "shop_sessions.cached_db",
        }
    }

    /// The app that brings its table: sites of one app have the same tables.
    pub fn app(self) -> &'static str {
        self.dotted().split('.').next().unwrap_or_default()
    }

    /// The table that its sessions lie in.
    pub fn table(self) -> Option<&'static str> {
        match self {
            Self::Db | Self::CachedDb => Some("django_session"),
            Self::UserSessions => Some("user_sessions_session"),
            Self::Qsessions | Self::QsessionsCachedDb => Some("qsessions_session"),
            Self::Custom | Self::CustomCachedDb => Some("shop_login"),
            Self::Cache | Self::File | Self::SignedCookies => None,
        }
    }

    /// Whether the table says whose a session is, beside the session's data.
    pub fn has_user_column(self) -> bool {
        self.table().is_some_and(|table| table != "django_session")
    }

    /// Whether Django asks a cache before anything else.
    pub fn has_cache(self) -> bool {
        matches!(
            self,
            Self::CachedDb | Self::Cache | Self::QsessionsCachedDb | Self::CustomCachedDb
        )
    }

    /// Whether a request under way at a logout can bring the session back.
    pub fn can_come_back(self) -> bool {
        self.has_cache() || self == Self::UserSessions
    }
}

/// A cache, and what a site packs its values with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cache {
    /// Django's own backend for Redis.
    Redis,
    /// django-redis with this serializer and compressor.
    DjangoRedis(&'static str, &'static str),
    RedisCluster,
    Memcached,
}

/// One site's place in a cache that it may share with others.
#[derive(Clone)]
pub struct Place {
    cache: Cache,
    /// The address that Curfew is given.
    pub url: String,
    location: String,
    prefix: String,
}

impl Cache {
    /// Of Redis a database of its own, of a cluster a prefix. In memcached nobody sees another's keys.
    pub fn place(self) -> Place {
        static TAKEN: AtomicU32 = AtomicU32::new(0);
        let (url, prefix) = match self {
            Self::Redis | Self::DjangoRedis(..) => {
                // The first few are left to whoever tests a cache by hand; there are 256.
                let number = 16 + TAKEN.fetch_add(1, Ordering::Relaxed) % 240;
                let server = setting("CURFEW_TEST_REDIS");
                let (server, _) = server.rsplit_once('/').unwrap();
                (format!("{server}/{number}"), String::new())
            }
            Self::RedisCluster => {
                let prefix = format!("site{:016x}", super::site::chance());
                (setting("CURFEW_TEST_REDIS_CLUSTER"), prefix)
            }
            Self::Memcached => (setting("CURFEW_TEST_MEMCACHED"), String::new()),
        };
        let location = match self {
            Self::Redis | Self::DjangoRedis(..) => url.clone(),
            Self::RedisCluster => {
                let first = url.split(',').next().unwrap();
                first.replace("redis+cluster", "redis")
            }
            Self::Memcached => url.replace("memcached://", ""),
        };
        Place {
            cache: self,
            url,
            location,
            prefix,
        }
    }
}

impl Place {
    pub fn for_django(&self) -> Vec<(&'static str, String)> {
        let (name, packing) = match self.cache {
            Cache::Redis => ("redis", None),
            Cache::RedisCluster => ("redis-cluster", None),
            Cache::Memcached => ("memcached", None),
            Cache::DjangoRedis(serializer, compressor) => {
                ("django-redis", Some((serializer, compressor)))
            }
        };
        let mut settings = vec![
            ("SITE_CACHE", name.to_owned()),
            ("SITE_CACHE_LOCATION", self.location.clone()),
            ("SITE_CACHE_KEY_PREFIX", self.prefix.clone()),
        ];
        if let Some((serializer, compressor)) = packing {
            settings.push(("SITE_CACHE_SERIALIZER", serializer.to_owned()));
            settings.push(("SITE_CACHE_COMPRESSOR", compressor.to_owned()));
        }
        settings
    }
}

/// The `[site.sessions]` of a site, as its operator would write it.
pub fn described(
    engine: SessionEngine,
    url: Option<&str>,
    cache: Option<&Place>,
    files: &Path,
) -> String {
    let mut lines = vec![
        "[site.sessions]".to_owned(),
        format!("engine = {:?}", engine.dotted()),
    ];
    match engine {
        SessionEngine::Custom => lines.push("base = \"db\"".into()),
        SessionEngine::CustomCachedDb => lines.push("base = \"cached_db\"".into()),
        _ => {}
    }
    if engine.app() == "shop_sessions" {
        lines.push("table = \"shop_login\"\nuser = \"account_id\"".into());
    }
    if engine == SessionEngine::File {
        lines.push(format!("path = {:?}", files.display().to_string()));
    }
    if let Some(url) = url {
        lines.push(format!("url = {url:?}"));
    }
    if engine == SessionEngine::Cache {
        // Said, so that a key's expiry tells when its session was saved.
        lines.push("cookie_age = \"14d\"".into());
    }
    if let Some(cache) = cache {
        lines.push(format!("cache = {:?}", cache.url));
        if !cache.prefix.is_empty() {
            lines.push(format!("cache_key_prefix = {:?}", cache.prefix));
        }
        if engine == SessionEngine::CustomCachedDb {
            // The store has a `cache_key_prefix` of its own.
            let own = "{prefix}:{version}:shop_sessions.cached_db{session_key}";
            lines.push(format!("cache_key = {own:?}"));
        }
    }
    lines.join("\n") + "\n"
}
