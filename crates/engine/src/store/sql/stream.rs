//! The stream of PostgreSQL's COPY in its binary form, taken apart into rows.

use crate::error::{Code, Error, Result};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Fields of one row. None: NULL.
pub(super) type Fields<'a> = Vec<Option<&'a [u8]>>;

/// Cuts the stream into whole rows, however it comes in pieces.
#[derive(Default)]
pub(super) struct Cut {
    /// The beginning of a row whose rest has not come.
    rest: Vec<u8>,
    begun: bool,
    ended: bool,
}

/// Rows, each of them whole.
pub(super) struct Rows {
    bytes: Vec<u8>,
    from: usize,
}

impl Cut {
    /// The stream said itself that there is no more.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The rows that are whole with this part.
    pub fn rows(&mut self, part: Vec<u8>) -> Result<Rows> {
        let mut bytes = if self.rest.is_empty() {
            part
        } else {
            self.rest.extend_from_slice(&part);
            std::mem::take(&mut self.rest)
        };
        let mut after = bytes.as_slice();
        if !self.begun {
            match header(after)? {
                Some(rest) => (self.begun, after) = (true, rest),
                None => {
                    self.rest = std::mem::take(&mut bytes);
                    return Ok(Rows { bytes, from: 0 });
                }
            }
        }
        let from = bytes.len() - after.len();
        while !self.ended {
            match row(after, |_| {})? {
                Row::Whole(rest) => after = rest,
                Row::End => self.ended = true,
                Row::Part => break,
            }
        }
        let to = bytes.len() - after.len();
        if !self.ended {
            self.rest.extend_from_slice(after);
        }
        bytes.truncate(to);
        Ok(Rows { bytes, from })
    }
}

impl Rows {
    pub fn each(&self, mut take: impl FnMut(&Fields<'_>)) {
        let mut after = self.bytes.get(self.from..).unwrap_or_default();
        let mut fields = Vec::new();
        while let Ok(Row::Whole(rest)) = row(after, |field| fields.push(field)) {
            take(&fields);
            fields.clear();
            after = rest;
        }
    }
}

enum Row<'a> {
    /// And what comes after it.
    Whole(&'a [u8]),
    /// The stream's own end.
    End,
    Part,
}

/// What comes after the header; none where it is not whole.
fn header(bytes: &[u8]) -> Result<Option<&[u8]>> {
    let Some((signature, after)) = bytes.split_at_checked(SIGNATURE.len()) else {
        return Ok(None);
    };
    if signature != SIGNATURE {
        return Err(garbled());
    }
    let Some((_flags, after)) = after.split_at_checked(4) else {
        return Ok(None);
    };
    let Some((length, after)) = after.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| garbled())?;
    Ok(after.split_at_checked(length).map(|(_, after)| after))
}

fn row<'a>(bytes: &'a [u8], mut field: impl FnMut(Option<&'a [u8]>)) -> Result<Row<'a>> {
    let Some((count, mut after)) = bytes.split_first_chunk::<2>() else {
        return Ok(Row::Part);
    };
    let count = i16::from_be_bytes(*count);
    if count == -1 {
        return Ok(Row::End);
    }
    for _ in 0..count {
        let Some((length, rest)) = after.split_first_chunk::<4>() else {
            return Ok(Row::Part);
        };
        after = rest;
        match i32::from_be_bytes(*length) {
            -1 => field(None),
            length => {
                let length = usize::try_from(length).map_err(|_| garbled())?;
                let Some((bytes, rest)) = after.split_at_checked(length) else {
                    return Ok(Row::Part);
                };
                field(Some(bytes));
                after = rest;
            }
        }
    }
    Ok(Row::Whole(after))
}

pub(super) fn garbled() -> Error {
    Error::new(
        Code::Database,
        "the database's copy of a table cannot be read; look again in a moment",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;

    pub fn stream() -> Vec<u8> {
        let mut all = SIGNATURE.to_vec();
        all.extend(0_i32.to_be_bytes());
        // An extension that nobody asked for is passed over.
        all.extend(3_i32.to_be_bytes());
        all.extend(b"ext");
        for row in [[Some(&b"key"[..]), None], [Some(b""), Some(b"data")]] {
            all.extend(2_i16.to_be_bytes());
            for field in row {
                let length = field.map_or(-1, |f| i32::try_from(f.len()).unwrap());
                all.extend(length.to_be_bytes());
                all.extend(field.unwrap_or_default());
            }
        }
        all.extend((-1_i16).to_be_bytes());
        all
    }

    type Owned = Vec<Option<Vec<u8>>>;

    fn read(parts: impl Iterator<Item = Vec<u8>>) -> Result<(Vec<Owned>, bool)> {
        let (mut cut, mut all) = (Cut::default(), Vec::new());
        for part in parts {
            cut.rows(part)?.each(|fields| {
                all.push(fields.iter().map(|f| f.map(<[u8]>::to_vec)).collect());
            });
        }
        Ok((all, cut.ended()))
    }

    #[test]
    fn rows_come_out_whole_however_they_come_in() {
        let all = stream();
        let want = vec![
            vec![Some(b"key".to_vec()), None],
            vec![Some(Vec::new()), Some(b"data".to_vec())],
        ];
        for size in 1..=all.len() {
            let (rows, ended) = read(all.chunks(size).map(<[u8]>::to_vec)).unwrap();
            assert_eq!((rows, ended), (want.clone(), true), "in pieces of {size}");
        }
        // Cut short anywhere, it has not ended.
        for end in 0..all.len() {
            let (rows, ended) = read([all[..end].to_vec()].into_iter()).unwrap();
            assert!(!ended && rows.len() <= 2, "cut at {end}");
        }
    }

    #[test]
    fn what_is_no_copy_is_an_error_and_no_panic() {
        for bad in [
            &b"nothing of the kind"[..],
            b"PGCOPY\n\xff\r\n\0\0\0\0\0\xff\xff\xff\xff",
        ] {
            assert!(read([bad.to_vec()].into_iter()).is_err());
        }
        let mut dice = fastrand::Rng::with_seed(1);
        for _ in 0..2_000 {
            let mut all = stream();
            let at = dice.usize(..all.len());
            all[at] = dice.u8(..);
            let _ = read(all.chunks(7).map(<[u8]>::to_vec));
        }
    }
}
