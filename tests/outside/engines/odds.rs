//! A cache that is down or refuses half-way, an engine that nobody knows: one line each, and the rest goes on. The
//! operator's own account, and accounts that are switched off and on where sessions can come back.

use std::net::TcpListener;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use crate::harness::{
    Cache, Curfew, Django, Engine, SessionEngine, Site, active, fingerprint, listed, names,
    overdue, setting, sorted,
};

const SHOP: &str = "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n";

async fn cached(django: Django, database: Engine) -> Site {
    let plan = Site::on(django, database).sessions(SessionEngine::CachedDb);
    plan.cache(Cache::Redis).start().await
}

/// The site with another address for its cache.
fn with_cache(site: &Site, cache: &str) -> Curfew {
    let own = site.cache_url().unwrap();
    let sessions = site.described().replace(&own, cache);
    site.configured(&format!("{SHOP}{sessions}"))
}

/// Refused as not possible, in one line on standard error, with nobody signed out.
async fn refused(site: &Site, curfew: &Curfew, key: &str, says: &str) {
    let before = site.checksums().await;
    let ran = curfew.json(&["logout", "ana"]).await;
    assert_eq!(ran.status, 3, "{ran:#?}");
    let report = ran.document();
    assert_eq!(report["outcome"], "not_possible", "{report:#}");
    assert_eq!(report["verified"], false, "{report:#}");
    assert_eq!(ran.stderr.trim().lines().count(), 1, "{ran:#?}");
    assert!(ran.stderr.contains(says), "{ran:#?}");
    let swept = curfew.json(&["sweep"]).await;
    assert_eq!(swept.status, 3, "{swept:#?}");
    assert_eq!(swept.error().0, "not_possible");
    assert_eq!(site.checksums().await, before);
    assert_eq!(site.names(&[key.to_owned()]).await, [Some("ana".into())]);
    // Looking goes on.
    let document = curfew.done(&["users"]).await;
    assert_eq!(names(&document), listed(["ana", "cem"]));
}

#[tokio::test]
async fn a_cache_that_is_down_at_a_logout_is_said_in_one_line() {
    for (django, database) in [
        (Django::V52, Engine::Postgres),
        (Django::V42, Engine::Mysql),
        (Django::V52, Engine::Sqlite),
    ] {
        let site = cached(django, database).await;
        let seeded = site.seed(&[active("ana"), overdue("cem")]).await;
        // A port that nobody listens at.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let curfew = with_cache(&site, &format!("redis://{address}/1"));
        refused(&site, &curfew, &seeded.key("ana"), &address.to_string()).await;
    }
}

#[tokio::test]
async fn an_engine_that_nobody_knows_is_named_in_one_line() {
    let site = Site::start().await;
    let seeded = site.seed(&[active("ana"), overdue("cem")]).await;
    let curfew = site.configured(&format!(
        "{SHOP}[site.sessions]\nengine = \"no.such.engine\"\n"
    ));
    refused(&site, &curfew, &seeded.key("ana"), "no.such.engine").await;
}

/// A command to the tests' Redis, answered with OK.
async fn redis(command: &str) {
    let server = Url::parse(&setting("CURFEW_TEST_REDIS")).unwrap();
    let at = (server.host_str().unwrap(), server.port().unwrap());
    let mut line = TcpStream::connect(at).await.unwrap();
    line.write_all(format!("{command}\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = [0; 5];
    line.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+OK\r\n", "{command}");
}

/// The cache answers, lets a key be deleted that is not there, and refuses the session's own.
#[tokio::test]
async fn a_cache_that_refuses_half_way_is_done_in_part_and_never_claimed() {
    let site = cached(Django::V52, Engine::Postgres).await;
    site.seed(&[active("ana").no_session(), overdue("cem")])
        .await;
    let mut browser = site.sign_in("ana").await;
    let user = fingerprint(browser.key());
    redis(&format!(
        "ACL SETUSER {user} on nopass resetkeys ~*curfew-* %R~* +@all"
    ))
    .await;
    let mut half = Url::parse(&site.cache_url().unwrap()).unwrap();
    half.set_username(&user).unwrap();
    half.set_password(Some("any")).unwrap();
    let curfew = with_cache(&site, half.as_str());

    let ran = curfew.json(&["logout", "ana"]).await;

    assert_eq!(ran.status, 4, "{ran:#?}");
    let report = ran.document();
    assert_eq!(report["outcome"], "partial", "{report:#}");
    assert_eq!(report["verified"], false, "{report:#}");
    assert_eq!(ran.stderr.trim().lines().count(), 1, "{ran:#?}");
    assert_eq!(
        browser.whoami().await.as_deref(),
        Some("ana"),
        "the copy lets her in"
    );
    let entries = curfew.done(&["journal"]).await;
    assert_eq!(entries["entries"][0]["verified"], false, "{entries:#}");
    // The rest of the site goes on, and with its rights back the copy goes, too.
    curfew.done(&["users"]).await;
    redis(&format!("ACL SETUSER {user} ~*")).await;
    curfew.json(&["logout", "ana"]).await;
    assert_eq!(browser.whoami().await, None);
}

#[tokio::test]
async fn ones_own_account_is_asked_about_and_spared_by_a_sweep_of_everyone() {
    let site = Site::start().await;
    let seeded = site.seed(&[overdue("ana"), overdue("cem")]).await;
    let curfew = site.configured(&format!("{SHOP}own_username = \"ana\"\n"));

    let asked = curfew.json(&["logout", "ana"]).await;
    assert_eq!(asked.status, 3, "{asked:#?}");
    assert_eq!(asked.error().0, "own_account");
    let swept = curfew.done(&["sweep", "--force"]).await;
    assert_eq!(names(&swept), listed(["cem"]));
    assert_eq!(sorted(&swept["skipped"]), listed(["ana"]), "{swept:#}");
    assert_eq!(site.names(&seeded.keys("ana")).await, [Some("ana".into())]);

    let meant = curfew.done(&["logout", "ana", "--yes"]).await;
    assert_eq!(meant["outcome"], "signed_out");
    assert_eq!(site.names(&seeded.keys("ana")).await, [None]);
}

/// Off and on again, at the command line; the old cookie is worth nothing afterwards.
async fn is_suspended_and_allowed(site: Site) {
    site.seed(&[active("ana").no_session(), active("ben")])
        .await;
    site.grant_account_switch().await;
    let mut browser = site.sign_in("ana").await;
    let curfew = site.configured(&format!("{SHOP}account_switch = true\n{{sessions}}"));

    // Switched off, nobody is let in by a session that comes back.
    let off = curfew.done(&["suspend", "ana"]).await;
    assert_eq!(off["outcome"], "suspended", "{off:#}");
    assert_eq!(off["enabled"], false, "{off:#}");
    assert_eq!(browser.whoami().await, None);
    let kept = browser.key().to_owned();

    let on = curfew.json(&["allow", "ana"]).await;
    assert!([0, 4].contains(&on.status), "{on:#?}");
    assert_eq!(on.document()["enabled"], true, "{on:#?}");
    assert_eq!(site.browser(&kept).whoami().await, None, "the old cookie");
    assert_eq!(
        site.sign_in("ana").await.whoami().await.as_deref(),
        Some("ana")
    );
    let entries = curfew.done(&["journal"]).await;
    let deeds: Vec<&str> = entries["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["deed"].as_str().unwrap())
        .collect();
    assert!(
        deeds.contains(&"suspend") && deeds.contains(&"allow"),
        "{deeds:?}"
    );
}

#[tokio::test]
async fn an_account_of_cached_sessions_is_suspended_and_allowed() {
    is_suspended_and_allowed(cached(Django::V52, Engine::Postgres).await).await;
}

#[tokio::test]
async fn an_account_of_sessions_that_are_saved_again_is_suspended_and_allowed() {
    let plan = Site::on(Django::V42, Engine::Mysql).sessions(SessionEngine::UserSessions);
    is_suspended_and_allowed(plan.start().await).await;
}
