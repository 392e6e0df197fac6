//! What `cargo xtask fuzz` has found, and what was thought of first, replayed: every file under fuzz/cases, by the
//! target that its folder is named after.
//! The targets' own properties hold for what real Django wrote, too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use base64::Engine as _;
use curfew_engine::django;

#[path = "../../../fuzz/src/targets.rs"]
mod targets;

fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = read.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn what_was_found_once_is_not_found_again() {
    for folder in entries(&project().join("fuzz/cases")) {
        let target = folder.file_name().unwrap().to_str().unwrap();
        for case in entries(&folder) {
            eprintln!("{}", case.display());
            targets::run(target, &std::fs::read(&case).unwrap());
        }
    }
}

#[test]
fn each_target_has_its_binary() {
    let files: Vec<_> = entries(&project().join("fuzz/fuzz_targets"));
    let names: Vec<_> = files
        .iter()
        .map(|file| file.file_stem().unwrap().to_str().unwrap())
        .collect();
    let mut expected = targets::NAMES;
    expected.sort_unstable();
    assert_eq!(names, expected);
}

/// Rows and cached values by real Django hold what the targets ask of any bytes.
#[test]
fn what_django_wrote_holds_the_targets_properties() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut count = 0;
    for file in entries(&fixtures) {
        if file.extension().is_none_or(|ending| ending != "jsonl") {
            continue;
        }
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let bytes = match (&line["session_data"], &line["value"]) {
                (serde_json::Value::String(row), _) => row.clone().into_bytes(),
                (_, serde_json::Value::String(value)) => {
                    let standard = base64::engine::general_purpose::STANDARD;
                    standard.decode(value).unwrap()
                }
                other => panic!("{other:?}"),
            };
            for target in targets::NAMES {
                targets::run(target, &bytes);
            }
            count += 1;
        }
    }
    assert!(count > 500, "{count}");
}
