//! Whether other users of this machine can read the secrets of `config.toml`, or change the commands in it.

use super::{Address, Config, SiteConfig};

impl Config {
    /// What is wrong with the file's rights, and what to do; none where nothing is.
    pub fn exposed(&self) -> Option<String> {
        let (readable, writable) = open_to_everybody(&self.path);
        let secret = self.sites.iter().any(holds_a_secret);
        let what = match (secret && readable, writable) {
            (true, true) => "holds a secret, and every user of this machine can read and change it",
            (true, false) => "holds a secret, and every user of this machine can read it",
            // The commands in it run as the user who starts Curfew.
            (false, true) => "can be changed by every user of this machine",
            (false, false) => return None,
        };
        let path = self.path.display();
        Some(format!("{path} {what}; run chmod o-rw {path}"))
    }
}

fn holds_a_secret(site: &SiteConfig) -> bool {
    let mut addresses = [
        Some(&site.address),
        site.read_address.as_ref(),
        site.sessions.url.as_ref(),
    ]
    .into_iter()
    .flatten();
    let hook = site.webhook.as_ref();
    addresses.any(Address::has_password)
        || site.sessions.cache.as_ref().is_some_and(|c| c.has_secret())
        || hook.is_some_and(|hook| hook.secret.is_some() || with_login(&hook.url))
        || site.health_url.as_deref().is_some_and(with_login)
}

/// Whether a password or a token stands in a web address.
fn with_login(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| url.password().is_some() || url.query().is_some())
}

#[cfg(unix)]
fn open_to_everybody(path: &std::path::Path) -> (bool, bool) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_or(0, |meta| meta.permissions().mode());
    (mode & 0o004 != 0, mode & 0o002 != 0)
}

#[cfg(not(unix))]
fn open_to_everybody(_path: &std::path::Path) -> (bool, bool) {
    (false, false)
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::Env;
    use super::*;

    #[test]
    fn a_secret_that_everybody_can_read_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let env = Env {
            config_dir: folder.path().to_path_buf(),
            state_dir: folder.path().to_path_buf(),
            site: None,
            session_engine: None,
            secret_key: None,
            secret_key_fallbacks: Vec::new(),
        };
        let path = folder.path().join("config.toml");
        let site = "[[site]]\nname = \"shop\"\n";
        let plain = format!("{site}url = \"postgres://u@db/shop\"\n");
        let cases = [
            format!("{site}url = \"postgres://u:hunter2@db/shop\"\n"),
            format!("{site}url = \"postgres://u@db/shop?password=hunter2\"\n"),
            format!("{plain}read_url = \"postgres://u:hunter2@db2/shop\"\n"),
            format!("{plain}[site.sessions]\nurl = \"mysql://u:hunter2@db/s\"\n"),
            format!("{plain}[site.sessions]\ncache = \"redis://:hunter2@c/1\"\n"),
            format!(
                "{plain}[site.sessions]\ncache = \"redis+sentinel://c/shop?sentinel_password=hunter2\"\n"
            ),
            format!("{plain}[site.webhook]\nurl = \"https://h\"\nsecret = \"whsec_hunter2\"\n"),
            format!(
                "{plain}[site.webhook]\nurl = \"https://u:hunter2@h/\"\nsecret_command = \"x\"\n"
            ),
        ];
        let exposed = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            Config::load(&env).unwrap().exposed()
        };
        for text in cases {
            let said = exposed(&text, 0o644).unwrap();
            assert!(
                said.contains("can read it") && !said.contains("hunter2"),
                "{said}"
            );
            assert!(exposed(&text, 0o602).is_some_and(|said| said.contains("changed")));
            assert!(exposed(&text, 0o666).is_some_and(|said| said.contains("read and change")));
            assert_eq!(exposed(&text, 0o640), None);
        }
        assert_eq!(exposed(&plain, 0o644), None);
        assert!(exposed(&plain, 0o666).is_some());
    }
}
