//! PostgreSQL with thousands of sessions saved between two looks: of a crowd little is gone back for, and what was committed late is
//! seen all the same.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use curfew_engine::django::session::Expiry;
use curfew_engine::store::SessionKey;
use jiff::Timestamp;

use crate::counts::{Watched, key, of};

const MANY: usize = 6_000;
/// Longer than a look at a crowd goes back for all of it.
const LATE: Duration = Duration::from_secs(3);

struct Crowd(Watched);

impl Crowd {
    async fn gathered() -> Self {
        let watched = Watched::with(30).await;
        let gather = format!(
            "INSERT INTO django_session SELECT rpad('crowd' || n, 32, 'x'), session_data, expire_date \
             FROM django_session, generate_series(1, {MANY}) AS n WHERE session_key = '{}'",
            key(1)
        );
        watched.ground.db.execute(&gather).await;
        let mut crowd = Self(watched);
        crowd.saves().await;
        assert!(crowd.0.saved.len() >= MANY);
        crowd
    }

    /// All of them, and a look.
    async fn saves(&mut self) {
        let (ground, now) = (&self.0.ground, Timestamp::now());
        let data = ground.data(Some(1), now, Expiry::Default);
        let save = ground.saving("crowd%", &data, ground.expires(now));
        let all = save.replace("session_key =", "session_key LIKE");
        assert_eq!(ground.db.execute(&all).await, MANY as u64);
        self.0.look().await;
    }

    /// Another session is saved, and committed when that is late. The crowd saves on meanwhile, and is looked at.
    async fn late(&mut self, number: u32) {
        let (ground, now) = (&self.0.ground, Timestamp::now());
        let data = ground.data(Some(number), now, Expiry::Default);
        let save = ground.saving(&key(number), &data, ground.expires(now));
        let late = ground.db.holding(&save).await;
        let began = Instant::now();
        while began.elapsed() < LATE {
            self.saves().await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        self.saves().await;
        late.commit().await;
    }

    fn saw(&self, number: u32) -> bool {
        self.0.saved.contains(&SessionKey::new(key(number)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_late_is_seen_once_ten_seconds_are_over() {
    let mut crowd = Crowd::gathered().await;
    let began = Instant::now();
    crowd.late(30).await;
    crowd.saves().await;
    assert!(!crowd.saw(30), "it was gone back for all of them");
    while !crowd.saw(30) {
        assert!(
            began.elapsed() < Duration::from_secs(40),
            "it is never seen"
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
        crowd.saves().await;
    }
    assert!(began.elapsed() > Duration::from_secs(8));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_late_is_seen_at_once_where_the_crowd_is_over_or_something_is_decided() {
    let mut crowd = Crowd::gathered().await;
    crowd.late(30).await;
    crowd.0.mark.freshen();
    crowd.0.look().await;
    assert!(crowd.saw(30));

    crowd.saves().await;
    crowd.late(29).await;
    // As long as transactions are not over that may have been any of its sessions', it comes again.
    while crowd.0.saved.len() >= MANY {
        crowd.0.look().await;
    }
    crowd.0.look().await;
    assert!(crowd.saw(29));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_glance_sees_what_looks_at_a_crowd_have_left_out() {
    let mut crowd = Crowd::gathered().await;
    crowd.late(30).await;
    crowd.saves().await;
    assert!(!crowd.saw(30));
    crowd.0.glance().await;
    assert!(crowd.saw(30));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_in_which_a_crowd_saved_is_gone_through_in_pieces_where_something_is_decided() {
    let mut crowd = Crowd::gathered().await;
    crowd.saves().await;
    crowd.0.mark.freshen();
    let asked = crowd.0.asked_by_a_look().await;
    let (statements, _) = of(&asked, "array_agg(saved.key)");
    assert!(statements > 1, "{asked:#?}");
    let all: HashSet<_> = (1..=MANY)
        .map(|n| SessionKey::new(format!("{:x<32}", format!("crowd{n}"))))
        .collect();
    let saved = crowd.0.saved.iter().filter(|key| all.contains(*key));
    let saved: Vec<_> = saved.collect();
    assert_eq!(saved.len(), MANY);
    assert_eq!(saved.into_iter().collect::<HashSet<_>>().len(), MANY);
}
