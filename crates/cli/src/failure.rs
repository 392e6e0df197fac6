//! How a command ends: the exit status, and the one line that says what went wrong.
//! The numbers are public (0 to 4); an engine's error becomes one of them here and nowhere else.

use curfew_engine::error::{Code, Error};

/// How a command ended. The number is the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    Done = 0,
    Failed = 1,
    Usage = 2,
    /// A guard said no.
    Refused = 3,
    /// Done in part, or not verified.
    Partly = 4,
}

/// A command that ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub status: Status,
    /// The engine's code, or one of ours: `usage`, `output`, `internal`.
    pub code: String,
    /// One line: what, where, what to do.
    pub message: String,
}

impl Failure {
    /// Whether it stands for an engine's error with this code.
    pub fn is(&self, code: Code) -> bool {
        self.code == name(code)
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            status: Status::Usage,
            code: "usage".into(),
            message: message.into(),
        }
    }

    /// The answer could not be written.
    pub fn output(error: &std::io::Error) -> Self {
        Self {
            status: Status::Failed,
            code: "output".into(),
            message: format!("cannot write to standard output: {error}"),
        }
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self {
            status: Status::Failed,
            code: "internal".into(),
            message: message.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error.code {
            Code::Config | Code::NoSite => Status::Usage,
            Code::Stopped | Code::NotKnown => Status::Partly,
            code if code.is_guard() => Status::Refused,
            _ => Status::Failed,
        };
        Self {
            status,
            code: name(error.code),
            message: error.message,
        }
    }
}

/// The engine's public name of a code.
fn name(code: Code) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(code)) => code,
        _ => "failed".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: Code) -> u8 {
        Failure::from(Error::new(code, "x")).status as u8
    }

    #[test]
    fn each_error_has_its_exit_status() {
        for code in [Code::Config, Code::NoSite] {
            assert_eq!(status(code), 2, "{code:?}");
        }
        assert_eq!(status(Code::Stopped), 4);
        assert_eq!(status(Code::NotKnown), 4);
        for code in [
            Code::ViewOnly,
            Code::NoEvidence,
            Code::TooMany,
            Code::KeyDoubtful,
            Code::Journal,
            Code::NotPossible,
            Code::OwnAccount,
            Code::SwitchOff,
        ] {
            assert_eq!(status(code), 3, "{code:?}");
        }
        for code in [
            Code::Unreachable,
            Code::Denied,
            Code::NotDjango,
            Code::Ambiguous,
            Code::Database,
            Code::NoUser,
            Code::NoSession,
            Code::File,
            Code::Project,
        ] {
            assert_eq!(status(code), 1, "{code:?}");
        }
    }

    #[test]
    fn the_code_is_the_engines_public_name() {
        let failure = Failure::from(Error::new(Code::ViewOnly, "look, never touch"));
        assert_eq!(failure.code, "view_only");
        assert_eq!(failure.message, "look, never touch");
    }
}
