//! Signing people out, as Django then answers: "who am I", with the same cookie.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Plan, Proxy, Site, active, fingerprint, idle, listed, names, of, overdue, person,
};

crate::on_each_site! {
    a_logout_of_one_session_leaves_the_others
    a_logout_of_a_user_ends_each_of_their_sessions_and_nobody_elses
    a_sweep_signs_out_the_overdue_alone
    a_preview_touches_nothing
    a_person_who_is_not_signed_in_is_nothing_to_do
}

async fn a_logout_of_one_session_leaves_the_others(plan: Plan) {
    let site = plan.start().await;
    site.seed(&[person("ana")]).await;
    let mut laptop = site.sign_in("ana").await;
    let mut phone = site.sign_in("ana").await;
    laptop.whoami().await;

    let mark = fingerprint(laptop.key());
    let report = site
        .curfew()
        .done(&["logout", "ana", "--session", &mark])
        .await;

    assert_eq!(report["outcome"], "signed_out");
    assert_eq!(report["sessions_deleted"], 1);
    assert_eq!(report["verified"], true);
    assert_eq!(
        report["flag_cleared"], false,
        "ana is still here, with her phone"
    );
    assert_eq!(phone.whoami().await.as_deref(), Some("ana"));
    assert_eq!(laptop.whoami().await, None);
}

async fn a_logout_of_a_user_ends_each_of_their_sessions_and_nobody_elses(plan: Plan) {
    let site = plan.start().await;
    let seeded = site
        .seed(&[active("ana"), active("ben"), overdue("cem")])
        .await;
    let mut laptop = site.sign_in("ana").await;
    let mut other = site.sign_in("ben").await;

    let id = format!("id:{}", seeded.id("ana"));
    let report = site
        .curfew()
        .done(&["logout", &id, "--reason", "account taken over"])
        .await;

    assert_eq!(report["user"]["username"], "ana");
    assert_eq!(report["outcome"], "signed_out");
    assert_eq!(report["sessions_deleted"], 2);
    assert_eq!(report["flag_cleared"], true);
    assert_eq!(laptop.whoami().await, None);
    assert_eq!(site.names(&seeded.keys("ana")).await, [None]);
    assert_eq!(other.whoami().await.as_deref(), Some("ben"));
    assert_eq!(site.names(&seeded.keys("cem")).await, [Some("cem".into())]);
    assert_eq!(site.flagged().await, listed(["ben", "cem"]));
}

async fn a_sweep_signs_out_the_overdue_alone(plan: Plan) {
    let site = plan.start().await;
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
    let rows = site.db.sessions().await;

    let report = site.curfew().done(&["sweep"]).await;

    assert_eq!(report["dry_run"], false);
    assert_eq!(report["verified"], true);
    assert_eq!(names(&report), listed(["cem", "dee", "fay"]));
    assert_eq!(of(&report, "cem")["reason"], "overdue");
    assert_eq!(of(&report, "cem")["sessions"], 2);
    assert_eq!(of(&report, "dee")["reason"], "stale");
    assert_eq!(report["sessions_deleted"], 3);
    assert_eq!(report["users_marked"], 2);
    assert_eq!(site.db.sessions().await, rows - 3);
    for gone in ["cem", "fay"] {
        let names = site.names(&seeded.keys(gone)).await;
        assert!(names.iter().all(Option::is_none), "{gone}");
    }
    for here in ["ana", "ben", "eve", "gus"] {
        assert_eq!(
            site.names(&seeded.keys(here)).await,
            [Some(here.to_owned())]
        );
    }
    assert_eq!(site.flagged().await, listed(["ana", "ben", "eve", "gus"]));

    let again = site.curfew().done(&["sweep"]).await;
    assert_eq!(again["users"], json!([]));
    assert_eq!(again["sessions_deleted"], 0);
}

async fn a_preview_touches_nothing(plan: Plan) {
    let site = plan.start().await;
    site.seed(&[active("ana"), overdue("cem"), overdue("dee").no_session()])
        .await;
    let before = site.checksums().await;
    let preview = site.curfew().done(&["sweep", "--dry-run"]).await;
    assert_eq!(preview["dry_run"], true);
    assert_eq!(names(&preview), listed(["cem", "dee"]));
    assert_eq!(site.checksums().await, before);
    // Other limits, other people.
    let long = ["sweep", "--dry-run", "--sign-out-after", "3h"];
    assert_eq!(names(&site.curfew().done(&long).await), [""; 0]);
    let short = [
        "sweep",
        "--dry-run",
        "--idle-after",
        "5s",
        "--sign-out-after",
        "10s",
    ];
    assert_eq!(
        names(&site.curfew().done(&short).await),
        listed(["ana", "cem", "dee"])
    );
}

async fn a_person_who_is_not_signed_in_is_nothing_to_do(plan: Plan) {
    let site = plan.start().await;
    site.seed(&[person("ana"), active("ben")]).await;
    let before = site.checksums().await;
    let report = site.curfew().done(&["logout", "ana"]).await;
    assert_eq!(report["outcome"], "nothing_to_do");
    assert_eq!(report["sessions_deleted"], 0);
    assert_eq!(site.checksums().await, before);
}

/// The wire is held from the deletion until the second look has given up: the look is taken again, and what came
/// of it is known.
#[tokio::test]
async fn a_second_look_that_fails_is_taken_again() {
    let site = Site::start().await;
    let key = site.seed(&[active("ana")]).await.key("ana");
    let proxy = Proxy::before(&site.db.url()).await;
    let curfew = site.curfew().site(proxy.url());
    let logout = tokio::spawn(async move { curfew.done(&["logout", "ana"]).await });
    while site.db.sessions().await > 0 && !logout.is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The look at once is over, and the second one comes after 2.5 s, with 5 s for its statement.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    proxy.hold(true);
    tokio::time::sleep(Duration::from_millis(8500)).await;
    assert!(!logout.is_finished(), "it has given up");
    proxy.hold(false);

    let report = logout.await.unwrap();
    assert_eq!(report["outcome"], "signed_out", "{report:#}");
    assert_eq!(report["verified"], true, "{report:#}");
    assert_eq!(site.names(&[key]).await, [None]);
}
