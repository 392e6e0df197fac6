//! Which rows were committed since a look, by PostgreSQL's own numbers: each row bears that of the transaction that wrote
//! it, and whoever looks sees no row of a transaction that was not over, nor of any later one.
//!
//! A busy site saves thousands of sessions in the seconds that each look goes back for those that were committed late:
//! by their numbers they are handed over once. A look by which something is decided goes back for all of them (`Mark::freshen`).
//!
//! Where there are thousands, a look goes back for little more than what was saved since the last one, and once more for each
//! once it is ten seconds old. What is late by more than two seconds, by a web server's clock that is behind say, is seen then.
//!
//! What this does not see: a server that crashed, lost numbers it had not written down, and gave them out again before the
//! next look. A listing finds what was saved with those.

use jiff::{SignedDuration, Timestamp};
use sea_query::Expr;

use super::OVERLAP;
use crate::store::CROWD;
use crate::store::schema::TimeColumn;
use crate::store::statement::Cell;

/// How late a save is committed, nearly always: where there is a crowd, so far does a look go back for all of it.
const NEAR: SignedDuration = SignedDuration::from_secs(2);

/// What a look has seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// The lowest number that was not over.
    lowest: u64,
    /// From when on this look and those before it went, the last one first, and that number of each.
    looks: Vec<(Timestamp, u64)>,
    /// Sessions that it handed over.
    many: usize,
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
            many: 0,
            server: server.clone(),
            ages: ages.to_vec(),
            until,
        })
    }

    /// By a look that went back so far, and handed over so many.
    pub(super) fn by_look(mut self, reach: Reach, many: usize, before: Option<Self>) -> Self {
        let mut earlier = before.map_or_else(Vec::new, |seen| seen.looks);
        // Where it goes back further than the last one did, what that had handed over comes again.
        let again = earlier.first().is_some_and(|(from, _)| reach.near < *from);
        self.many = if again { 0 } else { many };
        earlier.retain(|(from, _)| *from < reach.near);
        self.looks.push((reach.near, self.lowest));
        self.looks.append(&mut earlier);
        // No later look goes back further.
        let far = reach.settled().unwrap_or(reach.near);
        let enough = self.looks.iter().position(|(from, _)| *from <= far);
        self.looks.truncate(enough.map_or(usize::MAX, |at| at + 1));
        self
    }

    /// There were so many that the next look had better not go back for all of them.
    pub fn is_crowd(&self) -> bool {
        self.many >= CROWD
    }

    /// It has not asked for what was saved later.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether a look need not find again what this one has seen of sessions of that age.
    pub fn knows(&self, age: SignedDuration) -> bool {
        self.ages.contains(&age)
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

    fn lowest_since(&self, from: Timestamp) -> Option<u64> {
        let look = self.looks.iter().find(|(went, _)| *went <= from);
        look.map(|(_, lowest)| *lowest)
    }
}

/// How far back a look goes for what was saved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// For all of it,
    pub near: Timestamp,
    /// and once more for what was saved from when to when.
    pub late: Option<(Timestamp, Timestamp)>,
}

impl Reach {
    /// After a look at this time, and one at a crowd that left what is not `settled`.
    pub fn of(last: Timestamp, settled: Option<Timestamp>, crowd: bool) -> Option<Self> {
        let over = last.checked_sub(OVERLAP).ok()?;
        let since = settled.map_or(over, |settled| settled.min(over));
        Some(match crowd {
            true => Self {
                near: last.checked_sub(NEAR).ok()?,
                late: Some((since, over)),
            },
            false => Self {
                near: since,
                late: None,
            },
        })
    }

    /// The furthest.
    pub fn since(&self) -> Timestamp {
        self.late.map_or(self.near, |(since, _)| since)
    }

    /// Since when what it has left out has to be looked for.
    pub fn settled(&self) -> Option<Timestamp> {
        self.late.map(|(_, settled)| settled)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

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

    /// A session's save: whether its age is the rare one, when it was by its date, when its transaction got its number, when it
    /// was committed.
    #[derive(Debug, Clone, Copy)]
    struct Save {
        rare: bool,
        dated: i64,
        begun: i64,
        committed: i64,
    }

    fn saves() -> impl Strategy<Value = Vec<Save>> {
        let save = (any::<bool>(), 0_i64..600, 0_i64..=100, 0_i64..=100);
        let save = save.prop_map(|(rare, dated, a, b)| Save {
            rare,
            dated,
            begun: dated + a.min(b),
            committed: dated + a.max(b),
        });
        prop::collection::vec(save, 1..40)
    }

    proptest! {
        /// Whatever the looks are like, whoever is committed within ten seconds is handed over; of the rare age, as long as looks
        /// ask for that.
        #[test]
        fn what_is_late_is_handed_over_by_some_look(
            saves in saves(),
            looks in prop::collection::vec((1_i64..60, any::<bool>(), 0_u8..12), 30..60),
        ) {
            let ages = [1, 2].map(SignedDuration::from_secs);
            // Numbers are given in the order of their beginning.
            let number = |save: &Save| 1 + save.begun as u64;
            let (mut last, mut settled) = (-1, None);
            let mut seen: Option<Seen> = None;
            let mut handed = vec![false; saves.len()];
            // From when on the rare age was asked for.
            let mut rare_since = None;
            let mut now = 0;
            let ends = [(1_000, false, 11); 2];
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
                    2 => &ages[..1],
                    _ => &ages,
                };
                rare_since = rare_since
                    .or(Some(reach.since()))
                    .filter(|_| asked.contains(&ages[1]));
                let met = |save: &Save, from: Timestamp| {
                    let lowest = before.as_ref().and_then(|seen| seen.lowest_since(from));
                    at(save.dated) > from && lowest.is_none_or(|lowest| number(save) >= lowest)
                };
                for (save, handed) in saves.iter().zip(&mut handed) {
                    let age = ages[usize::from(save.rare)];
                    let found = if before.as_ref().is_some_and(|seen| seen.knows(age)) {
                        let late = reach.late.is_some_and(|(since, until)| {
                            at(save.dated) <= until && met(save, since)
                        });
                        met(save, reach.near) || late
                    } else {
                        at(save.dated) > reach.since()
                    };
                    *handed |= save.committed <= now && asked.contains(&age) && found;
                }
                let open = saves.iter().filter(|save| save.committed > now);
                let lowest = open.map(number).chain([2 + now as u64]).min().unwrap();
                let mut this = told(&lowest.to_string(), 7).unwrap();
                this.ages = asked.to_vec();
                let this = this.by_look(reach, 0, before);
                prop_assert!(this.looks.len() <= 82);
                (seen, settled, last) = (Some(this), reach.settled(), now);
            }
            for (save, handed) in saves.iter().zip(handed) {
                let asked_for = rare_since.is_some_and(|since| at(save.dated) > since);
                prop_assert!(handed || save.rare && !asked_for, "{save:?}");
            }
        }
    }

    #[test]
    fn a_look_that_finds_again_what_another_had_found_tells_of_no_crowd() {
        let quiet = Reach::of(at(0), None, false).unwrap();
        let seen = told("1", 7).unwrap().by_look(quiet, CROWD, None);
        assert!(seen.is_crowd());
        let near = Reach::of(at(40), None, true).unwrap();
        let seen = told("2", 7).unwrap().by_look(near, CROWD, Some(seen));
        assert!(seen.is_crowd());
        let quiet = Reach::of(at(80), near.settled(), false).unwrap();
        let seen = told("3", 7).unwrap().by_look(quiet, CROWD, Some(seen));
        assert!(!seen.is_crowd());
        let quiet = Reach::of(at(120), None, false).unwrap();
        let seen = told("4", 7).unwrap().by_look(quiet, CROWD, Some(seen));
        assert!(seen.is_crowd());
    }
}
