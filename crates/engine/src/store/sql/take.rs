//! Rows that this statement, and no other, deleted or changed: what a deed may claim.
//!
//! PostgreSQL and SQLite return them; PostgreSQL waits for nobody beyond a moment. MySQL returns nothing, so there the rows are locked and read first, and what
//! others hold is passed over: nobody waits. MariaDB returns what it deleted, and one statement does it while nobody
//! holds any of it. Rows that are locked already are not read again.

mod alone;

use std::collections::HashSet;

use sea_query::{
    Alias, Cond, DeleteStatement, Expr, ExprTrait, Query, SelectStatement, UpdateStatement,
};

use crate::store::expr;
use crate::store::id_form::IdForm;
use crate::store::key::UserId;
use crate::store::schema::{Dialect, TableName};
use crate::store::statement::{Cell, Read, Statement};
use crate::store::tx::Tx;

/// So many rows a deletion at MariaDB finds by their keys even where there is only one beside them. Where more are nearly
/// all, it goes through the table, and waits for that one; half of them are not nearly all.
const FEW: usize = 16;

/// What is done to rows.
#[derive(Clone)]
enum Deed {
    Delete,
    /// A column's truth becomes this; rows where it is already are not taken. The key is of this form.
    Set(String, bool, IdForm),
}

/// Rows of a table that meet a condition.
#[derive(Clone)]
pub(super) struct Take {
    table: TableName,
    key: String,
    condition: Cond,
    most: Option<usize>,
    whole: bool,
    deed: Deed,
}

impl Take {
    /// To delete the rows that meet a condition. `key` names them. They are no more than `most`, where that is known.
    pub fn delete(table: &TableName, key: &str, condition: Cond, most: Option<usize>) -> Self {
        Self {
            table: table.clone(),
            key: key.to_owned(),
            condition: Cond::all().add(condition),
            most,
            whole: false,
            deed: Deed::Delete,
        }
    }

    /// In one statement, for the condition speaks of other rows, too, and is to hold for all of these at once.
    pub fn whole(self) -> Self {
        Self {
            whole: true,
            ..self
        }
    }

    /// To change a truth of the rows that meet a condition. Their key is of this form.
    pub fn set(self, column: &str, to: bool, form: IdForm) -> Self {
        Self {
            condition: self.condition.add(expr::col(column).eq(!to)),
            deed: Deed::Set(column.to_owned(), to, form),
            ..self
        }
    }

    /// Takes them, and returns their keys. On MySQL those that others hold are left out.
    pub async fn within(&self, tx: &mut Tx) -> Result<Vec<String>, sqlx::Error> {
        let d = tx.dialect();
        match tx.passing() {
            None => tx.run(self.returning(d)).await.map(texts),
            Some(passing) => {
                let mut query = self.keys(d, self.condition.clone());
                let few = self.most.map(|most| (self.key.as_str(), most));
                passing.lock(&mut query, few);
                let held = texts(tx.rows(&query, &[Read::Text]).await?);
                self.take_held(tx, held).await
            }
        }
    }

    /// Deletes them, and returns the key of each, and this as it was. At MariaDB, whose alone this is of MySQL's kind, it fails
    /// at once where somebody holds one of them.
    pub async fn with(
        &self,
        tx: &mut Tx,
        what: Expr,
        shape: Read,
    ) -> Result<Vec<(String, Cell)>, sqlx::Error> {
        let d = tx.dialect();
        let returned = vec![expr::text(d, expr::col(&self.key)), what];
        let shape = [Read::Text, shape];
        let mut deletion = self.deletion(d, self.condition.clone(), self.most);
        let statement = match d {
            Dialect::Mysql => Statement::deleting_at_once(&deletion, returned, &shape),
            Dialect::Postgres | Dialect::Sqlite => {
                let deletion = deletion.returning(Query::returning().exprs(returned));
                Statement::new(d, deletion, &shape)
            }
        };
        let rows = tx.run(statement).await?.into_iter();
        Ok(rows
            .filter_map(|row| {
                let mut cells = row.into_iter();
                Some((cells.next()?.text()?, cells.next()?))
            })
            .collect())
    }

    /// Takes them, and says only how many: for whoever knows all that there can be.
    pub async fn counted(mut self, tx: &mut Tx) -> Result<u64, sqlx::Error> {
        let condition = std::mem::replace(&mut self.condition, Cond::all());
        let statement = self.statement(tx.dialect(), condition, self.most);
        tx.count(statement).await
    }

    /// Takes those of these rows that meet the condition, which nobody else can change until this transaction is over: it
    /// has locked them, or its file. Returns their keys.
    pub async fn of_held(
        &self,
        tx: &mut Tx,
        held: Vec<String>,
    ) -> Result<Vec<String>, sqlx::Error> {
        let d = tx.dialect();
        if d == Dialect::Mysql {
            return self.take_held(tx, held).await;
        }
        let Some(these) = self.these(d, &held) else {
            return Ok(Vec::new());
        };
        let condition = self.condition.clone().add(these);
        let these = Self {
            condition,
            ..self.clone()
        };
        tx.run(these.returning(d)).await.map(texts)
    }

    /// Takes rows that this transaction has locked. The condition is asked again: it may speak of other tables.
    async fn take_held(&self, tx: &mut Tx, held: Vec<String>) -> Result<Vec<String>, sqlx::Error> {
        let d = tx.dialect();
        let deletes = matches!(self.deed, Deed::Delete) && self.most.is_some();
        let parts = deletes && tx.is_mariadb() && !self.whole;
        let (mut taken, mut rest) = (0, held.as_slice());
        while !rest.is_empty() {
            let few = match parts && rest.len() > FEW {
                true => rest.len() / 2,
                false => rest.len(),
            };
            let (some, later) = rest.split_at(few);
            rest = later;
            let Some(these) = self.these(d, some) else {
                continue;
            };
            let most = match self.deed {
                Deed::Delete => self.most.map(|_| some.len()),
                Deed::Set(..) => self.most,
            };
            let condition = self.condition.clone().add(these);
            taken += tx.count(self.statement(d, condition, most)).await?;
        }
        if usize::try_from(taken).is_ok_and(|taken| taken == held.len()) {
            return Ok(held);
        }
        let Some(these) = self.these(d, &held) else {
            return Ok(Vec::new());
        };
        let left = match &self.deed {
            Deed::Delete => Cond::all(),
            Deed::Set(column, to, _) => Cond::all().add(expr::col(column).eq(!*to)),
        };
        let query = self.keys(d, left.add(these));
        // Of a user's key, `held` may have another spelling than the table.
        let plain = |key: String| match self.deed {
            Deed::Delete => key,
            Deed::Set(_, _, form) => form.id(&key).to_string(),
        };
        let left: HashSet<String> = texts(tx.rows(&query, &[Read::Text]).await?)
            .into_iter()
            .map(plain)
            .collect();
        let gone = |key: &String| !left.contains(&plain(key.clone()));
        Ok(held.into_iter().filter(gone).collect())
    }

    /// The keys of what meets this condition.
    fn keys(&self, d: Dialect, condition: Cond) -> SelectStatement {
        Query::select()
            .expr(expr::text(d, expr::col(&self.key)))
            .from(expr::table(&self.table))
            .cond_where(condition)
            .to_owned()
    }

    /// The deed itself, to no more than so many.
    fn statement(&self, d: Dialect, condition: Cond, most: Option<usize>) -> Statement {
        match &self.deed {
            Deed::Delete => Statement::new(d, &self.deletion(d, condition, most), &[]),
            Deed::Set(column, to, _) => {
                let mut change = self.change(column, *to, condition);
                if let (Dialect::Mysql, Some(most)) = (d, most) {
                    change.limit(most as u64);
                }
                Statement::new(d, &change, &[])
            }
        }
    }

    /// The deed, which says what it took.
    fn returning(&self, d: Dialect) -> Statement {
        let condition = self.condition.clone();
        let key = Query::returning().expr(expr::text(d, expr::col(&self.key)));
        let shape = [Read::Text];
        match &self.deed {
            Deed::Delete => {
                let mut deletion = self.deletion(d, condition, self.most);
                Statement::new(d, deletion.returning(key), &shape)
            }
            Deed::Set(column, to, _) => {
                let mut change = self.change(column, *to, condition);
                Statement::new(d, change.returning(key), &shape)
            }
        }
    }

    /// The rows of these keys; none where no key can be one of theirs.
    fn these(&self, d: Dialect, keys: &[String]) -> Option<Expr> {
        if keys.is_empty() {
            return None;
        }
        match self.deed {
            Deed::Delete => Some(expr::among(d, &self.key, keys.iter().map(String::as_str))),
            Deed::Set(_, _, form) => {
                let ids: Vec<UserId> = keys.iter().map(|key| form.id(key)).collect();
                expr::one_of(d, &self.key, form, &ids)
            }
        }
    }

    /// Of no more than so many, which only MySQL's kind is told, for the reason that `Passing::lock` gives.
    fn deletion(&self, d: Dialect, condition: Cond, most: Option<usize>) -> DeleteStatement {
        let mut deletion = Query::delete();
        deletion
            .from_table(expr::table(&self.table))
            .cond_where(condition);
        if let (Dialect::Mysql, Some(most)) = (d, most) {
            deletion.limit(most as u64);
        }
        deletion
    }

    fn change(&self, column: &str, to: bool, condition: Cond) -> UpdateStatement {
        Query::update()
            .table(expr::table(&self.table))
            .value(Alias::new(column), to)
            .cond_where(condition)
            .to_owned()
    }
}

fn texts(rows: Vec<Vec<Cell>>) -> Vec<String> {
    rows.into_iter().flatten().filter_map(Cell::text).collect()
}
