//! The real window, on a desktop of its own, driven through WebKitWebDriver and found by the names that
//! screen readers find it by. One at a time: see `Plan::for_window`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::desktop::{Desktop, Notices};
use super::environment::setting;
use super::process::Process;
use super::sessions::SessionEngine;
use super::{Site, until};

/// How long anything in the window may take that is not a promise of its own.
pub const SOON: Duration = Duration::from_secs(15);

/// How a window is to be opened.
pub struct Opening {
    notices: Notices,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
}

pub struct Window {
    client: Client,
    pub desktop: Desktop,
    driver: Process,
    name: String,
    dir: TempDir,
}

impl Window {
    /// On this site, by its address: view-only until somebody allows changes.
    pub fn on(site: &Site) -> Opening {
        Self::on_address(site, &site.db.url())
    }

    /// The same by another address, such as one with a wire in between.
    pub fn on_address(site: &Site, address: &str) -> Opening {
        let opening = Self::with_folders(site);
        opening.argument("--site").argument(address)
    }

    /// On this site, with this configuration; `{url}` in it stands for the site's address.
    pub fn configured(site: &Site, toml: &str) -> Opening {
        site.write_config(toml);
        Self::with_folders(site)
    }

    fn with_folders(site: &Site) -> Opening {
        let opening = Opening {
            notices: Notices::Nobody,
            environment: Vec::new(),
            arguments: Vec::new(),
        };
        opening
            .env("CURFEW_CONFIG_DIR", &site.folder("config"))
            .env("CURFEW_STATE_DIR", &site.folder("state"))
            .env("CURFEW_SESSION_ENGINE", SessionEngine::Db.dotted())
    }
}

impl Opening {
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the variables that the site's own project reads its settings from.
    pub fn beside(mut self, site: &Site) -> Self {
        self.environment.extend(site.environment.iter().cloned());
        self
    }

    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub fn notices(mut self, notices: Notices) -> Self {
        self.notices = notices;
        self
    }

    pub fn dark(self) -> Self {
        self.env("GTK_THEME", "Adwaita:dark")
    }

    /// Opens it. Rows need not be there yet.
    pub async fn open(self) -> Window {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["home", "runtime"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let desktop = Desktop::start(dir.path(), self.notices);
        let port = free_port();
        let mut command = Command::new(setting("CURFEW_TEST_WEBDRIVER"));
        command
            .arg(format!("--port={port}"))
            .envs(desktop.environment())
            .env("TAURI_AUTOMATION", "true")
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
            .envs(self.environment);
        let driver = Process::start_group(&mut command, &dir.path().join("window.log"));
        until("the driver listens", SOON, || async {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
        })
        .await;
        let options = json!({
            "webkitgtk:browserOptions": {
                "binary": setting("CURFEW_TEST_DESKTOP"),
                "args": self.arguments,
            }
        });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(options.as_object().unwrap().clone());
        let address = format!("http://127.0.0.1:{port}");
        let opened = tokio::time::timeout(Duration::from_secs(60), builder.connect(&address)).await;
        let client = opened
            .unwrap_or_else(|_| panic!("the window does not open: {}", driver.words()))
            .unwrap_or_else(|e| panic!("the window does not open: {e}: {}", driver.words()));
        let name = std::thread::current().name().unwrap_or("window").to_owned();
        Window {
            client,
            desktop,
            driver,
            name,
            dir,
        }
    }

    /// Opens it and waits for the first rows.
    pub async fn live(self) -> Window {
        let window = self.open().await;
        window.until_link("live", Duration::from_secs(30)).await;
        window
    }
}

fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    socket.local_addr().unwrap().port()
}

/// Elements of a role, and what they are called, as far as this window needs it.
const FIND: &str = r#"
const [role, name, within] = arguments;
const tags = {button: 'button', switch: '[role=switch]', searchbox: 'input[type=search]',
  grid: '[role=grid]', alertdialog: '[role=alertdialog]', dialog: 'dialog', textbox: 'input,textarea',
  link: 'a[href]', complementary: 'aside', tab: '[role=tab]', spinbutton: 'input[type=number]'};
const called = (e) => {
  const label = e.getAttribute('aria-label');
  if (label) return label;
  const ids = e.getAttribute('aria-labelledby');
  if (ids) return ids.split(/\s+/).map(i => document.getElementById(i)?.textContent ?? '').join(' ');
  if (e.labels && e.labels.length) return [...e.labels].map(l => l.textContent).join(' ');
  return e.textContent || e.placeholder || '';
};
const tidy = (text) => text.replace(/\s+/g, ' ').trim();
const root = within ? document.querySelector(within) : document;
const all = root ? [...root.querySelectorAll(`${tags[role] ?? 'none'},[role="${role}"]`)] : [];
const seen = all.filter(e => e.getClientRects().length > 0 && (name === null || tidy(called(e)) === name));
return seen[0] ?? null;
"#;

impl Window {
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        let ran = self.client.execute(script, arguments).await;
        ran.unwrap_or_else(|e| panic!("{e} in {script}"))
    }

    /// The element of this role and name, if it is there now.
    pub async fn look(
        &self,
        role: &str,
        name: Option<&str>,
        within: Option<&str>,
    ) -> Option<Element> {
        let found = self
            .run(FIND, vec![json!(role), json!(name), json!(within)])
            .await;
        let reference = found.as_object()?.values().next()?.as_str()?.to_owned();
        Some(Element::from_element_id(
            self.client.clone(),
            reference.into(),
        ))
    }

    /// Waits for the element of this role and name.
    pub async fn find(&self, role: &str, name: &str) -> Element {
        self.find_in(role, Some(name), None).await
    }

    /// The same below the first element that fits this selector; any name where none is given.
    pub async fn find_in(&self, role: &str, name: Option<&str>, within: Option<&str>) -> Element {
        let start = std::time::Instant::now();
        loop {
            if let Some(element) = self.look(role, name, within).await {
                return element;
            }
            assert!(
                start.elapsed() < SOON,
                "there is no {role} {name:?} in {within:?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn click(&self, role: &str, name: &str) {
        self.find(role, name).await.click().await.unwrap();
    }

    /// Clicks in the dialog that asks before something happens.
    pub async fn answer(&self, button: &str) {
        let dialog = Some("[role=alertdialog]");
        let button = self.find_in("button", Some(button), dialog).await;
        button.click().await.unwrap();
    }

    /// The text of the element with this test id; none where it is not there.
    pub async fn text(&self, id: &str) -> Option<String> {
        let script = "return document.querySelector(`[data-testid=\"${arguments[0]}\"]`)?.textContent?.trim() ?? null";
        let text = self.run(script, vec![json!(id)]).await;
        text.as_str().map(str::to_owned)
    }

    pub async fn count(&self, of: &str) -> Option<u32> {
        self.text(&format!("count-{of}")).await?.parse().ok()
    }

    /// Who is in the table on the screen, and in which state.
    pub async fn rows(&self) -> Vec<(String, String)> {
        let script = "return [...document.querySelectorAll('[data-username]')]
            .map(e => [e.dataset.username, e.dataset.state])";
        let rows = self.run(script, Vec::new()).await;
        serde_json::from_value(rows).unwrap()
    }

    pub async fn state_of(&self, username: &str) -> Option<String> {
        let rows = self.rows().await;
        rows.into_iter()
            .find(|row| row.0 == username)
            .map(|row| row.1)
    }

    pub async fn link(&self) -> Option<String> {
        let script =
            "return document.querySelector('[data-testid=connection]')?.dataset.state ?? null";
        self.run(script, Vec::new())
            .await
            .as_str()
            .map(str::to_owned)
    }

    pub async fn until_link(&self, state: &str, within: Duration) {
        until(&format!("the connection is {state}"), within, || async {
            self.link().await.as_deref() == Some(state)
        })
        .await;
    }

    pub async fn until_state(&self, username: &str, state: Option<&str>, within: Duration) {
        until(&format!("{username} is {state:?}"), within, || async {
            self.state_of(username).await.as_deref() == state
        })
        .await;
    }

    /// All words on the screen.
    pub async fn words(&self) -> String {
        let words = self.run("return document.body.innerText", Vec::new()).await;
        words.as_str().unwrap_or("").to_owned()
    }

    pub async fn until_words(&self, text: &str, within: Duration) {
        until(&format!("the window says {text:?}"), within, || async {
            self.words().await.contains(text)
        })
        .await;
    }

    pub async fn switch(&self, name: &str, on: bool) {
        let switch = self.find("switch", name).await;
        if switch.attr("aria-checked").await.unwrap().as_deref()
            != Some(if on { "true" } else { "false" })
        {
            switch.click().await.unwrap();
        }
        until(&format!("{name} is {on}"), SOON, || async {
            let state = self.find("switch", name).await.attr("aria-checked").await;
            state.unwrap().as_deref() == Some(if on { "true" } else { "false" })
        })
        .await;
    }

    /// Goes to the page for a new site, by the menu of sites.
    pub async fn open_connect(&self) {
        let menu = self
            .by_css("nav button.site")
            .await
            .expect("the menu of sites");
        menu.click().await.unwrap();
        let item = self
            .find_in("menuitem", Some("Connect a site…"), None)
            .await;
        item.click().await.unwrap();
        self.find("textbox", "Address of the database").await;
    }

    /// Presses and releases each key, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let mut actions = KeyActions::new("keyboard".into());
        for key in keys.chars() {
            actions = actions
                .then(KeyAction::Down { value: key })
                .then(KeyAction::Up { value: key });
        }
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Loads the page anew, as if the window had just been opened on a site that is already watched.
    pub async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// The processes that are the window: the program and those of its web view.
    pub fn processes(&self) -> Vec<u32> {
        super::process::children_of(self.driver.id())
    }

    pub async fn by_css(&self, css: &str) -> Option<Element> {
        self.client.find(Locator::Css(css)).await.ok()
    }

    pub async fn source(&self) -> String {
        self.client.source().await.unwrap()
    }

    /// Runs a script that calls its last argument when it is done.
    pub async fn run_async(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute_async(script, arguments).await.unwrap()
    }

    /// The home of whoever sits at this desktop.
    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    /// What the window wrote to standard error so far.
    pub fn log(&self) -> String {
        self.driver.words()
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/outside-failures");
        let _ = std::fs::create_dir_all(&folder);
        let name = self.name.replace("::", "-");
        self.desktop.picture(&folder.join(format!("{name}.png")));
        let _ = std::fs::write(folder.join(format!("{name}.log")), self.log());
        eprintln!("the screen is in target/outside-failures/{name}.png");
    }
}
