//! Servers that go away, come back, or hand over to another.

use std::time::Duration;

use curfew_engine::store::{SessionKey, cache};
use curfew_engine::{Code, Error};
use redis::cmd;

use crate::ground::{Ground, Kind, session};
use crate::seen::Seen;
use crate::servers::{Server, answering};

fn names_the_cache(error: &Error, port: u16) {
    assert!(
        error
            .message
            .contains(&format!("redis://127.0.0.1:{port}/0")),
        "{error}"
    );
    assert!(!error.message.contains('\n'));
}

#[tokio::test]
async fn down_and_up_again() {
    let mut ground = Ground::alone().await;
    let port = ground.servers[0].port;
    let one = ground.put(&session(1), b"value", ground.later(1000)).await;
    let sessions = ground.sessions().await;
    let mut seen = Seen::default();
    seen.look_through(&*sessions).await;
    ground.servers[0].stop();
    let error = sessions.ready().await.unwrap_err();
    assert_eq!(error.code, Code::NotPossible);
    names_the_cache(&error, port);
    assert!(error.message.contains("nothing was deleted"), "{error}");
    seen.mark.hurry();
    let error = seen.look(&*sessions).await.unwrap_err();
    assert_eq!(error.code, Code::Unreachable);
    names_the_cache(&error, port);
    assert_eq!(seen.there.len(), 1);
    for error in [
        sessions
            .surviving(std::slice::from_ref(&one))
            .await
            .unwrap_err(),
        sessions
            .delete(std::slice::from_ref(&one))
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.code, Code::Unreachable);
    }
    assert!(
        cache::sessions(&ground.config, &ground.engine())
            .await
            .is_err()
    );
    // Up again it is empty, and the connection that was lost is no error.
    ground.servers[0].start_again().await;
    sessions.ready().await.unwrap();
    seen.mark.hurry();
    seen.look(&*sessions).await.unwrap();
    assert!(seen.there.is_empty());
}

#[tokio::test]
async fn a_connection_that_was_dropped_while_idle_is_made_again() {
    let mut ground = Ground::alone().await;
    let one = ground.put(&session(1), b"value", ground.later(1000)).await;
    let sessions = ground.sessions().await;
    let mut kill = cmd("CLIENT");
    kill.arg("KILL")
        .arg("SKIPME")
        .arg("yes")
        .arg("TYPE")
        .arg("normal");
    ground.line.ask(&kill).await;
    assert_eq!(
        sessions
            .surviving(std::slice::from_ref(&one))
            .await
            .unwrap(),
        [one]
    );
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let mut ground = Ground::alone().await;
    let sessions = ground.sessions().await;
    let one = SessionKey::new(session(1));
    ground.servers[0].hold(true);
    let error = sessions
        .surviving(std::slice::from_ref(&one))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::Unreachable);
    assert!(error.message.contains("5 s"), "{error}");
    ground.servers[0].hold(false);
    ground.put(&session(1), b"value", ground.later(1000)).await;
    assert_eq!(
        sessions
            .surviving(std::slice::from_ref(&one))
            .await
            .unwrap(),
        [one]
    );
}

#[tokio::test]
async fn the_primary_is_found_again_after_a_failover() {
    let mut ground = Ground::on(Kind::Sentinel).await;
    let replica = Server::start(&[
        "--replicaof",
        "127.0.0.1",
        &ground.servers[0].port.to_string(),
    ]);
    let mut second = answering(replica.port).await;
    let one = ground.put(&session(1), b"value", ground.later(1000)).await;
    let exists = cmd("EXISTS").arg(ground.key(&session(1))).to_owned();
    while exists.query_async::<i64>(&mut second).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let sessions = ground.sessions().await;
    let mut seen = Seen::default();
    seen.look_through(&*sessions).await;
    assert_eq!(seen.there.len(), 1);
    // The sentinel has to know the replica before the primary goes.
    let mut sentinel = answering(ground.servers[1].port).await;
    let known = cmd("SENTINEL").arg("REPLICAS").arg("shop").to_owned();
    while known
        .query_async::<Vec<redis::Value>>(&mut sentinel)
        .await
        .unwrap()
        .is_empty()
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ground.servers[0].stop();
    let mut answer = sessions.delete(std::slice::from_ref(&one)).await;
    for _ in 0..300 {
        if answer.is_ok() {
            break;
        }
        assert_eq!(answer.unwrap_err().code, Code::Unreachable);
        tokio::time::sleep(Duration::from_millis(200)).await;
        answer = sessions.delete(std::slice::from_ref(&one)).await;
    }
    assert_eq!(answer.unwrap(), [one]);
    // Its connections were ended when it became the primary.
    let mut second = answering(replica.port).await;
    assert_eq!(exists.query_async::<i64>(&mut second).await.unwrap(), 0);
    seen.mark.hurry();
    seen.look(&*sessions).await.unwrap();
    assert!(seen.there.is_empty());
    // The old one comes back as a replica of the new: the sentinels' word counts.
    ground.servers[0].start_again().await;
    sessions.ready().await.unwrap();
}
