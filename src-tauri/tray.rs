//! The icon in the tray: show the window, the automatic sweep, quit. A desktop without a tray is none the worse:
//! the icon is made only where the library for it is installed and somebody shows tray icons.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tauri::menu::{CheckMenuItem, CheckMenuItemBuilder, MenuBuilder, MenuItemBuilder};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Manager, Wry};
use tokio::time::{sleep, timeout};

use crate::bus;
use crate::state::Shell;
use crate::window;

/// When to look for a tray: at login the panel can come up after us.
const LOOK_AFTER: [u64; 4] = [0, 3, 10, 30];

/// The icon, once there is one.
#[derive(Default)]
pub struct Tray(Mutex<Option<Parts>>);

struct Parts {
    /// Dropped, it takes the icon away.
    _icon: TrayIcon,
    automatic: CheckMenuItem<Wry>,
}

/// Looks for a tray in the background, and puts the icon there.
pub fn start(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if !library_is_there() {
            tracing::info!("no library for tray icons");
            return;
        }
        for pause in LOOK_AFTER {
            sleep(Duration::from_secs(pause)).await;
            let look = timeout(Duration::from_secs(2), bus::has_owner(bus::TRAY)).await;
            if matches!(look, Ok(Ok(true))) {
                let there = app.clone();
                if let Err(error) = app.run_on_main_thread(move || put(&there)) {
                    tracing::info!(%error, "no tray icon");
                }
                return;
            }
        }
    });
}

/// Whether the window can come back by a click on the tray.
pub fn is_there(app: &AppHandle) -> bool {
    lock(app.state::<Tray>().inner()).is_some()
}

/// Ticks or unticks "Automatic sweep" as the open site has it.
pub fn settings_moved(app: &AppHandle) {
    let automatic = match lock(app.state::<Tray>().inner()).as_ref() {
        Some(parts) => parts.automatic.clone(),
        None => return,
    };
    let site = app.state::<Shell>().site();
    let result = automatic
        .set_enabled(site.is_ok())
        .and_then(|()| automatic.set_checked(site.is_ok_and(|s| s.view().sweep.automatic)));
    if let Err(error) = result {
        tracing::info!(%error, "cannot change the tray's menu");
    }
}

fn put(app: &AppHandle) {
    // The bindings to the tray's library panic where it cannot be loaded after all.
    match catch_unwind(AssertUnwindSafe(|| build(app))) {
        Ok(Ok(parts)) => {
            *lock(app.state::<Tray>().inner()) = Some(parts);
            settings_moved(app);
        }
        Ok(Err(error)) => tracing::info!(%error, "no tray icon"),
        Err(_) => tracing::info!("no tray icon: its library cannot be loaded"),
    }
}

fn build(app: &AppHandle) -> tauri::Result<Parts> {
    let show = MenuItemBuilder::with_id("show", "Show Curfew").build(app)?;
    let automatic = CheckMenuItemBuilder::with_id("automatic", "Automatic sweep")
        .enabled(false)
        .build(app)?;
    let quit = MenuItemBuilder::with_id("quit", "Quit").build(app)?;
    let menu = MenuBuilder::new(app)
        .items(&[&show])
        .separator()
        .items(&[&automatic])
        .separator()
        .items(&[&quit])
        .build()?;
    let icon = TrayIconBuilder::with_id("curfew")
        .icon(tauri::include_image!("icons/tray.png"))
        .tooltip("Curfew")
        .menu(&menu)
        .on_menu_event(|app, event| match event.id().as_ref() {
            "show" => window::show(app),
            "automatic" => toggle(app),
            "quit" => app.exit(0),
            _ => {}
        })
        .build(app)?;
    Ok(Parts {
        _icon: icon,
        automatic,
    })
}

/// Switches the automatic sweep. The tick follows the site, not the click.
fn toggle(app: &AppHandle) {
    let shell = app.state::<Shell>();
    let moved = shell
        .site()
        .and_then(|site| shell.set_automatic(!site.view().sweep.automatic));
    if let Err(error) = moved {
        tracing::warn!(%error, "cannot switch the automatic sweep");
    }
    settings_moved(app);
}

fn lock(tray: &Tray) -> std::sync::MutexGuard<'_, Option<Parts>> {
    tray.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks where the loader would, for what the bindings would load.
fn library_is_there() -> bool {
    const NAMES: [&str; 2] = ["libayatana-appindicator3.so.1", "libappindicator3.so.1"];
    let asked = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let usual = ["/usr/lib64", "/usr/lib", "/lib64", "/lib", "/usr/local/lib"].map(PathBuf::from);
    let of_architecture =
        PathBuf::from("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let there = |folder: &Path| NAMES.iter().any(|name| folder.join(name).exists());
    std::env::split_paths(&asked)
        .chain(usual)
        .chain([of_architecture])
        .any(|folder| there(&folder))
}
