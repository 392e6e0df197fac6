//! The list of the doctor's checks. A check cannot be forgotten: each name of the list ends as ok, as failed, or as
//! "not checked", which counts as failed.

use crate::view::Check;

/// Declares the checks in the order in which they are reported. A new check is one line here, and one `put` in
/// `doctor.rs`; without the `put` it is reported as not checked.
macro_rules! checks {
    ($($(#[$doc:meta])* $item:ident = $name:literal,)+) => {
        /// One check of the doctor.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Item {
            $($(#[$doc])* $item,)+
        }

        impl Item {
            /// Every check, in the order of the report.
            const ALL: &[Self] = &[$(Self::$item,)+];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$item => $name,)+
                }
            }
        }
    };
}

checks! {
    /// `config.toml` can be read, and keeps its secrets from other users.
    Configuration = "configuration file",
    /// Password commands and the keychain answer.
    Secrets = "secrets",
    /// The database answers.
    Reached = "reached",
    /// Nothing travels in clear text over a network.
    Encrypted = "encrypted",
    /// Tables and columns are found.
    Tables = "tables",
    /// The session engine is known, and what it keeps can be deleted.
    Engine = "session engine",
    /// The role may read, delete and write what Curfew needs.
    Rights = "rights",
    /// The replica of `read_url` follows the primary.
    Replica = "read replica",
    /// Something proves inactivity.
    Evidence = "activity evidence",
    /// The journal can be written.
    Journal = "journal",
    /// The webhook's server answers, and its secret can be read.
    Webhook = "webhook",
    /// The site answers at `health_url`.
    Health = "health address",
    /// The journal's heads can be written to `journal_heads`.
    Heads = "journal heads",
    /// This machine's clock agrees with the database's.
    Clock = "clock",
    /// The users and sessions can be read.
    FirstLook = "first look",
    /// What holds the sessions beside the table answers and lets Curfew delete. Named after what it is.
    Store = "session store",
    /// Neither row level security nor a view hides a session from the role.
    RowSecurity = "row security",
    /// Users are active only where sessions are.
    Sessions = "sessions",
    /// Each user whom the configuration names exists.
    Names = "names in the configuration",
    /// API tokens can be counted, and revoked if the site is configured so.
    Tokens = "API tokens",
    /// The SECRET_KEY fits the sessions.
    SecretKey = "secret key",
    /// How often the site records activity is proven, and often enough.
    Grain = "activity grain",
    /// The site's records and the database's clock agree.
    Records = "clock of the records",
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    ok: bool,
    detail: String,
    fix: Option<String>,
    /// A name more exact than that of the list.
    name: Option<&'static str>,
}

pub(super) fn good(detail: impl Into<String>) -> Finding {
    Finding {
        ok: true,
        detail: detail.into(),
        fix: None,
        name: None,
    }
}

pub(super) fn bad(detail: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding {
        ok: false,
        fix: Some(fix.into()),
        ..good(detail)
    }
}

impl Finding {
    pub fn named(self, name: &'static str) -> Self {
        Self {
            name: Some(name),
            ..self
        }
    }
}

/// The findings so far.
#[derive(Default)]
pub(super) struct Sheet {
    findings: Vec<(Item, Finding)>,
    /// The check whose failure keeps others from running.
    stopped: Option<Item>,
}

impl Sheet {
    /// Records what a check found. Of several findings of one check, the first failure counts, else the first.
    pub fn put(&mut self, item: Item, finding: Finding) {
        match self.findings.iter_mut().find(|(known, _)| *known == item) {
            Some((_, old)) if old.ok && !finding.ok => *old = finding,
            Some(_) => {}
            None => self.findings.push((item, finding)),
        }
    }

    /// Records a failure without which the checks that follow cannot run.
    pub fn stop(&mut self, item: Item, finding: Finding) {
        self.put(item, finding);
        self.stopped.get_or_insert(item);
    }

    /// Every check of the list.
    pub fn finish(mut self) -> Vec<Check> {
        let all = Item::ALL.iter();
        all.map(|item| {
            let known = self.findings.iter().position(|(known, _)| known == item);
            let finding = match known {
                Some(at) => self.findings.swap_remove(at).1,
                None => self.not_checked(),
            };
            Check {
                name: finding.name.unwrap_or(item.name()).into(),
                ok: finding.ok,
                detail: finding.detail,
                fix: finding.fix,
            }
        })
        .collect()
    }

    fn not_checked(&self) -> Finding {
        match self.stopped.map(Item::name) {
            Some(cause) => bad(
                format!("not checked: the check \"{cause}\" failed"),
                format!("correct \"{cause}\" first, then run doctor again"),
            ),
            None => bad(
                "not checked: Curfew did not run this check",
                "report this as a fault in Curfew",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_did_not_run_is_a_failed_check() {
        let mut sheet = Sheet::default();
        sheet.put(Item::Secrets, good("none asked for"));
        sheet.stop(Item::Reached, bad("no answer", "start it"));
        sheet.put(Item::Journal, good("writable"));
        let checks = sheet.finish();
        assert_eq!(checks.len(), Item::ALL.len());
        for check in &checks {
            match check.name.as_str() {
                "secrets" | "journal" => assert!(check.ok, "{check:?}"),
                "reached" => assert_eq!(check.detail, "no answer"),
                _ => assert!(
                    !check.ok && check.detail == "not checked: the check \"reached\" failed",
                    "{check:?}"
                ),
            }
        }
    }

    #[test]
    fn the_documentation_names_every_check() {
        let page = include_str!("../../../../../docs/cli.md");
        for item in Item::ALL {
            let row = format!("| `{}` |", item.name());
            assert!(page.contains(&row), "docs/cli.md has no {row}");
        }
    }

    #[test]
    fn a_check_that_nobody_wrote_fails() {
        assert!(Sheet::default().finish().iter().all(|check| !check.ok));
    }

    #[test]
    fn the_first_failure_of_a_check_counts() {
        let mut sheet = Sheet::default();
        for finding in [good("a"), bad("b", "x"), good("c"), bad("d", "y")] {
            sheet.put(Item::Rights, finding);
        }
        let checks = sheet.finish();
        let rights = checks.iter().find(|check| check.name == "rights");
        assert_eq!(rights.map(|check| check.detail.as_str()), Some("b"));
    }
}
