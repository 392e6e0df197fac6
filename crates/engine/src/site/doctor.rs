//! The staged test of a site: each step of connecting, what was found, and what to do where it fails.

mod rights;
mod rights_mysql;
mod sessions;

use super::open::reach;
use super::wiring::explore;
use super::{Site, hold};
use crate::config::{Backend, Env, SiteConfig};
use crate::error::Code;
use crate::journal::Journal;
use crate::secrets;
use crate::store::db::Db;
use crate::store::sql::replica;
use crate::view::{Check, Found};

fn good(name: &str, detail: impl Into<String>) -> Check {
    Check {
        name: name.into(),
        ok: true,
        detail: detail.into(),
        fix: None,
    }
}

fn bad(name: &str, detail: impl Into<String>, fix: impl Into<String>) -> Check {
    Check {
        name: name.into(),
        ok: false,
        detail: detail.into(),
        fix: Some(fix.into()),
    }
}

/// Every check in order; the first that leaves nothing to stand on is the last.
pub async fn doctor(mut config: SiteConfig, env: &Env) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Err(error) = secrets::complete(&mut config).await {
        checks.push(bad(
            "secrets",
            error.message,
            "correct the command or the keychain's entry",
        ));
        return checks;
    }
    let reached = match reach(&config).await {
        Ok(reached) => reached,
        Err(error) => {
            let fix = match config.address.backend() {
                Backend::Postgres | Backend::Mysql => {
                    "check host, port, user, password and that the server takes connections from here"
                }
                Backend::Sqlite(_) => "check the path, and that this user may read the file",
            };
            checks.push(bad("reached", error.message, fix));
            return checks;
        }
    };
    checks.push(good(
        "reached",
        format!("{} answers", config.address.shown()),
    ));
    checks.push(match (reached.encrypted, reached.local) {
        (Some(true), _) => good("encrypted", "the connection is encrypted"),
        (Some(false), false) => bad(
            "encrypted",
            "the server offers no encryption, and it is not on this machine",
            "turn TLS on at the server, or reach it through a tunnel",
        ),
        (Some(false), true) => good("encrypted", "not encrypted, and it stays on this machine"),
        (None, _) => good("encrypted", "a file on this machine"),
    });
    let explored = match explore(&mut config, &reached.db).await {
        Ok(explored) => explored,
        Err(error) => {
            let fix = match error.code {
                Code::NotDjango | Code::Ambiguous | Code::Config => {
                    "name the tables in config.toml, under [site.users] and [site.sessions]"
                }
                _ => "grant the role the right to read",
            };
            checks.push(bad("tables", error.message, fix));
            return checks;
        }
    };
    let found = &explored.found;
    checks.push(good("tables", tables_found(found)));
    checks.push(sessions::engine(&config, &explored));
    checks.extend(rights::asked(&config, &reached.db, &explored).await);
    checks.extend(read_replica(&config, &reached.db).await);
    reached.db.close().await;
    checks.push(evidence(&config, found));
    checks.push(journal(env));
    checks.extend(people(config, env).await);
    checks
}

async fn read_replica(config: &SiteConfig, primary: &Db) -> Option<Check> {
    let address = config.read_address.as_ref()?;
    Some(match replica::examine(address, primary).await {
        Ok(()) => good(
            "read replica",
            format!("{} follows the primary", address.shown()),
        ),
        Err(error) => bad(
            "read replica",
            error.message,
            "correct read_url; until then all looks are at url",
        ),
    })
}

fn tables_found(found: &[Found]) -> String {
    let named = |what: &str| {
        found
            .iter()
            .find(|f| f.what == what)
            .and_then(|f| f.value.clone())
            .unwrap_or_else(|| "none".into())
    };
    let sessions = match found.iter().any(|f| f.what == "session table") {
        true => format!("sessions in {}", named("session table")),
        false => "sessions in no table".into(),
    };
    format!(
        "{sessions}, users in {} (key {}, name {})",
        named("user table"),
        named("user key"),
        named("name column"),
    )
}

fn evidence(config: &SiteConfig, found: &[Found]) -> Check {
    let activity = found
        .iter()
        .find(|f| f.what == "activity column")
        .and_then(|f| f.value.clone());
    match (activity, config.sessions.saved_every_request) {
        (Some(column), _) => good("activity evidence", format!("column {column}")),
        (None, true) => good("activity evidence", "each request saves its session"),
        (None, false) => bad(
            "activity evidence",
            "nothing says when people were last here, so nobody can be swept",
            "name the column under [site.users] last_activity, or set saved_every_request = true where SESSION_SAVE_EVERY_REQUEST is on",
        ),
    }
}

fn journal(env: &Env) -> Check {
    match Journal::at(&env.state_dir).check_writable() {
        Ok(()) => good(
            "journal",
            format!("{} can be written", env.state_dir.display()),
        ),
        Err(error) => bad(
            "journal",
            error.message,
            "make the folder writable, or set CURFEW_STATE_DIR",
        ),
    }
}

/// The clock, a first look, and the SECRET_KEY held against real sessions.
async fn people(config: SiteConfig, env: &Env) -> Vec<Check> {
    let mut checks = Vec::new();
    let knows_key = config.secret_key.is_some();
    let looked = match Site::open(config, env).await {
        Ok(site) => site.look().await.map(|()| site),
        Err(error) => Err(error),
    };
    let site = match looked {
        Ok(site) => site,
        Err(error) => {
            checks.push(bad(
                "first look",
                error.message,
                "grant the role SELECT on both tables",
            ));
            return checks;
        }
    };
    let skew = hold(&site.line).skew().unwrap_or_default().as_secs_f64();
    checks.push(if skew.abs() > 5.0 {
        bad(
            "clock",
            format!(
                "this machine is {:.0} s off the database's clock",
                skew.abs()
            ),
            "set this machine's clock; decisions follow the database's all the same",
        )
    } else {
        good("clock", format!("{:.1} s off the database's", skew.abs()))
    });
    let counts = hold(&site.roster).counts();
    checks.push(good(
        "first look",
        format!(
            "{} signed in, {} sessions, {} anonymous, {} unreadable",
            counts.signed_in,
            counts.sessions,
            counts.anonymous_sessions,
            counts.unreadable_sessions
        ),
    ));
    checks.extend(sessions::reach(&site).await);
    let (fit, do_not) = hold(&site.roster).signatures();
    checks.push(match (knows_key, fit, do_not) {
        (false, ..) => good("secret key", "not known: signatures are not checked"),
        (true, 0, 1..) => bad(
            "secret key",
            format!("none of {do_not} sessions was made with it"),
            "give this site's own SECRET_KEY (CURFEW_SECRET_KEY or secret_key_command)",
        ),
        (true, fit, do_not) => good(
            "secret key",
            format!("{fit} sessions were made with it, {do_not} were not"),
        ),
    });
    checks
}
