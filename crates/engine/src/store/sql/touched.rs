//! Sessions that were saved since a moment, by their dates: each save moves the date to its own moment plus the
//! session's age, and the date is indexed.

mod answer;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use sea_query::{Cond, ExprTrait};

use self::answer::Found;
use super::listing::Course;
use super::reach::{Reach, Span, a_second, is_crowd, perhaps, pieces};
use super::seen::{Seen, anew};
use super::{OVERLAP, SOON, SqlSessions};
use crate::error::Result;
use crate::store::{AGES, Sink, expr};

/// How far the database's time may be from where it was expected.
const ABOUT: SignedDuration = SignedDuration::from_secs(5);

/// Of a larger table PostgreSQL takes a range whose ends it does not see for so large that it compiles a program for it at
/// each asking (`jit_above_cost`); a plan costs less. A span of each age counts for itself.
const UNSEEN: u64 = 2_000_000;

impl SqlSessions {
    /// Names the sessions saved since `last`, and hands over those of which their dates do not tell enough. A save that
    /// began before `last` may be committed after it, so dates are looked at from some seconds earlier on, or from where that is `settled`.
    /// Of an age that was asked for by the dates of another (`Seen::known_of`) that is a second less.
    pub(super) async fn read_touched(
        &self,
        last: Timestamp,
        settled: Option<Timestamp>,
        now: Timestamp,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let reach = Reach::of(last, settled, false);
        let (Some(since), Ok(until)) = (reach.map(|r| r.near), now.checked_add(OVERLAP)) else {
            return Ok(());
        };
        let ages = ages(sink);
        let mut many = 0;
        for span in pieces((since, until), now, self.busy()) {
            if let Some(saved) = self.saved_within(span, now, &ages, None) {
                let query = self.select_touched(saved);
                let found = Found::Rows(self.db.rows(&query, &self.dates_shape()).await?);
                many += self.take_touched(found, span, sink).await?;
            }
        }
        self.set_busy(a_second(many, now.duration_since(since)));
        Ok(())
    }

    /// The database's time, and what [`Self::read_touched`] finds, by one statement where not very many were saved: a trip
    /// costs more than what is asked for. Where the server's own numbers tell, what the last look has seen is not handed over again. None, and
    /// nothing done, where it is not `about` the time that it was expected to be.
    pub(super) async fn now_and_touched(
        &self,
        last: Timestamp,
        about: Timestamp,
        course: &mut Course,
        sink: &mut dyn Sink,
    ) -> Result<Option<Timestamp>> {
        let ages = ages(sink);
        let rows = course.numbered.then_some(course.rows);
        let before = course.seen.take().filter(|_| course.numbered);
        let before = before.filter(|seen| ages.iter().any(|age| seen.knows(*age)));
        // After a long while it goes back for all, which is not much more.
        let soon_after = about.duration_since(last) <= OVERLAP;
        let crowd =
            before.is_some() && soon_after && is_crowd(self.busy(), course.settled.is_some());
        let (Some(reach), Ok(until)) = (
            Reach::of(last, course.settled, crowd),
            about.checked_add(OVERLAP),
        ) else {
            return Ok(None);
        };
        let (known, other) = match &before {
            Some(before) => before.known_of(&ages),
            None => (Vec::new(), ages),
        };
        let within = |span, ages: &[SignedDuration]| self.saved_within(span, last, ages, rows);
        let in_pieces = |span| {
            let busy = std::cmp::max(self.busy(), perhaps(span, about));
            pieces(span, about, busy)
        };
        let mut asks: Vec<(Cond, Span)> = Vec::new();
        if let Some(before) = &before {
            let spans = reach.late.into_iter().chain([(reach.near, until)]);
            let new = |span| Some((not_seen(before, span, &known, within)?, span));
            asks.extend(spans.flat_map(in_pieces).filter_map(new));
        }
        // Of other ages the look before has seen none.
        let all = (anew(reach), until);
        let others = in_pieces(all).into_iter();
        let mut others: Vec<_> = others
            .filter_map(|span| Some((within(span, &other)?, span)))
            .collect();
        match (asks.as_mut_slice(), others.as_slice()) {
            // A trip costs more than what is asked for.
            ([(saved, span)], [(other, _)]) => {
                *saved = Cond::any().add(saved.clone()).add(other.clone());
                *span = all;
            }
            _ => asks.append(&mut others),
        }
        let asked_for = [known, other].concat();
        // An array is whole in the server's memory, a list in SQLite's; after a long while it would be a long one.
        let soon = about.duration_since(last) <= SOON;
        let mut first = None;
        let mut many = 0;
        for (saved, span) in asks {
            let Some((told, now, found)) = self.ask(saved, soon, course).await? else {
                return Ok(None);
            };
            if first.is_none() {
                let seen = Seen::told(&told, &asked_for, until);
                let follows = |before: &Seen| seen.as_ref().is_some_and(|s| s.follows(before));
                let elsewhere = before.as_ref().is_some_and(|before| !follows(before));
                if elsewhere || now.duration_since(about).abs() > ABOUT {
                    return Ok(None);
                }
                first = Some((seen, now));
            }
            many += self.take_touched(found, span, sink).await?;
        }
        // As of the first of them: what was committed since then is still to be found.
        let Some((seen, now)) = first else {
            return Ok(None);
        };
        let since = before.as_ref().map_or(reach.since(), |_| last);
        self.set_busy(a_second(many, now.duration_since(since)));
        // Only now: what could not be taken in has to come again.
        course.seen = seen.map(|seen| seen.by_look(reach, before));
        course.settled = reach.settled();
        Ok(Some(now))
    }

    /// Saved between these moments, at one of these ages, and not over by `over`. None: no date tells. `rows` is about what
    /// a table of PostgreSQL's own holds.
    fn saved_within(
        &self,
        (since, until): Span,
        over: Timestamp,
        ages: &[SignedDuration],
        rows: Option<u64>,
    ) -> Option<Cond> {
        let expires = &self.table.expires;
        // What is over stays over, however short its age.
        let over = expires.wall(over);
        let spans = ages.iter().filter_map(|age| {
            let from = expires.saved_after(since, *age)?.max(over);
            Some((from, expires.saved_by(until, *age)?))
        });
        let spans = joined(spans.collect());
        let d = self.dialect();
        let many = spans.len() as u64;
        let unseen = rows.is_some_and(|rows| rows.saturating_mul(many) <= UNSEEN);
        let shown = match unseen {
            true => expr::shown_unseen,
            false => expr::shown,
        };
        let within = spans.into_iter().map(|(from, to)| {
            let from = self.expires().gt(shown(d, expires, from));
            from.and(self.expires().lte(shown(d, expires, to)))
        });
        let any = within.fold(Cond::any(), Cond::add);
        (!any.is_empty()).then_some(any)
    }
}

/// Saved within this span at one of these ages, all of which the look before knew, and not seen by it.
fn not_seen(
    before: &Seen,
    span: Span,
    known: &[SignedDuration],
    within: impl Fn(Span, &[SignedDuration]) -> Option<Cond>,
) -> Option<Cond> {
    let saved = within(span, known)?;
    let parts = before.parts(span);
    let several = parts.len() > 1;
    // Where no look that is remembered went so far, there is no condition, which all of the part meets.
    let new = parts.into_iter().map(|part| {
        let new = Cond::all().add_option(before.since(part.0));
        new.add_option(several.then(|| within(part, known)).flatten())
    });
    let new = new.fold(Cond::any(), Cond::add);
    // A web server's clock may be ahead of the database's: such a save was not asked for when it was committed.
    let ahead = within((before.until().max(span.0), span.1), known);
    Some(Cond::all().add(saved).add(new.add_option(ahead)))
}

/// The ages that are looked for.
fn ages(sink: &mut dyn Sink) -> Vec<SignedDuration> {
    let ages = sink.ages().into_iter().take(AGES);
    ages.map(SignedDuration::from_secs).collect()
}

/// Spans that overlap as one: a session's age is often taken for a second less.
fn joined(mut spans: Vec<(DateTime, DateTime)>) -> Vec<(DateTime, DateTime)> {
    spans.retain(|(from, to)| from < to);
    spans.sort_unstable();
    let mut all: Vec<(DateTime, DateTime)> = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        match all.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => all.push((from, to)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use sea_query::{Expr, Query};

    use super::*;

    /// A part of a span that no look has seen is told by no condition, and shall be found whole.
    #[test]
    fn no_condition_is_met_by_all() {
        let ahead = Expr::cust("ahead");
        let all = Cond::any().add(Cond::all().add_option(None::<Expr>));
        let mut query = Query::select();
        query.expr(Expr::val(1)).cond_where(all.add(ahead));
        let text = query.to_string(sea_query::PostgresQueryBuilder);
        assert_eq!(text, "SELECT 1 WHERE TRUE OR (ahead)");
    }

    #[test]
    fn spans_that_overlap_are_one() {
        let at = |hour| jiff::civil::date(2026, 11, 23).at(hour, 0, 0, 0);
        let spans = [(5, 7), (1, 3), (2, 4), (4, 5), (9, 9), (12, 11)];
        let spans = spans.map(|(from, to)| (at(from), at(to))).to_vec();
        assert_eq!(joined(spans), [(at(1), at(7))]);
        assert_eq!(
            joined(vec![(at(1), at(2)), (at(3), at(4))]),
            [(at(1), at(2)), (at(3), at(4))]
        );
    }
}
