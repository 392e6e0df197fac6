//! What Redis or the way there said, as one line with a code. A server's own text can name keys, which are live
//! credentials: of it only the code word is repeated.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::error::{Code, Error};

/// What Curfew asks of Redis.
pub const COMMANDS: &str =
    "+scan +get +strlen +exists +pexpiretime +pttl +time +unlink +del +eval +evalsha";

pub fn explain(error: &RedisError, shown: &str) -> Error {
    let say = |code, text: &str| Error::new(code, format!("the cache at {shown} {text}"));
    match error.kind() {
        ErrorKind::AuthenticationFailed => denied(shown),
        ErrorKind::Server(ServerErrorKind::NoPerm) => say(
            Code::Denied,
            &format!(
                "does not let this user run what is needed; grant it {COMMANDS} on the sessions' keys"
            ),
        ),
        ErrorKind::Server(ServerErrorKind::ReadOnly) => say(
            Code::Denied,
            "is a replica that takes no writes; name its primary, or the sentinels",
        ),
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::TryAgain
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask,
        )
        | ErrorKind::ClusterConnectionNotFound => say(
            Code::Unreachable,
            &format!(
                "is not whole at the moment{}; try again when it is",
                error
                    .code()
                    .map(|code| format!(" ({code})"))
                    .unwrap_or_default()
            ),
        ),
        ErrorKind::MasterNameNotFoundBySentinel => say(
            Code::Unreachable,
            "has no primary under this service's name; check the name, and that a sentinel and the primary run",
        ),
        ErrorKind::InvalidClientConfig => say(
            Code::Config,
            "has an address or a certificate that cannot be used; check it",
        ),
        ErrorKind::Io => {
            let text = error.to_string();
            if text.contains("ertificate") || text.contains("invalid peer") {
                say(
                    Code::Denied,
                    &format!(
                        "has a certificate that does not hold ({text}); name its authority with ?ssl_ca_certs=PATH"
                    ),
                )
            } else {
                say(
                    Code::Unreachable,
                    &format!("cannot be reached ({text}); check host, port and that it runs"),
                )
            }
        }
        _ => match error.code() {
            Some("NOAUTH" | "WRONGPASS") => denied(shown),
            code => say(
                Code::Database,
                &format!(
                    "refused a command ({}); see its log",
                    code.unwrap_or("no code")
                ),
            ),
        },
    }
}

fn denied(shown: &str) -> Error {
    Error::new(
        Code::Denied,
        format!("the cache at {shown} does not let us in; check user and password"),
    )
}

pub fn too_slow(shown: &str, seconds: u64) -> Error {
    Error::new(
        Code::Unreachable,
        format!(
            "the cache at {shown} has not answered for {seconds} s; check the network and the server"
        ),
    )
}

pub fn not_whole(shown: &str) -> Error {
    Error::new(
        Code::Unreachable,
        format!(
            "the cluster at {shown} has slots that no primary owns; try again when it is whole"
        ),
    )
}
