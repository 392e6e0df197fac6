//! Deleting, whatever the state and on condition.

use std::sync::Arc;

use curfew_engine::Code;
use curfew_engine::store::{SessionKey, Sessions, cache};
use jiff::Timestamp;
use redis::cmd;

use crate::ground::{Ground, Kind, session};

on_each_redis! {
    a_deletion_returns_those_that_were_there
    what_was_renewed_or_changed_stays
    what_ends_at_another_moment_stays
    two_at_once_report_each_once
    a_deletion_would_work
}

fn keys(numbers: &[u32]) -> Vec<SessionKey> {
    numbers
        .iter()
        .map(|n| SessionKey::new(session(*n)))
        .collect()
}

async fn a_deletion_returns_those_that_were_there(kind: Kind) {
    let mut ground = Ground::on(kind).await;
    for n in [1, 2] {
        ground.put(&session(n), b"value", ground.later(1000)).await;
    }
    let sessions = ground.sessions().await;
    assert_eq!(
        sessions.surviving(&keys(&[1, 2, 3])).await.unwrap(),
        keys(&[1, 2])
    );
    assert_eq!(sessions.delete(&keys(&[1, 3])).await.unwrap(), keys(&[1]));
    assert_eq!(
        sessions.surviving(&keys(&[1, 2, 3])).await.unwrap(),
        keys(&[2])
    );
    assert!(!ground.there(&session(1)).await);
    assert!(sessions.delete(&[]).await.unwrap().is_empty());
}

async fn what_was_renewed_or_changed_stays(kind: Kind) {
    let mut ground = Ground::on(kind).await;
    let now = ground.now;
    for n in 1..=6 {
        ground.put(&session(n), b"value", ground.later(1000)).await;
    }
    let lasting = ground.key(&session(7));
    ground.put_at(&lasting, b"value", None).await;
    let sessions = ground.sessions().await;
    let rows = sessions.read(&keys(&[1, 2, 3, 4, 5, 6, 7])).await.unwrap();
    assert_eq!(rows.len(), 7);
    // A save of the same content; of other content; one with no expiry; one that is gone; one that has expired.
    ground.put(&session(2), b"value", ground.later(1002)).await;
    ground.put(&session(3), b"other", ground.later(1000)).await;
    ground
        .put_at(&ground.key(&session(4)), b"value", None)
        .await;
    ground.take(&session(5)).await;
    ground
        .put_at(&lasting, b"value", Some(ground.later(1000)))
        .await;
    let mut gone = sessions.delete_unchanged(&rows).await.unwrap();
    gone.sort();
    assert_eq!(gone, keys(&[1, 6]), "begun at {now}");
    assert_eq!(
        sessions
            .surviving(&keys(&[1, 2, 3, 4, 5, 6, 7]))
            .await
            .unwrap(),
        keys(&[2, 3, 4, 7])
    );
    // Read again, they are unchanged.
    let rows = sessions.read(&keys(&[2, 7])).await.unwrap();
    assert_eq!(sessions.delete_unchanged(&rows).await.unwrap().len(), 2);
}

/// Which of these went by their dates.
async fn unmoved(
    sessions: &Arc<dyn Sessions>,
    dated: &[(SessionKey, Timestamp)],
) -> Vec<SessionKey> {
    let mut gone = Vec::new();
    let done = sessions.delete_judged(dated, &[], &mut gone).await;
    done.unwrap();
    gone
}

async fn what_ends_at_another_moment_stays(kind: Kind) {
    let mut ground = Ground::on(kind).await;
    for n in 1..=5 {
        ground.put(&session(n), b"value", ground.later(1000)).await;
    }
    let sessions = ground.sessions().await;
    let dated = sessions.dates(&keys(&[1, 2, 3, 4, 5, 6])).await.unwrap();
    assert_eq!(dated.len(), 5);
    // Whether a server tells expiries is known once it was asked.
    assert_eq!(sessions.date_tells(), kind != Kind::Old);
    // A save; one with a shorter age; one with none; one that is gone.
    ground.put(&session(2), b"value", ground.later(1002)).await;
    ground.put(&session(3), b"value", ground.later(998)).await;
    ground
        .put_at(&ground.key(&session(4)), b"value", None)
        .await;
    ground.take(&session(5)).await;
    let gone = unmoved(&sessions, &dated).await;
    let left = match kind {
        // What is reckoned is no expiry to go by.
        Kind::Old => [1, 2, 3, 4].as_slice(),
        _ => [2, 3, 4].as_slice(),
    };
    assert_eq!(gone, keys(if kind == Kind::Old { &[] } else { &[1] }));
    let all = keys(&[1, 2, 3, 4, 5]);
    assert_eq!(sessions.surviving(&all).await.unwrap(), keys(left));
}

#[tokio::test]
async fn a_script_that_the_server_has_forgotten_is_sent_again() {
    let mut ground = Ground::alone().await;
    let sessions = ground.sessions().await;
    for n in 1..=3 {
        ground.put(&session(n), b"value", ground.later(1000)).await;
        let rows = sessions.read(&keys(&[n])).await.unwrap();
        assert_eq!(sessions.delete_unchanged(&rows).await.unwrap(), keys(&[n]));
        ground.put(&session(n), b"value", ground.later(1000)).await;
        let dated = sessions.dates(&keys(&[n])).await.unwrap();
        assert_eq!(unmoved(&sessions, &dated).await, keys(&[n]));
        if n == 2 {
            ground.line.ask(cmd("SCRIPT").arg("FLUSH")).await;
        }
    }
    // Each of the two was sent at first, and once it was forgotten; the third of each was named alone.
    assert_eq!(ground.asked("eval").await, 4);
    assert_eq!(ground.asked("evalsha").await, 6);
}

#[tokio::test]
async fn who_may_not_name_a_script_sends_it() {
    let mut ground = Ground::on(Kind::FewRights).await;
    let mut rights = cmd("ACL");
    // Without WATCH there is no other way.
    rights
        .arg("SETUSER")
        .arg("curfew")
        .arg("+eval")
        .arg("-watch");
    ground.line.ask(&rights).await;
    ground.put(&session(1), b"value", ground.later(1000)).await;
    let sessions = ground.sessions().await;
    let dated = sessions.dates(&keys(&[1])).await.unwrap();
    assert_eq!(unmoved(&sessions, &dated).await, keys(&[1]));
}

async fn two_at_once_report_each_once(kind: Kind) {
    let mut ground = Ground::on(kind).await;
    let all: Vec<u32> = (0..300).collect();
    for n in &all {
        ground.put(&session(*n), b"value", ground.later(1000)).await;
    }
    let (one, two) = (ground.sessions().await, ground.sessions().await);
    let rows = one.read(&keys(&all)).await.unwrap();
    let (a, b) = tokio::join!(one.delete_unchanged(&rows), two.delete_unchanged(&rows));
    assert_eq!(a.unwrap().len() + b.unwrap().len(), 300);
}

async fn a_deletion_would_work(kind: Kind) {
    let ground = Ground::on(kind).await;
    ground.sessions().await.ready().await.unwrap();
}

#[tokio::test]
async fn who_may_not_delete_is_told_what_to_grant() {
    let mut ground = Ground::on(Kind::FewRights).await;
    let sessions = ground.sessions().await;
    let mut less = cmd("ACL");
    less.arg("SETUSER").arg("curfew").arg("-unlink").arg("-del");
    ground.line.ask(&less).await;
    let error = sessions.ready().await.unwrap_err();
    assert_eq!(error.code, Code::NotPossible);
    assert!(error.message.contains("+unlink"), "{error}");
    let error = sessions.delete(&keys(&[1])).await.unwrap_err();
    assert_eq!(error.code, Code::Denied);
}

#[tokio::test]
async fn a_wrong_password_is_denied_and_never_repeated() {
    let ground = Ground::on(Kind::FewRights).await;
    let mut config = ground.config.clone();
    let port = ground.servers[0].port;
    let wrong = format!("redis://curfew:wr0ng@127.0.0.1:{port}/0");
    config.cache = Some(curfew_engine::config::CacheAddress::parse(&wrong).unwrap());
    let error = cache::sessions(&config, &ground.engine())
        .await
        .err()
        .unwrap();
    assert_eq!(error.code, Code::Denied);
    assert!(!error.message.contains("wr0ng"), "{error}");
}

#[tokio::test]
async fn a_replica_takes_no_deletions() {
    let ground = Ground::alone().await;
    let replica = crate::servers::Server::start(&[
        "--replicaof",
        "127.0.0.1",
        &ground.servers[0].port.to_string(),
    ]);
    crate::servers::answering(replica.port).await;
    let mut config = ground.config.clone();
    let address = format!("redis://127.0.0.1:{}/0", replica.port);
    config.cache = Some(curfew_engine::config::CacheAddress::parse(&address).unwrap());
    let sessions = cache::sessions(&config, &ground.engine()).await.unwrap();
    let error = sessions.ready().await.unwrap_err();
    assert_eq!(error.code, Code::NotPossible);
    assert!(error.message.contains("replica"), "{error}");
}
