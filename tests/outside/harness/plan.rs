//! How a site is to be, and its start.

use tokio::sync::Mutex;

use super::database::{Database, Engine, Kind, Part};
use super::django::Django;
use super::process::Process;
use super::sessions::{Cache, SessionEngine};
use super::site::{Site, chance, http};

static ONE_WINDOW_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// How a site is to be, before it starts.
pub struct Plan {
    django: Django,
    engine: Engine,
    users: &'static str,
    sessions: SessionEngine,
    /// The database of the sessions, where it is not the users'.
    sessions_in: Option<Engine>,
    cache: Option<Cache>,
    settings: Vec<(&'static str, String)>,
}

impl Plan {
    pub fn new(django: Django, engine: Engine) -> Self {
        Self {
            django,
            engine,
            users: "accounts",
            sessions: SessionEngine::Db,
            sessions_in: None,
            cache: None,
            settings: Vec::new(),
        }
    }

    pub fn users(mut self, users: &'static str) -> Self {
        self.users = users;
        self
    }

    pub fn sessions(mut self, engine: SessionEngine) -> Self {
        self.sessions = engine;
        self
    }

    /// Keeps the sessions in a database of their own.
    pub fn sessions_in(mut self, engine: Engine) -> Self {
        self.sessions_in = Some(engine);
        self
    }

    pub fn cache(mut self, cache: Cache) -> Self {
        self.cache = Some(cache);
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
        for folder in ["hold", "sessions"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let hold = dir.path().join("hold");
        let kind = |engine, part| Kind {
            django: self.django,
            engine,
            users: self.users,
            sessions: self.sessions,
            part,
        };
        let (db, sessions_db) = match self.sessions_in {
            None => (
                Database::create(kind(self.engine, Part::Whole), dir.path()).await,
                None,
            ),
            Some(engine) => (
                Database::create(kind(self.engine, Part::People), dir.path()).await,
                Some(Database::create(kind(engine, Part::Sessions), dir.path()).await),
            ),
        };
        let cache = self.cache.map(Cache::place);
        let secret_key = format!("secret-canary-{:032x}", chance());
        let mut command = self.django.command("serve.py", self.users, self.sessions);
        command
            .env("SITE_SECRET_KEY", &secret_key)
            .env("SITE_HOLD", &hold)
            .env("SITE_SESSION_FILE_PATH", dir.path().join("sessions"))
            .envs(db.for_django("SITE"));
        if let Some(sessions) = &sessions_db {
            command.envs(sessions.for_django("SITE_SESSIONS"));
        }
        if let Some(cache) = &cache {
            command.envs(cache.for_django());
        }
        command.envs(self.settings);
        let text = |word: &std::ffi::OsStr| word.to_string_lossy().into_owned();
        let environment = command
            .get_envs()
            .filter_map(|(name, value)| Some((text(name), text(value?))))
            .collect();
        let log = dir.path().join("django.log");
        let (server, port) = tokio::task::spawn_blocking(move || {
            let mut server = Process::start(&mut command, &log);
            let port = server.first_line();
            (server, port)
        })
        .await
        .unwrap();
        let site = Site {
            db,
            sessions_db,
            sessions: self.sessions,
            cache,
            secret_key,
            environment,
            hold,
            django: self.django,
            users: self.users,
            http: http(),
            address: format!("http://127.0.0.1:{port}"),
            server,
            dir,
            _alone: None,
        };
        if site.cache.is_some() {
            // A cache server outlives the tests before.
            site.empty().await;
        }
        site
    }
}
