//! The staged test of a site: each step of connecting, what was found, and what to do where it fails.
//! `sheet.rs` has the list of the checks; each check has its function here or in a file of its own.

mod encrypted;
mod names;
mod rights;
mod rights_mysql;
mod sessions;
mod sheet;
mod told;

use super::open::reach;
use super::wiring::{Explored, explore};
use super::{Site, hold};
use crate::config::{Backend, Config, Env, SiteConfig};
use crate::error::{Code, Error};
use crate::journal::Journal;
use crate::secrets;
use crate::store::db::Db;
use crate::store::sql::replica;
use crate::view::{Check, Found};
use sheet::{Finding, Item, Sheet, bad, good};

/// Every check of the list, in order. A check that could not run is a failed check.
pub async fn doctor(mut config: SiteConfig, env: &Env) -> Vec<Check> {
    let mut sheet = Sheet::default();
    sheet.put(Item::Configuration, configuration(env));
    sheet.put(Item::Journal, journal(env));
    told::checked(&mut config, &mut sheet).await;
    site(config, env, &mut sheet).await;
    sheet.finish()
}

/// The checks that need a connection, each as far as those before it allow.
async fn site(mut config: SiteConfig, env: &Env, sheet: &mut Sheet) {
    match secrets::complete(&mut config).await {
        Ok(()) => sheet.put(
            Item::Secrets,
            good("passwords and keys are known as far as they are configured"),
        ),
        Err(error) => {
            let fix = "correct the command or the keychain's entry";
            return sheet.stop(Item::Secrets, bad(error.message, fix));
        }
    }
    let reached = match reach(&config).await {
        Ok(reached) => reached,
        Err(error) => return sheet.stop(Item::Reached, out_of_reach(&config, error)),
    };
    let at = config.address.shown();
    sheet.put(Item::Reached, good(format!("{at} answers")));
    encrypted::database("", reached.line, sheet);
    encrypted::cache(&config, sheet);
    let explored = match explore(&mut config, &reached.db).await {
        Ok(explored) => explored,
        Err(error) => return sheet.stop(Item::Tables, no_tables(error)),
    };
    tables(&config, &reached.db, &explored, sheet).await;
    reached.db.close().await;
    people(config, env, sheet).await;
}

/// The checks of what discovery found.
async fn tables(config: &SiteConfig, db: &Db, explored: &Explored, sheet: &mut Sheet) {
    let found = &explored.found;
    // A cache may have shown the engine that uses it.
    encrypted::cache(config, sheet);
    sheet.put(Item::Tables, good(tables_found(found)));
    sheet.put(Item::Engine, sessions::engine(config, explored));
    sheet.put(Item::Rights, rights::asked(config, db, explored).await);
    encrypted::database("the sessions' database: ", explored.apart_line, sheet);
    let replica = read_replica(config, db, sheet).await;
    sheet.put(Item::Replica, replica);
    sheet.put(Item::Evidence, evidence(config, found));
}

fn out_of_reach(config: &SiteConfig, error: Error) -> Finding {
    let fix = match config.address.backend() {
        Backend::Postgres | Backend::Mysql => {
            "check host, port, user, password and that the server takes connections from here"
        }
        Backend::Sqlite(_) => "check the path, and that this user may read the file",
    };
    bad(error.message, fix)
}

fn no_tables(error: Error) -> Finding {
    let fix = match error.code {
        Code::Ambiguous => {
            "state what the site uses: the schema with --schema, the session engine with --session-engine, or the tables in config.toml, under [site.users] and [site.sessions]"
        }
        Code::NotDjango | Code::Config => {
            "name the tables in config.toml, under [site.users] and [site.sessions]"
        }
        _ => "grant the role the right to read",
    };
    bad(error.message, fix)
}

async fn read_replica(config: &SiteConfig, primary: &Db, sheet: &mut Sheet) -> Finding {
    let Some(address) = config.read_address.as_ref() else {
        return good("none is configured");
    };
    match replica::examine(address, primary).await {
        Ok(line) => {
            encrypted::database("the read replica: ", Some(line), sheet);
            good(format!("{} follows the primary", address.shown()))
        }
        Err(error) => bad(
            error.message,
            "correct read_url; until then all looks are at url",
        ),
    }
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

fn evidence(config: &SiteConfig, found: &[Found]) -> Finding {
    let activity = found
        .iter()
        .find(|f| f.what == "activity column")
        .and_then(|f| f.value.clone());
    match (activity, config.sessions.saved_every_request) {
        (Some(column), _) => good(format!("column {column}")),
        (None, true) => good("each request saves its session"),
        (None, false) if asks(found, "activity column").is_some() => bad(
            "two columns could say when users were last active",
            asks(found, "activity column").unwrap_or_default(),
        ),
        (None, false) => bad(
            "nothing says when users were last active, so nobody can be swept",
            crate::sweep::GET_EVIDENCE,
        ),
    }
}

fn configuration(env: &Env) -> Finding {
    match Config::load(env) {
        Err(error) => bad(error.message, "correct the file"),
        Ok(config) => match config.exposed() {
            Some(what) => bad(
                what,
                "keep the file from other users, and change the secrets in it",
            ),
            None if !config.path.exists() => {
                good(format!("there is none at {}", config.path.display()))
            }
            None => good(format!(
                "{} is not open to other users",
                config.path.display()
            )),
        },
    }
}

/// What Curfew asks about a column that could be several.
fn asks(found: &[Found], what: &str) -> Option<String> {
    let found = found.iter().find(|f| f.what == what && f.value.is_none())?;
    found
        .because
        .contains(super::discover::ASKS)
        .then(|| found.because.clone())
}

fn journal(env: &Env) -> Finding {
    match Journal::at(&env.state_dir).check_writable() {
        Ok(()) => good(format!("{} can be written", env.state_dir.display())),
        Err(error) => bad(
            error.message,
            "make the folder writable, or set CURFEW_STATE_DIR",
        ),
    }
}

/// The clock, a first look, what holds the sessions, and the SECRET_KEY held against real sessions.
async fn people(config: SiteConfig, env: &Env, sheet: &mut Sheet) {
    let knows_key = config.secret_key.is_some();
    let looked = match Site::open(config, env).await {
        Ok(site) => site.look().await.map(|()| site),
        Err(error) => Err(error),
    };
    let site = match looked {
        Ok(site) => site,
        Err(error) => {
            let fix = "grant the role SELECT on both tables";
            return sheet.stop(Item::FirstLook, bad(error.message, fix));
        }
    };
    sheet.put(Item::Clock, clock(&site));
    let counts = hold(&site.roster).counts();
    sheet.put(
        Item::FirstLook,
        good(format!(
            "{} signed in, {} sessions, {} anonymous, {} unreadable",
            counts.signed_in,
            counts.sessions,
            counts.anonymous_sessions,
            counts.unreadable_sessions
        )),
    );
    sheet.put(Item::Store, sessions::store(&site).await);
    sessions::doubts(&site, sheet).await;
    sheet.put(Item::Names, names::configured(&site).await);
    sheet.put(Item::Tokens, found(site.tokens_proven().await));
    sheet.put(Item::SecretKey, secret_key(&site, knows_key));
    let (grain, records) = site.evidence_found().await;
    sheet.put(Item::Grain, found(grain));
    sheet.put(Item::Records, found(records));
}

/// What the evidence module found, with what to do where it is not good.
fn found(found: Result<String, (String, String)>) -> Finding {
    match found {
        Ok(detail) => good(detail),
        Err((detail, fix)) => bad(detail, fix),
    }
}

fn clock(site: &Site) -> Finding {
    let Some(skew) = hold(&site.line).skew() else {
        return bad(
            "not checked: the database did not tell its time",
            "run doctor again",
        );
    };
    let skew = skew.as_secs_f64().abs();
    if skew > 5.0 {
        return bad(
            format!("this machine is {skew:.0} s off the database's clock"),
            "set this machine's clock; decisions follow the database's all the same",
        );
    }
    good(format!("{skew:.1} s off the database's"))
}

fn secret_key(site: &Site, known: bool) -> Finding {
    let (fit, do_not) = hold(&site.roster).signatures();
    match (known, fit, do_not) {
        (false, ..) => good("not known: signatures are not checked"),
        (true, 0, 1..) => bad(
            format!("none of {do_not} sessions was made with it"),
            "give this site's own SECRET_KEY (CURFEW_SECRET_KEY or secret_key_command)",
        ),
        (true, fit, do_not) => good(format!(
            "{fit} sessions were made with it, {do_not} were not"
        )),
    }
}
