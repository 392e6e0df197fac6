//! The house's rules that no compiler knows: read from the sources as they stand.
//! Kept to the standard library: this target is built along with every window.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let ending = path.extension().and_then(|ending| ending.to_str());
            if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("__pycache__") {
                folders.push(path);
            } else if ending.is_some_and(|ending| endings.contains(&ending)) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

#[test]
fn one_folder_of_the_window_knows_tauri() {
    let mut folders = BTreeSet::new();
    for path in sources("ui/src", &["ts", "svelte"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let imports = ["\"@tauri-apps/", "'@tauri-apps/"];
        // The generated bindings import it by nature; they are reached through that one folder.
        if imports.iter().any(|import| text.contains(import)) && !path.ends_with("bindings.ts") {
            folders.insert(path.parent().unwrap().to_path_buf());
        }
    }
    assert!(folders.len() <= 1, "{folders:#?}");
}

#[test]
fn every_exception_has_a_reason_and_a_date() {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let mut reason = "";
    let mut seen = 0;
    let lists = ["exceptions = [", "ignore = [", "skip = ["];
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        inside |= lists.contains(&line);
        match line.strip_prefix("# ") {
            Some(comment) => reason = comment,
            None if line == "]" => (inside, reason) = (false, ""),
            None if inside && (line.starts_with('{') || line.starts_with('"')) => {
                seen += 1;
                let date = reason.split_once(": ").map_or("", |(date, _)| date);
                let digits = date.bytes().filter(u8::is_ascii_digit).count();
                assert!(
                    date.len() == 10 && digits == 8,
                    "no date and reason above {line}"
                );
            }
            None => {}
        }
    }
    assert!(seen > 0, "deny.toml is not read as it is written");
}
