//! Everything that django-redis packs a session with: each serializer under each compressor, read from Redis
//! alone. And the names that a cache's keys can have.

use crate::harness::{
    Cache, Django, Engine, SessionEngine, Site, active, fingerprint, listed, names, of, overdue,
};

/// People are read out of the cache, and swept out of it.
async fn are_read_and_swept(django: Django, database: Engine, cache: Cache) {
    let plan = Site::on(django, database).sessions(SessionEngine::Cache);
    let site = plan.cache(cache).start().await;
    // Enough in it that every compressor packs it.
    let words = "what is in the basket ".repeat(30);
    let fat = serde_json::json!({"saved_age": 9000, "data": {"basket": words, "sum": 12, "big": 1.5e300}});
    let seeded = site
        .seed(&[active("ana"), overdue("cem").session_with(fat)])
        .await;
    let mut browser = site.sign_in("ana").await;
    browser.get("expiry?as=delta").await;

    let document = site.curfew().done(&["users"]).await;
    assert_eq!(names(&document), listed(["ana", "cem"]));
    assert_eq!(of(&document, "ana")["sessions"], 2, "{document:#}");
    assert_eq!(of(&document, "cem")["sessions"], 2, "{document:#}");
    assert_eq!(document["counts"]["unreadable_sessions"], 0);
    let document = site.curfew().done(&["sessions", "ana"]).await;
    let mark = fingerprint(browser.key());
    let sessions = document["sessions"].as_array().unwrap();
    let own = sessions.iter().find(|s| s["fingerprint"] == mark).unwrap();
    assert_eq!(own["expiry"], "fixed", "{own}");

    let report = site.curfew().done(&["sweep"]).await;
    assert_eq!(report["sessions_deleted"], 2, "{report:#}");
    assert_eq!(site.names(&seeded.keys("cem")).await, [None, None]);
    assert_eq!(browser.whoami().await.as_deref(), Some("ana"));
}

macro_rules! packings {
    ($($name:ident: $database:ident $serializer:literal $compressor:literal;)*) => {
        $(#[tokio::test]
        async fn $name() {
            let cache = Cache::DjangoRedis($serializer, $compressor);
            are_read_and_swept(Django::V52, Engine::$database, cache).await;
        })*
    };
}

packings! {
    pickle_plain: Postgres "pickle" "identity";
    pickle_zlib: Sqlite "pickle" "zlib";
    pickle_gzip: Sqlite "pickle" "gzip";
    pickle_lzma: Sqlite "pickle" "lzma";
    pickle_lz4: Sqlite "pickle" "lz4";
    pickle_zstd: Mysql "pickle" "zstd";
    json_plain: Mysql "json" "identity";
    json_zlib: Sqlite "json" "zlib";
    json_gzip: Sqlite "json" "gzip";
    json_lzma: Sqlite "json" "lzma";
    json_lz4: Sqlite "json" "lz4";
    json_zstd: Sqlite "json" "zstd";
    msgpack_plain: Sqlite "msgpack" "identity";
    msgpack_zlib: Sqlite "msgpack" "zlib";
    msgpack_gzip: Sqlite "msgpack" "gzip";
    msgpack_lzma: Sqlite "msgpack" "lzma";
    msgpack_lz4: Postgres "msgpack" "lz4";
    msgpack_zstd: Sqlite "msgpack" "zstd";
}

#[tokio::test]
async fn django_42_packs_as_52_does() {
    are_read_and_swept(Django::V42, Engine::Sqlite, Cache::Redis).await;
}

/// A prefix, a version, and a KEY_FUNCTION of the site's own.
async fn the_name_is_found(engine: SessionEngine, settings: &[(&'static str, &str)], told: &str) {
    let mut plan = Site::on(Django::V52, Engine::Sqlite)
        .sessions(engine)
        .cache(Cache::Redis);
    for (name, value) in settings {
        plan = plan.setting(name, value);
    }
    let site = plan.start().await;
    site.seed(&[active("ana"), overdue("cem")]).await;
    let mut browser = site.sign_in("ana").await;
    let curfew = site.configured(&format!(
        "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\narmed = true\n{{sessions}}{told}\n"
    ));
    let document = curfew.done(&["users"]).await;
    assert_eq!(names(&document), listed(["ana", "cem"]));
    let ran = curfew.json(&["logout", "ana"]).await;
    assert_eq!(ran.document()["sessions_deleted"], 2, "{ran:#?}");
    assert_eq!(browser.whoami().await, None);
}

const TENANT: &[(&str, &str)] = &[
    ("SITE_CACHE_KEY_PREFIX", "shop"),
    ("SITE_CACHE_VERSION", "7"),
    ("SITE_CACHE_KEY_FUNCTION", "conf.caches.tenant_key"),
];
const PREFIXED: &[(&str, &str)] = &[
    ("SITE_CACHE_KEY_PREFIX", "shop"),
    ("SITE_CACHE_VERSION", "7"),
];
const TENANT_TOLD: &str = "cache_key_prefix = \"shop\"\ncache_version = 7\n\
                           cache_key = \"tenant/{prefix}/v{version}/{key}\"";
const PREFIXED_TOLD: &str = "cache_key_prefix = \"shop\"\ncache_version = 7";

#[tokio::test]
async fn a_prefix_and_a_version_are_as_configured() {
    the_name_is_found(SessionEngine::Cache, PREFIXED, PREFIXED_TOLD).await;
}

#[tokio::test]
async fn a_key_function_is_as_configured() {
    the_name_is_found(SessionEngine::Cache, TENANT, TENANT_TOLD).await;
}

#[tokio::test]
async fn a_prefix_and_a_version_are_found_by_a_known_session() {
    the_name_is_found(SessionEngine::CachedDb, PREFIXED, "").await;
}

#[tokio::test]
async fn a_key_function_is_found_by_a_known_session() {
    the_name_is_found(SessionEngine::CachedDb, TENANT, "").await;
}
