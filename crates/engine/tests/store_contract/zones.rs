//! Columns without a zone that hold a wall clock's time, as Django writes it with USE_TZ off.

use curfew_engine::store::{SessionKey, Store};
use jiff::{SignedDuration, Timestamp};

use crate::common::{Engine, Ground, Looking, Person, Shape, may_go, sorted};

on_each_store! {
    a_wall_clocks_times_are_read_as_the_moments_that_they_were
    a_session_saved_by_the_wall_clock_is_found_by_its_date_range_alone
    sessions_expire_by_the_wall_clock
    nobody_is_overdue_who_may_have_been_here_after_the_clocks_went_back
    the_night_on_which_the_clocks_go_forth_signs_nobody_out_early
}

async fn ground(engine: Engine, zone: &'static str) -> Ground {
    let shape = Shape {
        naive: true,
        zone,
        ..Shape::default()
    };
    Ground::shaped(engine, shape).await
}

async fn a_wall_clocks_times_are_read_as_the_moments_that_they_were(engine: Engine) {
    for zone in ["America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"] {
        let ground = ground(engine, zone).await;
        let seen = Person {
            activity: Some(ground.ago(61)),
            login: Some(ground.ago(3_600)),
            flag: true,
        };
        ground.person(1, "ana", seen).await;
        ground.session("a1", Some(1), ground.ago(61)).await;
        let mut looking = Looking::new();
        looking.look(&ground.store).await;
        let ana = looking.user(&ground.id(1));
        assert_eq!(
            (ana.last_activity, ana.last_login),
            (seen.activity, seen.login)
        );
        assert_eq!(looking.sessions[0].expires, ground.expires(ground.ago(61)));
        // Nor is anybody swept by another zone's clock.
        let gone = ground.overdue(2, "o1").await;
        let batch = ground.batch(vec![
            (ground.id(1), vec![SessionKey::new("a1")]),
            (ground.id(2), vec![gone.clone()]),
        ]);
        let done = ground.store.sweep(batch).await.unwrap();
        assert_eq!(done.deleted, [gone]);
        assert_eq!(done.spared[0].0, ground.id(1));
    }
}

async fn a_session_saved_by_the_wall_clock_is_found_by_its_date_range_alone(engine: Engine) {
    let ground = ground(engine, "America/New_York").await;
    ground.person(1, "ana", Person::default()).await;
    ground.session("a1", Some(1), ground.ago(900)).await;
    let mut looking = Looking::new();
    looking.look_slowly(&ground.store).await;
    ground.save("a1", Some(1), Timestamp::now()).await;
    looking.look(&ground.store).await;
    assert_eq!(looking.listings, 0, "the listing was not to be due");
    assert_eq!(looking.keys(), [SessionKey::new("a1")]);
}

async fn sessions_expire_by_the_wall_clock(engine: Engine) {
    let ground = ground(engine, "Asia/Kathmandu").await;
    ground.person(1, "ana", Person::default()).await;
    let data = ground.data(Some(1), ground.ago(60), Default::default());
    ground.row("over", &data, ground.ago(5)).await;
    let usable = ground.row("usable", &data, ground.ago(-60)).await;
    let mut looking = Looking::new();
    looking.look(&ground.store).await;
    assert_eq!(looking.keys(), [usable]);
}

/// Of people last seen then, who is swept at this cutoff. Of each session, only the columns say when.
async fn swept(ground: &Ground, seen: &[&str], cutoff: &str) -> Vec<usize> {
    ground.db.execute("DELETE FROM django_session").await;
    ground.db.execute("DELETE FROM accounts_user").await;
    let long_ago: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
    let mut people = Vec::new();
    for (n, seen) in (0_u32..).zip(seen) {
        let person = Person {
            activity: Some(seen.parse().unwrap()),
            login: Some(long_ago),
            flag: true,
        };
        ground.person(n, &format!("p{n}"), person).await;
        let key = ground.session(&format!("s{n}"), Some(n), long_ago).await;
        people.push((ground.id(n), vec![key]));
    }
    let mut batch = ground.batch(people);
    let cutoff: Timestamp = cutoff.parse().unwrap();
    batch.cutoff = cutoff;
    batch.decide = std::sync::Arc::new(move |id, row| may_go(cutoff, id, row));
    let done = ground.store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted.len(), done.marked.len());
    let marked = done.marked.iter().map(|id| id.as_str().parse().unwrap());
    sorted(marked)
}

async fn nobody_is_overdue_who_may_have_been_here_after_the_clocks_went_back(engine: Engine) {
    // At 01:00 UTC the wall went from 03:00 back to 02:00.
    let ground = ground(engine, "Europe/Berlin").await;
    let seen = [
        "2026-10-24T23:50:00Z", // 01:50
        "2026-10-25T00:40:00Z", // 02:40, and again an hour later
        "2026-10-25T01:20:00Z", // 02:20 for the second time
        "2026-10-25T02:00:01Z", // 03:00:01
    ];
    for (cutoff, gone) in [
        ("2026-10-24T23:49:59Z", vec![]),
        ("2026-10-24T23:50:00Z", vec![0]),
        ("2026-10-25T00:59:00Z", vec![0]),
        ("2026-10-25T01:19:59Z", vec![0]),
        ("2026-10-25T01:20:00Z", vec![0, 2]),
        ("2026-10-25T01:40:00Z", vec![0, 1, 2]),
        ("2026-10-25T02:00:01Z", vec![0, 1, 2, 3]),
    ] {
        assert_eq!(swept(&ground, &seen, cutoff).await, gone, "{cutoff}");
    }
    // And read as the later of the two: shown here for longer, never for shorter.
    let row = &ground.store.users(&[ground.id(1)]).await.unwrap()[0];
    let later: Timestamp = seen[1].parse().unwrap();
    assert_eq!(
        row.last_activity,
        Some(later + SignedDuration::from_hours(1))
    );
}

async fn the_night_on_which_the_clocks_go_forth_signs_nobody_out_early(engine: Engine) {
    // At 01:00 UTC the wall went from 02:00 on to 03:00.
    let ground = ground(engine, "Europe/Berlin").await;
    let seen = [
        "2026-03-29T00:30:00Z", // 01:30
        "2026-03-29T01:10:00Z", // 03:10
    ];
    for (cutoff, gone) in [
        ("2026-03-29T00:29:59Z", vec![]),
        ("2026-03-29T00:30:00Z", vec![0]),
        ("2026-03-29T01:09:00Z", vec![0]),
        ("2026-03-29T02:00:00Z", vec![0, 1]),
    ] {
        assert_eq!(swept(&ground, &seen, cutoff).await, gone, "{cutoff}");
    }
}
