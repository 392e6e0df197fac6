//! Every error a caller of the engine can meet: a code for programs, one line for people.
//! No message carries a session key, a password or a SECRET_KEY: what goes in is already redacted.

use serde::{Deserialize, Serialize};

/// What went wrong, as programs tell it apart. The window and the exit status act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The configuration, an option or an address makes no sense.
    Config,
    /// No site was named, or no site of that name is configured.
    NoSite,
    /// The database did not answer.
    Unreachable,
    /// The server ended a statement at its deadline.
    TooSlow,
    /// No answer came to a change, and nobody can be asked whether it was made.
    NotKnown,
    /// The database answered, and does not let us in.
    Denied,
    /// The database has no Django sessions or no user table.
    NotDjango,
    /// More than one table or column fits; the message names them.
    Ambiguous,
    /// A statement failed for another reason.
    Database,
    /// Another transaction or process has locked what was asked for.
    Held,
    /// No such user.
    NoUser,
    /// The user has no session with that fingerprint.
    NoSession,
    /// The site is view-only.
    ViewOnly,
    /// Nothing on this site says when people were last here.
    NoEvidence,
    /// How coarsely the site records activity is not proven yet.
    Learning,
    /// The site records activity too coarsely for the limit.
    CoarseGrain,
    /// The clocks of the database and of the site's records disagree by minutes.
    ClockSkew,
    /// The data contradict what the configuration says of the evidence.
    Contradicted,
    /// The sweep would sign out unusually many people.
    TooMany,
    /// None of the signatures verify: the SECRET_KEY is probably not this site's.
    KeyDoubtful,
    /// The journal cannot be written, so nothing is touched.
    Journal,
    /// This session engine leaves nothing on the server to delete.
    NotPossible,
    /// The operator's own account is meant, and nobody has consented to that.
    OwnAccount,
    /// The operator has not let Curfew switch this site's accounts.
    SwitchOff,
    /// Whoever runs Curfew stopped it before it was done.
    Stopped,
    /// A file could not be read or written.
    File,
    /// The Django project could not be asked about itself.
    Project,
}

impl Code {
    /// A guard said no, and the site was not touched.
    pub fn is_guard(self) -> bool {
        matches!(
            self,
            Self::ViewOnly
                | Self::NoEvidence
                | Self::Learning
                | Self::CoarseGrain
                | Self::ClockSkew
                | Self::Contradicted
                | Self::TooMany
                | Self::KeyDoubtful
                | Self::Journal
                | Self::NotPossible
                | Self::OwnAccount
                | Self::SwitchOff
        )
    }
}

/// An error of the engine. Its message is one line: what, where, what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, specta::Type)]
#[error("{message}")]
pub struct Error {
    pub code: Code,
    pub message: String,
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        // A database's own text may span lines; people read one.
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { code, message }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
