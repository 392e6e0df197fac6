//! Which users a look reads: those of whom something moved, those who are new, and of all the others a few in turn.
//! Each kind is read as often as its cost allows, and none in one go.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use tokio::time::Instant;

use super::copy::{Steps, copy, size};
use super::stream::Fields;
use super::stride::{BlockStride, Stride};
use super::users::user_row;
use super::{ASKED_AT_ONCE, SqlStore};
use crate::error::{Code, Error, Result};
use crate::store::key::UserId;
use crate::store::pace::{Pace, Share};
use crate::store::statement::field;
use crate::store::{Mark, Sink, Store};

/// How long those in turn may take.
const TURN: Duration = Duration::from_millis(10);
/// A table is read from its first block to its last where no more than so many of its rows are not wanted, for each
/// one that is.
const NOT_WANTED: u64 = 4;
/// And where it has no more rows than this, in any case.
const FEW: u64 = 10_000;

/// How far looks have come with the users.
#[derive(Default)]
pub(crate) struct Rounds {
    flags: Pace,
    /// How many bore it. None: there is none, or it is not known.
    flagged: Option<usize>,
    /// Whom the first look met. The flag of each was looked at, for mostly no index leads to its bearers.
    met: usize,
    moved: Pace,
    /// Of how many something had moved the last time.
    many_moved: Option<usize>,
    /// What moved since then is still to be read.
    moved_since: Option<Timestamp>,
    turns: Pace,
    /// Whose turn comes next.
    next: u32,
    stride: Stride<50, 500, 5_000>,
    /// To be read at the next look, whatever their turn.
    pub again: Vec<UserId>,
}

impl Rounds {
    /// The next look reads all of the flag's bearers and all that moved.
    pub fn hurry(&mut self) {
        self.flags.hurry();
        self.turns.hurry();
        self.freshen();
    }

    /// The next look reads all that moved.
    pub fn freshen(&mut self) {
        self.moved.hurry();
    }
}

impl SqlStore {
    /// The users of one look.
    pub(super) async fn look_at_users(
        &self,
        now: Timestamp,
        mark: &mut Mark,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let rounds = &mut mark.people;
        let Some(last) = mark.last else {
            *rounds = Rounds {
                moved_since: Some(now),
                ..Rounds::default()
            };
            let meter = self.db.meter();
            (rounds.flagged, rounds.met) = self.read_everyone(sink).await?;
            rounds
                .turns
                .took_all(meter.cost(), Share::People, Instant::now());
            return Ok(());
        };
        if rounds.flags.due(Instant::now()) {
            let meter = self.db.meter();
            rounds.flagged = self.read_flagged(rounds.flagged, sink).await?;
            let rows = std::cmp::max(rounds.flagged.unwrap_or(0), rounds.met);
            let now = Instant::now();
            rounds
                .flags
                .took_for(rows, meter.cost(), Share::People, now);
            // At once: whoever has the flag and no session is here by it alone, and nobody until they are read.
            self.read_users(&sink.users_unread(), sink).await?;
        }
        if rounds.moved.due(Instant::now()) {
            let meter = self.db.meter();
            let since = rounds.moved_since.unwrap_or(last);
            let many = self
                .read_moved_users(rounds.many_moved, since, now, sink)
                .await?;
            rounds.many_moved = Some(many);
            rounds.moved_since = Some(now);
            rounds
                .moved
                .took(meter.cost(), Share::Activity, Instant::now());
        }
        let mut wanted = sink.users_unread();
        wanted.append(&mut rounds.again);
        self.read_users(&wanted, sink).await?;
        if rounds.turns.due(Instant::now()) {
            let meter = self.db.meter();
            let most = rounds.stride.size() as usize;
            let (ids, next) = sink.users_in_turn(rounds.next, most);
            self.read_users(&ids, sink).await?;
            rounds.next = next.unwrap_or(0);
            if ids.len() == most {
                rounds.stride.fit(meter.cost(), TURN);
            }
            rounds
                .turns
                .took(meter.cost(), Share::People, Instant::now());
        }
        Ok(())
    }

    /// All who have a session or the flag: how many have that, and how many all of them are.
    async fn read_everyone(&self, sink: &mut dyn Sink) -> Result<(Option<usize>, usize)> {
        let flagged = self.read_flagged(None, sink).await?;
        let wanted = sink.users_unread();
        let most = FEW + NOT_WANTED * wanted.len() as u64;
        if self.users.parents.is_empty()
            && let Some(size) = size(&self.db, &self.users.table).await?
            && size.rows <= most
            && self.copy_users(size.blocks, sink).await?
        {
            // Whom the table does not have, and who moved within it meanwhile.
            self.read_users(&sink.users_unread(), sink).await?;
        } else {
            self.read_users(&wanted, sink).await?;
        }
        Ok((flagged, wanted.len()))
    }

    /// False where the server does not read by blocks.
    async fn copy_users(&self, blocks: u32, sink: &mut dyn Sink) -> Result<bool> {
        let shape = self.user_shape();
        let mut take = |fields: &Fields<'_>| {
            let cells = fields.iter().zip(shape);
            let cells = cells.map(|(bytes, read)| field(*bytes, read)).collect();
            if let Some(row) = user_row(cells, &self.users) {
                sink.user(row);
            }
        };
        let mut stride = BlockStride::default();
        let mut steps = Steps::of(&self.db, blocks, &mut stride);
        while let Some(step) = steps.next() {
            let mut query = self.select_users();
            step.bound(&mut query);
            let copied = copy(&self.db, &query, &mut take).await;
            match steps.done(copied).await {
                Err(error) if error.code == Code::Database => {
                    return Ok(false);
                }
                copied => copied?,
            }
        }
        Ok(true)
    }

    async fn read_users(&self, ids: &[UserId], sink: &mut dyn Sink) -> Result<()> {
        let some = |chunk| async move { Ok::<_, Error>((chunk, self.users(chunk).await?)) };
        let all: Vec<_> = ids.chunks(self.db.chunk()).map(some).collect();
        let mut read = stream::iter(all).buffered(ASKED_AT_ONCE);
        while let Some((chunk, rows)) = read.try_next().await? {
            let found: BTreeSet<&UserId> = rows.iter().map(|r| &r.id).collect();
            let missing = chunk
                .iter()
                .filter(|id| !found.contains(*id))
                .cloned()
                .collect();
            sink.users_missing(missing);
            for row in rows {
                sink.user(row);
            }
        }
        Ok(())
    }
}
