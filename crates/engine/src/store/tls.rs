//! How a connection to a database server is protected. Off this machine TLS is required, and certificate and host
//! name are verified. Anything weaker is a choice that stands in the address: `sslmode=` or `ssl-mode=`.

use std::net::IpAddr;

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::config::Address;
use crate::error::{Code, Error, Result};
use crate::regular;

/// The names of the parameter; the drivers take either.
const PARAMETER: [&str; 2] = ["sslmode", "ssl-mode"];

/// How far a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// It does not leave this machine.
    Local,
    /// Encrypted, and the server has proven its name.
    Verified,
    /// Encrypted, and a known authority has signed the certificate, of whichever host.
    AnyName,
    /// Encrypted, with whoever answers.
    Unverified,
    /// Encrypted only if the server offers it.
    IfOffered,
    /// In clear text.
    Clear,
}

impl Protection {
    /// Whether the connection is encrypted, where the protection alone tells.
    pub(super) fn is_encrypted(self) -> Option<bool> {
        match self {
            Self::Verified | Self::AnyName | Self::Unverified => Some(true),
            Self::Clear => Some(false),
            Self::Local | Self::IfOffered => None,
        }
    }
}

/// Whether a host's name means this machine: a loopback address, `localhost` or a socket's path.
pub fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let name = host.strip_suffix('.').unwrap_or(host);
    if host.starts_with('/') || name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    host.parse::<IpAddr>()
        .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// What the address chooses; none where the driver's default, or the environment's PGSSLMODE, would decide.
fn is_chosen(address: &Address) -> bool {
    address.parameter(&PARAMETER).is_some()
}

/// Certificates and keys that the address names by their paths.
const FILES: [&[&str]; 3] = [
    &["sslrootcert", "ssl-root-cert", "ssl-ca", "sslca"],
    &["sslcert", "ssl-cert"],
    &["sslkey", "ssl-key"],
];

/// Whether each certificate and key is a file: the driver would wait for a FIFO.
///
/// # Errors
/// `Code::File` with the path.
pub(super) fn check_files(address: &Address) -> Result<()> {
    for path in FILES.iter().filter_map(|names| address.parameter(names)) {
        // In the driver's words: the certificates of the system.
        if path == "system" || path.contains("-----BEGIN") {
            continue;
        }
        regular::check(path.as_ref()).map_err(|e| {
            let text =
                format!("the certificate or key {path} cannot be read ({e}); name a PEM file");
            Error::new(Code::File, text)
        })?;
    }
    Ok(())
}

/// A driver's options of a connection.
pub(super) trait Options: Sized {
    /// Whether the server is on this machine.
    fn is_near(&self) -> bool;
    /// With the strictest mode.
    fn verified(self) -> Self;
    /// What the mode means.
    fn protection(&self) -> Protection;
}

/// The options with the mode that the address and the distance ask for. A driver sends a password in clear text where a
/// server's first word asks for that, so only TLS keeps the password.
pub(super) fn protect<O: Options>(options: O, address: &Address) -> (O, Protection) {
    if options.is_near() {
        return (options, Protection::Local);
    }
    let options = match is_chosen(address) {
        true => options,
        false => options.verified(),
    };
    let protection = options.protection();
    (options, protection)
}

impl Options for PgConnectOptions {
    fn is_near(&self) -> bool {
        self.get_socket().is_some() || is_this_machine(self.get_host())
    }

    fn verified(self) -> Self {
        self.ssl_mode(PgSslMode::VerifyFull)
    }

    fn protection(&self) -> Protection {
        match self.get_ssl_mode() {
            PgSslMode::VerifyFull => Protection::Verified,
            PgSslMode::VerifyCa => Protection::AnyName,
            PgSslMode::Require => Protection::Unverified,
            PgSslMode::Prefer => Protection::IfOffered,
            // The driver does not encrypt for "allow".
            PgSslMode::Allow | PgSslMode::Disable => Protection::Clear,
        }
    }
}

impl Options for MySqlConnectOptions {
    fn is_near(&self) -> bool {
        self.get_socket().is_some() || is_this_machine(self.get_host())
    }

    fn verified(self) -> Self {
        self.ssl_mode(MySqlSslMode::VerifyIdentity)
    }

    fn protection(&self) -> Protection {
        match self.get_ssl_mode() {
            MySqlSslMode::VerifyIdentity => Protection::Verified,
            MySqlSslMode::VerifyCa => Protection::AnyName,
            MySqlSslMode::Required => Protection::Unverified,
            MySqlSslMode::Preferred => Protection::IfOffered,
            MySqlSslMode::Disabled => Protection::Clear,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn postgres(text: &str) -> (PgSslMode, Protection) {
        let address = Address::parse(text).unwrap();
        let options: PgConnectOptions = address.expose().parse().unwrap();
        let (options, protection) = protect(options, &address);
        (options.get_ssl_mode(), protection)
    }

    fn mysql(text: &str) -> Protection {
        let address = Address::parse(text).unwrap();
        let options: MySqlConnectOptions = address.expose().parse().unwrap();
        protect(options, &address).1
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for host in [
            "localhost",
            "LocalHost.",
            "127.0.0.1",
            "127.8.9.1",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
            "/run/postgresql",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "db",
            "localhost.example.org",
            "10.0.0.1",
            "192.0.2.1",
            "0.0.0.0",
            "::ffff:10.0.0.1",
            "fe80::1",
            "127.0.0.1.example.org",
            "",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn off_this_machine_a_certificate_is_verified_unless_the_address_says_otherwise() {
        for (text, expected) in [
            ("postgres://u@db/shop", Protection::Verified),
            ("postgres://u:sslmode=disable@db/shop", Protection::Verified),
            ("postgres://u@db/sslmode=disable", Protection::Verified),
            ("postgres://u@localhost/shop?host=db", Protection::Verified),
            (
                "postgres://u@127.0.0.1/shop?hostaddr=192.0.2.1",
                Protection::Verified,
            ),
            (
                "postgres://u@db/shop?sslmode=verify-ca",
                Protection::AnyName,
            ),
            (
                "postgres://u@db/shop?sslmode=require",
                Protection::Unverified,
            ),
            ("postgres://u@db/shop?sslmode=prefer", Protection::IfOffered),
            ("postgres://u@db/shop?sslmode=allow", Protection::Clear),
            ("postgres://u@db/shop?ssl-mode=disable", Protection::Clear),
            ("postgres://u@localhost/shop", Protection::Local),
            (
                "postgres://u@db/shop?host=/run/postgresql",
                Protection::Local,
            ),
            ("postgres://u@[::1]/shop?sslmode=require", Protection::Local),
        ] {
            assert_eq!(postgres(text).1, expected, "{text}");
        }
        assert!(matches!(
            postgres("postgres://u@db/shop").0,
            PgSslMode::VerifyFull
        ));
        for (text, expected) in [
            ("mysql://u@db/shop", Protection::Verified),
            ("mysql://u:ssl-mode=DISABLED@db/shop", Protection::Verified),
            ("mysql://u@db/shop?ssl-mode=VERIFY_CA", Protection::AnyName),
            ("mysql://u@db/shop?sslmode=REQUIRED", Protection::Unverified),
            (
                "mysql://u@db/shop?ssl-mode=PREFERRED",
                Protection::IfOffered,
            ),
            ("mysql://u@db/shop?ssl-mode=DISABLED", Protection::Clear),
            ("mysql://u@[::1]/shop", Protection::Local),
            ("mysql://u@db/shop?socket=/run/m.sock", Protection::Local),
        ] {
            assert_eq!(mysql(text), expected, "{text}");
        }
    }
}
