//! A large session in JSON.

use std::io::Read;

use memchr::memchr2;

use super::{CHUNK, FAR, KEYS, LONGEST, Place as Key, nests, place_of};
use crate::django::session::Unreadable;
use crate::django::session::impersonation::Names;
use crate::django::session::payload::{self, MAX_DEPTH, Payload};

/// Reads a session from what unpacks it. Beyond 64 MiB the user that was found so far counts.
pub(super) fn read(mut from: impl Read, names: Names<'_>) -> Result<Payload, Unreadable> {
    let mut chunk = vec![0; CHUNK];
    let mut scan = Scan {
        names,
        ..Scan::default()
    };
    let mut total = 0;
    loop {
        let read = from
            .read(&mut chunk)
            .map_err(|_| Unreadable::NotInflatable)?;
        if read == 0 {
            return match scan.place {
                Place::Ended => scan.found(),
                _ => Err(Unreadable::Opaque),
            };
        }
        scan.take(&chunk[..read])?;
        total += read;
        if total > FAR {
            return match scan.values[0] {
                Some(_) => scan.found(),
                None => Err(Unreadable::TooLarge),
            };
        }
    }
}

/// Where in the text the scan is.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Start,
    /// Before a key of the outermost object, or in it.
    Key,
    /// After a key, up to the end of its value.
    Value,
    Ended,
}

#[derive(Default)]
struct Scan<'n> {
    names: Names<'n>,
    place: Place,
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The key or value that is being read, as it stands; empty if it is too long, or nests and is no list of users.
    token: Vec<u8>,
    /// The token cannot be one that matters.
    dropped: bool,
    /// Which of the keys that matter the last one is.
    key: Option<Key>,
    values: [Option<Vec<u8>>; KEYS.len()],
}

impl Scan<'_> {
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Unreadable> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.in_string && !self.escaped {
                // Text goes by in one step.
                let plain = memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
                if plain > 0 {
                    self.keep(&bytes[..plain]);
                    bytes = &bytes[plain..];
                    continue;
                }
            }
            self.step(byte)?;
            bytes = rest;
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.in_string {
            self.keep(&[byte]);
            match (self.escaped, byte) {
                (true, _) => self.escaped = false,
                (false, b'\\') => self.escaped = true,
                (false, _) => self.in_string = false,
            }
            return Ok(());
        }
        match (self.place, byte) {
            (_, b' ' | b'\n' | b'\r' | b'\t') => {}
            (Place::Start, b'{') => {
                self.depth = 1;
                self.place = Place::Key;
            }
            (Place::Start | Place::Ended, _) => return Err(Unreadable::Opaque),
            (_, b'"') => {
                self.keep(b"\"");
                self.in_string = true;
            }
            (_, b'{' | b'[') => {
                self.depth += 1;
                match self.nests() {
                    true => self.keep(&[byte]),
                    false => self.dropped = true,
                }
                if self.depth > MAX_DEPTH {
                    return Err(Unreadable::TooDeep);
                }
            }
            (_, b'}' | b']') if self.depth > 1 => {
                self.keep(&[byte]);
                self.depth -= 1;
            }
            (_, b'}' | b']') => {
                self.close();
                self.place = Place::Ended;
            }
            (_, byte) if self.depth > 1 => self.keep(&[byte]),
            (Place::Key, b':') => {
                let token = std::mem::take(&mut self.token);
                self.key = match std::mem::take(&mut self.dropped) {
                    true => None,
                    false => which(&token, self.names),
                };
                self.place = Place::Value;
            }
            (Place::Value, b',') => {
                self.close();
                self.place = Place::Key;
            }
            (Place::Key | Place::Value, byte) => self.keep(&[byte]),
        }
        Ok(())
    }

    /// Whether what is being read can be a list of users.
    fn nests(&self) -> bool {
        self.place == Place::Value && self.key.is_some_and(nests)
    }

    /// Adds to the key or value of the outermost object.
    fn keep(&mut self, bytes: &[u8]) {
        if self.dropped || (self.depth != 1 && !self.nests()) {
            return;
        }
        if self.token.len() + bytes.len() > LONGEST {
            self.dropped = true;
            self.token.clear();
            return;
        }
        self.token.extend_from_slice(bytes);
    }

    /// A value ends. Of a key that comes twice the last one counts, as in Python.
    fn close(&mut self) {
        let token = std::mem::take(&mut self.token);
        let dropped = std::mem::take(&mut self.dropped);
        if let Some(key) = self.key.take() {
            // What nests elsewhere or is too long is no user and no date.
            let value = match dropped || token.is_empty() {
                true => b"null".to_vec(),
                false => token,
            };
            self.values[key] = Some(value);
        }
    }

    /// The values that matter, read as a session of their own.
    fn found(self) -> Result<Payload, Unreadable> {
        let mut json = Vec::with_capacity(2 * LONGEST);
        json.push(b'{');
        for (key, value) in KEYS.iter().zip(self.values) {
            if let Some(value) = value {
                if json.len() > 1 {
                    json.push(b',');
                }
                json.extend_from_slice(format!("\"{key}\":").as_bytes());
                json.extend(value);
            }
        }
        json.push(b'}');
        payload::read(&mut json, Names::default())
    }
}

/// Which of the keys that matter this is, as it stands in the text.
fn which(token: &[u8], names: Names<'_>) -> Option<Key> {
    if !token.contains(&b'\\') {
        let bare = token.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        return place_of(bare, names);
    }
    let plain: String = serde_json::from_slice(token).ok()?;
    place_of(plain.as_bytes(), names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(from: impl Read) -> Result<Payload, Unreadable> {
        super::read(from, Names::default())
    }
    use proptest::prelude::*;

    /// A reader that hands out a few bytes at a time.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn both(text: &str, step: usize) -> (Result<Payload, Unreadable>, Result<Payload, Unreadable>) {
        let scanned = read(Slowly(text.as_bytes(), step));
        (
            scanned,
            payload::read(&mut text.as_bytes().to_vec(), Names::default()),
        )
    }

    #[test]
    fn the_user_is_found_early_and_late_and_in_pieces() {
        let basket = format!(
            "\"basket\": [{{\"_auth_user_id\": \"8\", \"text\": \"a\\\"}}b {}\"}}, NaN]",
            "x".repeat(5000)
        );
        let user = "\"_auth_user_id\": \"7\", \"_auth_user_hash\":\"ab\", \"_auth_user_backend\": \"web.Own\", \"hijack_history\": [\"1\", 2], \"exit_users_pk\": [[\"3\", \"b\"]]";
        for text in [
            format!("{{{user}, {basket}}}"),
            format!(" {{{basket}, {user} }}\n"),
            format!("{{{basket}, \"_auth_user_id\": 9, {user}, \"_session_expiry\": 300}}"),
            format!("{{{basket}, \"_auth\\u005fuser_id\": \"7\"}}"),
            format!("{{{basket}, {user}, \"_auth_user_id\": [1]}}"),
            format!("{{{basket}}}"),
            "{}".to_owned(),
        ] {
            for step in [1, 7, 4096] {
                let (scanned, whole) = both(&text, step);
                assert_eq!(scanned, whole, "{text} by {step}");
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_no_json_tells_nothing() {
        for text in ["", "{\"_auth_user_id\": \"7\"", "{} {}"] {
            assert_eq!(both(text, 3).0, Err(Unreadable::Opaque), "{text}");
        }
        assert_eq!(both("7", 3).0, Err(Unreadable::Opaque));
        let deep = format!("{{\"a\": {}", "[".repeat(MAX_DEPTH + 1));
        assert_eq!(both(&deep, 99).0, Err(Unreadable::TooDeep));
    }

    #[test]
    fn beyond_the_bound_the_user_found_so_far_counts() {
        let begin: &[u8] = b"{\"_auth_user_id\": \"7\", \"basket\": \"";
        let endless = std::io::repeat(b'x').take(2 * FAR as u64);
        let user = read(begin.chain(endless)).unwrap().user;
        assert_eq!(user.as_deref(), Some("7"));
        let begin: &[u8] = b"{\"basket\": \"";
        let endless = std::io::repeat(b'x').take(2 * FAR as u64);
        assert_eq!(read(begin.chain(endless)), Err(Unreadable::TooLarge));
    }

    proptest! {
        #[test]
        fn any_bytes_are_scanned_without_a_panic(bytes: Vec<u8>, step in 1_usize..9) {
            let _told = read(Slowly(&bytes, step));
            let mut object = b"{".to_vec();
            object.extend(bytes);
            let _told = read(Slowly(&object, step));
        }
    }
}
