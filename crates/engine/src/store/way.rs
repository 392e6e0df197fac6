//! The way to a server and back. Whoever asks pays for it each time, and the server feels nothing of it: what a reading costs
//! is the time that it takes beside that. Over a tunnel from an admin's desk the way is most of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// No way is longer than this: of what takes more, the server had the rest to work with.
const LONGEST: Duration = Duration::from_millis(250);
/// Where it was measured so often again, what is known from before is forgotten.
const RECENT: u32 = 32;

/// How long the way is, and how often it is gone.
#[derive(Default)]
pub struct Way(Mutex<State>);

#[derive(Default)]
struct State {
    /// How often somebody set out while nobody else was under way.
    trips: u32,
    under_way: u32,
    /// Of the last measurements, up to [`RECENT`], and of those before.
    least: [Option<Duration>; 2],
    measured: u32,
}

impl Way {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So long took an answer that is no work at all. Of the last ones the least counts: what came between made the others
    /// longer.
    pub fn measured(&self, took: Duration) {
        let mut state = self.state();
        if state.measured >= RECENT {
            state.least = [None, state.least[0]];
            state.measured = 0;
        }
        state.measured += 1;
        state.least[0] = Some(state.least[0].map_or(took, |least| least.min(took)));
    }

    /// Whether it was ever measured.
    pub fn is_known(&self) -> bool {
        self.state().measured > 0
    }

    /// Something is asked, and under way as long as this is there.
    pub fn trip(self: &Arc<Self>) -> Trip {
        let mut state = self.state();
        if state.under_way == 0 {
            state.trips = state.trips.wrapping_add(1);
        }
        state.under_way += 1;
        Trip(self.clone())
    }

    /// A reading begins.
    pub fn meter(self: &Arc<Self>) -> Meter {
        self.meter_since(Instant::now())
    }

    pub(super) fn meter_since(self: &Arc<Self>, began: Instant) -> Meter {
        Meter {
            way: self.clone(),
            began,
            trips: self.state().trips,
        }
    }
}

/// One question, until it is answered.
pub struct Trip(Arc<Way>);

impl Trip {
    /// The way was gone once more: to say what will be asked, or for more of an answer than comes in one go.
    pub fn and_again(&self) {
        let mut state = self.0.state();
        state.trips = state.trips.wrapping_add(1);
    }
}

impl Drop for Trip {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
    }
}

/// What a reading costs.
pub struct Meter {
    way: Arc<Way>,
    began: Instant,
    trips: u32,
}

impl Meter {
    /// The time since it began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The same without the way there and back, for each time that it was gone.
    pub fn cost(&self) -> Duration {
        let state = self.way.state();
        let trips = state.trips.wrapping_sub(self.trips);
        let way = state.least.iter().flatten().min().copied();
        let way = way.unwrap_or_default().min(LONGEST);
        self.elapsed().saturating_sub(way.saturating_mul(trips))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const WAY: Duration = ms(30);

    /// Asks, and waits for what comes after the way.
    async fn ask(way: &Arc<Way>, work: Duration) {
        let _trip = way.trip();
        sleep(WAY + work).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_costs_what_it_takes_beside_the_way() {
        let way = Arc::new(Way::default());
        let first = way.meter();
        ask(&way, ms(5)).await;
        assert_eq!(first.cost(), ms(35), "nobody knows the way yet");
        way.measured(WAY);
        way.measured(ms(90));
        let meter = way.meter();
        ask(&way, ms(5)).await;
        ask(&way, ms(7)).await;
        sleep(ms(3)).await;
        assert_eq!((meter.elapsed(), meter.cost()), (ms(75), ms(15)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_together_goes_together() {
        let way = Arc::new(Way::default());
        way.measured(WAY);
        let meter = way.meter();
        tokio::join!(ask(&way, ms(4)), ask(&way, ms(9)));
        assert_eq!(meter.cost(), ms(9));
        ask(&way, ms(1)).await;
        assert_eq!(meter.cost(), ms(10));
        let meter = way.meter();
        let trip = way.trip();
        trip.and_again();
        sleep(2 * WAY).await;
        assert_eq!(meter.cost(), ms(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_way_that_grows_is_learnt_and_a_slow_server_is_no_way() {
        let way = Arc::new(Way::default());
        let cost = async |took: Duration| {
            let meter = way.meter();
            let _trip = way.trip();
            sleep(took).await;
            meter.cost()
        };
        way.measured(ms(10));
        assert_eq!(cost(ms(100)).await, ms(90));
        for _ in 0..2 * RECENT {
            way.measured(ms(40));
        }
        assert_eq!(cost(ms(100)).await, ms(60));
        for _ in 0..2 * RECENT {
            way.measured(ms(2_000));
        }
        assert_eq!(cost(ms(2_100)).await, ms(1_850));
    }
}
