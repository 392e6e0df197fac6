//! The window itself, under Xvfb through WebKitWebDriver, over a real Django site.

use crate::harness::Site;

/// Puts another site into a PostgreSQL site's database, in the schema `acme`: as far as anybody can see, each may be meant.
async fn add_acme(site: &Site) {
    for table in ["django_session", "accounts_customuser"] {
        let copy = format!(
            "CREATE SCHEMA IF NOT EXISTS acme; CREATE TABLE acme.{table} (LIKE public.{table} INCLUDING ALL); \
             GRANT USAGE ON SCHEMA acme TO curfew_guest; GRANT SELECT ON acme.{table} TO curfew_guest"
        );
        site.db.execute(&copy).await;
    }
}

/// Rows, counters, search, and how soon a change shows.
mod rows;

/// A hundred thousand people.
mod crowd;

/// How quick and how light the window is with them.
mod measured;

/// Logout by mouse and by keyboard alone, and Django's answer to it.
mod signout;

/// An account switched off, found again, switched on.
mod account;

/// A logout that is followed to its last look.
mod follow;

/// The sweep: preview, by hand, by its timer.
mod sweep;

/// A window that may look and not touch.
mod view_only;

/// A site that goes away and comes back.
mod offline;

/// axe-core on each view, in light and dark.
mod accessible;

/// Notices, with dunst and without.
mod notices;

/// The canary search in the window.
mod secrets;

/// Links and scripts that would lead elsewhere, and names that hide something.
mod hostile;

/// The first start, and connecting to a site.
mod connect;
