//! Whom a server runs as: PostgreSQL, MariaDB and memcached refuse root.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

pub enum Account {
    Ours,
    Other {
        name: &'static str,
        user: u32,
        group: u32,
    },
}

impl Account {
    /// Our own, or the account `name` where ours is root.
    pub fn instead_of_root(name: &'static str) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ours);
        }
        let number = |which: &str| -> Result<u32> {
            let text = process::read("id", Command::new("id").args([which, name]))?;
            text.trim()
                .parse()
                .context("id did not answer with a number")
        };
        Ok(Self::Other {
            name,
            user: number("-u")?,
            group: number("-g")?,
        })
    }

    pub fn give(&self, path: &Path) -> Result<()> {
        if let Self::Other { name, user, group } = self {
            std::os::unix::fs::chown(path, Some(*user), Some(*group))
                .with_context(|| format!("{} cannot be given to {name}", path.display()))?;
        }
        Ok(())
    }

    /// A command under this account, ended with `signal` when we are gone.
    pub fn command(&self, program: &Path, signal: &str) -> Command {
        match self {
            Self::Ours => process::bound_to_us(program, signal),
            Self::Other { user, group, .. } => {
                let mut command = Command::new("setpriv");
                command
                    .args(["--reuid", &user.to_string(), "--regid", &group.to_string()])
                    .args(["--clear-groups", "--pdeathsig", signal, "--"])
                    .arg(program);
                command
            }
        }
    }
}
