//! Sessions that were saved since a moment, by their dates: each save moves the date to its own moment plus the
//! session's age, and the date is indexed.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sea_query::{Cond, Expr, ExprTrait, Query, SelectStatement, UnionType};
use zeroize::Zeroizing;

use super::arrays::elements;
use super::listing::Course;
use super::reach::{Reach, Span, a_second, is_crowd, perhaps, pieces};
use super::seen::{Seen, anew};
use super::{KEY, OVERLAP, SOON, SqlSessions};
use crate::error::{Code, Result};
use crate::store::schema::Dialect;
use crate::store::statement::{Cell, Read, field};
use crate::store::{AGES, KeyRef, SessionKey, Sink, expr};

/// How far the database's time may be from where it was expected.
const ABOUT: SignedDuration = SignedDuration::from_secs(5);

/// Of a larger table PostgreSQL takes a range whose ends it does not see for so large that it compiles a program for it at
/// each asking (`jit_above_cost`); a plan costs less. A span of each age counts for itself.
const UNSEEN: u64 = 2_000_000;

/// Keys and dates, as a statement returned them.
enum Found {
    Rows(Vec<Vec<Cell>>),
    /// PostgreSQL's, in its binary form.
    Arrays {
        keys: Zeroizing<Vec<u8>>,
        dates: Vec<u8>,
    },
}

/// What was asked for beside them, the time, and those.
type Answer = (Vec<Cell>, Timestamp, Found);

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
        // An array is whole in the server's memory; after a long while it would be a long one.
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

    /// The time, what the server's numbers tell, and what was saved so. None: it does not let them be asked for, or tells no
    /// time.
    async fn ask(&self, saved: Cond, soon: bool, course: &mut Course) -> Result<Option<Answer>> {
        let touched = self.select_touched(saved);
        let asked = match course.numbered {
            true => Seen::columns(&self.table.expires),
            false => ["NULL", "NULL"].map(Expr::cust),
        };
        let answer = match self.dialect() {
            Dialect::Postgres if soon => self.as_arrays(asked, touched).await,
            _ => self.as_rows(asked, touched).await,
        };
        match answer {
            Err(error)
                if course.numbered && matches!(error.code, Code::Database | Code::Denied) =>
            {
                tracing::warn!(%error, "what was saved is found by its dates alone");
                (course.numbered, course.no_numbers) = (false, true);
                Ok(None)
            }
            answer => answer,
        }
    }

    /// Keys and dates of what was saved so.
    fn select_touched(&self, saved: Cond) -> SelectStatement {
        let d = self.dialect();
        Query::select()
            .expr_as(expr::text(d, expr::col(KEY)), "key")
            .expr_as(expr::time(d, &self.table.expires), "date")
            .from(expr::table(&self.table.table))
            .cond_where(saved)
            .to_owned()
    }

    /// What is asked for beside them, the time, and the sessions.
    async fn as_rows(&self, asked: [Expr; 2], touched: SelectStatement) -> Result<Option<Answer>> {
        let [text, moment] = self.dates_shape();
        let mut query = Query::select()
            .exprs(asked)
            .expr(expr::now(self.dialect()))
            .to_owned();
        let no_time = Expr::cust("NULL");
        query.union(UnionType::All, touched.to_owned().expr(no_time).to_owned());
        let mut rows = self.db.rows(&query, &[text, moment, moment]).await?;
        let clock = |row: &Vec<Cell>| row.get(2).and_then(|cell| cell.time(&TimeZone::UTC));
        let Some(at) = rows.iter().position(|row| clock(row).is_some()) else {
            return Ok(None);
        };
        let told = rows.swap_remove(at);
        Ok(clock(&told).map(|now| (told, now, Found::Rows(rows))))
    }

    /// As [`Self::as_rows`], all in one row.
    async fn as_arrays(
        &self,
        asked: [Expr; 2],
        touched: SelectStatement,
    ) -> Result<Option<Answer>> {
        let [text, moment] = self.dates_shape();
        // As of its begin, for the arrays are full before the row is made.
        let query = Query::select()
            .exprs(asked)
            .expr(Expr::cust("statement_timestamp()"))
            .expr(Expr::cust("array_agg(saved.key)"))
            .expr(Expr::cust("array_agg(saved.date)"))
            .from_subquery(touched, "saved")
            .to_owned();
        let shape = [text, moment, moment, Read::Bytes, Read::Bytes];
        let row = self.db.rows(&query, &shape).await?.pop();
        let mut cells = row.unwrap_or_default();
        let dates = cells.pop().map(Cell::bytes).unwrap_or_default();
        let keys = Zeroizing::new(cells.pop().map(Cell::bytes).unwrap_or_default());
        let now = cells.pop().and_then(|cell| cell.time(&TimeZone::UTC));
        Ok(now.map(|now| (cells, now, Found::Arrays { keys, dates })))
    }

    /// Says how many they are.
    async fn take_touched(&self, found: Found, span: Span, sink: &mut dyn Sink) -> Result<usize> {
        // Columns of the table's own may tell more.
        let own = self.whole_shape().len() > self.session_shape().len();
        let span = (!own).then_some(span);
        let (many, wanted) = match found {
            Found::Rows(rows) => {
                let named: Vec<_> = rows
                    .into_iter()
                    .filter_map(|row| self.key_and_date(row))
                    .collect();
                let lent = named.iter().map(|(key, date)| (key.lend(), *date));
                (named.len(), which(lent.collect(), span, sink))
            }
            Found::Arrays { keys, dates } => {
                let texts =
                    elements(&keys).map(|key| String::from_utf8_lossy(key.unwrap_or_default()));
                let texts: Vec<_> = texts.collect();
                let dates = elements(&dates).map(|date| self.expiry(&field(date, Read::Moment)));
                let lent = texts.iter().zip(dates);
                let lent = lent.map(|(key, date)| (KeyRef::new(key), date));
                (texts.len(), which(lent.collect(), span, sink))
            }
        };
        self.read_keys(&wanted, sink).await?;
        Ok(many)
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

/// Those of them that are asked for whole.
fn which(
    found: Vec<(KeyRef<'_>, Timestamp)>,
    within: Option<Span>,
    sink: &mut dyn Sink,
) -> Vec<SessionKey> {
    let wanted = sink.saved(&found, within).into_iter();
    let wanted = wanted.filter_map(|place| found.get(place));
    wanted.map(|(key, _)| key.to_key()).collect()
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
