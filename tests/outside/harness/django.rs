//! The two versions of Django, and their scripts run on the site in tests/django/site.

use std::process::Command;

use super::database::Database;
use super::environment::setting;
use super::sessions::SessionEngine;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Django {
    V42,
    V52,
}

impl Django {
    pub fn python(self) -> String {
        setting(match self {
            Self::V42 => "CURFEW_TEST_PYTHON_42",
            Self::V52 => "CURFEW_TEST_PYTHON_52",
        })
    }

    /// A Python that runs `script` of the site. It has yet to be told the database.
    pub fn command(self, script: &str, users: &str, sessions: SessionEngine) -> Command {
        let mut command = Command::new(self.python());
        command
            .arg(script)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/django/site"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SITE_USERS", users)
            .env("SITE_SESSION_ENGINE", sessions.dotted())
            .env("SITE_SECRET_KEY", "not yet chosen");
        command
    }

    /// Runs a management command of a site with Django's own sessions and returns what it printed.
    pub async fn manage_with(
        self,
        users: &str,
        database: &Database,
        secret_key: &str,
        args: &[&str],
    ) -> String {
        let mut command = self.command("manage.py", users, SessionEngine::Db);
        command
            .envs(database.for_django("SITE"))
            .args(args)
            .env("SITE_SECRET_KEY", secret_key);
        run_to_end(command).await
    }
}

pub async fn run_to_end(command: Command) -> String {
    let ran = tokio::process::Command::from(command)
        .output()
        .await
        .unwrap();
    let words = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "manage.py failed: {words}");
    String::from_utf8(ran.stdout).unwrap()
}
