//! Databases that Django has migrated, once a kind: each test takes a copy.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use tokio::sync::{Mutex, OnceCell};

use super::{Database, Engine, ROLE, mysql, postgres, sqlite};
use crate::harness::django::{Django, run_to_end};
use crate::harness::sessions::SessionEngine;

/// Whose tables are in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Whole,
    /// Everything but the sessions, which lie elsewhere.
    People,
    /// The sessions alone.
    Sessions,
}

/// What tells the tables of one site from those of another.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub django: Django,
    pub engine: Engine,
    pub users: &'static str,
    pub sessions: SessionEngine,
    pub part: Part,
}

type Key = (Django, Engine, &'static str, &'static str, Part);
type Templates = Mutex<HashMap<Key, Arc<OnceCell<String>>>>;
static TEMPLATES: LazyLock<Templates> = LazyLock::new(Mutex::default);
static SCRATCH: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

impl Kind {
    /// A path, a name, or the statements of the template, which is made where there is none yet.
    pub async fn template(self) -> String {
        let app = self.sessions.app();
        let key = (self.django, self.engine, self.users, app, self.part);
        let cell = TEMPLATES.lock().await.entry(key).or_default().clone();
        cell.get_or_init(|| self.make()).await.clone()
    }

    async fn make(self) -> String {
        let database = match self.engine {
            Engine::Sqlite => sqlite(&SCRATCH.path().join(super::new_name())),
            Engine::Postgres => postgres::create().await,
            Engine::Mysql => mysql::create().await,
        };
        self.migrate(&database).await;
        let template = match &database {
            Database::Sqlite { path, .. } => path.display().to_string(),
            Database::Postgres { name, pool, .. } => {
                // Nobody may be connected to a template while it is copied.
                pool.close().await;
                name.clone()
            }
            Database::Mysql { name, .. } => mysql::statements(name).await,
        };
        // It lives as long as the server.
        std::mem::forget(database);
        template
    }

    async fn migrate(self, database: &Database) {
        let mut command = self.django.command("manage.py", self.users, self.sessions);
        let nowhere = |prefix: &str| {
            let named = [("DATABASE", "sqlite"), ("DB_NAME", "/nonexistent")];
            named.map(|(name, value)| (format!("{prefix}_{name}"), value.to_owned()))
        };
        match self.part {
            Part::Whole => command.envs(database.for_django("SITE")),
            Part::People => command
                .envs(database.for_django("SITE"))
                .envs(nowhere("SITE_SESSIONS")),
            Part::Sessions => command
                .envs(nowhere("SITE"))
                .envs(database.for_django("SITE_SESSIONS")),
        };
        command.args(["migrate", "-v0"]);
        if self.part == Part::Sessions {
            command.arg("--database=sessions");
        }
        run_to_end(command).await;
    }
}

/// All that Curfew needs on a site: to read, to delete sessions, to clear the flag. `all` is how this database
/// says "every table".
pub fn rights(kind: Kind, all: &str) -> String {
    let mut rights = vec![format!("GRANT SELECT ON {all} TO {ROLE}")];
    if let (Some(table), true) = (kind.sessions.table(), kind.part != Part::People) {
        rights.push(format!("GRANT DELETE ON {table} TO {ROLE}"));
    }
    let flag = match kind.users {
        "accounts" => Some("(\"isCurrentlyActive\") ON accounts_customuser"),
        "people" => Some("(\"isOnline\") ON people_person"),
        _ => None,
    };
    if let (Some(flag), true) = (flag, kind.part != Part::Sessions) {
        rights.push(format!("GRANT UPDATE {flag} TO {ROLE}"));
    }
    rights.join("; ")
}
