//! A streaming replica of PostgreSQL: looked at where it has what was seen, passed over where it has not.

use std::time::{Duration, Instant};

use curfew_engine::Policy;
use curfew_engine::config::{Address, Env, SiteConfig};
use curfew_engine::policy::Rules;
use curfew_engine::site::doctor::doctor;
use curfew_engine::store::Store;
use curfew_engine::store::sql::SqlStore;
use curfew_engine::view::Check;
use sqlx::{Connection, PgConnection};

use crate::common::{Engine, Ground, Looking, Person};

fn replica() -> url::Url {
    let address = std::env::var("CURFEW_TEST_POSTGRES_REPLICA").expect("run cargo xtask test");
    url::Url::parse(&address).unwrap()
}

/// This ground's database, as the replica has it.
fn address_of(ground: &Ground) -> Address {
    let mut url = replica();
    url.set_path(ground.db.url().path());
    Address::parse(url.as_str()).unwrap()
}

async fn store(ground: &Ground) -> SqlStore {
    let store = ground.db.store().await;
    store.with_replica(Some(address_of(ground)))
}

struct Replica(PgConnection);

impl Replica {
    async fn of() -> Self {
        Self(PgConnection::connect(replica().as_str()).await.unwrap())
    }

    /// Takes nothing in any more, and has stopped doing so.
    async fn pause(&mut self) {
        sqlx::raw_sql("SELECT pg_wal_replay_pause()")
            .execute(&mut self.0)
            .await
            .unwrap();
        let paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
        let begun = Instant::now();
        while !sqlx::query_scalar::<_, bool>(paused)
            .fetch_one(&mut self.0)
            .await
            .unwrap()
        {
            assert!(begun.elapsed() < Duration::from_secs(20), "it goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn resume(&mut self) {
        sqlx::raw_sql("SELECT pg_wal_replay_resume()")
            .execute(&mut self.0)
            .await
            .unwrap();
    }

    /// Statements of Curfew's that this database's connections there have run last.
    async fn asked(&mut self, ground: &Ground) -> Vec<String> {
        let name = ground.db.url().path().trim_matches('/').to_owned();
        let asked = "SELECT query FROM pg_stat_activity
                     WHERE datname = $1 AND application_name = 'curfew'";
        sqlx::query_scalar(asked)
            .bind(name)
            .fetch_all(&mut self.0)
            .await
            .unwrap()
    }
}

/// A look, and how many usable sessions there are by it.
async fn count(looking: &mut Looking, store: &SqlStore) -> u32 {
    let at = looking.look(store).await;
    let rules = Rules::new(&Policy::default(), false, true);
    looking.roster.settle(at, &rules);
    looking.roster.counts().sessions
}

/// Everything that is to be seen of one ground, in one test: a replica can be stopped for all at once only.
#[tokio::test]
async fn a_replica_is_looked_at_and_never_unsees_what_was_seen() {
    let ground = Ground::on(Engine::Postgres).await;
    let mut replica = Replica::of().await;
    let person = Person {
        activity: Some(ground.ago(61)),
        ..Person::default()
    };
    ground.person(1, "ana", person).await;
    ground.person(2, "ben", person).await;
    let one = ground.session("a1", Some(1), ground.ago(600)).await;
    let store = store(&ground).await;

    // The first look waits for it, and sees there what was written a moment ago.
    let mut looking = Looking::new();
    looking.look(&store).await;
    assert_eq!(looking.keys(), std::slice::from_ref(&one));
    let asked = replica.asked(&ground).await.join("\n");
    assert!(asked.contains("accounts_user"), "{asked}");

    // It stands still: what comes is seen all the same, at the second look, which is the primary's.
    replica.pause().await;
    let two = ground.session("b1", Some(2), ground.ago(5)).await;
    looking.look(&store).await;
    looking.look(&store).await;
    assert_eq!(looking.keys(), std::slice::from_ref(&two));
    // So is what goes; and no later look brings it back, though the replica has it still.
    ground
        .db
        .execute("DELETE FROM django_session WHERE session_key LIKE 'a1%'")
        .await;
    looking.look_whole(&store).await;
    for _ in 0..3 {
        assert_eq!(count(&mut looking, &store).await, 1);
    }

    // A deed's look is the primary's, behind or not.
    ground.set(2, "email", "'ben@shop.example'").await;
    looking.look_whole(&store).await;
    assert_eq!(
        looking.user(&ground.id(2)).email.as_deref(),
        Some("ben@shop.example")
    );

    // It goes on, has everything again, and is looked at again.
    replica.resume().await;
    let three = ground.session("b2", Some(2), ground.ago(3)).await;
    let begun = Instant::now();
    let mut seen = Vec::new();
    while !seen.contains(&three) {
        assert!(begun.elapsed() < Duration::from_secs(20), "not seen");
        looking.look(&store).await;
        seen.extend(looking.keys());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(count(&mut looking, &store).await, 2);

    // It has all that was there at the last look, and not yet what we deleted since then.
    looking.look(&store).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    replica.pause().await;
    let gone = store.delete(std::slice::from_ref(&two)).await.unwrap();
    assert_eq!(gone, [two]);
    looking.roster.forget(&gone);
    let left = count(&mut looking, &store).await;
    assert_eq!(left, 1, "our own deed is undone");
    replica.resume().await;
}

/// The doctor's word on a replica.
async fn word(ground: &Ground, replica: &str) -> Check {
    let folder = tempfile::tempdir().unwrap();
    let env = Env {
        config_dir: folder.path().into(),
        state_dir: folder.path().into(),
        site: None,
        session_engine: None,
        secret_key: None,
        secret_key_fallbacks: Vec::new(),
    };
    let address = Address::parse(ground.db.url().as_str()).unwrap();
    let config = SiteConfig {
        read_address: Some(Address::parse(replica).unwrap()),
        ..SiteConfig::by_address(address)
    };
    let checks = doctor(config, &env).await;
    // Whatever the replica is, people are looked at.
    assert!(checks.iter().any(|c| c.name == "first look" && c.ok));
    let mut checks = checks.into_iter();
    checks.find(|c| c.name == "read replica").unwrap()
}

#[tokio::test]
async fn what_is_no_replica_is_passed_over_and_named() {
    let ground = Ground::on(Engine::Postgres).await;
    ground.overdue(1, "o1").await;
    let mut url = replica();
    url.set_path(ground.db.url().path());
    // A database is there once its making has come over.
    let begun = Instant::now();
    while PgConnection::connect(url.as_str()).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never comes");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // As a file has it: the primary's password is the replica's.
    let mut bare = url.clone();
    bare.set_password(None).unwrap();
    for url in [&url, &bare] {
        let good = word(&ground, url.as_str()).await;
        assert!(good.ok, "{good:?}");
    }
    let itself = word(&ground, ground.db.url().as_str()).await;
    assert!(!itself.ok && itself.detail.contains("no streaming replica"));
    let mut other = url.clone();
    other.set_path("postgres");
    let other = word(&ground, other.as_str()).await;
    assert!(!other.ok && other.detail.contains("not the replica of this database"));
    url.set_port(Some(1)).unwrap();
    let nobody = word(&ground, url.as_str()).await;
    assert!(
        !nobody.ok && nobody.fix.unwrap().contains("read_url"),
        "it answers"
    );
}
