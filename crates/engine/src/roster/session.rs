//! One session, as the roster holds it: without its payload, and in the fewest bytes that tell all of it.

use bytemuck::{Pod, Zeroable};
use jiff::Timestamp;

use super::key::PACKED;
use super::rows::NONE;
use crate::django::backends::Admits;
use crate::django::session::{ExpiryKind, Signature, Unreadable};

/// The first 16 hex digits of an auth hash as a number. To take one hash for another by it, two in 2^64 would have to
/// begin alike; and nothing hangs on it but what a session is shown as.
pub(super) type HashStart = u64;

/// No time: not known, or none.
pub(super) const UNKNOWN: i64 = i64::MIN;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Row {
    /// The last save, in microseconds since 1970.
    saved: i64,
    expires: i64,
    /// 0: the session has none, or nobody can check it.
    pub hash: HashStart,
    /// The number of the person whose it is.
    pub person: u32,
    /// The next of the same person's.
    pub next: u32,
    pub key: [u8; PACKED],
    /// The listing that named it last.
    pub pass: u8,
    /// How it expires, what its signature says, and why it cannot be read.
    says: u8,
    marks: u8,
}

const EXTRA: u8 = 1;
const OTHER: u8 = 2;
const GONE: u8 = 4;
const DATED: u8 = 8;
/// Its backend signs nobody in, or disabled users, too.
const NOBODY: u8 = 16;
const EVERYONE: u8 = 32;

const KINDS: [ExpiryKind; 3] = [ExpiryKind::Age, ExpiryKind::BrowserClose, ExpiryKind::Fixed];
const SIGNATURES: [Signature; 3] = [
    Signature::Unchecked,
    Signature::Verified,
    Signature::Invalid,
];
const REASONS: [Option<Unreadable>; 9] = [
    None,
    Some(Unreadable::Empty),
    Some(Unreadable::Malformed),
    Some(Unreadable::NotBase64),
    Some(Unreadable::NotInflatable),
    Some(Unreadable::TooLarge),
    Some(Unreadable::TooDeep),
    Some(Unreadable::BadTimestamp),
    Some(Unreadable::Opaque),
];

fn place<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let place = all.iter().position(|other| other == one);
    place.and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
}

pub(super) fn micros(at: Option<Timestamp>) -> i64 {
    match at {
        None => UNKNOWN,
        Some(at) if at == Timestamp::MAX => i64::MAX,
        Some(at) => at.as_microsecond(),
    }
}

pub(super) fn moment(micros: i64) -> Option<Timestamp> {
    match micros {
        UNKNOWN => None,
        i64::MAX => Some(Timestamp::MAX),
        micros => Timestamp::from_microsecond(micros).ok(),
    }
}

impl Row {
    pub const EMPTY: Self = Self {
        saved: UNKNOWN,
        expires: 0,
        hash: 0,
        person: NONE,
        next: NONE,
        key: [0; PACKED],
        pass: 0,
        says: 0,
        marks: GONE,
    };

    pub fn new(
        saved: Option<Timestamp>,
        expires: Timestamp,
        kind: ExpiryKind,
        signature: Signature,
        unread: Option<Unreadable>,
    ) -> Self {
        Self {
            saved: micros(saved),
            expires: micros(Some(expires)),
            says: place(&KINDS, &kind)
                | place(&SIGNATURES, &signature) << 2
                | place(&REASONS, &unread) << 4,
            marks: 0,
            ..Self::EMPTY
        }
    }

    pub fn saved(&self) -> Option<Timestamp> {
        moment(self.saved)
    }

    pub fn expires(&self) -> Timestamp {
        moment(self.expires).unwrap_or(Timestamp::MAX)
    }

    pub fn expires_at(&self) -> i64 {
        self.expires
    }

    pub fn saved_at(&self) -> i64 {
        self.saved
    }

    pub fn kind(&self) -> ExpiryKind {
        KINDS[usize::from(self.says & 3).min(2)]
    }

    pub fn signature(&self) -> Signature {
        SIGNATURES[usize::from(self.says >> 2 & 3).min(2)]
    }

    pub fn unread(&self) -> Option<Unreadable> {
        REASONS.get(usize::from(self.says >> 4)).copied().flatten()
    }

    /// What it says of itself, but for its times and its hash.
    pub fn says(&self) -> u8 {
        self.says
    }

    /// What Django itself could not read either, and takes for an empty session. What only Curfew cannot read, a
    /// pickle or more than it looks into, lets its holder in.
    pub fn is_damaged(&self) -> bool {
        matches!(
            self.unread(),
            Some(
                Unreadable::Empty
                    | Unreadable::Malformed
                    | Unreadable::NotBase64
                    | Unreadable::NotInflatable
                    | Unreadable::BadTimestamp
            )
        )
    }

    /// The seconds between a save and the date it set, where each save sets it anew.
    pub fn age(&self) -> Option<i64> {
        if self.kind() == ExpiryKind::Fixed {
            return None;
        }
        let seconds = self.expires().duration_since(self.saved()?).as_secs();
        (seconds > 0).then_some(seconds)
    }

    pub fn has_extra(&self) -> bool {
        self.marks & EXTRA != 0
    }

    pub fn set_extra(&mut self, there: bool) {
        self.marks = self.marks & !EXTRA | if there { EXTRA } else { 0 };
    }

    pub fn is_other(&self) -> bool {
        self.marks & OTHER != 0
    }

    pub fn set_other(&mut self) {
        self.marks |= OTHER;
    }

    pub fn is_gone(&self) -> bool {
        self.marks & GONE != 0
    }

    pub fn set_gone(&mut self) {
        self.marks = GONE;
    }

    /// When it was saved, if a save has moved its date to this one. None: its dates do not tell.
    pub fn saved_if(&self, expires: i64) -> Option<i64> {
        if self.kind() == ExpiryKind::Fixed || self.saved == UNKNOWN || self.expires == i64::MAX {
            return None;
        }
        let later = expires.checked_sub(self.expires)?;
        self.saved.checked_add(later)
    }

    /// A save at this moment has moved its date, and nothing else of it.
    pub fn save_again(&mut self, saved: i64, expires: i64) {
        (self.saved, self.expires) = (saved, expires);
        self.marks |= DATED;
    }

    /// Its last save is known by its date alone: it has not been read since.
    pub fn is_by_date(&self) -> bool {
        self.marks & DATED != 0
    }

    /// A reading says of it what was known.
    pub fn confirm(&mut self) {
        self.marks &= !DATED;
    }

    /// Takes over what a new reading says of the same session.
    pub fn renew(&mut self, new: &Self) {
        self.confirm();
        (self.saved, self.expires, self.hash, self.says) =
            (new.saved, new.expires, new.hash, new.says);
        self.set_admits(new.admits());
    }

    /// Whom its backend signs in.
    pub fn admits(&self) -> Admits {
        match self.marks & (NOBODY | EVERYONE) {
            NOBODY => Admits::Nobody,
            EVERYONE => Admits::Everyone,
            _ => Admits::Enabled,
        }
    }

    pub fn set_admits(&mut self, admits: Admits) {
        let mark = match admits {
            Admits::Enabled => 0,
            Admits::Nobody => NOBODY,
            Admits::Everyone => EVERYONE,
        };
        self.marks = self.marks & !(NOBODY | EVERYONE) | mark;
    }

    #[cfg(test)]
    pub fn set_signature(&mut self, signature: Signature) {
        self.says = self.says & !12 | place(&SIGNATURES, &signature) << 2;
    }
}
