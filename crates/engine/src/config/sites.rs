//! The list of sites in `config.toml`: one put in, one taken out. What people wrote beside it stays.

use toml_edit::{Table, Value, value};

use super::write::{place, subtable};
use super::{Config, SiteConfig};
use crate::error::{Code, Error, Result};

/// A key of a site, below which table, and its value. None: the key is taken out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// None: the site's own table.
    pub table: Option<&'static str>,
    pub key: &'static str,
    pub value: Option<Plain>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plain {
    Text(String),
    Number(i64),
    Truth(bool),
    List(Vec<String>),
}

impl From<Plain> for Value {
    fn from(plain: Plain) -> Self {
        match plain {
            Plain::Text(text) => text.into(),
            Plain::Number(number) => number.into(),
            Plain::Truth(truth) => truth.into(),
            Plain::List(texts) => texts.into_iter().collect::<toml_edit::Array>().into(),
        }
    }
}

impl Config {
    /// Writes these keys of the site, in place where it is there already, and gives it as it is then.
    ///
    /// # Errors
    /// As reading and writing the file; nothing is written where the result would make no sense.
    pub(crate) fn put_site(&mut self, name: &str, entries: &[Entry]) -> Result<SiteConfig> {
        self.sites = self.change(|tables| {
            let at = place(tables, name).unwrap_or_else(|| {
                let mut table = Table::new();
                table["name"] = value(name);
                tables.push(table);
                tables.len() - 1
            });
            if let Some(table) = tables.get_mut(at) {
                entries.iter().for_each(|entry| put(table, entry));
            }
        })?;
        let written = self.sites.iter().find(|site| site.name == name).cloned();
        written.ok_or_else(|| Error::new(Code::File, format!("no site {name:?} was written")))
    }

    /// Takes a site out of the file.
    ///
    /// # Errors
    /// `Code::NoSite` where there is none of that name.
    pub fn remove_site(&mut self, name: &str) -> Result<()> {
        if self.sites.iter().all(|site| site.name != name) {
            return Err(self.unknown(name));
        }
        self.sites = self.change(|tables| {
            if let Some(at) = place(tables, name) {
                tables.remove(at);
            }
        })?;
        Ok(())
    }
}

fn put(table: &mut Table, entry: &Entry) {
    let holder = match entry.table {
        // A table that is not there has no key to lose.
        Some(name) if entry.value.is_none() && !table.contains_key(name) => return,
        Some(name) => subtable(table, name).as_table_like_mut(),
        None => Some(table as &mut dyn toml_edit::TableLike),
    };
    let Some(holder) = holder else { return };
    match &entry.value {
        Some(plain) => {
            // A comment after the old value stays.
            let mut new = Value::from(plain.clone());
            if let Some(old) = holder.get(entry.key).and_then(|item| item.as_value()) {
                *new.decor_mut() = old.decor().clone();
            }
            holder.insert(entry.key, value(new));
        }
        None => {
            holder.remove(entry.key);
        }
    }
}
