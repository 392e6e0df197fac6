//! The system packages that building, showing and testing the window take, by system, and their installation.
//! Debian and Ubuntu only are changed; elsewhere the exact command is printed, and nothing is touched.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;

/// What is going to be done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Compile the workspace and open the window.
    Build,
    /// As `Build`, on a display of our own.
    Headless,
    /// As `Headless`, with servers and a notification daemon.
    Test,
}

/// How a package is recognised where no package list can be asked.
enum Sign {
    Program(&'static str),
    Library(&'static str),
    Nothing,
}

/// One package and its names; an empty name is one that is not known for sure.
struct Package {
    purpose: Purpose,
    debian: &'static str,
    fedora: &'static str,
    arch: &'static str,
    suse: &'static str,
    sign: Sign,
}

macro_rules! packages {
    ($($purpose:ident $debian:literal $fedora:literal $arch:literal $suse:literal $sign:expr;)*) => {
        &[$(Package {
            purpose: Purpose::$purpose,
            debian: $debian,
            fedora: $fedora,
            arch: $arch,
            suse: $suse,
            sign: $sign,
        }),*]
    };
}

use Sign::{Library, Nothing, Program};

#[rustfmt::skip]
const PACKAGES: &[Package] = packages! {
    Build "build-essential" "gcc-c++" "base-devel" "gcc-c++" Program("cc");
    Build "pkg-config" "pkgconf-pkg-config" "pkgconf" "pkgconf-pkg-config" Program("pkg-config");
    Build "libwebkit2gtk-4.1-dev" "webkit2gtk4.1-devel" "webkit2gtk-4.1" "webkit2gtk3-devel" Library("webkit2gtk-4.1");
    Build "librsvg2-dev" "librsvg2-devel" "librsvg" "librsvg-devel" Library("librsvg-2.0");
    Build "libayatana-appindicator3-dev" "libayatana-appindicator-gtk3-devel" "libayatana-appindicator" "libayatana-appindicator3-devel" Library("ayatana-appindicator3-0.1");
    Headless "xvfb" "xorg-x11-server-Xvfb" "xorg-server-xvfb" "xorg-x11-server-Xvfb" Program("Xvfb");
    Headless "dbus" "dbus-daemon" "dbus" "dbus-1-daemon" Program("dbus-run-session");
    Headless "imagemagick" "ImageMagick" "imagemagick" "ImageMagick" Program("import");
    Headless "fonts-noto-core" "google-noto-sans-fonts" "noto-fonts" "google-noto-sans-fonts" Nothing;
    Headless "fonts-noto-cjk" "google-noto-sans-cjk-fonts" "noto-fonts-cjk" "google-noto-sans-cjk-fonts" Nothing;
    Test "postgresql" "" "" "" Program("psql");
    Test "pgbouncer" "pgbouncer" "pgbouncer" "pgbouncer" Program("pgbouncer");
    Test "mariadb-server" "" "" "" Program("mariadb-install-db");
    Test "sqlite3" "sqlite" "sqlite" "sqlite3" Program("sqlite3");
    Test "redis-server" "" "" "" Program("redis-server");
    Test "memcached" "" "" "" Program("memcached");
    Test "webkit2gtk-driver" "" "" "" Program("WebKitWebDriver");
    Test "dunst" "" "" "" Program("dunst");
    Test "libfaketime" "" "" "" Nothing;
    Test "python3-venv" "" "" "" Program("python3");
    Test "iproute2" "iproute" "iproute2" "iproute2" Program("ip");
};

/// Sees to it that everything for `purpose` is installed, naming what is not.
///
/// # Errors
/// One line with the exact command, where it cannot or may not be run from here.
pub fn ensure(purpose: Purpose) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return match purpose {
            Purpose::Build => Ok(()),
            _ => bail!("the tests and the display of our own need Linux (Debian 12 or Ubuntu)"),
        };
    }
    let wanted: Vec<&Package> = PACKAGES
        .iter()
        .filter(|package| package.purpose <= purpose)
        .collect();
    match Family::of_this_machine() {
        Family::Debian => ensure_debian(&wanted),
        family => ensure_elsewhere(family, &wanted),
    }
}

#[derive(Clone, Copy)]
enum Family {
    Debian,
    Fedora,
    Arch,
    Suse,
    Other,
}

impl Family {
    fn of_this_machine() -> Self {
        let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        Self::from_os_release(&text)
    }

    fn from_os_release(text: &str) -> Self {
        let names = text
            .lines()
            .filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")))
            .flat_map(|names| names.trim_matches(['"', '\'']).split_whitespace());
        for name in names {
            match name {
                "debian" | "ubuntu" => return Self::Debian,
                "fedora" | "rhel" => return Self::Fedora,
                "arch" => return Self::Arch,
                "suse" | "opensuse" => return Self::Suse,
                _ => {}
            }
        }
        Self::Other
    }
}

fn ensure_debian(wanted: &[&Package]) -> Result<()> {
    let names: Vec<&str> = wanted.iter().map(|package| package.debian).collect();
    let missing = missing_on_debian(&names)?;
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    eprintln!("xtask: missing system packages: {list}");
    let by_hand =
        format!("sudo apt-get update && sudo apt-get install -y --no-install-recommends {list}");
    let Some(root) = Root::of_this_process() else {
        bail!("no right to install packages here; run: {by_hand}");
    };
    eprintln!("xtask: installing them");
    root.apt(&["update", "-q"]).context(by_hand.clone())?;
    let mut arguments = vec!["install", "-q", "-y", "--no-install-recommends"];
    arguments.extend(&missing);
    root.apt(&arguments).context(by_hand)?;
    match missing_on_debian(&names)?.as_slice() {
        [] => Ok(()),
        still => bail!("still missing after apt-get: {}", still.join(" ")),
    }
}

fn missing_on_debian<'a>(names: &[&'a str]) -> Result<Vec<&'a str>> {
    // dpkg-query ends with 1 where it has never heard of a name, and still lists the others.
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\\n"])
        .args(names)
        .stdin(Stdio::null())
        .output()
        .context("dpkg-query could not be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let states: BTreeMap<&str, bool> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, state)| (name, state == "installed"))
        .collect();
    let missing = names
        .iter()
        .filter(|name| !states.get(**name).copied().unwrap_or(false));
    Ok(missing.copied().collect())
}

/// A way to act as root.
enum Root {
    Already,
    Sudo,
}

impl Root {
    fn of_this_process() -> Option<Self> {
        if rustix::process::geteuid().is_root() {
            return Some(Self::Already);
        }
        if !process::on_path("sudo") {
            return None;
        }
        let silent = Command::new("sudo")
            .args(["-n", "true"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        (silent || std::io::stdin().is_terminal()).then_some(Self::Sudo)
    }

    /// In xtask's own process group, so that sudo may ask for a password.
    fn apt(&self, arguments: &[&str]) -> Result<()> {
        let mut command = match self {
            Self::Already => Command::new("env"),
            Self::Sudo => {
                let mut sudo = Command::new("sudo");
                sudo.arg("env");
                sudo
            }
        };
        command
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
            // Another apt may be at work just after a machine's start.
            .args(["-o", "DPkg::Lock::Timeout=300"])
            .args(arguments);
        // apt-get's own words are progress, not an answer.
        command.stdout(std::io::stderr());
        let status = command.status().context("apt-get could not be started")?;
        if !status.success() {
            bail!("apt-get {}", process::ended_how(status));
        }
        Ok(())
    }
}

fn ensure_elsewhere(family: Family, wanted: &[&Package]) -> Result<()> {
    let missing: Vec<&&Package> = wanted
        .iter()
        .filter(|package| match package.sign {
            Program(name) => !process::on_path(name),
            Library(name) => !library_is_there(name),
            Nothing => false,
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = |name: fn(&Package) -> &'static str| -> Option<String> {
        let names: Vec<&str> = missing.iter().map(|package| name(package)).collect();
        (!names.contains(&"")).then(|| names.join(" "))
    };
    let command = match family {
        Family::Fedora => {
            list(|package| package.fedora).map(|names| format!("dnf install {names}"))
        }
        Family::Arch => {
            list(|package| package.arch).map(|names| format!("pacman -S --needed {names}"))
        }
        Family::Suse => list(|package| package.suse).map(|names| format!("zypper install {names}")),
        Family::Debian | Family::Other => None,
    };
    match command {
        Some(command) => bail!("system packages are missing; run: sudo {command}"),
        None => bail!(
            "system packages are missing, and this system's names for them are not known here; on Debian 12 the command is: sudo apt-get install {}",
            list(|package| package.debian).unwrap_or_default()
        ),
    }
}

fn library_is_there(name: &str) -> bool {
    Command::new("pkg-config")
        .args(["--exists", name])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_system_is_known_by_its_name_or_its_ancestors() {
        let of = |text: &str| match Family::from_os_release(text) {
            Family::Debian => "debian",
            Family::Fedora => "fedora",
            Family::Arch => "arch",
            Family::Suse => "suse",
            Family::Other => "other",
        };
        assert_eq!(of("NAME=\"Debian\"\nID=debian\n"), "debian");
        assert_eq!(of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), "debian");
        assert_eq!(
            of("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n"),
            "suse"
        );
        assert_eq!(of("ID=fedora\nVARIANT_ID=debian\n"), "fedora");
        assert_eq!(of(""), "other");
    }

    #[test]
    fn what_dpkg_has_never_heard_of_is_missing() {
        if !process::on_path("dpkg-query") {
            return;
        }
        let names = ["dpkg", "no-such-package-in-any-archive"];
        assert_eq!(missing_on_debian(&names).unwrap(), [names[1]]);
    }
}
