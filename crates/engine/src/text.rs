//! Text from a site, made safe for people to read. A name can hold characters that show nothing, turn the direction of
//! the text around them, or drive a terminal. Each of these is shown by its number, so that two names that differ
//! look different.

use std::borrow::Cow;

/// The text with each hidden character as `<U+202E>`. The window has the same rule, in `ui/src/lib/visible.ts`; the
/// cases of `visible.json` hold both to it.
pub fn visible(text: &str) -> Cow<'_, str> {
    let mut before = None;
    let hides = text.chars().any(|c| hidden(c, before.replace(c)));
    if !hides {
        return Cow::Borrowed(text);
    }
    let mut before = None;
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match hidden(c, before.replace(c)) {
            true => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Whether a character shows nothing of itself. An emoji may be followed by the sign that gives it its colour.
fn hidden(c: char, before: Option<char>) -> bool {
    match c {
        '\u{fe0f}' => before.is_none_or(|before| before.is_alphanumeric() || before == ' '),
        _ => c.is_control() || is_ignorable(c),
    }
}

/// Characters that Unicode calls default-ignorable, line and paragraph separators, and interlinear annotations.
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_shown_by_their_numbers() {
        let cases: Vec<[String; 2]> =
            serde_json::from_str(include_str!("../tests/visible.json")).unwrap();
        assert!(cases.len() > 20);
        for [text, shown] in cases {
            assert_eq!(visible(&text), shown, "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_hides_nothing() {
        for n in (0..0x11_0000).filter_map(char::from_u32) {
            let text = format!("a{n}");
            let shown = visible(&text).into_owned();
            assert_eq!(visible(&shown), shown, "{text:?}");
        }
    }
}
