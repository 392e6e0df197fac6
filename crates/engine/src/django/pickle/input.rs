//! The bytes of a pickle, taken from the front. What the bytes mean is not known here.
//! Invariant: a length that the input does not have is an error before anything is made for it.

use super::super::session::Unreadable;

pub(super) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Unreadable::Opaque)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Unreadable::Opaque)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Unreadable> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Unreadable> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Unreadable> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn f64(&mut self) -> Result<f64, Unreadable> {
        self.array().map(f64::from_be_bytes)
    }

    /// One byte that counts or names something.
    pub(super) fn size8(&mut self) -> Result<usize, Unreadable> {
        self.byte().map(usize::from)
    }

    /// Four bytes, signed in Python's oldest binary opcodes.
    pub(super) fn size31(&mut self) -> Result<usize, Unreadable> {
        self.i32().and_then(size)
    }

    pub(super) fn size32(&mut self) -> Result<usize, Unreadable> {
        self.array().map(u32::from_le_bytes).and_then(size)
    }

    pub(super) fn size64(&mut self) -> Result<usize, Unreadable> {
        self.array().map(u64::from_le_bytes).and_then(size)
    }

    /// A place in the memo, in decimal digits.
    pub(super) fn place(&mut self) -> Result<usize, Unreadable> {
        let line = std::str::from_utf8(self.line()?).ok();
        line.and_then(|line| line.parse().ok())
            .ok_or(Unreadable::Opaque)
    }

    /// Up to the next line feed, which is taken and not given.
    pub(super) fn line(&mut self) -> Result<&'a [u8], Unreadable> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let line = self.take(end.ok_or(Unreadable::Opaque)?)?;
        self.byte()?;
        Ok(line)
    }
}

fn size<N: TryInto<usize>>(number: N) -> Result<usize, Unreadable> {
    number.try_into().map_err(|_| Unreadable::Opaque)
}
