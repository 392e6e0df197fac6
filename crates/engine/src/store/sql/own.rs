//! What a session table has beside Django's three columns: whose session it is, from where and by what, and when it
//! was last used.

use sea_query::SelectStatement;

use super::SqlSessions;
use crate::store::statement::{Cell, Read};
use crate::store::{Extra, expr};

impl SqlSessions {
    /// What the rows of [`SqlSessions::select_sessions`] hold.
    pub(super) fn whole_shape(&self) -> Vec<Read> {
        let mut shape = self.session_shape().to_vec();
        let table = &self.table;
        for there in [
            table.user.is_some(),
            table.ip.is_some(),
            table.device.is_some(),
        ] {
            if there {
                shape.push(Read::Text);
            }
        }
        if table.seen.is_some() {
            shape.push(self.session_shape()[2]);
        }
        shape
    }

    /// Asks for them, in the same order.
    pub(super) fn select_own(&self, query: &mut SelectStatement) {
        let d = self.db.dialect();
        let table = &self.table;
        let user = table.user.as_ref().map(|(column, _)| column);
        for column in [user, table.ip.as_ref(), table.device.as_ref()]
            .into_iter()
            .flatten()
        {
            query.expr(expr::text(d, expr::col(column)));
        }
        if let Some(column) = &table.seen {
            query.expr(expr::time(d, column));
        }
    }

    /// Takes them in, in the same order.
    pub(super) fn own(&self, mut cells: impl Iterator<Item = Cell>) -> Option<Box<Extra>> {
        let table = &self.table;
        let mut text = |there: bool| -> Option<String> {
            there
                .then(|| cells.next()?.text())
                .flatten()
                .filter(|text| !text.trim().is_empty())
        };
        let user = text(table.user.is_some());
        let ip = text(table.ip.is_some());
        let device = text(table.device.is_some());
        let extra = Extra {
            user: user
                .zip(table.user.as_ref())
                .map(|(id, (_, form))| form.id(&id)),
            ip: ip.map(|ip| host(&ip).to_string()),
            device,
            seen: table
                .seen
                .as_ref()
                .and_then(|column| cells.next()?.time(column.zone())),
        };
        (extra != Extra::default()).then(|| Box::new(extra))
    }
}

/// PostgreSQL writes a host as a network of one.
fn host(ip: &str) -> &str {
    ip.strip_suffix("/32")
        .or_else(|| ip.strip_suffix("/128"))
        .unwrap_or(ip)
}
