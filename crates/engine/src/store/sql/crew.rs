//! Several hands that take rows in beside each other, each on a thread of its own: one for each core.

use std::num::NonZero;
use std::thread::available_parallelism;

use tokio::task::{JoinError, JoinSet};

use super::stream::garbled;
use crate::error::Result;

/// What a look at a site may take of a large machine.
const MOST: usize = 4;

/// Takes rows in, as they were read.
pub(super) trait Hand: Send + 'static {
    type Rows: Send + 'static;
    fn take(&mut self, rows: Self::Rows);
    /// Keeps nothing of what it took to itself.
    fn flush(&mut self);
}

pub(super) struct Crew<H> {
    idle: Vec<H>,
    busy: JoinSet<H>,
}

impl<H: Hand> Crew<H> {
    /// As many as there are cores; none where there is none to be had.
    pub fn of(hand: impl FnMut() -> Option<H>) -> Option<Self> {
        let cores = available_parallelism().map_or(1, NonZero::get).min(MOST);
        let idle: Vec<H> = std::iter::repeat_with(hand)
            .take(cores)
            .map_while(|hand| hand)
            .collect();
        (!idle.is_empty()).then(|| Self {
            idle,
            busy: JoinSet::new(),
        })
    }

    /// How many hands there are.
    pub fn size(&self) -> usize {
        self.idle.len() + self.busy.len()
    }

    /// To whoever is free, or will be first.
    pub async fn give(&mut self, rows: H::Rows) -> Result<()> {
        if self.idle.is_empty() {
            let done = self.busy.join_next().await;
            self.back(done.ok_or_else(garbled)?)?;
        }
        if let Some(mut hand) = self.idle.pop() {
            self.busy.spawn_blocking(move || {
                hand.take(rows);
                hand
            });
        }
        Ok(())
    }

    /// Once all that was given is taken in: of a row that comes again, the later one is to be taken in later.
    pub async fn rest(&mut self) -> Result<()> {
        while let Some(done) = self.busy.join_next().await {
            self.back(done)?;
        }
        self.idle.iter_mut().for_each(Hand::flush);
        Ok(())
    }

    fn back(&mut self, done: std::result::Result<H, JoinError>) -> Result<()> {
        self.idle.push(done.map_err(|_| garbled())?);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::store::sql::stream::{Cut, Rows, tests::stream};

    /// Adds up by itself first.
    struct Count(Arc<Mutex<usize>>, usize);

    impl Hand for Count {
        type Rows = Rows;
        fn take(&mut self, rows: Rows) {
            rows.each(|fields| self.1 += fields.len());
        }
        fn flush(&mut self) {
            *self.0.lock().unwrap() += std::mem::take(&mut self.1);
        }
    }

    #[tokio::test]
    async fn all_that_is_given_is_taken_in() {
        let taken = Arc::new(Mutex::new(0));
        let mut crew = Crew::of(|| Some(Count(taken.clone(), 0))).unwrap();
        for _ in 0..100 {
            crew.give(Cut::default().rows(stream()).unwrap())
                .await
                .unwrap();
        }
        crew.rest().await.unwrap();
        assert_eq!(*taken.lock().unwrap(), 400);
        assert!(Crew::of(|| None::<Count>).is_none());
    }
}
