//! A notice's words: names made harmless, durations, and the sentences. Plain text, no markup.
//! Invariant: nothing from a site can end a line, hide, or turn the direction of the text around it; it is shown by number.

use crate::event::Person;
use crate::text::visible;
use crate::view::SweepSummary;

const NAMED: usize = 3;
const NAME_CHARACTERS: usize = 40;
const LINE_CHARACTERS: usize = 300;

/// "ana is idle", or "3 people are idle" and who; and `more` whom nobody named, idle for `least` seconds or longer.
pub(super) fn idle(people: &[Person], more: u32, least: u32) -> (String, String) {
    if let ([person], 0) = (people, more) {
        let title = format!("{} is idle", name(person));
        let body = format!("Last seen {} ago.", duration(person.idle_seconds));
        return (title, body);
    }
    let all = (people.len() as u64).saturating_add(u64::from(more));
    let title = match all {
        1 => "1 person is idle".to_owned(),
        all => format!("{all} people are idle"),
    };
    if people.is_empty() {
        return (
            title,
            format!("Last seen {} ago, or longer.", duration(least)),
        );
    }
    let named: Vec<String> = people
        .iter()
        .take(NAMED)
        .map(|person| format!("{} {}", name(person), duration(person.idle_seconds)))
        .collect();
    let body = match all - named.len() as u64 {
        0 => named.join(", "),
        rest => format!("{} and {rest} more", named.join(", ")),
    };
    (title, body)
}

/// A sweep that ended. None where it had nothing to do.
pub(super) fn swept(summary: &SweepSummary) -> Option<String> {
    let deed = match (summary.people, summary.sessions, summary.marked) {
        (0, 0, 0) if summary.verified => return None,
        (0, 0, 0) => "could not look again".to_owned(),
        // People who were only flagged as here, with no session left.
        (_, 0, marked) => format!("cleared the flag of {}", count(marked, "person", "people")),
        (people, sessions, _) => format!(
            "signed out {}, {}",
            count(people, "person", "people"),
            count(sessions, "session", "sessions")
        ),
    };
    Some(match summary.verified {
        true => sentence(&format!("{deed}, verified")),
        false => sentence(&format!("Not verified: {deed}")),
    })
}

fn count(n: u32, one: &str, many: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    }
}

/// "45 s", "12 min", "1 h 07".
pub(super) fn duration(seconds: u32) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        _ => format!("{} h {:02}", seconds / 3_600, seconds / 60 % 60),
    }
}

/// A person's name for a line of text: cleaned, cut to 40 characters, isolated from the text's direction.
fn name(person: &Person) -> String {
    let mut name = visible(&person.username).into_owned();
    if name.trim().is_empty() {
        name = format!("id:{}", visible(&person.id));
    }
    format!("\u{2068}{}\u{2069}", cut(&name, NAME_CHARACTERS))
}

/// A line that may hold words from outside, such as an error's.
pub(super) fn plain(text: &str) -> String {
    cut(&visible(text.trim()), LINE_CHARACTERS)
}

/// Starts with a capital, and ends as a sentence does.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    ended(
        &first
            .into_iter()
            .flatten()
            .chain(letters)
            .collect::<String>(),
    )
}

/// Ends as a sentence does. What it starts with stays: it may be a host's name.
pub(super) fn ended(text: &str) -> String {
    match text.ends_with(['.', '!', '?', '…']) {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}

fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(characters - 1).collect();
    cut.push('…');
    cut
}
