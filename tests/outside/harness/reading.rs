//! Reading what `curfew` says in JSON.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// What Curfew shows in place of a session key.
pub fn fingerprint(key: &str) -> String {
    let hash = Sha256::digest(key.as_bytes());
    hash.iter().take(6).map(|b| format!("{b:02x}")).collect()
}

/// The person of this name in a document that has `users`.
pub fn of<'a>(document: &'a Value, username: &str) -> &'a Value {
    let users = document["users"].as_array().unwrap();
    let found = users.iter().find(|u| u["username"] == username);
    found.unwrap_or_else(|| panic!("{username} is not in {document:#}"))
}

/// The names in a document that has `users`, sorted.
pub fn names(document: &Value) -> Vec<String> {
    sorted(&document["users"])
}

/// The usernames in a list of people, sorted.
pub fn sorted(people: &Value) -> Vec<String> {
    let people = people.as_array().unwrap();
    let name = |p: &Value| p["username"].as_str().unwrap().to_owned();
    let mut names: Vec<String> = people.iter().map(name).collect();
    names.sort();
    names
}

/// Names as the functions here give them.
pub fn listed<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}
