//! A desktop of one test's own: an X server, a session bus that starts nothing by itself, and, where the test
//! wants one, dunst.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use super::process::Process;

/// Who answers for notifications on this desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notices {
    Dunst,
    /// The name is owned, and its owner never answers.
    Hanging,
    Nobody,
    /// The session bus itself is gone.
    NoBus,
}

pub struct Desktop {
    dir: PathBuf,
    dunst: Option<Process>,
    bus: Process,
    bus_address: String,
    display: String,
    _screen: Process,
}

impl Desktop {
    pub fn start(dir: &Path, notices: Notices) -> Self {
        let mut xvfb = Command::new("Xvfb");
        xvfb.args(["-displayfd", "1", "-screen", "0", "1400x900x24"])
            .args(["-nolisten", "tcp"]);
        let mut screen = Process::start_group(&mut xvfb, &dir.join("xvfb.log"));
        let display = format!(":{}", screen.first_line());

        let config = dir.join("bus.conf");
        std::fs::write(&config, bus_config(dir)).unwrap();
        let mut daemon = Command::new("dbus-daemon");
        daemon
            .args(["--nofork", "--print-address", "--config-file"])
            .arg(&config);
        let mut bus = Process::start_group(&mut daemon, &dir.join("bus.log"));
        let bus_address = bus.first_line();
        let mut desktop = Self {
            dir: dir.to_owned(),
            dunst: None,
            bus,
            bus_address,
            display,
            _screen: screen,
        };
        match notices {
            Notices::Dunst => desktop.start_dunst(),
            Notices::Hanging => {
                desktop.start_dunst();
                desktop.dunst.as_ref().unwrap().signal(Signal::STOP);
            }
            Notices::Nobody => {}
            Notices::NoBus => desktop.bus.signal(Signal::KILL),
        }
        desktop
    }

    /// The variables with which a program finds this desktop and no other.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let folder = |name: &str| self.dir.join(name).display().to_string();
        vec![
            ("DISPLAY", self.display.clone()),
            ("DBUS_SESSION_BUS_ADDRESS", self.bus_address.clone()),
            ("HOME", folder("home")),
            ("XDG_CONFIG_HOME", folder("home/.config")),
            ("XDG_DATA_HOME", folder("home/.local/share")),
            ("XDG_CACHE_HOME", folder("home/.cache")),
            ("XDG_RUNTIME_DIR", folder("runtime")),
            ("GDK_BACKEND", "x11".into()),
            ("NO_AT_BRIDGE", "1".into()),
        ]
    }

    fn start_dunst(&mut self) {
        let rules = self.dir.join("dunstrc");
        std::fs::write(&rules, dunst_rules(&self.dir)).unwrap();
        let mut dunst = Command::new("dunst");
        dunst.arg("-conf").arg(&rules).envs(self.environment());
        self.dunst = Some(Process::start_group(
            &mut dunst,
            &self.dir.join("dunst.log"),
        ));
        let start = std::time::Instant::now();
        while !self.dunstctl(&["count"]).0 {
            assert!(start.elapsed().as_secs() < 20, "dunst does not answer");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    /// Asks dunst: whether it did so, and what it said.
    pub fn dunstctl(&self, args: &[&str]) -> (bool, String) {
        let mut command = Command::new("dunstctl");
        let ran = command
            .args(args)
            .envs(self.environment())
            .output()
            .unwrap();
        (
            ran.status.success(),
            String::from_utf8_lossy(&ran.stdout).into_owned(),
        )
    }

    /// Each notice that dunst shows or has shown, oldest first.
    pub fn notices(&self) -> Vec<Shown> {
        // What is on the screen goes to the history first; from there it can be read.
        self.dunstctl(&["close-all"]);
        let (_, text) = self.dunstctl(&["history"]);
        let history: Value = serde_json::from_str(&text).unwrap_or_default();
        let mut shown: Vec<Shown> = history["data"][0]
            .as_array()
            .unwrap_or(&Vec::new())
            .iter()
            .map(|notice| Shown {
                id: notice["id"]["data"].as_u64().unwrap_or(0),
                title: notice["summary"]["data"].as_str().unwrap_or("").to_owned(),
                body: notice["body"]["data"].as_str().unwrap_or("").to_owned(),
            })
            .collect();
        shown.sort_by_key(|notice| notice.id);
        shown
    }

    /// Picks an action of the notice on the screen by its label, as from dunst's menu.
    pub fn choose_action(&self, label: &str) {
        std::fs::write(self.dir.join("choice"), label).unwrap();
        let (done, words) = self.dunstctl(&["context"]);
        assert!(done, "{words}");
    }

    /// Takes a picture of the screen.
    pub fn picture(&self, file: &Path) {
        let mut import = Command::new("import");
        let import = import.args(["-window", "root"]).arg(file);
        let _ = import.envs(self.environment()).status();
    }
}

/// A notice as dunst has it.
#[derive(Debug, Clone)]
pub struct Shown {
    pub id: u64,
    pub title: String,
    pub body: String,
}

/// Nothing ends by itself. The menu of actions is a script that takes the line of the label in `choice`.
fn dunst_rules(dir: &Path) -> String {
    let menu = dir.join("menu");
    let choice = dir.join("choice");
    let script = format!("#!/bin/sh\ngrep -m1 -F \"$(cat {})\"\n", choice.display());
    std::fs::write(&menu, script).unwrap();
    std::fs::set_permissions(&menu, PermissionsExt::from_mode(0o755)).unwrap();
    let mut rules = format!(
        "[global]\nmarkup = full\nhistory_length = 100\ndmenu = {}\n",
        menu.display()
    );
    for urgency in ["low", "normal", "critical"] {
        rules += &format!("[urgency_{urgency}]\ntimeout = 0\n");
    }
    rules
}

/// A session bus with no service folders: what is not started by the test is not there.
fn bus_config(dir: &Path) -> String {
    format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig>\
         <type>session</type><listen>unix:tmpdir={}</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
         <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
        dir.display()
    )
}
