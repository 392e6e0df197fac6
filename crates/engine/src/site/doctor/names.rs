//! Whether the users whom the configuration names exist. A misspelt name exempts nobody.

use super::sheet::{Finding, bad, good};
use crate::error::Result;
use crate::site::Site;

/// Looks up each name of `exempt` and `own_username`, as the site's database compares usernames.
pub(super) async fn configured(site: &Site) -> Finding {
    let exempt = site.policy().exempt;
    let own = exempt.own.iter().map(|name| ("own_username", name));
    let names = own.chain(exempt.usernames.iter().map(|name| ("exempt", name)));
    let (mut known, mut unknown) = (0, Vec::new());
    for (key, name) in names {
        match looked_up(site, name).await {
            Ok(None) => known += 1,
            Ok(Some(why)) => unknown.push(format!("{key} names {name:?}, {why}")),
            Err(error) => {
                let detail = format!("not checked: {}", error.message);
                return bad(detail, "correct that first, then run doctor again");
            }
        }
    }
    match (unknown.is_empty(), known) {
        (true, 0) => good("no user is named by exempt or own_username"),
        (true, 1) => good("the user named by exempt or own_username exists"),
        (true, _) => good(format!(
            "the {known} users named by exempt or own_username exist"
        )),
        (false, _) => bad(
            format!(
                "{}; a sweep spares nobody by such a name",
                unknown.join("; ")
            ),
            "write each name in config.toml as the site has it, or take it out",
        ),
    }
}

/// Why no user is meant by this name. `None` if there is one.
async fn looked_up(site: &Site, name: &str) -> Result<Option<String>> {
    let names = site.schema.users.names;
    let rows = site.store.users_alike(name).await?;
    if rows.iter().any(|row| names.same(&row.username, name)) {
        return Ok(None);
    }
    // Typical slips: a space too many, and capitals.
    let trimmed = name.trim();
    for guess in [trimmed.to_owned(), trimmed.to_lowercase()] {
        if let Some(row) = site.store.users_alike(&guess).await?.first() {
            return Ok(Some(format!(
                "which no user has; the site has {:?}",
                row.username
            )));
        }
    }
    Ok(Some("which no user has".to_owned()))
}
