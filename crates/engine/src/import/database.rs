//! One of a project's databases, as Django has it, as an address of Curfew's. Pure. The address has no password.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::Url;

use super::answer::Database;

/// What may stand in a path as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Options of the drivers that change nothing of where a database is, or of how one gets in.
const HARMLESS: [&str; 33] = [
    "pool",
    "isolation_level",
    "server_side_binding",
    "client_encoding",
    "connect_timeout",
    "application_name",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "cursor_factory",
    "gssencmode",
    "charset",
    "collation",
    "init_command",
    "sql_mode",
    "use_unicode",
    "use_pure",
    "read_timeout",
    "write_timeout",
    "autocommit",
    "conv",
    "local_infile",
    "compress",
    "raise_on_warnings",
    "timeout",
    "check_same_thread",
    "cached_statements",
    "transaction_mode",
    "detect_types",
    "uri",
    "prepare_threshold",
];

/// Where a database is.
pub(super) struct Place {
    pub url: String,
    /// What of the settings is not in it.
    pub notes: Vec<String>,
}

/// # Errors
/// One sentence's end, where Curfew cannot read such a database.
pub(super) fn place(database: &Database) -> Result<Place, String> {
    match database.vendor.as_str() {
        "postgresql" => server(database, "postgres"),
        "cockroachdb" => {
            let mut place = server(database, "postgres")?;
            place
                .notes
                .push("The database is CockroachDB, and taken for PostgreSQL.".into());
            Ok(place)
        }
        "mysql" => server(database, "mysql"),
        "sqlite" => file(database),
        vendor => Err(format!("is {vendor}, which Curfew cannot read")),
    }
}

fn file(database: &Database) -> Result<Place, String> {
    match &database.name {
        Some(name) if std::path::Path::new(name).is_absolute() => Ok(Place {
            url: format!("sqlite://{}", utf8_percent_encode(name, KEPT)),
            notes: left_over(database, &[]),
        }),
        _ => Err("is SQLite in the project's own memory, where nobody else can look".into()),
    }
}

fn server(database: &Database, scheme: &str) -> Result<Place, String> {
    let mysql = scheme == "mysql";
    let name = database.name.as_deref().ok_or("has no NAME")?;
    let mut notes = Vec::new();
    let mut query: Vec<(&str, String)> = Vec::new();
    let mut hosts = database.host.as_deref().unwrap_or("").split(',');
    let first = hosts.next().unwrap_or("").trim();
    if hosts.next().is_some() {
        notes.push(format!("Of several hosts, the first is taken: {first}."));
    }
    let socket = match (&database.socket, first) {
        (Some(socket), _) => Some(socket.clone()),
        (None, host) if host.starts_with('/') => Some(host.to_owned()),
        // MySQL's own client takes the socket for this name too.
        (None, "") => database.sockets.first().cloned(),
        (None, "localhost") if mysql && database.port.is_none() => {
            database.sockets.first().cloned()
        }
        _ => None,
    };
    if let Some(socket) = &socket {
        query.push((if mysql { "socket" } else { "host" }, socket.clone()));
    }
    let mut url = Url::parse(&format!("{scheme}://localhost/")).map_err(|_| "has no address")?;
    if socket.is_none() && !first.is_empty() {
        let host = if first.contains(':') && !first.starts_with('[') {
            format!("[{first}]")
        } else {
            first.to_owned()
        };
        url.set_host(Some(&host))
            .map_err(|_| "has a HOST that no address can hold")?;
    }
    if let Some(port) = &database.port {
        // Two ports go with two hosts.
        let port = port.split(',').next().unwrap_or("").trim();
        let port = port.parse().map_err(|_| "has a PORT that is no number")?;
        let _ = url.set_port(Some(port));
    }
    if let Some(user) = &database.user {
        let _ = url.set_username(user);
    }
    url.set_path(&format!("/{}", utf8_percent_encode(name, KEPT)));
    let known = if mysql {
        mysql_options(database, &mut query)
    } else {
        postgres_options(database, &mut query)
    };
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(&query);
    }
    notes.extend(left_over(database, &known));
    Ok(Place {
        url: url.into(),
        notes,
    })
}

fn word<'a>(database: &'a Database, key: &str) -> Option<&'a str> {
    database.options.get(key).and_then(Value::as_str)
}

fn postgres_options(database: &Database, query: &mut Vec<(&str, String)>) -> Vec<&'static str> {
    let known = ["sslmode", "sslrootcert", "sslcert", "sslkey", "options"];
    for key in known {
        if let Some(value) = word(database, key) {
            query.push((key, value.to_owned()));
        }
    }
    known.to_vec()
}

fn mysql_options(database: &Database, query: &mut Vec<(&str, String)>) -> Vec<&'static str> {
    let ssl = database.options.get("ssl");
    let is = |key: &str, value: bool| database.options.get(key) == Some(&Value::Bool(value));
    let inner = |key: &str| ssl.and_then(|ssl| ssl.get(key));
    // What the drivers' other words come to: mysqlclient has ssl_mode, PyMySQL check_hostname and verify_mode, and
    // Connector/Python ssl_disabled, ssl_verify_cert and ssl_verify_identity.
    let nobody = inner("check_hostname") == Some(&Value::Bool(false));
    let chosen = match word(database, "ssl_mode") {
        Some(mode) => Some(mode.to_owned()),
        None if is("ssl_disabled", true) => Some("DISABLED".into()),
        None if nobody && inner("ca").is_some() => Some("VERIFY_CA".into()),
        None if nobody || is("ssl_verify_cert", false) => Some("REQUIRED".into()),
        None if is("ssl_verify_cert", true) && is("ssl_verify_identity", false) => {
            Some("VERIFY_CA".into())
        }
        None => None,
    };
    query.extend(chosen.map(|mode| ("ssl-mode", mode)));
    for (key, inner, own) in [
        ("ssl-ca", "ca", "ssl_ca"),
        ("ssl-cert", "cert", "ssl_cert"),
        ("ssl-key", "key", "ssl_key"),
    ] {
        let value = ssl
            .and_then(|ssl| ssl.get(inner)?.as_str())
            .or_else(|| word(database, own));
        if let Some(value) = value {
            query.push((key, value.to_owned()));
        }
    }
    vec![
        "ssl",
        "ssl_mode",
        "ssl_disabled",
        "ssl_ca",
        "ssl_cert",
        "ssl_key",
        "ssl_verify_cert",
        "ssl_verify_identity",
    ]
}

/// Options by name that were not taken over. Their values may be secrets.
fn left_over(database: &Database, known: &[&str]) -> Vec<String> {
    let names: Vec<&str> = database
        .options
        .keys()
        .map(String::as_str)
        .filter(|name| !known.contains(name) && !HARMLESS.contains(name))
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "Not taken over from DATABASES[{:?}][\"OPTIONS\"]: {}.",
        database.alias,
        names.join(", ")
    )]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Address;

    fn database(more: serde_json::Value) -> Database {
        let mut whole = json!({"alias": "default", "vendor": "postgresql", "name": "shop",
            "sockets": [], "options": {}});
        whole
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    fn url(more: serde_json::Value) -> String {
        let place = place(&database(more)).unwrap();
        assert_eq!(place.notes, Vec::<String>::new());
        Address::parse(&place.url).unwrap();
        place.url
    }

    #[test]
    fn a_server_is_an_address() {
        for (more, expected) in [
            (
                json!({"host": "db", "port": "6432", "user": "a@b", "options": {"pool": true}}),
                "postgres://a%40b@db:6432/shop",
            ),
            (
                json!({"host": "::1", "name": "my shop?"}),
                "postgres://[::1]/my%20shop%3F",
            ),
            (
                json!({"host": "/run/pg", "user": "a"}),
                "postgres://a@localhost/shop?host=%2Frun%2Fpg",
            ),
            (
                json!({"sockets": ["/tmp"]}),
                "postgres://localhost/shop?host=%2Ftmp",
            ),
            (
                json!({"host": "db", "options": {"sslmode": "require", "options": "-c search_path=a"}}),
                "postgres://db/shop?sslmode=require&options=-c+search_path%3Da",
            ),
            (
                json!({"vendor": "mysql", "host": "db", "options": {"ssl": {"ca": "/ca.pem"}, "ssl_mode": "REQUIRED"}}),
                "mysql://db/shop?ssl-mode=REQUIRED&ssl-ca=%2Fca.pem",
            ),
            (
                json!({"vendor": "mysql", "host": "db", "options": {"ssl_disabled": true}}),
                "mysql://db/shop?ssl-mode=DISABLED",
            ),
            (
                json!({"vendor": "mysql", "host": "db", "options": {"ssl": {"ca": "/ca.pem", "check_hostname": false}}}),
                "mysql://db/shop?ssl-mode=VERIFY_CA&ssl-ca=%2Fca.pem",
            ),
            (
                json!({"vendor": "mysql", "host": "db", "options": {"ssl_ca": "/ca.pem"}}),
                "mysql://db/shop?ssl-ca=%2Fca.pem",
            ),
            (
                json!({"vendor": "mysql", "socket": "/run/m.sock"}),
                "mysql://localhost/shop?socket=%2Frun%2Fm.sock",
            ),
            (
                json!({"vendor": "mysql", "host": "127.0.0.1", "sockets": ["/run/m.sock"]}),
                "mysql://127.0.0.1/shop",
            ),
            (
                json!({"vendor": "sqlite", "name": "/srv/my shop.db", "options": {"timeout": 20}}),
                "sqlite:///srv/my%20shop.db",
            ),
        ] {
            assert_eq!(url(more), expected);
        }
    }

    #[test]
    fn what_cannot_be_taken_over_is_said() {
        let more = json!({"host": "a,b", "port": "1,2", "options": {"assume_role": "x"}});
        let place = place(&database(more)).unwrap();
        assert_eq!(place.url, "postgres://a:1/shop");
        assert!(place.notes[0].contains("a."), "{:?}", place.notes);
        assert!(place.notes[1].contains("assume_role"), "{:?}", place.notes);
        let oracle = super::place(&database(json!({"vendor": "oracle"})));
        assert!(oracle.err().unwrap().contains("oracle"));
        let memory = super::place(&database(json!({"vendor": "sqlite", "name": ":memory:"})));
        assert!(memory.is_err());
    }
}
