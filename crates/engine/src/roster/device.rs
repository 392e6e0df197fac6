//! A User-Agent in the few words that people know a device by. Browsers all claim to be each other; what is asked for
//! first is what only the real one says. Pure, and never wrong about more than a name: the text itself is kept too.

/// What each browser alone says, before its version. Of those based on another, the more special first.
const BROWSERS: [(&str, &str); 14] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Headless Chrome"),
    ("Chrome/", "Chrome"),
    // Safari's own version; Android's old browser says it as well.
    ("Version/", "Safari"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// The most that is shown of a text that says nothing known, in characters.
const MOST: usize = 60;

/// "Firefox 132 on Windows", "Safari 17 on iPhone", "curl 8"; else the text's beginning.
pub fn name(user_agent: &str) -> String {
    let text: String = user_agent
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let text = text.trim();
    let system = SYSTEMS
        .iter()
        .find(|(mark, _)| text.contains(mark))
        .map(|(_, name)| *name);
    let browser = BROWSERS
        .iter()
        .filter(|(_, name)| *name != "Safari" || text.contains("Safari/"))
        .find_map(|(mark, name)| {
            let (_, rest) = text.split_once(mark)?;
            Some(versioned(name, rest))
        });
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser,
        (None, Some(system)) if text.starts_with("Mozilla/") => format!("a browser on {system}"),
        // A program: its first word is its name.
        _ => match text
            .split_whitespace()
            .next()
            .and_then(|w| w.split_once('/'))
        {
            Some((program, version)) if program != "Mozilla" && program.len() < MOST => {
                versioned(program, version)
            }
            _ => text.chars().take(MOST).collect(),
        },
    }
}

/// The name and the first number of what stands behind it.
fn versioned(name: &str, rest: &str) -> String {
    let version: String = rest
        .chars()
        .take_while(char::is_ascii_digit)
        .take(6)
        .collect();
    if version.is_empty() {
        name.to_string()
    } else {
        format!("{name} {version}")
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn browsers_are_told_apart_though_each_claims_to_be_the_others() {
        for (text, want) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
                "Firefox 132 on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.2903.51",
                "Edge 131 on Windows",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
                "Chrome 130 on Linux",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
                "Safari 17 on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
                "Chrome 131 on Android",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
                "Safari 18 on macOS",
            ),
        ] {
            assert_eq!(name(text), want);
        }
    }

    #[test]
    fn what_is_no_browser_is_named_by_its_first_word_or_its_beginning() {
        assert_eq!(name("curl/8.5.0"), "curl 8");
        assert_eq!(name("python-requests/2.32.3"), "python-requests 2");
        assert_eq!(name("My app\n\u{1b}[31m"), "My app  [31m");
        assert_eq!(name(""), "");
        assert_eq!(name(&"x".repeat(300)).len(), 60);
        assert_eq!(name("/"), "");
    }
}
