//! PgBouncer between Curfew and the database. It gives each transaction another connection, and passes no parameters on.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use url::Url;

use crate::harness::{Process, Site, active, listed, names, overdue, until};

/// A pooler in transaction mode before this database, and the database's address through it.
async fn pooler(database: &str, folder: &Path) -> (Process, String) {
    let mut url = Url::parse(database).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let config = format!(
        "[databases]\n* = host=127.0.0.1 port={} user={} password={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n\
         ignore_startup_parameters = extra_float_digits,options\n",
        url.port().unwrap(),
        url.username(),
        url.password().unwrap()
    );
    let file = folder.join("pgbouncer.ini");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new("pgbouncer");
    // The pooler refuses to be root.
    if rustix::process::geteuid().is_root() {
        command.args(["-u", "nobody"]);
    }
    let process = Process::start(command.arg(&file), &folder.join("pgbouncer.log"));
    until("the pooler listens", Duration::from_secs(30), || async {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    })
    .await;
    url.set_port(Some(port)).unwrap();
    (process, url.into())
}

#[tokio::test]
async fn sign_outs_and_sweeps_go_through_a_pooler() {
    let site = Site::start().await;
    site.seed(&[active("ana"), active("ben"), overdue("cem")])
        .await;
    let folder = tempfile::tempdir().unwrap();
    let (_process, url) = pooler(&site.db.url(), folder.path()).await;
    let curfew = site.curfew().site(&url);
    let users = curfew.done(&["users"]).await;
    assert_eq!(names(&users), listed(["ana", "ben", "cem"]));
    let out = curfew.done(&["logout", "ana"]).await;
    assert_eq!(
        (&out["outcome"], &out["sessions_deleted"], &out["verified"]),
        (&json!("signed_out"), &json!(1), &json!(true))
    );
    assert_eq!(out["flag_cleared"], true);
    let swept = curfew.done(&["sweep"]).await;
    assert_eq!(names(&swept), listed(["cem"]));
    assert_eq!(site.flagged().await, listed(["ben"]));
}
