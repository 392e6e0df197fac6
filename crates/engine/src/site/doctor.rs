//! The staged test of a site: each step of connecting, what was found, and what to do where it fails.

use super::open::reach;
use super::wiring::{Explored, explore};
use super::{Site, hold};
use crate::config::{Backend, Base, Engine, Env, SessionsConfig, SiteConfig};
use crate::error::Code;
use crate::journal::Journal;
use crate::secrets;
use crate::store::db::{Db, Pool};
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
    checks.push(session_engine(&config, &explored));
    checks.extend(rights(&reached.db, &explored).await);
    reached.db.close().await;
    checks.push(evidence(&config, found));
    checks.push(journal(env));
    checks.extend(people(config, env).await);
    checks
}

fn tables_found(found: &[Found]) -> String {
    let named = |what: &str| {
        found
            .iter()
            .find(|f| f.what == what)
            .and_then(|f| f.value.clone())
            .unwrap_or_else(|| "none".into())
    };
    format!(
        "sessions in {}, users in {} (key {}, name {})",
        named("session table"),
        named("user table"),
        named("user key"),
        named("name column"),
    )
}

/// The engine, and what Curfew deletes to end one of its sessions.
fn session_engine(config: &SiteConfig, explored: &Explored) -> Check {
    let name = &config.sessions.engine;
    let engine = match &explored.engine {
        Ok(engine) => engine,
        Err(error) => return bad("session engine", error.message.clone(), LOOK_ON),
    };
    let row = explored.schema.sessions.as_ref().map_or_else(
        || "the row".into(),
        |t| format!("the row in {}", t.table.shown()),
    );
    let cache = config.sessions.cache.as_ref().map(|cache| {
        format!(
            "in {} under {}",
            cache.shown(),
            key_form(&config.sessions, engine)
        )
    });
    let deleted = match (engine.base, cache) {
        (Base::Db, _) => row,
        (Base::CachedDb, Some(cache)) => format!("{row}, then its copy {cache}"),
        (Base::Cache, Some(cache)) => format!("its value {cache}"),
        (Base::CachedDb | Base::Cache, None) => {
            return bad(
                "session engine",
                format!("{name} lets people in by the cache, which Curfew does not know"),
                "say cache = \"redis://host:port/db\" under [site.sessions]",
            );
        }
        (Base::File, _) => "its file".into(),
        (Base::SignedCookies, _) => {
            return bad(
                "session engine",
                format!(
                    "{name} keeps sessions in the browser, so there is nothing on the server to delete"
                ),
                "switch accounts off, or change their passwords; nobody can be signed out otherwise",
            );
        }
    };
    let granted = if config.by_url {
        match name.as_str() {
            "qsessions.backends.db" => {
                ", taken for granted by the table, which qsessions.backends.cached_db uses as well; where SESSION_ENGINE is that one or another, name it in config.toml"
            }
            _ => ", taken for granted; where SESSION_ENGINE is another, name it in config.toml",
        }
    } else {
        ""
    };
    good(
        "session engine",
        format!("{name}{granted}. To end a session: {deleted}"),
    )
}

const LOOK_ON: &str = "look, and sign nobody out from here until Curfew can";

/// How the site's cache names a session, with KEY in a session key's place.
fn key_form(sessions: &SessionsConfig, engine: &Engine) -> String {
    let key = format!("{}KEY", engine.cache_prefix);
    match &sessions.cache_key {
        Some(own) => own
            .replace("{prefix}", &sessions.cache_key_prefix)
            .replace("{version}", &sessions.cache_version.to_string())
            .replace("{key}", &key),
        None => format!(
            "{}:{}:{key}",
            sessions.cache_key_prefix, sessions.cache_version
        ),
    }
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

/// What the role may do, asked of PostgreSQL itself.
async fn rights(db: &Db, explored: &Explored) -> Option<Check> {
    let Pool::Postgres(pool) = db.pool() else {
        return None;
    };
    let schema = &explored.schema;
    if explored.apart.is_some() {
        return None;
    }
    let quoted = |t: &crate::store::schema::TableName| {
        let quote = |s: &str| format!("\"{}\"", s.replace('"', "\"\""));
        match &t.schema {
            Some(s) => format!("{}.{}", quote(s), quote(&t.name)),
            None => quote(&t.name),
        }
    };
    let sessions = quoted(&schema.sessions.as_ref()?.table);
    let users = quoted(&schema.users.table);
    let asked = sqlx::query_as::<_, (bool, bool, bool, bool)>(
        "SELECT has_table_privilege($1, 'SELECT'), has_table_privilege($1, 'DELETE'),
                has_table_privilege($2, 'SELECT') OR has_any_column_privilege($2, 'SELECT'),
                CASE WHEN $3::text IS NULL THEN true ELSE has_column_privilege($2, $3::text, 'UPDATE') END",
    )
    .bind(&sessions)
    .bind(&users)
    .bind(schema.users.flag.as_deref())
    .fetch_one(&pool)
    .await;
    let mut lacks = Vec::new();
    match asked {
        Ok((read, delete, users_read, flag)) => {
            if !read {
                lacks.push(format!("GRANT SELECT ON {sessions}"));
            }
            if !delete {
                lacks.push(format!("GRANT DELETE ON {sessions}"));
            }
            if !users_read {
                lacks.push(format!("GRANT SELECT ON {users}"));
            }
            if !flag && let Some(column) = &schema.users.flag {
                lacks.push(format!("GRANT UPDATE (\"{column}\") ON {users}"));
            }
        }
        Err(error) => {
            return Some(bad(
                "rights",
                crate::store::db::explain(&error).message,
                "let the role ask for its own rights",
            ));
        }
    }
    Some(if lacks.is_empty() {
        good(
            "rights",
            "may read both tables, delete sessions and write the flag",
        )
    } else {
        bad(
            "rights",
            format!("{} missing", lacks.len()),
            format!("{} TO the role", lacks.join("; ")),
        )
    })
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
    let (verified, refused) = hold(&site.roster).signatures();
    checks.push(match (knows_key, verified, refused) {
        (false, ..) => good("secret key", "not known: signatures are not checked"),
        (true, 0, 1..) => bad(
            "secret key",
            format!("none of {refused} signatures verify"),
            "give this site's own SECRET_KEY (CURFEW_SECRET_KEY or secret_key_command)",
        ),
        (true, v, r) => good("secret key", format!("{v} signatures verify, {r} do not")),
    });
    checks
}
