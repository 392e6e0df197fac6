//! A pickled session as data: what its dict holds under the keys that matter, and nothing else of it.
//! Made for that: a general reader builds every value, copies it at each mention (a few hundred bytes can stand
//! for gigabytes), and takes apart what nests by recursion; serde-pickle does all three, and refuses whole a
//! pickle that names a class. Here a value is a few plain bytes or a slice of the input, so there is nothing
//! to copy, to nest or to drop, and a foreign object hides only itself.
//! Invariant: no name is looked up and nothing is called; work and memory grow with the input's length alone.

mod condense;
mod input;
mod machine;
mod moment;
mod reduce;
mod stack;
mod text;
mod value;

use std::io::BufRead;

use super::session::Unreadable;
use super::session::impersonation::Names;
use super::session::payload::Payload;

/// The largest pickle that is read as it is, in bytes. Each opcode takes one at least, so it limits their number too.
const MAX_BYTES: usize = super::session::MAX_INFLATED;
/// Values waiting on the stack. Django's writer leaves at most a thousand there, or one tuple's.
const MAX_STACK: usize = 1 << 16;
/// How many containers may be open at once where they are written with a mark.
const MAX_MARKS: usize = 1_000;
/// Values kept for a later mention.
const MAX_MEMO: usize = 1 << 17;

/// Whether bytes can be a pickle of a dict: protocol 2 and later begin with their number, 0 and 1 with the dict.
/// No JSON begins like this.
pub(super) fn begins(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x80 | b'(' | b'}'))
}

/// Reads protocols 0 to 5. What only Python could make sense of is [`Unreadable::Opaque`] where it stands
/// under one of the three keys or around them, and passed over anywhere else.
pub(super) fn read(bytes: &[u8], names: Names<'_>) -> Result<Payload, Unreadable> {
    if bytes.len() > MAX_BYTES {
        return read_large(bytes, names);
    }
    match machine::run(bytes, names) {
        // Many short texts take many places of the memo.
        Err(Unreadable::TooLarge) => read_large(bytes, names),
        found => found?.into_payload(),
    }
}

/// Reads a pickle that is too large to be held, from what unpacks it.
pub(super) fn read_large(from: impl BufRead, names: Names<'_>) -> Result<Payload, Unreadable> {
    let short = condense::condensed(from)?;
    machine::run(&short, names)?.into_payload()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
