//! Heads that left this machine, and journals that lost their last lines together with a set-back head.

use std::os::unix::net::UnixDatagram;

use super::*;

/// A journal whose heads go to a file and to a socket that stands for the system log.
fn with_heads(dir: &TempDir) -> (Journal, std::path::PathBuf, UnixDatagram) {
    let (file, socket) = (dir.path().join("heads"), dir.path().join("log"));
    let log = UnixDatagram::bind(&socket).unwrap();
    let journal = Journal::open(dir.path()).unwrap().with_heads(Places {
        file: Some(file.clone()),
        log: Some(socket),
    });
    (journal, file, log)
}

#[test]
fn a_cut_with_a_head_set_back_is_found_by_the_heads_that_were_sent() {
    let dir = TempDir::new().unwrap();
    let (journal, file, log) = with_heads(&dir);
    for n in 1..=2 {
        journal.write(draft(&n.to_string())).unwrap();
    }
    let head = fs::read(dir.path().join("journal.head")).unwrap();
    for n in 3..=4 {
        journal.write(draft(&n.to_string())).unwrap();
    }
    assert_eq!(journal.head().map(|(seq, _)| seq), Some(4));
    // What a log keeps, with its own words around it.
    let mut logged = String::new();
    for _ in 0..4 {
        let mut datagram = [0; 512];
        let size = log.recv(&mut datagram).unwrap();
        let text = std::str::from_utf8(&datagram[..size]).unwrap();
        let text = text.strip_prefix("<85>").unwrap();
        logged.push_str(&format!("Dec  1 03:00:00 host {text}\n"));
    }
    let log_file = dir.path().join("auth.log");
    fs::write(
        &log_file,
        format!("Dec  1 host sshd[1]: session opened\n{logged}"),
    )
    .unwrap();
    let (seq, hash) = journal.head().unwrap();
    let message = serde_json::json!({"type": "sweep.finished", "data": {"journal": {"seq": seq, "hash": hash}}});
    let bodies = dir.path().join("bodies");
    fs::write(&bodies, format!("{message}\n")).unwrap();

    let against =
        |path: &std::path::Path| verify(dir.path(), Some(&Heads::read(path).unwrap())).unwrap();
    for path in [&file, &log_file, &bodies] {
        let verdict = against(path);
        assert_eq!((verdict.entries, verdict.fault), (4, None));
    }
    // The last two lines go, and the head with them.
    put(&dir, &lines(&dir)[..2]);
    fs::write(dir.path().join("journal.head"), head).unwrap();
    intact(&dir, 2);
    for (path, first) in [(&file, 3), (&log_file, 3), (&bodies, 4)] {
        let fault = against(path).fault.unwrap();
        assert!(
            fault.contains(&format!("entry {first} is missing")),
            "{fault}"
        );
    }
    // And others in their place.
    for n in 8..=9 {
        Journal::open(dir.path())
            .unwrap()
            .write(draft(&n.to_string()))
            .unwrap();
    }
    intact(&dir, 4);
    let fault = against(&file).fault.unwrap();
    assert!(fault.contains("entry 3 is not the one"), "{fault}");
}

#[test]
fn a_file_without_heads_is_no_proof() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("empty");
    fs::write(&path, "journal head x y\n{\"seq\":1}\n\n").unwrap();
    assert_eq!(Heads::read(&path).unwrap_err().code, Code::File);
    assert_eq!(Heads::read(dir.path()).unwrap_err().code, Code::File);
}

#[test]
fn heads_that_cannot_be_sent_stop_nothing() {
    let dir = TempDir::new().unwrap();
    let nowhere = dir.path().join("not/there");
    let journal = Journal::open(dir.path()).unwrap().with_heads(Places {
        file: Some(nowhere.clone()),
        log: Some(nowhere),
    });
    journal.write(draft("1")).unwrap();
    intact(&dir, 1);
    assert!(journal.heads_fault().unwrap().contains("journal_heads"));
}

fn sweep(users: u32, phase: Phase) -> Draft {
    Draft {
        deed: Deed::Sweep,
        phase,
        users: (0..users).map(|n| user(&n.to_string())).collect(),
        ..draft("0")
    }
}

#[test]
fn a_long_list_that_does_not_change_is_written_once() {
    let (dir, journal) = journal_of(0);
    let mut written = Vec::new();
    for n in 0..4 {
        let mut intent = sweep(1_000, Phase::Intent);
        // How long they have been idle changes, and who they are does not.
        for user in &mut intent.users {
            user.idle_seconds = Some(2_400 + n);
        }
        written.push(journal.write(intent).unwrap());
        journal.write(sweep(0, Phase::Outcome)).unwrap();
    }
    assert_eq!(written[0].users.len(), 1_000);
    for entry in &written[1..] {
        assert_eq!((entry.users.len(), entry.users_as), (0, Some(1)));
    }
    let one = lines(&dir)[0].len();
    let all: usize = lines(&dir)[1..].iter().map(String::len).sum();
    assert!(all < one / 10, "{all} bytes after {one}");
    // Someone more: a list of its own. Fewer than twenty: no reference.
    let more = journal.write(sweep(1_001, Phase::Intent)).unwrap();
    assert_eq!((more.users.len(), more.users_as), (1_001, None));
    for _ in 0..2 {
        let few = journal.write(sweep(5, Phase::Intent)).unwrap();
        assert_eq!((few.users.len(), few.users_as), (5, None));
    }
    intact(&dir, 11);
}

#[test]
fn what_a_process_left_open_is_found_with_its_users_and_only_once() {
    let dir = TempDir::new().unwrap();
    {
        let journal = Journal::open(dir.path()).unwrap();
        let first = sweep(30, Phase::Intent);
        let outcome = Draft {
            id: first.id.clone(),
            ..sweep(0, Phase::Outcome)
        };
        journal.write(first).unwrap();
        journal.write(outcome).unwrap();
        journal.write(sweep(30, Phase::Intent)).unwrap();
        let other = Journal::open(dir.path()).unwrap();
        assert!(
            other.left_open("shop").unwrap().is_empty(),
            "its process is alive"
        );
    }
    // The locks went with the journal that held them, as they do with a process.
    let journal = Journal::open(dir.path()).unwrap();
    assert!(
        journal.left_open("other").unwrap().is_empty(),
        "another site's"
    );
    let left = journal.left_open("shop").unwrap();
    let [one] = left.as_slice() else {
        panic!("{left:?}");
    };
    assert_eq!(one.intents.len(), 1);
    assert_eq!(one.intents[0].users_as, Some(1));
    assert_eq!(one.intents[0].users.len(), 30);
    let second = Journal::open(dir.path()).unwrap();
    assert!(
        second.left_open("shop").unwrap().is_empty(),
        "being settled"
    );
    let outcome = Draft {
        id: one.intents[0].id.clone(),
        ..sweep(0, Phase::Outcome)
    };
    journal.settle(left, vec![outcome]).unwrap();
    assert!(second.left_open("shop").unwrap().is_empty());
    assert_eq!(fs::read_dir(dir.path().join("running")).unwrap().count(), 0);
    intact(&dir, 4);
}
