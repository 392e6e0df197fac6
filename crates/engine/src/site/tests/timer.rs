//! The loop and its timer, with the schedule in hand.

use super::*;
use crate::watch;

const HOUR: Duration = Duration::from_secs(3_600);

async fn hourly(ground: &Ground, automatic: bool, armed: bool) -> Arc<Site> {
    let mut config = ground.config();
    config.automatic_sweep = automatic;
    config.armed = armed;
    config.policy.sweep_every = HOUR;
    ground.open(config).await
}

/// Runs the loop for so many looks after a night asleep, and returns the sweeps that it made.
async fn after_a_night(site: &Arc<Site>, looks: usize) -> Vec<SweepSummary> {
    let asleep = site.db_now().unwrap() - SignedDuration::from_hours(9);
    hold(&site.timer).schedule.restart(asleep, HOUR);
    let mut events = site.subscribe();
    let watch = watch::start(site.clone());
    let (mut looked, mut swept) = (0, Vec::new());
    let heard = async {
        while looked < looks {
            match events.recv().await.unwrap() {
                // The window asks for a look by itself; nothing here waits two seconds for the next.
                Event::Looked { .. } => {
                    looked += 1;
                    site.wake.notify_one();
                }
                Event::Swept { summary } => swept.push(summary),
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), heard)
        .await
        .expect("the loop does not look");
    tokio::time::timeout(Duration::from_secs(3), watch.stop())
        .await
        .expect("the loop does not end");
    swept
}

#[tokio::test]
async fn a_night_asleep_gives_one_sweep_after_a_fresh_look() {
    let ground = Ground::new().await;
    let site = hourly(&ground, true, true).await;
    // While the laptop slept, someone who was overdue came back.
    let back = somebody(&site, Filter::Overdue);
    let now = Timestamp::now().strftime("%Y-%m-%d %H:%M:%S.%6f");
    let id = &back.id;
    ground
        .execute(&format!(
            "UPDATE accounts_user SET last_activity = '{now}' WHERE id = {id}"
        ))
        .await;
    let swept = after_a_night(&site, 8).await;
    assert_eq!(swept.len(), 1, "{swept:?}");
    assert!(swept[0].people > 0 && swept[0].verified && swept[0].held.is_none());
    assert!(ground.flagged(id).await, "who came back was swept");
    assert_eq!(ground.entries().len(), 2);
    let next = site.view().sweep.next_in_seconds.unwrap();
    assert!((3_500..=3_600).contains(&next), "{next}");
    assert_eq!(site.timeline().sweeps.len(), 1);
}

#[tokio::test]
async fn nothing_is_swept_where_the_timer_is_off_or_the_site_is_view_only() {
    for (automatic, armed) in [(false, true), (true, false)] {
        let ground = Ground::new().await;
        let before = ground.bytes();
        let site = hourly(&ground, automatic, armed).await;
        assert!(after_a_night(&site, 4).await.is_empty());
        assert_eq!(site.view().sweep.next_in_seconds, None);
        assert_eq!(ground.bytes(), before);
        assert!(ground.entries().is_empty());
    }
}

#[tokio::test]
async fn switching_the_timer_on_begins_a_whole_interval() {
    let ground = Ground::new().await;
    let site = hourly(&ground, false, true).await;
    assert_eq!(site.view().sweep.next_in_seconds, None);
    site.set_automatic(true);
    let next = || site.view().sweep.next_in_seconds;
    assert!((3_598..=3_600).contains(&next().unwrap()));
    site.set_policy(Policy {
        sweep_every: Duration::from_secs(60),
        ..site.policy()
    })
    .unwrap();
    assert!((58..=60).contains(&next().unwrap()));
    // Other settings do not put the next sweep off.
    let soon = site.db_now().unwrap() - SignedDuration::from_secs(40);
    hold(&site.timer)
        .schedule
        .restart(soon, Duration::from_secs(60));
    site.set_policy(Policy {
        max_share: 0.9,
        ..site.policy()
    })
    .unwrap();
    assert!((18..=20).contains(&next().unwrap()));
    site.set_armed(false);
    assert_eq!(next(), None);
    site.set_automatic(false);
    site.set_armed(true);
    assert_eq!(next(), None);
}
