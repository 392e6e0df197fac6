//! What the operator states of one site beside its name or address. The command line and the window share it.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::{GivenEngine, SiteConfig};

/// `--schema` and `--session-engine`, and the window's fields of the same names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Stated {
    /// The schema of the site's tables.
    pub schema: Option<String>,
    /// SESSION_ENGINE by its dotted name.
    pub session_engine: Option<String>,
}

impl Stated {
    /// States this of a site that was just picked. It replaces what the configuration says.
    pub fn apply(&self, site: &mut SiteConfig) {
        if let Some(schema) = &self.schema {
            site.in_schema(schema);
        }
        if let Some(engine) = &self.session_engine {
            GivenEngine::Option(engine.clone()).apply(&mut site.sessions.engine);
        }
    }
}
