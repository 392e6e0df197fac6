//! A database server off this machine that offers no TLS and asks for the password in clear text.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::harness::setting;

const CANARY: &str = "pass-canary-55";

/// Runs `curfew` against each of these addresses, in a network namespace of its own. Returns what the server heard.
async fn heard(cases: &[(&str, &str, &str)]) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    let folder = |name: &str| home.path().join(name).display().to_string();
    let cases: Vec<Value> = cases
        .iter()
        .map(|(server, command, url)| json!({"server": server, "arguments": [command], "url": url}))
        .collect();
    let asked = json!({
        "program": setting("CURFEW_TEST_CLI"),
        "environment": {
            "PATH": "/usr/bin:/bin",
            "HOME": folder("home"),
            "CURFEW_CONFIG_DIR": folder("config"),
            "CURFEW_STATE_DIR": folder("state"),
        },
        "cases": cases,
    });
    let mut command = Command::new("unshare");
    // Who is not root gets a namespace as the root of one of their own.
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let mut child = command
        .arg("--net")
        .arg(setting("CURFEW_TEST_PYTHON_52"))
        .args(["-c", include_str!("declines_tls.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(asked.to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no answer: {words}"))
}

#[tokio::test]
async fn no_password_goes_to_a_server_that_declines_tls() {
    let far = |scheme: &str, rest: &str| format!("{scheme}://u:{CANARY}@192.0.2.1:PORT/shop{rest}");
    let postgres = far("postgres", "");
    let required = far("postgres", "?sslmode=require");
    let in_parameters = format!("postgres://u@192.0.2.1:PORT/shop?password={CANARY}");
    let by_host = format!("postgres://u:{CANARY}@localhost:PORT/shop?host=192.0.2.1");
    let mysql = far("mysql", "");
    let mysql_required = far("mysql", "?ssl-mode=REQUIRED");
    let refused = [
        ("postgres", "users", postgres.as_str()),
        ("postgres", "doctor", &postgres),
        ("postgres", "users", &required),
        ("postgres", "users", &in_parameters),
        ("postgres", "users", &by_host),
        ("mysql", "users", &mysql),
        ("mysql", "users", &mysql_required),
    ];
    // The same servers get the password where the address says so, and on this machine.
    let postgres = far("postgres", "?sslmode=disable");
    let preferred = far("postgres", "?sslmode=prefer");
    let mysql = far("mysql", "?ssl-mode=DISABLED");
    let local = postgres.replace("192.0.2.1", "127.0.0.1");
    let local = local.trim_end_matches("?sslmode=disable");
    let let_in = [
        ("postgres", "users", postgres.as_str()),
        ("postgres", "users", &preferred),
        ("mysql", "users", &mysql),
        ("postgres", "users", local),
    ];
    let answers = heard(&[&refused[..], &let_in[..]].concat()).await;
    for (case, answer) in refused.iter().zip(&answers) {
        let (words, said) = (
            answer["heard"].as_str().unwrap(),
            answer["said"].as_str().unwrap(),
        );
        assert!(!words.contains(CANARY), "{case:?}: the password was sent");
        assert_eq!(answer["status"], 1, "{case:?}: {said}");
        assert!(said.contains("TLS") && !said.contains(CANARY), "{said}");
    }
    for (case, answer) in let_in.iter().zip(&answers[refused.len()..]) {
        let words = answer["heard"].as_str().unwrap();
        assert!(words.contains(CANARY), "{case:?}: {answer:#}");
        assert!(!answer["said"].as_str().unwrap().contains(CANARY));
    }
}
