//! The open site and what keeps it alive: its watch and the pump of its events. A new site is reached before the
//! old one is closed, and there is one at a time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use curfew_engine::config::{Config, Env, SiteConfig, Stated};
use curfew_engine::error::{Code, Error, Result};
use curfew_engine::event::Event;
use curfew_engine::site::Site;
use curfew_engine::view::{Query, SiteView};
use curfew_engine::watch::{self, Watch};
use tauri::AppHandle;
use tauri::async_runtime::JoinHandle;
use tokio::sync::broadcast::Receiver;

use crate::wire::SiteEntry;
use crate::{demo, keeper};

/// How long a clean end may take before the process ends anyway.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// The longest pause between two tries to open the first site.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the rest of the shell does about an open site.
pub struct Hooks {
    /// Carries a site's events to whoever shows them, until it is aborted.
    pub pump: fn(AppHandle, Arc<Site>, Receiver<Event>) -> JoinHandle<()>,
    /// All that is shown may have moved.
    pub moved: fn(&AppHandle, Option<SiteView>),
}

/// The state of the whole window.
pub struct Shell {
    env: Env,
    hooks: Hooks,
    current: RwLock<Current>,
    /// The site that was named by address: in the list, and in no configuration.
    given: RwLock<Option<SiteConfig>>,
    /// What command lines stated of sites, by the name or address given there. It holds until the window is closed.
    stated: RwLock<BTreeMap<String, Stated>>,
    /// The name of the site that the window is about: open, being opened, or not to be opened.
    about: RwLock<Option<String>>,
    /// What keeps the open site alive. Held while one takes the place of another.
    running: tokio::sync::Mutex<Option<Running>>,
    ready_file: Option<PathBuf>,
    painted: AtomicBool,
}

enum Current {
    Opening,
    Failed(Error),
    Open(Arc<Site>),
}

struct Opened {
    site: Arc<Site>,
    people: Option<demo::People>,
}

struct Running {
    watch: Watch,
    pump: JoinHandle<()>,
    keeper: Option<JoinHandle<()>>,
    people: Option<demo::People>,
}

impl Running {
    async fn stop(self) {
        self.pump.abort();
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
        if tokio::time::timeout(STOP_WITHIN, self.watch.stop())
            .await
            .is_err()
        {
            tracing::warn!("the watch did not stop in time");
        }
        drop(self.people);
    }
}

impl Shell {
    pub fn new(env: Env, hooks: Hooks) -> Self {
        Self {
            env,
            hooks,
            current: RwLock::new(Current::Opening),
            given: RwLock::default(),
            stated: RwLock::default(),
            about: RwLock::default(),
            running: tokio::sync::Mutex::new(None),
            ready_file: std::env::var_os("CURFEW_READY_FILE").map(PathBuf::from),
            painted: AtomicBool::new(false),
        }
    }

    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The open site.
    pub fn site(&self) -> Result<Arc<Site>> {
        match &*read(&self.current) {
            Current::Open(site) => Ok(Arc::clone(site)),
            Current::Failed(error) => Err(error.clone()),
            Current::Opening => Err(Error::new(Code::NoSite, "the site is being opened")),
        }
    }

    /// The open site's view; none while the first site is being opened.
    pub fn view(&self) -> Result<Option<SiteView>> {
        match &*read(&self.current) {
            Current::Open(site) => Ok(Some(site.view())),
            Current::Failed(error) => Err(error.clone()),
            Current::Opening => Ok(None),
        }
    }

    /// The site named by address, those of the configuration, and the demo. A name stands for the first of them
    /// that has it.
    pub fn sites(&self) -> Result<Vec<SiteEntry>> {
        let about = read(&self.about).clone();
        let mut sites: Vec<SiteConfig> = read(&self.given).iter().cloned().collect();
        sites.extend(Config::load(&self.env)?.sites);
        sites.extend(demo::config(&self.env).ok());
        let mut entries: Vec<SiteEntry> = Vec::with_capacity(sites.len());
        for site in sites {
            if !entries.iter().any(|entry| entry.name == site.name) {
                entries.push(SiteEntry {
                    open: about.as_ref() == Some(&site.name),
                    address: site.address.shown().to_owned(),
                    demo: site.demo,
                    name: site.name,
                });
            }
        }
        Ok(entries)
    }

    /// What a name in the list of sites, or an address, stands for.
    pub fn named(&self, name: &str) -> Result<SiteConfig> {
        if let Some(site) = read(&self.given).as_ref().filter(|site| site.name == name) {
            return Ok(site.clone());
        }
        let config = Config::load(&self.env)?;
        let configured = config.sites.iter().any(|site| site.name == name);
        if name == demo::NAME && !configured {
            return demo::config(&self.env);
        }
        let mut site = config.pick(Some(name))?;
        if let Some(stated) = read(&self.stated).get(name) {
            stated.apply(&mut site);
        }
        if site.by_url {
            site.armed = false;
            *write(&self.given) = Some(site.clone());
        }
        Ok(site)
    }

    /// As [`Shell::named`], with what a command line states of this site.
    pub fn named_with(&self, name: &str, stated: &Stated) -> Result<SiteConfig> {
        write(&self.stated).insert(name.to_owned(), stated.clone());
        self.named(name)
    }

    /// The site to begin with: the one named, else the first one configured, else the demo.
    pub fn first(&self, named: Option<&str>, stated: &Stated) -> Result<SiteConfig> {
        if let Some(name) = named.or(self.env.site.as_deref()) {
            return self.named_with(name, stated);
        }
        match Config::load(&self.env)?.sites.first() {
            Some(site) => self.named_with(&site.name, stated),
            None => demo::config(&self.env),
        }
    }

    /// Opens the site to begin with. An unreachable one is tried again until it answers or another is open.
    pub async fn begin(&self, app: &AppHandle, named: Option<&str>, stated: &Stated) {
        let mut pause = Duration::from_secs(2);
        loop {
            let opened = match self.first(named, stated) {
                Ok(config) => {
                    *write(&self.about) = Some(config.name.clone());
                    self.opened(config).await
                }
                Err(error) => Err(error),
            };
            let error = match opened {
                Ok(opened) => {
                    let mut running = self.running.lock().await;
                    // Someone may have opened another one meanwhile.
                    if running.is_none() {
                        self.take_over(app, &mut running, opened).await;
                    }
                    return;
                }
                Err(error) => error,
            };
            tracing::warn!(code = ?error.code, "cannot open the site: {error}");
            // Only the wrong name, and a password that is refused, are not tried again.
            let again = !matches!(error.code, Code::NoSite | Code::Denied);
            if !self.fail(error) {
                return;
            }
            (self.hooks.moved)(app, None);
            if !again {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Opens a site and closes the one before. Where it cannot be opened, the one before stays.
    pub async fn open(&self, app: &AppHandle, config: SiteConfig) -> Result<SiteView> {
        let opened = self.opened(config).await?;
        let mut running = self.running.lock().await;
        Ok(self.take_over(app, &mut running, opened).await)
    }

    /// Opens a site once more, with its settings as they are now, unless another one took its place meanwhile.
    pub async fn open_anew(&self, app: &AppHandle, site: &Arc<Site>) {
        let opened = match self.opened(site.settings()).await {
            Ok(opened) => opened,
            Err(error) => {
                tracing::debug!(%error, "the site cannot be opened anew");
                return;
            }
        };
        let mut running = self.running.lock().await;
        if self.site().is_ok_and(|current| Arc::ptr_eq(&current, site)) {
            self.take_over(app, &mut running, opened).await;
        }
    }

    /// A site that was reached and looked at, and that nothing keeps alive yet.
    async fn opened(&self, mut config: SiteConfig) -> Result<Opened> {
        let people = match config.demo {
            true => Some(demo::People::start(&mut config).await?),
            false => None,
        };
        let site = Site::open(config, &self.env).await?;
        site.look().await?;
        Ok(Opened { site, people })
    }

    /// Puts a site in place of the one before, and keeps it alive.
    async fn take_over(
        &self,
        app: &AppHandle,
        running: &mut Option<Running>,
        opened: Opened,
    ) -> SiteView {
        if let Some(before) = running.take() {
            before.stop().await;
        }
        let Opened { site, people } = opened;
        // Heard from before the first look on.
        let pump = (self.hooks.pump)(app.clone(), Arc::clone(&site), site.subscribe());
        // The demo makes its tables itself.
        let keeper = people
            .is_none()
            .then(|| keeper::start(app.clone(), Arc::clone(&site)));
        *running = Some(Running {
            pump,
            keeper,
            watch: watch::start(Arc::clone(&site)),
            people,
        });
        let view = site.view();
        *write(&self.about) = Some(view.name.clone());
        *write(&self.current) = Current::Open(site);
        (self.hooks.moved)(app, Some(view.clone()));
        view
    }

    /// Stops the watch. Within two seconds, whatever the database does.
    pub async fn close(&self) {
        let Ok(mut running) = tokio::time::timeout(STOP_WITHIN, self.running.lock()).await else {
            return;
        };
        if let Some(running) = running.take() {
            running.stop().await;
        }
    }

    pub fn set_automatic(&self, on: bool) -> Result<SiteView> {
        self.site()?.set_automatic(on);
        self.remember()
    }

    /// Keeps the open site's settings, where it stands in the configuration. Its `armed` stays as it is written
    /// there: allowing changes in the window is for this time only.
    pub fn remember(&self) -> Result<SiteView> {
        let site = self.site()?;
        let mut settings = site.settings();
        if !settings.by_url && !settings.demo {
            let mut file = Config::load(&self.env)?;
            let written = file.sites.iter().find(|kept| kept.name == settings.name);
            settings.armed = written.is_some_and(|kept| kept.armed);
            file.save_site(&settings)?;
        }
        Ok(site.view())
    }

    /// Writes the ready file, once.
    pub fn painted(&self) -> Result<()> {
        let Some(path) = &self.ready_file else {
            return Ok(());
        };
        if self.painted.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let query = Query {
            limit: 1,
            ..Query::default()
        };
        let rows = self.site()?.users(&query).total;
        std::fs::write(path, format!("rows {rows}\n")).map_err(|error| {
            let text = format!("cannot write {}: {error}", path.display());
            Error::new(Code::File, text)
        })
    }

    /// Notes that the first site cannot be opened. False where one is open by now.
    fn fail(&self, error: Error) -> bool {
        let mut current = write(&self.current);
        if matches!(*current, Current::Open(..)) {
            return false;
        }
        *current = Current::Failed(error);
        true
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
