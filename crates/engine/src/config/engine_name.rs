//! The name of a site's SESSION_ENGINE, and how Curfew knows the name. A guess is never the base of a verified result.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// How Curfew knows which session engine a site uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Nobody stated the engine. Django's default is assumed.
    Assumed,
    /// A cache is configured, and the engine that keeps rows beside it is assumed.
    Cache,
    /// The site's own data show the engine: a package's table.
    Data,
    /// The operator stated the engine.
    Operator,
}

/// Django's own dotted name of a session engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineName {
    name: String,
    source: Source,
}

impl EngineName {
    /// A name that fits what was seen, but that other engines would fit too.
    pub fn assumed(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            source: Source::Assumed,
        }
    }

    /// A name that fits a configured cache, as long as the cache holds copies of the rows.
    pub fn with_cache(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            source: Source::Cache,
        }
    }

    /// A name that the site's data show.
    pub fn shown(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            source: Source::Data,
        }
    }

    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Whether the operator stated this name.
    pub fn is_stated(&self) -> bool {
        self.source == Source::Operator
    }

    /// Whether the name is more than an assumption. `copies`: the configured cache has shown a copy of a row.
    pub fn is_known(&self, copies: bool) -> bool {
        match self.source {
            Source::Assumed => false,
            Source::Cache => copies,
            Source::Data | Source::Operator => true,
        }
    }
}

impl Default for EngineName {
    fn default() -> Self {
        Self::assumed("django.contrib.sessions.backends.db")
    }
}

/// A name that the operator stated.
impl<T: Into<String>> From<T> for EngineName {
    fn from(name: T) -> Self {
        Self {
            name: name.into(),
            source: Source::Operator,
        }
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for EngineName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// The session engine that the process was started with, for a site whose configuration does not state one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenEngine {
    /// `--session-engine`: replaces the configured engine as well.
    Option(String),
    /// `CURFEW_SESSION_ENGINE`: only where no engine is stated.
    Variable(String),
}

impl GivenEngine {
    /// States the engine of a site that was just picked.
    pub fn apply(&self, engine: &mut EngineName) {
        match self {
            Self::Option(name) => *engine = name.as_str().into(),
            Self::Variable(name) if !engine.is_stated() => *engine = name.as_str().into(),
            Self::Variable(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_replaces_a_stated_engine_and_the_variable_does_not() {
        let mut engine = EngineName::from("a");
        GivenEngine::Variable("b".into()).apply(&mut engine);
        assert_eq!(engine.as_str(), "a");
        GivenEngine::Option("c".into()).apply(&mut engine);
        assert_eq!(engine.as_str(), "c");

        let mut unknown = EngineName::default();
        assert!(!unknown.is_known(true));
        GivenEngine::Variable("b".into()).apply(&mut unknown);
        assert_eq!((unknown.as_str(), unknown.is_stated()), ("b", true));
    }
}
