//! A real folder, with files as Django writes them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use jiff::SignedDuration;

use super::*;
use crate::django::secret::SecretKeys;
use crate::django::session::{Expiry, Fields, encode};
use crate::store::{KeyRef, SessionRef, UserId, UserRow};

struct Ground {
    folder: tempfile::TempDir,
    sessions: FileSessions,
    mark: Mark,
    now: Timestamp,
}

/// Takes in what a look hands over, as the roster does.
#[derive(Default)]
struct Seen {
    here: BTreeSet<SessionKey>,
    named: BTreeSet<SessionKey>,
    /// Handed over whole, in order.
    whole: Vec<SessionRow>,
}

impl Sink for Seen {
    fn take(&mut self, row: SessionRef<'_>) {
        self.named.insert(row.key.to_key());
        self.here.insert(row.key.to_key());
        self.whole.push(row.to_row());
    }
    fn listed(&mut self, key: KeyRef<'_>, _expires: Timestamp) -> bool {
        self.named.insert(key.to_key());
        false
    }
    fn listing_begins(&mut self) {
        self.named.clear();
    }
    fn listing_done(&mut self) {
        self.here = self.named.clone();
    }
    fn knows(&mut self, key: KeyRef<'_>) -> bool {
        self.here.contains(&key.to_key())
    }
    fn ages(&mut self) -> Vec<i64> {
        Vec::new()
    }
    fn user(&mut self, _row: UserRow) {}
    fn users_unread(&mut self) -> Vec<UserId> {
        Vec::new()
    }
    fn users_in_turn(&mut self, _from: u32, _most: usize) -> (Vec<UserId>, Option<u32>) {
        (Vec::new(), None)
    }
    fn users_missing(&mut self, _ids: Vec<UserId>) {}
    fn flagged(&mut self, _ids: Vec<UserId>) {}
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sessions = FileSessions::new(&SessionsConfig {
            path: Some(folder.path().to_owned()),
            ..SessionsConfig::default()
        });
        Self {
            sessions: sessions.unwrap(),
            folder,
            mark: Mark::default(),
            now: Timestamp::now().round(jiff::Unit::Microsecond).unwrap(),
        }
    }

    fn path(&self, key: &SessionKey) -> PathBuf {
        self.folder
            .path()
            .join(format!("sessionid{}", key.expose()))
    }

    /// Saves as Django does: a file beside, moved over.
    fn save(&self, name: &str, user: &str, expiry: Expiry) -> SessionKey {
        let key = SessionKey::new(format!("{name:0<32}"));
        let fields = Fields {
            user: Some(user.into()),
            expiry,
            ..Fields::default()
        };
        let keys = SecretKeys::new("a key of the tests".into(), Vec::new());
        let beside = self.folder.path().join("beside");
        fs::write(&beside, encode(&fields, &keys, self.now)).unwrap();
        fs::rename(beside, self.path(&key)).unwrap();
        key
    }

    async fn look(&mut self, seen: &mut Seen) {
        self.mark.folder.hurry();
        let looked = self.sessions.look(self.now, &mut self.mark, seen).await;
        looked.unwrap();
        self.mark.last = Some(self.now);
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_session_is_read_once_and_again_when_it_was_saved() {
    let mut ground = Ground::new();
    let (ann, bob) = (
        ground.save("ann", "1", Expiry::Default),
        ground.save("bob", "2", Expiry::Default),
    );
    let mut seen = Seen::default();
    ground.look(&mut seen).await;
    assert_eq!(seen.here, BTreeSet::from([ann.clone(), bob.clone()]));
    assert_eq!(seen.whole.len(), 2);
    let row = seen.whole.iter().find(|row| row.key == ann).unwrap();
    let modified = fs::metadata(ground.path(&ann)).unwrap().modified().unwrap();
    let modified = Timestamp::try_from(modified).unwrap();
    assert_eq!(row.saved, Some(modified));
    assert_eq!(
        row.expires,
        modified + SignedDuration::from_hours(14 * 24),
        "as Django reckons"
    );

    ground.look(&mut seen).await;
    assert_eq!(seen.whole.len(), 2, "nothing was saved");
    ground.save("ann", "1", Expiry::Default);
    fs::remove_file(ground.path(&bob)).unwrap();
    ground.look(&mut seen).await;
    assert_eq!(seen.whole.len(), 3);
    assert_eq!(seen.here, BTreeSet::from([ann.clone()]));
    // Whoever has forgotten it is told of it again.
    seen.here.clear();
    ground.look(&mut seen).await;
    assert_eq!(seen.whole.len(), 4);
}

#[tokio::test]
async fn dates_are_the_ones_that_django_goes_by() {
    let mut ground = Ground::new();
    let fixed = ground.now + SignedDuration::from_secs(90);
    let past = ground.now - SignedDuration::from_secs(1);
    let never = ground.save("never", "1", Expiry::Seconds(60));
    let at = ground.save("fixed", "1", Expiry::Fixed(fixed));
    ground.save("past", "1", Expiry::Fixed(past));
    ground.save("negative", "1", Expiry::Seconds(-1));
    let browser = ground.save("browser", "1", Expiry::BrowserClose);
    let mut seen = Seen::default();
    ground.look(&mut seen).await;
    let date = |key: &SessionKey| {
        seen.whole
            .iter()
            .find(|row| row.key == *key)
            .unwrap()
            .expires
    };
    assert_eq!(seen.whole.len(), 3, "what has expired is nobody's");
    assert_eq!(date(&never), Timestamp::MAX);
    assert_eq!(date(&at), fixed);
    assert!(date(&browser) > ground.now + SignedDuration::from_hours(13 * 24));
}

#[tokio::test]
async fn what_is_no_session_is_left_out_and_what_cannot_be_read_is_counted() {
    let mut ground = Ground::new();
    let good = ground.save("good", "1", Expiry::Default);
    let path = |name: &str| ground.folder.path().join(name);
    fs::write(path("sessionidUPPERCASE000000000000000000000"), "x").unwrap();
    fs::write(path("sessionidshort"), "x").unwrap();
    fs::write(path(&format!("sessionid{:0<32}_out_ab", "k")), "x").unwrap();
    fs::write(path(&format!("other{:0<32}", "k")), "x").unwrap();
    fs::write(path(&format!("sessionid{:0<32}", "placeholder")), "").unwrap();
    fs::create_dir(path(&format!("sessionid{:0<32}", "folder"))).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(
        ground.path(&good),
        path(&format!("sessionid{:0<32}", "link")),
    )
    .unwrap();
    fs::write(path(&format!("sessionid{:0<32}", "garbage")), b"\xff\x00").unwrap();
    let huge = fs::File::create(path(&format!("sessionid{:0<32}", "huge"))).unwrap();
    huge.set_len(3 << 20).unwrap();
    let mut seen = Seen::default();
    ground.look(&mut seen).await;
    let keys: Vec<&str> = seen.here.iter().map(|key| key.expose()).collect();
    let names = ["garbage", "good", "huge"].map(|name| format!("{name:0<32}"));
    assert_eq!(keys, names);
    let huge = SessionKey::new(format!("{:0<32}", "huge"));
    let row = seen.whole.iter().find(|row| row.key == huge).unwrap();
    assert!(row.data.bytes().is_empty());
    // It cannot be read, and can be deleted.
    assert_eq!(
        ground
            .sessions
            .read(std::slice::from_ref(&huge))
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        ground
            .sessions
            .delete(std::slice::from_ref(&huge))
            .await
            .unwrap(),
        [huge]
    );
    let link = SessionKey::new(format!("{:0<32}", "link"));
    assert!(ground.sessions.delete(&[link]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_is_no_path() {
    let ground = Ground::new();
    let outside = ground.folder.path().join("victim");
    fs::write(&outside, "x").unwrap();
    fs::create_dir(ground.folder.path().join("sessionid")).unwrap();
    for key in ["/../victim", "../victim", "", "a/b/c/d/e/f/g"] {
        let key = SessionKey::new(key);
        assert!(
            ground
                .sessions
                .delete(std::slice::from_ref(&key))
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            ground
                .sessions
                .read(std::slice::from_ref(&key))
                .await
                .unwrap()
                .is_empty()
        );
        assert!(ground.sessions.surviving(&[key]).await.unwrap().is_empty());
    }
    assert!(outside.exists());
}

#[tokio::test]
async fn each_file_is_reported_by_whoever_deleted_it() {
    let ground = Ground::new();
    let key = ground.save("ann", "1", Expiry::Default);
    let gone = SessionKey::new(format!("{:0<32}", "gone"));
    let both = [key.clone(), gone];
    assert_eq!(
        ground.sessions.surviving(&both).await.unwrap(),
        std::slice::from_ref(&key)
    );
    assert_eq!(ground.sessions.delete(&both).await.unwrap(), [key]);
    assert!(ground.sessions.delete(&both).await.unwrap().is_empty());
    assert!(ground.names().is_empty());
}

#[tokio::test]
async fn who_saved_since_stays_even_with_the_same_content() {
    let ground = Ground::new();
    let (ann, bob) = (
        ground.save("ann", "1", Expiry::Default),
        ground.save("bob", "2", Expiry::Default),
    );
    let rows = ground
        .sessions
        .read(&[ann.clone(), bob.clone()])
        .await
        .unwrap();
    std::thread::sleep(Duration::from_millis(20));
    // The same second, so the same bytes.
    ground.save("ann", "1", Expiry::Default);
    assert_eq!(
        ground.sessions.delete_unchanged(&rows).await.unwrap(),
        [bob]
    );
    assert!(ground.path(&ann).exists());
    assert_eq!(ground.names().len(), 1, "nothing else stays in the folder");
}

/// A site that saves all the time, against deletions of what was read a moment ago: whichever comes first, no save
/// is lost, and nothing of Curfew's own stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_is_never_deleted_by_who_read_the_one_before() {
    let ground = Arc::new(Ground::new());
    for _ in 0..300 {
        let key = ground.save("ann", "1", Expiry::Default);
        let rows = ground
            .sessions
            .read(std::slice::from_ref(&key))
            .await
            .unwrap();
        let site = ground.clone();
        let saving = std::thread::spawn(move || site.save("ann", "2", Expiry::Default));
        let deleted = ground.sessions.delete_unchanged(&rows).await.unwrap();
        saving.join().unwrap();
        // The save moved its file there, before or after: it is there now whatever was deleted.
        let left = ground
            .sessions
            .read(std::slice::from_ref(&key))
            .await
            .unwrap();
        assert_eq!(left.len(), 1, "deleted {}", deleted.len());
        assert_ne!(left[0].data.bytes(), rows[0].data.bytes());
        assert_eq!(ground.names().len(), 1);
    }
}

#[tokio::test]
async fn what_a_killed_curfew_left_goes_with_the_next_deed_and_not_with_a_look() {
    let mut ground = Ground::new();
    let left = ground.folder.path().join(".curfew-0123456789abcdef");
    fs::write(&left, "a deleted session").unwrap();
    ground.look(&mut Seen::default()).await;
    ground.sessions.delete(&[]).await.unwrap();
    assert!(left.exists(), "somebody may be at work on it");
    // As if a minute had gone by: a file's time of change cannot be set.
    ground
        .sessions
        .folder
        .left_over_is(".curfew-0123456789abcdef");
    ground.sessions.delete(&[]).await.unwrap();
    assert!(!left.exists());
}

#[tokio::test]
async fn a_folder_that_is_gone_is_an_error_and_not_an_empty_one() {
    let mut ground = Ground::new();
    let key = ground.save("ann", "1", Expiry::Default);
    assert!(ground.sessions.ready().await.is_ok());
    fs::remove_dir_all(ground.folder.path()).unwrap();
    let mut seen = Seen::default();
    let looked = ground
        .sessions
        .look(ground.now, &mut ground.mark, &mut seen)
        .await;
    assert_eq!(looked.unwrap_err().code, Code::File);
    let left = ground.sessions.surviving(std::slice::from_ref(&key)).await;
    assert_eq!(left.unwrap_err().code, Code::File);
    let refused = ground.sessions.ready().await.unwrap_err();
    assert_eq!(refused.code, Code::NotPossible);
    assert!(!refused.message.contains(key.expose()));
}

#[test]
fn a_folder_has_to_be_named_as_one() {
    for (path, cookie) in [("sessions", "sessionid"), ("/tmp", "a/b"), ("/tmp", "")] {
        let config = SessionsConfig {
            path: Some(path.into()),
            cookie_name: cookie.into(),
            ..SessionsConfig::default()
        };
        let error = FileSessions::new(&config).map(|_| ()).unwrap_err();
        assert_eq!(error.code, Code::Config);
    }
}

#[tokio::test]
async fn a_folder_taken_for_granted_proves_nothing_until_a_session_was_seen() {
    let config = SessionsConfig {
        cookie_name: "no-site-calls-it-this".into(),
        ..SessionsConfig::default()
    };
    let sessions = FileSessions::new(&config).unwrap();
    assert!(!sessions.whole());
    let refused = sessions.ready().await.unwrap_err();
    assert_eq!(refused.code, Code::NotPossible);
    assert!(refused.message.contains("path"), "{refused}");
}
