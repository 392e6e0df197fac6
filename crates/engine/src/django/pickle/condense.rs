//! A large pickle made short, for [`super::machine`]: long texts and the contents of large containers become one object that
//! nobody understands. Whatever a session's keys could hold stays.
//! Invariant: the work is that of the bytes, and what is made ends at [`MAX_CONDENSED`].

use std::collections::HashMap;
use std::io::{self, BufRead, Read};

use super::MAX_MEMO;
use crate::django::session::Unreadable;

/// The most that is left of a pickle, in bytes.
const MAX_CONDENSED: usize = 2 << 20;
/// The longest text, and the largest container with a mark, that stays.
const LONGEST: usize = 2048;
/// EXT1: an object of a class by number, which needs Python to be known.
const OPAQUE: [u8; 2] = [0x82, 1];

/// The short form of a pickle.
pub(super) fn condensed(from: impl BufRead) -> Result<Vec<u8>, Unreadable> {
    let mut to = Condenser {
        from,
        out: Vec::new(),
        marks: 0,
        container: None,
        places: HashMap::new(),
        memoized: 0,
        named: 0,
        session_next: true,
        last: 0,
    };
    loop {
        if to.step().map_err(|error| why(&error))? {
            return Ok(to.out);
        }
        if to.out.len() > MAX_CONDENSED {
            return Err(Unreadable::TooLarge);
        }
    }
}

fn why(error: &io::Error) -> Unreadable {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Unreadable::Opaque,
        _ => Unreadable::NotInflatable,
    }
}

/// A container that was begun with a mark, and is not the session.
struct Container {
    /// Where its mark is in what was made.
    start: usize,
    /// How many marks are open inside of it, its own included.
    marks: usize,
    /// Its content is left out.
    dropped: bool,
    /// The places of the memo that its content took.
    places: Vec<u64>,
}

struct Condenser<R> {
    from: R,
    out: Vec<u8>,
    /// Marks that are open outside of the container.
    marks: usize,
    container: Option<Container>,
    /// The places of the memo, and what they are called here.
    places: HashMap<u64, u32>,
    /// How many values took the next free place.
    memoized: u64,
    named: u32,
    /// The next mark begins items of the session itself.
    session_next: bool,
    /// The last opcode that did more than number a value.
    last: u8,
}

impl<R: BufRead> Condenser<R> {
    /// Takes one opcode. `true` at the end.
    fn step(&mut self) -> io::Result<bool> {
        let opcode = self.byte()?;
        match opcode {
            // STOP
            b'.' => {
                self.emit(b".");
                return Ok(true);
            }
            // PROTO, FRAME
            0x80 => self.emit_with(opcode, 1)?,
            0x95 => {
                self.bytes(8)?;
            }
            // MEMOIZE; PUT, BINPUT, LONG_BINPUT
            0x94 => {
                let place = self.memoized;
                self.memoized += 1;
                self.keep(place);
            }
            b'p' => {
                let place = self.place()?;
                self.keep(place);
            }
            b'q' => {
                let place = self.number(1)?;
                self.keep(place);
            }
            b'r' => {
                let place = self.number(4)?;
                self.keep(place);
            }
            // GET, BINGET, LONG_BINGET
            b'g' => {
                let place = self.place()?;
                self.mention(place);
            }
            b'h' => {
                let place = self.number(1)?;
                self.mention(place);
            }
            b'j' => {
                let place = self.number(4)?;
                self.mention(place);
            }
            b'(' => self.mark(),
            // APPENDS, SETITEMS, ADDITEMS, TUPLE, LIST, DICT, FROZENSET, OBJ, POP_MARK
            b'e' | b'u' | 0x90 | b't' | b'l' | b'd' | 0x91 | b'o' | b'1' => self.close(&[opcode]),
            // INST has two lines, and ends at a mark.
            b'i' => {
                let lines = [self.line()?, self.line()?].concat();
                self.close(&[&b"i"[..], &lines].concat());
            }
            // Numbers, texts and names that a line feed ends.
            b'I' | b'L' | b'F' | b'S' | b'V' => {
                let line = self.line()?;
                self.text(&[opcode], &line);
            }
            b'c' => {
                let lines = [self.line()?, self.line()?].concat();
                self.text(&[opcode], &lines);
            }
            // Fixed lengths.
            b'J' | 0x84 => self.emit_with(opcode, 4)?,
            b'K' | 0x82 => self.emit_with(opcode, 1)?,
            b'M' | 0x83 => self.emit_with(opcode, 2)?,
            b'G' => self.emit_with(opcode, 8)?,
            // Counted bytes.
            0x8a | b'U' | 0x8c | b'C' => self.counted(opcode, 1)?,
            0x8b | b'T' | b'X' | b'B' => self.counted(opcode, 4)?,
            0x8d | 0x8e | 0x96 => self.counted(opcode, 8)?,
            // Without an argument; the machine knows which of them are opcodes.
            _ => self.emit(&[opcode]),
        }
        // What numbers a value, or says how the pickle is written, says nothing of what the next mark begins.
        if !matches!(opcode, 0x80 | 0x94 | 0x95 | b'p' | b'q' | b'r') {
            let first = self.last == 0;
            self.session_next = match opcode {
                b'}' => first,
                b'u' => self.marks == 0 && self.container.is_none(),
                _ => false,
            };
            self.last = opcode;
        }
        Ok(false)
    }

    fn emit(&mut self, bytes: &[u8]) {
        match &mut self.container {
            Some(container) if container.dropped => {}
            Some(container) if self.out.len() + bytes.len() - container.start > LONGEST => {
                container.dropped = true;
                self.out.truncate(container.start);
                for place in container.places.drain(..) {
                    self.places.remove(&place);
                }
            }
            _ => self.out.extend_from_slice(bytes),
        }
    }

    fn emit_with(&mut self, opcode: u8, length: u64) -> io::Result<()> {
        let argument = self.bytes(length)?;
        self.text(&[opcode], &argument);
        Ok(())
    }

    /// An opcode and its argument; what is too long becomes an opaque object.
    fn text(&mut self, opcode: &[u8], argument: &[u8]) {
        if argument.len() > LONGEST {
            return self.emit(&OPAQUE);
        }
        self.emit(&[opcode, argument].concat());
    }

    /// Bytes after their length, a number of `size` bytes.
    fn counted(&mut self, opcode: u8, size: u64) -> io::Result<()> {
        let length = self.bytes(size)?;
        let count = little_endian(&length);
        if count > LONGEST as u64 {
            let passed = io::copy(&mut self.from.by_ref().take(count), &mut io::sink())?;
            self.emit(&OPAQUE);
            return match passed == count {
                true => Ok(()),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            };
        }
        let bytes = self.bytes(count)?;
        self.emit(&[&[opcode][..], &length, &bytes].concat());
        Ok(())
    }

    fn mark(&mut self) {
        match &mut self.container {
            Some(container) => {
                container.marks += 1;
                self.emit(b"(");
            }
            None if self.session_next => {
                self.marks += 1;
                self.emit(b"(");
            }
            None => {
                self.container = Some(Container {
                    start: self.out.len(),
                    marks: 1,
                    dropped: false,
                    places: Vec::new(),
                });
                self.emit(b"(");
            }
        }
    }

    /// An opcode that takes everything since the last mark, with its argument.
    fn close(&mut self, opcode: &[u8]) {
        let Some(container) = &mut self.container else {
            self.marks = self.marks.saturating_sub(1);
            return self.emit(opcode);
        };
        container.marks -= 1;
        let ends = container.marks == 0;
        self.emit(opcode);
        let ended = self.container.take_if(|_| ends);
        // A list, a dict or a set was made before, and is empty now. The others are made by this opcode.
        let made = matches!(
            opcode.first(),
            Some(b't' | b'l' | b'd' | 0x91 | b'o' | b'i')
        );
        if made && ended.is_some_and(|container| container.dropped) {
            self.emit(&OPAQUE);
        }
    }

    /// Numbers the topmost value.
    fn keep(&mut self, place: u64) {
        let name = self.named;
        if let Some(container) = &mut self.container {
            if container.dropped {
                self.places.remove(&place);
                return;
            }
            container.places.push(place);
        }
        if name as usize >= MAX_MEMO {
            self.places.remove(&place);
            return;
        }
        self.named += 1;
        self.places.insert(place, name);
        self.emit(&[&b"r"[..], &name.to_le_bytes()].concat());
    }

    fn mention(&mut self, place: u64) {
        match self.places.get(&place) {
            Some(name) => self.emit(&[&b"j"[..], &name.to_le_bytes()].concat()),
            None => self.emit(&OPAQUE),
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.from.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    /// A few bytes.
    fn bytes(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.from.by_ref().take(length).read_to_end(&mut bytes)?;
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn number(&mut self, length: u64) -> io::Result<u64> {
        self.bytes(length).map(|bytes| little_endian(&bytes))
    }

    /// Up to a line feed, which is kept. A text of protocol 0 can be long.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let buffer = self.from.fill_buf()?;
            if buffer.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let end = memchr::memchr(b'\n', buffer);
            let part = &buffer[..end.map_or(buffer.len(), |end| end + 1)];
            // One byte more than is kept tells that the line is too long.
            let room = (LONGEST + 1).saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            let taken = part.len();
            self.from.consume(taken);
            if end.is_some() {
                return Ok(line);
            }
        }
    }

    fn place(&mut self) -> io::Result<u64> {
        let line = self.line()?;
        let text = std::str::from_utf8(&line).ok();
        text.and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    let digits = bytes.iter().rev();
    digits.fold(0, |number, byte| number << 8 | u64::from(*byte))
}
