//! Which tables hold tokens of users: those of known packages by name and columns, others by shape. Pure, from the catalog.

use crate::store::catalog::{Column, Kind, Reference, Table};
use crate::store::schema::{TableName, TimeColumn, UserTable};
use crate::store::tokens::{Live, Revoke, TokenKind, TokenTable};

/// Columns in which sites keep a token, without case and underscores.
const TOKENS: [&str; 12] = [
    "token",
    "tokenhash",
    "hashedtoken",
    "tokenkey",
    "apikey",
    "apitoken",
    "apikeyhash",
    "authtoken",
    "accesstoken",
    "refreshtoken",
    "hashedkey",
    "digest",
];
/// Words in the name of a table whose column `key` or `hash` is a token.
const NAMES: [&str; 3] = ["token", "apikey", "accesskey"];
/// Words in the name of a table whose tokens are no API tokens: confirmations, links that a mail holds, devices to push to,
/// tokens of this site at other sites.
const OTHERS: [&str; 13] = [
    "push",
    "fcm",
    "device",
    "confirm",
    "verif",
    "activation",
    "reset",
    "invitation",
    "invite",
    "csrf",
    "unsubscribe",
    "social",
    "webhook",
];
const EXPIRY: [&str; 8] = [
    "expires",
    "expiresat",
    "expiry",
    "expirydate",
    "expiration",
    "expirationdate",
    "validuntil",
    "expireson",
];
const REVOKED: [&str; 5] = ["revoked", "revokedat", "isrevoked", "disabled", "deletedat"];
const ENABLED: [&str; 3] = ["isactive", "active", "enabled"];

/// The token tables of a site, beside the users' table.
pub fn discover(tables: &[Table], users: &UserTable) -> Vec<TokenTable> {
    let is =
        |table: &&Table, name: &TableName| table.name == name.name && table.schema == name.schema;
    let Some(home) = tables.iter().find(|table| is(table, &users.table)) else {
        return Vec::new();
    };
    // A user's key is also the key of the tables that the user model inherits from.
    let parents = users.parents.iter();
    let parents = parents.filter_map(|parent| tables.iter().find(|t| is(t, &parent.table)));
    let site = Tables {
        users,
        homes: std::iter::once(home).chain(parents).collect(),
        beside: tables.iter().filter(|t| t.place == home.place).collect(),
    };
    let beside = site.beside.iter();
    let mut found: Vec<TokenTable> = beside
        .filter_map(|table| site.known(table).or_else(|| site.by_shape(table)))
        .collect();
    for home in &site.homes {
        found.extend(columns_of_users(home, users));
    }
    found
}

/// The tables of one site.
struct Tables<'a> {
    users: &'a UserTable,
    /// The users' table, and those that it inherits from.
    homes: Vec<&'a Table>,
    /// All tables of the schema that the users' table is in.
    beside: Vec<&'a Table>,
}

fn bare(name: &str) -> String {
    let letters = name.chars().filter(|c| *c != '_' && *c != ' ');
    letters.flat_map(char::to_lowercase).collect()
}

fn name_of(table: &Table) -> TableName {
    TableName {
        schema: table.schema.clone(),
        name: table.name.clone(),
    }
}

fn time(table: &Table, column: &str) -> Option<TimeColumn> {
    table.column(column).and_then(TimeColumn::of)
}

impl Tables<'_> {
    /// The column that refers to the users' table.
    fn reference<'t>(&self, table: &'t Table) -> Option<&'t Column> {
        let to = |reference: &&Reference| self.homes.iter().any(|home| home.is_target(reference));
        let column = &table.references.iter().find(to)?.column;
        table.column(column)
    }

    /// A table of a known package.
    fn known(&self, table: &Table) -> Option<TokenTable> {
        // Django's own name for the column, where the database keeps no foreign keys.
        let user = self.reference(table).or_else(|| table.column("user_id"))?;
        let make = |kind, live, expires, revoke| TokenTable {
            kind,
            table: name_of(table),
            user: user.name.clone(),
            user_form: self.users.id_form,
            live,
            expires,
            revoke,
        };
        let dies = |kind, column: &str, revoke: fn(TimeColumn) -> Revoke| {
            let at = time(table, column)?;
            Some(make(
                kind,
                vec![Live::Future(at.clone())],
                Some(at.clone()),
                revoke(at),
            ))
        };
        match table.name.as_str() {
            "authtoken_token" => {
                table.column("key")?;
                Some(make(TokenKind::Drf, Vec::new(), None, Revoke::Delete))
            }
            "knox_authtoken" => dies(TokenKind::Knox, "expiry", |_| Revoke::Delete),
            "token_blacklist_outstandingtoken" => {
                let expires = time(table, "expires_at")?;
                let listed = self
                    .beside
                    .iter()
                    .find(|other| other.name == "token_blacklist_blacklistedtoken")?;
                let key = table.column("id")?.name.clone();
                let token = listed.column("token_id")?.name.clone();
                let live = vec![
                    Live::Future(expires.clone()),
                    Live::Unlisted {
                        table: name_of(listed),
                        column: token.clone(),
                        key: key.clone(),
                    },
                ];
                let revoke = Revoke::List {
                    table: name_of(listed),
                    token,
                    at: time(listed, "blacklisted_at")?,
                    key,
                };
                Some(make(TokenKind::JwtRefresh, live, Some(expires), revoke))
            }
            "oauth2_provider_accesstoken" => {
                dies(TokenKind::OauthAccess, "expires", Revoke::Expire)
            }
            "oauth2_provider_grant" => dies(TokenKind::OauthGrant, "expires", |_| Revoke::Delete),
            "oauth2_provider_devicegrant" => {
                dies(TokenKind::OauthDevice, "expires", |_| Revoke::Delete)
            }
            "oauth2_provider_refreshtoken" => {
                let revoked = time(table, "revoked")?;
                let live = vec![Live::Unset(revoked.name.clone())];
                Some(make(
                    TokenKind::OauthRefresh,
                    live,
                    None,
                    Revoke::Stamp(revoked),
                ))
            }
            _ => None,
        }
    }

    /// A table that refers to users and holds something like a token.
    fn by_shape(&self, table: &Table) -> Option<TokenTable> {
        let user = self.reference(table)?;
        let name = bare(&table.name);
        // An ID token says who somebody is, and lets nobody in.
        if name.starts_with("oauth2provider") || OTHERS.iter().any(|word| name.contains(word)) {
            return None;
        }
        let named = NAMES.iter().any(|word| name.contains(word));
        let token = table.columns.iter().find(|column| {
            let is = bare(&column.name);
            // A reference to another table is no token.
            let plain = !table.references.iter().any(|r| r.column == column.name);
            let text = matches!(column.kind(), Kind::Text | Kind::Uuid | Kind::Other);
            let fits =
                TOKENS.contains(&is.as_str()) || (named && matches!(is.as_str(), "key" | "hash"));
            plain && text && fits
        })?;
        let mut live = Vec::new();
        let mut expires = None;
        for column in table.columns.iter().filter(|c| c.name != token.name) {
            let (is, boolean) = (bare(&column.name), column.kind() == Kind::Boolean);
            let at = TimeColumn::of(column);
            if EXPIRY.contains(&is.as_str())
                && let Some(at) = at
            {
                live.push(Live::Future(at.clone()));
                expires = Some(at);
            } else if REVOKED.contains(&is.as_str()) && at.is_some() {
                live.push(Live::Unset(column.name.clone()));
            } else if REVOKED.contains(&is.as_str()) && boolean {
                live.push(Live::Is(column.name.clone(), false));
            } else if ENABLED.contains(&is.as_str()) && boolean {
                live.push(Live::Is(column.name.clone(), true));
            }
        }
        Some(TokenTable {
            kind: TokenKind::Own,
            table: name_of(table),
            user: user.name.clone(),
            user_form: self.users.id_form,
            live,
            expires,
            revoke: Revoke::Unknown,
        })
    }
}

/// A token that a site keeps in its users' table, or in one that the user model inherits from.
fn columns_of_users(table: &Table, users: &UserTable) -> Vec<TokenTable> {
    const OF_USERS: [&str; 5] = [
        "apikey",
        "apitoken",
        "authtoken",
        "accesstoken",
        "apikeyhash",
    ];
    let fits = |column: &&Column| {
        OF_USERS.contains(&bare(&column.name).as_str()) && column.kind() == Kind::Text
    };
    let parents = users.parents.iter();
    let key = parents
        .filter(|parent| parent.table == name_of(table))
        .map(|parent| &parent.key)
        .next()
        .unwrap_or(&users.id);
    table
        .columns
        .iter()
        .filter(fits)
        .map(|column| TokenTable {
            kind: TokenKind::Own,
            table: name_of(table),
            user: key.clone(),
            user_form: users.id_form,
            live: vec![Live::Filled(column.name.clone())],
            expires: None,
            revoke: Revoke::Unknown,
        })
        .collect()
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
