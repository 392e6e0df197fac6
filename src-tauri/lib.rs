//! The window's shell: Tauri around the engine. State in, commands through, events out; what is known and done
//! about a site is the engine's. Nothing here waits for a notification daemon or a tray.

mod adding;
mod args;
mod bus;
mod commands;
mod demo;
mod keeper;
mod logout;
mod navigation;
mod notify;
mod project;
mod pump;
mod screen;
mod state;
mod tray;
mod window;
mod wire;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::ExitCode;

use clap::Parser;
use curfew_engine::config::Env;
use curfew_engine::secrets::redact::redact;
use tauri::{App, AppHandle, Manager, RunEvent, Wry};
use tauri_plugin_window_state::StateFlags;
use tauri_specta::{collect_commands, collect_events};

use args::Args;
use state::{Hooks, Shell};

/// What the open site's state calls back.
const HOOKS: Hooks = Hooks {
    pump: |app, site, heard| tauri::async_runtime::spawn(pump::pump(app, site, heard)),
    moved: |app, view| {
        screen::everything(app, view);
        tray::settings_moved(app);
    },
};

/// Runs the window. The status is 0 after a clean end, 1 where it could not start, 2 for wrong usage.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        // Help and the version are answers. Anything else may repeat an address, password and all.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            eprintln!("{}", redact(&error.render().to_string()));
            return ExitCode::from(2);
        }
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    args::restart_with_variables();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::debug!(?error, "the window did not start");
            eprintln!("curfew-desktop: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let env = Env::from_process()?;
    #[cfg(target_os = "linux")]
    gtk::init().map_err(|_| "no display to open the window on; set DISPLAY or WAYLAND_DISPLAY")?;
    let bindings = bindings();
    let invoke = bindings.invoke_handler();
    let mut builder = tauri::Builder::default();
    // Under automation several windows run side by side, each with a driver of its own.
    if !args::automated() {
        builder = builder.plugin(single_instance(&env));
    }
    let app = builder
        .plugin(window_state(&env))
        .plugin(language())
        .plugin(navigation::plugin())
        .plugin(tauri_plugin_autostart::Builder::new().build())
        .manage(Shell::new(env, HOOKS))
        .manage(project::Asked::default())
        .manage(screen::Screen::default())
        .manage(tray::Tray::default())
        .invoke_handler(invoke)
        .on_window_event(|window, event| {
            window::on_event(window, event, tray::is_there(window.app_handle()));
        })
        .setup(move |app| {
            bindings.mount_events(app);
            begin(app, args);
            Ok(())
        })
        .build(context())?;
    app.run(|app, event| {
        if matches!(event, RunEvent::Exit) {
            tauri::async_runtime::block_on(app.state::<Shell>().close());
        }
    });
    Ok(())
}

/// tauri.conf.json and the window's files, inside the binary.
#[expect(
    clippy::disallowed_methods,
    reason = "Tauri's own text ends the process"
)]
fn context() -> tauri::Context<Wry> {
    tauri::generate_context!()
}

/// Starts what runs beside the window: notices, the tray, the first site, and an end on a signal.
fn begin(app: &App, args: Args) {
    let handle = app.handle().clone();
    let there = handle.clone();
    app.manage(notify::Notifier::start(move |notice| {
        screen::in_window(&there, notice);
    }));
    tray::start(&handle);
    tauri::async_runtime::spawn(end_on_signal(handle.clone()));
    tauri::async_runtime::spawn(async move {
        let shell = handle.state::<Shell>();
        let stated = args.stated();
        shell.begin(&handle, args.site.as_deref(), &stated).await;
    });
}

#[cfg(unix)]
async fn end_on_signal(app: AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    app.exit(0);
}

#[cfg(not(unix))]
async fn end_on_signal(_app: AppHandle) {}

/// A second start over the same state shows the first window, on the site that it names.
fn single_instance(env: &Env) -> tauri::plugin::TauriPlugin<Wry> {
    let mut hasher = DefaultHasher::new();
    env.state_dir.hash(&mut hasher);
    tauri_plugin_single_instance::Builder::new()
        .dbus_id(format!("dev.curfew.desktop.s{:016x}", hasher.finish()))
        .callback(|app, args, _folder| {
            window::show(app);
            let Ok(args) = Args::try_parse_from(args) else {
                return;
            };
            let stated = args.stated();
            let Some(site) = args.site else {
                return;
            };
            let app = app.clone();
            tauri::async_runtime::spawn(async move {
                let shell = app.state::<Shell>();
                let opened = match shell.named_with(&site, &stated) {
                    Ok(config) => shell.open(&app, config).await.map(drop),
                    Err(error) => Err(error),
                };
                if let Err(error) = opened {
                    window::tell(&app, "The site was not opened", error.message);
                }
            });
        })
        .build()
}

/// Size and place of the window, kept beside the journal. Not whether it was visible: it can be in the tray.
fn window_state(env: &Env) -> tauri::plugin::TauriPlugin<Wry> {
    tauri_plugin_window_state::Builder::new()
        .with_filename(env.state_dir.join("window.json").to_string_lossy())
        .with_state_flags(
            StateFlags::SIZE
                | StateFlags::POSITION
                | StateFlags::MAXIMIZED
                | StateFlags::FULLSCREEN,
        )
        .build()
}

/// Gives the window a language that JavaScript knows, where the system's locale has none.
fn language() -> tauri::plugin::TauriPlugin<Wry> {
    tauri::plugin::Builder::new("language")
        .js_init_script(include_str!("language.js"))
        .build()
}

/// The commands and events of the window, for Tauri and for the generated TypeScript.
fn bindings() -> tauri_specta::Builder<Wry> {
    tauri_specta::Builder::new()
        // What the engine writes it reads as well, so one shape a type is enough.
        .disable_serde_phases()
        .commands(collect_commands![
            commands::sites,
            commands::open_site,
            commands::add_site,
            commands::test_site,
            commands::ask_project,
            commands::add_project,
            commands::site,
            commands::users,
            commands::lookup,
            commands::user,
            commands::logout,
            commands::unreadable,
            commands::logout_unreadable,
            commands::suspend,
            commands::allow_again,
            commands::preview_sweep,
            commands::sweep,
            commands::set_automatic,
            commands::set_armed,
            commands::set_policy,
            commands::set_notices,
            commands::journal,
            commands::timeline,
            commands::autostart,
            commands::set_autostart,
            commands::painted,
        ])
        .events(collect_events![
            wire::SiteEvent,
            wire::NoticeEvent,
            wire::ShowUser
        ])
}

#[cfg(test)]
mod tests;
