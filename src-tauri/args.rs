//! The command line of the window, and the restart that WebKit's variables need. The names and variables are
//! those of `curfew`; the variables themselves are read by the engine.

use clap::Parser;
use curfew_engine::config::Stated;

const VARIABLES: &str = "Variables:
  CURFEW_SITE            the site, where --site is not given
  CURFEW_SESSION_ENGINE  the site's SESSION_ENGINE, where nothing else states it
  CURFEW_CONFIG_DIR      the folder of config.toml
  CURFEW_STATE_DIR       the folder of the journal and other state
  CURFEW_SECRET_KEY      the site's SECRET_KEY
  RUST_LOG               what is logged to standard error (default: warn)

With no site named or configured, the window opens on an embedded demo site.";

/// Shows who is signed in to a Django site, and signs the idle out.
#[derive(Debug, Clone, Default, Parser)]
#[command(name = "curfew-desktop", version, about, after_help = VARIABLES)]
pub struct Args {
    /// A site's URL, or the name of a configured site
    #[arg(long, value_name = "SITE")]
    pub site: Option<String>,

    /// The schema of the site's tables, where the database has several
    #[arg(long, value_name = "NAME")]
    pub schema: Option<String>,

    /// The site's SESSION_ENGINE, where its configuration does not state it
    #[arg(long, value_name = "ENGINE")]
    pub session_engine: Option<String>,
}

impl Args {
    /// What the options state of the site beside its name.
    pub fn stated(&self) -> Stated {
        Stated {
            schema: self.schema.clone(),
            session_engine: self.session_engine.clone(),
        }
    }
}

/// Variables that have to be there before GTK starts threads, and what they are set to where they are not.
const NEEDED: [(&str, &str); 3] = [
    // WebKit's DMABUF renderer shows blank windows with some drivers.
    ("WEBKIT_DISABLE_DMABUF_RENDERER", "1"),
    // While a page always has a frame to come, as one that is scrolled has, WebKit's timers collect no garbage, and its
    // heap grows until it has to: by 32 MiB or, on a machine of more than 16 GiB, to four times what lives. From 8 MiB on,
    // and at twice what lives, that is about as often as by its timers.
    ("JSC_largeHeapSize", "8388608"),
    ("JSC_heapGrowthMaxIncrease", "1"),
];

/// Those that are missing. The name by which Tauri learns that a driver of tests holds the window has changed between its
/// versions.
fn wanted(is_set: impl Fn(&str) -> bool) -> Vec<(&'static str, &'static str)> {
    let mut wanted: Vec<_> = NEEDED
        .into_iter()
        .filter(|(name, _)| !is_set(name))
        .collect();
    if is_set(AUTOMATION) && !is_set("TAURI_WEBVIEW_AUTOMATION") {
        wanted.push(("TAURI_WEBVIEW_AUTOMATION", "true"));
    }
    wanted
}

/// Set where a driver of tests holds the window.
const AUTOMATION: &str = "TAURI_AUTOMATION";

/// Whether a driver of tests holds the window.
pub fn automated() -> bool {
    std::env::var_os("TAURI_WEBVIEW_AUTOMATION").is_some() || std::env::var_os(AUTOMATION).is_some()
}

/// Starts this program again in its own process with the variables that are missing. Returns where none is, and
/// where it cannot.
#[cfg(target_os = "linux")]
pub fn restart_with_variables() {
    use std::os::unix::process::CommandExt;

    let missing = wanted(|name| std::env::var_os(name).is_some());
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    if missing.is_empty() {
        return;
    }
    let mut again = std::process::Command::new(program);
    again.args(std::env::args_os().skip(1)).envs(missing);
    if let Some(name) = std::env::args_os().next() {
        again.arg0(name);
    }
    let error = again.exec();
    tracing::warn!(%error, "cannot start again with the variables that WebKit needs");
}

#[cfg(not(target_os = "linux"))]
pub fn restart_with_variables() {}

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
        assert_eq!(
            (none.site.as_deref(), none.stated()),
            (None, Stated::default())
        );
        let stated = [
            "--schema",
            "acme",
            "--session-engine=a.db",
            "--site",
            "shop",
        ];
        let args = Args::try_parse_from(["curfew-desktop"].into_iter().chain(stated)).unwrap();
        assert_eq!(
            args.stated(),
            Stated {
                schema: Some("acme".into()),
                session_engine: Some("a.db".into()),
            }
        );
    }

    #[test]
    fn what_is_set_stays_as_it_is() {
        let names = |set: &'static [&'static str]| -> Vec<&str> {
            let wanted = wanted(|name| set.contains(&name));
            wanted.into_iter().map(|(name, _)| name).collect()
        };
        const DMABUF: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";
        const HEAP: [&str; 2] = ["JSC_largeHeapSize", "JSC_heapGrowthMaxIncrease"];
        assert_eq!(names(&[]), [DMABUF, HEAP[0], HEAP[1]]);
        assert_eq!(names(&[DMABUF]), HEAP);
        assert_eq!(names(&[HEAP[1], DMABUF]), [HEAP[0]]);
        assert!(names(&[DMABUF, HEAP[0], HEAP[1]]).is_empty());
        assert_eq!(
            names(&[DMABUF, HEAP[0], HEAP[1], "TAURI_AUTOMATION"]),
            ["TAURI_WEBVIEW_AUTOMATION"]
        );
    }

    #[test]
    fn wrong_usage_is_status_2() {
        let error = Args::try_parse_from(["curfew-desktop", "--nonsense"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
