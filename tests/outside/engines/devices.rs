//! What django-user-sessions and django-qsessions keep of a session in columns of their own: where from, by what, and
//! when it was last used.

use serde_json::json;

use super::cell::Turn;
use super::runs::Runs;
use super::{Cell, cells};
use crate::harness::{Engine, SessionEngine, of, overdue};

const DEVICES: &[(&str, &Cell)] = &[
    (
        "qsessions_cached_on_mysql",
        &cells::qsessions_cached_on_mysql,
    ),
    (
        "qsessions_cached_on_postgres",
        &cells::qsessions_cached_on_postgres,
    ),
    ("qsessions_on_mysql", &cells::qsessions_on_mysql),
    ("qsessions_on_postgres", &cells::qsessions_on_postgres),
    ("user_sessions_on_mysql", &cells::user_sessions_on_mysql),
    (
        "user_sessions_on_postgres",
        &cells::user_sessions_on_postgres,
    ),
];

macro_rules! on_the_cells_with_devices {
    ($($cell:ident)*) => {
        static RUNS: Runs = Runs::new(DEVICES, |cell| {
            Box::pin(async { where_from_and_by_what_is_shown(cell.turn().await).await })
        });

        mod where_from_and_by_what_is_shown {
            $(#[test]
            fn $cell() {
                super::RUNS.wait_for(stringify!($cell));
            })*
        }
    };
}

on_the_cells_with_devices! {
    qsessions_cached_on_mysql
    qsessions_cached_on_postgres
    qsessions_on_mysql
    qsessions_on_postgres
    user_sessions_on_mysql
    user_sessions_on_postgres
}

const AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; rv:132.0) Gecko/20100101 Firefox/132.0";

async fn where_from_and_by_what_is_shown(turn: Turn) {
    let site = &turn.site;
    let from = json!({"saved_age": 9000, "ip": "203.0.113.9", "agent": AGENT});
    site.seed(&[
        overdue("ana").no_session().session_with(from.clone()),
        overdue("ben").no_session().session_with(from),
    ])
    .await;

    let document = site.curfew().done(&["sessions", "ana"]).await;
    let session = &document["sessions"][0];
    assert_eq!(session["ip"], "203.0.113.9", "{document:#}");
    assert_eq!(session["device"], "Firefox 132 on Windows", "{document:#}");
    assert_eq!(session["user_agent"], AGENT, "{document:#}");
    assert!(session["seen"].is_string(), "{document:#}");
    let told = site.curfew().run(&["sessions", "ana"]).await.stdout;
    for word in ["203.0.113.9", "Firefox 132 on Windows"] {
        assert!(told.contains(word), "{word} in {told}");
    }

    // The session's own time says that ana is here, whatever the user's row and the signature say.
    let (column, now) = match (turn.cell.engine, turn.cell.database) {
        (SessionEngine::UserSessions, Engine::Mysql) => ("last_activity", "utc_timestamp(6)"),
        (SessionEngine::UserSessions, _) => ("last_activity", "now()"),
        (_, Engine::Mysql) => ("updated_at", "utc_timestamp(6)"),
        (_, _) => ("updated_at", "now()"),
    };
    let table = turn.cell.engine.table().unwrap();
    let moved = format!(
        "UPDATE {table} SET {column} = {now} WHERE user_id = (SELECT id FROM accounts_customuser WHERE username = 'ana')"
    );
    assert_eq!(site.db.execute(&moved).await, 1);
    let document = site.curfew().done(&["users"]).await;
    assert_eq!(of(&document, "ana")["state"], "active", "{document:#}");
    assert_eq!(of(&document, "ben")["state"], "overdue", "{document:#}");
}
