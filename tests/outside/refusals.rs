//! When Curfew says no: exit status 3, one line, and not a row changed.

use serde_json::Value;

use crate::harness::{
    Curfew, Django, Engine, Person, Plan, Site, active, fingerprint, idle, overdue, person,
};

crate::on_each_site! {
    a_view_only_site_is_not_touched
    without_a_journal_nothing_is_touched
}

const VIEW_ONLY: &str = "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = false\n";

/// Each way to change something on a site, for `ana` who has this session.
async fn refuse_all(curfew: &Curfew, key: &str, code: &str) {
    let mark = fingerprint(key);
    for args in [
        &["sweep"][..],
        &["sweep", "--force"],
        &["logout", "ana"],
        &["logout", "ana", "--session", &mark],
    ] {
        let ran = curfew.json(args).await;
        assert_eq!(ran.status, 3, "{args:?}: {ran:#?}");
        assert_eq!(ran.error().0, code, "{args:?}");
        let plain = curfew.run(args).await;
        assert_eq!(plain.status, 3, "{args:?}: {plain:#?}");
        assert_eq!(plain.stdout, "", "{args:?}");
        assert_eq!(
            plain.stderr.trim().lines().count(),
            1,
            "{args:?}: {plain:#?}"
        );
    }
}

async fn a_view_only_site_is_not_touched(plan: Plan) {
    let site = plan.start().await;
    let seeded = site
        .seed(&[overdue("ana"), overdue("dee").no_session()])
        .await;
    let before = site.checksums().await;
    let curfew = site.configured(VIEW_ONLY);
    refuse_all(&curfew, &seeded.key("ana"), "view_only").await;
    // Looking is free.
    let preview = curfew.done(&["sweep", "--dry-run"]).await;
    assert_eq!(preview["users"].as_array().unwrap().len(), 2);
    assert_eq!(curfew.done(&["users"]).await["counts"]["overdue"], 1);
    assert_eq!(site.checksums().await, before);
}

async fn without_a_journal_nothing_is_touched(plan: Plan) {
    let site = plan.start().await;
    let seeded = site
        .seed(&[overdue("ana"), overdue("dee").no_session()])
        .await;
    let before = site.checksums().await;
    let file = site.folder("a-file");
    std::fs::write(&file, "in the way").unwrap();
    // A folder that not even root can make.
    let curfew = site
        .curfew()
        .env("CURFEW_STATE_DIR", &format!("{file}/state"));
    refuse_all(&curfew, &seeded.key("ana"), "journal").await;
    assert_eq!(curfew.done(&["users"]).await["counts"]["overdue"], 1);
    assert_eq!(site.checksums().await, before);
}

#[tokio::test]
async fn without_evidence_nobody_is_swept() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let site = Site::on(Django::V52, engine).users("auth").start().await;
        site.seed(&[
            person("ana").login(900_000).session(800_000),
            person("ben").session(5),
        ])
        .await;
        let before = site.checksums().await;
        let users = site.curfew().done(&["users"]).await;
        assert_eq!(users["counts"]["unknown"], 1, "{users:#}");
        assert_eq!(users["counts"]["active"], 1, "{users:#}");
        for args in [&["sweep"][..], &["sweep", "--force"]] {
            let ran = site.curfew().json(args).await;
            assert_eq!(ran.status, 3, "{args:?}: {ran:#?}");
            assert_eq!(ran.error().0, "no_evidence");
        }
        assert_eq!(site.checksums().await, before);
    }
}

fn forty(overdue_people: usize) -> Vec<Person> {
    let one = |n: usize| match n {
        n if n < overdue_people => overdue(&format!("gone{n:02}")),
        n => active(&format!("here{n:02}")),
    };
    (0..40).map(one).collect()
}

#[tokio::test]
async fn a_sweep_of_most_people_wants_to_be_told_twice() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let site = Site::on(Django::V52, engine).start().await;
        site.seed(&forty(30)).await;
        let before = site.checksums().await;
        let ran = site.curfew().json(&["sweep"]).await;
        assert_eq!(ran.status, 3, "{ran:#?}");
        let (code, message) = ran.error();
        assert_eq!(code, "too_many");
        assert!(
            message.contains("30") && message.contains("40"),
            "{message}"
        );
        assert!(message.contains("--force"), "it says what to do: {message}");
        let preview = site.curfew().done(&["sweep", "--dry-run"]).await;
        assert_eq!(preview["users"].as_array().unwrap().len(), 30);
        assert_ne!(
            preview["held"],
            Value::Null,
            "the preview says what will hold it"
        );
        assert_eq!(site.checksums().await, before);

        let forced = site.curfew().done(&["sweep", "--force"]).await;
        assert_eq!(forced["sessions_deleted"], 30);
        assert_eq!(site.db.sessions().await, 10);
    }
}

#[tokio::test]
async fn a_sweep_of_exactly_half_goes_through() {
    let site = Site::start().await;
    let mut people = forty(20);
    people.extend([overdue("one"), overdue("two"), idle("ben"), idle("bea")]);
    // 22 of 44: more than 20 people, and not over half.
    site.seed(&people).await;
    let report = site.curfew().done(&["sweep"]).await;
    assert_eq!(report["users"].as_array().unwrap().len(), 22);
}

#[tokio::test]
async fn those_whom_the_policy_exempts_are_skipped_and_named() {
    let site = Site::start().await;
    site.seed(&[
        overdue("ana").staff(),
        overdue("ben").superuser(),
        overdue("cem"),
        overdue("robot"),
    ])
    .await;
    let curfew = site.configured(
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n[site.policy]\n\
         exempt = { staff = true, superusers = true, usernames = [\"robot\"] }\n",
    );
    let report = curfew.done(&["sweep"]).await;
    assert_eq!(crate::harness::names(&report), ["cem"]);
    assert_eq!(
        crate::harness::sorted(&report["skipped"]),
        ["ana", "ben", "robot"]
    );
    for skipped in report["skipped"].as_array().unwrap() {
        assert_ne!(skipped["why"], "", "{skipped}");
    }
    assert_eq!(site.flagged().await, ["ana", "ben", "robot"]);
}
