//! A display and a session bus of our own, for machines without a screen and for tests.
//! The bus starts no service by itself, so that no notification daemon comes up uninvited.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process::{self, Running};

/// The size that the window is designed for.
const SIZE: &str = "1360x860x24";

/// A virtual screen; it goes when this is dropped.
pub struct Display {
    /// As in the environment variable DISPLAY.
    pub name: String,
    _server: Running,
}

impl Display {
    pub fn start() -> Result<Self> {
        let mut command = process::bound_to_us("Xvfb", "TERM");
        command
            // Xvfb looks for a free number itself and writes it here, once it is ready.
            .args(["-displayfd", "1", "-screen", "0", SIZE, "-nolisten", "tcp"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut server = Running::start("Xvfb", &mut command)?;
        let output = server.stdout().context("Xvfb has no output")?;
        let mut number = String::new();
        BufReader::new(output)
            .read_line(&mut number)
            .context("Xvfb cannot be read")?;
        if number.trim().is_empty() {
            bail!(
                "Xvfb did not start: no display was free, or it may not write to the temporary folder"
            );
        }
        Ok(Self {
            name: format!(":{}", number.trim()),
            _server: server,
        })
    }

    /// Saves what the screen shows, and refuses a blank one.
    pub fn photograph(&self, file: &Path) -> Result<()> {
        process::read(
            "import",
            Command::new("import")
                .args(["-display", &self.name, "-window", "root"])
                .arg(file),
        )?;
        let colours = process::read(
            "identify",
            Command::new("identify").args(["-format", "%k"]).arg(file),
        )?;
        if colours.trim().parse::<u64>().unwrap_or(0) < 16 {
            bail!("the window stayed blank: see {}", file.display());
        }
        Ok(())
    }

    /// Lets a command see this screen alone.
    pub fn show(&self, command: &mut Command) {
        command
            .env("DISPLAY", &self.name)
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env("GDK_BACKEND", "x11")
            .env("GSETTINGS_BACKEND", "memory")
            .env("NO_AT_BRIDGE", "1");
        if std::env::var_os("WEBKIT_DISABLE_DMABUF_RENDERER").is_none() {
            command.env("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
        }
    }
}

/// Where a session bus can be found from here.
pub fn has_session_bus() -> bool {
    std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some()
        || std::env::var_os("XDG_RUNTIME_DIR")
            .is_some_and(|folder| Path::new(&folder).join("bus").exists())
}

/// A command that runs `program` on a session bus of its own; `folder` takes the bus's configuration.
pub fn on_a_bus_of_its_own(program: &std::ffi::OsStr, folder: &Path) -> Result<Command> {
    let file = folder.join("bus.conf");
    std::fs::write(&file, BUS).with_context(|| format!("{} cannot be written", file.display()))?;
    let mut command = process::bound_to_us("dbus-run-session", "TERM");
    command
        .arg("--config-file")
        .arg(&file)
        .arg("--")
        .arg(program);
    Ok(command)
}

const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <keep_umask/>
  <listen>unix:tmpdir=/tmp</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;
