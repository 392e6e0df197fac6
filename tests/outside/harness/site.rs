//! A real Django site of the test's own, served on a free port.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

use super::browser::Browser;
use super::curfew::Curfew;
use super::database::{Database, Engine, PASSWORD};
use super::environment::setting;
use super::people::Person;
use super::process::Process;
use super::until;

static ONE_WINDOW_AT_A_TIME: Mutex<()> = Mutex::const_new(());

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Django {
    V42,
    V52,
}

impl Django {
    fn python(self) -> String {
        setting(match self {
            Self::V42 => "CURFEW_TEST_PYTHON_42",
            Self::V52 => "CURFEW_TEST_PYTHON_52",
        })
    }

    /// A Python that runs `script` of the site, on this database.
    fn command(self, script: &str, users: &str, database: &Database) -> Command {
        let mut command = Command::new(self.python());
        command
            .arg(script)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/django/site"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SITE_USERS", users)
            .env("SITE_SECRET_KEY", "not yet chosen")
            .envs(database.for_django());
        command
    }

    /// Runs a management command to its end and returns what it printed.
    pub async fn manage(self, users: &str, database: &Database, args: &[&str]) -> String {
        self.manage_with(users, database, "not yet chosen", args)
            .await
    }

    pub async fn manage_with(
        self,
        users: &str,
        database: &Database,
        secret_key: &str,
        args: &[&str],
    ) -> String {
        let mut command = self.command("manage.py", users, database);
        command.args(args).env("SITE_SECRET_KEY", secret_key);
        run_to_end(command).await
    }
}

async fn run_to_end(command: Command) -> String {
    let ran = tokio::process::Command::from(command)
        .output()
        .await
        .unwrap();
    let words = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "manage.py failed: {words}");
    String::from_utf8(ran.stdout).unwrap()
}

/// How a site is to be, before it starts.
pub struct Plan {
    django: Django,
    engine: Engine,
    users: &'static str,
    settings: Vec<(&'static str, String)>,
}

pub struct Site {
    pub db: Database,
    pub secret_key: String,
    /// Where slow requests wait to be let go; see the view.
    pub hold: PathBuf,
    django: Django,
    users: &'static str,
    http: reqwest::Client,
    address: String,
    server: Process,
    dir: TempDir,
    _alone: Option<MutexGuard<'static, ()>>,
}

impl Site {
    /// The site that most tests want: accounts.CustomUser, with `last_activity` and `isCurrentlyActive`.
    pub fn on(django: Django, engine: Engine) -> Plan {
        Plan {
            django,
            engine,
            users: "accounts",
            settings: Vec::new(),
        }
    }

    /// Django 5.2 on PostgreSQL, for tests that do not turn on the versions.
    pub async fn start() -> Self {
        Self::on(Django::V52, Engine::Postgres).start().await
    }

    /// The same, for tests of the window.
    pub async fn for_window() -> Self {
        Self::on(Django::V52, Engine::Postgres).for_window().await
    }

    /// Makes people as they would stand after days of use; their names and session keys come back.
    pub async fn seed(&self, people: &[Person]) -> Seeded {
        let asked: Vec<&Value> = people.iter().map(Person::asked).collect();
        let made = self.ask(json!({"do": "seed", "people": asked})).await;
        Seeded(made["people"].clone())
    }

    /// Sessions of visitors that have not signed in.
    pub async fn anonymous(&self, count: u32) {
        self.ask(json!({"do": "seed", "people": [], "anonymous": count}))
            .await;
    }

    /// The names of those that the site itself has down as here, sorted. Custom users alone.
    pub async fn flagged(&self) -> Vec<String> {
        let sql = "SELECT username FROM accounts_customuser WHERE \"isCurrentlyActive\" ORDER BY 1";
        self.db.texts(sql).await
    }

    /// Sign-in over the site's own view, as a browser does it.
    pub async fn sign_in(&self, username: &str) -> Browser {
        let mut browser = self.browser("");
        browser.sign_in(username).await;
        browser
    }

    /// A browser that holds this session key already.
    pub fn browser(&self, key: &str) -> Browser {
        Browser::new(self.http.clone(), self.address.clone(), key)
    }

    /// Whom Django takes each of these session keys for.
    pub async fn names(&self, keys: &[String]) -> Vec<Option<String>> {
        let answer = self.ask(json!({"do": "load", "keys": keys})).await;
        let name = |key: &String| answer["users"][key].as_str().map(str::to_owned);
        keys.iter().map(name).collect()
    }

    /// Starts a request that has loaded its session and waits, before it saves it, to be let go.
    pub async fn slow(&self, browser: &Browser, name: &str) -> UnderWay {
        let mut browser = browser.clone();
        let path = format!("slow?name={name}");
        let answer = tokio::spawn(async move { browser.get(&path).await });
        let loaded = self.hold.join(format!("{name}.under-way"));
        until(
            "the slow request is under way",
            Duration::from_secs(20),
            || {
                let there = loaded.exists();
                async move { there }
            },
        )
        .await;
        let go = self.hold.join(format!("{name}.go"));
        UnderWay { answer, go }
    }

    /// A hash of each table's rows.
    pub async fn checksums(&self) -> Value {
        self.ask(json!({"do": "checksums"})).await
    }

    pub async fn manage(&self, args: &[&str]) -> String {
        self.django
            .manage_with(self.users, &self.db, &self.secret_key, args)
            .await
    }

    /// The command line, pointed at this site, with folders of its own.
    pub fn curfew(&self) -> Curfew {
        Curfew::new(self.dir.path())
            .site(&self.db.url())
            .never_says(&PASSWORD)
            .never_says(&self.secret_key)
    }

    /// The command line with this configuration; `{url}` in it stands for the site's address.
    pub fn configured(&self, toml: &str) -> Curfew {
        self.write_config(toml);
        self.curfew().no_site()
    }

    pub fn write_config(&self, toml: &str) {
        let folder = self.dir.path().join("config");
        std::fs::create_dir_all(&folder).unwrap();
        let toml = toml.replace("{url}", &self.db.url());
        std::fs::write(folder.join("config.toml"), toml).unwrap();
    }

    /// A path in this test's own folder.
    pub fn folder(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    async fn ask(&self, question: Value) -> Value {
        let request = self.http.post(format!("{}/control", self.address));
        let answer = request.body(question.to_string()).send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{status}: {}", self.server.words());
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }
}

impl Plan {
    pub fn users(mut self, users: &'static str) -> Self {
        self.users = users;
        self
    }

    pub fn setting(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    /// Starts it when no other test has a window: a window under test has the machine to itself, and
    /// nobody's activity grows old while a test waits for its turn.
    pub async fn for_window(self) -> Site {
        let alone = ONE_WINDOW_AT_A_TIME.lock().await;
        let mut site = self.start().await;
        site._alone = Some(alone);
        site
    }

    pub async fn start(self) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::create(self.django, self.engine, self.users, dir.path()).await;
        let hold = dir.path().join("hold");
        std::fs::create_dir(&hold).unwrap();
        let secret_key = format!("secret-canary-{:032x}", chance());
        let mut command = self.django.command("serve.py", self.users, &db);
        command
            .env("SITE_SECRET_KEY", &secret_key)
            .env("SITE_HOLD", &hold)
            .envs(self.settings);
        let log = dir.path().join("django.log");
        let (server, port) = tokio::task::spawn_blocking(move || {
            let mut server = Process::start(&mut command, &log);
            let port = server.first_line();
            (server, port)
        })
        .await
        .unwrap();
        Site {
            db,
            secret_key,
            hold,
            django: self.django,
            users: self.users,
            http: http(),
            address: format!("http://127.0.0.1:{port}"),
            server,
            dir,
            _alone: None,
        }
    }
}

/// A request that the site is still working on.
pub struct UnderWay {
    answer: JoinHandle<(StatusCode, Value)>,
    go: PathBuf,
}

impl UnderWay {
    /// Lets it go on and waits for its answer.
    pub async fn go(self) -> (StatusCode, Value) {
        std::fs::write(&self.go, "").unwrap();
        self.answer.await.unwrap()
    }
}

/// The people that a seed made.
pub struct Seeded(Value);

impl Seeded {
    pub fn id(&self, username: &str) -> String {
        self.0[username]["id"].as_str().unwrap().to_owned()
    }

    pub fn keys(&self, username: &str) -> Vec<String> {
        let keys = self.0[username]["keys"].as_array().unwrap();
        keys.iter()
            .map(|k| k.as_str().unwrap().to_owned())
            .collect()
    }

    pub fn key(&self, username: &str) -> String {
        self.keys(username).remove(0)
    }
}

fn http() -> reqwest::Client {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let builder = reqwest::Client::builder().no_proxy();
    builder.timeout(Duration::from_secs(70)).build().unwrap()
}

/// A number that no other test has.
pub fn chance() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
