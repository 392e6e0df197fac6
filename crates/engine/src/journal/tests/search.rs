//! One person's part of a journal.

use std::fs;

use super::*;

#[test]
fn about_gives_one_persons_part_newest_first() {
    let (dir, journal) = journal_of(0);
    let mut sweep = draft("7");
    sweep.users = ["1", "7", "9\"\\é"].map(user).to_vec();
    journal.write(sweep).unwrap();
    journal.write(draft("77")).unwrap();
    let mut elsewhere = draft("7");
    elsewhere.site = "blog".into();
    journal.write(elsewhere).unwrap();
    journal.write(draft("7")).unwrap();

    let seqs = |id: &str, limit| -> Vec<u32> {
        let entries = journal.about(id, "shop", limit).unwrap();
        assert!(
            entries
                .iter()
                .all(|e| e.users.len() == 1 && e.users[0].id == id)
        );
        entries.iter().map(|e| e.seq).collect()
    };
    assert_eq!(seqs("7", 10), [4, 1]);
    assert_eq!(seqs("7", 1), [4]);
    assert_eq!(seqs("9\"\\é", 10), [1]);
    assert_eq!(seqs("2", 10), [0u32; 0]);
    // Damage in the middle hides nothing of the rest.
    let mut damaged = lines(&dir);
    damaged[1] = "{\"id\":\"7\"".into();
    put(&dir, &damaged);
    assert_eq!(seqs("7", 10), [4, 1]);
}

#[test]
fn about_reads_a_long_journal_from_its_end() {
    let (dir, journal) = journal_of(3);
    let three = fs::read(dir.path().join("journal.jsonl")).unwrap();
    let mut long = Vec::new();
    while long.len() < 64 * 1024 * 1024 {
        long.extend_from_slice(&three);
    }
    fs::write(dir.path().join("journal.jsonl"), &long).unwrap();
    // A line far longer than the blocks it is read in.
    let mut sweep = draft("4");
    sweep.users = (0..20_000).map(|n| user(&format!("s{n}"))).collect();
    sweep.users.push(user("4"));
    journal.write(sweep).unwrap();
    let started = std::time::Instant::now();
    let entries = journal.about("4", "shop", 5).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(journal.about("nobody", "shop", 5).unwrap(), []);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}
