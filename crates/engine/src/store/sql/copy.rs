//! PostgreSQL's COPY, in its binary form: a table's rows as they lie in its blocks, from one block to another, with
//! nothing parsed at the server and nothing copied here that is looked at once.
//!
//! Blocks are read one after the other, as the table lies on the disk; along the key, each row would be somewhere else.

use std::time::Duration;

use futures_util::TryStreamExt;
use sea_query::{Alias, Expr, ExprTrait, PostgresQueryBuilder, Query, SelectStatement};
use tokio::sync::mpsc;

use super::crew::{Crew, Hand};
use super::stream::{Cut, Fields, Rows, garbled};
use super::stride::{BlockStride, WHOLE, rest_after};
use crate::error::Result;
use crate::store::db::Db;
use crate::store::expr;
use crate::store::lines::quietly;
use crate::store::schema::{Dialect, TableName};
use crate::store::statement::{Cell, Read};
use crate::store::way::Meter;

/// Bytes that are handed over together.
const PART: usize = 128 << 10;
/// Parts on their way: what is read while others are taken in.
const AHEAD: usize = 2;
/// Users in a block, about, where the server has not counted them.
const A_BLOCKFUL: u64 = 40;
/// The first version that reads from block to block without reading the rest.
const SINCE: i64 = 140_000;

/// How large a table is.
pub(super) struct Size {
    pub blocks: u32,
    /// As far as the server knows.
    pub rows: u64,
}

/// None: it cannot be read block by block, for it is a view or in parts, the server is too old, or the rows lie on others
/// and here is no block at all.
pub(super) async fn size(db: &Db, table: &TableName) -> Result<Option<Size>> {
    if db.dialect() != Dialect::Postgres {
        return Ok(None);
    }
    let name = Query::select()
        .expr(Expr::cust("1"))
        .from(expr::table(table))
        .to_string(PostgresQueryBuilder);
    let Some((_, name)) = name.split_once(" FROM ") else {
        return Ok(None);
    };
    let query = Query::select()
            .expr(Expr::cust(
                "CASE WHEN relkind = 'r' AND NOT relhassubclass THEN pg_relation_size(oid) / current_setting('block_size')::bigint END",
            ))
            .expr(Expr::cust("reltuples::bigint"))
            .expr(Expr::cust("current_setting('server_version_num')::bigint"))
            .from(Alias::new("pg_class"))
            .and_where(Expr::cust_with_exprs("oid = to_regclass($1)", [Expr::val(name)]))
            .to_owned();
    let rows = db.rows(&query, &[Read::Int; 3]).await?;
    Ok(match rows.first().map(Vec::as_slice) {
        Some([Cell::Int(blocks), Cell::Int(rows), Cell::Int(version)]) if *version >= SINCE => {
            let blocks = u32::try_from(*blocks).ok().filter(|blocks| *blocks > 0);
            blocks.map(|blocks| Size {
                blocks,
                // Nobody has counted them yet.
                rows: u64::try_from(*rows).unwrap_or(u64::from(blocks) * A_BLOCKFUL),
            })
        }
        _ => None,
    })
}

/// Hands over the rows of a statement, each as its fields.
pub(super) async fn copy(
    db: &Db,
    query: &SelectStatement,
    mut take: impl FnMut(&Fields<'_>),
) -> Result<()> {
    let (read, mut parts) = parts(db, query)?;
    let mut cut = Cut::default();
    let feed = async {
        while let Some(part) = parts.recv().await {
            cut.rows(part)?.each(&mut take);
        }
        Ok(())
    };
    // Whichever fails ends the other.
    tokio::try_join!(read, feed)?;
    whole(&cut)
}

/// As [`copy`], the rows handed over to several at once, in no order.
pub(super) async fn copy_to<H: Hand<Rows = Rows>>(
    db: &Db,
    query: &SelectStatement,
    crew: &mut Crew<H>,
) -> Result<()> {
    let (read, mut parts) = parts(db, query)?;
    let mut cut = Cut::default();
    let feed = async {
        while let Some(part) = parts.recv().await {
            crew.give(cut.rows(part)?).await?;
        }
        crew.rest().await
    };
    tokio::try_join!(read, feed)?;
    whole(&cut)
}

fn whole(cut: &Cut) -> Result<()> {
    match cut.ended() {
        true => Ok(()),
        false => Err(garbled()),
    }
}

/// The stream of a statement's rows in parts, and the reading of it, which has to be waited for.
fn parts(
    db: &Db,
    query: &SelectStatement,
) -> Result<(impl Future<Output = Result<()>>, mpsc::Receiver<Vec<u8>>)> {
    if db.dialect() != Dialect::Postgres {
        return Err(garbled());
    }
    let own = db.clone();
    let sql = format!(
        "COPY ({}) TO STDOUT (FORMAT binary)",
        query.to_string(PostgresQueryBuilder)
    );
    let (parts, taken) = mpsc::channel::<Vec<u8>>(AHEAD);
    let read = db.finish(async move {
        let Some(mut line) = own.line().await? else {
            return Ok(());
        };
        let way = own.way();
        let trip = way.trip();
        let mut stream = quietly(line.ask()?.copy_out_raw(&sql)).await?;
        let mut part = Vec::with_capacity(PART);
        let mut window = Window::default();
        while let Some(bytes) = quietly(stream.try_next()).await? {
            if window.is_full(bytes.len()) {
                trip.and_again();
            }
            if part.len() + bytes.len() > PART {
                let full = std::mem::replace(&mut part, Vec::with_capacity(PART));
                // Nobody takes it any more: the rest is for nobody.
                if parts.send(full).await.is_err() {
                    return Ok::<_, sqlx::Error>(());
                }
            }
            part.extend_from_slice(&bytes);
        }
        drop((stream, trip));
        // Only an answer that was taken to its end leaves nothing behind that the next would be mistaken for.
        line.ended(&Ok(()));
        let _ = parts.send(part).await;
        Ok(())
    });
    Ok((read, taken))
}

/// How much of an answer comes in one go: after a pause TCP sends ten segments until it is told that they have come, and then
/// twice as many each time.
struct Window {
    size: usize,
    left: usize,
}

impl Default for Window {
    fn default() -> Self {
        let size = 10 * 1_400;
        Self { size, left: size }
    }
}

impl Window {
    /// Whether so much more has to wait until somebody has gone there and back.
    fn is_full(&mut self, bytes: usize) -> bool {
        let full = bytes > self.left;
        if full {
            self.size = self.size.saturating_mul(2);
            self.left = self.size;
        }
        self.left = self.left.saturating_sub(bytes);
        full
    }
}

/// Some blocks of a table.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    from: u32,
    /// Before this one. None: to the end, wherever it is by then.
    to: Option<u32>,
}

impl Blocks {
    /// So many, of a table that had so many.
    pub fn step(from: u32, many: u32, of: u32) -> Self {
        let to = from.saturating_add(many);
        Self {
            from,
            to: (to < of).then_some(to),
        }
    }

    /// The first behind them.
    pub fn next(self) -> Option<u32> {
        self.to
    }

    /// Only the rows that lie in them.
    pub fn bound(self, query: &mut SelectStatement) {
        let at = |block: u32| Expr::cust(format!("'({block},0)'::tid"));
        query.and_where(Expr::cust("ctid").gte(at(self.from)));
        if let Some(to) = self.to {
            query.and_where(Expr::cust("ctid").lt(at(to)));
        }
    }
}

/// A whole table in steps that take about as long as [`WHOLE`].
pub(super) struct Steps<'a> {
    stride: &'a mut BlockStride,
    blocks: u32,
    /// Where the step that is being made begins.
    from: u32,
    next: Option<u32>,
    db: &'a Db,
    /// Of the step that is being made.
    meter: Meter,
}

impl<'a> Steps<'a> {
    pub fn of(db: &'a Db, blocks: u32, stride: &'a mut BlockStride) -> Self {
        Self {
            stride,
            blocks,
            from: 0,
            next: Some(0),
            db,
            meter: db.meter(),
        }
    }

    /// The blocks that come next; none after the last.
    pub fn next(&mut self) -> Option<Blocks> {
        self.from = self.next?;
        let step = Blocks::step(self.from, self.stride.size(), self.blocks);
        self.next = step.next();
        self.meter = self.db.meter();
        Some(step)
    }

    /// They were copied, or not: fits the next step to what this one cost, and leaves a slow database alone for a while. A
    /// step that met the server's deadline is made again in smaller ones.
    pub async fn done(&mut self, copied: Result<()>) -> Result<()> {
        let cost = self.meter.cost();
        if let Err(error) = &copied
            && self.stride.shrinks_after(error)
        {
            self.next = Some(self.from);
            return Ok(());
        }
        // Where it was too much at once, the next try asks for less.
        let fitted = if copied.is_err() { Duration::MAX } else { cost };
        self.stride.fit(fitted, WHOLE);
        copied?;
        if self.next.is_some() {
            rest_after(cost).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_brings_twice_as_much() {
        let mut window = Window::default();
        let full = (1..=200).filter(|_| window.is_full(1_000));
        assert_eq!(full.collect::<Vec<_>>(), [15, 43, 99]);
    }
}
