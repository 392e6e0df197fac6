//! API tokens of those who are signed out. The packages themselves say afterwards which token still lets its user in.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{
    Browser, Curfew, Django, Engine, OwnMariadb, Plan, SessionEngine, Shaped, Site, active, person,
};

/// What revoking needs, on each table.
const RIGHTS: [(&str, &str); 7] = [
    ("DELETE", "authtoken_token"),
    ("DELETE", "knox_authtoken"),
    ("INSERT", "token_blacklist_blacklistedtoken"),
    ("UPDATE (expires)", "oauth2_provider_accesstoken"),
    ("UPDATE (revoked)", "oauth2_provider_refreshtoken"),
    ("DELETE", "oauth2_provider_grant"),
    ("DELETE", "oauth2_provider_devicegrant"),
];

fn word(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap().to_owned()
}

/// Which of a user's tokens the packages accept.
async fn accepted(browser: &mut Browser, name: &str, tokens: &Value) -> Vec<&'static str> {
    let mut all = Vec::new();
    for (token, scheme) in [
        ("drf", "Drf"),
        ("knox", "Token"),
        ("jwt_access", "Bearer"),
        ("oauth_access", "Bearer"),
    ] {
        let header = format!("{scheme} {}", word(tokens, token));
        if browser.api(&header).await.as_deref() == Some(name) {
            all.push(token);
        }
    }
    let refresh = word(tokens, "jwt_refresh");
    if browser
        .submit("api/refresh", &[("refresh", &refresh)])
        .await
        == StatusCode::OK
    {
        all.push("jwt_refresh");
    }
    all
}

/// Exchanges the OAuth refresh token, which uses it up.
async fn exchanges(browser: &mut Browser, tokens: &Value) -> bool {
    let refresh = word(tokens, "oauth_refresh");
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str()),
        ("client_id", "app"),
        ("client_secret", "app secret"),
    ];
    browser.submit("o/token/", &form).await == StatusCode::OK
}

fn count(report: &Value, kind: &str, what: &str) -> u64 {
    let tables = report["tokens"]["tables"].as_array().unwrap();
    let of = tables.iter().filter(|table| table["kind"] == kind);
    of.map(|table| table[what].as_u64().unwrap()).sum()
}

async fn revoked_in_the_way_of_each_package(plan: Plan) {
    let site = plan.setting("SITE_WAYS", "1").start().await;
    site.migrate().await;
    site.seed(&[
        active("ana"),
        active("ben"),
        active("cem"),
        person("dee"),
        person("eve"),
    ])
    .await;
    let made = site.tokens(&["ana", "ben", "dee", "eve"]).await;
    let (mut browser, curfew) = (site.browser(""), site.curfew());

    // Without being asked: reported, and every token still works.
    let shown = curfew.done(&["sessions", "ana"]).await;
    assert_eq!(shown["tokens"]["found"], 7, "{shown}");
    let report = curfew.done(&["logout", "ana", "cem"]).await;
    let (ana, cem) = (&report["logouts"][0], &report["logouts"][1]);
    assert_eq!(ana["verified"], true, "of sessions: {report}");
    assert_eq!(ana["tokens"]["found"], 7, "{report}");
    assert_eq!(ana["tokens"]["revoked"], 0, "{report}");
    assert_eq!(cem["tokens"]["found"], 0, "{report}");
    assert_eq!(cem["tokens"]["detail"], "", "{report}");
    let said = ana["tokens"]["detail"].as_str().unwrap();
    assert!(
        said.starts_with("ana also has 7 API tokens, not revoked: "),
        "{said}"
    );
    assert!(said.contains("by default for 5 minutes"), "{said}");
    let every = ["drf", "knox", "jwt_access", "oauth_access", "jwt_refresh"];
    assert_eq!(accepted(&mut browser, "ana", &made["ana"]).await, every);

    // A right that is missing is named, and nothing is claimed.
    let on_a_server = site.db.url().starts_with("sqlite").then_some(()).is_none();
    if on_a_server {
        let ran = curfew.json(&["logout", "ben", "--tokens"]).await;
        assert_eq!(ran.status, 4, "{ran:#?}");
        let report = ran.document();
        assert_eq!(report["tokens"]["revoked"], 0, "{report}");
        assert_eq!(report["tokens"]["left"], 7, "{report}");
        let said = report["tokens"]["detail"].as_str().unwrap();
        for (right, table) in &RIGHTS[..6] {
            assert!(
                said.contains(&format!("GRANT {right} ON {table}")),
                "{said}"
            );
        }
        for (right, table) in RIGHTS {
            site.db.grant(right, table).await;
        }
    }

    // ben has no session any more where the right was missing, and dee never had one.
    let ran = curfew.json(&["logout", "ben", "dee", "--tokens"]).await;
    assert_eq!(ran.status, 4, "the site's own tokens are left: {ran:#?}");
    let document = ran.document();
    for (name, report) in ["ben", "dee"]
        .iter()
        .zip(document["logouts"].as_array().unwrap())
    {
        let tokens = &report["tokens"];
        assert_eq!(tokens["found"], 7, "{name}: {report}");
        assert_eq!(tokens["revoked"], 6, "{name}: {report}");
        assert_eq!(count(report, "own", "left"), 1, "{name}: {report}");
        assert!(
            ran.stdout.contains("does not know how this table's tokens"),
            "{ran:#?}"
        );
        // The access token is not in the database. It lives for five minutes.
        let left = accepted(&mut browser, name, &made[*name]).await;
        assert_eq!(left, ["jwt_access"], "{name}");
        assert!(!exchanges(&mut browser, &made[*name]).await, "{name}");
    }
    assert!(
        exchanges(&mut browser, &made["ana"]).await,
        "nobody else's token"
    );
    let left = accepted(&mut browser, "ana", &made["ana"]).await;
    assert!(left.contains(&"drf") && left.contains(&"knox") && left.contains(&"jwt_refresh"));

    // The journal has it, and the chain holds.
    let journal = curfew.done(&["journal", "--verify"]).await;
    assert_eq!(journal["intact"], true, "{journal}");
    let entries = journal["entries"].to_string();
    assert!(
        entries.contains("6 API tokens of dee revoked, 1 not revoked"),
        "{entries}"
    );

    if on_a_server {
        return;
    }
    // By the configuration, without the option.
    let curfew = site.configured(
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\nrevoke_tokens = true\naccount_switch = true\n{sessions}",
    );
    let curfew = curfew.site("shop");
    let ran = curfew.json(&["logout", "ana"]).await;
    assert_eq!(ran.status, 4, "{ran:#?}");
    let report = ran.document();
    assert_eq!(count(&report, "drf", "revoked"), 1, "{report}");
    assert_eq!(
        accepted(&mut browser, "ana", &made["ana"]).await,
        ["jwt_access"]
    );

    // A suspended account's tokens go, too: oauth-toolkit does not ask whether the account is enabled.
    let report = curfew.json(&["suspend", "eve"]).await.document();
    assert_eq!(report["outcome"], "suspended", "{report}");
    assert_eq!(report["tokens"]["revoked"], 6, "{report}");
    assert!(!exchanges(&mut browser, &made["eve"]).await);
}

#[tokio::test]
async fn tokens_are_reported_and_revoked_on_postgres() {
    revoked_in_the_way_of_each_package(Site::on(Django::V52, Engine::Postgres)).await;
}

#[tokio::test]
async fn tokens_are_reported_and_revoked_on_mysql() {
    revoked_in_the_way_of_each_package(Site::on(Django::V52, Engine::Mysql)).await;
}

#[tokio::test]
async fn tokens_are_reported_and_revoked_on_sqlite() {
    revoked_in_the_way_of_each_package(Site::on(Django::V52, Engine::Sqlite)).await;
}

/// Keys are UUIDs, kept as 32 hex digits where the database has no such type.
#[tokio::test]
async fn tokens_of_users_with_uuids_are_found() {
    let plans = [Engine::Postgres, Engine::Mysql, Engine::Sqlite];
    for engine in plans {
        let plan = Site::on(Django::V52, engine).users("people");
        let site = plan.setting("SITE_WAYS", "1").start().await;
        site.migrate().await;
        site.seed(&[active("ana@example.org")]).await;
        site.tokens(&["ana@example.org"]).await;
        let shown = site.curfew().done(&["sessions", "ana@example.org"]).await;
        assert_eq!(shown["tokens"]["found"], 7, "{engine:?}: {shown}");
    }
}

/// A key in the table of the parent model counts. So does a row that says neither "revoked" nor "not revoked".
#[tokio::test]
async fn a_key_of_the_parent_model_and_an_unmarked_row_are_live() {
    let site = Shaped::empty(Engine::Sqlite, "inherited").await;
    site.make(
        &json!({"users": {"ana": {"badge": "B1"}}, "sessions": [["ana", "ana", null, null]]}),
    )
    .await;
    site.db
        .execute(
            "ALTER TABLE shapes_person ADD COLUMN api_key varchar(40);
             UPDATE shapes_person SET api_key = 'canary';
             CREATE TABLE shop_apikey (id integer PRIMARY KEY, token varchar(40), revoked bool NULL,
                 user_id integer NOT NULL REFERENCES shapes_user (person_ptr_id));
             INSERT INTO shop_apikey SELECT 1, 'canary', NULL, person_ptr_id FROM shapes_user;
             INSERT INTO shop_apikey SELECT 2, 'canary', 0, person_ptr_id FROM shapes_user;
             INSERT INTO shop_apikey SELECT 3, 'canary', 1, person_ptr_id FROM shapes_user",
        )
        .await;
    let shown = site
        .configured("[[site]]\nname = \"shop\"\nurl = \"{url}\"\n")
        .done(&["sessions", "ana"])
        .await;
    let tables = shown["tokens"]["tables"].as_array().unwrap();
    let counts = tables.iter().map(|table| {
        (
            table["table"].as_str().unwrap(),
            table["found"].as_u64().unwrap(),
        )
    });
    let counts: BTreeMap<&str, u64> = counts.collect();
    assert_eq!(counts, [("shapes_person", 1), ("shop_apikey", 2)].into());
}

/// MariaDB shows an account only the tables on which it has a right.
#[tokio::test]
async fn tables_that_are_hidden_are_not_taken_for_none() {
    let server = OwnMariadb::start().await;
    server
        .execute(
            "USE shop; CREATE TABLE authtoken_token (`key` varchar(40) PRIMARY KEY, created timestamp NOT NULL, user_id integer NOT NULL);
             INSERT INTO auth_user VALUES (1, '', NULL, 0, 'ana', '', '', '', 0, 1, now());
             INSERT INTO authtoken_token VALUES ('canary', now(), 1)",
        )
        .await;
    let home = tempfile::tempdir().unwrap();
    let curfew = Curfew::new(home.path()).site(&server.url());
    let said = curfew.run(&["sessions", "ana"]).await.stdout;
    assert!(said.contains("API tokens could not be counted"), "{said}");
    let ran = curfew.json(&["logout", "ana", "--tokens"]).await;
    assert_eq!(ran.status, 4, "{ran:#?}");
    let tokens = &ran.document()["tokens"];
    assert_eq!(tokens["complete"], false, "{tokens:#}");
    let why = tokens["unchecked"][0].as_str().unwrap();
    assert!(why.contains("GRANT SELECT ON"), "{why}");

    // A right on the table shows it. Another may still be hidden.
    server
        .execute("GRANT SELECT, DELETE ON shop.authtoken_token TO curfew@'%'")
        .await;
    let ran = curfew.json(&["logout", "ana", "--tokens"]).await;
    assert_eq!(ran.status, 4, "{ran:#?}");
    let tokens = ran.document()["tokens"].clone();
    assert_eq!(
        (&tokens["revoked"], &tokens["left"]),
        (&1.into(), &0.into()),
        "{tokens:#}"
    );

    // With the right to read every table, none is hidden.
    server
        .execute("GRANT SELECT ON shop.* TO curfew@'%'; INSERT INTO shop.authtoken_token VALUES ('canary', now(), 1)")
        .await;
    let report = curfew.done(&["logout", "ana", "--tokens"]).await;
    assert_eq!(report["tokens"]["revoked"], 1, "{report:#}");
    assert_eq!(
        report["tokens"]["unchecked"],
        serde_json::json!([]),
        "{report:#}"
    );
}

/// The check "API tokens" of doctor.
async fn doctor_on_tokens(curfew: &Curfew) -> Value {
    let document = curfew.json(&["doctor"]).await.document();
    let checks = document["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == "API tokens");
    check.unwrap().clone()
}

/// With signed cookies nothing on the server ends a session. Tokens are another way in, and can be revoked.
#[tokio::test]
async fn tokens_are_revoked_although_cookies_cannot_be() {
    let plan = Site::on(Django::V52, Engine::Postgres).sessions(SessionEngine::SignedCookies);
    let site = plan.setting("SITE_WAYS", "1").start().await;
    site.migrate().await;
    site.seed(&[person("ana"), person("ben")]).await;
    let made = site.tokens(&["ana", "ben"]).await;
    let (mut browser, curfew) = (site.browser(""), site.curfew());

    // doctor names each right that revoke_tokens needs.
    assert_eq!(doctor_on_tokens(&curfew).await["ok"], true);
    let revoking = site.configured(
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\nrevoke_tokens = true\n{sessions}",
    );
    let check = doctor_on_tokens(&revoking).await;
    assert_eq!(check["ok"], false, "{check:#}");
    let detail = check["detail"].as_str().unwrap();
    for (right, table) in RIGHTS {
        assert!(
            detail.contains(&format!("GRANT {right} ON {table}")),
            "{detail}"
        );
        site.db.grant(right, table).await;
    }
    let check = doctor_on_tokens(&revoking).await;
    assert_eq!(check["ok"], true, "{check:#}");
    let detail = check["detail"].as_str().unwrap();
    assert!(detail.contains("cannot revoke those in"), "{detail}");

    let ran = curfew.json(&["logout", "ana", "--tokens"]).await;
    assert_eq!(ran.status, 3, "{ran:#?}");
    let report = ran.document();
    assert_eq!(report["outcome"], "not_possible", "{report:#}");
    assert_eq!(report["verified"], false, "{report:#}");
    assert_eq!(report["tokens"]["revoked"], 6, "{report:#}");
    let left = accepted(&mut browser, "ana", &made["ana"]).await;
    assert_eq!(left, ["jwt_access"]);
    let text = revoking.run(&["logout", "ben"]).await;
    assert_eq!(text.status, 3, "{text:#?}");
    assert!(
        text.stdout.contains("6 API tokens of ben revoked"),
        "{text:#?}"
    );
    let journal = curfew.done(&["journal", "--verify"]).await;
    let entries = journal["entries"].to_string();
    assert!(entries.contains("6 API tokens of ana revoked"), "{entries}");
}
