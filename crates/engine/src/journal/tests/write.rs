//! Writing: the form of an entry, several writers at once, and places where nothing can be written.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;

#[test]
fn entries_come_back_newest_first_and_chained() {
    let (dir, _) = journal_of(5);
    let view = read(dir.path(), 3).unwrap();
    assert!(view.intact, "{:?}", view.fault);
    let seqs: Vec<u32> = view.entries.iter().map(|e| e.seq).collect();
    assert_eq!(seqs, [5, 4, 3]);
    assert_eq!(view.entries[0].prev, view.entries[1].hash);
    assert_eq!(all(&dir).entries[4].prev, "0".repeat(64));
    assert_eq!(read(dir.path(), 0).unwrap().entries, []);
}

#[test]
fn the_hash_is_that_of_the_line_without_it() {
    let (dir, _) = journal_of(1);
    let line = lines(&dir).remove(0);
    let (body, _) = line.split_once(",\"hash\":").unwrap();
    let script = "printf %s \"$1\" | sha256sum | cut -c1-64";
    let sum = Command::new("sh")
        .args(["-c", script, "sh", &format!("{body}}}")])
        .output()
        .unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(sum.trim(), all(&dir).entries[0].hash);
}

#[test]
fn no_file_is_an_empty_intact_journal() {
    let dir = TempDir::new().unwrap();
    intact(&dir, 0);
    let nowhere = dir.path().join("not/there");
    assert!(read(&nowhere, 10).unwrap().intact);
    assert!(!nowhere.exists(), "reading makes nothing");
    assert_eq!(Journal::at(&nowhere).about("1", "shop", 5).unwrap(), []);
}

#[test]
fn an_opened_journal_without_entries_is_intact() {
    let (dir, journal) = journal_of(0);
    intact(&dir, 0);
    journal.check_writable().unwrap();
    intact(&dir, 0);
}

#[test]
fn threads_append_at_once() {
    let (dir, _) = journal_of(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let path = dir.path();
            scope.spawn(move || {
                let journal = Journal::open(path).unwrap();
                for n in 0..50 {
                    journal.write(draft(&format!("{thread}-{n}"))).unwrap();
                }
            });
        }
    });
    intact(&dir, 400);
}

/// Where this process is the other one of a test: the journal it works on.
fn other_side() -> Option<Journal> {
    let dir = std::env::var_os("JOURNAL_TEST_DIR")?;
    Some(Journal::open(Path::new(&dir)).unwrap())
}

/// Runs the same test in another process, on a journal.
fn elsewhere(test: &str, dir: &Path, shell: &str) -> std::process::Child {
    let (_, module) = module_path!().split_once("::").unwrap();
    Command::new("sh")
        .args(["-c", &format!("{shell} exec \"$0\" --exact \"$1\"")])
        .arg(std::env::current_exe().unwrap())
        .arg(format!("{module}::{test}"))
        .env("JOURNAL_TEST_DIR", dir)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn processes_append_at_once() {
    if let Some(journal) = other_side() {
        for n in 0..30 {
            journal.write(draft(&n.to_string())).unwrap();
        }
        return;
    }
    let (dir, journal) = journal_of(0);
    let mut others: Vec<_> = (0..3)
        .map(|_| elsewhere("processes_append_at_once", dir.path(), ""))
        .collect();
    for n in 0..30 {
        journal.write(draft(&n.to_string())).unwrap();
    }
    for other in &mut others {
        assert!(other.wait().unwrap().success());
    }
    intact(&dir, 120);
}

#[test]
fn a_disk_that_ends_in_the_middle_of_a_line_leaves_no_half_line() {
    if let Some(journal) = other_side() {
        let error = (0..1_000)
            .find_map(|n| journal.write(draft(&n.to_string())).err())
            .expect("the limit was never met");
        assert_eq!(error.code, Code::Journal);
        return;
    }
    let (dir, journal) = journal_of(1);
    // A limit on the size of files stands in for a full disk: the write ends part of the way.
    let mut other = elsewhere(
        "a_disk_that_ends_in_the_middle_of_a_line_leaves_no_half_line",
        dir.path(),
        "trap '' XFSZ; ulimit -f 64;",
    );
    assert!(other.wait().unwrap().success());
    let view = all(&dir);
    assert_eq!(view.fault, None);
    assert!(view.entries.len() > 1);
    journal.write(draft("9")).unwrap();
    intact(&dir, view.entries.len() + 1);
}

#[track_caller]
fn refused(error: Error, says: &str) {
    assert_eq!(error.code, Code::Journal);
    let message = error.message;
    assert!(message.contains(says), "{message:?} does not say {says:?}");
    assert!(message.contains("journal.jsonl") && message.contains("CURFEW_STATE_DIR"));
}

#[test]
fn where_nothing_can_be_written_it_says_so() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("state");
    refused(Journal::open(&below).unwrap_err(), "Not a directory");
    let journal = Journal::at(&below);
    refused(journal.check_writable().unwrap_err(), "Not a directory");
    refused(journal.write(draft("1")).unwrap_err(), "Not a directory");

    let folder = dir.path().join("folder");
    fs::create_dir_all(folder.join("journal.jsonl")).unwrap();
    let journal = Journal::at(&folder);
    refused(journal.write(draft("1")).unwrap_err(), "not a regular file");
    assert_eq!(read(&folder, 1).unwrap_err().code, Code::Journal);
}

#[test]
#[cfg(unix)]
fn a_device_in_its_place_is_refused() {
    for device in ["/dev/full", "/dev/null"] {
        let dir = TempDir::new().unwrap();
        std::os::unix::fs::symlink(device, dir.path().join("journal.jsonl")).unwrap();
        let journal = Journal::at(dir.path());
        refused(journal.check_writable().unwrap_err(), "not a regular file");
        refused(journal.write(draft("1")).unwrap_err(), "not a regular file");
    }
}

#[test]
#[cfg(unix)]
fn the_files_are_this_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("a/b");
    Journal::open(&state).unwrap().write(draft("1")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("journal.jsonl")), 0o600);
    assert_eq!(mode(&state.join("journal.head")), 0o600);
}

#[test]
fn reasons_are_cleaned() {
    assert_eq!(
        clean_reason(" a\nb\t\u{1b}[31m ").as_deref(),
        Some("a b  [31m")
    );
    assert_eq!(clean_reason("عربي — ça").as_deref(), Some("عربي — ça"));
    assert_eq!(clean_reason(" \n\u{7} "), None);
    assert_eq!(clean_reason(&"é".repeat(600)).unwrap().chars().count(), 500);
    let (dir, journal) = journal_of(0);
    let mut with = draft("1");
    with.reason = Some("x\n{\"seq\":9}".into());
    journal.write(with).unwrap();
    assert_eq!(lines(&dir).len(), 1);
    assert_eq!(
        all(&dir).entries[0].reason.as_deref(),
        Some("x {\"seq\":9}")
    );
}

#[test]
fn ids_are_sixteen_hex_digits_and_differ() {
    let (one, two) = (new_id().unwrap(), new_id().unwrap());
    assert_ne!(one, two);
    assert!(one.len() == 16 && one.bytes().all(|b| b.is_ascii_hexdigit()));
}

#[test]
fn what_is_noted_stands_before_its_head_and_is_chained() {
    let (dir, journal) = journal_of(2);
    journal.note_all(vec![draft("3")]).unwrap();
    let head = fs::read_to_string(dir.path().join("journal.head")).unwrap();
    assert!(head.contains("\"seq\":         2,"), "{head}");
    intact(&dir, 3);
    // Lost in a crash, it is missed by nobody; its deed's end is still to come.
    let text = fs::read_to_string(dir.path().join("journal.jsonl")).unwrap();
    let kept = text.lines().take(2).map(|line| format!("{line}\n"));
    fs::write(dir.path().join("journal.jsonl"), kept.collect::<String>()).unwrap();
    intact(&dir, 2);
    assert_eq!(journal.write(draft("3 again")).unwrap().seq, 3);
    intact(&dir, 3);
}

#[test]
fn what_another_wrote_in_between_is_followed() {
    let (dir, journal) = journal_of(1);
    let other = Journal::at(dir.path());
    for n in 0..3 {
        assert_eq!(journal.write(draft("ours")).unwrap().seq, 2 + 2 * n);
        assert_eq!(other.write(draft("theirs")).unwrap().seq, 3 + 2 * n);
    }
    intact(&dir, 7);
}
