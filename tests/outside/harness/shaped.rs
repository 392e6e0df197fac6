//! Sites of other shapes: a user model of the test's choice, made in an empty database by one process of real Django.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use super::curfew::Curfew;
use super::database::{Database, Engine, PASSWORD, ROLE};
use super::django::Django;

/// A canary: no output may hold it.
const SECRET_KEY: &str = "secret-canary-shaped";

pub struct Shaped {
    pub db: Database,
    engine: Engine,
    shape: &'static str,
    dir: TempDir,
}

impl Shaped {
    /// With nothing in it yet.
    pub async fn empty(engine: Engine, shape: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::empty(engine, dir.path()).await;
        Self {
            db,
            engine,
            shape,
            dir,
        }
    }

    /// Makes its tables, users and sessions, in a schema where one is named, and lets Curfew in.
    pub async fn make(&self, asked: &Value) -> Value {
        let made = self.ask("make", asked).await;
        let schema = asked["schema"].as_str().unwrap_or("public");
        match self.engine {
            Engine::Sqlite => {}
            Engine::Postgres => {
                let all = format!("ALL TABLES IN SCHEMA {schema}");
                let grant = format!(
                    "GRANT USAGE ON SCHEMA {schema} TO {ROLE}; GRANT SELECT, UPDATE, DELETE ON {all} TO {ROLE}"
                );
                self.db.execute(&grant).await;
            }
            Engine::Mysql => {
                let grant = format!("GRANT SELECT, UPDATE, DELETE ON * TO {ROLE}");
                self.db.execute(&grant).await;
            }
        }
        made
    }

    /// Whom real Django takes each of these keys for, with a schema and settings if they are given.
    pub async fn names(&self, asked: &Value) -> Value {
        self.ask("load", asked).await["names"].clone()
    }

    async fn ask(&self, what: &str, asked: &Value) -> Value {
        let mut child = tokio::process::Command::new(Django::V52.python())
            .args(["-m", "shapes", what])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/django/site"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SHAPE", self.shape)
            .env("SITE_SECRET_KEY", SECRET_KEY)
            .envs(self.db.for_django("SITE"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(asked.to_string().as_bytes()).await.unwrap();
        drop(input);
        let ran = child.wait_with_output().await.unwrap();
        assert!(ran.status.success(), "{what} {}", self.shape);
        serde_json::from_slice(&ran.stdout).unwrap()
    }

    /// The command line, pointed at its database.
    pub fn curfew(&self) -> Curfew {
        self.at(&self.db.url())
    }

    /// The same, at this address.
    pub fn at(&self, url: &str) -> Curfew {
        Curfew::new(self.dir.path())
            .never_says(&PASSWORD)
            .never_says(SECRET_KEY)
            .site(url)
    }

    /// The command line as the site's operator calls it: with what a project's settings need, and no site named.
    pub fn beside(&self) -> Curfew {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/django/site");
        let own = [
            ("SHAPE", self.shape),
            ("SITE_FOLDER", folder),
            ("SITE_SECRET_KEY", SECRET_KEY),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let all = self.db.for_django("SITE").into_iter().chain(own);
        all.fold(self.curfew().no_site(), |curfew, (name, value)| {
            curfew.env(&name, &value)
        })
    }

    /// A path in this test's own folder.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The command line with this configuration; `{url}` in it stands for the site's address.
    pub fn configured(&self, toml: &str) -> Curfew {
        let folder = self.dir.path().join("config");
        std::fs::create_dir_all(&folder).unwrap();
        let toml = toml.replace("{url}", &self.db.url());
        std::fs::write(folder.join("config.toml"), toml).unwrap();
        self.curfew().no_site()
    }
}

/// Keys of a made site's sessions, by their labels.
pub fn keys(made: &Value) -> Vec<String> {
    let keys = made["keys"].as_object().unwrap().values();
    keys.map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// A question of whom these keys are, in this schema.
pub fn whose(made: &Value, schema: Option<&str>) -> Value {
    json!({"keys": keys(made), "schema": schema})
}
