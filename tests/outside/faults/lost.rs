//! The answer to a change is lost: the connection is cut at every byte of the exchange that makes the change. What Curfew
//! tells afterwards, and what the journal says for good, has to be what the database has.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::harness::{Curfew, Cut, Cutter, Django, Engine, Ran, Site, active, overdue};

/// Commands that run at a time. Most of the time of each is waiting.
const AT_ONCE: usize = 20;

/// A question of so many bytes is cut at each of them.
const SHORT: usize = 64;

/// What is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// The deletion of a sign-out.
    Logout,
    /// The COMMIT of a revocation of tokens.
    Tokens,
    /// The COMMIT of a sweep.
    Sweep,
}

const CHANGES: [Change; 3] = [Change::Logout, Change::Tokens, Change::Sweep];

/// One command, with one user of its own.
#[derive(Clone, Debug)]
struct Run {
    change: Change,
    user: String,
    cut: Option<Cut>,
    json: bool,
}

struct Ground {
    site: Site,
    names: Vec<String>,
    keys: HashMap<String, String>,
    /// How a COMMIT is sent.
    commit: &'static str,
}

/// Users of a sweep are overdue, the others are active.
fn name(change: Change, number: usize) -> String {
    let letter = match change {
        Change::Logout => 'l',
        Change::Tokens => 't',
        Change::Sweep => 's',
    };
    format!("{letter}{number:03}")
}

/// One table in the shape of Django REST framework's.
async fn make_tokens(site: &Site) {
    let db = &site.db;
    db.execute(
        "CREATE TABLE authtoken_token (\"key\" varchar(40) PRIMARY KEY, created timestamp NULL, user_id bigint NOT NULL
           REFERENCES accounts_customuser (id))",
    )
    .await;
    db.execute(
        "INSERT INTO authtoken_token SELECT CONCAT('token', id), NULL, id FROM accounts_customuser WHERE username LIKE 't%'",
    )
    .await;
    db.grant_reading().await;
    db.grant("DELETE", "authtoken_token").await;
}

impl Ground {
    async fn on(engine: Engine, each: usize) -> Self {
        let site = Site::on(Django::V52, engine).start().await;
        let mut people = vec![active("ana"), active("ben"), active("cyd")];
        let mut names = Vec::new();
        for change in CHANGES {
            for number in 0..each {
                let name = name(change, number);
                people.push(match change {
                    Change::Sweep => overdue(&name),
                    _ => active(&name),
                });
                names.push(name);
            }
        }
        let seeded = site.seed(&people).await;
        make_tokens(&site).await;
        let keys = names.iter().map(|name| (name.clone(), seeded.key(name)));
        let keys = keys.collect();
        // With the byte that tells a statement; the connection's settings have the word, too.
        let commit = if engine == Engine::Mysql {
            "\u{3}COMMIT"
        } else {
            "COMMIT\0"
        };
        Self {
            site,
            names,
            keys,
            commit,
        }
    }

    /// A Curfew with a state folder of its own, at the end of this wire. Its sweep exempts everybody else.
    fn curfew(&self, run: &Run, url: &str) -> (Curfew, PathBuf) {
        let folder = PathBuf::from(self.site.folder(&format!("{}-run", run.user)));
        std::fs::create_dir_all(folder.join("config")).unwrap();
        let others: Vec<&String> = self.names.iter().filter(|n| **n != run.user).collect();
        let toml = format!(
            "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n[site.policy]\nmax_share = 1.0\nexempt = {{ usernames = {others:?} }}\n"
        );
        std::fs::write(folder.join("config/config.toml"), toml).unwrap();
        let curfew = self.site.curfew().no_site();
        let dir = |name: &str| folder.join(name).display().to_string();
        let curfew = curfew
            .env("CURFEW_CONFIG_DIR", &dir("config"))
            .env("CURFEW_STATE_DIR", &dir("state"));
        (curfew, folder.join("state"))
    }

    async fn there(&self, table: &str, condition: &str) -> bool {
        let sql = format!("SELECT count(*) FROM {table} WHERE {condition}");
        self.site.db.int(&sql).await > 0
    }

    /// Runs it, and holds what it says against the database. Returns the lengths of the exchange.
    async fn run(&self, run: Run) -> (usize, usize) {
        let key = &self.keys[&run.user];
        let word = match run.change {
            Change::Logout => key.as_str(),
            Change::Tokens | Change::Sweep => self.commit,
        };
        let wire = Cutter::before(&self.site.db.url(), word, run.cut).await;
        let (curfew, state) = self.curfew(&run, wire.url());
        let mut args = match run.change {
            Change::Logout => vec!["logout", run.user.as_str()],
            Change::Tokens => vec!["logout", run.user.as_str(), "--tokens"],
            Change::Sweep => vec!["sweep"],
        };
        if run.json {
            args.insert(0, "--json");
        }
        let ran = curfew.run(&args).await;
        assert!(wire.met(), "{run:?} never came to its change: {ran:#?}");
        let session = self
            .there("django_session", &format!("session_key = '{key}'"))
            .await;
        let of_user = format!(
            "user_id = (SELECT id FROM accounts_customuser WHERE username = '{}')",
            run.user
        );
        let token = self.there("authtoken_token", &of_user).await;
        let fact = Fact {
            run: &run,
            ran: &ran,
            journal: outcome(&state),
            session,
            token,
        };
        fact.judge();
        wire.lengths()
    }
}

/// The last outcome in a journal.
fn outcome(state: &std::path::Path) -> Value {
    let text = std::fs::read_to_string(state.join("journal.jsonl")).unwrap();
    let entries = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let outcomes: Vec<Value> = entries
        .filter(|entry: &Value| entry["phase"] == "outcome")
        .collect();
    assert_eq!(outcomes.len(), 1, "{text}");
    outcomes.into_iter().next().unwrap()
}

/// What a command said, and what the database has.
struct Fact<'a> {
    run: &'a Run,
    ran: &'a Ran,
    journal: Value,
    session: bool,
    token: bool,
}

impl Fact<'_> {
    fn holds(&self, condition: bool, what: &str) {
        let Self { run, ran, .. } = self;
        assert!(
            condition,
            "{what}: {run:?}, session there: {}, token there: {}, {ran:#?}, {:#}",
            self.session, self.token, self.journal
        );
    }

    fn judge(&self) {
        let counted = &self.journal["sessions_deleted"];
        let said = self.journal["outcome"].as_str().unwrap();
        let not_known = counted.is_null();
        if not_known {
            self.holds(
                said.to_lowercase().contains("not known"),
                "the journal says why",
            );
            self.holds(self.ran.status == 4, "not known is status 4");
        } else {
            self.holds(*counted == i64::from(!self.session), "the journal counts");
        }
        self.holds(
            !(self.session && self.journal["verified"] == true),
            "verified",
        );
        self.holds(self.ran.status != 0 || !self.session, "status 0");
        let for_good = self.run.cut.is_some_and(|cut| cut.for_good);
        if self.run.json {
            self.judge_json(not_known);
        } else if for_good {
            let words = format!("{}{}", self.ran.stdout, self.ran.stderr).to_lowercase();
            let says = words.contains("not known");
            self.holds(says || self.session, "the text");
        }
        if !for_good {
            self.judge_recovered();
        }
    }

    fn judge_json(&self, not_known: bool) {
        let report = self.ran.document();
        if report["error"].is_object() {
            self.holds(self.session, "an error says that nothing was done");
            self.holds(self.ran.status == 1, "status of an error");
            return;
        }
        if !not_known {
            let counted = i64::from(!self.session);
            self.holds(report["sessions_deleted"] == counted, "the report counts");
        }
        let tokens = &report["tokens"];
        if self.run.change == Change::Tokens && tokens["unchecked"] == serde_json::json!([]) {
            self.holds(
                tokens["revoked"] == i64::from(!self.token),
                "revoked tokens",
            );
            self.holds(tokens["left"] == i64::from(self.token), "tokens left");
        } else if self.run.change == Change::Tokens {
            let detail = tokens["detail"].as_str().unwrap();
            self.holds(detail.contains("not known"), "tokens are not known");
            self.holds(self.ran.status == 4, "status of unknown tokens");
        }
    }

    /// The network was away for a moment: all is found out, and a sign-out is done.
    fn judge_recovered(&self) {
        let Some(cut) = self.run.cut else {
            self.holds(
                self.ran.status == 0 && !self.session,
                "an exchange that is whole",
            );
            return;
        };
        match self.run.change {
            Change::Logout => {
                let status = if self.session { 1 } else { 0 };
                self.holds(self.ran.status == status, "a sign-out after the cut");
            }
            Change::Tokens => self.holds(!self.session, "the sessions went before"),
            Change::Sweep => {
                let status = if self.session { 1 } else { 0 };
                self.holds(self.ran.status == status, "a sweep after the cut");
                self.holds(
                    self.session || cut.after > 0,
                    "done although nothing was asked",
                );
            }
        }
    }
}

async fn nothing_false_is_told(engine: Engine) {
    const EACH: usize = 280;
    let ground = Arc::new(Ground::on(engine, EACH).await);
    let mut next: HashMap<&str, usize> = HashMap::new();
    let mut runs = Vec::new();
    for change in CHANGES {
        let mut user = |word: &'static str| {
            let number = next.entry(word).or_default();
            *number += 1;
            name(change, *number - 1)
        };
        let word: &'static str = match change {
            Change::Logout => "l",
            Change::Tokens => "t",
            Change::Sweep => "s",
        };
        let whole = Run {
            change,
            user: user(word),
            cut: None,
            json: true,
        };
        let (asked, answered) = ground.run(whole).await;
        println!("{engine:?} {change:?}: {asked} + {answered} bytes");
        assert!(asked > 0 && answered > 0);
        let mut cut = |after: usize, for_good: bool, json: bool| {
            runs.push(Run {
                change,
                user: user(word),
                cut: Some(Cut { after, for_good }),
                json,
            });
        };
        // A server does nothing with a part of a question, so a long question is cut at every eighth byte and at its last ones.
        let end = asked.saturating_sub(SHORT);
        for after in (0..end).step_by(8).chain(end..asked + answered) {
            cut(after, false, true);
        }
        for after in [0, asked - 1, asked, asked + answered - 1] {
            cut(after, true, true);
            cut(after, true, false);
        }
    }
    let ran = stream::iter(runs).map(|run| {
        let ground = ground.clone();
        async move { ground.run(run).await }
    });
    ran.buffer_unordered(AT_ONCE).count().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_false_is_told_after_a_lost_answer_on_postgres() {
    nothing_false_is_told(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_false_is_told_after_a_lost_answer_on_mariadb() {
    nothing_false_is_told(Engine::Mysql).await;
}
