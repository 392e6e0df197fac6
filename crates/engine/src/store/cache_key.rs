//! The form of a cache's keys: what stands before and after the session key. Pure.

use super::SessionKey;
use crate::config::{Engine, SessionsConfig};
use crate::error::{Code, Error, Result};

/// Django's own KEY_FUNCTION.
const TEMPLATE: &str = "{prefix}:{version}:{key}";
/// In a template: the session key with nothing of the engine's before it.
const BARE: &str = "{session_key}";
/// Django takes no shorter session key for one.
const SHORTEST: usize = 8;
/// Longer than any session key column is.
const LONGEST: usize = 128;

/// What a cache is asked for, around a session key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyForm {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl KeyForm {
    /// The form that follows from the configuration and from what the engine puts before a session key.
    ///
    /// # Errors
    /// [`Code::Config`] where `cache_key` does not hold `{key}` or `{session_key}` exactly once.
    pub fn configured(config: &SessionsConfig, engine: &Engine) -> Result<Self> {
        let template = config.cache_key.as_deref().unwrap_or(TEMPLATE);
        // A store with a `cache_key_prefix` of its own has that in the template, in place of the engine's.
        let (key, prefix) = match template.contains(BARE) {
            true => (BARE, ""),
            false => ("{key}", engine.cache_prefix),
        };
        let Some((before, after)) = template.split_once(key).filter(|(before, after)| {
            ![*before, *after]
                .iter()
                .any(|part| part.contains("{key}") || part.contains(BARE))
        }) else {
            return Err(Error::new(
                Code::Config,
                "cache_key does not hold {key} exactly once; write it like \"{prefix}:{version}:{key}\"",
            ));
        };
        let mut before = fill(before, config).into_bytes();
        before.extend_from_slice(prefix.as_bytes());
        Ok(Self {
            before,
            after: fill(after, config).into_bytes(),
        })
    }

    /// The form that turns this session key into this cache key.
    pub fn of(cache_key: &[u8], session: &SessionKey) -> Option<Self> {
        let session = session.expose().as_bytes();
        if session.len() < SHORTEST {
            return None;
        }
        let mut found = cache_key
            .windows(session.len())
            .enumerate()
            .filter(|(_, part)| *part == session)
            .map(|(at, _)| at);
        let at = found.next()?;
        // Twice in one key: which of the two it hangs on cannot be told.
        if found.next().is_some() {
            return None;
        }
        Some(Self {
            before: cache_key[..at].to_vec(),
            after: cache_key[at + session.len()..].to_vec(),
        })
    }

    /// The form of a cache key in which this engine's prefix stands before a session key of Django's.
    pub fn after_prefix(cache_key: &[u8], engine: &Engine) -> Option<Self> {
        let prefix = engine.cache_prefix.as_bytes();
        let at = cache_key
            .windows(prefix.len())
            .position(|part| part == prefix)?
            + prefix.len();
        let rest = &cache_key[at..];
        let length = rest
            .iter()
            .take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            .count();
        (length == 32).then(|| Self {
            before: cache_key[..at].to_vec(),
            after: rest[length..].to_vec(),
        })
    }

    /// Whether the engine's own prefix stands right before the session key.
    pub fn names(&self, engine: &Engine) -> bool {
        self.before.ends_with(engine.cache_prefix.as_bytes())
    }

    /// What the cache is asked for.
    pub fn key(&self, session: &SessionKey) -> Vec<u8> {
        let session = session.expose().as_bytes();
        [&self.before, session, &self.after].concat()
    }

    /// The session key in a cache key of this form.
    pub fn session(&self, cache_key: &[u8]) -> Option<SessionKey> {
        let key = cache_key
            .strip_prefix(self.before.as_slice())?
            .strip_suffix(self.after.as_slice())?;
        let fits = (SHORTEST..=LONGEST).contains(&key.len())
            && key.iter().all(u8::is_ascii_graphic)
            // The prefix of cached_db begins with that of cache.
            && !(self.before.ends_with(b"django.contrib.sessions.cache") && key.starts_with(b"d_db"));
        fits.then(|| std::str::from_utf8(key).ok().map(SessionKey::new))?
    }

    /// As a pattern of Redis that fits every key of this form.
    pub fn pattern(&self) -> Vec<u8> {
        let mut pattern = escaped(&self.before);
        pattern.push(b'*');
        pattern.extend(escaped(&self.after));
        pattern
    }
}

/// Text as a pattern of Redis that fits nothing else.
pub fn escaped(text: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(text.len());
    for byte in text {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern
}

/// Puts prefix and version where the template names them, and looks into neither of the two again.
fn fill(template: &str, config: &SessionsConfig) -> String {
    template
        .split("{prefix}")
        .map(|part| part.replace("{version}", &config.cache_version.to_string()))
        .collect::<Vec<_>>()
        .join(&config.cache_key_prefix)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SESSION: &str = "abcdefghijklmnopqrstuvwxyz012345";

    fn form(change: impl FnOnce(&mut SessionsConfig)) -> Result<(KeyForm, Engine)> {
        let mut config = SessionsConfig {
            engine: "django.contrib.sessions.backends.cache".into(),
            ..SessionsConfig::default()
        };
        change(&mut config);
        let engine = Engine::of(&config)?;
        Ok((KeyForm::configured(&config, &engine)?, engine))
    }

    #[test]
    fn django_s_own_form() {
        let (form, _) = form(|c| c.cache_key_prefix = "shop*".into()).unwrap();
        let session = SessionKey::new(SESSION);
        let key = form.key(&session);
        assert_eq!(
            key,
            format!("shop*:1:django.contrib.sessions.cache{SESSION}").into_bytes()
        );
        assert_eq!(form.session(&key), Some(session.clone()));
        assert_eq!(KeyForm::of(&key, &session), Some(form.clone()));
        assert_eq!(
            form.pattern(),
            b"shop\\*:1:django.contrib.sessions.cache*".to_vec()
        );
    }

    #[test]
    fn a_site_s_own_form() {
        let (form, engine) = form(|c| {
            c.cache_key = Some("{version}/{prefix}/{key}#s".into());
            c.cache_key_prefix = "{version}".into();
        })
        .unwrap();
        let key = form.key(&SessionKey::new(SESSION));
        assert_eq!(
            key,
            format!("1/{{version}}/django.contrib.sessions.cache{SESSION}#s").into_bytes()
        );
        assert!(form.names(&engine));
        assert_eq!(KeyForm::after_prefix(&key, &engine), Some(form));
        let (own, _) = self::form(|c| c.cache_key = Some(":1:ours.{session_key}".into())).unwrap();
        let key = own.key(&SessionKey::new(SESSION));
        assert_eq!(key, format!(":1:ours.{SESSION}").into_bytes());
        for wrong in ["{prefix}:{version}", "{key}:{key}", "{key}{session_key}"] {
            assert_eq!(
                self::form(|c| c.cache_key = Some(wrong.into()))
                    .unwrap_err()
                    .code,
                Code::Config
            );
        }
    }

    #[test]
    fn a_copy_of_cached_db_is_no_session_of_cache() {
        let (form, engine) = form(|_| {}).unwrap();
        let key = format!(":1:django.contrib.sessions.cached_db{SESSION}").into_bytes();
        assert_eq!(form.session(&key), None);
        assert_eq!(KeyForm::after_prefix(&key, &engine), None);
        assert_eq!(form.session(b":1:django.contrib.sessions.cacheshort"), None);
    }
}
