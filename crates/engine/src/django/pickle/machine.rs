//! The opcodes of Python's pickle machine, protocols 0 to 5. What they do to the stack is in `stack`.
//! Invariant: an opcode's work is that of the bytes it takes, or of values that earlier bytes put there.

use super::super::session::Unreadable;
use super::super::session::impersonation::Names;
use super::input::Input;
use super::stack::Machine;
use super::text;
use super::value::{Found, Known, Value};

const NEWEST_PROTOCOL: u8 = 5;

/// Runs a pickle to its end. Bytes after that are no part of it, to Python neither.
pub(super) fn run<'a>(bytes: &'a [u8], names: Names<'a>) -> Result<Found<'a>, Unreadable> {
    let mut machine = Machine::of(names);
    let mut input = Input::new(bytes);
    loop {
        match input.byte()? {
            b'.' => return machine.into_found(),
            opcode => step(opcode, &mut machine, &mut input)?,
        }
    }
}

fn step<'a>(opcode: u8, to: &mut Machine<'a>, input: &mut Input<'a>) -> Result<(), Unreadable> {
    match opcode {
        // PROTO and FRAME
        0x80 if input.byte()? <= NEWEST_PROTOCOL => Ok(()),
        0x95 if input.size64()? <= input.len() => Ok(()),

        // NONE, NEWTRUE, NEWFALSE
        b'N' => to.push(Value::None),
        0x88 => to.push(Value::Bool(true)),
        0x89 => to.push(Value::Bool(false)),
        // INT, LONG, BININT, BININT1, BININT2, LONG1, LONG4
        b'I' => to.push(match input.line()? {
            b"00" => Value::Bool(false),
            b"01" => Value::Bool(true),
            line => Value::digits(line)?,
        }),
        b'L' => {
            let line = input.line()?;
            to.push(Value::digits(line.strip_suffix(b"L").unwrap_or(line))?)
        }
        b'J' => to.push(Value::Int(input.i32()?.into())),
        b'K' => to.push(Value::Int(input.byte()?.into())),
        b'M' => to.push(Value::Int(input.u16()?.into())),
        0x8a => to.counted(input.size8()?, input, Value::long),
        0x8b => to.counted(input.size31()?, input, Value::long),
        // FLOAT, BINFLOAT
        b'F' => to.push(Value::float(input.line()?)?),
        b'G' => to.push(Value::Float(input.f64()?)),

        // STRING, UNICODE; SHORT_BINSTRING, SHORT_BINUNICODE, BINSTRING, BINUNICODE, BINUNICODE8
        b'S' => to.push(text::quoted(input.line()?).ok_or(Unreadable::Opaque)?),
        b'V' => to.push(Value::Escaped(input.line()?)),
        b'U' | 0x8c => to.counted(input.size8()?, input, Value::Text),
        b'T' => to.counted(input.size31()?, input, Value::Text),
        b'X' => to.counted(input.size32()?, input, Value::Text),
        0x8d => to.counted(input.size64()?, input, Value::Text),
        // SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8
        b'C' => to.counted(input.size8()?, input, Value::Bytes),
        b'B' => to.counted(input.size32()?, input, Value::Bytes),
        0x8e => to.counted(input.size64()?, input, Value::Bytes),
        0x96 => to.counted(input.size64()?, input, |_| Value::Opaque),

        // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
        b')' => to.tuple(&[]),
        0x85..=0x87 => to.tuple_of(usize::from(opcode - 0x84)),
        b't' => {
            let items = to.marked()?;
            to.tuple(&items)
        }
        // EMPTY_LIST, LIST, APPEND, APPENDS
        b']' => to.list(),
        b'l' => {
            let items = to.marked()?;
            to.list()?;
            to.append(&items)
        }
        b'a' => {
            let item = to.pop()?;
            to.append(&[item])
        }
        b'e' => {
            let items = to.marked()?;
            to.append(&items)
        }
        // EMPTY_SET, ADDITEMS, FROZENSET
        0x8f => to.push(Value::Set),
        0x90 => {
            to.marked()?;
            to.added_to(|to| matches!(to, Value::Set))
        }
        0x91 => to.collect(Value::Opaque),
        // EMPTY_DICT, DICT, SETITEM, SETITEMS
        b'}' => to.dict(),
        b'd' => {
            let pairs = to.marked()?;
            to.dict()?;
            to.put(&pairs)
        }
        b's' => {
            let value = to.pop()?;
            let key = to.pop()?;
            to.put(&[key, value])
        }
        b'u' => {
            let pairs = to.marked()?;
            to.put(&pairs)
        }

        // MARK, POP, POP_MARK, DUP
        b'(' => to.mark(),
        b'0' => to.discard(),
        b'1' => to.marked().map(|_| ()),
        b'2' => to.repeat(),
        // PUT, BINPUT, LONG_BINPUT, MEMOIZE; GET, BINGET, LONG_BINGET
        b'p' => to.keep(Some(input.place()?)),
        b'q' => to.keep(Some(input.size8()?)),
        b'r' => to.keep(Some(input.size32()?)),
        0x94 => to.keep(None),
        b'g' => to.mention(input.place()?),
        b'h' => to.mention(input.size8()?),
        b'j' => to.mention(input.size32()?),

        // GLOBAL, STACK_GLOBAL
        b'c' => {
            let (module, name) = (input.line()?, input.line()?);
            to.push(known(module, name))
        }
        0x93 => {
            let (name, module) = (to.pop()?, to.pop()?);
            if !name.is_text() || !module.is_text() {
                return Err(Unreadable::Opaque);
            }
            to.push(known(&text::short(module), &text::short(name)))
        }
        // REDUCE, NEWOBJ, NEWOBJ_EX, BUILD
        b'R' => to.call(),
        0x81 => to.object(1),
        0x92 => to.object(2),
        b'b' => to.build(),
        // INST, OBJ
        b'i' => {
            input.line()?;
            input.line()?;
            to.collect(Value::Opaque)
        }
        b'o' => match to.marked()?.first() {
            Some(Value::Known(_) | Value::Opaque) => to.push(Value::Opaque),
            _ => Err(Unreadable::Opaque),
        },
        // EXT1, EXT2, EXT4: a class by its number
        0x82 => to.counted(1, input, |_| Value::Opaque),
        0x83 => to.counted(2, input, |_| Value::Opaque),
        0x84 => to.counted(4, input, |_| Value::Opaque),

        // What lies outside the pickle (PERSID, BINPERSID, NEXT_BUFFER), and what is no opcode.
        _ => Err(Unreadable::Opaque),
    }
}

fn known<'a>(module: &[u8], name: &[u8]) -> Value<'a> {
    Known::of(module, name).map_or(Value::Opaque, Value::Known)
}
