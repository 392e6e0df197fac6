//! The schemas that an address of PostgreSQL names: `search_path=`, `currentSchema=` or `options=-csearch_path=`.
//! Curfew resolves table names by them itself, because a pooler may not pass them on.

use url::Url;

use super::{Address, Backend};

/// Parameters that PostgreSQL's own clients know and the driver does not.
const OWN: [&str; 2] = ["search_path", "currentSchema"];

impl Address {
    /// The schemas, first one first. `None` if the address names none.
    pub fn search_path(&self) -> Option<Vec<String>> {
        if *self.backend() != Backend::Postgres {
            return None;
        }
        let url = Url::parse(self.expose()).ok()?;
        let path = url
            .query_pairs()
            .filter_map(|(key, value)| match key.as_ref() {
                "options" => of_options(&value),
                "options[search_path]" => Some(value.into_owned()),
                key if OWN.contains(&key) => Some(value.into_owned()),
                _ => None,
            })
            .last()?;
        let user = url.username();
        let schema = |name: String| match name.as_str() {
            "$user" => user.to_owned(),
            _ => name,
        };
        let path: Vec<String> = names(&path).into_iter().map(schema).collect();
        (!path.is_empty()).then_some(path)
    }

    /// The address without what the driver does not know. It holds the password.
    pub(crate) fn for_postgres(&self) -> String {
        let Ok(mut url) = Url::parse(self.expose()) else {
            return self.expose().to_owned();
        };
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(key, _)| !OWN.contains(&key.as_ref()))
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        match kept.is_empty() {
            true => url.set_query(None),
            false => {
                url.query_pairs_mut().clear().extend_pairs(kept);
            }
        }
        url.into()
    }
}

/// The value of `search_path` in a server's command line: `-c search_path=a`, `-csearch_path=a`, `--search-path=a`.
fn of_options(options: &str) -> Option<String> {
    let mut found = None;
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--") {
            Some(setting) => Some(setting.to_owned()),
            None => match word.strip_prefix("-c") {
                Some("") => words.next(),
                Some(setting) => Some(setting.to_owned()),
                None => None,
            },
        };
        if let Some((name, value)) = setting.as_deref().and_then(|s| s.split_once('='))
            && name
                .trim()
                .replace('-', "_")
                .eq_ignore_ascii_case("search_path")
        {
            found = Some(value.to_owned());
        }
    }
    found
}

/// Words between spaces; a backslash keeps the character after it.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                if let (Some(word), Some(kept)) = (words.last_mut(), characters.next()) {
                    word.push(kept);
                }
            }
            c if c.is_whitespace() => words.push(String::new()),
            c => {
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A list of identifiers: in lower case unless quoted.
fn names(list: &str) -> Vec<String> {
    let mut names = vec![(String::new(), false)];
    let mut quoted = false;
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        let Some((name, was_quoted)) = names.last_mut() else {
            break;
        };
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                name.push('"');
            }
            '"' => {
                quoted = !quoted;
                *was_quoted = true;
            }
            ',' if !quoted => names.push((String::new(), false)),
            c if !quoted && c.is_whitespace() => {}
            c if quoted => name.push(c),
            c => name.extend(c.to_lowercase()),
        }
    }
    names
        .into_iter()
        .filter(|(name, quoted)| *quoted || !name.is_empty())
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn path(query: &str) -> Option<Vec<String>> {
        Address::parse(&format!("postgres://ana:pw@db/shop{query}"))
            .unwrap()
            .search_path()
    }

    #[test]
    fn every_way_to_name_a_schema_is_read() {
        for query in [
            "?options=-csearch_path%3Dacme,public",
            "?options=-c%20search_path%3DAcme%2C%5C%20public%20-c%20work_mem=4MB",
            "?options=--search-path%3Dacme,public",
            "?options[search_path]=acme,public",
            "?search_path=acme,%20public",
            "?sslmode=require&currentSchema=%22acme%22,PUBLIC",
        ] {
            assert_eq!(path(query).unwrap(), ["acme", "public"], "{query}");
        }
        assert_eq!(path("?search_path=%22A%22%22b,c%22").unwrap(), ["A\"b,c"]);
        assert_eq!(path("?search_path=%22$user%22").unwrap(), ["ana"]);
        for none in ["", "?options=-c%20work_mem=4MB", "?search_path="] {
            assert_eq!(path(none), None, "{none}");
        }
    }

    #[test]
    fn the_driver_gets_what_it_knows() {
        let address = "postgres://ana:pw@db/shop?search_path=acme&sslmode=require";
        let kept = Address::parse(address).unwrap().for_postgres();
        assert_eq!(kept, "postgres://ana:pw@db/shop?sslmode=require");
        let kept = Address::parse("postgres://db/shop?currentSchema=a").unwrap();
        assert_eq!(kept.for_postgres(), "postgres://db/shop");
    }
}
