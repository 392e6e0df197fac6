//! Slow lines: a second for each round trip, and ten kilobytes a second. Both are slow, and neither is silent.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;
use url::Url;

use crate::harness::{Django, Engine, Process, Site, active, setting};

/// So many sessions of one user that to send them takes longer than a server may take for a statement.
const SESSIONS: u32 = 1_000;

/// A database at the end of a slow line.
struct SlowLine {
    url: String,
    _process: Process,
}

impl SlowLine {
    fn before(database: &str, trip: &str, rate: &str, log: &str) -> Self {
        let mut url = Url::parse(database).unwrap();
        let mut python = Command::new(setting("CURFEW_TEST_PYTHON_52"));
        python
            .args(["-c", include_str!("../slow_line.py")])
            .arg(url.host_str().unwrap())
            .arg(url.port().unwrap().to_string())
            .args([trip, rate]);
        let mut process = Process::start_group(&mut python, log.as_ref());
        let port = process.first_line().parse().unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        url.set_query(Some(match url.scheme() {
            "mysql" => "ssl-mode=disabled",
            _ => "sslmode=disable",
        }));
        Self {
            url: url.into(),
            _process: process,
        }
    }
}

/// A site with some users. With `many`, one of them has many sessions.
async fn site(engine: Engine, many: bool) -> Arc<Site> {
    let site = Site::on(Django::V52, engine).start().await;
    let key = site
        .seed(&[active("ana"), active("ben"), active("cyd")])
        .await
        .key("cyd");
    if many {
        let (numbers, number) = match engine {
            Engine::Mysql => (format!("seq_1_to_{SESSIONS}"), "seq"),
            _ => (format!("generate_series(1, {SESSIONS}) AS n"), "n::text"),
        };
        let sql = format!(
            "INSERT INTO django_session SELECT md5({number}), session_data, expire_date
               FROM django_session, {numbers} WHERE session_key = '{key}'"
        );
        site.db.execute(&sql).await;
    }
    Arc::new(site)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_and_logout_work_over_slow_lines() {
    let mut runs = JoinSet::new();
    for engine in [Engine::Postgres, Engine::Mysql] {
        let (small, large) = (site(engine, false).await, site(engine, true).await);
        // A sign-out has some fifty trips, most of them for its looks afterwards.
        for (site, trip, rate, args) in [
            (&small, "1", "0", &["users"][..]),
            (&small, "0.5", "0", &["logout", "ana"]),
            (&small, "0", "10000", &["logout", "cyd"]),
            (&large, "0", "10000", &["users"]),
        ] {
            let site = site.clone();
            runs.spawn(async move {
                let began = Instant::now();
                let name = format!("{trip}-{rate}-{}", args[0]);
                let line = SlowLine::before(&site.db.url(), trip, rate, &site.folder(&name));
                let curfew = site
                    .curfew()
                    .site(&line.url)
                    .env("CURFEW_STATE_DIR", &site.folder(&format!("{name}-state")));
                let done = curfew.done(args).await;
                match args {
                    ["users"] => assert!(done["counts"]["signed_in"].as_u64() >= Some(1)),
                    _ => assert_eq!(done["outcome"], "signed_out", "{done}"),
                }
                println!("{engine:?} {name}: {:?}", began.elapsed());
            });
        }
    }
    while let Some(ran) = runs.join_next().await {
        ran.unwrap();
    }
}
