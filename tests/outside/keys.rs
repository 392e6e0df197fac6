//! User keys of every type, and sessions that spell them in other ways: real Django says whose each session is.

use serde_json::{Value, json};

use crate::harness::{Engine, Shaped, of, whose};

const UUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const HEX: &str = "0f8fad5bd9cb469fa16570867728950e";

/// A shape, the keys of two users, and how sessions spell the first one.
struct Case {
    shape: &'static str,
    ids: [Value; 2],
    spelled: Vec<Value>,
}

fn integers(shape: &'static str) -> Case {
    Case {
        shape,
        ids: [json!(21), json!(22)],
        spelled: vec![
            json!("+21"),
            json!("021"),
            json!(" 21 "),
            json!("2_1"),
            json!("٢١"),
            json!(21),
            json!(21.9),
            // These are nobody, or an error.
            json!("21.0"),
            json!("2__1"),
            json!("+ 21"),
            json!("0x15"),
        ],
    }
}

fn uuids() -> Case {
    let spelled = [
        HEX.to_owned(),
        UUID.to_uppercase(),
        format!("{{{UUID}}}"),
        format!("urn:uuid:{UUID}"),
        "0-f8fad5bd9cb469fa16570867728950e".to_owned(),
        format!("{HEX}0"),
    ];
    Case {
        shape: "uuid",
        ids: [json!(UUID), json!("1f8fad5b-d9cb-469f-a165-70867728950e")],
        spelled: spelled.into_iter().map(Value::from).collect(),
    }
}

fn hex() -> Case {
    Case {
        shape: "hex",
        ids: [json!(HEX), json!("1f8fad5bd9cb469fa16570867728950e")],
        spelled: vec![json!(HEX), json!(format!("{HEX} 1"))],
    }
}

fn texts(shape: &'static str) -> Case {
    Case {
        shape,
        ids: [json!("Ana-Maria"), json!("ben")],
        spelled: vec![
            json!("ANA-maria"),
            json!("Ana-Maria  "),
            json!(" Ana-Maria"),
            json!("Ana"),
        ],
    }
}

async fn check(engine: Engine, case: Case) {
    let what = format!("{} on {engine:?}", case.shape);
    let site = Shaped::empty(engine, case.shape).await;
    let mut sessions = vec![
        json!(["own", "ana", null, null]),
        json!(["ben", "ben", null, null]),
    ];
    for (number, spelled) in case.spelled.iter().enumerate() {
        sessions.push(json!([format!("{number}"), "ana", spelled, null]));
    }
    let [ana, ben] = &case.ids;
    let asked = json!({"users": {"ana": {"id": ana}, "ben": {"id": ben}}, "sessions": sessions});
    let made = site.make(&asked).await;
    let accepted: Vec<&String> = made["names"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, name)| **name == "ana")
        .map(|(label, _)| label)
        .collect();
    assert!(!accepted.is_empty(), "{what}: {made}");

    let curfew = site.curfew();
    let document = curfew.done(&["users"]).await;
    assert_eq!(
        of(&document, "ana")["sessions"],
        accepted.len(),
        "{what}: {accepted:?}"
    );
    assert_eq!(of(&document, "ben")["sessions"], 1, "{what}");
    assert_eq!(document["counts"]["signed_in"], 2, "{what}");

    // Whoever copies the id out of a session finds its user.
    let label = accepted
        .iter()
        .find_map(|label| label.parse::<usize>().ok());
    if let Some(Value::String(spelled)) = label.map(|label| &case.spelled[label]) {
        let id = format!("id:{spelled}");
        let found = curfew.done(&["sessions", &id]).await;
        assert_eq!(found["user"]["username"], "ana", "{what}: {id:?}");
    }
    let out = curfew.done(&["logout", "ana"]).await;
    assert_eq!(out["outcome"], "signed_out", "{what}");
    assert_eq!(out["sessions_deleted"], accepted.len(), "{what}");
    let after = site.names(&whose(&made, None)).await;
    let left: Vec<&Value> = after
        .as_object()
        .unwrap()
        .values()
        .filter(|v| !v.is_null())
        .collect();
    assert_eq!(left, ["ben"], "{what}");
}

#[tokio::test]
async fn on_postgres_every_spelling_is_its_user() {
    for case in [
        integers("int"),
        integers("big"),
        uuids(),
        hex(),
        texts("slug"),
        texts("padded"),
        texts("citext"),
    ] {
        check(Engine::Postgres, case).await;
    }
}

#[tokio::test]
async fn on_mysql_every_spelling_is_its_user() {
    for case in [
        integers("big"),
        uuids(),
        hex(),
        texts("slug"),
        texts("padded"),
    ] {
        check(Engine::Mysql, case).await;
    }
}

#[tokio::test]
async fn on_sqlite_every_spelling_is_its_user() {
    for case in [
        integers("int"),
        uuids(),
        hex(),
        texts("slug"),
        texts("padded"),
        texts("nocase"),
    ] {
        check(Engine::Sqlite, case).await;
    }
}
