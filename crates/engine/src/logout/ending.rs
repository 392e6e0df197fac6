//! Sessions on their way out: delete, look whether they are gone, delete what came back. Several people share each
//! statement and each look. What it means in the end is said in `words`.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::error::{Code, Error, Result};
use crate::site::{Site, hold};
use crate::store::{SessionKey, UserId, held_up};

/// How long a request that was under way may take to be seen, where it cannot bring a session back.
const SETTLE: Duration = Duration::from_millis(2500);
/// The second look where it can.
const SOON: Duration = Duration::from_secs(5);
/// The last look where it can: no web server that is set up well lets a request live longer.
pub(super) const LATE: Duration = Duration::from_secs(60);
/// Rounds of deleting what is there at one look, before it is left and called by its name.
const ROUNDS: usize = 3;
/// Pauses before a look that failed is taken again: a moment's trouble must not leave open what one more asking settles.
const AGAIN: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];
/// Keys in one statement: where one fails, those before it are known to be gone.
const CHUNK: usize = 500;

/// The looks after a deletion, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Look {
    /// At once, at the keys that were deleted.
    Once,
    /// A few seconds later, at everything.
    Soon,
    /// A minute later, at everything.
    Late,
}

/// What is to go: one session, or all of a user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Session,
    User(UserId),
}

/// What was done about one person's sessions so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub deleted: BTreeSet<SessionKey>,
    /// Anything at all was there to be deleted.
    pub meant: bool,
    /// A sign-out before this one was not verified, and the keys of its sessions are not known any more. This cache can name
    /// no session.
    pub keys_lost: bool,
    /// Something that was deleted was there again.
    pub came_back: bool,
    /// Something was there at the last look of all.
    pub came_late: bool,
    /// What is there still, for all that was tried.
    pub left: usize,
    /// Of those, the sessions that no deletion ever took: the database keeps them.
    pub kept: usize,
    /// Sessions that a login since the deed made; they stay.
    pub anew: usize,
    /// A session was met, and deleted, that was not there when the deed began.
    pub met_new: bool,
    /// A login since the deed made one of those.
    pub signed_in_since: bool,
    pub flag_cleared: bool,
    /// Sessions whose deletion got no answer, until a look tells whether they are gone.
    pub unanswered: BTreeSet<SessionKey>,
    /// No answer came to the clearing of the flag, and it cannot be read.
    pub flag_unknown: bool,
    /// The last look at which nothing was left.
    pub gone_at: Option<Look>,
    pub broken: Option<Error>,
}

/// One person, or one session, on the way out.
#[derive(Debug)]
pub(crate) struct Leaver {
    /// Whose flag goes with the last session. None: whose session it is cannot be read.
    pub id: Option<UserId>,
    pub target: Target,
    /// What is to be deleted next.
    pub doomed: Vec<SessionKey>,
    pub progress: Progress,
}

impl Leaver {
    pub fn new(id: Option<UserId>, target: Target, doomed: Vec<SessionKey>) -> Self {
        let progress = Progress {
            meant: !doomed.is_empty(),
            ..Progress::default()
        };
        Self {
            id,
            target,
            doomed,
            progress,
        }
    }

    /// These are to go, too.
    pub fn doom(&mut self, keys: Vec<SessionKey>) {
        let doomed: BTreeSet<SessionKey> = self.doomed.drain(..).chain(keys).collect();
        self.progress.meant |= !doomed.is_empty();
        self.doomed = doomed.into_iter().collect();
    }

    /// Every key that was ever meant to go.
    fn keys(&self) -> BTreeSet<SessionKey> {
        let deleted = self.progress.deleted.iter();
        deleted.chain(&self.doomed).cloned().collect()
    }
}

/// People whose sessions are being ended together.
pub(crate) struct Ending {
    pub people: Vec<Leaver>,
    /// Whether a request under way can bring back here what was deleted.
    pub lasting: bool,
    began: Instant,
    /// The database's time at the beginning.
    since: Option<Timestamp>,
}

impl Ending {
    pub fn new(site: &Site, people: Vec<Leaver>) -> Self {
        Self {
            people,
            lasting: site.can_come_back(),
            began: Instant::now(),
            since: site.db_now(),
        }
    }

    async fn wait_for(&self, look: Look) {
        let after = match look {
            Look::Once => return,
            Look::Soon if self.lasting => SOON,
            Look::Soon => SETTLE,
            Look::Late if self.lasting => LATE,
            Look::Late => SETTLE * 2,
        };
        tokio::time::sleep_until(self.began + after).await;
    }

    /// Nothing of it could be done, and to try again later would not change that. A lock that others hold is let go.
    fn hopeless(&self) -> bool {
        let lost = |one: &Leaver| {
            let broken = one.progress.broken.as_ref();
            let nothing = one.progress.deleted.is_empty() && one.progress.unanswered.is_empty();
            broken.is_some_and(|error| !held_up(error)) && nothing
        };
        !self.lasting && !self.people.is_empty() && self.people.iter().all(lost)
    }

    /// The second look, in its time. Where it meets a session that is new, a third follows: single sign-on, for one, signs
    /// a user in again with the next request.
    pub async fn look_soon(&mut self, site: &Site) {
        if self.hopeless() {
            return;
        }
        self.wait_for(Look::Soon).await;
        self.pass(site, Look::Soon).await;
        if !self.lasting && self.people.iter().any(|one| one.progress.met_new) {
            self.wait_for(Look::Late).await;
            self.pass(site, Look::Late).await;
        }
    }

    /// The last look, where one is needed.
    pub async fn look_late(&mut self, site: &Site) {
        if self.lasting && self.people.iter().any(|one| one.progress.meant) {
            self.wait_for(Look::Late).await;
            self.pass(site, Look::Late).await;
        }
    }

    /// One look, in rounds: what is there goes, until nothing is there or it comes back each time.
    pub async fn pass(&mut self, site: &Site, look: Look) {
        for one in &mut self.people {
            one.progress.broken = None;
            one.progress.left = 0;
        }
        for round in 0..=ROUNDS {
            // The first deletion is not kept waiting by a look.
            if (look, round) != (Look::Once, 0)
                && let Err(error) = self.find_patiently(site, look, round).await
            {
                for one in &mut self.people {
                    one.progress.broken.get_or_insert_with(|| error.clone());
                    one.progress.left = one.doomed.len();
                }
                break;
            }
            if round == ROUNDS || self.people.iter().all(|one| one.doomed.is_empty()) {
                break;
            }
            if !self.strike(site).await {
                break;
            }
        }
        for one in &mut self.people {
            one.progress.left = one.doomed.len();
            let deleted = &one.progress.deleted;
            one.progress.kept = one
                .doomed
                .iter()
                .filter(|key| !deleted.contains(key))
                .count();
            if one.doomed.is_empty() && one.progress.broken.is_none() {
                one.progress.gone_at = Some(look);
            }
        }
        // Only a whole look tells that nobody is left behind the flag.
        if look > Look::Once {
            self.lower_flags(site).await;
        }
    }

    /// Deletes what is doomed; false where nothing could be done for anybody.
    async fn strike(&mut self, site: &Site) -> bool {
        let mut all: Vec<SessionKey> = Vec::new();
        for one in &mut self.people {
            one.progress.broken = None;
            one.progress.came_back |= one
                .doomed
                .iter()
                .any(|key| one.progress.deleted.contains(key));
            all.extend(one.doomed.iter().cloned());
        }
        let mut deleted = Vec::new();
        let ended = delete(site, &all, &mut deleted).await;
        self.note(site, &deleted);
        let Err(error) = ended else {
            return true;
        };
        if error.code == Code::NotKnown {
            self.note_unanswered();
        }
        // One row that another table of the site holds on to must not keep everyone else here.
        let alone = self.people.len() == 1;
        let mut any = !deleted.is_empty();
        for at in 0..self.people.len() {
            let doomed = self.people[at].doomed.clone();
            if doomed.is_empty() {
                continue;
            }
            let mut deleted = Vec::new();
            let ended = if alone {
                Err(error.clone())
            } else {
                delete(site, &doomed, &mut deleted).await
            };
            any |= !deleted.is_empty();
            self.note(site, &deleted);
            if let Err(error) = ended {
                self.people[at].progress.broken = Some(error);
            }
        }
        any && !alone
    }

    /// The deletion of what is doomed, but for what is known to be deleted, got no answer.
    fn note_unanswered(&mut self) {
        for one in &mut self.people {
            let deleted = &one.progress.deleted;
            let open = one.doomed.iter().filter(|key| !deleted.contains(key));
            one.progress.unanswered.extend(open.cloned());
        }
    }

    /// Takes down whose sessions were deleted.
    fn note(&mut self, site: &Site, deleted: &[SessionKey]) {
        hold(&site.roster).forget(deleted);
        let gone: BTreeSet<&SessionKey> = deleted.iter().collect();
        for one in &mut self.people {
            let own = one.doomed.iter().filter(|key| gone.contains(key)).cloned();
            one.progress.deleted.extend(own);
        }
    }

    /// As [`Self::find`]; where an outcome hangs on it, more than once.
    async fn find_patiently(&mut self, site: &Site, look: Look, round: usize) -> Result<()> {
        if look > Look::Once {
            for pause in AGAIN {
                if self.find(site, look, round).await.is_ok() {
                    return Ok(());
                }
                tokio::time::sleep(pause).await;
            }
        }
        self.find(site, look, round).await
    }

    /// Dooms what of it is there now.
    async fn find(&mut self, site: &Site, look: Look, round: usize) -> Result<()> {
        if look > Look::Once {
            let ids: Vec<UserId> = self
                .people
                .iter()
                .filter_map(|one| one.id.clone())
                .collect();
            site.look_whole(&ids).await?;
        }
        let all: Vec<SessionKey> = self.people.iter().flat_map(Leaver::keys).collect();
        // What was deleted can be there again under its key, where no listing names it.
        let there: BTreeSet<SessionKey> = match all.is_empty() {
            true => BTreeSet::new(),
            false => site.store.surviving(&all).await?.into_iter().collect(),
        };
        let gone: Vec<SessionKey> = all.into_iter().filter(|key| !there.contains(key)).collect();
        let mut roster = hold(&site.roster);
        roster.forget(&gone);
        for one in &mut self.people {
            // What is gone now was deleted here, although no answer said so.
            for key in std::mem::take(&mut one.progress.unanswered) {
                if !there.contains(&key) {
                    one.progress.deleted.insert(key);
                }
            }
            let meant = one.keys();
            let mut doomed: BTreeSet<SessionKey> = meant
                .iter()
                .filter(|key| there.contains(*key))
                .cloned()
                .collect();
            if let Target::User(id) = &one.target
                && look > Look::Once
            {
                let new: Vec<SessionKey> = roster
                    .keys_of(id)
                    .into_iter()
                    .filter(|key| !meant.contains(key))
                    .collect();
                doomed.extend(new.iter().cloned());
                let begun = match self.since {
                    Some(since) => roster.begun_after(id, since),
                    None => Vec::new(),
                };
                if look == Look::Late {
                    // Whoever has signed in since, with the password, is not what this deed was about. Where no request
                    // under way can bring a session back, every new one is a new login.
                    let anew = if self.lasting { &begun } else { &new };
                    one.progress.anew = anew
                        .iter()
                        .filter(|key| !one.progress.deleted.contains(*key) && doomed.remove(*key))
                        .count();
                } else {
                    one.progress.met_new |= !new.is_empty();
                    one.progress.signed_in_since |= new.iter().any(|key| begun.contains(key));
                }
            }
            one.progress.meant |= !doomed.is_empty();
            one.progress.came_late |= look == Look::Late && round == 0 && !doomed.is_empty();
            one.doomed = doomed.into_iter().collect();
        }
        Ok(())
    }

    /// Who has no usable session left is not here: the flag goes too. A full save in the site can write the old flag
    /// back, so it is read again and cleared again.
    async fn lower_flags(&mut self, site: &Site) {
        let now = site.db_now().unwrap_or(Timestamp::MIN);
        let mut any = false;
        let mut hidden = None;
        for one in &mut self.people {
            let Some(id) = &one.id else { continue };
            if one.progress.broken.is_some() {
                continue;
            }
            let mut goes = {
                let roster = hold(&site.roster);
                roster.flagged_now(id) && roster.usable_of(id, now) == 0
            };
            // Where sessions can be hidden, to see none means nothing, and the flag may be right.
            if goes && hidden.is_none() {
                hidden = Some(site.users_may_be_hidden().await);
            }
            goes &= hidden != Some(true);
            if goes {
                match lower_flag(site, id).await {
                    Ok(cleared) => {
                        any |= cleared;
                        one.progress.flag_cleared |= cleared;
                    }
                    Err(error) => {
                        one.progress.flag_unknown = error.code == Code::NotKnown;
                        one.progress.broken = Some(error);
                    }
                }
            }
        }
        if any {
            site.settle();
        }
    }
}

async fn lower_flag(site: &Site, id: &UserId) -> Result<bool> {
    let mut cleared = false;
    for _ in 0..2 {
        cleared |= site.store.clear_flag(id).await?;
        let rows = site.store.users(std::slice::from_ref(id)).await?;
        if !rows.iter().any(|row| row.flagged) {
            hold(&site.roster).unflag(std::slice::from_ref(id));
            break;
        }
    }
    Ok(cleared)
}

/// Deletes in chunks; what was deleted before a failure stands in `deleted`.
async fn delete(site: &Site, keys: &[SessionKey], deleted: &mut Vec<SessionKey>) -> Result<()> {
    for chunk in keys.chunks(CHUNK) {
        site.store.delete_into(chunk, deleted).await?;
    }
    Ok(())
}
