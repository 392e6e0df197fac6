//! Sessions that were saved since a moment, by their dates: each save moves the date to its own moment plus the
//! session's age, and the date is indexed.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use sea_query::{Cond, ExprTrait};

use super::{OVERLAP, SqlSessions};
use crate::error::Result;
use crate::store::{AGES, KeyRef, Sink, expr};

impl SqlSessions {
    /// Names the sessions saved since `last`, and hands over those of which their dates do not tell enough. A save that
    /// began before `last` may be committed after it, so dates are looked at from some seconds earlier on.
    pub(super) async fn read_touched(
        &self,
        last: Timestamp,
        now: Timestamp,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let (Ok(since), Ok(until)) = (last.checked_sub(OVERLAP), now.checked_add(OVERLAP)) else {
            return Ok(());
        };
        let ages: Vec<SignedDuration> = sink
            .ages()
            .into_iter()
            .take(AGES)
            .map(SignedDuration::from_secs)
            .collect();
        // Of no age at all, nobody asks.
        let Some(moved) = self.saved_within(since, until, now, &ages) else {
            return Ok(());
        };
        let mut query = self.select_dates();
        query.cond_where(moved);
        // Columns of the table's own may tell more.
        let own = self.whole_shape().len() > self.session_shape().len();
        let span = (!own).then_some((since, until));
        let saved = |key: KeyRef<'_>, expires| sink.saved(key, expires, span);
        let named = self.read_dates(&query, saved).await?;
        self.read_keys(&named.wanted, sink).await
    }

    /// Saved between these moments, at one of these ages, and not over. None: no date tells.
    fn saved_within(
        &self,
        since: Timestamp,
        until: Timestamp,
        now: Timestamp,
        ages: &[SignedDuration],
    ) -> Option<Cond> {
        let expires = &self.table.expires;
        // What is over stays over, however short its age.
        let over = expires.wall(now);
        let spans = ages.iter().filter_map(|age| {
            let from = expires.saved_after(since, *age)?.max(over);
            Some((from, expires.saved_by(until, *age)?))
        });
        let spans = joined(spans.collect());
        let d = self.dialect();
        let within = spans.into_iter().map(|(from, to)| {
            let from = self.expires().gt(expr::shown(d, expires, from));
            from.and(self.expires().lte(expr::shown(d, expires, to)))
        });
        let any = within.fold(Cond::any(), Cond::add);
        (!any.is_empty()).then_some(any)
    }
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
