//! Where the system log takes messages on this machine.

use std::path::PathBuf;

/// The socket that the configuration names, or the usual one. `None` if it names an empty path.
pub(super) fn socket(named: Option<PathBuf>) -> Option<PathBuf> {
    let socket = named.unwrap_or_else(|| "/dev/log".into());
    (cfg!(unix) && !socket.as_os_str().is_empty()).then_some(socket)
}
