//! Every session of a table, whole: a site's first look.
//!
//! PostgreSQL's tables are read block by block, by several hands; SQLite's by the numbers of their rows, others' along
//! the key.

use jiff::{SignedDuration, Timestamp};
use sea_query::ExprTrait;
use tokio::time::Instant;

use super::SqlSessions;
use super::copy::{Steps, copy, copy_to};
use super::crew::{Crew, Hand};
use super::listing::Course;
use super::numbered::{After, Step};
use super::stream::{Fields, Rows};
use super::stride::{BlockStride, KeyStride, WHOLE, rest_after};
use crate::error::{Code, Error, Result};
use crate::store::key::KeyRef;
use crate::store::pace::Share;
use crate::store::statement::{Read, field};
use crate::store::{DataRef, Helper, Mark, SessionRef, SessionRow, Sink};

impl SqlSessions {
    /// Every usable session, whole.
    pub(super) async fn read_all(
        &self,
        now: Timestamp,
        mark: &mut Mark,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let meter = self.db.meter();
        mark.course.place = None;
        sink.listing_begins();
        if !self.read_blocks(now, mark, sink).await? && !self.read_by_number(now, sink).await? {
            self.read_from(After::Key(None), now, sink).await?;
        }
        sink.listing_done();
        mark.course.blocks = BlockStride::default();
        mark.listed = mark.as_of.or(Some(now));
        mark.whole = false;
        mark.listing
            .took_all(meter.cost(), Share::Listing, Instant::now());
        Ok(())
    }

    /// Every usable session, as the table lies on the disk; false where that is not possible.
    async fn read_blocks(
        &self,
        now: Timestamp,
        mark: &mut Mark,
        sink: &mut dyn Sink,
    ) -> Result<bool> {
        let began = Instant::now();
        let Some(size) = self.size(mark).await? else {
            return Ok(false);
        };
        match self.copy_blocks(now, size.blocks, mark, sink).await {
            // Others speak PostgreSQL's language, and do not keep their tables in blocks.
            Err(error) if error.code == Code::Database => {
                tracing::warn!(%error, "the table is read along its key");
                (mark.course.no_blocks, mark.course.numbered) = (true, false);
                return Ok(false);
            }
            copied => copied?,
        }
        // A row that is saved moves to another block, maybe to one that was read before.
        let took = SignedDuration::try_from(began.elapsed()).unwrap_or_default();
        let since = now.checked_add(took).unwrap_or(now);
        self.read_touched(now, None, since, sink).await?;
        Ok(true)
    }

    /// Every usable session, as the table lies in its file; false where not all are sure to be met.
    async fn read_by_number(&self, now: Timestamp, sink: &mut dyn Sink) -> Result<bool> {
        let Some(before) = self.numbering().await? else {
            return Ok(false);
        };
        self.read_from(After::Number(None), now, sink).await?;
        Ok(self.numbering().await? == Some(before))
    }

    /// By as many hands as the sink has.
    async fn copy_blocks(
        &self,
        now: Timestamp,
        blocks: u32,
        mark: &mut Mark,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let shape = self.whole_shape();
        let (mut crew, mut steps) = (None, Steps::of(&self.db, blocks, &mut mark.course.blocks));
        while let Some(step) = steps.next() {
            let mut query = self.select_sessions();
            query.and_where(self.expires().gt(self.moment(now)));
            step.bound(&mut query);
            crew = crew.or_else(|| {
                Crew::of(|| {
                    Some(Reading {
                        sessions: self.clone(),
                        shape: shape.clone(),
                        helper: sink.helper()?,
                    })
                })
            });
            let copied = match &mut crew {
                Some(crew) => copy_to(&self.db, &query, crew).await,
                None => {
                    let take =
                        |fields: &Fields<'_>| self.hand_over(fields, &shape, |row| sink.take(row));
                    copy(&self.db, &query, take).await
                }
            };
            if let (Err(_), Some(crew)) = (&copied, &mut crew) {
                // What its hands hold of the broken copy is taken in first.
                crew.rest().await?;
            }
            steps.done(copied).await?;
        }
        Ok(())
    }

    /// A row that was copied.
    fn hand_over(&self, fields: &Fields<'_>, shape: &[Read], take: impl FnOnce(SessionRef<'_>)) {
        let [Some(key), data, expires, own @ ..] = fields.as_slice() else {
            return;
        };
        let key = String::from_utf8_lossy(key);
        let own = own.iter().zip(shape.iter().skip(3));
        let extra = self.own(own.map(|(bytes, read)| field(*bytes, *read)));
        take(SessionRef {
            key: KeyRef::new(&key),
            data: DataRef::Encoded(data.unwrap_or_default()),
            expires: self.expiry(&field(*expires, Read::Moment)),
            saved: None,
            extra: extra.as_deref(),
        });
    }

    /// Every usable session, along whatever tells where a step begins. The next one is read while this one is taken in, by
    /// as many hands as the sink has.
    async fn read_from(&self, place: After, now: Timestamp, sink: &mut dyn Sink) -> Result<()> {
        let mut crew = Crew::of(|| sink.helper().map(Taking));
        let mut stride = Course::default().keys;
        let mut meter = self.db.meter();
        let mut step = self.fitting_step(now, place, &mut stride).await?;
        while let Some(next) = step.next {
            stride.fit(meter.cost(), WHOLE);
            rest_after(meter.cost()).await;
            meter = self.db.meter();
            let (sessions, mut fitting) = (self.clone(), stride);
            let reading = tokio::spawn(async move {
                let step = sessions.fitting_step(now, next, &mut fitting).await;
                (step, fitting)
            });
            take_in(step.rows, crew.as_mut(), sink).await?;
            let (read, fitted) = reading.await.map_err(|_| broke_off())?;
            (step, stride) = (read?, fitted);
        }
        take_in(step.rows, crew.as_mut(), sink).await
    }

    /// A step, made again smaller if the server ended it at its deadline.
    async fn fitting_step(
        &self,
        now: Timestamp,
        after: After,
        stride: &mut KeyStride,
    ) -> Result<Step> {
        loop {
            match self.step(now, after.clone(), stride.size()).await {
                Err(error) if stride.shrinks_after(&error) => {}
                step => return step,
            }
        }
    }

    async fn step(&self, now: Timestamp, after: After, size: u32) -> Result<Step> {
        match after {
            After::Key(after) => {
                let mut query = self.select_sessions();
                self.along_the_key(&mut query, now, after.as_ref(), size);
                let rows = self.session_rows(&query).await?;
                let last = rows.last().map(|row| row.key.clone());
                let next = last.filter(|_| rows.len() >= size as usize);
                let next = next.map(|key| After::Key(Some(key)));
                Ok(Step { rows, next })
            }
            After::Number(after) => self.numbered(now, after, size).await,
        }
    }
}

/// One of those that read copied rows.
struct Reading {
    sessions: SqlSessions,
    shape: Vec<Read>,
    helper: Box<dyn Helper>,
}

impl Hand for Reading {
    type Rows = Rows;

    fn take(&mut self, rows: Rows) {
        let (sessions, helper) = (&self.sessions, &mut self.helper);
        rows.each(|fields| sessions.hand_over(fields, &self.shape, |row| helper.take(row)));
    }

    fn flush(&mut self) {
        self.helper.flush();
    }
}

/// One of those that take in what was read row by row.
struct Taking(Box<dyn Helper>);

impl Hand for Taking {
    type Rows = Vec<SessionRow>;

    fn take(&mut self, rows: Self::Rows) {
        rows.iter().for_each(|row| self.0.take(row.lend()));
    }

    fn flush(&mut self) {
        self.0.flush();
    }
}

/// All of a step, before anything of the next: a row that comes again is taken in again.
async fn take_in(
    mut rows: Vec<SessionRow>,
    crew: Option<&mut Crew<Taking>>,
    sink: &mut dyn Sink,
) -> Result<()> {
    let Some(crew) = crew else {
        rows.into_iter().for_each(|row| sink.session(row));
        return Ok(());
    };
    let share = rows.len().div_ceil(crew.size()).max(1);
    while !rows.is_empty() {
        let rest = rows.len().saturating_sub(share);
        crew.give(rows.split_off(rest)).await?;
    }
    crew.rest().await
}

fn broke_off() -> Error {
    let text = "a statement broke off; look again in a moment";
    Error::new(Code::Database, text)
}
