//! Logout and sweep on every engine, as Django then answers.

use serde_json::{Value, json};

use super::cell::{Turn, reports};
use crate::harness::{active, fingerprint, idle, listed, names, of, overdue, person};

on_each_cell! {
    a_logout_ends_what_it_names_and_nothing_else;
    a_preview_touches_nothing;
    a_sweep_signs_out_the_overdue_alone;
    who_came_back_stays;
}

/// One session, a person, several people: side by side, for each waits for its second look.
async fn a_logout_ends_what_it_names_and_nothing_else(turn: Turn) {
    let site = &turn.site;
    let seeded = site
        .seed(&[
            person("ana"),
            active("ben").session(20),
            overdue("cem"),
            idle("dee"),
            active("eve"),
        ])
        .await;
    let mut laptop = site.sign_in("ana").await;
    let mut phone = site.sign_in("ana").await;
    let mut work = site.sign_in("ben").await;
    laptop.whoami().await;
    let mark = fingerprint(laptop.key());
    let ben = format!("id:{}", seeded.id("ben"));

    let curfew = site.curfew();
    let other = |name: &str| curfew.clone().env("CURFEW_STATE_DIR", &site.folder(name));
    let (one, person, many) = (other("one"), other("person"), other("many"));
    let of_one = ["logout", "ana", "--session", &mark];
    let of_ben = ["logout", &ben, "--reason", "account taken over"];
    let of_many = ["logout", "cem", "dee"];
    let (one, person, many) =
        tokio::join!(one.json(&of_one), person.json(&of_ben), many.json(&of_many),);

    let (status, outcome) = turn.cell.logged_out();
    for ran in [&one, &person, &many] {
        assert_eq!(ran.status, status, "{ran:#?}");
        for report in reports(&ran.document()) {
            assert_eq!(report["outcome"], outcome, "{report:#}");
            assert_eq!(report["verified"], status == 0, "{report:#}");
        }
    }
    let deleted = |ran: Value| -> Vec<(String, u64)> {
        let reports = reports(&ran);
        let told = reports.iter().map(|report| {
            let name = report["user"]["username"].as_str().unwrap();
            let deleted = report["sessions_deleted"].as_u64().unwrap();
            (name.to_owned(), deleted)
        });
        told.collect()
    };
    assert_eq!(deleted(one.document()), [("ana".into(), 1)]);
    assert_eq!(deleted(person.document()), [("ben".into(), 3)]);
    assert_eq!(
        deleted(many.document()),
        [("cem".into(), 1), ("dee".into(), 1)]
    );

    assert_eq!(laptop.whoami().await, None);
    assert_eq!(work.whoami().await, None);
    for gone in ["ben", "cem", "dee"] {
        assert!(turn.all_out(&seeded.keys(gone)).await, "{gone}");
    }
    assert_eq!(phone.whoami().await.as_deref(), Some("ana"));
    assert_eq!(site.names(&seeded.keys("eve")).await, [Some("eve".into())]);
    assert_eq!(site.flagged().await, listed(["ana", "eve"]));
}

async fn a_preview_touches_nothing(turn: Turn) {
    let site = &turn.site;
    site.seed(&[active("ana"), overdue("cem"), overdue("dee").no_session()])
        .await;
    let before = site.checksums().await;
    let preview = site.curfew().done(&["sweep", "--dry-run"]).await;
    assert_eq!(names(&preview), listed(["cem", "dee"]));
    assert_eq!(site.checksums().await, before);
}

async fn a_sweep_signs_out_the_overdue_alone(turn: Turn) {
    let site = &turn.site;
    let people = [
        active("ana"),
        idle("ben"),
        overdue("cem").session(9000),
        overdue("dee").no_session(),
        person("eve").flag().session(9000),
        overdue("fay").unflagged(),
        overdue("gus").login(20),
    ];
    let seeded = site.seed(&people).await;
    let before = turn.kept().await;

    let report = site.curfew().done(&["sweep"]).await;

    assert_eq!(names(&report), listed(["cem", "dee", "fay"]));
    assert_eq!(of(&report, "cem")["sessions"], 2);
    assert_eq!(of(&report, "dee")["reason"], "stale");
    assert_eq!(report["sessions_deleted"], 3);
    assert_eq!(report["users_marked"], 2);
    for gone in ["cem", "fay"] {
        assert!(turn.all_out(&seeded.keys(gone)).await, "{gone}");
    }
    for here in ["ana", "ben", "eve", "gus"] {
        let names = site.names(&seeded.keys(here)).await;
        assert_eq!(names, [Some(here.to_owned())]);
    }
    assert_eq!(turn.kept().await, before.saturating_sub(3));
    assert_eq!(site.flagged().await, listed(["ana", "ben", "eve", "gus"]));

    let again = site.curfew().done(&["sweep"]).await;
    assert_eq!(again["users"], json!([]));
    assert_eq!(again["sessions_deleted"], 0);
}

/// The plan had them both; one comes back with the old cookie, and the sweep that follows knows.
async fn who_came_back_stays(turn: Turn) {
    let site = &turn.site;
    let seeded = site.seed(&[overdue("ana"), overdue("cem")]).await;
    let plan = site.curfew().done(&["sweep", "--dry-run"]).await;
    assert_eq!(names(&plan), listed(["ana", "cem"]));

    let mut browser = site.browser(&seeded.key("ana"));
    assert_eq!(browser.whoami().await.as_deref(), Some("ana"));

    let report = site.curfew().done(&["sweep"]).await;
    assert_eq!(names(&report), listed(["cem"]));
    assert_eq!(browser.whoami().await.as_deref(), Some("ana"));
    assert!(turn.all_out(&seeded.keys("cem")).await);
}
