//! Which texts name the same user. A session names its user in a text, and Django reads that text as the key's type
//! does: `int("+21")` is 21. Both sides of a comparison go through [`IdForm::id`].

use std::borrow::Cow;

use super::catalog::{Column, Kind};
use super::key::UserId;

/// How the database compares a text column with a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compared {
    /// `A` equals `a`: MySQL's `_ci` collations, `citext`, SQLite's NOCASE.
    pub caseless: bool,
    /// Spaces at the end do not count: `char(n)` of PostgreSQL, MySQL's PAD SPACE collations, SQLite's RTRIM.
    pub padded: bool,
}

impl Compared {
    /// Whether the column takes these two texts for one.
    pub fn same(self, one: &str, other: &str) -> bool {
        self.fold(one) == self.fold(other)
    }

    /// Folds ASCII letters alone: every collation that ignores case agrees on those.
    fn fold(self, text: &str) -> Cow<'_, str> {
        let text = match self.padded {
            true => text.trim_end_matches(' '),
            false => text,
        };
        match self.caseless && text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(text.to_ascii_lowercase()),
            false => Cow::Borrowed(text),
        }
    }
}

/// What a user's key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdForm {
    Integer,
    /// The database's own type for UUIDs.
    Uuid,
    /// `char(32)`: Django's UUIDField where the database has no such type, or a text key of 32 characters.
    Hex(Compared),
    Text(Compared),
}

impl Default for IdForm {
    fn default() -> Self {
        Self::Text(Compared::default())
    }
}

impl IdForm {
    pub fn of(column: &Column) -> Self {
        match column.kind() {
            Kind::Integer => Self::Integer,
            Kind::Uuid if column.type_name.starts_with("char") => Self::Hex(column.compared),
            Kind::Uuid => Self::Uuid,
            _ => Self::Text(column.compared),
        }
    }

    /// The user that this text names. A text that the key's type refuses names nobody, and stays as it is.
    pub fn id(self, text: &str) -> UserId {
        match self {
            Self::Integer => integer_id(text),
            Self::Uuid => uuid_id(text).unwrap_or_else(|| UserId::new(text)),
            Self::Hex(compared) => {
                uuid_id(text).unwrap_or_else(|| UserId::new(compared.fold(text)))
            }
            Self::Text(compared) => UserId::new(compared.fold(text)),
        }
    }
}

fn integer_id(text: &str) -> UserId {
    let bytes = text.as_bytes();
    let plain = bytes.iter().all(u8::is_ascii_digit) && bytes.first().is_some_and(|b| *b != b'0');
    if plain {
        return UserId::new(text);
    }
    python_int(text).map_or_else(|| UserId::new(text), UserId::new)
}

fn uuid_id(text: &str) -> Option<UserId> {
    UserId::from_uuid_text(text).or_else(|| UserId::from_uuid_text(&python_uuid(text)?))
}

/// More digits than `int()` reads.
const MOST_DIGITS: usize = 4300;

/// `str(int(text))`.
fn python_int(text: &str) -> Option<String> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits: String = digits_of(digits, 10)?
        .iter()
        .map(|digit| char::from(b'0' + digit))
        .collect();
    if digits.len() > MOST_DIGITS {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some(match (negative, digits) {
        (_, "") => "0".to_owned(),
        (true, digits) => format!("-{digits}"),
        (false, digits) => digits.to_owned(),
    })
}

/// The 32 digits of `uuid.UUID(text)`.
fn python_uuid(text: &str) -> Option<String> {
    let hex = text.replace("urn:", "").replace("uuid:", "");
    let hex = hex.trim_matches(['{', '}']).replace('-', "");
    if hex.chars().count() != 32 {
        return None;
    }
    let hex = hex.trim();
    let hex = hex.strip_prefix('+').unwrap_or(hex);
    let hex = match hex.strip_prefix("0x").or_else(|| hex.strip_prefix("0X")) {
        Some(rest) => rest.strip_prefix('_').unwrap_or(rest),
        None => hex,
    };
    let number = digits_of(hex, 16)?
        .iter()
        .fold(0_u128, |number, digit| number << 4 | u128::from(*digit));
    Some(format!("{number:032x}"))
}

/// The values of digits, of any script as Python reads them, with single underscores between them.
fn digits_of(text: &str, base: u32) -> Option<Vec<u8>> {
    let mut digits = Vec::with_capacity(text.len());
    let mut between = false;
    for character in text.chars() {
        if character == '_' {
            if !between {
                return None;
            }
            between = false;
            continue;
        }
        let digit = character.to_digit(base).or_else(|| decimal(character))?;
        digits.push(u8::try_from(digit).ok()?);
        between = true;
    }
    // Empty, or with an underscore at its end.
    between.then_some(digits)
}

/// The value of a decimal digit of another script.
fn decimal(character: char) -> Option<u32> {
    let code = u32::from(character);
    let before = ZEROS.partition_point(|zero| *zero <= code);
    let digit = code.checked_sub(*ZEROS.get(before.checked_sub(1)?)?)?;
    (digit < 10).then_some(digit)
}

/// The zeros of Unicode's scripts; the other nine digits of each follow.
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650,
    0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50,
    0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn same(form: IdForm, id: &str, texts: &[&str]) {
        for text in texts {
            assert_eq!(form.id(text).as_str(), id, "{text:?} as {form:?}");
        }
    }

    // What real Django makes of these: tests/outside/keys.rs.
    #[test]
    fn integers_are_read_as_python_reads_them() {
        let spellings = [
            "21",
            "+21",
            "021",
            " 21 ",
            "2_1",
            "\u{a0}21\n",
            "٢١",
            "+0_021",
        ];
        same(IdForm::Integer, "21", &spellings);
        same(IdForm::Integer, "-5", &["-5", "-05"]);
        same(IdForm::Integer, "0", &["0", "-0", "+00"]);
        let large = "99999999999999999999999";
        same(IdForm::Integer, large, &[large, "+99999999999999999999999"]);
        for refused in [
            "", "2__1", "_21", "21_", "+ 21", "--21", "0x15", "21.0", "\u{1c}21",
        ] {
            same(IdForm::Integer, refused, &[refused]);
        }
    }

    #[test]
    fn uuids_are_read_as_python_reads_them() {
        let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let spellings = [
            id,
            "0F8FAD5B-D9CB-469F-A165-70867728950E",
            "0f8fad5bd9cb469fa16570867728950e",
            "{0f8fad5b-d9cb-469f-a165-70867728950e}",
            "urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e",
            "0-f8fad5bd9cb469fa16570867728950e",
            "+f8fad5bd9cb469fa16570867728950e",
        ];
        for form in [IdForm::Uuid, IdForm::Hex(Compared::default())] {
            same(form, id, &spellings);
            same(form, "ana", &["ana"]);
            same(form, "0x", &["0x"]);
        }
    }

    #[test]
    fn texts_are_compared_as_the_column_compares_them() {
        let text = |caseless, padded| IdForm::Text(Compared { caseless, padded });
        same(text(false, false), "Ana ", &["Ana "]);
        same(text(false, true), "Ana", &["Ana", "Ana  "]);
        same(text(true, false), "ana@x.org", &["Ana@X.org"]);
        same(text(true, true), "ana", &["ANA "]);
        // Which other letters are equal, collations disagree about.
        same(text(true, true), "nÉe", &["NÉE"]);
        let upper = "0F8FAD5B-D9CB-469F-A165-70867728950E";
        same(text(false, false), &upper.to_lowercase(), &[upper]);
    }
}
