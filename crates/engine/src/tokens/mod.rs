//! API tokens of users who are signed out: counted, reported, and revoked where the operator asked for it, in the way of the
//! package that made them. A token is another way in beside the sessions; the outcome of a sign-out says which are left.
//! Never here: a token itself.

mod known;
mod words;

pub use known::discover;

use jiff::Timestamp;

use crate::error::{Code, Result};
use crate::site::Site;
use crate::store::UserId;
use crate::store::tokens::{Revoke, TokenTable};
use crate::view::{Found, TokenTableView, TokensView};

/// What the site's description says of a token table.
pub(crate) fn found(table: &TokenTable) -> Found {
    Found {
        what: "API tokens".into(),
        value: Some(table.table.shown()),
        because: match table.revoke {
            Revoke::Unknown => "its columns; Curfew counts them and cannot revoke them".into(),
            _ => "its name and columns".into(),
        },
    }
}

/// Live tokens of one user in one table, before and after.
#[derive(Debug, Clone)]
struct Row {
    /// The table's place among the site's token tables.
    table: usize,
    found: u32,
    revoked: u32,
    left: u32,
    until: Option<Timestamp>,
    why: Option<String>,
    /// No answer came to the revocation, and the table cannot be counted.
    unanswered: bool,
}

/// The tokens of one user.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    id: UserId,
    username: String,
    rows: Vec<Row>,
    /// Tables that could not be read, and why.
    unchecked: Vec<String>,
    /// The right without which tables can be hidden from Curfew's account.
    hidden: Option<String>,
    /// The operator asked for a revocation.
    asked: bool,
}

impl Standing {
    pub(crate) fn is_of(&self, id: &UserId) -> bool {
        self.id == *id
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked
    }

    /// Whether there is anything to say of tokens.
    pub(crate) fn is_anything(&self) -> bool {
        !self.rows.is_empty() || !self.unchecked.is_empty()
    }

    /// Whether the operator asked for a revocation and some tokens may be left.
    fn is_short(&self) -> bool {
        let left = self.rows.iter().any(|row| row.left > 0);
        self.asked && (left || !self.unchecked.is_empty() || self.hidden.is_some())
    }
}

impl Site {
    /// A user's key, as this site's users are compared.
    pub(crate) fn user_id(&self, id: &str) -> UserId {
        self.schema.users.id_form.id(id)
    }

    /// Whether this sign-out revokes tokens.
    pub(crate) fn revokes_tokens(&self, asked: bool) -> bool {
        asked || self.config().revoke_tokens
    }

    /// The tokens of a user, for the panel and `curfew sessions`.
    pub async fn tokens_of(&self, id: &str, username: &str) -> Option<TokensView> {
        let users = [(self.user_id(id), username.to_owned())];
        let standing = self.count_tokens(&users, false).await.pop()?;
        Some(self.tokens_view(&standing))
    }

    /// Counts the live tokens of these users, in their order.
    pub(crate) async fn count_tokens(
        &self,
        users: &[(UserId, String)],
        asked: bool,
    ) -> Vec<Standing> {
        let mut standings: Vec<Standing> = users
            .iter()
            .map(|(id, username)| Standing {
                id: id.clone(),
                username: username.clone(),
                rows: Vec::new(),
                unchecked: Vec::new(),
                hidden: None,
                asked,
            })
            .collect();
        let ids: Vec<UserId> = users.iter().map(|(id, _)| id.clone()).collect();
        let now = match self.asked_now().await {
            Ok(now) => now,
            Err(error) => {
                for standing in &mut standings {
                    standing.unchecked.push(error.message.clone());
                }
                return standings;
            }
        };
        match self.tokens.hidden(&self.schema.users.table).await {
            Ok(hidden) => {
                for standing in &mut standings {
                    standing.hidden.clone_from(&hidden);
                }
            }
            Err(error) => {
                for standing in &mut standings {
                    standing.unchecked.push(error.message.clone());
                }
            }
        }
        for (place, table) in self.tokens.tables.iter().enumerate() {
            match self.tokens.held(table, &ids, now).await {
                Ok(held) => {
                    for one in held {
                        let of = standings.iter_mut().filter(|s| s.id == one.user);
                        for standing in of {
                            standing.rows.push(Row {
                                table: place,
                                found: one.count,
                                revoked: 0,
                                left: one.count,
                                until: one.until,
                                why: None,
                                unanswered: false,
                            });
                        }
                    }
                }
                Err(error) => {
                    let why = format!("{}: {}", table.table.shown(), error.message);
                    for standing in &mut standings {
                        standing.unchecked.push(why.clone());
                    }
                }
            }
        }
        standings
    }

    /// The database's time. Without a refresh, as on a site whose sessions nobody can see, the database is asked for it.
    async fn asked_now(&self) -> Result<Timestamp> {
        match self.db_now() {
            Some(now) => Ok(now),
            None => self.store.now().await,
        }
    }

    /// Revokes what was found, if the operator asked for it. The journal has to have the intent already.
    pub(crate) async fn revoke_tokens(&self, standing: &mut Standing) {
        if !standing.asked || standing.rows.is_empty() {
            return;
        }
        let now = match self.asked_now().await {
            Ok(now) => now,
            Err(error) => {
                for row in &mut standing.rows {
                    row.why = Some(error.message.clone());
                }
                return;
            }
        };
        for row in &mut standing.rows {
            let Some(table) = self.tokens.tables.get(row.table) else {
                continue;
            };
            if table.revoke == Revoke::Unknown {
                row.why = Some("Curfew does not know how this table's tokens are revoked".into());
                continue;
            }
            match self.tokens.revoke(table, &standing.id, now).await {
                Ok(revoked) => {
                    row.revoked = revoked;
                    row.left = row.found.saturating_sub(revoked);
                }
                Err(error) => {
                    row.unanswered = error.code == Code::NotKnown;
                    row.why = Some(error.message);
                }
            }
        }
    }

    /// Counts again what should be gone. A token that was issued meanwhile counts as left.
    pub(crate) async fn check_tokens(&self, standings: &mut [Standing]) {
        let asked = standings.iter().filter(|s| s.asked && !s.rows.is_empty());
        let users: Vec<(UserId, String)> =
            asked.map(|s| (s.id.clone(), s.username.clone())).collect();
        if users.is_empty() {
            return;
        }
        for after in self.count_tokens(&users, true).await {
            let Some(standing) = standings.iter_mut().find(|s| s.id == after.id) else {
                continue;
            };
            standing.unchecked.clone_from(&after.unchecked);
            standing.hidden.clone_from(&after.hidden);
            // A table that cannot be read again proves nothing: what was found there counts as left.
            let all_read = after.unchecked.is_empty();
            for row in &mut standing.rows {
                row.unanswered &= !all_read;
                row.left = match all_read {
                    true => 0,
                    false => row.found,
                };
            }
            for row in after.rows {
                match standing
                    .rows
                    .iter_mut()
                    .find(|known| known.table == row.table)
                {
                    Some(known) => {
                        known.left = row.left;
                        known.found = known.found.max(known.revoked + row.left);
                    }
                    None => standing.rows.push(row),
                }
            }
            // The answer to a commit may have been lost. The recount says what happened.
            let recounted = |row: &&mut Row| row.why.is_some() && !row.unanswered;
            for row in standing.rows.iter_mut().filter(recounted) {
                row.revoked = row.found.saturating_sub(row.left);
                if row.left == 0 {
                    row.why = None;
                }
            }
        }
    }

    /// Whether tokens can be counted and, if the site is to revoke them, revoked: what was found, or what is in the way and
    /// what to do about it.
    pub(crate) async fn tokens_proven(&self) -> std::result::Result<String, (String, String)> {
        let revokes = self.config().revoke_tokens;
        let now = self.db_now().unwrap_or(Timestamp::UNIX_EPOCH);
        let mut lacks = Vec::new();
        let mut blind = None;
        match self.tokens.hidden(&self.schema.users.table).await {
            Ok(None) => {}
            Ok(Some(grant)) if revokes => lacks.push(words::hidden(&grant)),
            Ok(Some(grant)) => blind = Some(words::hidden(&grant)),
            Err(error) => lacks.push(error.message),
        }
        let mut unknown = Vec::new();
        for table in &self.tokens.tables {
            if let Err(error) = self.tokens.may_count(table, now).await {
                lacks.push(error.message);
            } else if revokes && table.revoke == Revoke::Unknown {
                unknown.push(table.table.shown());
            } else if revokes && let Err(error) = self.tokens.may_revoke(table, now).await {
                lacks.push(error.message);
            }
        }
        if !lacks.is_empty() {
            return Err((lacks.join("; "), words::REMEDY.into()));
        }
        let tables: Vec<String> = self.tokens.tables.iter().map(|t| t.table.shown()).collect();
        Ok(words::proven(&tables, &unknown, revokes, blind))
    }

    /// What a report says of it.
    pub(crate) fn tokens_view(&self, standing: &Standing) -> TokensView {
        let sum = |of: fn(&Row) -> u32| standing.rows.iter().map(of).sum();
        let tables = standing.rows.iter().filter_map(|row| {
            let table: &TokenTable = self.tokens.tables.get(row.table)?;
            Some(TokenTableView {
                kind: words::kind(table.kind).into(),
                table: table.table.shown(),
                found: row.found,
                revoked: row.revoked,
                left: row.left,
                until: row.until,
                why: row.why.clone(),
            })
        });
        let mut view = TokensView {
            found: sum(|row| row.found),
            revoked: sum(|row| row.revoked),
            left: sum(|row| row.left),
            tables: tables.collect(),
            unchecked: standing
                .unchecked
                .iter()
                .cloned()
                .chain(standing.hidden.as_deref().map(words::hidden))
                .collect(),
            asked: standing.asked,
            complete: !standing.is_short(),
            detail: String::new(),
        };
        let unanswered = standing.rows.iter().filter(|row| row.unanswered);
        let unanswered: u32 = unanswered.map(|row| row.found).sum();
        view.detail = words::say(&standing.username, &view, unanswered);
        view
    }
}
