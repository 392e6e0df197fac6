//! `cargo xtask run`: from a fresh checkout to the window on the screen, in one command.
//! Where there is no screen, on a virtual one, with a screenshot once its rows are live.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::display::{self, Display};
use crate::process::{self, Running};
use crate::system::{self, Purpose};
use crate::{node, place};

/// From the window's start to its first painted rows.
const LIVE_WITHIN: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub struct Options {
    /// End once rows are live and the screenshot is saved (always on a virtual screen)
    #[arg(long)]
    once: bool,
    /// The site to open, as a URL or by its name in the configuration; without one, the demo site
    #[arg(long, value_name = "URL|NAME")]
    site: Option<String>,
}

pub fn run(options: &Options) -> Result<()> {
    let screen = ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let headless = options.once || (cfg!(target_os = "linux") && !screen);
    system::ensure(if headless {
        Purpose::Headless
    } else {
        Purpose::Build
    })?;
    node::build()?;
    eprintln!("xtask: building Curfew (minutes, the first time)");
    process::run("cargo build", place::cargo().args(BUILD))?;
    if headless {
        on_a_virtual_screen(options)
    } else {
        on_this_screen(options)
    }
}

/// The small test target makes cargo settle features as for the tests, so that neither build repeats the other.
const BUILD: &[&str] = &["build", "--workspace", "--bins", "--test", "house"];

fn on_this_screen(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let program = place::binary("curfew-desktop")?;
    let mut command = if cfg!(target_os = "linux")
        && !display::has_session_bus()
        && process::on_path("dbus-run-session")
    {
        display::on_a_bus_of_its_own(program.as_os_str(), folder.path())?
    } else {
        Command::new(program)
    };
    add_site(&mut command, options);
    let status = Running::start("curfew-desktop", &mut command)?.wait()?;
    if !status.success() {
        bail!("curfew-desktop {}", process::ended_how(status));
    }
    Ok(())
}

fn on_a_virtual_screen(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let ready = folder.path().join("ready");
    let screen = Display::start()?;
    let why = if options.once {
        "a screenshot is wanted"
    } else {
        "there is no display here"
    };
    println!(
        "{why}: opening the window on a virtual one, {} (Xvfb)",
        screen.name
    );
    let log = place::target()?.join("curfew-window.log");
    let mut command =
        display::on_a_bus_of_its_own(place::binary("curfew-desktop")?.as_os_str(), folder.path())?;
    screen.show(&mut command);
    add_site(&mut command, options);
    let file =
        std::fs::File::create(&log).with_context(|| format!("{} cannot be made", log.display()))?;
    let same = file.try_clone().context("the log cannot be shared")?;
    command
        .env("CURFEW_READY_FILE", &ready)
        .stdin(Stdio::null())
        .stdout(Stdio::from(file))
        .stderr(Stdio::from(same));
    println!("the window's own messages go to {}", log.display());
    let started = Instant::now();
    let mut window = Running::start("curfew-desktop", &mut command)?;
    let picture = picture()?;
    if let Err(error) = wait_for_rows(&mut window, &ready, &log) {
        if screen.photograph(&picture).is_ok() {
            eprintln!("xtask: what the window shows: {}", picture.display());
        }
        return Err(error);
    }
    println!(
        "rows are live after {:.1} s",
        started.elapsed().as_secs_f64()
    );
    screen.photograph(&picture)?;
    if options.once {
        drop(window);
        println!("{}", picture.display());
        return Ok(());
    }
    println!("the window stays open until Ctrl-C; the screenshot:");
    println!("{}", picture.display());
    let status = window.wait()?;
    if !status.success() {
        bail!(
            "curfew-desktop {}: see {}",
            process::ended_how(status),
            log.display()
        );
    }
    Ok(())
}

fn wait_for_rows(window: &mut Running, ready: &Path, log: &Path) -> Result<()> {
    let started = Instant::now();
    while !ready.exists() {
        if let Some(status) = window.ended()? {
            bail!(
                "curfew-desktop {} before it showed a row: see {}",
                process::ended_how(status),
                log.display()
            );
        }
        if started.elapsed() > LIVE_WITHIN {
            bail!(
                "no row was live after {} s: see {}",
                LIVE_WITHIN.as_secs(),
                log.display()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    // The file is written when the rows are handed to the painter; give the screen its next frames.
    std::thread::sleep(Duration::from_millis(700));
    Ok(())
}

fn picture() -> Result<PathBuf> {
    Ok(std::path::absolute(
        place::target()?.join("curfew-window.png"),
    )?)
}

fn add_site(command: &mut Command, options: &Options) {
    if let Some(site) = &options.site {
        command.args(["--site", site]);
    }
}
