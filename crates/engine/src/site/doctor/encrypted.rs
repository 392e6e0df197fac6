//! Whether passwords and session keys travel in clear text over a network.

use super::sheet::{Finding, Item, Sheet, bad, good};
use crate::config::{Base, CacheKind, Engine, SiteConfig};
use crate::store::tls::{Protection, is_this_machine};

/// The connection to a database: whether it is encrypted, and its protection. None: a file.
pub(super) fn database(whose: &str, line: Option<(bool, Protection)>, sheet: &mut Sheet) {
    let finding = match line {
        Some((encrypted, protection)) => judge(whose, encrypted, protection),
        // Only the site's own database is always there.
        None if whose.is_empty() => good("a file on this machine"),
        None => return,
    };
    sheet.put(Item::Encrypted, finding);
}

fn judge(whose: &str, encrypted: bool, protection: Protection) -> Finding {
    match (encrypted, protection) {
        (true, Protection::Local) => {
            good("the connection is encrypted, and it stays on this machine")
        }
        (false, Protection::Local) => good("not encrypted, and it stays on this machine"),
        (true, Protection::Verified) => {
            good("the connection is encrypted, and the server's certificate is verified")
        }
        (true, Protection::AnyName) => good(
            "the connection is encrypted; the certificate is verified, but not the host's name, as the address says",
        ),
        (true, Protection::Unverified | Protection::IfOffered | Protection::Clear) => bad(
            format!(
                "{whose}the connection is encrypted, but the address chooses not to verify the server's certificate"
            ),
            "say sslmode=verify-full with sslrootcert= (MySQL: ssl-mode=VERIFY_IDENTITY with ssl-ca=), or leave sslmode= out",
        ),
        (false, _) => bad(
            format!(
                "{whose}the connection is not encrypted, as the address chooses, and it leaves this machine"
            ),
            "turn TLS on at the server and leave sslmode= out of the address, or reach the server through a tunnel",
        ),
    }
}

/// The cache, if sessions lie in one. The scheme of its address is the choice.
pub(super) fn cache(config: &SiteConfig, sheet: &mut Sheet) {
    let used = Engine::of(&config.sessions)
        .is_ok_and(|engine| matches!(engine.base, Base::Cache | Base::CachedDb));
    let Some(cache) = config.sessions.cache.as_ref().filter(|_| used) else {
        return;
    };
    if cache.is_encrypted() || cache.hosts().iter().all(|host| is_this_machine(host)) {
        return;
    }
    let fix = match cache.kind() {
        CacheKind::Memcached => "memcached has no TLS here: reach it through a tunnel",
        _ => "turn TLS on at the server and write rediss://, or reach the server through a tunnel",
    };
    let detail = format!(
        "the connection to the cache {} is not encrypted, and it leaves this machine",
        cache.shown()
    );
    sheet.put(Item::Encrypted, bad(detail, fix));
}
