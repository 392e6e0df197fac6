//! `config.toml`, written so that people's comments stay, and so that nothing is written that would make no sense.

use std::io::Write;
use std::path::Path;

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::file::parse;
use super::{Config, SiteConfig};
use crate::error::{Code, Error, Result};
use crate::regular;

impl Config {
    /// Writes a site's settings back, in place, or appends it. A password in its address is left out:
    /// it belongs in the keychain or comes from `password_command`.
    pub fn save_site(&mut self, site: &SiteConfig) -> Result<()> {
        self.change(|tables| {
            let table = match place(tables, &site.name) {
                Some(index) => tables.get_mut(index),
                None => {
                    let mut table = Table::new();
                    table["name"] = value(site.name.as_str());
                    table["url"] = value(site.address.without_password());
                    if let Some(schema) = &site.schema {
                        table["schema"] = value(schema.as_str());
                    }
                    if site.sessions.engine.is_stated() {
                        subtable(&mut table, "sessions")["engine"] =
                            value(site.sessions.engine.as_str());
                    }
                    tables.push(table);
                    tables.iter_mut().last()
                }
            };
            if let Some(table) = table {
                fill(table, site);
            }
        })?;
        match self.sites.iter_mut().find(|s| s.name == site.name) {
            Some(old) => *old = site.clone(),
            None => self.sites.push(site.clone()),
        }
        Ok(())
    }

    /// Changes the file's list of sites as it stands on the disk now, and gives what it says then.
    ///
    /// # Errors
    /// `Code::File` where it cannot be read or written; `Code::Config` where it would make no sense, and then
    /// nothing is written.
    pub(super) fn change(
        &self,
        change: impl FnOnce(&mut ArrayOfTables),
    ) -> Result<Vec<SiteConfig>> {
        let failed = |what: &str, e: &dyn std::fmt::Display| {
            Error::new(
                Code::File,
                format!("cannot {what} {}: {e}", self.path.display()),
            )
        };
        let text = match regular::read_to_string(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(failed("read", &e)),
        };
        let mut document: DocumentMut = text.parse().map_err(|e| failed("read", &e))?;
        let tables = document
            .entry("site")
            .or_insert(Item::ArrayOfTables(ArrayOfTables::new()))
            .as_array_of_tables_mut()
            .ok_or_else(|| failed("change", &"`site` is no list of tables there"))?;
        change(tables);
        let text = document.to_string();
        let sites = parse(&text, &self.path)?;
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir).map_err(|e| failed("make the folder of", &e))?;
        }
        replace(&self.path, &text).map_err(|e| failed("write", &e))?;
        Ok(sites)
    }
}

/// Where in the list the site of this name stands.
pub(super) fn place(tables: &ArrayOfTables, name: &str) -> Option<usize> {
    tables
        .iter()
        .position(|t| t.get("name").and_then(Item::as_str) == Some(name))
}

/// Puts a text in a file's place at once. A webhook's secret may stand in it: the file keeps who may read it, and a
/// new one is its owner's alone. A link stays a link.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let temporary = target.with_extension("toml.new");
    // What a broken attempt left behind may be readable by anyone.
    match std::fs::remove_file(&temporary) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(text.as_bytes())?;
    if let Ok(before) = std::fs::metadata(&target) {
        file.set_permissions(before.permissions())?;
    }
    file.sync_all()?;
    std::fs::rename(&temporary, &target)
}

/// What the window can change; the rest of the table stays as people wrote it.
fn fill(table: &mut Table, site: &SiteConfig) {
    let span = |d: std::time::Duration| value(humantime::format_duration(d).to_string());
    table["armed"] = value(site.armed);
    table["automatic_sweep"] = value(site.automatic_sweep);
    let policy = subtable(table, "policy");
    policy["idle_after"] = span(site.policy.idle_after);
    policy["sign_out_after"] = span(site.policy.sign_out_after);
    policy["sweep_every"] = span(site.policy.sweep_every);
    policy["max_share"] = value(site.policy.max_share);
    let mut exempt = toml_edit::InlineTable::new();
    exempt.insert("staff", site.policy.exempt.staff.into());
    exempt.insert("superusers", site.policy.exempt.superusers.into());
    let names: toml_edit::Array = site
        .policy
        .exempt
        .usernames
        .iter()
        .map(String::as_str)
        .collect();
    exempt.insert("usernames", names.into());
    policy["exempt"] = value(exempt);
    let notify = subtable(table, "notify");
    notify["idle"] = value(site.notices.idle);
    notify["idle_from"] = span(std::time::Duration::from_secs(u64::from(
        site.notices.idle_from,
    )));
    notify["sweeps"] = value(site.notices.sweeps);
    notify["connection"] = value(site.notices.connection);
}

pub(super) fn subtable<'a>(table: &'a mut Table, name: &str) -> &'a mut Item {
    let item = table
        .entry(name)
        .or_insert_with(|| Item::Table(Table::new()));
    if !item.is_table_like() {
        *item = Item::Table(Table::new());
    }
    item
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::Env;
    use super::*;

    #[test]
    fn a_saved_configuration_keeps_its_comments_its_readers_and_its_link() {
        let folder = tempfile::tempdir().unwrap();
        let (real, linked) = (
            folder.path().join("real"),
            folder.path().join("config.toml"),
        );
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        std::fs::write(
            &real,
            "# ours\n[[site]]\nname = \"shop\" # the shop\nurl = \"sqlite:///srv/shop.sqlite3\"\n",
        )
        .unwrap();
        std::fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).unwrap();
        symlink(&real, &linked).unwrap();
        let env = Env {
            config_dir: folder.path().to_path_buf(),
            state_dir: folder.path().to_path_buf(),
            site: None,
            session_engine: None,
            secret_key: None,
            secret_key_fallbacks: Vec::new(),
        };
        let mut config = Config::load(&env).unwrap();
        let mut site = config.pick(Some("shop")).unwrap();
        site.automatic_sweep = true;
        config.save_site(&site).unwrap();
        let text = std::fs::read_to_string(&real).unwrap();
        assert!(
            text.contains("# ours") && text.contains("# the shop"),
            "{text}"
        );
        assert!(Config::load(&env).unwrap().sites[0].automatic_sweep);
        assert_eq!(mode(&real), 0o640);
        assert!(linked.is_symlink());

        std::fs::remove_file(&linked).unwrap();
        config.save_site(&site).unwrap();
        assert_eq!(mode(&linked), 0o600);
    }
}
