//! The journal on real files, and what its tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(unix)]
mod heads;
mod search;
mod tamper;
mod write;

use std::fs;

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::view::{Deed, EntryUser, JournalView, Phase};

fn user(id: &str) -> EntryUser {
    EntryUser {
        id: id.into(),
        username: format!("user{id}"),
        idle_seconds: Some(2_400),
        sessions: vec!["0123456789ab".into()],
    }
}

fn draft(id: &str) -> Draft {
    Draft {
        at: Timestamp::from_second(1_700_000_000).unwrap(),
        operator: "mira@ops-laptop".into(),
        site: "shop".into(),
        deed: Deed::Logout,
        phase: Phase::Intent,
        id: new_id().unwrap(),
        users: vec![user(id)],
        reason: Some("lost laptop".into()),
        outcome: None,
        users_marked: None,
        sessions_deleted: Some(2),
        verified: None,
    }
}

/// A journal of so many entries, about users 1, 2, 3 and so on.
fn journal_of(entries: u32) -> (TempDir, Journal) {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    for n in 1..=entries {
        journal.write(draft(&n.to_string())).unwrap();
    }
    (dir, journal)
}

fn lines(dir: &TempDir) -> Vec<String> {
    let text = fs::read_to_string(dir.path().join("journal.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn put(dir: &TempDir, lines: &[String]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(dir.path().join("journal.jsonl"), text).unwrap();
}

fn all(dir: &TempDir) -> JournalView {
    read(dir.path(), 1_000_000).unwrap()
}

#[track_caller]
fn faulty(dir: &TempDir, says: &str) {
    let view = all(dir);
    assert!(!view.intact, "found nothing; expected {says:?}");
    let fault = view.fault.unwrap();
    assert!(fault.contains(says), "{fault:?} does not say {says:?}");
}

#[track_caller]
fn intact(dir: &TempDir, entries: usize) {
    let view = all(dir);
    assert_eq!(view.fault, None);
    assert!(view.intact);
    assert_eq!(view.entries.len(), entries);
}
