//! The cache that sessions lie in, as an address of Curfew's, and the form of its keys. Pure. The address has no
//! password.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::{Cache, Kind};

/// Where the cache is.
///
/// # Errors
/// One sentence's end, where Curfew cannot reach such a cache.
pub(super) fn place(cache: &Cache) -> Result<(String, Vec<String>), String> {
    let backend = cache.backend.as_deref().unwrap_or("a cache of its own");
    let kind = cache
        .kind
        .ok_or_else(|| format!("is {backend}, which lies in no Redis and no memcached"))?;
    let hosts: Vec<String> = cache.hosts.iter().filter_map(|host| bare(host)).collect();
    if hosts.is_empty() && cache.socket.is_none() {
        return Err("names no host".into());
    }
    let mut notes = Vec::new();
    if cache.shards {
        return Err("spreads keys over shards in the client's own way".into());
    }
    if cache.login {
        return Err("asks for a user and password of memcached".into());
    }
    if cache.unverified {
        notes.push("The site does not verify the cache's certificate; Curfew does.".into());
    }
    if cache.certificates {
        notes.push("The cache's own certificates are not taken over.".into());
    }
    if cache.sentinel_password {
        notes.push("The sentinels' own password is not taken over.".into());
    }
    let user = match &cache.username {
        Some(user) => format!("{}@", utf8_percent_encode(user, NON_ALPHANUMERIC)),
        None => String::new(),
    };
    let scheme = if cache.tls { "rediss" } else { "redis" };
    let hosts = hosts.join(",");
    let db = cache.db.as_deref().filter(|db| *db != "0");
    let after = db.map(|db| format!("/{db}")).unwrap_or_default();
    let url = match kind {
        Kind::Memcached => format!("memcached://{hosts}"),
        Kind::Cluster => format!("{scheme}+cluster://{user}{hosts}"),
        Kind::Sentinel => {
            let service = cache.service.as_deref().ok_or("names no service")?;
            format!("{scheme}+sentinel://{user}{hosts}/{service}{after}")
        }
        Kind::Redis => match &cache.socket {
            Some(path) => {
                let db = db.map(|db| format!("?db={db}")).unwrap_or_default();
                format!("redis+unix://{user}{path}{db}")
            }
            None => format!("{scheme}://{user}{hosts}{after}"),
        },
    };
    Ok((url, notes))
}

/// `unix:/path` and `host:port`, without blanks; memcached's usual port is said.
fn bare(host: &str) -> Option<String> {
    let host = host.trim();
    let host = host.strip_prefix("inet:").unwrap_or(host);
    if host.is_empty() {
        return None;
    }
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if has_port || host.contains('/') {
        host.to_owned()
    } else {
        format!("{host}:11211")
    })
}

/// How a site forms its keys.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// As Django does, from these.
    Usual { prefix: String, version: i64 },
    /// In a way of its own.
    Own(String),
}

/// Reads the form off a key that the cache made. `usual` is what the engine is known to put before a session key.
///
/// # Errors
/// One sentence's end, where the key does not show what it is made of.
pub(super) fn keys(cache: &Cache, store_prefix: &str, usual: &str) -> Result<Keys, String> {
    let asked = format!("{store_prefix}{}", cache.probe);
    let plain = format!("{}:{}:{asked}", cache.key_prefix, cache.version);
    let version = cache.version.parse::<i64>();
    if let (true, true, Ok(version)) = (cache.key == plain, store_prefix == usual, version) {
        return Ok(Keys::Usual {
            prefix: cache.key_prefix.clone(),
            version,
        });
    }
    let (from, to) = if store_prefix == usual && cache.key.contains(&asked) {
        (asked, "{key}")
    } else {
        (cache.probe.clone(), "{session_key}")
    };
    if cache.key.matches(&from).count() != 1 || cache.key.contains(['{', '}']) {
        return Err("does not have the session's key in it, so Curfew cannot form it".into());
    }
    Ok(Keys::Own(cache.key.replace(&from, to)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::CacheAddress;

    const PROBE: &str = "curfewprobe000000000000000000000";
    const USUAL: &str = "django.contrib.sessions.cache";

    fn cache(more: serde_json::Value) -> Cache {
        let mut whole = json!({"alias": "default", "backend": "x.RedisCache", "key_prefix": "", "version": "1",
            "probe": PROBE, "key": format!(":1:{USUAL}{PROBE}"), "kind": "redis", "hosts": ["h:6379"]});
        whole
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_cache_is_an_address() {
        for (more, expected) in [
            (json!({}), "redis://h:6379"),
            (
                json!({"db": "1", "tls": true, "username": "a@b"}),
                "rediss://a%40b@h:6379/1",
            ),
            (
                json!({"hosts": [], "socket": "/run/r.sock", "db": "2"}),
                "redis+unix:///run/r.sock?db=2",
            ),
            (
                json!({"kind": "cluster", "hosts": ["a:1", "b:2"]}),
                "redis+cluster://a:1,b:2",
            ),
            (
                json!({"kind": "sentinel", "hosts": ["a:1", "b:2"], "service": "main", "db": "3"}),
                "redis+sentinel://a:1,b:2/main/3",
            ),
            (
                json!({"kind": "memcached", "hosts": ["a:1 ", " b", "unix:/run/m"]}),
                "memcached://a:1,b:11211,unix:/run/m",
            ),
        ] {
            let (url, notes) = place(&cache(more)).unwrap();
            assert_eq!(url, expected);
            assert!(notes.is_empty(), "{notes:?}");
            CacheAddress::parse(&url).unwrap();
        }
        let local = cache(json!({"kind": null, "backend": "x.LocMemCache"}));
        assert!(place(&local).unwrap_err().contains("x.LocMemCache"));
    }

    #[test]
    fn the_form_of_a_key_is_read_off_one() {
        let of = |more| keys(&cache(more), USUAL, USUAL);
        assert_eq!(
            of(
                json!({"key_prefix": "shop", "version": "2", "key": format!("shop:2:{USUAL}{PROBE}")})
            ),
            Ok(Keys::Usual {
                prefix: "shop".into(),
                version: 2
            })
        );
        assert_eq!(
            of(json!({"key": format!("v1|{USUAL}{PROBE}|x")})),
            Ok(Keys::Own("v1|{key}|x".into()))
        );
        assert!(of(json!({"key": "5f4dcc3b5aa765d61d83"})).is_err());
        assert_eq!(
            keys(
                &cache(json!({"key": format!(":1:shop.{PROBE}")})),
                "shop.",
                USUAL
            ),
            Ok(Keys::Own(":1:shop.{session_key}".into()))
        );
    }
}
