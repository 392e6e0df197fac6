//! Sweeps and logouts: what goes, what stays, what the journal says, and that no session key is in any of it.

use async_trait::async_trait;

use super::*;
use crate::store::{BatchDone, SessionKey, Sink, SweepBatch};
use crate::view::{Deed, Outcome, Phase};

/// The real store, with a note of what the journal held before each deed.
struct Watched {
    store: Arc<dyn Store>,
    state_dir: PathBuf,
    before_deeds: Arc<Mutex<Vec<Vec<Phase>>>>,
}

impl Watched {
    fn note(&self) {
        let entries = journal::read(&self.state_dir, 100).unwrap().entries;
        let phases = entries.iter().rev().map(|entry| entry.phase).collect();
        hold(&self.before_deeds).push(phases);
    }
}

#[async_trait]
impl Store for Watched {
    async fn now(&self) -> Result<Timestamp> {
        self.store.now().await
    }
    async fn look(&self, mark: &mut Mark, sink: &mut dyn Sink) -> Result<Timestamp> {
        self.store.look(mark, sink).await
    }
    async fn users_named(&self, name: &str) -> Result<Vec<UserRow>> {
        self.store.users_named(name).await
    }
    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>> {
        self.store.users(ids).await
    }
    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.store.surviving(keys).await
    }
    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.note();
        self.store.delete(keys).await
    }
    async fn clear_flag(&self, id: &UserId) -> Result<bool> {
        self.note();
        self.store.clear_flag(id).await
    }
    async fn set_enabled(&self, id: &UserId, enabled: bool) -> Result<bool> {
        self.note();
        self.store.set_enabled(id, enabled).await
    }
    async fn ready(&self) -> Result<()> {
        self.store.ready().await
    }
    async fn sweep(&self, batch: SweepBatch) -> Result<BatchDone> {
        self.note();
        self.store.sweep(batch).await
    }
}

/// The site, and what the journal held before each of its deeds.
async fn watched(ground: &Ground) -> (Arc<Site>, Arc<Mutex<Vec<Vec<Phase>>>>) {
    let mut site = ground.site().await;
    let before_deeds = Arc::default();
    let inner = Arc::get_mut(&mut site).unwrap();
    inner.store = Arc::new(Watched {
        store: inner.store.clone(),
        state_dir: ground.state_dir(),
        before_deeds: Arc::clone(&before_deeds),
    });
    (site, before_deeds)
}

fn prints(keys: &[String]) -> Vec<String> {
    let keys = keys.iter().map(|key| SessionKey::new(key.as_str()));
    keys.map(|key| key.fingerprint()).collect()
}

#[tokio::test]
async fn a_sweep_is_in_the_journal_before_it_is_done_and_after() {
    let ground = Ground::new().await;
    let (site, before_deeds) = watched(&ground).await;
    let preview = site.preview().await.unwrap();
    let before = ground.keys().await;
    let report = site.sweep(false).await.unwrap();
    assert_eq!(who(&report), who(&preview));
    assert!(report.verified && !report.dry_run && report.skipped.is_empty());
    assert_eq!(*hold(&before_deeds), [[Phase::Intent]]);

    let after = ground.keys().await;
    let gone: Vec<String> = before
        .iter()
        .filter(|k| !after.contains(k))
        .cloned()
        .collect();
    assert_eq!(gone.len(), report.sessions_deleted as usize);
    for user in &report.users {
        assert!(!ground.flagged(&user.id).await, "{}", user.username);
    }
    assert_eq!(report.users_marked as usize, report.users.len());
    let entries = ground.entries();
    let [intent, outcome] = entries.as_slice() else {
        panic!("{} entries", entries.len());
    };
    assert_eq!(
        (intent.phase, outcome.phase),
        (Phase::Intent, Phase::Outcome)
    );
    assert_eq!((intent.deed, outcome.deed), (Deed::Sweep, Deed::Sweep));
    assert_eq!(intent.id, outcome.id);
    assert!(intent.at <= outcome.at && intent.operator.contains('@'));
    assert!(intent.outcome.is_none() && intent.verified.is_none());
    assert_eq!(outcome.verified, Some(true));
    assert_eq!(outcome.sessions_deleted, Some(report.sessions_deleted));
    assert_eq!(outcome.users_marked, Some(report.users_marked));
    for entry in [intent, outcome] {
        let mut named: Vec<&String> = entry.users.iter().flat_map(|u| &u.sessions).collect();
        let mut expected = prints(&gone);
        named.sort();
        expected.sort();
        assert_eq!(named, expected.iter().collect::<Vec<_>>());
    }

    // Nobody is left to sweep: nothing is done, and nothing is written.
    let again = site.sweep(false).await.unwrap();
    assert!(again.users.is_empty() && again.verified && !again.dry_run);
    assert_eq!(ground.entries().len(), 2);
    assert_eq!(ground.keys().await, after);
    let counts = site.view().counts;
    assert_eq!((counts.overdue, counts.stale), (0, 0));
    assert!(counts.active > 0 && counts.idle > 0);
}

#[tokio::test]
async fn a_logout_of_one_session_leaves_the_others_and_the_flag() {
    let ground = Ground::new().await;
    let (site, before_deeds) = watched(&ground).await;
    let person = somebody(&site, Filter::Active);
    let key = ground.sign_in(&person.id, "another").await;
    let before = ground.keys().await;
    let print = prints(std::slice::from_ref(&key)).remove(0);
    let report = site
        .logout(&person.id, Some(&print), &How::default())
        .await
        .unwrap();
    assert_eq!(
        (report.outcome, report.verified),
        (Outcome::SignedOut, true)
    );
    assert_eq!((report.sessions_deleted, report.flag_cleared), (1, false));
    assert!(
        report.detail.contains("still signed in with"),
        "{}",
        report.detail
    );
    let after = ground.keys().await;
    assert_eq!(after.len(), before.len() - 1);
    assert!(!after.contains(&key));
    assert!(ground.flagged(&person.id).await);
    assert_eq!(hold(&before_deeds)[0], [Phase::Intent]);
    let entries = ground.entries();
    assert_eq!(entries[1].users[0].sessions, [print]);
    let detail = site.user(&person.id).unwrap();
    assert_eq!(detail.sessions.len(), person.sessions as usize);
    assert_eq!(detail.journal.len(), 2);
}

#[tokio::test]
async fn a_logout_of_all_ends_every_session_and_clears_the_flag() {
    let ground = Ground::new().await;
    let site = ground.site().await;
    let person = somebody(&site, Filter::Active);
    let key = ground.sign_in(&person.id, "another").await;
    let before = ground.keys().await;
    let mut events = site.subscribe();
    let why = "account taken over\n";
    let report = site
        .logout(&person.id, None, &How::because(why))
        .await
        .unwrap();
    assert_eq!(
        (report.outcome, report.verified),
        (Outcome::SignedOut, true)
    );
    assert_eq!(report.sessions_deleted, person.sessions + 1);
    assert!(report.flag_cleared && !ground.flagged(&person.id).await);
    let after = ground.keys().await;
    assert!(!after.contains(&key));
    assert_eq!(before.len() - after.len(), report.sessions_deleted as usize);
    assert_eq!(site.user(&person.id).unwrap_err().code, Code::NoUser);
    let entries = ground.entries();
    assert_eq!(entries.len(), 2);
    for entry in &entries {
        assert_eq!(entry.deed, Deed::Logout);
        assert_eq!(entry.id, entries[0].id);
        assert_eq!(entry.reason.as_deref(), Some("account taken over"));
        assert_eq!(entry.users.len(), 1);
        assert_eq!(entry.users[0].id, person.id);
    }
    let heard = std::iter::from_fn(|| events.try_recv().ok());
    let told = heard.filter(|event| matches!(event, Event::LoggedOut { .. }));
    assert_eq!(told.count(), 1);

    // Once more there is nothing to do, and nothing is written.
    let again = site
        .logout(&person.id, None, &How::default())
        .await
        .unwrap();
    assert_eq!(
        (again.outcome, again.sessions_deleted),
        (Outcome::NothingToDo, 0)
    );
    assert!(again.verified && !again.flag_cleared);
    assert_eq!(ground.entries().len(), 2);
}

#[tokio::test]
async fn a_logout_of_the_stale_clears_the_flag_alone() {
    let ground = Ground::new().await;
    let site = ground.site().await;
    let person = somebody(&site, Filter::Stale);
    let before = ground.keys().await;
    let report = site
        .logout(&person.id, None, &How::default())
        .await
        .unwrap();
    assert_eq!(
        (report.outcome, report.sessions_deleted),
        (Outcome::SignedOut, 0)
    );
    assert!(report.flag_cleared && !ground.flagged(&person.id).await);
    assert_eq!(
        ground.keys().await,
        before,
        "an expired row is the site's own to clear"
    );
}

#[tokio::test]
async fn who_or_what_is_not_there_is_an_error_and_nothing_is_written() {
    let ground = Ground::new().await;
    let site = ground.site().await;
    let person = somebody(&site, Filter::Active);
    let other = somebody(&site, Filter::Idle);
    let others = site.user(&other.id).unwrap().sessions[0]
        .fingerprint
        .clone();
    let before = ground.bytes();
    for (id, print, code) in [
        ("999999", None, Code::NoUser),
        ("", None, Code::NoUser),
        (person.id.as_str(), Some("000000000000"), Code::NoSession),
        (person.id.as_str(), Some(others.as_str()), Code::NoSession),
    ] {
        let error = site.logout(id, print, &How::default()).await.unwrap_err();
        assert_eq!(error.code, code, "{id} {print:?}");
    }
    assert_eq!(ground.bytes(), before);
    assert!(ground.entries().is_empty());
}

#[tokio::test]
async fn a_session_that_comes_back_is_deleted_again_and_told_of() {
    let ground = Ground::new().await;
    let site = ground.site().await;
    let person = somebody(&site, Filter::Active);
    let key = ground.sign_in(&person.id, "another").await;
    site.look_whole(&[]).await.unwrap();
    // What a request under way can do on some session engines: its save inserts the row again.
    ground
        .execute("CREATE TABLE kept AS SELECT * FROM django_session")
        .await;
    let (running, id) = (site.clone(), person.id.clone());
    let logout =
        tokio::spawn(async move { running.logout(&id, None, &How::default()).await.unwrap() });
    while ground.keys().await.contains(&key) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let back = format!("INSERT INTO django_session SELECT * FROM kept WHERE session_key = '{key}'");
    assert_eq!(ground.execute(&back).await, 1);
    let report = logout.await.unwrap();
    assert_eq!(
        (report.outcome, report.verified),
        (Outcome::SignedOut, true)
    );
    assert!(report.detail.contains("came back"), "{}", report.detail);
    assert!(!ground.keys().await.contains(&key));
    assert!(!ground.flagged(&person.id).await);
}

#[tokio::test]
async fn a_session_that_comes_back_each_time_is_not_called_signed_out() {
    let ground = Ground::new().await;
    let site = ground.site().await;
    let person = somebody(&site, Filter::Active);
    let key = ground.sign_in(&person.id, "another").await;
    ground
        .execute(&format!(
            "CREATE TRIGGER back AFTER DELETE ON django_session WHEN old.session_key = '{key}' BEGIN
             INSERT INTO django_session VALUES (old.session_key, old.session_data, old.expire_date); END"
        ))
        .await;
    let report = site
        .logout(&person.id, None, &How::default())
        .await
        .unwrap();
    assert_eq!((report.outcome, report.verified), (Outcome::Partial, false));
    assert!(!report.flag_cleared && ground.flagged(&person.id).await);
    assert!(ground.keys().await.contains(&key));
    assert_eq!(ground.entries()[1].verified, Some(false));
}

#[tokio::test]
async fn no_session_key_leaves_the_engine() {
    let ground = Ground::new().await;
    let site = ground.site().await;
    let mut events = site.subscribe();
    let person = somebody(&site, Filter::Active);
    ground.sign_in(&person.id, "another").await;
    let mut secrets = ground.keys().await;
    secrets.push(ground.secret.clone());
    assert!(secrets.len() > 30 && secrets.iter().all(|s| s.len() >= 32));

    let mut said = Vec::new();
    let mut say = |what: &str, text: String| said.push((what.to_owned(), text));
    let json = |value: &dyn erased::Json| value.json();
    site.look().await.unwrap();
    say("detail", json(&site.user(&person.id).unwrap()));
    say("preview", json(&site.preview().await.unwrap()));
    say("sweep", json(&site.sweep(false).await.unwrap()));
    let print = &site.user(&person.id).unwrap().sessions[0].fingerprint;
    let error = site
        .logout(&person.id, Some("0000"), &How::default())
        .await
        .unwrap_err();
    say("error", format!("{error} {error:?} {}", json(&error)));
    say(
        "logout",
        json(
            &site
                .logout(&person.id, Some(print), &How::because("why"))
                .await
                .unwrap(),
        ),
    );
    say("users", json(&site.users_view(&everyone(Filter::Everyone))));
    say("view", json(&site.view()));
    say("journal", json(&site.journal(100).unwrap()));
    say("timeline", json(&site.timeline()));
    say("settings", format!("{:?}", site.settings()));
    let ids: Vec<UserId> = hold(&site.roster)
        .people()
        .map(crate::roster::Person::id)
        .collect();
    say(
        "people",
        format!(
            "{:?}",
            ids.iter()
                .map(|id| format!("{:?}", hold(&site.roster).person(id)))
                .collect::<Vec<_>>()
        ),
    );
    while let Ok(event) = events.try_recv() {
        say("event", format!("{event:?} {}", json(&event)));
    }
    let folders = [ground.state_dir(), ground.state_dir().join("evidence")];
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert!(
                path.ends_with("evidence") || std::fs::read_dir(path).unwrap().count() == 0,
                "nothing is under way"
            );
            continue;
        }
        say(
            "file",
            String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned(),
        );
    }
    assert!(said.iter().filter(|(what, _)| what == "file").count() >= 3);
    assert!(said.iter().any(|(_, text)| text.contains(print.as_str())));
    for (what, text) in &said {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "a secret is in: {what}");
        }
    }
}

/// Anything that can be written as JSON.
mod erased {
    pub trait Json {
        fn json(&self) -> String;
    }
    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).unwrap()
        }
    }
}
