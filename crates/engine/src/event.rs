//! Everything that a window or a log can hear. Small on purpose: an event says what moved, and whoever
//! shows it asks the engine again. None carries a list of all people.

use serde::{Deserialize, Serialize};
use specta::Type;

use crate::view::{AccountOutcome, Connection, Counts, Health, Outcome, SweepSummary};

/// A person in an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Person {
    pub id: String,
    pub username: String,
    pub idle_seconds: u32,
}

/// What happened on a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A look at the site ended well; `revision` moves when a row or a state did.
    Looked { revision: u32, counts: Counts },
    /// The line to the database changed: live, stale, offline; or the next try moved.
    Connection { connection: Connection },
    /// These people were active at the last look and are idle now. At most 20 are named, the longest idle; fewer where
    /// their names are very long.
    WentIdle { people: Vec<Person>, more: u32 },
    /// These people were idle at the last look and no longer are: back, or gone. At most 200 ids.
    CameBack { ids: Vec<String> },
    /// A sweep ended, or was held by a guard.
    Swept { summary: SweepSummary },
    /// A force logout ended; or, with `following`, is gone now and looked at for a minute more, and tells its end
    /// by the same `deed`.
    LoggedOut {
        /// The user's id; empty for a session that cannot be read.
        id: String,
        deed: String,
        username: String,
        sessions: u32,
        outcome: Outcome,
        following: bool,
        detail: String,
    },
    /// A user signed in again within a minute of a force logout that was verified. `deed` is that of the logout.
    SignedInAgain {
        id: String,
        deed: String,
        username: String,
        /// Those that the user has now.
        sessions: u32,
    },
    /// An account was switched off or on; `following` as for a logout.
    AccountSwitched {
        id: String,
        deed: String,
        username: String,
        enabled: bool,
        sessions: u32,
        outcome: AccountOutcome,
        following: bool,
        detail: String,
    },
    /// The site's own address answers, or does not.
    Health { health: Health },
    /// A setting moved: armed, policy, automatic sweep, notices.
    Settings,
}

/// People that one event names.
const NAMED: usize = 20;
/// Ids that one event names.
const IDS: usize = 200;
/// Bytes of what an event names, as JSON: with all that is around it, no event has 8 KB.
const BYTES: usize = 7_800;

/// Those that an event names, the longest idle, and how many more there are.
pub(crate) fn named(mut people: Vec<Person>) -> (Vec<Person>, u32) {
    let all = people.len();
    people.sort_by_key(|p| std::cmp::Reverse(p.idle_seconds));
    people.truncate(NAMED);
    while people.len() > 1 && bytes(&people) > BYTES {
        people.pop();
    }
    let more = u32::try_from(all - people.len()).unwrap_or(u32::MAX);
    (people, more)
}

/// Ids in parts, each for an event of its own.
pub(crate) fn in_parts(ids: Vec<String>) -> Vec<Vec<String>> {
    let mut parts: Vec<Vec<String>> = Vec::new();
    let mut held = 0;
    for id in ids {
        let more = bytes(&id) + 1;
        match parts.last_mut() {
            Some(part) if part.len() < IDS && held + more <= BYTES => part.push(id),
            _ => {
                held = 0;
                parts.push(vec![id]);
            }
        }
        held += more;
    }
    parts
}

fn bytes(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(0, |text| text.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MOST: usize = 8_192;

    /// With an id and a name as long as Django's columns hold them, in letters of three bytes.
    fn somebody(number: u32, username: &str) -> Person {
        Person {
            id: format!("{number:0>36}"),
            username: username.into(),
            idle_seconds: number,
        }
    }

    #[test]
    fn whoever_went_idle_is_named_in_less_than_8_kb() {
        for (username, named_at_least) in [("ana", 20), (&*"王".repeat(150), 14)] {
            let people: Vec<Person> = (0..1_000).map(|n| somebody(n, username)).collect();
            let (people, more) = named(people);
            assert!(people.len() >= named_at_least, "{}", people.len());
            assert_eq!(people.len() + more as usize, 1_000);
            // Whoever has been idle longest is named first.
            assert_eq!(people[0].idle_seconds, 999);
            assert!(bytes(&Event::WentIdle { people, more }) < MOST);
        }
        let (few, more) = named(vec![somebody(1, "ana"), somebody(2, "ben")]);
        assert_eq!((few.len(), more), (2, 0));
    }

    #[test]
    fn whoever_came_back_is_told_of_in_parts_of_less_than_8_kb() {
        for length in [1, 36, 250] {
            let ids: Vec<String> = (0..1_000).map(|n| format!("{n:0>length$}")).collect();
            let parts = in_parts(ids.clone());
            assert_eq!(parts.concat(), ids);
            for ids in parts {
                assert!(ids.len() <= IDS);
                assert!(bytes(&Event::CameBack { ids }) < MOST);
            }
        }
        assert!(in_parts(Vec::new()).is_empty());
    }
}
