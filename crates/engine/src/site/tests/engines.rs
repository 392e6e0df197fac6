//! Sites by their session engine: which table is theirs, what it says itself, and what is refused where a deletion
//! would not reach what lets people in.

use super::*;
use crate::site::doctor::doctor;
use crate::view::Check;

const CACHED_DB: &str = "django.contrib.sessions.backends.cached_db";

impl Ground {
    fn env(&self) -> Env {
        Env {
            config_dir: self.folder.path().join("config"),
            state_dir: self.state_dir(),
            site: None,
            session_engine: None,
            secret_key: None,
            secret_key_fallbacks: Vec::new(),
        }
    }

    async fn refused_to_open(&self, config: SiteConfig) -> Error {
        match Site::open(config, &self.env()).await {
            Ok(_) => panic!("it opens"),
            Err(error) => error,
        }
    }

    pub(super) async fn check(&self, config: SiteConfig, name: &str) -> Check {
        let checks = doctor(config, &self.env()).await;
        let found = checks.iter().find(|check| check.name == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {checks:#?}"))
            .clone()
    }

    /// The sessions as django-user-sessions keeps them.
    pub(super) async fn user_sessions(&self) {
        self.execute(
            "CREATE TABLE user_sessions_session (
                session_key varchar(40) NOT NULL PRIMARY KEY, session_data text NOT NULL, expire_date datetime NOT NULL,
                user_agent varchar(200), last_activity datetime NOT NULL, ip char(39),
                user_id integer REFERENCES accounts_user (id));
             INSERT INTO user_sessions_session
                SELECT session_key, session_data, expire_date, 'curl/8.5.0', '2026-11-23 10:00:00', '192.0.2.7', NULL
                FROM django_session",
        )
        .await;
    }
}

fn with_engine(ground: &Ground, engine: &str) -> SiteConfig {
    let mut config = ground.config();
    config.sessions.engine = engine.into();
    config
}

/// Each deed is refused for this reason, and the people are on show all the same.
async fn looked_at_and_not_touched(ground: &Ground, config: SiteConfig, why: &str) {
    let before = ground.bytes();
    let site = ground.open(config).await;
    assert!(site.view().counts.sessions > 20);
    let person = somebody(&site, Filter::Overdue);
    let refused = site.view().sign_out_refused.unwrap();
    assert!(refused.contains(why), "{refused}");
    let sweep = site.sweep(true).await.unwrap_err();
    let logout = site
        .logout(&person.id, None, &How::default())
        .await
        .unwrap_err();
    for error in [sweep, logout] {
        assert_eq!(error.code, Code::NotPossible);
        assert_eq!(error.message, refused);
    }
    // Nobody is called stale whose session may lie where Curfew does not look.
    assert_eq!(site.view().counts.stale, 0);
    assert_eq!(ground.bytes(), before);
    assert!(ground.entries().is_empty());
}

#[tokio::test]
async fn cached_rows_without_a_cache_are_looked_at_and_never_deleted() {
    let ground = Ground::new().await;
    let config = with_engine(&ground, CACHED_DB);
    looked_at_and_not_touched(&ground, config, "cache = ").await;
    let check = ground
        .check(with_engine(&ground, CACHED_DB), "session engine")
        .await;
    assert!(!check.ok && check.fix.unwrap().contains("cache = "));
}

#[tokio::test]
async fn an_engine_that_nobody_knows_is_looked_at_and_never_touched() {
    let ground = Ground::new().await;
    let config = with_engine(&ground, "shop.sessions");
    looked_at_and_not_touched(&ground, config, "base = ").await;
    let mut config = with_engine(&ground, "shop.sessions");
    config.sessions.base = Some(crate::config::Base::Db);
    let site = ground.open(config).await;
    assert_eq!(site.view().sign_out_refused, None);
    assert!(!site.sweep(false).await.unwrap().users.is_empty());
}

#[tokio::test]
async fn a_packages_table_tells_its_engine_and_its_columns_are_shown() {
    let ground = Ground::new().await;
    ground.user_sessions().await;
    ground.execute("DROP TABLE django_session").await;
    let site = ground.site().await;
    assert_eq!(site.view().session_engine, "user_sessions.backends.db");
    let person = somebody(&site, Filter::Active);
    let session = site.user(&person.id).unwrap().sessions.remove(0);
    assert_eq!(session.ip.as_deref(), Some("192.0.2.7"));
    assert_eq!(session.device.as_deref(), Some("curl 8"));
    assert_eq!(session.user_agent.as_deref(), Some("curl/8.5.0"));
    assert_eq!(session.seen, Some("2026-11-23T10:00:00Z".parse().unwrap()));
    let found = &site.view().found;
    let column = found
        .iter()
        .find(|f| f.what == "session's user column")
        .unwrap();
    assert_eq!(column.value.as_deref(), Some("user_id"));
    let check = ground.check(ground.config(), "session engine").await;
    assert!(check.ok, "{check:?}");
    assert!(
        check.detail.contains("the row in user_sessions_session"),
        "{check:?}"
    );
    let report = site
        .logout(&person.id, None, &How::default())
        .await
        .unwrap();
    // Its save inserts again, so a few seconds are not enough to claim it.
    assert_eq!(report.outcome, crate::view::Outcome::Unverified);
    assert!(!report.verified && report.sessions_deleted > 0);
}

#[tokio::test]
async fn of_two_tables_the_one_in_use_is_meant_and_two_in_use_are_asked_about() {
    let ground = Ground::new().await;
    ground.user_sessions().await;
    let error = ground.refused_to_open(ground.config()).await;
    assert_eq!(error.code, Code::Ambiguous);
    assert!(
        error
            .message
            .contains("django_session, user_sessions_session"),
        "{error}"
    );
    // Configured, there is nothing to ask.
    let mut config = ground.config();
    config.by_url = false;
    let site = ground.open(config).await;
    assert_eq!(
        site.view().session_engine,
        "django.contrib.sessions.backends.db"
    );

    ground
        .execute("UPDATE django_session SET expire_date = '2020-01-01 00:00:00'")
        .await;
    let site = ground.site().await;
    assert_eq!(site.view().session_engine, "user_sessions.backends.db");
    assert!(site.view().counts.sessions > 20);
    ground
        .execute(
            "UPDATE django_session SET expire_date = '2099-01-01 00:00:00';
             DELETE FROM user_sessions_session",
        )
        .await;
    let site = ground.site().await;
    assert_eq!(
        site.view().session_engine,
        "django.contrib.sessions.backends.db"
    );
}

#[tokio::test]
async fn an_engine_whose_table_is_not_there_is_said_so() {
    let ground = Ground::new().await;
    let error = ground
        .refused_to_open(with_engine(&ground, "qsessions.backends.db"))
        .await;
    assert_eq!(error.code, Code::NotDjango);
    assert!(error.message.contains("qsessions_session"), "{error}");
}

#[tokio::test]
async fn the_column_names_the_user_only_where_the_content_does_not() {
    let ground = Ground::new().await;
    ground.user_sessions().await;
    ground.execute("DROP TABLE django_session").await;
    let site = ground.site().await;
    let (ann, bob) = {
        let people = site.users(&everyone(Filter::Active)).rows;
        (people[0].clone(), people[1].clone())
    };
    let before = site.view().counts;
    // The column says bob of every one of ann's sessions; the content says ann, and Django goes by that.
    ground
        .execute(&format!(
            "UPDATE user_sessions_session SET user_id = {}",
            bob.id
        ))
        .await;
    let site = ground.site().await;
    assert_eq!(site.view().counts.signed_in, before.signed_in);
    assert_eq!(site.user(&ann.id).unwrap().user.sessions, ann.sessions);
    // Those that cannot be read are bob's by now, too.
    let shown = site.user(&bob.id).unwrap().sessions.len();
    let unreadable = site.view().counts.unreadable_sessions;
    // Damaged content signs nobody in, and is bob's to be deleted with his.
    ground
        .execute(&format!(
            "INSERT INTO user_sessions_session VALUES ('damaged', 'x', '2099-01-01 00:00:00', NULL, '2026-11-23 10:00:00', NULL, {})",
            bob.id
        ))
        .await;
    let site = ground.site().await;
    let detail = site.user(&bob.id).unwrap();
    assert_eq!(detail.user.sessions, bob.sessions);
    assert_eq!(detail.sessions.len(), shown + 1);
    let damaged = detail.sessions.iter().find(|s| !s.readable).unwrap();
    assert!(!damaged.usable && damaged.why.as_ref().unwrap().contains("damaged"));
    assert_eq!(site.view().counts.unreadable_sessions, unreadable + 1);
    site.logout(&bob.id, None, &How::default()).await.unwrap();
    let left = ground
        .texts("SELECT session_key FROM user_sessions_session WHERE session_key = 'damaged'")
        .await;
    assert!(left.is_empty());
}

#[tokio::test]
async fn sessions_in_a_database_of_their_own_are_seen_and_ended_there() {
    let ground = Ground::new().await;
    let apart = ground.folder.path().join("sessions.sqlite3");
    std::fs::copy(ground.path(), &apart).unwrap();
    ground.execute("DELETE FROM django_session").await;
    let mut config = ground.config();
    config.sessions.url = Some(Address::parse(&format!("sqlite://{}", apart.display())).unwrap());
    let check = ground.check(config.clone(), "session engine").await;
    assert!(check.detail.contains("sessions.sqlite3"), "{check:?}");
    let site = ground.open(config.clone()).await;
    let person = somebody(&site, Filter::Overdue);
    let report = site
        .logout(&person.id, None, &How::default())
        .await
        .unwrap();
    assert!(report.verified && report.sessions_deleted > 0 && report.flag_cleared);
    assert!(!ground.flagged(&person.id).await);
    let preview = site.preview().await.unwrap();
    let report = site.sweep(false).await.unwrap();
    assert!(report.verified && report.sessions_deleted > 0);
    assert_eq!(who(&report), who(&preview));
    // The same people's sessions are gone for whoever opens it anew.
    let again = ground.open(config.clone()).await;
    assert_eq!(again.view().counts.overdue, 0);
    // One that cannot be reached is named.
    std::fs::remove_file(apart).unwrap();
    let error = ground.refused_to_open(config).await;
    assert!(
        error.message.starts_with("the sessions' database"),
        "{error}"
    );
}

#[tokio::test]
async fn what_was_deleted_elsewhere_is_told_though_the_users_file_is_held() {
    let ground = Ground::new().await;
    let apart = ground.folder.path().join("sessions.sqlite3");
    std::fs::copy(ground.path(), &apart).unwrap();
    let mut config = ground.config();
    config.sessions.url = Some(Address::parse(&format!("sqlite://{}", apart.display())).unwrap());
    let site = ground.open(config).await;
    // A reader that does not end: flags can be set, and not committed.
    let mut reader = ground.connect().await;
    let hold = "PRAGMA journal_mode = DELETE; BEGIN; SELECT count(*) FROM accounts_user";
    sqlx::raw_sql(hold).fetch_all(&mut reader).await.unwrap();
    let counts = site.view().counts;
    let report = site.sweep(true).await;
    let entry = ground.entries().pop().unwrap();
    assert!(counts.overdue > 0);
    assert!(entry.sessions_deleted.unwrap() > 0, "{entry:?} {report:?}");
    assert_eq!(entry.verified, Some(false), "{entry:?}");
}

#[tokio::test]
async fn a_cache_that_is_down_keeps_nobody_from_looking_and_everybody_from_deleting() {
    let ground = Ground::new().await;
    let rows = ground.site().await.view().counts;
    for engine in [CACHED_DB, "django.contrib.sessions.backends.cache"] {
        let mut config = with_engine(&ground, engine);
        // A port that nobody listens at.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("redis://{}/0", free.local_addr().unwrap());
        drop(free);
        config.sessions.cache = Some(crate::config::CacheAddress::parse(&address).unwrap());
        let before = ground.bytes();
        let site = ground.open(config.clone()).await;
        let counts = site.view().counts;
        if engine == CACHED_DB {
            assert_eq!(counts.signed_in, rows.signed_in);
        } else {
            assert_eq!((counts.sessions, counts.stale), (0, 0));
        }
        let person = somebody(&site, Filter::Overdue);
        let sweep = site.sweep(true).await.unwrap_err();
        let logout = site
            .logout(&person.id, None, &How::default())
            .await
            .unwrap_err();
        for error in [sweep, logout] {
            assert_eq!(error.code, Code::NotPossible);
            assert!(error.message.contains("127.0.0.1"), "{error}");
            assert!(!error.message.contains('\n'));
        }
        assert!(!ground.check(config, "session cache").await.ok);
        assert_eq!(ground.bytes(), before);
        assert!(ground.entries().is_empty());
    }
}
