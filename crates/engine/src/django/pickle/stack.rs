//! What the machine's opcodes do to its stack, its marks and its memo.
//! Invariant: nothing reaches below the last open mark, and the session's dict lies at the very bottom or nowhere:
//! since it cannot be mentioned again, nothing else in the pickle can change it.

use super::super::session::Unreadable;
use super::super::session::impersonation::{Clue, Names};
use super::input::Input;
use super::value::{Found, Value};
use super::{MAX_MARKS, MAX_MEMO, MAX_STACK, reduce, text};

/// No call that is understood takes more arguments.
const MAX_ARGUMENTS: usize = 4;
/// Items kept of all lists that may name users.
const MAX_ITEMS: usize = 64;

#[derive(Default)]
pub(super) struct Machine<'a> {
    stack: Vec<Value<'a>>,
    /// The height of the stack at each mark that is still open.
    marks: Vec<usize>,
    memo: Vec<Option<Value<'a>>>,
    /// How many places of the memo are taken.
    kept: usize,
    /// The newest tuple: its number, and its items where they are few.
    newest: (u32, Vec<Value<'a>>),
    begun: bool,
    /// Lists that may name users, and the first items of the tuples made since, by number.
    lists: u32,
    firsts: Vec<(u32, Value<'a>)>,
    found: Found<'a>,
}

type Done = Result<(), Unreadable>;

impl<'a> Machine<'a> {
    /// For a site that calls its keys so.
    pub(super) fn of(names: Names<'a>) -> Self {
        Self {
            found: Found::of(names),
            ..Self::default()
        }
    }

    /// What was found, where the session's dict is what the pickle made.
    pub(super) fn into_found(self) -> Result<Found<'a>, Unreadable> {
        match *self.stack {
            [Value::Session] if self.marks.is_empty() => Ok(self.found),
            _ => Err(Unreadable::Opaque),
        }
    }

    pub(super) fn push(&mut self, value: Value<'a>) -> Done {
        if self.stack.len() >= MAX_STACK {
            return Err(Unreadable::TooDeep);
        }
        self.stack.push(value);
        Ok(())
    }

    /// A value that a length stands before.
    pub(super) fn counted(
        &mut self,
        length: usize,
        input: &mut Input<'a>,
        value: fn(&'a [u8]) -> Value<'a>,
    ) -> Done {
        let bytes = input.take(length)?;
        self.push(value(bytes))
    }

    /// Where the topmost `count` values begin.
    fn below(&self, count: usize) -> Result<usize, Unreadable> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(count);
        start
            .filter(|start| *start >= floor)
            .ok_or(Unreadable::Opaque)
    }

    fn top(&self) -> Result<Value<'a>, Unreadable> {
        let at = self.below(1)?;
        self.stack.get(at).copied().ok_or(Unreadable::Opaque)
    }

    pub(super) fn pop(&mut self) -> Result<Value<'a>, Unreadable> {
        self.below(1)?;
        self.stack.pop().ok_or(Unreadable::Opaque)
    }

    pub(super) fn mark(&mut self) -> Done {
        if self.marks.len() >= MAX_MARKS {
            return Err(Unreadable::TooDeep);
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// Closes the last mark, and takes what has come since.
    pub(super) fn marked(&mut self) -> Result<Vec<Value<'a>>, Unreadable> {
        let start = self.marks.pop().ok_or(Unreadable::Opaque)?;
        Ok(self.stack.split_off(start))
    }

    /// Everything since the last mark becomes one value.
    pub(super) fn collect(&mut self, into: Value<'a>) -> Done {
        self.marked()?;
        self.push(into)
    }

    /// The topmost value, or the mark if that is what is topmost.
    pub(super) fn discard(&mut self) -> Done {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(|_| ())
    }

    pub(super) fn dict(&mut self) -> Done {
        // Python's writer begins with the outermost container. Where another dict ends up outermost, nothing is found.
        let first = !self.begun && self.stack.is_empty() && self.marks.is_empty();
        self.begun |= first;
        self.push(if first { Value::Session } else { Value::Dict })
    }

    pub(super) fn tuple(&mut self, items: &[Value<'a>]) -> Done {
        let number = self.newest.0.wrapping_add(1);
        self.newest.0 = number;
        self.newest.1.clear();
        // One too many tells that not all are here.
        if self.lists > 0
            && self.firsts.len() < MAX_ITEMS
            && let Some(first) = items.first()
        {
            self.firsts.push((number, *first));
        }
        let few = items.iter().take(MAX_ARGUMENTS + 1);
        self.newest.1.extend(few.copied());
        self.push(Value::Tuple(number))
    }

    /// A list. Its items are kept if it was made for a key that names users.
    pub(super) fn list(&mut self) -> Done {
        let named = self.top().is_ok_and(|key| {
            key.is_text() && Clue::of(&text::short(key)).is_some_and(Clue::is_list)
        });
        if !named {
            return self.push(Value::List);
        }
        self.lists = self.lists.wrapping_add(1);
        self.push(Value::Ids(self.lists))
    }

    /// Adds items to the list that is topmost now.
    pub(super) fn append(&mut self, items: &[Value<'a>]) -> Done {
        if let Ok(Value::Ids(list)) = self.top() {
            for item in items {
                let plain = match item {
                    Value::Tuple(number) => {
                        let first = self.firsts.iter().find(|(of, _)| of == number);
                        first.map(|(_, first)| *first)
                    }
                    item => Some(*item),
                };
                if let (Some(item), true) = (plain, self.found.items.len() < MAX_ITEMS) {
                    self.found.items.push((list, item));
                }
            }
        }
        self.added_to(|to| matches!(to, Value::List | Value::Ids(_)))
    }

    pub(super) fn tuple_of(&mut self, count: usize) -> Done {
        let start = self.below(count)?;
        let items = self.stack.split_off(start);
        self.tuple(&items)
    }

    /// Puts keys and values, one after the other, into the dict that is topmost now.
    pub(super) fn put(&mut self, pairs: &[Value<'a>]) -> Done {
        let dict = self.top()?;
        if !matches!(dict, Value::Session | Value::Dict | Value::Opaque) {
            return Err(Unreadable::Opaque);
        }
        for pair in pairs.chunks(2) {
            let &[key, value] = pair else {
                return Err(Unreadable::Opaque);
            };
            if !key.is_hashable() {
                return Err(Unreadable::Opaque);
            }
            if matches!(dict, Value::Session) {
                self.found.put(key, value);
            }
        }
        Ok(())
    }

    /// After values were taken for it: whether what is topmost now can hold them. An object may.
    pub(super) fn added_to(&self, holds: fn(Value<'a>) -> bool) -> Done {
        let to = self.top()?;
        if matches!(to, Value::Opaque) || holds(to) {
            Ok(())
        } else {
            Err(Unreadable::Opaque)
        }
    }

    /// Keeps the topmost value in a place of the memo; in the next one where none is named.
    pub(super) fn keep(&mut self, place: Option<usize>) -> Done {
        let value = self.top()?;
        let place = place.unwrap_or(self.kept);
        if place >= MAX_MEMO {
            return Err(Unreadable::TooLarge);
        }
        if place >= self.memo.len() {
            self.memo.resize(place + 1, None);
        }
        if let Some(slot) = self.memo.get_mut(place) {
            self.kept += usize::from(slot.is_none());
            *slot = Some(value);
        }
        Ok(())
    }

    pub(super) fn mention(&mut self, place: usize) -> Done {
        match self.memo.get(place).copied().flatten() {
            // A dict that holds itself, or is handed to something that could change it.
            None | Some(Value::Session) => Err(Unreadable::Opaque),
            Some(value) => self.push(value),
        }
    }

    pub(super) fn repeat(&mut self) -> Done {
        match self.top()? {
            Value::Session => Err(Unreadable::Opaque),
            value => self.push(value),
        }
    }

    /// `callable(*arguments)`, as far as that is known without Python.
    pub(super) fn call(&mut self) -> Done {
        let arguments = self.pop()?;
        let callable = self.pop()?;
        let made = match (callable, arguments) {
            (Value::Known(known), Value::Tuple(number)) if number == self.newest.0 => {
                reduce::call(known, &self.newest.1)
            }
            (Value::Known(_) | Value::Opaque, Value::Tuple(_) | Value::Opaque) => Value::Opaque,
            _ => return Err(Unreadable::Opaque),
        };
        self.push(made)
    }

    /// An object of a class, made of the topmost `count` values.
    pub(super) fn object(&mut self, count: usize) -> Done {
        let start = self.below(count + 1)?;
        let from = self.stack.split_off(start);
        match from.first() {
            Some(Value::Known(_) | Value::Opaque) => self.push(Value::Opaque),
            _ => Err(Unreadable::Opaque),
        }
    }

    /// Gives an object its state. What is given more than a date needs is a date no longer.
    pub(super) fn build(&mut self) -> Done {
        self.pop()?;
        match self.pop()? {
            Value::Opaque | Value::Moment(..) | Value::Zone(_) | Value::Delta(_) => {
                self.push(Value::Opaque)
            }
            _ => Err(Unreadable::Opaque),
        }
    }
}
