//! The keys and dates of all sessions of a table, a step at a time and no more of them than their cost allows. That
//! finds what no range of dates does: what was deleted, and what was saved with a date that stays.
//!
//! PostgreSQL's tables are read block by block, other databases' along the key.

use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Alias, ExprTrait, Order, Query, SelectStatement};
use tokio::time::Instant;

use super::copy::{Blocks, Size, copy, size};
use super::seen::Seen;
use super::stride::{BlockStride, KeyStride, WHOLE, rest_after};
use super::{KEY, OVERLAP, SqlSessions};
use crate::error::Result;
use crate::store::key::{KeyRef, SessionKey};
use crate::store::pace::Share;
use crate::store::statement::{Cell, Read, field};
use crate::store::{Mark, Sink, expr};

/// What a step may cost where a look lists a part.
const PART: Duration = Duration::from_millis(10);

/// A listing's way through a table, from look to look.
#[derive(Default)]
pub(crate) struct Course {
    pub(super) place: Option<Place>,
    /// When the listing that is under way began.
    began: Option<Timestamp>,
    /// The server counts its table in blocks, and does not read by them.
    pub(super) no_blocks: bool,
    /// Rows bear the numbers of their transactions.
    pub(super) numbered: bool,
    /// They would, and the server does not let them be asked for.
    pub(super) no_numbers: bool,
    /// How many rows the table has, about.
    pub(super) rows: u64,
    /// What the last look has seen, by those.
    pub(in crate::store) seen: Option<Seen>,
    /// From when on saves may have been committed late that no look has gone back for: as far as the next one goes by
    /// itself, where none.
    pub(super) settled: Option<Timestamp>,
    pub(super) blocks: BlockStride,
    pub(super) keys: KeyStride,
}

/// What comes next.
#[derive(Clone)]
pub(super) enum Place {
    /// This block, and so many there are.
    Block(u32, u32),
    /// What comes after this key.
    After(Option<SessionKey>),
}

impl Course {
    /// As of when all was looked for that may have been saved before the time of the last look.
    pub(in crate::store) fn covered(&self, last: Timestamp) -> Timestamp {
        let settled = self.settled.and_then(|at| at.checked_add(OVERLAP).ok());
        settled.map_or(last, |settled| settled.min(last))
    }
}

impl SqlSessions {
    /// How large the table is. None: it is not read by its blocks.
    pub(super) async fn size(&self, mark: &mut Mark) -> Result<Option<Size>> {
        let size = match mark.course.no_blocks {
            true => None,
            false => size(&self.db, &self.table.table).await?,
        };
        // What lies in blocks of its own are rows as PostgreSQL writes them.
        mark.course.numbered = size.is_some() && !mark.course.no_numbers;
        mark.course.rows = size.as_ref().map_or(0, |size| size.rows);
        Ok(size)
    }

    pub(super) fn along_the_key(
        &self,
        query: &mut SelectStatement,
        now: Timestamp,
        after: Option<&SessionKey>,
        size: u32,
    ) {
        query
            .and_where(self.expires().gt(self.moment(now)))
            .order_by(Alias::new(KEY), Order::Asc)
            .limit(u64::from(size));
        if let Some(key) = after {
            query.and_where(expr::col(KEY).gt(key.expose()));
        }
    }

    /// Keys and dates: all of them where the look is to leave nothing out; else a step, where one is due.
    pub(super) async fn list(
        &self,
        now: Timestamp,
        mark: &mut Mark,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let whole = std::mem::take(&mut mark.whole);
        if !whole && !mark.listing.due(Instant::now()) {
            return Ok(());
        }
        let listed = self.list_steps(now, mark, whole, sink).await;
        // What was to be whole and failed is still to be done.
        mark.whole |= whole && listed.is_err();
        listed
    }

    async fn list_steps(
        &self,
        now: Timestamp,
        mark: &mut Mark,
        whole: bool,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        if whole {
            mark.course.place = None;
        }
        let meter = self.db.meter();
        let mut place = match mark.course.place.take() {
            Some(place) => place,
            None => {
                sink.listing_begins();
                mark.course.began = mark.as_of.or(Some(now));
                match self.size(mark).await? {
                    Some(size) => Place::Block(0, size.blocks),
                    None => Place::After(None),
                }
            }
        };
        let aim = if whole { WHOLE } else { PART };
        loop {
            let step = self.db.meter();
            let next = match &place {
                Place::Block(from, blocks) => {
                    let these = Blocks::step(*from, mark.course.blocks.size(), *blocks);
                    match self.list_blocks(now, these, sink).await {
                        Err(error) if mark.course.blocks.shrinks_after(&error) => continue,
                        listed => listed?,
                    }
                    these.next().map(|next| Place::Block(next, *blocks))
                }
                Place::After(key) => {
                    let size = mark.course.keys.size();
                    let last = match self.list_keys(now, key.as_ref(), size, sink).await {
                        Err(error) if mark.course.keys.shrinks_after(&error) => continue,
                        last => last?,
                    };
                    last.map(|key| Place::After(Some(key)))
                }
            };
            let cost = step.cost();
            match (next, &place) {
                (Some(next), Place::Block(..)) => {
                    mark.course.blocks.fit(cost, aim);
                    place = next;
                }
                (Some(next), Place::After(_)) => {
                    mark.course.keys.fit(cost, aim);
                    place = next;
                }
                (None, ended) => {
                    if matches!(ended, Place::Block(..)) {
                        self.look_for_unnamed(now, sink).await?;
                    }
                    sink.listing_done();
                    mark.listed = mark.course.began;
                    break;
                }
            }
            if !whole {
                mark.course.place = Some(place);
                break;
            }
            rest_after(cost).await;
        }
        let (cost, now) = (meter.cost(), Instant::now());
        match whole {
            true => mark.listing.took_all(cost, Share::Listing, now),
            false => mark.listing.took(cost, Share::Listing, now),
        }
        Ok(())
    }

    /// Keys and dates.
    pub(super) fn select_dates(&self) -> SelectStatement {
        let d = self.dialect();
        Query::select()
            .expr(expr::text(d, expr::col(KEY)))
            .expr(expr::time(d, &self.table.expires))
            .from(expr::table(&self.table.table))
            .to_owned()
    }

    async fn list_blocks(&self, now: Timestamp, blocks: Blocks, sink: &mut dyn Sink) -> Result<()> {
        let mut query = self.select_dates();
        query.and_where(self.expires().gt(self.moment(now)));
        blocks.bound(&mut query);
        let mut wanted = Vec::new();
        copy(&self.db, &query, |fields| {
            let [Some(key), expires] = fields.as_slice() else {
                return;
            };
            let key = String::from_utf8_lossy(key);
            let key = KeyRef::new(&key);
            if sink.listed(key, self.expiry(&field(*expires, Read::Moment))) {
                wanted.push(key.to_key());
            }
        })
        .await?;
        self.read_keys(&wanted, sink).await
    }

    /// Lists a step, and returns its last key where there may be more.
    async fn list_keys(
        &self,
        now: Timestamp,
        after: Option<&SessionKey>,
        size: u32,
        sink: &mut dyn Sink,
    ) -> Result<Option<SessionKey>> {
        let mut query = self.select_dates();
        self.along_the_key(&mut query, now, after, size);
        let listed = |key: KeyRef<'_>, expires| sink.listed(key, expires);
        let named = self.read_dates(&query, listed).await?;
        self.read_keys(&named.wanted, sink).await?;
        Ok(named.last.filter(|_| named.count >= size as usize))
    }

    /// A row that was saved while the listing was under way may have moved to a block that had been listed.
    async fn look_for_unnamed(&self, now: Timestamp, sink: &mut dyn Sink) -> Result<()> {
        for keys in sink.unnamed().chunks(self.db.chunk()) {
            let mut query = self.select_dates();
            query
                .and_where(self.expires().gt(self.moment(now)))
                .and_where(self.these(keys));
            let listed = |key: KeyRef<'_>, expires| sink.listed(key, expires);
            let named = self.read_dates(&query, listed).await?;
            self.read_keys(&named.wanted, sink).await?;
        }
        Ok(())
    }

    /// Names what a statement finds, and says which of it is wanted.
    pub(super) async fn read_dates(
        &self,
        query: &SelectStatement,
        wants: impl FnMut(KeyRef<'_>, Timestamp) -> bool,
    ) -> Result<Named> {
        let rows = self.db.rows(query, &self.dates_shape()).await?;
        Ok(self.name(rows, wants))
    }

    pub(super) fn dates_shape(&self) -> [Read; 2] {
        [Read::Text, expr::time_shape(self.dialect())]
    }

    /// What a row of these two holds.
    pub(super) fn key_and_date(&self, row: Vec<Cell>) -> Option<(SessionKey, Timestamp)> {
        let mut cells = row.into_iter();
        let key = SessionKey::new(cells.next()?.text()?);
        Some((key, self.expiry(&cells.next()?)))
    }

    /// Names what is in these rows.
    fn name(
        &self,
        rows: Vec<Vec<Cell>>,
        mut wants: impl FnMut(KeyRef<'_>, Timestamp) -> bool,
    ) -> Named {
        let (count, mut last, mut wanted) = (rows.len(), None, Vec::new());
        for row in rows {
            let Some((key, expires)) = self.key_and_date(row) else {
                continue;
            };
            if wants(key.lend(), expires) {
                wanted.push(key.clone());
            }
            last = Some(key);
        }
        Named {
            count,
            last,
            wanted,
        }
    }
}

/// What a statement found.
pub(super) struct Named {
    count: usize,
    last: Option<SessionKey>,
    /// To be read whole.
    pub wanted: Vec<SessionKey>,
}
