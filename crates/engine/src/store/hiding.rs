//! That a session table shows a role only a part of its rows, and why.

/// A table of which rows are hidden, or may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hiding {
    pub table: String,
    pub by: HiddenBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenBy {
    RowSecurity,
    /// The table is a view, and nothing proves that the view shows every row.
    View,
}
