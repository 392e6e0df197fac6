//! Reading users: the flag's bearers, those whose evidence moved, and those with sessions, in chunks.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sea_query::{Alias, Cond, Expr, ExprTrait, Query, SelectStatement};
use secrecy::SecretString;

use super::{CHUNK, OVERLAP, SqlStore};
use crate::error::Result;
use crate::store::catalog::Kind;
use crate::store::key::UserId;
use crate::store::schema::{Dialect, TimeColumn};
use crate::store::statement::{Cell, Read};
use crate::store::{Sink, Store, UserRow, expr};

impl SqlStore {
    pub(super) fn user_shape(&self) -> [Read; 12] {
        let time = match self.dialect() {
            Dialect::Postgres => Read::Int,
            Dialect::Sqlite => Read::Text,
        };
        let (text, int) = (Read::Text, Read::Int);
        [
            text, text, text, text, text, time, time, int, int, int, int, text,
        ]
    }

    pub(super) fn select_users(&self) -> SelectStatement {
        let d = self.dialect();
        let users = &self.users;
        let none = || Expr::cust("NULL");
        let text = |name: &Option<String>| match name {
            Some(name) => expr::text(d, expr::col(name)),
            None => none(),
        };
        let time = |column: &Option<TimeColumn>| match column {
            Some(column) => expr::time(d, column),
            None => match d {
                Dialect::Postgres => Expr::cust("CAST(NULL AS bigint)"),
                Dialect::Sqlite => none(),
            },
        };
        let truth = |name: &Option<String>| match (name, d) {
            (Some(name), _) => expr::truth(d, name),
            (None, Dialect::Postgres) => Expr::cust("CAST(NULL AS bigint)"),
            (None, Dialect::Sqlite) => none(),
        };
        let password = users.password.clone().filter(|_| self.passwords);
        Query::select()
            .expr(expr::text(d, expr::col(&users.id)))
            .expr(expr::text(d, expr::col(&users.username)))
            .expr(text(&users.email))
            .expr(text(&users.first_name))
            .expr(text(&users.last_name))
            .expr(time(&users.last_activity))
            .expr(time(&users.last_login))
            .expr(truth(&users.flag))
            .expr(truth(&users.is_staff))
            .expr(truth(&users.is_superuser))
            .expr(truth(&users.is_active))
            .expr(text(&password))
            .from(expr::table(&users.table))
            .to_owned()
    }

    pub(super) async fn user_rows(&self, query: &SelectStatement) -> Result<Vec<UserRow>> {
        let shape = self.user_shape();
        let rows = self.db.rows(query, &shape).await?;
        let knows_active = self.users.is_active.is_some();
        Ok(rows
            .into_iter()
            .filter_map(|row| user_row(row, self.users.id_kind, knows_active))
            .collect())
    }

    pub(super) fn ids(&self, ids: &[UserId]) -> Vec<Expr> {
        ids.iter()
            .filter_map(|id| expr::id(self.dialect(), self.users.id_kind, id))
            .collect()
    }

    /// Writes a truth about one user, and says whether this call changed it.
    pub(super) async fn set_truth(&self, column: &str, id: &UserId, to: bool) -> Result<bool> {
        let users = &self.users;
        let Some(id) = expr::id(self.dialect(), users.id_kind, id) else {
            return Ok(false);
        };
        let query = Query::update()
            .table(expr::table(&users.table))
            .value(Alias::new(column), to)
            .and_where(expr::col(&users.id).eq(id))
            .and_where(expr::col(column).eq(!to))
            .returning_col(Alias::new(&users.id))
            .to_owned();
        // The id is not needed, only whether a row came back.
        let rows = self.db.rows(&query, &[]).await?;
        Ok(!rows.is_empty())
    }

    /// Users whose evidence moved since `last`.
    pub(super) async fn read_moved_users(
        &self,
        last: Timestamp,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let d = self.dialect();
        let since = last.checked_sub(OVERLAP).unwrap_or(last);
        let mut any = Cond::any();
        for column in [&self.users.last_activity, &self.users.last_login]
            .into_iter()
            .flatten()
        {
            any = any.add(expr::col(&column.name).gte(expr::moment(d, column, since)));
        }
        let mut query = self.select_users();
        query.cond_where(any);
        for row in self.user_rows(&query).await? {
            sink.user(row);
        }
        Ok(())
    }

    pub(super) async fn read_flagged(&self, sink: &mut dyn Sink) -> Result<()> {
        let Some(flag) = &self.users.flag else {
            return Ok(());
        };
        let mut query = self.select_users();
        query.and_where(expr::col(flag).eq(true));
        let rows = self.user_rows(&query).await?;
        let ids: BTreeSet<UserId> = rows.iter().map(|r| r.id.clone()).collect();
        for row in rows {
            sink.user(row);
        }
        sink.flagged(ids);
        Ok(())
    }

    pub(super) async fn read_users(&self, ids: &[UserId], sink: &mut dyn Sink) -> Result<()> {
        for chunk in ids.chunks(CHUNK) {
            let rows = self.users(chunk).await?;
            let found: BTreeSet<&UserId> = rows.iter().map(|r| &r.id).collect();
            let missing = chunk
                .iter()
                .filter(|id| !found.contains(id))
                .cloned()
                .collect();
            sink.users_missing(missing);
            for row in rows {
                sink.user(row);
            }
        }
        Ok(())
    }
}

/// The ids that a statement returned.
pub(super) fn ids_of(rows: Vec<Vec<Cell>>, kind: Kind) -> impl Iterator<Item = UserId> {
    rows.into_iter()
        .flatten()
        .filter_map(Cell::text)
        .map(move |text| user_id(text, kind))
}

/// An id as text, in the form that Django writes into sessions.
pub(super) fn user_id(text: String, kind: Kind) -> UserId {
    if kind == Kind::Uuid
        && let Some(id) = UserId::from_uuid_text(&text)
    {
        return id;
    }
    UserId::new(text)
}

fn user_row(row: Vec<Cell>, kind: Kind, knows_active: bool) -> Option<UserRow> {
    let [
        id,
        username,
        email,
        first,
        last,
        activity,
        login,
        flag,
        staff,
        superuser,
        active,
        password,
    ] = <[Cell; 12]>::try_from(row).ok()?;
    let full = |cell: Cell| cell.text().filter(|t| !t.trim().is_empty());
    let name: Vec<String> = [full(first), full(last)].into_iter().flatten().collect();
    Some(UserRow {
        id: user_id(id.text()?, kind),
        username: username.text().unwrap_or_default(),
        email: full(email),
        name: Some(name.join(" ")).filter(|n| !n.is_empty()),
        last_activity: activity.time(),
        last_login: login.time(),
        flagged: flag.truth(),
        staff: staff.truth(),
        superuser: superuser.truth(),
        enabled: !knows_active || active.truth(),
        password: password.text().map(SecretString::from),
    })
}
