//! A session that is too large to be held. Its data is scanned while it is unpacked, and only the values under the keys that
//! matter are kept. Each serializer has its scan: `json`, `msgpack`, and for pickles [`super::super::pickle::read_large`].
//! Invariant: memory is that of a few chunks and short values, for pickles that of their short values; unpacking ends at
//! 64 MiB.

mod json;
mod msgpack;

use std::io::{self, BufReader, Cursor, Read};

use super::Unreadable;
use super::impersonation::{Clue, Names};
use super::payload::Payload;
use crate::django::pickle;

/// The most that is unpacked, in bytes.
const FAR: usize = 64 << 20;
const CHUNK: usize = 64 << 10;
/// The longest value that is kept.
const LONGEST: usize = 2048;

/// A key whose value matters, by its place among [`KEYS`].
type Place = usize;

const LOGINAS: &str = "loginas_from_user";
/// The keys whose values are kept.
const KEYS: [&str; 8] = [
    "_auth_user_id",
    "_auth_user_backend",
    "_auth_user_hash",
    "_session_expiry",
    "hijack_history",
    "exit_users_pk",
    LOGINAS,
    "_impersonate",
];

fn place_of(key: &[u8], names: Names<'_>) -> Option<Place> {
    let renamed = names.loginas.is_some_and(|own| own.as_bytes() == key);
    let key = if renamed { LOGINAS.as_bytes() } else { key };
    KEYS.iter().position(|known| known.as_bytes() == key)
}

/// Whether the value under this key can be a list.
fn nests(place: Place) -> bool {
    Clue::of(KEYS[place].as_bytes()).is_some()
}

/// Reads a session from what unpacks it.
pub(super) fn read(mut from: impl Read, names: Names<'_>) -> Result<Payload, Unreadable> {
    let mut first = [0];
    from.read_exact(&mut first).map_err(|error| why(&error))?;
    let all = Cursor::new(first).chain(from);
    match first {
        [0x81..=0x8f | 0xde | 0xdf] => msgpack::read(BufReader::with_capacity(CHUNK, all), names),
        first if pickle::begins(&first) => {
            let most = all.take(FAR as u64);
            pickle::read_large(BufReader::with_capacity(CHUNK, most), names)
        }
        _ => json::read(all, names),
    }
}

/// What kept a session from being unpacked.
fn why(error: &io::Error) -> Unreadable {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Unreadable::Opaque,
        _ => Unreadable::NotInflatable,
    }
}
