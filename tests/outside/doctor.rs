//! What `doctor` says of sites that can be looked at and not be changed, and of caches that do not let Curfew in.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use reqwest::Url;
use serde_json::Value;

use crate::harness::{
    Curfew, Django, Engine, OwnMariadb, OwnPostgres, Site, active, setting, until,
};

/// Runs `doctor`, and returns its document.
async fn doctor(curfew: &Curfew) -> Value {
    let ran = curfew.json(&["doctor"]).await;
    let document = ran.document();
    let failed = checks(&document).iter().any(|check| check["ok"] == false);
    assert_eq!(
        ran.status,
        i32::from(failed),
        "a failed check is status 1: {ran:#?}"
    );
    document
}

fn checks(document: &Value) -> &Vec<Value> {
    document["checks"].as_array().unwrap()
}

fn check<'a>(document: &'a Value, name: &str) -> &'a Value {
    let found = checks(document).iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {document:#}"))
}

#[tokio::test]
async fn a_cache_that_does_not_let_us_in_is_a_failed_check() {
    let site = Site::on(Django::V52, Engine::Sqlite).start().await;
    site.seed(&[active("ana")]).await;
    let good = doctor(&site.curfew()).await;
    let all = checks(&good).len();
    assert_eq!(check(&good, "session store")["ok"], true, "{good:#}");

    let redis = setting("CURFEW_TEST_REDIS");
    let host = redis
        .trim_start_matches("redis://")
        .trim_end_matches("/0")
        .to_owned();
    let cluster = setting("CURFEW_TEST_REDIS_CLUSTER");
    let node = cluster.trim_start_matches("redis+cluster://");
    let node = node.split(',').next().unwrap();
    let canary = "pass-canary-43";
    for (engine, cache) in [
        format!("redis://nobody:{canary}@{host}/0"),
        format!("redis://{host}/9999"),
        format!("rediss://{host}/0?ssl_ca_certs=/no/such/ca.pem"),
        format!("rediss://{host}/0"),
        format!("redis+cluster://{host}"),
        format!("redis+sentinel://{host}/shop/0"),
        format!("redis://{node}/1"),
        "memcached://127.0.0.1:9".into(),
    ]
    .into_iter()
    .map(|cache| ("cached_db", cache))
    .chain([("cache", format!("redis://nobody:{canary}@{host}/0"))])
    {
        let curfew = site
            .configured(&format!(
                "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\n[site.sessions]\n\
                     engine = \"django.contrib.sessions.backends.{engine}\"\ncache = \"{cache}\"\n"
            ))
            .never_says(canary);
        let document = doctor(&curfew).await;
        let store = check(&document, "session cache");
        assert_eq!(store["ok"], false, "{engine}, {cache}: {document:#}");
        assert!(!store["fix"].as_str().unwrap().is_empty());
        assert_eq!(checks(&document).len(), all, "{engine}, {cache}");
    }
}

#[tokio::test]
async fn what_was_not_checked_is_named_and_failed() {
    let site = Site::on(Django::V52, Engine::Sqlite).start().await;
    let good = doctor(&site.curfew()).await;
    let nowhere = format!("sqlite://{}", site.folder("none.sqlite3"));
    let bad = doctor(&site.curfew().site(&nowhere)).await;
    let names = |document: &Value| -> Vec<String> {
        let all = checks(document).iter();
        all.map(|check| check["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&good), names(&bad));
    for name in ["rights", "first look", "session store", "secret key"] {
        let skipped = check(&bad, name);
        assert_eq!(skipped["ok"], false, "{bad:#}");
        let detail = skipped["detail"].as_str().unwrap();
        assert!(
            detail.contains("not checked") && detail.contains("reached"),
            "{bad:#}"
        );
    }
    assert_eq!(check(&bad, "journal")["ok"], true, "{bad:#}");
}

#[tokio::test]
async fn a_role_that_may_only_read_and_a_standby_are_seen() {
    let site = Site::start().await;
    site.seed(&[active("ana")]).await;
    let good = doctor(&site.curfew()).await;
    assert_eq!(check(&good, "rights")["ok"], true, "{good:#}");

    // The standby has the site once the primary's log has come over.
    let url = Url::parse(&site.db.url()).unwrap();
    let mut standby = Url::parse(&setting("CURFEW_TEST_POSTGRES_REPLICA")).unwrap();
    standby.set_username(url.username()).unwrap();
    standby.set_password(url.password()).unwrap();
    standby.set_path(url.path());
    let there = site.curfew().site(standby.as_str());
    until(
        "the standby has the people",
        std::time::Duration::from_secs(30),
        || async { there.json(&["users"]).await.stdout.contains("\"ana\"") },
    )
    .await;
    let document = doctor(&there).await;
    assert_eq!(check(&document, "rights")["ok"], false, "{document:#}");
    let fix = check(&document, "rights")["fix"].as_str().unwrap();
    assert!(fix.contains("primary"), "{document:#}");
    assert_eq!(check(&document, "first look")["ok"], true, "{document:#}");

    let database = url.path().trim_matches('/').to_owned();
    site.db
        .execute(&format!(
            "ALTER ROLE {} IN DATABASE {database} SET default_transaction_read_only = on",
            url.username()
        ))
        .await;
    let document = doctor(&site.curfew()).await;
    assert_eq!(check(&document, "rights")["ok"], false, "{document:#}");
}

#[tokio::test]
async fn a_file_and_a_folder_that_cannot_be_written_are_seen() {
    let site = Site::on(Django::V52, Engine::Sqlite).start().await;
    site.seed(&[active("ana")]).await;
    // Root may write everything, so Curfew runs as somebody else where the tests run as root.
    // Somebody else reaches /tmp, whatever folder the tests keep theirs in.
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let shared = folder.path().join("site.sqlite3");
    let from = site.db.url();
    std::fs::copy(from.trim_start_matches("sqlite://"), &shared).unwrap();
    let program = folder.path().join("curfew");
    std::fs::copy(setting("CURFEW_TEST_CLI"), &program).unwrap();
    let mode = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    let state = tempfile::tempdir_in("/tmp").unwrap();
    mode(state.path(), 0o777);
    let rights = async || {
        let curfew = Curfew::new(state.path())
            .site(&format!("sqlite://{}", shared.display()))
            .unprivileged(&program);
        let document = doctor(&curfew).await;
        check(&document, "rights").clone()
    };
    for (file, dir, may) in [
        (0o666, 0o777, true),
        (0o444, 0o777, false),
        (0o666, 0o555, false),
    ] {
        mode(&shared, file);
        mode(folder.path(), dir);
        let rights = rights().await;
        assert_eq!(
            rights["ok"], may,
            "file {file:o}, folder {dir:o}: {rights:#}"
        );
    }
    mode(folder.path(), 0o777);
    assert!(
        !folder.path().join("site.sqlite3-journal").exists(),
        "nothing is left beside the file"
    );
}

/// The check "rights" of a site that is named by its address.
async fn rights(url: &str) -> Value {
    let home = tempfile::tempdir().unwrap();
    let document = doctor(&Curfew::new(home.path()).site(url)).await;
    check(&document, "rights").clone()
}

#[tokio::test]
async fn a_standby_that_was_promoted_is_good() {
    let server = OwnPostgres::standby().await;
    let before = rights(&server.url()).await;
    assert_eq!(before["ok"], false, "{before:#}");
    assert!(before["detail"].as_str().unwrap().contains("read-only"));
    server.promote().await;
    let after = rights(&server.url()).await;
    assert_eq!(after["ok"], true, "{after:#}");
}

#[tokio::test]
async fn a_mariadb_that_is_read_only_is_seen_and_a_table_without_transactions_named() {
    let server = OwnMariadb::start().await;
    let before = rights(&server.url()).await;
    assert_eq!(before["ok"], true, "{before:#}");
    server.execute("SET GLOBAL read_only = 1").await;
    let locked = rights(&server.url()).await;
    assert_eq!(locked["ok"], false, "{locked:#}");
    assert!(locked["fix"].as_str().unwrap().contains("primary"));
    server
        .execute("SET GLOBAL read_only = 0; ALTER TABLE shop.django_session ENGINE = MyISAM")
        .await;
    let plain = rights(&server.url()).await;
    assert_eq!(plain["ok"], true, "{plain:#}");
    assert!(
        plain["detail"]
            .as_str()
            .unwrap()
            .contains("no transactions")
    );
}

#[tokio::test]
async fn what_is_told_to_others_is_checked() {
    let site = Site::on(Django::V52, Engine::Sqlite).start().await;
    site.seed(&[active("ana")]).await;
    let (folder, fifo) = (site.folder("heads"), site.folder("fifo"));
    std::fs::create_dir(&folder).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let secret = "whsec_c2VjcmV0IGNhbmFyeSBvZiAyNCBieXRlcw==";
    let told = |hook: &str, secret: &str, health: &str, heads: &str| {
        site.configured(&format!(
            "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\nhealth_url = \"{health}\"\njournal_heads = \"{heads}\"\n\
             [site.webhook]\nurl = \"{hook}\"\nsecret = \"{secret}\"\n[site.sessions]\n\
             engine = \"django.contrib.sessions.backends.db\"\n"
        ))
        .never_says(secret)
    };
    let names = ["webhook", "health address", "journal heads"];
    let answers = format!(
        "http://{}/whoami",
        site.address()
            .trim_start_matches("http://")
            .trim_end_matches('/')
    );
    let heads = format!("{folder}/heads.log");
    let document = doctor(&told(&answers, secret, &answers, &heads)).await;
    for name in names {
        assert_eq!(check(&document, name)["ok"], true, "{name}: {document:#}");
    }
    assert!(!Path::new(&heads).exists(), "doctor leaves no file behind");

    let nobody = "http://127.0.0.1:9/hook-canary";
    for heads in [&folder, &fifo, "/proc/heads"] {
        let curfew = told(nobody, secret, nobody, heads).never_says("hook-canary");
        let document = doctor(&curfew).await;
        for name in names {
            let check = check(&document, name);
            assert_eq!(check["ok"], false, "{name}: {document:#}");
            assert!(check["fix"].is_string(), "{check:#}");
        }
    }
    let document = doctor(&told(&answers, "whsec_!", &answers, &heads)).await;
    assert_eq!(check(&document, "webhook")["ok"], false, "{document:#}");
}

/// An address of this machine that others on its network reach, too.
fn own_address() -> std::net::IpAddr {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: this only chooses the way.
    match socket.connect("192.0.2.77:9") {
        Ok(()) => socket.local_addr().unwrap().ip(),
        Err(_) => "192.0.2.77".parse().unwrap(),
    }
}

#[tokio::test]
async fn a_cache_in_clear_text_off_this_machine_fails_the_check() {
    let site = Site::on(Django::V52, Engine::Sqlite).start().await;
    let host = own_address();
    assert!(!host.is_loopback());
    let at = |engine: &str, cache: &str| {
        site.configured(&format!(
            "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\n[site.sessions]\n{engine}cache = \"{cache}\"\n"
        ))
        .engine_unstated()
    };
    let cached_db = "engine = \"django.contrib.sessions.backends.cached_db\"\n";
    for (engine, cache, ok) in [
        (cached_db, format!("redis://{host}:9/0"), false),
        // The cache alone shows the engine.
        ("", format!("redis://{host}:9/0"), false),
        (cached_db, format!("memcached://{host}:9"), false),
        (
            cached_db,
            format!("redis+cluster://127.0.0.1:9,{host}:9"),
            false,
        ),
        (cached_db, format!("rediss://{host}:9/0"), true),
        (cached_db, "redis://127.0.0.1:9/0".into(), true),
    ] {
        let document = doctor(&at(engine, &cache)).await;
        let check = check(&document, "encrypted");
        assert_eq!(check["ok"], ok, "{engine}{cache}: {document:#}");
        assert!(ok || check["fix"].as_str().unwrap().contains("tunnel"));
    }
}
