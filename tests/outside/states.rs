//! Who is here, by Django's own rows: states, evidence, counts, sessions. Nothing here signs anyone out.

use serde_json::json;

use crate::harness::{Plan, active, fingerprint, idle, listed, names, of, overdue, person, sorted};

const DAY: u32 = 86_400;

crate::on_each_site! {
    everyone_is_shown_as_django_left_them
    a_login_is_evidence_though_the_last_activity_is_days_old
    a_request_is_evidence
    each_kind_of_expiry_is_told_apart
    a_list_is_narrowed_sorted_and_cut
}

async fn everyone_is_shown_as_django_left_them(plan: Plan) {
    let site = plan.start().await;
    let gone = json!({"saved_age": 2 * DAY, "expiry": DAY});
    let seeded = site
        .seed(&[
            active("ana").staff(),
            idle("ben").session(50).superuser(),
            overdue("cem")
                .with("first_name", "Cem")
                .with("last_name", "Öz"),
            overdue("dee").no_session(),
            person("eve").login(3 * DAY).session(2 * DAY),
            person("fay").activity(5).session_with(gone.clone()),
            overdue("gus").unflagged().session_with(gone),
            person("hal"),
            person("ivo")
                .activity(5)
                .flag()
                .session(5)
                .with("enabled", false),
        ])
        .await;
    site.anonymous(3).await;

    let document = site.curfew().done(&["users"]).await;

    let counts = &document["counts"];
    let expected = json!({
        "signed_in": 5, "active": 2, "idle": 0, "overdue": 2, "stale": 2, "unknown": 1,
        "sessions": 6, "anonymous_sessions": 3, "unreadable_sessions": 0,
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&counts[key], value, "{key} of {counts}");
    }
    assert_eq!(
        names(&document),
        listed(["ana", "ben", "cem", "dee", "eve", "gus", "ivo"])
    );

    let ana = of(&document, "ana");
    assert_eq!(ana["state"], "active");
    assert_eq!(ana["evidence"], "last_activity");
    assert_eq!(ana["id"], seeded.id("ana"));
    assert_eq!(ana["email"], "ana@example.org");
    assert_eq!(
        (&ana["staff"], &ana["superuser"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (&ana["flagged"], &ana["enabled"]),
        (&json!(true), &json!(true))
    );
    let seconds = ana["idle_seconds"].as_u64().unwrap();
    assert!((30..60).contains(&seconds), "{seconds}");

    // Ben's activity is ten minutes old, and his second session was saved a moment ago.
    let ben = of(&document, "ben");
    assert_eq!(ben["state"], "active");
    assert_eq!(ben["evidence"], "session_save");
    assert_eq!(ben["sessions"], 2);
    assert_eq!(ben["superuser"], true);

    assert_eq!(of(&document, "cem")["state"], "overdue");
    assert_eq!(of(&document, "cem")["name"], "Cem Öz");
    assert_eq!(of(&document, "dee")["state"], "stale");
    assert_eq!(of(&document, "dee")["sessions"], 0);
    // An old login and an old save prove no inactivity.
    assert_eq!(of(&document, "eve")["state"], "unknown");
    assert_eq!(of(&document, "eve")["idle_seconds"], json!(null));
    // Two sessions, of which one has expired.
    assert_eq!(of(&document, "gus")["sessions"], 1);
    assert_eq!(of(&document, "gus")["flagged"], false);
    // Django lets nobody in whose account is switched off.
    assert_eq!(of(&document, "ivo")["state"], "stale");
    assert_eq!(of(&document, "ivo")["enabled"], false);
    assert_eq!(site.names(&seeded.keys("ivo")).await, [None]);
}

async fn a_login_is_evidence_though_the_last_activity_is_days_old(plan: Plan) {
    let site = plan.start().await;
    site.seed(&[person("ana").activity(3 * DAY).login(3 * DAY).flag()])
        .await;
    let mut browser = site.sign_in("ana").await;

    let document = site.curfew().done(&["users"]).await;
    let ana = of(&document, "ana");
    assert_eq!(ana["state"], "active");
    assert_ne!(ana["evidence"], "last_activity");
    let swept = site.curfew().done(&["sweep", "--force"]).await;
    assert_eq!(swept["users"], json!([]));
    assert_eq!(browser.whoami().await.as_deref(), Some("ana"));
}

async fn a_request_is_evidence(plan: Plan) {
    let site = plan.start().await;
    let seeded = site.seed(&[overdue("ana")]).await;
    let before = site.curfew().done(&["users"]).await;
    assert_eq!(of(&before, "ana")["state"], "overdue");

    site.browser(&seeded.key("ana")).whoami().await;

    let after = site.curfew().done(&["users"]).await;
    assert_eq!(of(&after, "ana")["state"], "active");
    assert_eq!(of(&after, "ana")["evidence"], "last_activity");
}

async fn each_kind_of_expiry_is_told_apart(plan: Plan) {
    let site = plan.start().await;
    site.seed(&[person("ana")]).await;
    let kinds = [
        ("int", "age"),
        ("none", "age"),
        ("close", "browser_close"),
        ("delta", "fixed"),
        ("moment", "fixed"),
    ];
    let mut browsers = Vec::new();
    for (kind, expected) in kinds {
        let mut browser = site.sign_in("ana").await;
        browser.get(&format!("expiry?as={kind}")).await;
        browsers.push((kind, expected, fingerprint(browser.key())));
    }

    let curfew = site.curfew().env("CURFEW_SECRET_KEY", &site.secret_key);
    let document = curfew.done(&["sessions", "ana"]).await;

    assert_eq!(document["user"]["username"], "ana");
    let sessions = document["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), kinds.len());
    for (kind, expected, fingerprint) in browsers {
        let session = sessions.iter().find(|s| s["fingerprint"] == fingerprint);
        let session = session.unwrap_or_else(|| panic!("{kind}: {document:#}"));
        assert_eq!(session["expiry"], expected, "{kind}");
        assert_eq!(session["signature"], "verified", "{kind}");
        assert_eq!(session["readable"], true, "{kind}");
        assert_eq!(session["usable"], true, "{kind}");
        for time in ["last_saved", "expires"] {
            let time = session[time].as_str().unwrap();
            assert!(time.ends_with('Z') && time.contains('T'), "{kind}: {time}");
        }
    }
    let unchecked = site.curfew().done(&["sessions", "ana"]).await;
    assert_eq!(unchecked["sessions"][0]["signature"], "unchecked");
}

async fn a_list_is_narrowed_sorted_and_cut(plan: Plan) {
    let site = plan.start().await;
    site.seed(&[
        active("ana"),
        idle("ben"),
        idle("Bea").session(900),
        overdue("cem"),
    ])
    .await;
    let curfew = site.curfew();
    let idle = curfew.done(&["users", "--state", "idle"]).await;
    assert_eq!(names(&idle), listed(["Bea", "ben"]));
    // The counts are the site's, whatever the list is narrowed to.
    assert_eq!(idle["counts"]["signed_in"], 4);

    let found = curfew.done(&["users", "--search", "BE"]).await;
    assert_eq!(sorted(&found["users"]), listed(["Bea", "ben"]));
    let by_mail = curfew.done(&["users", "--search", "cem@exam"]).await;
    assert_eq!(names(&by_mail), listed(["cem"]));

    let most = ["users", "--sort", "sessions", "--desc", "--limit", "1"];
    assert_eq!(names(&curfew.done(&most).await), listed(["Bea"]));
    let first = ["users", "--sort", "username", "--limit", "2"];
    assert_eq!(names(&curfew.done(&first).await).len(), 2);
}
