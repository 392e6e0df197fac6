//! Sites of other shapes: keys, names and columns as sites have them, and what cannot be known without asking.

use serde_json::{Value, json};

use crate::harness::{
    Django, Engine, Plan, Shaped, Site, active, fingerprint, idle, names, of, overdue, person,
};

crate::on_each_site! {
    a_site_of_people_with_uuids_emails_and_odd_columns
    a_site_that_saves_on_every_request_tells_by_its_saves
    unreadable_rows_are_counted_and_everything_else_works
}

async fn a_site_of_people_with_uuids_emails_and_odd_columns(plan: Plan) {
    let site = plan.users("people").start().await;
    let seeded = site
        .seed(&[
            active("ana@example.org"),
            overdue("cem@example.org"),
            overdue("dee@example.org").no_session(),
        ])
        .await;
    let document = site.curfew().done(&["users"]).await;
    let ana = of(&document, "ana@example.org");
    assert_eq!(
        ana["id"],
        seeded.id("ana@example.org"),
        "the id as Django writes it"
    );
    assert_eq!(ana["state"], "active");
    assert_eq!(ana["evidence"], "last_activity");
    assert_eq!(ana["flagged"], true);

    let id = format!("id:{}", seeded.id("ana@example.org"));
    let sessions = site.curfew().done(&["sessions", &id]).await;
    let mark = fingerprint(&seeded.key("ana@example.org"));
    assert_eq!(sessions["sessions"][0]["fingerprint"], mark);

    let report = site.curfew().done(&["sweep"]).await;
    assert_eq!(names(&report), ["cem@example.org", "dee@example.org"]);
    assert_eq!(report["sessions_deleted"], 1);
    assert_eq!(report["users_marked"], 2);
    let flagged = site
        .db
        .int("SELECT count(*) FROM people_person WHERE \"isOnline\"")
        .await;
    assert_eq!(flagged, 1);
    let out = site.curfew().done(&["logout", "ana@example.org"]).await;
    assert_eq!(out["outcome"], "signed_out");
    assert_eq!(out["flag_cleared"], true);
    assert_eq!(site.names(&seeded.keys("ana@example.org")).await, [None]);
}

async fn a_site_that_saves_on_every_request_tells_by_its_saves(plan: Plan) {
    let site = plan
        .users("auth")
        .setting("SITE_SAVE_EVERY_REQUEST", "1")
        .start()
        .await;
    let seeded = site
        .seed(&[
            person("ana").login(90_000).session(90_000),
            person("ben").login(90_000).session(80_000),
        ])
        .await;
    let curfew = site.configured(
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n\
         [site.sessions]\nsaved_every_request = true\n",
    );
    // Any request saves ana's session.
    site.browser(&seeded.key("ana")).whoami().await;

    let document = curfew.done(&["users"]).await;
    assert_eq!(of(&document, "ana")["state"], "active");
    assert_eq!(of(&document, "ben")["state"], "overdue");
    assert_eq!(of(&document, "ben")["evidence"], "session_save");
    let report = curfew.done(&["sweep"]).await;
    assert_eq!(names(&report), ["ben"]);
    assert_eq!(site.names(&seeded.keys("ana")).await, [Some("ana".into())]);
    assert_eq!(site.names(&seeded.keys("ben")).await, [None]);
}

async fn unreadable_rows_are_counted_and_everything_else_works(plan: Plan) {
    let site = plan.start().await;
    site.seed(&[active("ana"), overdue("cem")]).await;
    for (number, data) in [
        "",
        ":::",
        "not base64 at all \u{fffd}:1abcde:sig",
        "eyJhIjoxfQ",
        ".eJwLzs_PSSxJLVKoyEwrSqxKVUjKLMlXKEktLsnMSwcAl6oKMA:1abcde:sig",
        "W10:1abcde:sig",
        "eyJfYXV0aF91c2VyX2lkIjp7fX0:1abcde:sig",
    ]
    .iter()
    .enumerate()
    {
        let insert = format!(
            "INSERT INTO django_session (session_key, session_data, expire_date) \
             SELECT 'broken{number}', '{data}', max(expire_date) FROM django_session"
        );
        assert_eq!(site.db.execute(&insert).await, 1);
    }
    let document = site.curfew().done(&["users"]).await;
    let counts = &document["counts"];
    assert_eq!(
        (&counts["active"], &counts["overdue"]),
        (&json!(1), &json!(1))
    );
    // Which of the seven parse as an anonymous session is Django's affair; none is lost.
    let odd = counts["unreadable_sessions"].as_u64().unwrap()
        + counts["anonymous_sessions"].as_u64().unwrap();
    assert_eq!(odd, 7, "{counts}");
    assert!(
        counts["unreadable_sessions"].as_u64().unwrap() >= 5,
        "{counts}"
    );
    // Some may be what only the site's own serializer reads: whose they are, nobody knows.
    let ran = site.curfew().json(&["sweep"]).await;
    let report = ran.document();
    assert_eq!(ran.status, 4, "{report:#}");
    assert_eq!(report["doubts"][0]["code"], "unattributed", "{report:#}");
    assert_eq!(names(&report), ["cem"]);
    assert_eq!(site.db.sessions().await, 8);
}

#[tokio::test]
async fn two_tables_that_could_hold_the_users_are_asked_about() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let site = Site::on(Django::V52, engine).start().await;
        site.seed(&[active("ana")]).await;
        site.db.execute("DROP TABLE django_admin_log").await;
        site.db
            .execute(
                "CREATE TABLE shop_customer (id integer PRIMARY KEY, login varchar(80) UNIQUE, \
                 password varchar(128), last_login timestamp)",
            )
            .await;
        if engine == Engine::Postgres {
            let grant = "GRANT SELECT ON shop_customer TO curfew_guest";
            site.db.execute(grant).await;
        }
        let ran = site.curfew().json(&["users"]).await;
        assert_eq!(ran.status, 1, "{ran:#?}");
        let (code, message) = ran.error();
        assert_eq!(code, "ambiguous");
        for candidate in ["accounts_customuser", "shop_customer", "[site.users]"] {
            assert!(message.contains(candidate), "{message}");
        }
        let curfew = site.configured(
            "[[site]]\nname = \"shop\"\nurl = \"{url}\"\n[site.users]\ntable = \"accounts_customuser\"\n",
        );
        assert_eq!(names(&curfew.done(&["users"]).await), ["ana"]);
    }
}

#[tokio::test]
async fn a_table_that_the_admin_log_refers_to_is_the_one() {
    let site = Site::start().await;
    site.seed(&[active("ana")]).await;
    let decoy = "CREATE TABLE decoy (id bigint PRIMARY KEY, username varchar(80) UNIQUE, \
                 password varchar(128), last_login timestamptz, last_activity timestamptz)";
    site.db.execute(decoy).await;
    site.db
        .execute("GRANT SELECT ON decoy TO curfew_guest")
        .await;
    assert_eq!(names(&site.curfew().done(&["users"]).await), ["ana"]);
}

#[tokio::test]
async fn configured_columns_win_over_discovered_ones() {
    let site = Site::start().await;
    site.seed(&[overdue("ana"), active("ben")]).await;
    site.db
        .execute(
            "ALTER TABLE accounts_customuser ADD COLUMN \"Zuletzt da\" timestamptz DEFAULT now()",
        )
        .await;
    let curfew = site.configured(
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\n[site.users]\n\
         last_activity = \"Zuletzt da\"\nusername = \"email\"\n",
    );
    let document = curfew.done(&["users"]).await;
    assert_eq!(of(&document, "ana@example.org")["state"], "active");
    assert_eq!(document["counts"]["active"], 2);

    let wrong = site.configured(
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\n[site.users]\nlast_activity = \"no such column\"\n",
    );
    let ran = wrong.json(&["users"]).await;
    assert_eq!((ran.status, ran.error().0.as_str()), (2, "config"));
    assert!(ran.error().1.contains("no such column"));
}

#[tokio::test]
async fn a_last_activity_in_the_future_is_a_fault_and_not_activity() {
    let site = Site::start().await;
    site.seed(&[overdue("ana"), idle("ben")]).await;
    site.db
        .execute("UPDATE accounts_customuser SET last_activity = now() + interval '2 days' WHERE username = 'ana'")
        .await;
    let document = site.curfew().done(&["users"]).await;
    let ana = of(&document, "ana");
    assert_ne!(ana["state"], "active", "{ana}");
    assert_ne!(ana["fault"], Value::Null, "{ana}");
    assert_eq!(of(&document, "ben")["fault"], Value::Null);
}

#[tokio::test]
async fn a_site_without_time_zones_is_read_right() {
    let site = Site::on(Django::V52, Engine::Postgres)
        .setting("SITE_USE_TZ", "0")
        .setting("SITE_TIME_ZONE", "America/New_York")
        .start()
        .await;
    let seeded = site.seed(&[idle("ana"), overdue("cem")]).await;
    let document = site.curfew().done(&["users"]).await;
    assert_eq!(of(&document, "ana")["state"], "idle");
    assert_eq!(of(&document, "cem")["state"], "overdue");
    site.browser(&seeded.key("cem")).whoami().await;
    let document = site.curfew().done(&["users"]).await;
    assert_eq!(of(&document, "cem")["state"], "active");
}

#[tokio::test]
async fn names_in_any_script_are_found_and_signed_out() {
    let site = Site::start().await;
    let odd = ["o'brien; --", "Ζωή", "مريم", "a\"b`c", "100%_", "<b>x</b>"];
    let people: Vec<_> = odd.iter().map(|name| active(name)).collect();
    let seeded = site.seed(&people).await;
    for name in odd {
        let found = site.curfew().done(&["users", "--search", name]).await;
        assert_eq!(names(&found), [name]);
        let report = site.curfew().done(&["logout", name]).await;
        assert_eq!(report["sessions_deleted"], 1, "{name}");
        assert_eq!(site.names(&seeded.keys(name)).await, [None]);
    }
}

#[tokio::test]
async fn columns_that_say_something_else_are_refused_and_ambiguous_ones_are_asked_about() {
    let site = Shaped::empty(Engine::Sqlite, "int").await;
    let asked =
        json!({"users": {"ana": {"is_online": true}}, "sessions": [["ana", "ana", null, null]]});
    site.make(&asked).await;
    for (key, column) in [
        ("flag", "is_superuser"),
        ("flag", "is_staff"),
        ("flag", "is_active"),
        ("last_activity", "last_login"),
    ] {
        let toml = format!(
            "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\n[site.users]\n{key} = \"{column}\"\n"
        );
        let ran = site.configured(&toml).json(&["users"]).await;
        assert_eq!(
            (ran.status, ran.error().0.as_str()),
            (2, "config"),
            "{column}"
        );
        assert!(ran.error().1.contains(column), "{ran:#?}");
    }
    site.db
        .execute("ALTER TABLE shapes_user ADD COLUMN last_seen datetime")
        .await;
    let document = site.curfew().done(&["users"]).await;
    assert_eq!(of(&document, "ana")["state"], "active");
    let doctor = site.curfew().json(&["doctor"]).await.document();
    let asked = "last_activity and last_seen could each be it";
    let checks = doctor["checks"].as_array().unwrap();
    let asks =
        |check: &Value| check["ok"] == false && check["fix"].as_str().unwrap_or("").contains(asked);
    assert!(checks.iter().any(asks), "{doctor:#}");
    let toml = "[[site]]\nname = \"shop\"\nurl = \"{url}\"\n[site.users]\nlast_activity = \"last_activity\"\n";
    let document = site.configured(toml).done(&["users"]).await;
    assert_eq!(of(&document, "ana")["evidence"], "last_activity");
}
