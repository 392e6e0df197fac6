//! What a look and a deed ask of the database, counted by PostgreSQL itself: it follows what changed, not what there is.

use curfew_engine::config::Policy;
use curfew_engine::policy::Rules;
use curfew_engine::roster::Roster;
use curfew_engine::store::{KeyRef, Mark, SessionKey, SessionRef, Sink, Store, UserId, UserRow};
use jiff::{SignedDuration, Timestamp};

use crate::common::{Engine, Ground, KEYS, Person};

/// A kind of statement: how often it was asked and planned, how many rows it came to, and its text.
#[derive(Debug)]
pub(super) struct Asked {
    calls: u32,
    plans: u32,
    rows: u32,
    text: String,
}

/// A site with people of one session each, and someone who looks at it.
pub(super) struct Watched {
    pub ground: Ground,
    pub roster: Roster,
    pub mark: Mark,
    /// Sessions that the last look was told were saved.
    pub saved: Vec<SessionKey>,
}

/// A roster, and which sessions it is told were saved.
struct Counting<'a>(&'a mut Roster, &'a mut Vec<SessionKey>);

impl Sink for Counting<'_> {
    fn take(&mut self, row: SessionRef<'_>) {
        self.0.take(row);
    }
    fn listed(&mut self, key: KeyRef<'_>, expires: Timestamp) -> bool {
        self.0.listed(key, expires)
    }
    fn saved(
        &mut self,
        found: &[(KeyRef<'_>, Timestamp)],
        within: Option<(Timestamp, Timestamp)>,
    ) -> Vec<usize> {
        self.1.extend(found.iter().map(|(key, _)| key.to_key()));
        self.0.saved(found, within)
    }
    fn knows(&mut self, key: KeyRef<'_>) -> bool {
        self.0.knows(key)
    }
    fn listing_begins(&mut self) {
        self.0.listing_begins();
    }
    fn unnamed(&mut self) -> Vec<SessionKey> {
        self.0.unnamed()
    }
    fn listing_done(&mut self) {
        self.0.listing_done();
    }
    fn ages(&mut self) -> Vec<i64> {
        self.0.ages()
    }
    fn user(&mut self, row: UserRow) {
        self.0.user(row);
    }
    fn users_unread(&mut self) -> Vec<UserId> {
        self.0.users_unread()
    }
    fn users_in_turn(&mut self, from: u32, most: usize) -> (Vec<UserId>, Option<u32>) {
        self.0.users_in_turn(from, most)
    }
    fn users_missing(&mut self, ids: Vec<UserId>) {
        self.0.users_missing(ids);
    }
    fn flagged(&mut self, ids: Vec<UserId>) {
        self.0.flagged(ids);
    }
}

pub(super) fn key(number: u32) -> String {
    format!("{number:a>32}")
}

impl Watched {
    /// Looked at as often as it takes to know what a look costs.
    pub async fn with(people: u32) -> Self {
        let ground = Ground::on(Engine::Postgres).await;
        ground
            .db
            .execute("CREATE EXTENSION pg_stat_statements")
            .await;
        for number in 1..=people {
            let person = Person {
                activity: Some(ground.ago(7_200)),
                flag: true,
                ..Person::default()
            };
            ground
                .person(number, &format!("person{number}"), person)
                .await;
            ground
                .session(&key(number), Some(number), ground.ago(7_200))
                .await;
        }
        ground.db.execute("ANALYZE").await;
        let mut watched = Self {
            ground,
            roster: Roster::new(Some(KEYS.clone())),
            mark: Mark::default(),
            saved: Vec::new(),
        };
        for _ in 0..6 {
            watched.look().await;
        }
        assert_eq!(watched.roster.counts().sessions, people);
        watched
    }

    pub async fn look(&mut self) {
        let Self {
            ground,
            roster,
            mark,
            saved,
        } = self;
        saved.clear();
        let mut counting = Counting(roster, saved);
        let now = ground.store.look(mark, &mut counting).await.unwrap();
        roster.settle(now, &Rules::new(&Policy::default(), false, true));
    }

    /// As a logout does before its first deletion.
    pub async fn glance(&mut self) {
        self.saved.clear();
        let last = self.mark.covered().unwrap();
        let mut counting = Counting(&mut self.roster, &mut self.saved);
        let glance = self
            .ground
            .store
            .glance(Timestamp::now(), last, &mut counting);
        glance.await.unwrap();
    }

    /// What is asked of the database while this is done.
    async fn asked(&mut self, deed: impl AsyncFnOnce(&mut Self)) -> Vec<Asked> {
        const HERE: &str = "SELECT oid FROM pg_database WHERE datname = current_database()";
        let reset = format!("SELECT pg_stat_statements_reset(0, ({HERE}), 0)");
        self.ground.db.execute(&reset).await;
        deed(self).await;
        let counted = format!(
            "SELECT calls || ' ' || plans || ' ' || rows || ' ' || query FROM pg_stat_statements \
             WHERE dbid = ({HERE}) AND query NOT LIKE '%pg_stat_statements%'"
        );
        let asked = self.ground.db.texts(&counted).await;
        let asked = asked.iter().map(|line| {
            let mut parts = line.splitn(4, ' ');
            let mut number = || parts.next().unwrap().parse().unwrap();
            Asked {
                calls: number(),
                plans: number(),
                rows: number(),
                text: parts.next().unwrap().to_owned(),
            }
        });
        asked.collect()
    }

    pub async fn asked_by_a_look(&mut self) -> Vec<Asked> {
        self.asked(async |watched: &mut Self| watched.look().await)
            .await
    }
}

fn calls(asked: &[Asked]) -> u32 {
    asked.iter().map(|one| one.calls).sum()
}

/// Sessions whose content was read.
fn contents(asked: &[Asked]) -> u32 {
    let whole = asked.iter().filter(|one| one.text.contains("session_data"));
    whole.map(|one| one.rows).sum()
}

/// Those of a kind whose text holds this: how many statements, and how many rows.
pub(super) fn of(asked: &[Asked], text: &str) -> (u32, u32) {
    let these = || asked.iter().filter(|one| one.text.contains(text));
    (
        these().map(|one| one.calls).sum(),
        these().map(|one| one.rows).sum(),
    )
}

/// How often what was saved was asked for, and how often that was planned.
fn planned(asked: &[Asked]) -> (u32, u32) {
    let these = || asked.iter().filter(|one| one.text.contains(CLOCK));
    (
        these().map(|one| one.calls).sum(),
        these().map(|one| one.plans).sum(),
    )
}

/// All that was saved is one row of its answer.
const CLOCK: &str = "statement_timestamp()";

/// The time and who was saved; the table's size, and a step of its listing; who has the flag, who was active, and some
/// users in turn: as far as they are due.
const STILL: u32 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_where_nothing_changed_asks_no_more_of_a_larger_site() {
    for people in [10, 200] {
        let mut watched = Watched::with(people).await;
        let asked = watched.asked_by_a_look().await;
        assert_eq!(contents(&asked), 0, "{asked:#?}");
        assert_eq!(of(&asked, CLOCK), (1, 1), "{asked:#?}");
        assert_eq!(watched.saved.len(), 0);
        assert!(calls(&asked) <= STILL, "{asked:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_saved_is_asked_for_by_one_plan() {
    let mut watched = Watched::with(20).await;
    let asked = watched
        .asked(async |watched: &mut Watched| {
            for _ in 0..60 {
                watched.look().await;
            }
        })
        .await;
    let (calls, plans) = planned(&asked);
    assert_eq!(calls, 60, "{asked:#?}");
    // PostgreSQL makes five plans before it keeps one, for each connection. It forgets that where it learns something new of
    // a table.
    assert!(plans <= 24, "{asked:#?}");
}

/// A plan that sees no ends takes a range for a part of the table, and a part of so large a one for much.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_table_of_millions_what_was_saved_is_planned_for_each_time() {
    let mut watched = Watched::with(20).await;
    // As the server has counted them.
    let many = "UPDATE pg_class SET reltuples = 3000000 WHERE relname = 'django_session'";
    watched.ground.db.execute(many).await;
    // It is asked when a listing begins.
    watched.mark.hurry();
    watched.look().await;
    let asked = watched
        .asked(async |watched: &mut Watched| {
            for _ in 0..40 {
                watched.look().await;
            }
        })
        .await;
    let (calls, plans) = planned(&asked);
    assert_eq!(calls, 40, "{asked:#?}");
    assert!(plans >= 40, "{asked:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_saved_is_handed_over_once_each_and_only_what_is_new_is_read_whole() {
    let mut watched = Watched::with(200).await;
    let now = Timestamp::now();
    for number in 1..=50 {
        watched.ground.save(&key(number), Some(number), now).await;
    }
    let asked = watched.asked_by_a_look().await;
    assert_eq!(of(&asked, CLOCK), (1, 1), "{asked:#?}");
    assert_eq!(watched.saved.len(), 50);
    // The listing, in which all of a small site has its turn, reads those whole, once.
    let listed = asked.iter().filter(|one| one.text.contains("ctid"));
    assert!(listed.count() <= 1, "{asked:#?}");
    assert!(contents(&asked) <= 50, "{asked:#?}");
    assert!(calls(&asked) <= STILL + 1, "{asked:#?}");

    for number in 201..=203 {
        watched
            .ground
            .person(number, &format!("person{number}"), Person::default())
            .await;
        let saved = Timestamp::now();
        watched
            .ground
            .session(&key(number), Some(number), saved)
            .await;
    }
    let asked = watched.asked_by_a_look().await;
    assert_eq!(contents(&asked), 3, "{asked:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_asks_the_same_whether_two_go_or_forty() {
    let mut before = None;
    for size in [2, 40] {
        let mut watched = Watched::with(size).await;
        let asked = watched
            .asked(async |watched: &mut Watched| {
                let ground = &watched.ground;
                let overdue = (1..=size).map(|number| {
                    let keys = vec![SessionKey::new(key(number))];
                    (ground.id(number), keys)
                });
                let done = ground
                    .store
                    .sweep(ground.batch(overdue.collect()))
                    .await
                    .unwrap();
                assert_eq!(done.deleted.len(), size as usize);
                assert_eq!(done.marked.len(), size as usize);
            })
            .await;
        let calls = calls(&asked);
        assert!(calls <= 10, "{asked:#?}");
        assert_eq!(*before.get_or_insert(calls), calls, "{asked:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_deleted_and_looked_for_by_one_statement_each() {
    let mut watched = Watched::with(20).await;
    let keys: Vec<_> = (1..=5).map(|number| SessionKey::new(key(number))).collect();
    let asked = watched
        .asked(async |watched: &mut Watched| {
            let store = &watched.ground.store;
            assert_eq!(store.delete(&keys).await.unwrap().len(), 5);
            assert!(store.surviving(&keys).await.unwrap().is_empty());
        })
        .await;
    assert_eq!(calls(&asked), 2, "{asked:#?}");
    assert_eq!(of(&asked, "DELETE"), (1, 5), "{asked:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_thousands_were_active_or_bear_the_flag_no_statement_reads_them_all() {
    /// Two pieces, and one that ends them.
    const MANY: u32 = 20_000;
    let mut watched = Watched::with(10).await;
    let more = format!(
        "INSERT INTO accounts_user (id, username, \"isCurrentlyActive\") \
         SELECT n, 'person' || n, true FROM generate_series(1001, {}) AS n",
        1_000 + MANY
    );
    watched.ground.db.execute(&more).await;
    let mut asked = Vec::new();
    for _ in 0..2 {
        let now = watched.ground.at(Timestamp::now());
        let active = format!("UPDATE accounts_user SET last_activity = {now} WHERE id > 1000");
        watched.ground.db.execute(&active).await;
        // Before anybody is read because they are new, and however long flags took while this machine was busy.
        watched.mark.hurry();
        asked = watched.asked_by_a_look().await;
    }
    let pieces = asked
        .iter()
        .filter(|one| one.text.contains("ORDER BY \"id\""));
    let (active, flagged): (Vec<_>, Vec<_>) =
        pieces.partition(|one| one.text.contains("last_activity"));
    let calls = |these: Vec<&Asked>| these.iter().map(|one| one.calls).sum::<u32>();
    assert_eq!((calls(active), calls(flagged)), (3, 3), "{asked:#?}");
    let now = watched.roster.now().unwrap();
    let active = (1_001..=1_000 + MANY).filter(|number| {
        let person = watched.roster.person(&watched.ground.id(*number)).unwrap();
        let last = person.last_activity().unwrap();
        now.duration_since(last) < SignedDuration::from_secs(60) && person.is_flagged()
    });
    assert_eq!(active.count(), MANY as usize);
}
