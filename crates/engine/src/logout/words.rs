//! How a logout ended, called by its name. "Signed out" only where it was looked again, to the last look, and all was gone.

use super::ending::{Look, Progress};
use crate::doubt::sentences;
use crate::error::Error;
use crate::view::{Doubt, LogoutReport, Outcome, ReasonCode, UserView};

/// What holds for all who leave together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground {
    /// A request under way can bring a session back.
    pub lasting: bool,
    /// Sessions, or copies of them, lie in a cache.
    pub cached: bool,
    /// What the cache says of a key can be relied on.
    pub copies_seen: bool,
    /// It goes on, and a later report tells how it ended.
    pub following: bool,
}

impl Ground {
    /// The look that decides.
    pub fn last(&self, progress: &Progress) -> Look {
        // What was never there cannot come back.
        match (self.lasting && progress.meant) || progress.met_new {
            true => Look::Late,
            false => Look::Soon,
        }
    }
}

pub(crate) fn sessions(n: usize) -> String {
    match n {
        1 => "1 session".into(),
        n => format!("{n} sessions"),
    }
}

/// `stays`: sessions that were not meant to go.
pub(super) fn conclude(
    user: UserView,
    deed: &str,
    progress: &Progress,
    stays: u32,
    ground: Ground,
    mut doubts: Vec<Doubt>,
    keepers: &[String],
) -> LogoutReport {
    if progress.kept > 0 && progress.broken.is_none() {
        let kept = u32::try_from(progress.kept).unwrap_or(u32::MAX);
        doubts.push(Doubt::delete_swallowed(kept, keepers));
    }
    let (outcome, reason_code, detail) = say(&user.username, progress, stays, ground, &doubts);
    LogoutReport {
        reason_code,
        doubts,
        sessions_deleted: u32::try_from(progress.deleted.len()).unwrap_or(u32::MAX),
        outcome,
        verified: matches!(outcome, Outcome::SignedOut | Outcome::NothingToDo),
        flag_cleared: progress.flag_cleared,
        following: ground.following,
        deed: deed.to_owned(),
        detail,
        tokens: None,
        user,
    }
}

fn say(
    name: &str,
    progress: &Progress,
    stays: u32,
    ground: Ground,
    doubts: &[Doubt],
) -> (Outcome, ReasonCode, String) {
    let count = progress.deleted.len();
    if !progress.unanswered.is_empty() {
        let text = format!(
            "Not known: no answer came to the deletion of {} of {name}, and the database cannot be asked whether it was done.",
            sessions(progress.unanswered.len())
        );
        return (Outcome::Unverified, ReasonCode::NotKnown, text);
    }
    let deleted = format!("{} of {name} deleted", sessions(count));
    if let Some(error) = &progress.broken {
        let why = &error.message;
        // What could not be deleted is there, or half of it is: the row, or the copy that the site asks first.
        let (outcome, lead) = match progress.left > 0 || (count == 0 && ground.cached) {
            true => (Outcome::Partial, "Done in part"),
            false => (Outcome::Unverified, "Not verified"),
        };
        let text = format!("{lead}: {deleted}, then {why}.");
        return (outcome, ReasonCode::Failed, text);
    }
    let kept = doubts
        .iter()
        .find(|doubt| doubt.code == ReasonCode::DeleteSwallowed);
    if let Some(doubt) = kept {
        let text = format!("Done in part: {deleted}. {}", doubt.detail);
        return (Outcome::Partial, doubt.code, text);
    }
    if progress.left > 0 {
        let left = sessions(progress.left);
        let text = format!("Done in part: {deleted}, but {left} came back each time.");
        return (Outcome::Partial, ReasonCode::CameBack, text);
    }
    if progress.anew > 0 {
        let anew = sessions(progress.anew);
        let text = format!("Done in part: {deleted}; {name} signed in again since, with {anew}.");
        return (Outcome::Partial, ReasonCode::SignedInAgain, text);
    }
    if progress.came_late {
        let text = format!(
            "Not verified: {deleted}; one came back as late as a minute after, and was deleted again."
        );
        return (Outcome::Unverified, ReasonCode::CameBackLate, text);
    }
    if progress
        .gone_at
        .is_none_or(|look| look < ground.last(progress))
    {
        let and = match (ground.lasting, ground.following) {
            (false, _) => ".",
            (true, true) => {
                "; Curfew looks for a minute whether a request under way brings one back."
            }
            (true, false) => "; a request under way can bring one back for a minute.",
        };
        let text = format!("Gone now, not verified: {deleted}{and}");
        return (Outcome::Unverified, ReasonCode::CanComeBack, text);
    }
    if progress.keys_lost {
        let text = format!(
            "Not verified: an earlier sign-out of {name} was not verified, and its sessions cannot be looked for in this cache any more. A change of {name}'s password ends them."
        );
        return (Outcome::Unverified, ReasonCode::CanComeBack, text);
    }
    if progress.signed_in_since && !ground.lasting {
        let text = format!(
            "Not verified: {deleted}; {name} signed in again meanwhile, and that session was deleted too. Single sign-on can sign {name} in again."
        );
        return (Outcome::Unverified, ReasonCode::SignedInAgain, text);
    }
    if progress.meant && !ground.copies_seen {
        let text = format!(
            "Not verified: {deleted}, but no session of this site was ever seen in its cache, so a copy under another form of key may be there; set cache_key_prefix, cache_version or cache_key under [site.sessions]."
        );
        return (Outcome::Unverified, ReasonCode::CopiesUnseen, text);
    }
    let flag = match progress.flag_cleared {
        true => ", flag cleared",
        false => "",
    };
    if let Some(first) = doubts.first() {
        let seen = match count {
            0 => format!("no session of {name} is in sight"),
            _ => deleted,
        };
        let text = format!("Not verified: {seen}{flag}. {}", sentences(doubts));
        return (Outcome::Unverified, first.code, text);
    }
    if count == 0 {
        return match progress.flag_cleared {
            true => (
                Outcome::SignedOut,
                ReasonCode::FlagCleared,
                format!("{name} had no session left{flag}, verified."),
            ),
            false => (
                Outcome::NothingToDo,
                ReasonCode::NothingToDo,
                format!("{name} had left already; nothing to do."),
            ),
        };
    }
    let again = match progress.came_back {
        true => " (one came back and was deleted again)",
        false => "",
    };
    let text = if stays > 0 {
        format!(
            "Ended {} of {name}{again}, verified; still signed in with {}.",
            sessions(count),
            sessions(stays as usize)
        )
    } else {
        format!(
            "Signed out {name}: {} deleted{again}{flag}, verified.",
            sessions(count)
        )
    };
    (Outcome::SignedOut, ReasonCode::SignedOut, text)
}

/// The report of a sign-out that cannot be: nothing on the server ends the sessions.
pub(super) fn not_possible(user: UserView, why: &Error) -> LogoutReport {
    LogoutReport {
        user,
        sessions_deleted: 0,
        outcome: Outcome::NotPossible,
        verified: false,
        flag_cleared: false,
        following: false,
        deed: String::new(),
        detail: why.message.clone(),
        tokens: None,
        reason_code: ReasonCode::NotPossible,
        doubts: Vec::new(),
    }
}

/// The report of a sign-out that found nothing to delete. `whole`: every session of the site can be seen; `copies_seen`: what
/// the cache says of a key can be relied on.
pub(super) fn nothing(
    user: UserView,
    whole: bool,
    copies_seen: bool,
    doubts: Vec<Doubt>,
) -> LogoutReport {
    let name = &user.username;
    // Where not all sessions can be seen, to see none means nothing.
    let (outcome, reason_code, detail) = match (whole, doubts.first()) {
        (true, None) => (
            Outcome::NothingToDo,
            ReasonCode::NothingToDo,
            format!("{name} has no session here; nothing to do."),
        ),
        (true, Some(first)) => (
            Outcome::Unverified,
            first.code,
            format!(
                "Not verified: no session of {name} is in sight. {}",
                sentences(&doubts)
            ),
        ),
        (false, _) => (
            Outcome::Unverified,
            ReasonCode::NotAllVisible,
            format!("No session of {name} is in sight, but not every session can be seen here."),
        ),
    };
    LogoutReport {
        user,
        sessions_deleted: 0,
        outcome,
        verified: outcome == Outcome::NothingToDo && copies_seen,
        flag_cleared: false,
        following: false,
        deed: String::new(),
        detail,
        tokens: None,
        reason_code,
        doubts,
    }
}
