//! How the form of the keys is found: by a session that is known, or by what all keys have in common.

use curfew_engine::store::{Copies, Mark, SessionKey};
use jiff::Timestamp;

use crate::ground::{Ground, Kind, own_prefix};
use crate::seen::Seen;

/// What Django writes for a session, as a pickle; enough of it to be told from anything else.
const DICT: &[u8] = b"\x80\x05}\x94\x8c\x0d_auth_user_id\x94\x8c\x017\x94s.";

async fn found_by(copies: &dyn Copies, known: &[SessionKey]) -> bool {
    let mut mark = Mark::default();
    copies
        .look(Timestamp::now(), &mut mark, known)
        .await
        .unwrap();
    copies.key_form_seen()
}

/// A key that no other test on the same server has.
fn session(n: u32) -> String {
    thread_local!(static OWN: String = std::iter::repeat_with(fastrand::lowercase).take(24).collect());
    OWN.with(|own| format!("{own}{n:08}"))
}

fn known() -> Vec<SessionKey> {
    (0..8).map(|n| SessionKey::new(session(n))).collect()
}

on_each_redis! {
    the_configured_form_is_seen_when_a_session_is
}

async fn the_configured_form_is_seen_when_a_session_is(kind: Kind) {
    let mut ground = Ground::on(kind).await;
    let copies = ground.copies().await;
    assert!(!found_by(&*copies, &[]).await);
    ground.put(&session(3), DICT, ground.later(1000)).await;
    assert!(found_by(&*copies, &known()).await);
    assert_eq!(
        copies.surviving(&known()).await.unwrap(),
        [SessionKey::new(session(3))]
    );
}

/// The form is that of these keys, found by known sessions and then used for deleting.
async fn is_found(form: impl Fn(&str) -> String) {
    for kind in [Kind::Plain, Kind::Cluster] {
        let mut ground = Ground::on(kind).await;
        let own = own_prefix();
        for n in 0..4 {
            let key = form(&session(n)).replace("OWN", &own);
            ground.put_at(&key, DICT, Some(ground.later(1000))).await;
            // Something else that is kept a session.
            let cart = format!("{own}:cart:{}", session(n));
            ground
                .put_at(&cart, b"[1, 2, 3]", Some(ground.later(1000)))
                .await;
        }
        let copies = ground.copies().await;
        assert!(found_by(&*copies, &known()).await);
        let copies = ground.copies().await;
        // A deed finds it by the very sessions it is about.
        let gone = copies.delete(&known()).await.unwrap();
        assert_eq!(gone, known()[..4]);
        let carts = redis::cmd("EXISTS")
            .arg(format!("{own}:cart:{}", session(0)))
            .to_owned();
        assert_eq!(ground.line.ask(&carts).await, redis::Value::Int(1));
    }
}

#[tokio::test]
async fn another_prefix_is_found() {
    is_found(|key| format!("OWN:1:django.contrib.sessions.cached_db{key}")).await;
}

#[tokio::test]
async fn another_version_is_found() {
    is_found(|key| format!("OWN:7:django.contrib.sessions.cached_db{key}")).await;
}

#[tokio::test]
async fn a_function_of_the_site_s_own_is_found() {
    is_found(|key| format!("7/OWN/django.contrib.sessions.cached_db{key}/v")).await;
}

#[tokio::test]
async fn an_engine_of_the_site_s_own_prefix_is_found() {
    is_found(|key| format!("OWN:1:shop.sessions.{key}")).await;
}

#[tokio::test]
async fn what_is_kept_by_a_session_s_key_alone_is_no_session() {
    let mut ground = Ground::on(Kind::Plain).await;
    let own = own_prefix();
    for n in 0..4 {
        let cart = format!("{own}:cart:{}", session(n));
        ground
            .put_at(&cart, b"[1, 2, 3]", Some(ground.later(1000)))
            .await;
    }
    let copies = ground.copies().await;
    assert!(!found_by(&*copies, &known()).await);
    assert!(copies.delete(&known()).await.unwrap().is_empty());
    assert!(!copies.key_form_seen());
}

#[tokio::test]
async fn sessions_that_no_row_names_are_found_by_what_they_have_in_common() {
    let mut ground = Ground::alone().await;
    let key = |prefix: &str, n| format!("{prefix}:3:django.contrib.sessions.cache{}", session(n));
    ground
        .put_at(&key("shop", 1), DICT, Some(ground.later(1000)))
        .await;
    let sessions = ground.sessions().await;
    let mut seen = Seen::default();
    seen.look_through(&*sessions).await;
    assert_eq!(seen.there.len(), 1);
    // Two forms may be two sites.
    ground
        .put_at(&key("blog", 2), DICT, Some(ground.later(1000)))
        .await;
    let sessions = ground.sessions().await;
    let mut seen = Seen::default();
    seen.look_through(&*sessions).await;
    assert_eq!(seen.there.len(), 0);
    // What was configured is not guessed about.
    ground.config.cache_key_prefix = "other".into();
    let mut seen = Seen::default();
    seen.look_through(&*ground.sessions().await).await;
    assert_eq!(seen.there.len(), 0);
    // Said, it is that.
    ground.config.cache_key_prefix = "blog".into();
    ground.config.cache_version = 3;
    let mut seen = Seen::default();
    seen.look_through(&*ground.sessions().await).await;
    assert_eq!(seen.there.len(), 1);
}

#[tokio::test]
async fn a_configured_function_is_used() {
    let mut ground = Ground::alone().await;
    ground.config.cache_key = Some("{version}-{key}-{prefix}".into());
    ground.config.cache_key_prefix = "shop".into();
    let key = format!("1-django.contrib.sessions.cache{}-shop", session(1));
    ground.put_at(&key, DICT, Some(ground.later(1000))).await;
    let sessions = ground.sessions().await;
    let one = SessionKey::new(session(1));
    assert_eq!(
        sessions.delete(std::slice::from_ref(&one)).await.unwrap(),
        [one]
    );
}
