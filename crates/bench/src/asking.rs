//! A page of people, by every question there is.

use std::time::Instant;

use curfew_engine::Site as Engine;
use curfew_engine::view::{Filter, Query, Sort};

use crate::report::Figure;

const FILTERS: [Filter; 7] = [
    Filter::Everyone,
    Filter::SignedIn,
    Filter::Active,
    Filter::Idle,
    Filter::Overdue,
    Filter::Stale,
    Filter::Unknown,
];
const GOAL: f64 = 10.0;

/// Each question is asked anew, so that no answer is at hand from before.
pub fn measure(engine: &Engine) -> Figure {
    let mut times = Vec::new();
    for sort in Sort::ALL {
        for filter in FILTERS {
            for (descending, search) in [(false, ""), (true, ""), (false, "SON12")] {
                let query = Query {
                    filter,
                    search: search.into(),
                    sort,
                    descending,
                    offset: 100,
                    limit: 50,
                };
                let began = Instant::now();
                let page = engine.users(&query);
                times.push(began.elapsed().as_secs_f64() * 1000.0);
                drop(page);
            }
        }
    }
    times.sort_by(f64::total_cmp);
    let at = (times.len() * 99 / 100).min(times.len() - 1);
    let people = engine.view().counts.signed_in;
    Figure {
        what: format!(
            "a page of 50 rows of {people} people, any sort, any filter: 99th percentile"
        ),
        value: format!("{:.1} ms (median {:.1})", times[at], times[times.len() / 2]),
        goal: format!("under {GOAL:.0} ms"),
        met: times[at] < GOAL,
    }
}
