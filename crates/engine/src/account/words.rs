//! How the switching of an account ended, called by its name.

use super::Switching;
use crate::doubt::sentences;
use crate::error::Code;
use crate::logout::ending::{Ending, Look};
use crate::logout::sessions;
use crate::view::{AccountOutcome, AccountReport, Doubt, ReasonCode, UserView};

pub(super) fn nothing(one: Switching, what: &str) -> AccountReport {
    AccountReport {
        detail: format!("{} {what}", one.user.username),
        enabled: one.enabled,
        user: one.user,
        sessions_deleted: 0,
        outcome: AccountOutcome::NothingToDo,
        verified: true,
        flag_cleared: false,
        following: false,
        deed: String::new(),
        tokens: None,
    }
}

pub(super) fn conclude(
    one: &Switching,
    ending: &Ending,
    copies_seen: bool,
    doubts: &[Doubt],
    following: bool,
) -> AccountReport {
    let progress = ending.people.first().map(|person| &person.progress);
    let (outcome, detail) = say(one, ending, copies_seen, doubts, following);
    AccountReport {
        user: UserView {
            enabled: one.enabled,
            ..one.user.clone()
        },
        enabled: one.enabled,
        sessions_deleted: progress
            .map_or(0, |p| u32::try_from(p.deleted.len()).unwrap_or(u32::MAX)),
        outcome,
        // Cookies that hold the session themselves are out of sight, and may sign in again.
        verified: outcome == AccountOutcome::Suspended
            || (outcome == AccountOutcome::Allowed && one.out_of_reach.is_none()),
        flag_cleared: progress.is_some_and(|p| p.flag_cleared),
        following,
        deed: one.deed.clone(),
        detail,
        tokens: None,
    }
}

fn say(
    one: &Switching,
    ending: &Ending,
    copies_seen: bool,
    doubts: &[Doubt],
    following: bool,
) -> (AccountOutcome, String) {
    use AccountOutcome::{Allowed, Partial, Suspended, Unverified};
    let name = &one.user.username;
    let progress = ending.people.first().map(|person| &person.progress);
    let count = progress.map_or(0, |p| p.deleted.len());
    let ended = match count {
        0 => String::new(),
        n => format!(", {} ended", sessions(n)),
    };
    let state = match one.enabled {
        true => "may sign in",
        false => "is suspended",
    };
    if let Some(error) = one.broken.as_ref().filter(|e| e.code == Code::NotKnown) {
        let to = if one.to { "reactivated" } else { "suspended" };
        let text = format!(
            "Not known: no answer came, and the database cannot be asked whether {name} was {to}{ended} ({}).",
            error.message
        );
        return (Unverified, text);
    }
    if let Some(n) = progress.map(|p| p.unanswered.len()).filter(|n| *n > 0) {
        let text = format!(
            "Not known: {name} {state}{ended}; no answer came to the deletion of {}, and the database cannot be asked whether it was done.",
            sessions(n)
        );
        return (Unverified, text);
    }
    if let Some(error) = &one.broken {
        let text = format!(
            "Done in part: {name} {state}{ended}, then {}.",
            error.message
        );
        return (Partial, text);
    }
    if let Some(error) = progress.and_then(|p| p.broken.as_ref()) {
        let text = format!(
            "Done in part: {name} {state}{ended}, then {}.",
            error.message
        );
        return (Partial, text);
    }
    let kept = doubts
        .iter()
        .find(|doubt| doubt.code == ReasonCode::DeleteSwallowed);
    if let Some(doubt) = kept {
        let text = format!("Done in part: {name} {state}{ended}. {}", doubt.detail);
        return (Partial, text);
    }
    if let Some(left) = progress.map(|p| p.left).filter(|left| *left > 0) {
        let text = format!(
            "Done in part: {name} {state}{ended}, but {} came back each time.",
            sessions(left)
        );
        return (Partial, text);
    }
    if one.enabled != one.to {
        let text = format!("Done in part: {name} {state}{ended}; the site has written it back.");
        return (Partial, text);
    }
    match (one.to, &one.out_of_reach) {
        // Django asks for the account at each request, whatever session comes with it: a session that a request under
        // way brings back lets nobody in. Who is to be let in again has it ended first.
        (false, None) => (
            Suspended,
            format!("Suspended {name}{ended}: the account is switched off, verified."),
        ),
        (false, Some(why)) => (
            Suspended,
            format!(
                "Suspended {name}: the account is switched off, verified. No session could be ended ({}): an old one works again as soon as {name} may sign in again, unless the password is changed before.",
                why.message
            ),
        ),
        (true, Some(_)) => (
            Allowed,
            format!(
                "{name} may sign in again. Sessions are kept in the browser here: an old cookie works again until it expires or the password changes."
            ),
        ),
        (true, None) => {
            let lasting = ending.lasting && progress.is_some_and(|p| p.meant);
            let late = progress.is_some_and(|p| p.gone_at == Some(Look::Late) && !p.came_late);
            if lasting && !late {
                let more = match following {
                    true => "; Curfew looks for a minute whether an old session comes back",
                    false => "; an old session can come back for a minute",
                };
                return (
                    Unverified,
                    format!("{name} may sign in again{ended}{more}."),
                );
            }
            if count > 0 && !copies_seen {
                let text = format!(
                    "{name} may sign in again{ended}, not verified: no session of this site was ever seen in its cache, so an old copy may be there."
                );
                return (Unverified, text);
            }
            if !doubts.is_empty() {
                let text = format!(
                    "{name} may sign in again{ended}. Not verified: {}",
                    sentences(doubts)
                );
                return (Unverified, text);
            }
            (
                Allowed,
                format!("{name} may sign in again{ended}, no old session is left, verified."),
            )
        }
    }
}
