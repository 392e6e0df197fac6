//! The shell's own agreements: the bindings are what Rust says, and the window may call them and nothing else.
//! What the window does is tested from outside, in tests/.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;

use specta_typescript::Typescript;

const HEADER: &str = "/* eslint-disable */\n/** @noprettier */\n";
const HOW: &str = "run CURFEW_WRITE_BINDINGS=1 cargo test -p curfew-desktop --lib bindings";

fn generated() -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bindings.ts");
    let language = Typescript::default().header(HEADER);
    super::bindings().export(language, &path).unwrap();
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn bindings_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/src/lib/bindings.ts");
    let generated = generated();
    if std::env::var_os("CURFEW_WRITE_BINDINGS").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == generated,
        "{} is not current: {HOW}",
        path.display()
    );
}

#[test]
fn no_number_of_the_bindings_loses_digits() {
    let text = generated();
    assert!(
        !text.contains("bigint"),
        "an i64 or u64 crosses to the window"
    );
}

#[test]
fn the_window_may_call_its_commands_and_nothing_else() {
    let text = generated();
    let called: BTreeSet<String> = text
        .split("__TAURI_INVOKE(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|name| format!("allow-{}", name.replace('_', "-")))
        .collect();
    assert!(called.len() > 10, "found only {called:?}");
    let capability: serde_json::Value =
        serde_json::from_str(include_str!("capabilities/main.json")).unwrap();
    let allowed: BTreeSet<String> = capability["permissions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    let core: Vec<_> = allowed.difference(&called).map(String::as_str).collect();
    assert_eq!(
        core,
        ["core:event:allow-listen", "core:event:allow-unlisten"]
    );
    assert!(called.is_subset(&allowed), "not allowed: {called:?}");
}

#[test]
fn the_content_security_policy_allows_nothing_unsafe() {
    let config: serde_json::Value =
        serde_json::from_str(include_str!("../tauri.conf.json")).unwrap();
    let security = &config["app"]["security"];
    let policy = security["csp"].to_string();
    assert!(policy.contains("\"default-src\":\"'self'\""), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(
        security
            .get("dangerousDisableAssetCspModification")
            .is_none()
    );
    assert_eq!(config["app"]["withGlobalTauri"], false);
}
