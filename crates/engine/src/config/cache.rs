//! A cache's address. The password in it is never printed, logged or serialised.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::error::{Code, Error, Result};

/// Which cache answers at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheKind {
    /// `redis://`, `rediss://`, `redis+unix:///path?db=1`.
    Redis,
    /// `redis+cluster://host:port,host:port`, `rediss+cluster://` with TLS: some of its nodes.
    RedisCluster,
    /// `redis+sentinel://host:port,host:port/service/db`: the sentinels, and the service they watch.
    RedisSentinel,
    /// `memcached://host:port,host:port`: every server, for a client spreads keys over them.
    Memcached,
}

/// Where a site's cache is.
#[derive(Clone)]
pub struct CacheAddress {
    whole: SecretString,
    shown: String,
    kind: CacheKind,
}

impl std::fmt::Debug for CacheAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CacheAddress({})", self.shown)
    }
}

impl CacheAddress {
    /// Reads an address. No error repeats the text: a password may stand in it.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            Error::new(
                Code::Config,
                format!(
                    "the cache's address {why}; write redis://host:port/db, redis+cluster://host:port,host:port, redis+sentinel://host:port/service/db or memcached://host:port"
                ),
            )
        };
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("has no scheme"))?;
        let kind = match scheme {
            "redis" | "rediss" | "redis+unix" | "unix" => CacheKind::Redis,
            "redis+cluster" | "rediss+cluster" => CacheKind::RedisCluster,
            "redis+sentinel" | "rediss+sentinel" => CacheKind::RedisSentinel,
            "memcached" => CacheKind::Memcached,
            _ => return Err(bad("begins with another scheme")),
        };
        let (place, parameters) = split(rest);
        if parameters.contains('@') {
            return Err(bad(
                "has an @ behind its ? or #; write those of a password as %40, %3F and %23",
            ));
        }
        let names = url::form_urlencoded::parse(parameters.trim_start_matches('?').as_bytes());
        for (name, _) in names {
            let name = name.to_ascii_lowercase();
            if name != SENTINEL_PASSWORD && (name.contains("pass") || name.contains("secret")) {
                return Err(bad(
                    "has its password behind the question mark; write it before the @",
                ));
            }
        }
        let shown = place.rsplit_once('@').map_or(place, |(_, after)| after);
        if shown.trim_matches('/').is_empty() {
            return Err(bad("names no host"));
        }
        Ok(Self {
            whole: SecretString::from(text.to_string()),
            shown: format!("{scheme}://{shown}"),
            kind,
        })
    }

    /// Without user and password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub fn kind(&self) -> &CacheKind {
        &self.kind
    }

    /// The whole address, password and all: for the driver alone.
    pub(crate) fn expose(&self) -> &str {
        self.whole.expose_secret()
    }

    pub fn has_password(&self) -> bool {
        self.credentials().is_some_and(|c| c.contains(':'))
    }

    /// Whether a secret stands in the address: the cache's password or the sentinels'.
    pub fn has_secret(&self) -> bool {
        let parameters = self
            .expose()
            .split_once("://")
            .map(|(_, rest)| split(rest).1);
        self.has_password() || parameters.is_some_and(|all| all.contains(SENTINEL_PASSWORD))
    }

    /// The hosts that the address names; none for a socket.
    pub fn hosts(&self) -> Vec<String> {
        let (scheme, place) = self.shown.split_once("://").unwrap_or_default();
        if matches!(scheme, "unix" | "redis+unix") {
            return Vec::new();
        }
        let hosts = place.split('/').next().unwrap_or_default().split(',');
        let host = |text: &str| match text.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default().to_owned(),
            None => text.split(':').next().unwrap_or_default().to_owned(),
        };
        hosts.map(host).filter(|host| !host.is_empty()).collect()
    }

    /// Whether the scheme asks for TLS.
    pub fn is_encrypted(&self) -> bool {
        self.shown.starts_with("rediss")
    }

    /// `user:password` as they stand in the address, still encoded.
    fn credentials(&self) -> Option<&str> {
        let (_, rest) = self.expose().split_once("://")?;
        split(rest).0.rsplit_once('@').map(|(before, _)| before)
    }

    /// The same address with this password.
    pub fn with_password(&self, password: &SecretString) -> Self {
        let Some((scheme, rest)) = self.expose().split_once("://") else {
            return self.clone();
        };
        let (user, after) = match rest.rsplit_once('@') {
            Some((before, after)) => (before.split(':').next().unwrap_or_default(), after),
            None => ("", rest),
        };
        // A scheme that the parser knows, so that it encodes what has to be.
        let encoded = Url::parse("redis://h/").ok().and_then(|mut url| {
            url.set_password(Some(password.expose_secret())).ok()?;
            url.password().map(str::to_string)
        });
        let whole = format!("{scheme}://{user}:{}@{after}", encoded.unwrap_or_default());
        Self {
            whole: SecretString::from(whole),
            ..self.clone()
        }
    }

    /// The same address without its passwords, as it may stand in a file.
    pub fn without_password(&self) -> String {
        let Some((scheme, rest)) = self.expose().split_once("://") else {
            return String::new();
        };
        let (place, parameters) = split(rest);
        let place = match place.rsplit_once('@') {
            Some((before, after)) => match before.split(':').next() {
                Some("") | None => after.to_owned(),
                Some(user) => format!("{user}@{after}"),
            },
            None => place.to_owned(),
        };
        let kept: Vec<&str> = parameters
            .trim_start_matches('?')
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with(SENTINEL_PASSWORD))
            .collect();
        match kept.is_empty() {
            true => format!("{scheme}://{place}"),
            false => format!("{scheme}://{place}?{}", kept.join("&")),
        }
    }
}

/// The one parameter that may hold a secret.
const SENTINEL_PASSWORD: &str = "sentinel_password";

/// What stands before the parameters, and the parameters with their question mark.
fn split(rest: &str) -> (&str, &str) {
    let at = rest.find(['?', '#']).unwrap_or(rest.len());
    rest.split_at(at)
}

impl<'de> Deserialize<'de> for CacheAddress {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(de)?).map_err(|e| serde::de::Error::custom(e.message))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_address_shows_no_password() {
        let a = CacheAddress::parse("redis://site:s3cr%40t@cache:6380/2").unwrap();
        assert_eq!(a.shown(), "redis://cache:6380/2");
        assert!(!format!("{a:?}").contains("s3cr"));
        assert_eq!(a.without_password(), "redis://site@cache:6380/2");
        let again = CacheAddress::parse(&a.without_password())
            .unwrap()
            .with_password(&SecretString::from("s3cr@t".to_string()));
        assert_eq!(again.expose(), "redis://site:s3cr%40t@cache:6380/2");
    }

    #[test]
    fn no_part_of_a_password_is_shown() {
        for text in [
            "redis://:hunter2?x@cache:6379/0",
            "redis://:hunter2#x@cache:6379/0",
            "redis://cache:6379/0?password=hunter2",
            "rediss://cache:6379/0?pass=hunter2",
            "redis+sentinel://s/shop/0?sentinel_password=x@hunter2",
            "hunter2://cache",
        ] {
            let error = CacheAddress::parse(text).unwrap_err();
            assert!(!error.message.contains("hunter2"), "{error}");
        }
        let text = "redis+sentinel://a@s1:1,s2:2/shop/0?sentinel_user=u&sentinel_password=hunter2";
        let a = CacheAddress::parse(text).unwrap();
        assert!(!a.shown().contains("hunter2") && a.has_secret() && !a.has_password());
        assert_eq!(
            a.without_password(),
            "redis+sentinel://a@s1:1,s2:2/shop/0?sentinel_user=u"
        );
        assert_eq!(a.hosts(), ["s1", "s2"]);
    }

    #[test]
    fn the_hosts_of_an_address_are_known() {
        let hosts = |text: &str| CacheAddress::parse(text).unwrap().hosts();
        assert_eq!(hosts("redis://u:p@[::1]:6379/0"), ["::1"]);
        assert_eq!(hosts("memcached://a:1,b"), ["a", "b"]);
        assert!(hosts("redis+unix:///run/redis.sock?db=1").is_empty());
    }

    #[test]
    fn several_hosts_are_one_address() {
        let a = CacheAddress::parse("redis+cluster://a:1,b:2,c:3").unwrap();
        assert_eq!(a.kind(), &CacheKind::RedisCluster);
        assert_eq!(a.shown(), "redis+cluster://a:1,b:2,c:3");
        assert!(CacheAddress::parse("cache:6379").is_err());
        assert!(CacheAddress::parse("memcached://").is_err());
    }
}
