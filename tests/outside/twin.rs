//! The sweep against the usual periodic task, on twin sites with the same people. They differ where Curfew
//! means to differ, and nowhere else.

use std::collections::BTreeMap;

use serde_json::json;

use crate::harness::{Person, Site, person};

/// Seconds; the limit of both is 35 minutes, and every age here is well to one side of it.
const LIMIT: u32 = 2100;
const AGES: [Option<u32>; 7] = [
    None,
    Some(30),
    Some(600),
    Some(1800),
    Some(2400),
    Some(7200),
    Some(300_000),
];

#[derive(Clone)]
struct Case {
    activity: Option<u32>,
    login: u32,
    flag: bool,
    saves: Vec<u32>,
}

/// Ages of saves, as a site has them that records activity with each request: no save is newer than the activity. Where
/// nothing is recorded of someone, their saves are of any age.
fn saves(activity: Option<u32>) -> Vec<Vec<u32>> {
    let Some(age) = activity else {
        return vec![vec![], vec![500_000], vec![45, 400_000], vec![1200]];
    };
    vec![
        vec![],
        vec![age + 1],
        vec![age + 1, 400_000],
        vec![age + 900, age + 1400],
        vec![600_000, 700_000],
    ]
}

/// Each combination of what may be known of someone: 408 people.
fn cases() -> BTreeMap<String, Case> {
    let mut cases = BTreeMap::new();
    for activity in AGES {
        for flag in [true, false] {
            for login in [60, 900, 500_000, 600_000, 800_000, 900_000] {
                for saves in saves(activity) {
                    let name = format!("person{:03}", cases.len());
                    cases.insert(
                        name,
                        Case {
                            activity,
                            login,
                            flag,
                            saves,
                        },
                    );
                }
            }
        }
    }
    cases
}

impl Case {
    fn person(&self, name: &str) -> Person {
        let person = person(name).login(self.login).with("flag", self.flag);
        let person = match self.activity {
            Some(age) => person.activity(age),
            None => person,
        };
        let sessions: Vec<_> = self
            .saves
            .iter()
            .map(|age| json!({"saved_age": age}))
            .collect();
        person.with("sessions", sessions)
    }

    fn taken_by_the_task(&self) -> bool {
        self.flag && self.activity.is_some_and(|age| age > LIMIT)
    }

    /// Any evidence that this person was here lately.
    fn here(&self) -> bool {
        let saved = self.saves.iter().any(|&age| age <= LIMIT);
        saved || self.login <= LIMIT || self.activity.is_some_and(|age| age <= LIMIT)
    }

    fn stale(&self) -> bool {
        self.flag && self.saves.is_empty() && !self.here()
    }
}

/// What is left of someone: the flag, and how many sessions.
type Left = BTreeMap<String, (bool, usize)>;

async fn left(site: &Site, keys: &BTreeMap<String, Vec<String>>) -> Left {
    let flagged = site.flagged().await;
    let alive = site
        .db
        .texts("SELECT session_key FROM django_session")
        .await;
    let one = |(name, keys): (&String, &Vec<String>)| {
        let sessions = keys.iter().filter(|key| alive.contains(key)).count();
        (name.clone(), (flagged.contains(name), sessions))
    };
    keys.iter().map(one).collect()
}

async fn seed(site: &Site, cases: &BTreeMap<String, Case>) -> BTreeMap<String, Vec<String>> {
    let people: Vec<Person> = cases.iter().map(|(name, case)| case.person(name)).collect();
    let seeded = site.seed(&people).await;
    cases
        .keys()
        .map(|name| (name.clone(), seeded.keys(name)))
        .collect()
}

#[tokio::test]
async fn the_sweep_does_what_the_usual_task_does_but_for_those_who_are_here() {
    let cases = cases();
    let (ours, theirs) = tokio::join!(Site::start(), Site::start());
    let our_keys = seed(&ours, &cases).await;
    let their_keys = seed(&theirs, &cases).await;

    theirs.manage(&["periodic_signout"]).await;
    let report = ours.curfew().done(&["sweep", "--force"]).await;

    let (mut same, mut spared, mut stale, mut unflagged) = (0, 0, 0, 0);
    let (mut marked, mut deleted) = (0, 0);
    let (ours, theirs) = (
        left(&ours, &our_keys).await,
        left(&theirs, &their_keys).await,
    );
    for (name, case) in &cases {
        let had = (case.flag, case.saves.len());
        let (our, their) = (ours[name], theirs[name]);
        let task = if case.taken_by_the_task() {
            (false, 0)
        } else {
            had
        };
        assert_eq!(their, task, "the task itself: {name}");
        marked += usize::from(case.flag && !our.0);
        deleted += had.1 - our.1;

        if case.stale() {
            // Flagged and gone. The task never clears a flag whose user has no activity on record.
            assert_eq!(our, (false, 0), "stale: {name}");
            stale += 1;
        } else if case.taken_by_the_task() && case.here() {
            assert_eq!(our, had, "is here by other evidence: {name}");
            spared += 1;
        } else if !case.flag && !case.here() && case.activity.is_some() && had.1 > 0 {
            // Overdue, signed in, and the task looks at flagged people alone.
            assert_eq!(our, (false, 0), "overdue without the flag: {name}");
            unflagged += 1;
        } else {
            assert_eq!(our, their, "as the task: {name}");
            same += usize::from(case.taken_by_the_task());
        }
    }
    // Every kind is there, and none of it by chance alone.
    let each = [same, spared, stale, unflagged];
    assert!(each.iter().all(|&people| people >= 15), "{each:?}");
    assert_eq!(report["users_marked"], marked);
    assert_eq!(report["sessions_deleted"], deleted);
    assert_eq!(report["verified"], true);
}
