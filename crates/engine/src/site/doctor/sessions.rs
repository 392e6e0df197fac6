//! What ends a session on this site, and whether Curfew reaches it.

use super::sheet::{Finding, Item, Sheet, bad, good};
use crate::config::{Base, Engine, SessionsConfig, SiteConfig};
use crate::site::Site;
use crate::site::wiring::Explored;
use crate::store::FileSessions;
use crate::view::ReasonCode;

/// The engine, and what Curfew deletes to end one of its sessions.
pub(super) fn engine(config: &SiteConfig, explored: &Explored) -> Finding {
    let sessions = &config.sessions;
    let engine = match &explored.engine {
        // Whether the cache shows copies is another check.
        Ok(_) if !sessions.engine_known(true) => {
            return bad(
                format!(
                    "SESSION_ENGINE is not known; {} is assumed, and a cached copy may still let a user in",
                    sessions.engine
                ),
                "give --session-engine ENGINE, set CURFEW_SESSION_ENGINE, or write engine = \"...\" under [site.sessions]",
            );
        }
        Ok(engine) => engine,
        Err(error) => {
            return bad(
                error.message.clone(),
                "look, and sign nobody out from here until Curfew can",
            );
        }
    };
    let row = match (&explored.schema.sessions, &sessions.url) {
        (Some(table), Some(url)) => {
            format!("the row in {} of {}", table.table.shown(), url.shown())
        }
        (Some(table), None) => format!("the row in {}", table.table.shown()),
        (None, _) => "the row".into(),
    };
    let cache = sessions
        .cache
        .as_ref()
        .map(|cache| format!("in {} under {}", cache.shown(), key_form(sessions, engine)));
    let deleted = match (engine.base, cache) {
        (Base::Db, _) => row,
        (Base::CachedDb, Some(cache)) => format!("{row}, then its copy {cache}"),
        (Base::Cache, Some(cache)) => format!("its value {cache}"),
        (Base::CachedDb | Base::Cache, None) => {
            return bad(
                format!(
                    "{} lets people in by the cache, which Curfew does not know",
                    sessions.engine
                ),
                "say cache = \"redis://host:port/db\" under [site.sessions]",
            );
        }
        (Base::File, _) => match FileSessions::new(sessions) {
            Ok(files) => format!("the file {}", files.shown()),
            Err(error) => return bad(error.message, "correct [site.sessions]"),
        },
        (Base::SignedCookies, _) => {
            return bad(
                format!(
                    "{} keeps sessions in the browser, so there is nothing on the server to delete",
                    sessions.engine
                ),
                "switch accounts off or change their passwords; nothing else signs anybody out",
            );
        }
    };
    good(format!("{}; to end a session: {deleted}", sessions.engine))
}

/// How the site's cache calls a session, with KEY in a session key's place.
fn key_form(sessions: &SessionsConfig, engine: &Engine) -> String {
    let key = format!("{}KEY", engine.cache_prefix);
    match &sessions.cache_key {
        Some(own) => own
            .replace("{prefix}", &sessions.cache_key_prefix)
            .replace("{version}", &sessions.cache_version.to_string())
            .replace("{session_key}", "KEY")
            .replace("{key}", &key),
        None => format!(
            "{}:{}:{key}",
            sessions.cache_key_prefix, sessions.cache_version
        ),
    }
}

/// After a first look: whether what holds the sessions answers, and lets us delete.
pub(super) async fn store(site: &Site) -> Finding {
    let config = site.settings().sessions;
    let engine = match Engine::of(&config) {
        Ok(engine) => engine,
        Err(error) => {
            return bad(
                error.message,
                "state the session engine; see \"session engine\"",
            );
        }
    };
    let name = match engine.base {
        Base::CachedDb | Base::Cache => "session cache",
        Base::File => "session folder",
        Base::Db | Base::SignedCookies => "session store",
    };
    if let Err(error) = site.need_reach().await {
        let fix =
            "correct this; until then nobody can be signed out, and the site can be looked at";
        return bad(error.message, fix).named(name);
    }
    match engine.base {
        Base::Db | Base::SignedCookies => good("the session table holds every session"),
        Base::File => good("its files can be read and deleted"),
        _ if site.store.sees_copies() => good(format!(
            "answers, and has a session under {}",
            key_form(&config, &engine)
        )),
        _ => bad(
            format!(
                "answers, and showed no session of this site under {}",
                key_form(&config, &engine)
            ),
            "sign in to the site and ask again; if it stays so, say cache_key_prefix, cache_version or cache_key as the site's CACHES has them",
        ),
    }
    .named(name)
}

/// After a first look: the doubts about this site's sessions. The session engine has a check of its own.
pub(super) async fn doubts(site: &Site, sheet: &mut Sheet) {
    for doubt in site.doubts("a user").await {
        let (item, fix) = match doubt.code {
            ReasonCode::RowsHidden => (
                Item::RowSecurity,
                "let this role see every row of the session table itself; until then no result is verified",
            ),
            ReasonCode::SessionsElsewhere | ReasonCode::AllRejected => (
                Item::Sessions,
                "state SESSION_ENGINE as the site has it, and its cache; until then no result is verified",
            ),
            ReasonCode::ZoneDoubtful => (
                Item::Sessions,
                "set time_zone under [[site]] to the site's TIME_ZONE; until then nobody is swept and no result is verified",
            ),
            ReasonCode::BackendUnlisted => (
                Item::Sessions,
                "correct backends under [site.users]; until then flags stay up and no result is verified",
            ),
            ReasonCode::NotChecked => (
                Item::Sessions,
                "correct what is in the way, then run doctor again",
            ),
            _ => continue,
        };
        sheet.put(item, bad(doubt.detail, fix));
    }
    sheet.put(
        Item::RowSecurity,
        good("no session is hidden from this role"),
    );
    let shown = "nothing contradicts what the sessions show";
    sheet.put(Item::Sessions, good(shown));
}
