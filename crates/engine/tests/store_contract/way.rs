//! A site at the end of a long way: the way is no load, so that nothing there is looked for less often than at hand.

use std::time::{Duration, Instant};

use curfew_engine::django::session::Expiry;
use tokio::time::sleep;

use crate::common::{Engine, Ground, Looking, Person};

/// There and back, as through a tunnel to another continent.
const WAY: Duration = Duration::from_millis(120);
/// A connection that was idle for longer is asked whether it lives, and how long the way is.
const APART: Duration = Duration::from_millis(600);

on_each_store!(servers: listings_do_not_wait_for_the_way);

async fn listings_do_not_wait_for_the_way(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.person(1, "ana", Person::default()).await;
    let data = ground.data(Some(1), ground.ago(60), Expiry::Default);
    let keys: Vec<String> = (0..300).map(|n| format!("{n:a>32}")).collect();
    ground
        .rows(&keys, &data, ground.expires(ground.ago(60)))
        .await;
    let store = ground.db.far_store(WAY).await;
    let mut looking = Looking::new();
    // As many as it takes to be sure of what a listing costs.
    for _ in 0..6 {
        looking.look(&store).await;
        sleep(APART).await;
    }
    // With the way in its cost, a listing would be due once in 48 s. A busy machine costs something, too, but less than the way.
    let (mut listings, began) = (0, Instant::now());
    while listings < 2 {
        assert!(
            began.elapsed() < Duration::from_secs(45),
            "{listings} listings"
        );
        looking.look(&store).await;
        listings += looking.listings;
        sleep(APART).await;
    }
}
