//! The user table: its rows, the flag's bearers, those whose evidence moved.

use jiff::Timestamp;
use sea_query::{Cond, Expr, ExprTrait, Order, SelectStatement};
use secrecy::SecretString;

use super::arrays::{self, as_arrays};
use super::read_back::{Found, not_made, read_back};
use super::take::Take;
use super::{OVERLAP, SOON, SqlStore};
use crate::error::{Code, Error, Result};
use crate::store::id_form::IdForm;
use crate::store::key::UserId;
use crate::store::schema::{Dialect, TimeColumn, UserTable};
use crate::store::statement::{Cell, Read};
use crate::store::{Hold, Sink, Store, UserRow, expr};

/// Where so many bear the flag and are not read in pieces, they are asked for row by row from the beginning.
const NOT_MANY: usize = 90_000;
/// Where more than these were active or bore the flag, or nobody knows, they are read in pieces of so many: no statement takes
/// long.
const PIECE: usize = 10_000;

impl SqlStore {
    pub(super) fn user_shape(&self) -> [Read; 12] {
        let time = expr::time_shape(self.dialect());
        let (text, int) = (Read::Text, Read::Int);
        [
            text, text, text, text, text, time, time, int, int, int, int, text,
        ]
    }

    pub(super) fn select_users(&self) -> SelectStatement {
        expr::from_users(&self.users)
            .exprs(self.user_columns())
            .to_owned()
    }

    fn user_columns(&self) -> [Expr; 12] {
        let d = self.dialect();
        let users = &self.users;
        let none = || match d {
            Dialect::Postgres => Expr::cust("CAST(NULL AS text)"),
            Dialect::Mysql | Dialect::Sqlite => Expr::cust("NULL"),
        };
        let text = |name: &Option<String>| match name {
            Some(name) => expr::text(d, expr::col(name)),
            None => none(),
        };
        let time = |column: &Option<TimeColumn>| match column {
            Some(column) => expr::time(d, column),
            None => match d {
                Dialect::Postgres => Expr::cust("CAST(NULL AS bigint)"),
                Dialect::Mysql | Dialect::Sqlite => none(),
            },
        };
        let truth = |name: &Option<String>| match (name, d) {
            (Some(name), _) => expr::truth(d, name),
            (None, Dialect::Postgres) => Expr::cust("CAST(NULL AS bigint)"),
            (None, Dialect::Mysql | Dialect::Sqlite) => none(),
        };
        let password = users.password.clone().filter(|_| self.passwords);
        [
            expr::text(d, expr::col(&users.id)),
            expr::text(d, expr::col(&users.username)),
            text(&users.email),
            text(&users.first_name),
            text(&users.last_name),
            time(&users.last_activity),
            time(&users.last_login),
            truth(&users.flag),
            truth(&users.is_staff),
            truth(&users.is_superuser),
            truth(&users.is_active),
            text(&password),
        ]
    }

    pub(super) async fn user_rows(&self, query: &SelectStatement) -> Result<Vec<UserRow>> {
        let shape = self.user_shape();
        let rows = self.db.rows(query, &shape).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| user_row(row, &self.users))
            .collect())
    }

    /// These users; none where no id can be one of theirs.
    pub(super) fn among(&self, ids: &[UserId]) -> Option<Expr> {
        self.among_by(&self.users.id, ids)
    }

    /// These users, by the key of one of their tables.
    fn among_by(&self, key: &str, ids: &[UserId]) -> Option<Expr> {
        expr::one_of(self.dialect(), key, self.users.id_form, ids)
    }

    /// How many rows those can be, where that is known: a UUID kept as a text is looked for in both cases.
    pub(super) fn most(&self, ids: &[UserId]) -> Option<usize> {
        let twice = match self.users.id_form {
            IdForm::Integer | IdForm::Uuid => 0,
            IdForm::Hex(_) => ids.len(),
            IdForm::Text(_) => ids
                .iter()
                .filter(|id| UserId::is_uuid_text(id.as_str()))
                .count(),
        };
        self.users.keyed.then_some(ids.len() + twice)
    }

    /// To change a truth of these users: of all that have it otherwise, or of no others than `held`, which are locked.
    pub(super) fn take(&self, ids: &[UserId], held: bool, column: &str, to: bool) -> Option<Take> {
        let users = &self.users;
        let (table, key) = users.place_of(column);
        let these = self.among_by(key, ids)?;
        let condition = match held {
            true => Cond::all(),
            false => Cond::all().add(these),
        };
        let most = self.most(ids);
        let take = Take::delete(table, key, condition, most).set(column, to, users.id_form);
        Some(take)
    }

    /// Writes a truth about one user, and says whether this call changed it. It fails where somebody holds the user.
    pub(super) async fn set_truth(&self, column: &str, id: &UserId, to: bool) -> Result<bool> {
        let ids = std::slice::from_ref(id);
        let Some(take) = self.take(ids, false, column, to) else {
            return Ok(false);
        };
        let taken = match take.alone(&self.db).await {
            Err(error) if error.code == Code::NotKnown => {
                return self.read_truth_back(column, id, to, error).await;
            }
            taken => taken?,
        };
        match taken.held && taken.keys.is_empty() {
            true => Err(Hold::Row.error()),
            false => Ok(!taken.keys.is_empty()),
        }
    }

    /// No answer came to [`Self::set_truth`]: returns true if the row has the truth now.
    ///
    /// # Errors
    /// The row has it not, or, with [`Code::NotKnown`], nobody can be asked.
    async fn read_truth_back(
        &self,
        column: &str,
        id: &UserId,
        to: bool,
        why: Error,
    ) -> Result<bool> {
        let of_flag = self.users.flag.as_deref() == Some(column);
        let set = || async {
            let rows = Store::users(self, std::slice::from_ref(id)).await?;
            let truth = |row: &UserRow| if of_flag { row.flagged } else { row.enabled };
            Ok(rows.iter().any(|row| truth(row) == to).then_some(()))
        };
        match read_back(set).await {
            Found::Made(()) => Ok(true),
            Found::NotMade => Err(not_made(&why)),
            Found::NotKnown => Err(why),
        }
    }

    /// Users whose evidence moved since `last`. `before`: of how many it had the last time, where that is known. Says of how
    /// many it has.
    pub(super) async fn read_moved_users(
        &self,
        before: Option<usize>,
        last: Timestamp,
        now: Timestamp,
        sink: &mut dyn Sink,
    ) -> Result<usize> {
        let d = self.dialect();
        let since = last.checked_sub(OVERLAP).unwrap_or(last);
        let mut any = Cond::any();
        for column in [&self.users.last_activity, &self.users.last_login]
            .into_iter()
            .flatten()
        {
            any = any.add(expr::maybe_after(d, column, since));
        }
        let soon = now.duration_since(last) <= SOON;
        let (columns, shape) = (self.user_columns(), self.user_shape());
        let mut take = |cells| {
            if let Some(row) = user_row(cells, &self.users) {
                sink.user(row);
            }
        };
        if may_be_many(before, soon)
            && let Some(many) = self.in_pieces(&columns, &shape, &any, &mut take).await?
        {
            return Ok(many);
        }
        self.hand_over(columns, &shape, any, soon, take).await
    }

    /// These columns, the id first, of users that meet a condition, in pieces; and how many they are. None: not all of them were, for
    /// this database or this kind of ids is not read so.
    async fn in_pieces<const N: usize>(
        &self,
        columns: &[Expr; N],
        shape: &[Read; N],
        these: &Cond,
        mut take: impl FnMut(Vec<Cell>),
    ) -> Result<Option<usize>> {
        if self.dialect() != Dialect::Postgres || self.users.id_form != IdForm::Integer {
            return Ok(None);
        }
        let (mut many, mut after) = (0, i64::MIN);
        loop {
            let piece = expr::from_users(&self.users)
                .cond_where(these.clone())
                .and_where(expr::col(&self.users.id).gt(after))
                .order_by_expr(expr::col(&self.users.id), Order::Asc)
                .limit(PIECE as u64)
                .to_owned();
            let mut rows = Vec::new();
            let keep = |cells| rows.push(cells);
            if !self.at_once(piece, columns.clone(), shape, keep).await? {
                return Ok(None);
            }
            let found = rows.len();
            let last = rows.last().and_then(|cells| match cells.first() {
                Some(Cell::Text(id)) => id.parse().ok(),
                _ => None,
            });
            rows.into_iter().for_each(&mut take);
            many += found;
            match last {
                Some(last) if found == PIECE => after = last,
                _ => return Ok(Some(many)),
            }
        }
    }

    /// Exactly these bear the flag. `before`: how many did, where that is known. Says how many do.
    pub(super) async fn read_flagged(
        &self,
        before: Option<usize>,
        sink: &mut dyn Sink,
    ) -> Result<Option<usize>> {
        let Some(flag) = &self.users.flag else {
            return Ok(None);
        };
        let id = expr::text(self.dialect(), expr::col(&self.users.id));
        let up = Cond::all().add(expr::col(flag).eq(true));
        let not_many = before.is_some_and(|before| before <= NOT_MANY);
        let mut ids = Vec::new();
        let mut take = |cells: Vec<Cell>| {
            let id = cells.into_iter().next().and_then(Cell::text);
            ids.extend(id.map(|id| self.users.id_form.id(&id)));
        };
        let (columns, shape) = ([id], [Read::Text]);
        let pieces = match before.is_none_or(|before| before > PIECE) {
            true => self.in_pieces(&columns, &shape, &up, &mut take).await?,
            false => None,
        };
        let many = match pieces {
            Some(many) => many,
            None => self.hand_over(columns, &shape, up, not_many, take).await?,
        };
        sink.flagged(ids);
        Ok(Some(many))
    }

    /// These columns of the users that meet a condition, and how many they are; at once, where those are not too many and the
    /// database can do it.
    async fn hand_over<const N: usize>(
        &self,
        columns: [Expr; N],
        shape: &[Read; N],
        condition: Cond,
        at_once: bool,
        mut take: impl FnMut(Vec<Cell>),
    ) -> Result<usize> {
        let mut many = 0;
        let mut take = |cells| {
            many += 1;
            take(cells);
        };
        let mut these = expr::from_users(&self.users)
            .cond_where(condition)
            .to_owned();
        if at_once && self.dialect() == Dialect::Postgres {
            let these = these.clone().limit(arrays::MOST + 1).to_owned();
            if self
                .at_once(these, columns.clone(), shape, &mut take)
                .await?
            {
                return Ok(many);
            }
        }
        these.exprs(columns);
        let rows = self.db.rows(&these, shape).await?;
        rows.into_iter().for_each(take);
        Ok(many)
    }

    /// These columns of a selection without any, as arrays: in the order that it names. False, and none taken, where those
    /// are not what was expected, or there are too many rows.
    async fn at_once<const N: usize>(
        &self,
        these: SelectStatement,
        columns: [Expr; N],
        shape: &[Read; N],
        take: impl FnMut(Vec<Cell>),
    ) -> Result<bool> {
        let mut arrays = vec![Read::Bytes; N + 1];
        arrays[0] = Read::Int;
        let query = as_arrays(these, columns);
        let answer = self.db.rows(&query, &arrays).await?.pop();
        Ok(arrays::rows(answer.unwrap_or_default(), shape, take))
    }
}

/// Whether more than a piece may have been active, where so many were before the last reading of it: after a long time nothing
/// tells.
fn may_be_many(before: Option<usize>, soon: bool) -> bool {
    !soon || before.is_none_or(|before| before > PIECE)
}

pub(super) fn user_row(row: Vec<Cell>, users: &UserTable) -> Option<UserRow> {
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
    let time = |column: &Option<TimeColumn>, cell: Cell| cell.time(column.as_ref()?.zone());
    let name: Vec<String> = [full(first), full(last)].into_iter().flatten().collect();
    Some(UserRow {
        id: users.id_form.id(&id.text()?),
        username: username.text().unwrap_or_default(),
        email: full(email),
        name: Some(name.join(" ")).filter(|n| !n.is_empty()),
        last_activity: time(&users.last_activity, activity),
        last_login: time(&users.last_login, login),
        flagged: flag.truth(),
        staff: staff.truth(),
        superuser: superuser.truth(),
        enabled: users.is_active.is_none() || active.truth(),
        password: password.text().map(SecretString::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_long_time_many_may_have_been_active_however_few_were_before() {
        assert!(!may_be_many(Some(PIECE), true));
        assert!(may_be_many(Some(PIECE + 1), true) && may_be_many(None, true));
        assert!(may_be_many(Some(0), false));
    }
}
