//! Who is called what: the order of people by name and by e-mail, repaired where somebody is new, and one long text to
//! search in. Both without regard to case.

use memchr::memmem::Finder;

use super::people::People;
use super::person::Person;
use super::rows::NONE;

/// Ends a field of the text. Nobody can search for it.
const END: u8 = b'\n';
/// Less than this is never worth tidying up.
const LITTLE: usize = 1 << 16;

/// Everyone's names.
#[derive(Default)]
pub(super) struct Names {
    /// Username, e-mail and name of everyone, each with [`END`] behind it.
    text: Vec<u8>,
    /// Where each person's line begins, from the first to the last; some are nobody's any more.
    lines: Vec<Line>,
    /// By person: their line.
    line_of: Vec<u32>,
    /// Bytes in lines that are nobody's.
    waste: usize,
    pub by_name: Order,
    pub by_email: Order,
    /// Those whose names are not in the orders yet.
    news: Vec<u32>,
    /// Somebody has gone who is in the orders.
    holes: bool,
}

#[derive(Clone, Copy)]
struct Line {
    start: usize,
    person: u32,
}

/// People in an order, and the place of each in it.
#[derive(Default)]
pub(super) struct Order {
    people: Vec<u32>,
    places: Vec<u32>,
}

impl Order {
    /// [`NONE`] for who is not in it.
    pub fn place(&self, person: u32) -> u32 {
        self.places.get(person as usize).copied().unwrap_or(NONE)
    }
}

impl Names {
    /// Takes in someone's names.
    pub fn note(&mut self, number: u32, person: &Person) {
        self.drop_line(number);
        let line = Line {
            start: self.text.len(),
            person: number,
        };
        for field in [
            Some(person.username()),
            Some(person.email().unwrap_or_default()),
            person.name(),
        ]
        .into_iter()
        .flatten()
        {
            fold(field, &mut self.text);
            self.text.push(END);
        }
        let at = number as usize;
        if self.line_of.len() <= at {
            self.line_of.resize(at + 1, NONE);
        }
        self.line_of[at] = u32::try_from(self.lines.len()).unwrap_or(NONE);
        self.lines.push(line);
        self.news.push(number);
    }

    /// This number is nobody's from now on.
    pub fn forget(&mut self, number: u32) {
        self.drop_line(number);
        self.holes = true;
    }

    fn drop_line(&mut self, number: u32) {
        let Some(line) = self.line_of.get_mut(number as usize) else {
            return;
        };
        let line = std::mem::replace(line, NONE) as usize;
        if let Some(range) = self.range(line) {
            self.waste += range.len();
        }
    }

    fn range(&self, line: usize) -> Option<std::ops::Range<usize>> {
        let start = self.lines.get(line)?.start;
        let end = self.lines.get(line + 1).map(|next| next.start);
        Some(start..end.unwrap_or(self.text.len()))
    }

    /// Username and e-mail as they are sorted by. Empty where there is no line.
    fn fields(&self, number: u32) -> (&[u8], &[u8]) {
        let line = self.line_of.get(number as usize).copied().unwrap_or(NONE);
        let text = self.range(line as usize).map(|range| &self.text[range]);
        let mut fields = text.unwrap_or_default().split(|byte| *byte == END);
        let (name, email) = (fields.next(), fields.next());
        (name.unwrap_or_default(), email.unwrap_or_default())
    }

    /// Brings both orders up to date.
    pub fn repair(&mut self, people: &People) {
        if self.news.is_empty() && !self.holes {
            return;
        }
        self.holes = false;
        let mut news = std::mem::take(&mut self.news);
        news.sort_unstable();
        news.dedup();
        news.retain(|number| people.get(*number).is_some());
        let here = |number: u32| {
            self.line_of
                .get(number as usize)
                .is_some_and(|l| *l != NONE)
        };
        let is_new = |number: u32| news.binary_search(&number).is_ok();

        // Of equal names the one that is written first, and then the id: always the same order.
        let least = |number: u32| {
            let person = people.get(number);
            person.map_or(("", ""), |p| (p.username(), p.id_text()))
        };
        let name = |number: u32| self.fields(number).0;
        let before = |a: u32, b: u32| (name(a), least(a)).cmp(&(name(b), least(b))).is_lt();
        let mut sorted: Vec<(Head, u32)> = news.iter().map(|n| (head(name(*n)), *n)).collect();
        sorted.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0)
                .then_with(|| (name(a.1), least(a.1)).cmp(&(name(b.1), least(b.1))))
        });
        let old = self.by_name.people.iter().copied();
        let old = old.filter(|n| here(*n) && !is_new(*n));
        let by_name = Order::of(merge(old, sorted.into_iter().map(|(_, n)| n), before));

        let email = |number: u32| self.fields(number).1;
        let before = |a: u32, b: u32| (email(a), by_name.place(a)) < (email(b), by_name.place(b));
        let mut sorted: Vec<(Head, u32)> = news.iter().map(|n| (head(email(*n)), *n)).collect();
        sorted.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0)
                .then_with(|| email(a.1).cmp(email(b.1)))
                .then_with(|| by_name.place(a.1).cmp(&by_name.place(b.1)))
        });
        let old = self.by_email.people.iter().copied();
        let old = old.filter(|n| here(*n) && !is_new(*n));
        let by_email = Order::of(merge(old, sorted.into_iter().map(|(_, n)| n), before));
        (self.by_name, self.by_email) = (by_name, by_email);
        self.tidy();
    }

    /// Closes the gaps in the text, where they are most of it.
    fn tidy(&mut self) {
        if self.waste < LITTLE || self.waste * 2 < self.text.len() {
            return;
        }
        let old = std::mem::take(&mut self.lines);
        let ends: Vec<usize> = old.iter().skip(1).map(|line| line.start).collect();
        let mut text = Vec::with_capacity(self.text.len() - self.waste);
        for (at, line) in old.iter().enumerate() {
            let end = ends.get(at).copied().unwrap_or(self.text.len());
            let own = self.line_of.get_mut(line.person as usize);
            if let Some(own) = own.filter(|own| **own as usize == at) {
                *own = u32::try_from(self.lines.len()).unwrap_or(NONE);
                self.lines.push(Line {
                    start: text.len(),
                    person: line.person,
                });
                text.extend_from_slice(&self.text[line.start..end]);
            }
        }
        self.text = text;
        self.waste = 0;
    }

    /// Everyone whose names hold this, whatever the case.
    pub fn search(&self, needle: &str, mut found: impl FnMut(u32)) {
        if needle.as_bytes().contains(&END) {
            return;
        }
        let finder = Finder::new(needle);
        let (mut at, mut line) = (0, 0);
        while let Some(hit) = self.text.get(at..).and_then(|text| finder.find(text)) {
            line = self.line_at(at + hit, line);
            let Some(own) = self.lines.get(line) else {
                return;
            };
            let here = self.line_of.get(own.person as usize);
            if here.is_some_and(|here| *here as usize == line) {
                found(own.person);
            }
            match self.lines.get(line + 1) {
                Some(next) => (at, line) = (next.start, line + 1),
                None => return,
            }
        }
    }

    /// The line that a place in the text belongs to, at `from` or behind it: mostly near.
    fn line_at(&self, place: usize, from: usize) -> usize {
        let mut step = 1;
        let mut low = from;
        while self
            .lines
            .get(low + step)
            .is_some_and(|line| line.start <= place)
        {
            low += step;
            step *= 2;
        }
        let high = (low + step).min(self.lines.len());
        let within = self.lines.get(low..high).unwrap_or_default();
        low + within.partition_point(|line| line.start <= place) - 1
    }
}

impl Order {
    fn of(people: Vec<u32>) -> Self {
        let most = people.iter().max().map_or(0, |most| *most as usize + 1);
        let mut places = vec![NONE; most];
        for (place, person) in (0..).zip(&people) {
            places[*person as usize] = place;
        }
        Self { people, places }
    }
}

/// The beginning of a text. As a number, which is aligned, a pair of it and a person would take up 32 bytes for 20.
type Head = [u8; 16];

fn head(text: &[u8]) -> Head {
    let mut head = [0; 16];
    for (slot, byte) in head.iter_mut().zip(text) {
        *slot = *byte;
    }
    head
}

/// Two sorted rows of people as one.
fn merge(
    old: impl Iterator<Item = u32>,
    new: impl Iterator<Item = u32>,
    before: impl Fn(u32, u32) -> bool,
) -> Vec<u32> {
    let (mut old, mut new) = (old.peekable(), new.peekable());
    let mut all = Vec::with_capacity(old.size_hint().1.unwrap_or(0) + new.size_hint().0);
    while let Some(next) = match (old.peek(), new.peek()) {
        (Some(a), Some(b)) if before(*b, *a) => new.next(),
        (Some(_), _) => old.next(),
        (None, _) => new.next(),
    } {
        all.push(next);
    }
    all
}

/// A text as it is compared: small letters, and no line's end.
fn fold(text: &str, into: &mut Vec<u8>) {
    let start = into.len();
    match text.is_ascii() {
        true => {
            into.extend_from_slice(text.as_bytes());
            into[start..].make_ascii_lowercase();
        }
        false => into.extend_from_slice(text.to_lowercase().as_bytes()),
    }
    for byte in &mut into[start..] {
        if *byte == END {
            *byte = b' ';
        }
    }
}
