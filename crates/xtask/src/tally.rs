//! How many tests passed and failed: read from what cargo test and vitest say, and summed.
//! Pure: it starts nothing and prints nothing.

use std::fmt;
use std::ops::AddAssign;

/// Shown as the last line of `cargo xtask test` and `cargo xtask check`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
}

impl Tally {
    pub const FAILURE: Self = Self {
        passed: 0,
        failed: 1,
    };

    pub fn total(self) -> u64 {
        self.passed + self.failed
    }

    /// A program that fails without naming a failed test (it was not built, it crashed) is one failure.
    pub fn with_status(mut self, success: bool) -> Self {
        if !success && self.failed == 0 {
            self.failed = 1;
        }
        self
    }

    /// One line of cargo test's output: `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
    pub fn from_cargo_line(line: &str) -> Option<Self> {
        let plain = without_colours(line);
        let rest = plain.trim_start().strip_prefix("test result: ")?;
        let (_, counts) = rest.split_once(". ")?;
        let count = |word: &str| {
            counts
                .split(';')
                .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
        })
    }

    /// Vitest's JSON report.
    pub fn from_vitest(report: &serde_json::Value) -> Option<Self> {
        Some(Self {
            passed: report["numPassedTests"].as_u64()?,
            failed: report["numFailedTests"].as_u64()?,
        })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// What failed tests said, of cargo test's whole output.
#[derive(Debug, Default)]
pub struct Failures {
    lines: Vec<String>,
    /// Lines of the failed test being read; none outside of one.
    within: Option<usize>,
}

impl Failures {
    /// Lines kept of one test: the reason stands at the beginning.
    const MOST: usize = 40;

    /// One line of the output. A failed test's words stand between `---- its name stdout ----` and the list of names.
    pub fn read(&mut self, line: &str) {
        let plain = without_colours(line);
        if plain.starts_with("---- ") && plain.ends_with(" stdout ----") {
            self.within = Some(0);
        } else if plain == "failures:" {
            self.within = None;
        }
        if let Some(taken) = &mut self.within
            && *taken < Self::MOST
        {
            *taken += 1;
            self.lines.push(plain);
        }
    }

    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

/// The line without the escape sequences that set colours.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..start]);
        let sequence = &rest[start..];
        let end = sequence.find('m').map_or(sequence.len(), |end| end + 1);
        rest = &sequence[end..];
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn cargos_lines_are_read_with_and_without_colour() {
        let line = "test result: FAILED. 41 passed; 2 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.31s";
        let expected = Tally {
            passed: 41,
            failed: 2,
        };
        assert_eq!(Tally::from_cargo_line(line), Some(expected));
        let coloured = line.replace("FAILED", "\u{1b}[31mFAILED\u{1b}(B\u{1b}[m");
        assert_eq!(Tally::from_cargo_line(&coloured), Some(expected));
    }

    #[test]
    fn other_lines_count_for_nothing() {
        for line in ["running 3 tests", "test result: ok", "test a ... ok", ""] {
            assert_eq!(Tally::from_cargo_line(line), None, "{line}");
        }
    }

    #[test]
    fn a_failure_without_a_failed_test_is_one_failure() {
        let all_passed = Tally {
            passed: 9,
            failed: 0,
        };
        assert_eq!(all_passed.with_status(false).failed, 1);
        assert_eq!(all_passed.with_status(true).failed, 0);
        assert_eq!(
            Tally {
                passed: 0,
                failed: 3
            }
            .with_status(false)
            .failed,
            3
        );
    }

    #[test]
    fn what_failed_tests_said_is_kept_and_nothing_else() {
        let output = "test a ... ok\n\nfailures:\n\n---- b::c stdout ----\nCURFEW_TEST_SEED=7\n\
                      thread 'b::c' panicked at x.rs:1:2:\nwho is in?\n---- d stdout ----\nno\n\
                      failures:\n    b::c\n    d\n\ntest result: FAILED.";
        let mut failures = Failures::default();
        for line in output.lines() {
            failures.read(line);
        }
        let kept: Vec<&str> = failures.lines().collect();
        let kept_before = kept.len();
        assert_eq!(
            kept,
            [
                "---- b::c stdout ----",
                "CURFEW_TEST_SEED=7",
                "thread 'b::c' panicked at x.rs:1:2:",
                "who is in?",
                "---- d stdout ----",
                "no"
            ]
        );
        failures.read("---- long stdout ----");
        for _ in 0..1000 {
            failures.read("and on");
        }
        assert_eq!(failures.lines().count(), kept_before + Failures::MOST);
    }

    #[test]
    fn the_last_line_is_exact() {
        let mut sum = Tally::default();
        sum += Tally {
            passed: 3,
            failed: 0,
        };
        sum += Tally::FAILURE;
        assert_eq!(sum.to_string(), "3 passed, 1 failed");
    }
}
