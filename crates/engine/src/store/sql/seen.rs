//! Which rows were committed since a look, by PostgreSQL's own numbers: each row bears that of the transaction that wrote
//! it, and whoever looks sees no row of a transaction that was not over, nor of any later one.
//!
//! A busy site saves thousands of sessions in the seconds that each look goes back for those that were committed late:
//! by their numbers they are handed over once. A look by which something is decided goes back for all of them (`Mark::freshen`).
//!
//! What this does not see: a server that crashed, lost numbers it had not written down, and gave them out again before the
//! next look. A listing finds what was saved with those.

use jiff::{SignedDuration, Timestamp};
use sea_query::Expr;

use super::reach::{Reach, Span};
use crate::store::schema::TimeColumn;
use crate::store::statement::Cell;

/// A session's age is a second more than its site's where the clock's second passed while it was saved. Such sessions come and go.
const NEXT: SignedDuration = SignedDuration::from_secs(1);

/// From when on other ages are asked for. One that needed no asking until now has been gone through a second less far.
pub(super) fn anew(reach: Reach) -> Timestamp {
    let since = reach.since();
    since.checked_sub(NEXT).unwrap_or(since)
}

/// What a look has seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// The lowest number that was not over.
    lowest: u64,
    /// From when on this look and those before it went, the last one first, and that number of each.
    looks: Vec<(Timestamp, u64)>,
    /// Since when the server has run: another server, or this one restored, counts for itself.
    server: Cell,
    /// Sessions of other ages it has not looked for.
    ages: Vec<SignedDuration>,
    /// Nor for what was saved after this moment.
    until: Timestamp,
}

impl Seen {
    /// What a look asks for, as a text and a moment of this column's kind.
    pub fn columns(like: &TimeColumn) -> [Expr; 2] {
        let began = match like.zone {
            None => "pg_postmaster_start_time()",
            Some(_) => "CAST(pg_postmaster_start_time() AS timestamp)",
        };
        [
            Expr::cust("CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text)"),
            Expr::cust(began),
        ]
    }

    /// The answer to that. None: the server does not say.
    pub fn told(row: &[Cell], ages: &[SignedDuration], until: Timestamp) -> Option<Self> {
        let [Cell::Text(lowest), server @ Cell::Int(_), ..] = row else {
            return None;
        };
        Some(Self {
            lowest: lowest.parse().ok()?,
            looks: Vec::new(),
            server: server.clone(),
            ages: ages.to_vec(),
            until,
        })
    }

    /// By a look that went back so far.
    pub(super) fn by_look(mut self, reach: Reach, before: Option<Self>) -> Self {
        let mut earlier = before.map_or_else(Vec::new, |seen| seen.looks);
        earlier.retain(|(from, _)| *from < reach.near);
        self.looks.push((reach.near, self.lowest));
        self.looks.append(&mut earlier);
        // No later look goes back further.
        let far = reach.settled().unwrap_or(reach.near);
        let enough = self.looks.iter().position(|(from, _)| *from <= far);
        self.looks.truncate(enough.map_or(usize::MAX, |at| at + 1));
        self
    }

    /// It has not asked for what was saved later.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether a look need not find again what this one has seen of sessions of that age.
    pub fn knows(&self, age: SignedDuration) -> bool {
        self.ages.contains(&age)
    }

    /// Of these ages those that this look knows, and those that are to be asked for anew. What is a second more than one of the
    /// first needs no asking: by their dates, it was saved a second later.
    pub fn known_of(&self, ages: &[SignedDuration]) -> (Vec<SignedDuration>, Vec<SignedDuration>) {
        let (known, mut other): (Vec<_>, Vec<_>) = ages.iter().partition(|age| self.knows(**age));
        other.retain(|age| !known.contains(&(*age - NEXT)));
        (known, other)
    }

    /// Whether this is the same server, later on.
    pub fn follows(&self, before: &Self) -> bool {
        self.server == before.server && self.lowest >= before.lowest
    }

    /// What was saved after this moment may have been committed since it was looked for last. None: no look that is remembered went
    /// back so far. Ages of numbers are compared, for a row's number has half the digits that the server counts with, and begins
    /// anew; a row too old for that passes as a new one.
    pub fn since(&self, from: Timestamp) -> Option<Expr> {
        let number = self.lowest_since(from)? & u64::from(u32::MAX);
        Some(Expr::cust_with_exprs(
            "age(xmin) <= (SELECT age(CAST(CAST($1 AS text) AS xid)))",
            [Expr::val(number.to_string())],
        ))
    }

    /// This span in parts, by how far the looks went that are remembered: what a later one has seen is told by a higher number.
    pub(super) fn parts(&self, (from, to): Span) -> Vec<Span> {
        let went = self.looks.iter().rev().map(|(went, _)| *went);
        let cuts = went.filter(|went| from < *went && *went < to);
        let begins: Vec<_> = std::iter::once(from).chain(cuts).collect();
        let ends = begins.iter().skip(1).copied().chain([to]);
        begins.iter().copied().zip(ends).collect()
    }

    fn lowest_since(&self, from: Timestamp) -> Option<u64> {
        let look = self.looks.iter().find(|(went, _)| *went <= from);
        look.map(|(_, lowest)| *lowest)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::reach::pieces;
    use super::*;

    fn told(lowest: &str, server: i64) -> Option<Seen> {
        let row = [Cell::Text(lowest.into()), Cell::Int(server), Cell::Int(3)];
        Seen::told(&row, &[SignedDuration::from_secs(1)], Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_look_follows_another_only_at_the_same_server() {
        let before = told("5000000000", 7).unwrap();
        assert!(told("5000000000", 7).unwrap().follows(&before));
        assert!(told("5000000001", 7).unwrap().follows(&before));
        assert!(!told("4999999999", 7).unwrap().follows(&before));
        assert!(!told("5000000001", 8).unwrap().follows(&before));
        assert_eq!(told("-", 7), None);
        assert_eq!(
            Seen::told(
                &[Cell::Null, Cell::Null, Cell::Int(3)],
                &[],
                Timestamp::UNIX_EPOCH
            ),
            None
        );
    }

    /// In tenths of a second.
    fn at(tenths: i64) -> Timestamp {
        Timestamp::from_millisecond(100_000 + 100 * tenths).unwrap()
    }

    /// One that is usual, one that sessions have whose second passed meanwhile, and another.
    const AGES: [SignedDuration; 3] = [
        SignedDuration::from_secs(10),
        SignedDuration::from_secs(11),
        SignedDuration::from_secs(30),
    ];

    /// A session's save: which age it has, when it was, when its transaction got its number, when it was committed.
    #[derive(Debug, Clone, Copy)]
    struct Save {
        age: usize,
        saved: i64,
        begun: i64,
        committed: i64,
    }

    impl Save {
        /// Whether its date says that it was saved within this span at one of these ages, whatever its own.
        fn within(&self, (from, to): Span, ages: &[SignedDuration]) -> bool {
            let date = at(self.saved) + AGES[self.age];
            ages.iter()
                .map(|age| date - *age)
                .any(|saved| from < saved && saved <= to)
        }
    }

    fn saves() -> impl Strategy<Value = Vec<Save>> {
        let save = (0_usize..3, 0_i64..600, 0_i64..=100, 0_i64..=100);
        let save = save.prop_map(|(age, saved, a, b)| Save {
            age,
            saved,
            begun: saved + a.min(b),
            committed: saved + a.max(b),
        });
        prop::collection::vec(save, 1..40)
    }

    /// A pause before a look, whether it meets a crowd, and what becomes of it.
    type Look = (i64, bool, u8);

    /// Which of these saves are handed over by some look, of those whose age looks ask for.
    fn handed_over(saves: &[Save], looks: impl IntoIterator<Item = Look>) -> Vec<Option<bool>> {
        // Numbers are given in the order of their beginning.
        let number = |save: &Save| 1 + save.begun as u64;
        let (mut last, mut settled) = (-1, None);
        let mut seen: Option<Seen> = None;
        let mut handed = vec![false; saves.len()];
        // From when on each age was asked for.
        let mut asked_since = [None; 3];
        let mut now = 0;
        let ends = [(1_000, false, 15); 2];
        for (pause, crowd, luck) in looks.into_iter().chain(ends) {
            now += pause;
            let before = seen.take();
            // Something is decided, or numbers do not tell.
            let before = before.filter(|_| luck != 0);
            let crowd = crowd && before.is_some();
            let reach = Reach::of(at(last), settled, crowd).unwrap();
            if luck == 1 {
                // The look fails.
                continue;
            }
            let asked = match luck {
                2 => &AGES[..1],
                3 => &AGES[..2],
                4 => &AGES[1..],
                _ => &AGES,
            };
            for (age, since) in AGES.iter().zip(&mut asked_since) {
                *since = since
                    .or(Some(reach.since()))
                    .filter(|_| asked.contains(age));
            }
            let (known, other) = match &before {
                Some(before) => before.known_of(asked),
                None => (Vec::new(), asked.to_vec()),
            };
            let until = at(1_000_000);
            let spans = reach.late.into_iter().chain([(reach.near, until)]);
            let spans: Vec<_> = spans
                .flat_map(|span| pieces(span, at(now), 3_000))
                .collect();
            let met = |save: &Save, span: Span| {
                before.as_ref().is_some_and(|seen| {
                    let new = |part: Span| {
                        let lowest = seen.lowest_since(part.0);
                        lowest.is_none_or(|lowest| number(save) >= lowest)
                    };
                    let mut parts = seen.parts(span).into_iter();
                    parts.any(|part| save.within(part, &known) && new(part))
                })
            };
            let statements = spans.len() as i64;
            for (n, span) in (0..).zip(spans) {
                for (save, handed) in saves.iter().zip(&mut handed) {
                    *handed |= save.committed <= now + n && met(save, span);
                }
            }
            let all = (anew(reach), until);
            for (save, handed) in saves.iter().zip(&mut handed) {
                *handed |= save.committed <= now && save.within(all, &other);
            }
            let open = saves.iter().filter(|save| save.committed > now);
            let lowest = open.map(number).chain([2 + now as u64]).min().unwrap();
            let mut this = told(&lowest.to_string(), 7).unwrap();
            this.ages = [known, other].concat();
            let this = this.by_look(reach, before);
            assert!(this.looks.len() <= 82);
            // As of the first of its statements.
            (seen, settled, last) = (Some(this), reach.settled(), now);
            now += statements - 1;
        }
        let each = saves.iter().zip(handed);
        each.map(|(save, handed)| {
            let since = asked_since[save.age]?;
            (at(save.saved) > since).then_some(handed)
        })
        .collect()
    }

    proptest! {
        /// Whatever the looks are like, whoever is committed within ten seconds is handed over, as long as looks ask for their age.
        #[test]
        fn what_is_late_is_handed_over_by_some_look(
            saves in saves(),
            looks in prop::collection::vec((1_i64..60, any::<bool>(), 0_u8..16), 30..60),
        ) {
            for (save, handed) in saves.iter().zip(handed_over(&saves, looks)) {
                prop_assert_ne!(handed, Some(false), "{:?}", save);
            }
        }
    }

    #[test]
    fn an_age_that_was_asked_for_with_another_is_handed_over_once_nobody_has_the_other() {
        let save = Save {
            age: 1,
            saved: 236,
            begun: 236,
            committed: 300,
        };
        // A crowd of which the second look knows the second age, then nobody of the first, then all again.
        let alone =
            [18, 55, 11, 29, 20, 39, 54, 43].map(|pause| (pause, [55, 43].contains(&pause), 2));
        let looks = alone.into_iter().chain([(1, true, 3), (1, false, 4)]);
        let looks = looks.chain([(1, false, 0); 20]);
        assert_eq!(handed_over(&[save], looks), [Some(true)]);
    }

    #[test]
    fn an_age_of_a_second_more_is_asked_for_with_the_other() {
        let seen = told("5", 7).unwrap();
        let of = |ages: &[i64]| {
            let ages = ages.iter().map(|age| SignedDuration::from_secs(*age));
            let (known, other) = seen.known_of(&ages.collect::<Vec<_>>());
            [known, other].map(|ages| ages.iter().map(SignedDuration::as_secs).collect::<Vec<_>>())
        };
        assert_eq!(of(&[1, 2, 3, 0]), [vec![1], vec![3, 0]]);
        // Where nobody has the other any more, nothing is asked for with it.
        assert_eq!(of(&[2]), [vec![], vec![2]]);
    }

    #[test]
    fn what_has_become_old_is_told_by_the_looks_that_have_seen_it() {
        let mut seen = None;
        for (n, last) in (1..).zip([0, 40, 80, 120]) {
            let reach = Reach::of(at(last), Some(at(last - 140)), n > 1).unwrap();
            seen = Some(told(&n.to_string(), 7).unwrap().by_look(reach, seen));
        }
        let seen = seen.unwrap();
        let parts = seen.parts((at(0), at(50)));
        assert_eq!(parts, [(at(0), at(30)), (at(30), at(50))]);
        let lowest = parts.iter().map(|part| seen.lowest_since(part.0));
        assert_eq!(lowest.collect::<Vec<_>>(), [Some(1), Some(2)]);
    }
}
