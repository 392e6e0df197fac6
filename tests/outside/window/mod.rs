//! The window itself, under Xvfb through WebKitWebDriver, over a real Django site.

/// Rows, counters, search, and how soon a change shows.
mod rows;
