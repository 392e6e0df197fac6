//! How a logout ended, called by its name. "Signed out" only where it was looked again, to the last look, and all was gone.

use super::ending::{Look, Progress};
use crate::view::{LogoutReport, Outcome, UserView};

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
        match self.lasting && progress.meant {
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
) -> LogoutReport {
    let (outcome, detail) = say(&user.username, progress, stays, ground);
    LogoutReport {
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

fn say(name: &str, progress: &Progress, stays: u32, ground: Ground) -> (Outcome, String) {
    let count = progress.deleted.len();
    let deleted = format!("{} of {name} deleted", sessions(count));
    if let Some(error) = &progress.broken {
        let why = &error.message;
        // What could not be deleted is there, or half of it is: the row, or the copy that the site asks first.
        return if progress.left > 0 || (count == 0 && ground.cached) {
            let text = format!("Done in part: {deleted}, then {why}.");
            (Outcome::Partial, text)
        } else {
            (
                Outcome::Unverified,
                format!("Not verified: {deleted}, then {why}."),
            )
        };
    }
    if progress.left > 0 {
        let left = sessions(progress.left);
        let text = format!("Done in part: {deleted}, but {left} came back each time.");
        return (Outcome::Partial, text);
    }
    if progress.anew > 0 {
        let anew = sessions(progress.anew);
        let text = format!("Done in part: {deleted}; {name} signed in again since, with {anew}.");
        return (Outcome::Partial, text);
    }
    if progress.came_late {
        let text = format!(
            "Not verified: {deleted}; one came back as late as a minute after, and was deleted again."
        );
        return (Outcome::Unverified, text);
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
        return (
            Outcome::Unverified,
            format!("Gone now, not verified: {deleted}{and}"),
        );
    }
    if progress.meant && !ground.copies_seen {
        let text = format!(
            "Not verified: {deleted}, but no session of this site was ever seen in its cache, so a copy under another form of key may be there; set cache_key_prefix, cache_version or cache_key under [site.sessions]."
        );
        return (Outcome::Unverified, text);
    }
    let flag = match progress.flag_cleared {
        true => ", flag cleared",
        false => "",
    };
    if count == 0 {
        return match progress.flag_cleared {
            true => (
                Outcome::SignedOut,
                format!("{name} had no session left{flag}, verified."),
            ),
            false => (
                Outcome::NothingToDo,
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
    (Outcome::SignedOut, text)
}
