//! A user model that inherits from another: names, rights and the account's switch are in the parent's table.

use serde_json::{Value, json};

use crate::harness::{Engine, Shaped, names, of, whose};

async fn parent_and_child_are_one_user(engine: Engine) {
    let site = Shaped::empty(engine, "inherited").await;
    let made = site
        .make(&json!({
            "age": 10_800,
            "users": {
                "root": {"badge": "B1", "is_superuser": true, "is_online": true},
                "ana": {"badge": "B2", "is_staff": true, "is_online": true},
                "ben": {"badge": "B3", "is_online": true},
                "cem": {"badge": "B4", "is_active": false},
                "dee": {"badge": "B5", "is_online": true},
            },
            "sessions": [
                ["root", "root", null, null], ["ana", "ana", null, null], ["ben", "ben", null, null],
                ["cem", "cem", null, null], ["dee", "dee", null, null],
            ],
        }))
        .await;
    // Ana is active by the child's table, dee by the parent's.
    let now = match engine {
        Engine::Mysql => "utc_timestamp(6)",
        Engine::Postgres => "now()",
        Engine::Sqlite => "datetime('now')",
    };
    let ana = format!("UPDATE shapes_user SET last_activity = {now} WHERE badge = 'B2'");
    let dee = format!("UPDATE shapes_person SET last_login = {now} WHERE username = 'dee'");
    assert_eq!(site.db.execute(&ana).await + site.db.execute(&dee).await, 2);
    let curfew = site.configured(
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\naccount_switch = true\n\
         [site.policy]\nexempt = { superusers = true }\n",
    );
    let document = curfew.done(&["users"]).await;
    assert_eq!(
        names(&document),
        ["ana", "ben", "dee", "root"],
        "{engine:?}: {document:#}"
    );
    assert_eq!(of(&document, "root")["superuser"], true);
    assert_eq!(of(&document, "ana")["staff"], true);
    for (name, state, evidence) in [
        ("ana", "active", Some("last_activity")),
        ("dee", "active", Some("last_login")),
        ("ben", "overdue", None),
    ] {
        let user = of(&document, name);
        assert_eq!(user["state"], state, "{engine:?}: {user}");
        assert_eq!(user["flagged"], true);
        if let Some(evidence) = evidence {
            assert_eq!(user["evidence"], evidence, "{engine:?}: {user}");
        }
    }
    let doctor = curfew.json(&["doctor"]).await.document();
    let rights = doctor["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["name"] == "rights");
    assert!(rights.is_none_or(|check| check["ok"] == true), "{doctor:#}");

    let swept = curfew.done(&["sweep", "--activity-grain", "1m"]).await;
    assert_eq!(names(&swept), ["ben"], "{engine:?}: {swept:#}");
    assert_eq!(
        (&swept["sessions_deleted"], &swept["users_marked"]),
        (&json!(1), &json!(1))
    );
    let out = curfew.done(&["logout", "ana"]).await;
    assert_eq!(
        (&out["outcome"], &out["flag_cleared"]),
        (&json!("signed_out"), &json!(true))
    );
    let flags = "SELECT count(*) FROM shapes_user WHERE is_online";
    assert_eq!(site.db.int(flags).await, 2, "{engine:?}");
    let suspended = curfew.done(&["suspend", "dee"]).await;
    assert_eq!(suspended["user"]["username"], "dee");
    let disabled = "SELECT count(*) FROM shapes_person WHERE NOT is_active";
    assert_eq!(site.db.int(disabled).await, 2, "{engine:?}");
    let after = site.names(&whose(&made, None)).await;
    let left: Vec<&str> = after
        .as_object()
        .unwrap()
        .values()
        .filter_map(|v| v.as_str())
        .collect();
    assert_eq!(left, ["root"], "{engine:?}");
    // Nobody is signed in after this, and both tables are asked who was here lately.
    let last = curfew.done(&["logout", "root"]).await;
    assert_eq!(last["verified"], true, "{engine:?}: {last:#}");
}

#[tokio::test]
async fn on_postgres() {
    parent_and_child_are_one_user(Engine::Postgres).await;
}

#[tokio::test]
async fn on_mysql() {
    parent_and_child_are_one_user(Engine::Mysql).await;
}

#[tokio::test]
async fn on_sqlite() {
    parent_and_child_are_one_user(Engine::Sqlite).await;
}

const MODEL: &str = "django.contrib.auth.backends.ModelBackend";
const ALL: &str = "django.contrib.auth.backends.AllowAllUsersModelBackend";

/// A disabled user whom one backend admits and the other does not, and a session of a backend that is listed no more.
#[tokio::test]
async fn a_session_is_judged_by_its_backend() {
    let site = Shaped::empty(Engine::Sqlite, "int").await;
    let asked = json!({
        "users": {
            "admitted": {"is_active": false}, "disabled": {"is_active": false}, "gone": {}, "ana": {},
        },
        "sessions": [
            ["admitted", "admitted", null, ALL], ["disabled", "disabled", null, MODEL],
            ["gone", "gone", null, "shop.backends.Old"], ["ana", "ana", null, MODEL],
        ],
        "settings": {"AUTHENTICATION_BACKENDS": [MODEL, ALL]},
    });
    let made = site.make(&asked).await;
    let admitted: Vec<&str> = made["names"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(|name| name.as_str())
        .collect();
    let curfew = site.configured(&format!(
        "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\narmed = true\n\
         [site.users]\nbackends = [\"{MODEL}\", \"{ALL}\"]\n"
    ));
    let document = curfew.done(&["users"]).await;
    let mut expected = admitted.clone();
    expected.sort_unstable();
    assert_eq!(names(&document), expected, "{made}");
    assert_eq!(of(&document, "admitted")["enabled"], false);
    // Whoever is active by a backend that is not listed may be signed in: the list may be old.
    let doubt = &document["doubts"][0];
    assert_eq!(
        (&doubt["code"], &doubt["count"]),
        (&json!("backend_unlisted"), &json!(1)),
        "{document:#}"
    );
    let doctor = curfew.json(&["doctor"]).await.document();
    let checks = doctor["checks"].as_array().unwrap();
    let says = |check: &Value| check["ok"] == false && check["detail"] == doubt["detail"];
    assert!(checks.iter().any(says), "{doctor:#}");
    let left =
        "UPDATE shapes_user SET last_activity = NULL, last_login = NULL WHERE username = 'gone'";
    site.db.execute(left).await;
    // Without the list only the sessions themselves speak.
    let document = site.curfew().done(&["users"]).await;
    assert_eq!(names(&document), ["admitted", "ana", "gone"]);
    // Who is admitted nonetheless is signed out like anybody else.
    let out = curfew.done(&["logout", "admitted"]).await;
    assert_eq!(
        (&out["outcome"], &out["sessions_deleted"]),
        (&json!("signed_out"), &json!(1))
    );
}
