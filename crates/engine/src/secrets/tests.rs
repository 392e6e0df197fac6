//! Secrets from real commands, and the keychain where there is none, where it hangs, and where there is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;

use super::keychain::{self, Item};
use super::*;
use crate::config::{Address, CacheAddress, SiteConfig};

fn site(address: &str) -> SiteConfig {
    SiteConfig::by_address(Address::parse(address).unwrap())
}

const PG: &str = "postgres://curfew@db.internal/shop";

async fn command(text: &str) -> Result<String> {
    let found = command::run("password_command", text).await?;
    Ok(found.expose_secret().to_owned())
}

#[tokio::test]
async fn a_command_gives_its_first_line() {
    assert_eq!(command("echo hunter2").await.unwrap(), "hunter2");
    let two = "printf ' a b \\r\\nsecond\\n'";
    assert_eq!(command(two).await.unwrap(), "a b");
    assert_eq!(command("printf 'é'").await.unwrap(), "é");
    assert_eq!(command("cat; echo none").await.unwrap(), "none", "no stdin");
}

#[tokio::test]
async fn a_command_that_fails_shows_nothing_of_what_it_printed() {
    for (text, says) in [
        (
            "echo hunter2; echo hunter2 >&2; exit 3",
            "failed (exit status: 3)",
        ),
        ("true", "printed nothing"),
        ("echo; echo hunter2", "printed nothing"),
        ("printf 'hunter2\\377\\n'", "not UTF-8"),
        ("no-such-program-hunter2", "failed (exit status: 127)"),
    ] {
        let error = command(text).await.unwrap_err();
        assert_eq!(error.code, Code::Config);
        assert!(error.message.starts_with("password_command "));
        assert!(error.message.contains(says), "{}", error.message);
        assert!(!error.message.contains("hunter2"), "{}", error.message);
    }
}

#[tokio::test]
async fn a_command_that_hangs_is_given_up() {
    let started = Instant::now();
    let limit = Duration::from_secs(1);
    for text in ["sleep 30", "sleep 30 & echo hunter2", "yes"] {
        let error = command::run_within(limit, "password_command", text).await;
        let error = error.unwrap_err();
        assert!(
            error.message.contains("took longer") || text == "yes",
            "{text}: {}",
            error.message
        );
    }
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_site_is_completed_by_its_commands() {
    let mut config = site(PG);
    config.password_command = Some("echo 'p@ss/w:rd'".into());
    config.secret_key_command = Some("echo the-key".into());
    complete(&mut config).await.unwrap();
    let password = config.address.password().unwrap();
    assert_eq!(password.expose_secret(), "p@ss/w:rd");
    assert_eq!(config.secret_key.unwrap().expose_secret(), "the-key");
}

#[tokio::test]
async fn what_is_given_comes_first_and_what_is_missing_stays_out() {
    let mut config = site("postgres://curfew:given@db.internal/shop");
    config.password_command = Some("exit 1".into());
    config.secret_key_command = Some("exit 1".into());
    config.secret_key = Some(SecretString::from("from-environment"));
    complete(&mut config).await.unwrap();
    assert_eq!(config.address.password().unwrap().expose_secret(), "given");
    assert_eq!(
        config.secret_key.unwrap().expose_secret(),
        "from-environment"
    );

    let mut config = site(PG);
    complete(&mut config).await.unwrap();
    assert!(!config.address.has_password() && config.secret_key.is_none());

    let mut config = site("sqlite:///srv/shop.sqlite3");
    config.password_command = Some("exit 1".into());
    complete(&mut config).await.unwrap();
    assert!(!config.address.has_password());
}

#[tokio::test]
async fn the_sessions_database_and_the_cache_have_passwords_of_their_own() {
    let mut config = site("postgres://curfew:given@db.internal/shop");
    config.sessions.url = Some(Address::parse("postgres://curfew@db.internal/sessions").unwrap());
    config.sessions.cache = Some(CacheAddress::parse("redis://site@cache:6380/2").unwrap());
    config.sessions.cache_password_command = Some("echo 's3cr@t'".into());
    complete(&mut config).await.unwrap();
    let of = |config: &SiteConfig| config.sessions.url.as_ref().unwrap().password().unwrap();
    assert_eq!(of(&config).expose_secret(), "given", "one login");
    let cache = config.sessions.cache.as_ref().unwrap();
    assert_eq!(cache.expose(), "redis://site:s3cr%40t@cache:6380/2");

    config.sessions.url = Some(Address::parse("mysql://other@db2/sessions").unwrap());
    config.sessions.password_command = Some("echo theirs".into());
    complete(&mut config).await.unwrap();
    assert_eq!(of(&config).expose_secret(), "theirs");
}

#[tokio::test]
async fn a_webhook_without_a_secret_is_refused() {
    let mut hook = WebhookConfig {
        url: "https://hooks.example/".into(),
        secret: None,
        secret_command: None,
    };
    let error = webhook_secret(&hook).await.unwrap_err();
    assert!(error.message.contains("no secret to sign with"));
    hook.secret_command = Some("echo whsec_b".into());
    let found = webhook_secret(&hook).await.unwrap();
    assert_eq!(found.expose_secret(), "whsec_b");
    hook.secret = Some(SecretString::from("whsec_a"));
    let found = webhook_secret(&hook).await.unwrap();
    assert_eq!(found.expose_secret(), "whsec_a");
}

/// Runs the same test in a process of its own, whose session bus is this address. The keychain of whoever runs the tests
/// is none of theirs.
#[cfg(target_os = "linux")]
fn with_bus(test: &str, bus: &str, shell: &str) {
    let (_, module) = module_path!().split_once("::").unwrap();
    let ended = Command::new("sh")
        .args(["-c", shell])
        .arg(std::env::current_exe().unwrap())
        .arg(format!("{module}::{test}"))
        .env("SECRETS_TEST_OTHER_SIDE", "1")
        .env("DBUS_SESSION_BUS_ADDRESS", bus)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

#[cfg(target_os = "linux")]
fn other_side() -> bool {
    std::env::var_os("SECRETS_TEST_OTHER_SIDE").is_some()
}

#[cfg(target_os = "linux")]
const ALONE: &str = "exec \"$0\" --exact \"$1\"";

#[tokio::test]
#[cfg(target_os = "linux")]
async fn no_keychain_is_said_in_one_line_and_stops_nobody() {
    if !other_side() {
        let dir = tempfile::TempDir::new().unwrap();
        let bus = format!("unix:path={}", dir.path().join("none").display());
        let test = "no_keychain_is_said_in_one_line_and_stops_nobody";
        with_bus(test, &bus, ALONE);
        return;
    }
    let error = keychain::get("shop", Item::Password).await.unwrap_err();
    assert!(matches!(error, keychain::Error::Absent(_)), "{error:?}");
    let error = crate::error::Error::from(error);
    assert!(error.message.starts_with("there is no keychain here: "));
    let secret = SecretString::from("hunter2");
    let error = keychain::set("shop", Item::Password, secret).await;
    assert!(!error.unwrap_err().to_string().contains("hunter2"));

    let mut config = site(PG);
    config.by_url = false;
    complete(&mut config).await.unwrap();
    assert!(!config.address.has_password());
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_keychain_that_hangs_is_given_up() {
    if !other_side() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("bus");
        // Takes connections, and never says a word.
        let _bus = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let bus = format!("unix:path={}", path.display());
        with_bus("a_keychain_that_hangs_is_given_up", &bus, ALONE);
        return;
    }
    let started = Instant::now();
    let error = keychain::get("shop", Item::Password).await.unwrap_err();
    assert_eq!(error, keychain::Error::Silent);
    let took = started.elapsed();
    assert!((4..8).contains(&took.as_secs()), "{took:?}");
    let mut config = site(PG);
    config.by_url = false;
    complete(&mut config).await.unwrap();
    assert!(started.elapsed().as_secs() < 13, "asked once, not twice");
}

/// With gnome-keyring under a bus of its own, where it is installed.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_real_keychain_keeps_gives_and_forgets() {
    if !other_side() {
        let installed = ["dbus-run-session", "gnome-keyring-daemon"]
            .iter()
            .all(|name| {
                let found = Command::new("sh")
                    .args(["-c", "command -v \"$0\"", name])
                    .output();
                found.is_ok_and(|found| found.status.success())
            });
        if !installed {
            eprintln!("not run: gnome-keyring and dbus-run-session are not installed");
            return;
        }
        let home = tempfile::TempDir::new().unwrap();
        let shell = format!(
            "HOME={0} XDG_DATA_HOME={0} XDG_RUNTIME_DIR={0} exec dbus-run-session -- sh -c '{1}' \"$0\" \"$1\"",
            home.path().display(),
            "echo pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; exec \"$0\" --exact \"$1\"",
        );
        let test = "a_real_keychain_keeps_gives_and_forgets";
        with_bus(test, "", &shell);
        return;
    }
    assert!(
        keychain::get("shop", Item::Password)
            .await
            .unwrap()
            .is_none()
    );
    for secret in ["hunter2", "p@ss wörd"] {
        keychain::set("shop", Item::Password, SecretString::from(secret))
            .await
            .unwrap();
        let found = keychain::get("shop", Item::Password).await.unwrap();
        assert_eq!(found.unwrap().expose_secret(), secret);
    }
    keychain::set("shop", Item::SecretKey, SecretString::from("the-key"))
        .await
        .unwrap();

    let mut config = site(PG);
    config.by_url = false;
    config.name = "shop".into();
    complete(&mut config).await.unwrap();
    let password = config.address.password().unwrap();
    assert_eq!(password.expose_secret(), "p@ss wörd");
    assert_eq!(config.secret_key.unwrap().expose_secret(), "the-key");

    for _ in 0..2 {
        keychain::delete("shop", Item::Password).await.unwrap();
    }
    assert!(
        keychain::get("shop", Item::Password)
            .await
            .unwrap()
            .is_none()
    );
    let key = keychain::get("shop", Item::SecretKey).await.unwrap();
    assert_eq!(key.unwrap().expose_secret(), "the-key");
}
