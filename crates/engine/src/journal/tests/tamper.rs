//! What verification finds: edits, drops, swaps, cuts, and a head that is gone.

use std::fs;

use super::*;

#[test]
fn every_edited_byte_is_found() {
    let (dir, _) = journal_of(3);
    let original = lines(&dir);
    for at in 0..original[1].len() {
        let mut edited = original.clone();
        let mut bytes = edited[1].clone().into_bytes();
        bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
        edited[1] = String::from_utf8(bytes).unwrap();
        put(&dir, &edited);
        assert!(!all(&dir).intact, "byte {at} of {}", edited[1]);
    }
    put(&dir, &original);
    intact(&dir, 3);
}

#[test]
fn an_edited_field_is_named() {
    let (dir, _) = journal_of(3);
    let mut edited = lines(&dir);
    edited[1] = edited[1].replace("lost laptop", "asked for");
    put(&dir, &edited);
    faulty(&dir, "line 2: entry 2 was changed");
    // The last one too, and a field that no version knows.
    let mut edited = lines(&dir);
    edited[1] = edited[1].replace("asked for", "lost laptop");
    edited[2] = edited[2].replacen("{", "{\"note\":1,", 1);
    put(&dir, &edited);
    faulty(&dir, "line 3: entry 3 was changed");
}

#[test]
fn dropped_lines_are_found_wherever_they_stood() {
    let (dir, _) = journal_of(5);
    let original = lines(&dir);
    for (drop, says) in [
        (0, "line 1: entry 2 is the first: entry 1 is missing"),
        (2, "line 3: entry 4 follows entry 2: entry 3 is missing"),
        (4, "the last entry is 4, and journal.head names entry 5"),
    ] {
        let mut kept = original.clone();
        kept.remove(drop);
        put(&dir, &kept);
        faulty(&dir, says);
    }
    put(&dir, &[]);
    faulty(&dir, "no entry is there, and journal.head names entry 5");
    fs::remove_file(dir.path().join("journal.jsonl")).unwrap();
    faulty(&dir, "journal.jsonl is missing");
}

#[test]
fn swapped_and_inserted_lines_are_found() {
    let (dir, _) = journal_of(4);
    let original = lines(&dir);
    let mut swapped = original.clone();
    swapped.swap(1, 2);
    put(&dir, &swapped);
    faulty(&dir, "line 2: entry 3 follows entry 1");

    let mut doubled = original.clone();
    doubled.insert(2, original[1].clone());
    put(&dir, &doubled);
    faulty(&dir, "line 3: entry 2 follows entry 2");

    // A line of one's own, with a hash that fits it.
    put(&dir, &original);
    let mut entry = all(&dir).entries[3].clone();
    entry.reason = Some("nothing to see".into());
    let forged = chain::seal(&mut entry).unwrap();
    let mut replaced = original.clone();
    replaced[0] = forged;
    put(&dir, &replaced);
    faulty(&dir, "line 2: entry 2 follows entry 1, and is not chained");
    // And as the last line, where nothing follows.
    put(&dir, &original);
    let mut entry = all(&dir).entries[0].clone();
    entry.reason = Some("nothing to see".into());
    let mut replaced = original.clone();
    replaced[3] = chain::seal(&mut entry).unwrap();
    put(&dir, &replaced);
    faulty(&dir, "entry 4 is not the one that journal.head names");
}

#[test]
fn what_is_no_entry_is_a_fault_and_never_a_panic() {
    let (dir, journal) = journal_of(2);
    let original = lines(&dir);
    for odd in [
        "",
        "not json",
        "{}",
        "[1,2]",
        "null",
        "\u{feff}{",
        "{\"seq\":",
    ] {
        let mut with = original.clone();
        with.insert(1, odd.to_owned());
        put(&dir, &with);
        faulty(&dir, "line 2 is ");
        assert_eq!(all(&dir).entries.len(), 2, "the others are still shown");
    }
    fs::write(dir.path().join("journal.jsonl"), [0xff, 0xfe, 0, b'\n', 7]).unwrap();
    faulty(&dir, "line 1 is not a journal entry");
    journal.write(draft("3")).unwrap();
    faulty(&dir, "line 1 is not a journal entry");
}

#[test]
fn a_truncated_file_is_found_and_stays_found() {
    let (dir, journal) = journal_of(4);
    let text = fs::read(dir.path().join("journal.jsonl")).unwrap();
    for cut in 1..text.len() {
        fs::write(dir.path().join("journal.jsonl"), &text[..cut]).unwrap();
        let view = all(&dir);
        // With the last newline alone gone, nothing is lost.
        assert_eq!(view.intact, cut == text.len() - 1, "cut at {cut}");
    }
    // Entries written afterwards do not hide it.
    let two: String = lines(&dir)[..2].iter().map(|l| format!("{l}\n")).collect();
    fs::write(dir.path().join("journal.jsonl"), two).unwrap();
    assert_eq!(journal.write(draft("9")).unwrap().seq, 5);
    faulty(
        &dir,
        "line 3: entry 5 follows entry 2: entries 3 to 4 are missing",
    );
}

#[test]
fn a_line_cut_off_by_a_crash_blocks_nobody_and_is_named() {
    let (dir, journal) = journal_of(2);
    let mut text = fs::read(dir.path().join("journal.jsonl")).unwrap();
    text.extend_from_slice(b"{\"seq\":3,\"at\":\"2023-11-1");
    fs::write(dir.path().join("journal.jsonl"), &text).unwrap();
    faulty(&dir, "line 3 is cut off or damaged");
    let next = journal.write(draft("3")).unwrap();
    assert_eq!(next.seq, 3);
    let view = all(&dir);
    assert_eq!(view.fault.as_deref(), Some("line 3 is cut off or damaged"));
    assert_eq!(view.entries[0], next);
    assert_eq!(view.entries[0].prev, view.entries[1].hash);
}

#[test]
fn a_missing_last_newline_loses_nothing() {
    let (dir, journal) = journal_of(2);
    let text = fs::read(dir.path().join("journal.jsonl")).unwrap();
    fs::write(dir.path().join("journal.jsonl"), &text[..text.len() - 1]).unwrap();
    intact(&dir, 2);
    journal.write(draft("3")).unwrap();
    intact(&dir, 3);
}

#[test]
fn a_crash_between_an_entry_and_its_head_is_no_fault() {
    let (dir, journal) = journal_of(2);
    let head = fs::read(dir.path().join("journal.head")).unwrap();
    journal.write(draft("3")).unwrap();
    fs::write(dir.path().join("journal.head"), head).unwrap();
    intact(&dir, 3);
    assert_eq!(journal.write(draft("4")).unwrap().seq, 4);
    intact(&dir, 4);
}

#[test]
fn a_missing_head_is_found_and_stays_found() {
    for damage in [None, Some("{\"seq\":")] {
        let (dir, journal) = journal_of(2);
        let head = dir.path().join("journal.head");
        match damage {
            None => fs::remove_file(&head).unwrap(),
            Some(text) => fs::write(&head, text).unwrap(),
        }
        faulty(&dir, "journal.head");
        journal.check_writable().unwrap();
        faulty(&dir, "journal.head");
        journal.write(draft("3")).unwrap();
        faulty(
            &dir,
            "line 3: entry 3 follows entry 2, written when journal.head was missing",
        );
    }
}
