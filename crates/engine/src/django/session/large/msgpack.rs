//! A large session in msgpack. Every element of msgpack begins with its length, so what does not matter is skipped.

use std::io::{self, BufRead, Read};

use super::{FAR, KEYS, LONGEST, place_of, why};
use crate::django::session::Unreadable;
use crate::django::session::impersonation::Names;
use crate::django::session::payload::{self, MAX_DEPTH_MSGPACK, Payload};

/// The longest key that can be one of those that matter.
const LONGEST_KEY: u64 = 128;
const NIL: u8 = 0xc0;

/// Reads a session. Beyond 64 MiB the user that was found so far counts.
pub(super) fn read(from: impl BufRead, names: Names<'_>) -> Result<Payload, Unreadable> {
    let mut scan = Scan {
        from: from.take(FAR as u64),
        names,
        kept: None,
    };
    let mut values: [Option<Vec<u8>>; KEYS.len()] = Default::default();
    let ended = scan.pairs(&mut values);
    if scan.from.limit() == 0 {
        return match values[0] {
            Some(_) => found(values),
            None => Err(Unreadable::TooLarge),
        };
    }
    ended.map_err(|error| why(&error))?;
    // Python reads no msgpack that has bytes left over.
    match scan.from.fill_buf() {
        Ok([]) => found(values),
        Ok(_) => Err(Unreadable::Opaque),
        Err(error) => Err(why(&error)),
    }
}

/// The values that matter, read as a session of their own.
fn found(values: [Option<Vec<u8>>; KEYS.len()]) -> Result<Payload, Unreadable> {
    let pairs = KEYS.iter().zip(values);
    let pairs = pairs.filter_map(|(key, value)| Some((key, value?)));
    let (mut count, mut all) = (0, Vec::new());
    for (key, value) in pairs {
        count += 1;
        // The keys are short texts.
        all.push(0xa0 | u8::try_from(key.len()).unwrap_or(0));
        all.extend_from_slice(key.as_bytes());
        all.extend(value);
    }
    all.insert(0, 0x80 | count);
    payload::read_msgpack(&all, Names::default())
}

struct Scan<'n, R> {
    from: io::Take<R>,
    names: Names<'n>,
    /// Where what is read is kept as well.
    kept: Option<Vec<u8>>,
}

/// An element's content.
enum Content {
    /// So many bytes.
    Bytes(u64),
    /// A text of so many bytes.
    Text(u64),
    /// So many elements.
    Elements(u64),
}

impl<R: BufRead> Scan<'_, R> {
    fn pairs(&mut self, values: &mut [Option<Vec<u8>>; KEYS.len()]) -> io::Result<()> {
        let pairs = match self.byte()? {
            first @ 0x80..=0x8f => u64::from(first & 0x0f),
            0xde => self.number(2)?,
            _ => self.number(4)?,
        };
        for _ in 0..pairs {
            let place = match self.header()? {
                Content::Text(length) if length <= LONGEST_KEY => {
                    let mut key = Vec::new();
                    self.from.by_ref().take(length).read_to_end(&mut key)?;
                    place_of(&key, self.names)
                }
                other => {
                    self.skip(other)?;
                    None
                }
            };
            self.kept = place.map(|_| Vec::new());
            let value = self.header()?;
            self.skip(value)?;
            // Of a key that comes twice the last one counts, as in Python.
            if let Some(place) = place {
                let kept = self.kept.take();
                values[place] = Some(kept.unwrap_or_else(|| vec![NIL]));
            }
        }
        Ok(())
    }

    /// Passes the content of an element, with all that is in it.
    fn skip(&mut self, content: Content) -> io::Result<()> {
        let mut open = Vec::new();
        let mut next = content;
        loop {
            match next {
                Content::Bytes(length) | Content::Text(length) => self.pass(length)?,
                Content::Elements(count) if open.len() < MAX_DEPTH_MSGPACK => open.push(count),
                Content::Elements(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
            while open.last() == Some(&0) {
                open.pop();
            }
            match open.last_mut() {
                Some(left) => *left -= 1,
                None => return Ok(()),
            }
            next = self.header()?;
        }
    }

    fn pass(&mut self, length: u64) -> io::Result<()> {
        let mut these = self.from.by_ref().take(length);
        let passed = match &mut self.kept {
            Some(kept) if kept.len() as u64 + length <= LONGEST as u64 => {
                these.read_to_end(kept)? as u64
            }
            kept => {
                *kept = None;
                io::copy(&mut these, &mut io::sink())?
            }
        };
        match passed == length {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.from.read_exact(&mut byte)?;
        if let Some(kept) = &mut self.kept {
            kept.push(byte[0]);
        }
        Ok(byte[0])
    }

    /// A number of so many bytes.
    fn number(&mut self, bytes: u32) -> io::Result<u64> {
        (0..bytes).try_fold(0, |number, _| Ok(number << 8 | u64::from(self.byte()?)))
    }

    fn header(&mut self) -> io::Result<Content> {
        let sized = |bytes: u64| Ok(Content::Bytes(bytes));
        match self.byte()? {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => sized(0),
            first @ 0x80..=0x8f => Ok(Content::Elements(2 * u64::from(first & 0x0f))),
            first @ 0x90..=0x9f => Ok(Content::Elements(u64::from(first & 0x0f))),
            first @ 0xa0..=0xbf => Ok(Content::Text(u64::from(first & 0x1f))),
            // Bytes, and types of a writer's own, which have one byte more.
            first @ 0xc4..=0xc6 => self.number(1 << (first - 0xc4)).map(Content::Bytes),
            first @ 0xc7..=0xc9 => {
                let length = self.number(1 << (first - 0xc7))?;
                Ok(Content::Bytes(length + 1))
            }
            0xca => sized(4),
            0xcb => sized(8),
            first @ 0xcc..=0xcf => sized(1 << (first - 0xcc)),
            first @ 0xd0..=0xd3 => sized(1 << (first - 0xd0)),
            first @ 0xd4..=0xd8 => sized((1 << (first - 0xd4)) + 1),
            first @ 0xd9..=0xdb => self.number(1 << (first - 0xd9)).map(Content::Text),
            first @ 0xdc..=0xdd => self.number(2 << (first - 0xdc)).map(Content::Elements),
            first @ 0xde..=0xdf => {
                let pairs = self.number(2 << (first - 0xde))?;
                Ok(Content::Elements(2 * pairs))
            }
            // 0xc1, which is never used.
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn each_type_is_skipped_and_the_user_found() {
        let whole = json!({
            "a": [1, -1, 200, 70_000, 5_000_000_000_u64, -200, 1.5, null, true, {"_auth_user_id": "9"}],
            "text": "x".repeat(70_000),
            "list": vec![7; 70_000],
            "map": (0..20).map(|n| (n.to_string(), json!([n]))).collect::<serde_json::Map<_, _>>(),
            "_auth_user_id": "7",
            "_auth_user_backend": "web.Own",
            "hijack_history": ["1", 2],
            "_session_expiry": 300,
        });
        let mut bytes = rmp_serde::to_vec(&whole).unwrap();
        let scanned = read(bytes.as_slice(), Names::default());
        assert_eq!(scanned, payload::read_msgpack(&bytes, Names::default()));
        assert_eq!(scanned.unwrap().user.as_deref(), Some("7"));
        bytes.push(NIL);
        assert_eq!(
            read(bytes.as_slice(), Names::default()),
            Err(Unreadable::Opaque)
        );
        assert_eq!(
            read(&bytes[..1000], Names::default()),
            Err(Unreadable::Opaque)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_scanned_without_a_panic(bytes: Vec<u8>) {
            let _told = read([&[0x82][..], &bytes].concat().as_slice(), Names::default());
        }
    }
}
