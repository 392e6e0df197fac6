//! The command line of the window, and the restart that some graphics drivers need. The names and variables are
//! those of `curfew`; the variables themselves are read by the engine.

use clap::Parser;

const VARIABLES: &str = "Variables:
  CURFEW_SITE        the site, where --site is not given
  CURFEW_CONFIG_DIR  the folder of config.toml
  CURFEW_STATE_DIR   the folder of the journal and other state
  CURFEW_SECRET_KEY  the site's SECRET_KEY
  RUST_LOG           what is logged to standard error (default: warn)

With no site named or configured, the window opens on an embedded demo site.";

/// Shows who is signed in to a Django site, and signs the idle out.
#[derive(Debug, Clone, Default, Parser)]
#[command(name = "curfew-desktop", version, about, after_help = VARIABLES)]
pub struct Args {
    /// A site's URL, or the name of a configured site
    #[arg(long, value_name = "SITE")]
    pub site: Option<String>,
}

/// WebKit's DMABUF renderer shows blank windows with some drivers. The variable that switches it off has to be
/// there before GTK starts threads, so the process starts itself again with it. Returns where that is not
/// needed or not possible.
#[cfg(target_os = "linux")]
pub fn restart_without_dmabuf() {
    use std::os::unix::process::CommandExt;

    const VARIABLE: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";
    if std::env::var_os(VARIABLE).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut again = std::process::Command::new(program);
    again.args(std::env::args_os().skip(1)).env(VARIABLE, "1");
    if let Some(name) = std::env::args_os().next() {
        again.arg0(name);
    }
    let error = again.exec();
    tracing::warn!(%error, "cannot start again with {VARIABLE}=1");
}

#[cfg(not(target_os = "linux"))]
pub fn restart_without_dmabuf() {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_site_is_named_as_on_the_command_line() {
        let args = Args::try_parse_from(["curfew-desktop", "--site", "shop"]).unwrap();
        assert_eq!(args.site.as_deref(), Some("shop"));
        let args = Args::try_parse_from(["curfew-desktop", "--site=sqlite:///a.sqlite3"]).unwrap();
        assert_eq!(args.site.as_deref(), Some("sqlite:///a.sqlite3"));
        let none = Args::try_parse_from(["curfew-desktop"]).unwrap();
        assert_eq!(none.site, None);
    }

    #[test]
    fn wrong_usage_is_status_2() {
        let error = Args::try_parse_from(["curfew-desktop", "--nonsense"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
