//! Starts and stops other programs: each in a process group of its own, ended when its owner is dropped,
//! when xtask is interrupted, and (servers, by the kernel) when xtask is killed. Knows no program by name.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// How long a program may take to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(8);

/// Passes Ctrl-C and termination on to every running group, so that waits return and guards clean up.
pub fn listen_for_interrupts() -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])
        .context("signals cannot be listened to")?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            let again = INTERRUPTED.swap(true, Ordering::SeqCst);
            let signal = if again { Signal::KILL } else { Signal::TERM };
            for group in groups().iter() {
                let _ = kill_process_group(*group, signal);
            }
        }
    });
    Ok(())
}

pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

fn groups() -> std::sync::MutexGuard<'static, Vec<Pid>> {
    GROUPS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A program under way, with everything that it starts in its group.
pub struct Running {
    name: String,
    child: Child,
    group: Option<Pid>,
    ended_by: Signal,
}

impl Running {
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        if interrupted() {
            bail!("interrupted");
        }
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name} could not be started ({})", shown(command)))?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        groups().extend(group);
        Ok(Self {
            name: name.to_owned(),
            child,
            group,
            ended_by: Signal::TERM,
        })
    }

    /// The signal that ends it in good order, where that is not SIGTERM.
    pub fn ended_by(mut self, signal: Signal) -> Self {
        self.ended_by = signal;
        self
    }

    pub fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    pub fn wait(&mut self) -> Result<ExitStatus> {
        let status = self
            .child
            .wait()
            .with_context(|| format!("{} cannot be waited for", self.name))?;
        if interrupted() {
            bail!("interrupted");
        }
        Ok(status)
    }

    /// Its status, where it has ended by itself.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if interrupted() {
            bail!("interrupted");
        }
        self.child
            .try_wait()
            .with_context(|| format!("{} cannot be looked at", self.name))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(group) = self.group else { return };
        // Also after the leader has ended: what it left behind in its group goes with it.
        let _ = kill_process_group(group, self.ended_by);
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if asked.elapsed() > PATIENCE {
                eprintln!("xtask: {} did not end when asked, ending it", self.name);
                let _ = kill_process_group(group, Signal::KILL);
                let _ = self.child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = kill_process_group(group, Signal::KILL);
        groups().retain(|known| *known != group);
    }
}

/// Runs a program to its end with its output shown; anything but status 0 is an error.
pub fn run(name: &str, command: &mut Command) -> Result<()> {
    let status = Running::start(name, command.stdin(Stdio::null()))?.wait()?;
    if !status.success() {
        bail!("{name} {} ({})", ended_how(status), shown(command));
    }
    Ok(())
}

/// Standard output of a program that is expected to succeed, as text.
pub fn read(name: &str, command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} could not be started ({})", shown(command)))?;
    if !output.status.success() {
        bail!(
            "{name} {} ({}): {}",
            ended_how(output.status),
            shown(command),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A quick look whether a program answers, without showing what it says.
pub fn answers(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A command that the kernel ends when xtask goes away without a word (SIGKILL): for servers and displays.
pub fn bound_to_us(program: impl AsRef<std::ffi::OsStr>, signal: &str) -> Command {
    if !on_path("setpriv") {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", signal, "--"])
        .arg(program.as_ref());
    command
}

pub fn on_path(program: &str) -> bool {
    find_on_path(program).is_some()
}

pub fn find_on_path(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

pub fn ended_how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The command as one could type it.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}
