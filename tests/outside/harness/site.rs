//! A real Django site of the test's own, served on a free port.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::MutexGuard;
use tokio::task::JoinHandle;

use super::browser::Browser;
use super::curfew::Curfew;
use super::database::{Database, Engine, PASSWORD};
use super::django::{Django, run_to_end};
use super::people::Person;
use super::plan::Plan;
use super::process::Process;
use super::sessions::{self, Place, SessionEngine};
use super::until;

pub struct Site {
    pub db: Database,
    pub sessions_db: Option<Database>,
    pub sessions: SessionEngine,
    pub secret_key: String,
    /// What its settings are read from.
    pub(super) environment: Vec<(String, String)>,
    pub(super) cache: Option<Place>,
    /// Where slow requests wait to be let go; see the view.
    pub hold: PathBuf,
    pub(super) django: Django,
    pub(super) users: &'static str,
    pub(super) http: reqwest::Client,
    pub(super) address: String,
    pub(super) server: Process,
    pub(super) dir: TempDir,
    pub(super) _alone: Option<MutexGuard<'static, ()>>,
}

impl Site {
    /// The site that most tests want: accounts.CustomUser, with `last_activity` and `isCurrentlyActive`.
    pub fn on(django: Django, engine: Engine) -> Plan {
        Plan::new(django, engine)
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

    /// Lets Curfew's role write `is_active`, as an operator does who switches suspending on.
    pub async fn grant_account_switch(&self) {
        self.db
            .grant_update("is_active", "accounts_customuser")
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
        self.under_way(browser, "slow", name).await
    }

    /// Starts a request that has read its session from the table and waits to be let go before it puts it
    /// into the cache. For engines with both, and a session that is not in the cache.
    pub async fn stalled(&self, browser: &Browser, name: &str) -> UnderWay {
        self.under_way(browser, "stalled", name).await
    }

    async fn under_way(&self, browser: &Browser, view: &str, name: &str) -> UnderWay {
        let mut browser = browser.clone();
        let path = format!("{view}?name={name}");
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

    /// Makes this session's data unreadable, wherever it is kept.
    pub async fn spoil(&self, key: &str) {
        self.ask(json!({"do": "spoil", "key": key})).await;
    }

    /// Takes this session out of the cache, as if it had been full.
    pub async fn forget_cached(&self, key: &str) {
        self.ask(json!({"do": "forget", "key": key})).await;
    }

    /// Every session key that is there: rows, cached and files, each a list. memcached lists nothing.
    pub async fn kept(&self) -> Value {
        self.ask(json!({"do": "keys"})).await
    }

    /// As if nobody had ever been here.
    pub async fn empty(&self) {
        self.ask(json!({"do": "empty"})).await;
    }

    /// A hash of each table's rows.
    pub async fn checksums(&self) -> Value {
        self.ask(json!({"do": "checksums"})).await
    }

    /// Runs a management command of this site, whose sessions are Django's own, to its end.
    pub async fn manage(&self, args: &[&str]) -> String {
        self.django
            .manage_with(self.users, &self.db, &self.secret_key, args)
            .await
    }

    /// One API token of each package for each of these users, as the packages make them.
    pub async fn tokens(&self, users: &[&str]) -> Value {
        let request = self.http.post(format!("{}/tokens", self.address));
        let body = json!({ "users": users }).to_string();
        let answer = request.body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", self.server.words());
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// Makes the tables of apps that only this site has, and lets Curfew's role read them.
    pub async fn migrate(&self) {
        let mut command = self.django.command("manage.py", self.users, self.sessions);
        command
            .args(["migrate", "-v0"])
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        run_to_end(command).await;
        self.db.grant_reading().await;
    }

    /// The command line, pointed at this site, with folders of its own. A site that is more than its
    /// database is named by a configuration, and armed.
    pub fn curfew(&self) -> Curfew {
        let curfew = self.unconfigured();
        if self.sessions == SessionEngine::Db && self.sessions_db.is_none() {
            return curfew.site(&self.db.url());
        }
        self.write_config("[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n{sessions}");
        curfew.site("shop")
    }

    fn unconfigured(&self) -> Curfew {
        Curfew::new(self.dir.path())
            .never_says(&PASSWORD)
            .never_says(&self.secret_key)
    }

    /// The command line with this configuration; `{url}` in it stands for the site's address, and
    /// `{sessions}` for the block that says where its sessions are.
    pub fn configured(&self, toml: &str) -> Curfew {
        let curfew = self.curfew().no_site();
        self.write_config(toml);
        curfew
    }

    pub fn write_config(&self, toml: &str) {
        let folder = self.dir.path().join("config");
        std::fs::create_dir_all(&folder).unwrap();
        let toml = toml
            .replace("{url}", &self.db.url())
            .replace("{sessions}", &self.described());
        std::fs::write(folder.join("config.toml"), toml).unwrap();
    }

    /// The `[site.sessions]` that this site's operator would write.
    pub fn described(&self) -> String {
        let url = self.sessions_db.as_ref().map(Database::url);
        let files = self.dir.path().join("sessions");
        sessions::described(self.sessions, url.as_deref(), self.cache.as_ref(), &files)
    }

    /// The command line as this site's operator calls it: with the variables that the site's settings need, and
    /// no site configured yet.
    pub fn beside(&self) -> Curfew {
        let own = self.environment.iter();
        own.fold(self.unconfigured(), |curfew, (name, value)| {
            curfew.env(name, value)
        })
    }

    /// The address of the cache that its sessions lie in.
    pub fn cache_url(&self) -> Option<String> {
        self.cache.as_ref().map(|cache| cache.url.clone())
    }

    /// The site's own Python.
    pub fn python(&self) -> String {
        self.django.python()
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

pub(super) fn http() -> reqwest::Client {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let builder = reqwest::Client::builder().no_proxy();
    // A browser here keeps each answer's cookie, so it follows no redirection by itself.
    let builder = builder.redirect(reqwest::redirect::Policy::none());
    builder.timeout(Duration::from_secs(70)).build().unwrap()
}

/// A number that no other test has.
pub fn chance() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
