//! Session tables with columns of their own beside Django's three, as packages and sites make them.

use curfew_engine::store::{Extra, SessionKey};
use jiff::{SignedDuration, Timestamp};

use crate::common::{Engine, Ground, Id, Looking, Shape, sorted};

on_each_store! {
    a_tables_own_columns_come_with_each_session
    a_users_column_holds_ids_as_sessions_spell_them
    what_is_used_again_is_found_like_what_is_saved
}

/// Gives the session table a user, an address, a device and a time, and opens the store anew.
async fn with_own_columns(ground: &mut Ground) {
    let (user, ip, time) = match ground.db.engine() {
        Engine::Postgres => ("uuid", "inet", "timestamp with time zone"),
        _ => ("char(32)", "char(39)", "datetime(6)"),
    };
    let user = if ground.shape.id == Id::Integer {
        "bigint"
    } else {
        user
    };
    for (name, kind) in [
        ("user_id", user),
        ("ip", ip),
        ("user_agent", "varchar(300)"),
        ("last_activity", time),
    ] {
        let sql = format!("ALTER TABLE django_session ADD COLUMN {name} {kind} NULL");
        ground.db.execute(&sql).await;
    }
    ground.store = ground.db.store().await;
}

async fn set(ground: &Ground, key: &str, user: &str, ip: &str, seen: Timestamp) {
    let sql = format!(
        "UPDATE django_session SET user_id = {user}, ip = '{ip}', user_agent = 'curl/8.5.0', last_activity = {} WHERE session_key = '{key}'",
        ground.at(seen)
    );
    assert_eq!(ground.db.execute(&sql).await, 1);
}

async fn a_tables_own_columns_come_with_each_session(engine: Engine) {
    let mut ground = Ground::on(engine).await;
    with_own_columns(&mut ground).await;
    ground.session("a", Some(1), ground.ago(60)).await;
    ground.session("b", Some(1), ground.ago(60)).await;
    ground.session("none", Some(1), ground.ago(60)).await;
    set(&ground, "a", "1", "192.0.2.7", ground.ago(50)).await;
    set(&ground, "b", "1", "2001:db8::1", ground.ago(50)).await;
    let mut looking = Looking::new();
    looking.look(&ground.store).await;
    let extra = |key: &str| {
        let key = SessionKey::new(key);
        let row = looking.sessions.iter().find(|row| row.key == key);
        row.unwrap().extra.as_deref().cloned()
    };
    let want = |ip: &str| {
        Some(Extra {
            user: Some(ground.id(1)),
            ip: Some(ip.into()),
            device: Some("curl/8.5.0".into()),
            seen: Some(ground.ago(50)),
        })
    };
    assert_eq!(extra("a"), want("192.0.2.7"));
    assert_eq!(extra("b"), want("2001:db8::1"));
    assert_eq!(extra("none"), None);
}

async fn a_users_column_holds_ids_as_sessions_spell_them(engine: Engine) {
    let shape = Shape {
        id: Id::Uuid,
        ..Shape::default()
    };
    let mut ground = Ground::shaped(engine, shape).await;
    with_own_columns(&mut ground).await;
    // What cannot be read is whose the column says.
    ground
        .row("bad", "?", ground.now + SignedDuration::from_secs(60))
        .await;
    let id = ground.shape.id.kept(1, engine);
    set(&ground, "bad", &id, "192.0.2.7", ground.ago(50)).await;
    let mut looking = Looking::new();
    looking.look(&ground.store).await;
    assert_eq!(looking.sessions.len(), 1);
    assert_eq!(
        looking.roster.keys_of(&ground.id(1)),
        [looking.sessions[0].key.clone()]
    );
}

async fn what_is_used_again_is_found_like_what_is_saved(engine: Engine) {
    let mut ground = Ground::on(engine).await;
    with_own_columns(&mut ground).await;
    ground.session("a", Some(1), ground.ago(600)).await;
    ground.session("b", Some(2), ground.ago(600)).await;
    let mut looking = Looking::new();
    looking.look_slowly(&ground.store).await;
    ground.save("a", Some(1), ground.ago(1)).await;
    set(&ground, "a", "1", "198.51.100.2", ground.ago(1)).await;
    looking.look(&ground.store).await;
    assert_eq!(looking.listings, 0, "by its range, without a listing");
    assert_eq!(looking.keys(), sorted([SessionKey::new("a")]));
    let ip = looking.sessions[0].extra.as_ref().unwrap().ip.clone();
    assert_eq!(ip.as_deref(), Some("198.51.100.2"));
}
