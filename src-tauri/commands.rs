//! What the window may call. Each is the state in, one call into the engine, and the engine's own error out.
//! No rule, no wording and no SQL here; session keys cannot pass, for no type below has one.

use curfew_engine::config::Stated;
use curfew_engine::error::{Code, Error, Result};
use curfew_engine::import::TakenView;
use curfew_engine::view::{
    AccountReport, Check, JournalView, LogoutReport, NoticeRules, Page, PolicyView, Query,
    SiteView, SweepReport, Timeline, Unreadables, UserDetail, UserView,
};
use tauri::{AppHandle, State};
use tauri_plugin_autostart::ManagerExt;

use crate::adding;
use crate::logout;
use crate::project::Asked;
use crate::screen;
use crate::state::Shell;
use crate::wire::{NoticeEvent, SiteEntry};

/// Unreadable sessions that one answer names: more than anyone ends one by one.
const UNREADABLE_SHOWN: usize = 200;

/// The configured sites and the demo site.
#[tauri::command]
#[specta::specta]
pub async fn sites(shell: State<'_, Shell>) -> Result<Vec<SiteEntry>> {
    shell.sites()
}

/// Opens a site of the list in place of the one that is open.
#[tauri::command]
#[specta::specta]
pub async fn open_site(app: AppHandle, shell: State<'_, Shell>, name: String) -> Result<SiteView> {
    let config = shell.named(&name)?;
    shell.open(&app, config).await
}

/// Opens a new site, view-only, and saves it: to the configuration, its secrets to the keychain.
#[tauri::command]
#[specta::specta]
pub async fn add_site(
    app: AppHandle,
    shell: State<'_, Shell>,
    name: String,
    url: String,
    secret_key: Option<String>,
    stated: Stated,
) -> Result<SiteView> {
    let mut config = adding::by_address(&url, secret_key, &stated, shell.env())?;
    adding::name(&mut config, &name, shell.env())?;
    let view = shell.open(&app, config.clone()).await?;
    if let Some(body) = adding::save(&config, shell.env()).await? {
        screen::in_window(&app, NoticeEvent::plain("Not kept", body));
    }
    Ok(view)
}

/// The staged test of a site that is not saved yet. Never fails: what is wrong is in the checks.
#[tauri::command]
#[specta::specta]
pub async fn test_site(
    shell: State<'_, Shell>,
    url: String,
    secret_key: Option<String>,
    stated: Stated,
) -> Result<Vec<Check>> {
    let config = adding::by_address(&url, secret_key, &stated, shell.env())?;
    Ok(curfew_engine::site::doctor::doctor(config, shell.env()).await)
}

/// Asks a Django project, through its own Python, what its site is. Saves nothing.
#[tauri::command]
#[specta::specta]
pub async fn ask_project(
    asked: State<'_, Asked>,
    manage: String,
    python: Option<String>,
) -> Result<TakenView> {
    asked.ask(&manage, python).await
}

/// Saves the project that was asked last under this name, and opens it, view-only.
#[tauri::command]
#[specta::specta]
pub async fn add_project(
    app: AppHandle,
    shell: State<'_, Shell>,
    asked: State<'_, Asked>,
    name: String,
) -> Result<SiteView> {
    let Some(news) = asked.save(&name, shell.env()).await? else {
        return Err(Error::new(
            Code::Config,
            "no project was asked; ask it first",
        ));
    };
    for body in news {
        screen::in_window(&app, NoticeEvent::plain("Not kept", body));
    }
    let opened = shell.open(&app, shell.named(&name)?).await;
    let view = opened.map_err(|error| {
        let text = format!("{name} is saved, and does not open: {}", error.message);
        Error::new(error.code, text)
    })?;
    asked.done().await;
    Ok(view)
}

/// The open site; none while the first one is being opened. Its error, where that failed.
#[tauri::command]
#[specta::specta]
pub async fn site(shell: State<'_, Shell>) -> Result<Option<SiteView>> {
    shell.view()
}

#[tauri::command]
#[specta::specta]
pub async fn users(shell: State<'_, Shell>, query: Query) -> Result<Page> {
    Ok(shell.site()?.users(&query))
}

/// One person by their exact name, signed in or not.
#[tauri::command]
#[specta::specta]
pub async fn lookup(shell: State<'_, Shell>, name: String) -> Result<UserView> {
    shell.site()?.lookup(&name).await
}

#[tauri::command]
#[specta::specta]
pub async fn user(shell: State<'_, Shell>, id: String) -> Result<UserDetail> {
    shell.site()?.user_or_gone(&id).await
}

/// Signs people out, or with a fingerprint one session of one person; with `tokens` their API tokens are revoked, too. One report each, in the order asked.
#[tauri::command]
#[specta::specta]
pub async fn logout(
    shell: State<'_, Shell>,
    ids: Vec<String>,
    fingerprint: Option<String>,
    reason: Option<String>,
    consent: bool,
    tokens: bool,
) -> Result<Vec<LogoutReport>> {
    let how = logout::how(reason, consent, tokens);
    logout::each(shell.site()?, ids, fingerprint, how).await
}

/// The sessions that cannot be read, by fingerprint.
#[tauri::command]
#[specta::specta]
pub async fn unreadable(shell: State<'_, Shell>) -> Result<Unreadables> {
    Ok(shell.site()?.unreadable(UNREADABLE_SHOWN))
}

/// Ends one session that cannot be read.
#[tauri::command]
#[specta::specta]
pub async fn logout_unreadable(
    shell: State<'_, Shell>,
    fingerprint: String,
    reason: Option<String>,
) -> Result<LogoutReport> {
    let how = logout::how(reason, false, false);
    shell.site()?.logout_unreadable(&fingerprint, &how).await
}

/// Switches an account off and ends its sessions. `consent`: the operator's own account too.
#[tauri::command]
#[specta::specta]
pub async fn suspend(
    shell: State<'_, Shell>,
    id: String,
    reason: Option<String>,
    consent: bool,
) -> Result<AccountReport> {
    let how = logout::how(reason, consent, false);
    shell.site()?.suspend(&id, &how).await
}

/// Ends what is left of an account's sessions, and switches it on.
#[tauri::command]
#[specta::specta]
pub async fn allow_again(
    shell: State<'_, Shell>,
    id: String,
    reason: Option<String>,
) -> Result<AccountReport> {
    let how = logout::how(reason, true, false);
    shell.site()?.allow_again(&id, &how).await
}

#[tauri::command]
#[specta::specta]
pub async fn preview_sweep(shell: State<'_, Shell>) -> Result<SweepReport> {
    shell.site()?.preview().await
}

#[tauri::command]
#[specta::specta]
pub async fn sweep(shell: State<'_, Shell>, force: bool) -> Result<SweepReport> {
    shell.site()?.sweep(force).await
}

/// The timer of the sweep. Kept in the configuration of a configured site.
#[tauri::command]
#[specta::specta]
pub async fn set_automatic(shell: State<'_, Shell>, on: bool) -> Result<SiteView> {
    shell.set_automatic(on)
}

/// Allows or forbids changes until the window is closed. The configuration's own `armed` stays as it is written.
#[tauri::command]
#[specta::specta]
pub async fn set_armed(shell: State<'_, Shell>, on: bool) -> Result<SiteView> {
    let site = shell.site()?;
    site.set_armed(on);
    Ok(site.view())
}

#[tauri::command]
#[specta::specta]
pub async fn set_policy(shell: State<'_, Shell>, policy: PolicyView) -> Result<SiteView> {
    shell.site()?.set_policy(policy.into())?;
    shell.remember()
}

#[tauri::command]
#[specta::specta]
pub async fn set_notices(shell: State<'_, Shell>, rules: NoticeRules) -> Result<SiteView> {
    shell.site()?.set_notices(rules);
    shell.remember()
}

/// The newest entries of the journal of all sites.
#[tauri::command]
#[specta::specta]
pub async fn journal(shell: State<'_, Shell>, limit: u32) -> Result<JournalView> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    curfew_engine::journal::read(&shell.env().state_dir, limit)
}

#[tauri::command]
#[specta::specta]
pub async fn timeline(shell: State<'_, Shell>) -> Result<Timeline> {
    Ok(shell.site()?.timeline())
}

/// Whether the window starts with the desktop session.
#[tauri::command]
#[specta::specta]
pub async fn autostart(app: AppHandle) -> Result<bool> {
    app.autolaunch().is_enabled().map_err(file)
}

#[tauri::command]
#[specta::specta]
pub async fn set_autostart(app: AppHandle, on: bool) -> Result<bool> {
    let launch = app.autolaunch();
    if on {
        launch.enable().map_err(file)?;
    } else if launch.is_enabled().unwrap_or(false) {
        launch.disable().map_err(file)?;
    }
    launch.is_enabled().map_err(file)
}

/// The window has painted its first rows. Tells whoever waits for it, by CURFEW_READY_FILE.
#[tauri::command]
#[specta::specta]
pub async fn painted(shell: State<'_, Shell>) -> Result<()> {
    shell.painted()
}

fn file(error: tauri_plugin_autostart::Error) -> Error {
    Error::new(
        Code::File,
        format!("cannot change what starts with the session: {error}"),
    )
}
