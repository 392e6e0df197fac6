//! What happens at the same time, on every engine: requests under way at a logout, people who come back while
//! they are swept, people who browse while they are signed out. Two things hold whoever is faster: nobody
//! active is signed out, and nobody is claimed signed out who is in.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;

use super::cell::{Turn, reports};
use crate::harness::{Cache, Person, Ran, Seeded, SessionEngine, Site, active, overdue, sorted};

on_each_cell! {
    a_request_under_way_at_a_logout_is_never_claimed_gone;
    nobody_active_is_swept;
    nobody_is_claimed_gone_who_is_in at_once 11;
}

/// A request that saves its session after the logout; and, where a cache is asked first, one that read the row
/// before it went and puts it into the cache after.
async fn a_request_under_way_at_a_logout_is_never_claimed_gone(turn: Turn) {
    let site = &turn.site;
    site.seed(&[active("ana").no_session(), active("ben").no_session()])
        .await;
    let mut saves = site.sign_in("ana").await;
    let mut reads = site.sign_in("ben").await;
    let case = format!("{:016x}", crate::harness::chance());
    let saving = site.slow(&saves, &format!("{case}-saving")).await;
    let engine = turn.cell.engine;
    let reading = match turn.cell.has_copies() {
        true => {
            site.forget_cached(reads.key()).await;
            Some(site.stalled(&reads, &format!("{case}-reading")).await)
        }
        false => None,
    };

    let ran = site.curfew().json(&["logout", "ana", "ben"]).await;

    saving.go().await;
    if let Some(reading) = reading {
        reading.go().await;
    }
    let reports = reports(&ran.document());
    let keys = [saves.key().to_owned(), reads.key().to_owned()];
    let mut back = Vec::new();
    for (browser, report) in [(&mut saves, &reports[0]), (&mut reads, &reports[1])] {
        let is_in = browser.whoami().await.is_some();
        let claimed = report["outcome"] == "signed_out";
        assert!(!(claimed && is_in), "is in: {report:#}");
        assert_eq!(claimed, report["verified"] == true, "{report:#}");
        back.push(is_in);
    }
    // It was a race: where an engine lets a session come back, it did.
    assert_eq!(back[0], engine == SessionEngine::UserSessions);
    assert_eq!(back[1], turn.cell.has_copies());
    if turn.cell.cache == Some(Cache::Memcached) {
        // What is in there alone can be listed by nobody.
        return;
    }
    // Whoever came back goes the second time, with nothing under way.
    site.curfew().json(&["logout", "ana", "ben"]).await;
    assert!(turn.all_out(&keys).await);
}

/// How many people race in each case of a cell: of an engine's two hundred, its share; by night ten thousand.
fn share(turn: &Turn) -> usize {
    let all = std::env::var("CURFEW_TEST_RACES").ok();
    let all: usize = all.map_or(200, |number| number.parse().unwrap());
    // An engine has up to three cells, and a race is run either way.
    let cells = match turn.cell.engine {
        SessionEngine::CachedDb => 9,
        SessionEngine::Cache => 4,
        _ => 2,
    };
    let share = all.div_ceil(cells * 2);
    eprintln!("{share} people race");
    share
}

/// The seed of a run, which a failure names: CURFEW_TEST_SEED runs it again.
struct Seed(u64);

impl Seed {
    fn new() -> Self {
        let given = std::env::var("CURFEW_TEST_SEED").ok();
        let seed = given.map_or_else(crate::harness::chance, |seed| seed.parse().unwrap());
        eprintln!("CURFEW_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number below `limit`: a step of SplitMix64.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn name(number: usize) -> String {
    format!("person{number:05}")
}

const AT_ONCE: usize = 100;

async fn crowd(site: &Site, size: usize, like: fn(&str) -> Person) -> Seeded {
    let people: Vec<Person> = (0..size).map(|n| like(&name(n))).collect();
    site.seed(&people).await
}

/// Overdue people, of whom most come back, each at a moment of their own, while a sweep runs.
async fn nobody_active_is_swept(turn: Turn) {
    let mut seed = Seed::new();
    let mut left = share(&turn);
    let mut stayed = 0;
    while left > 0 {
        let size = left.min(AT_ONCE);
        stayed += come_back_while_it_sweeps(&turn, size, &mut seed).await;
        turn.site.empty().await;
        left -= size;
    }
    assert!(stayed > 0, "nobody came back in time");
}

/// Whoever comes back: their number, their key, and whether they came in time.
type Back = JoinHandle<(usize, String, bool)>;

/// How many came back in time.
async fn come_back_while_it_sweeps(turn: &Turn, size: usize, seed: &mut Seed) -> usize {
    let site = &turn.site;
    let seeded = crowd(site, size, overdue).await;
    let comes_back = |number: usize, after: u64| -> Back {
        let key = seeded.key(&name(number));
        let site = site.clone();
        let copies = turn.cell.has_copies();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(after)).await;
            let mut browser = site.browser(&key);
            let in_time = browser.whoami().await.is_some();
            // The activity is written now, and whoever is here still came in time. Only the copy of a row that
            // went before it may be there a moment longer.
            if copies {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            let here = site.names(std::slice::from_ref(&key)).await[0].is_some();
            (number, key, in_time && here)
        })
    };
    // A quarter is back before the sweep begins, half comes while it runs, a quarter stays away.
    let early: Vec<Back> = (0..size).step_by(4).map(|n| comes_back(n, 0)).collect();
    let mut returns = Vec::new();
    for back in early {
        returns.push(back.await.unwrap());
    }
    let curfew = site.curfew();
    let sweep = tokio::spawn(async move { curfew.json(&["sweep", "--force"]).await });
    // A sweep that has just begun refreshes a second time after two seconds, and then takes some tenths of a second: most meet
    // it, some its plan or its report.
    let racing: Vec<Back> = (0..size)
        .filter(|number| matches!(number % 4, 1 | 2))
        .map(|number| comes_back(number, 2_000 + seed.below(500)))
        .collect();
    let ran = sweep.await.unwrap();
    assert!([0, 4].contains(&ran.status), "{ran:#?}");
    let report = ran.document();
    let claimed = match report["verified"] == true {
        true => sorted(&report["users"]),
        false => Vec::new(),
    };
    for back in racing {
        returns.push(back.await.unwrap());
    }
    let mut stayed = 0;
    for (number, key, stays) in returns {
        stayed += usize::from(stays);
        let who = name(number);
        let is_in = site.names(std::slice::from_ref(&key)).await[0].is_some();
        if stays {
            assert!(is_in, "{who} came back in time and was signed out");
            assert!(
                !claimed.contains(&who),
                "{who} is in, and claimed to be gone: {report:#}"
            );
        }
    }
    for number in (0..size).filter(|number| number % 4 == 3) {
        let keys = seeded.keys(&name(number));
        assert!(turn.all_out(&keys).await, "{} stayed away", name(number));
    }
    stayed
}

/// Rounds of a case in which nothing was claimed, at the most: on a machine that stands still for seconds, a database is
/// silent for longer than Curfew waits, and such a round tells nothing.
const SILENT: usize = 2;

/// People who browse, each at moments of their own, while they are logged out.
async fn nobody_is_claimed_gone_who_is_in(turn: Turn) {
    let mut seed = Seed::new();
    let mut left = share(&turn);
    let mut silent = 0;
    while left > 0 {
        // A minute's wait is the same for many.
        let size = left.min(match turn.cell.engine.can_come_back() {
            true => 5 * AT_ONCE,
            false => AT_ONCE,
        });
        match browse_while_they_are_logged_out(&turn.site, size, &mut seed).await {
            Ok(()) => left -= size,
            Err(ran) => {
                silent += 1;
                assert!(silent <= SILENT, "again nothing was claimed: {ran:#?}");
            }
        }
        turn.site.empty().await;
    }
}

/// Where nothing was claimed: what Curfew said.
async fn browse_while_they_are_logged_out(
    site: &Arc<Site>,
    size: usize,
    seed: &mut Seed,
) -> Result<(), Ran> {
    let seeded = crowd(site, size, active).await;
    // Where a session can come back, nothing is claimed before the last look, and people browse until then.
    let waits = site.sessions.can_come_back();
    let browsing: Vec<_> = (0..size)
        .map(|number| {
            let key = seeded.key(&name(number));
            let mut pages: Vec<u64> = (0..3).map(|_| seed.below(500)).collect();
            if waits {
                pages.push(seed.below(50_000));
            }
            let site = site.clone();
            tokio::spawn(async move {
                let mut browser = site.browser(&key);
                for after in pages {
                    tokio::time::sleep(Duration::from_millis(after)).await;
                    // Saves the session. Where it is gone the site may well refuse.
                    browser.get("touch").await;
                }
            })
        })
        .collect();
    let everyone: Vec<String> = (0..size).map(name).collect();
    let mut words = vec!["logout"];
    words.extend(everyone.iter().map(String::as_str));
    words.extend(waits.then_some("--wait"));
    let ran = site.curfew().json(&words).await;
    for browser in browsing {
        browser.await.unwrap();
    }
    let document = ran.document();
    if document["error"]["code"] == "unreachable" {
        return Err(ran);
    }
    let reports = reports(&document);
    assert_eq!(reports.len(), size);
    // Of whom the database was not to be asked, nothing is claimed.
    let failed = || reports.iter().filter(|report| report["error"].is_object());
    assert!(
        failed().all(|report| report["error"]["code"] == "unreachable"),
        "{ran:#?}"
    );
    match failed().next() {
        Some(_) => assert_eq!(ran.status, 1, "{ran:#?}"),
        None => assert!([0, 4].contains(&ran.status), "{ran:#?}"),
    }
    let claimed: Vec<&Value> = reports
        .iter()
        .filter(|report| report["outcome"] == "signed_out")
        .collect();
    if claimed.is_empty() {
        return Err(ran);
    }
    let keys: Vec<String> = claimed
        .iter()
        .map(|report| seeded.key(report["user"]["username"].as_str().unwrap()))
        .collect();
    let names = site.names(&keys).await;
    assert!(
        names.iter().all(Option::is_none),
        "{names:?} are in, and claimed to be gone"
    );
    Ok(())
}
