//! Caches that sessions lie in: addresses, passwords and the form of their keys. None of them is started here, and
//! none is asked.

use crate::project::{Django, Shop, Taken};

on_each_django! {
    djangos_own_redis
    django_redis
    sentinels_and_clusters
    memcached
    keys_of_the_sites_own_form
    a_cache_that_lies_in_no_server_is_said
}

const CACHED: &str = "SESSION_ENGINE = 'django.contrib.sessions.backends.cached_db'";

async fn cached(django: Django, cache: &str) -> Taken {
    let settings = format!("{CACHED}\nCACHES = {{'default': {{{cache}}}}}");
    Shop::new(django, &settings).taken().await
}

async fn djangos_own_redis(django: Django) {
    let redis = "'BACKEND': 'django.core.cache.backends.redis.RedisCache'";
    cached(django, &format!("{redis}, 'LOCATION': 'redis://c:6380/2'"))
        .await
        .is("cache", "redis://c:6380/2")
        .is("cache keys", ":1:django.contrib.sessions.cached_db...")
        .no("cache's password")
        .quiet();
    cached(
        django,
        &format!(
            "{redis}, 'LOCATION': ['rediss://ana:p%40canary@c', 'redis://replica'], 'KEY_PREFIX': 'shop', 'VERSION': 3, 'OPTIONS': {{'db': '4'}}"
        ),
    )
    .await
    .is("cache", "rediss://ana@c:6379/4")
    .is("cache's password", "known")
    .is("cache keys", "shop:3:django.contrib.sessions.cached_db...")
    .quiet();
    cached(
        django,
        &format!("{redis}, 'LOCATION': 'unix:///run/r.sock?db=1'"),
    )
    .await
    .is("cache", "redis+unix:///run/r.sock?db=1")
    .quiet();
    cached(
        django,
        &format!("{redis}, 'LOCATION': 'redis://c', 'OPTIONS': {{'username': 'ana', 'password': 'canary'}}"),
    )
    .await
    .is("cache", "redis://ana@c:6379")
    .is("cache's password", "known");
}

async fn django_redis(django: Django) {
    let redis = "'BACKEND': 'django_redis.cache.RedisCache', 'LOCATION': 'redis://c:6380/1'";
    let taken = cached(
        django,
        &format!("{redis}, 'KEY_PREFIX': 'p', 'OPTIONS': {{'CLIENT_CLASS': 'django_redis.client.DefaultClient', 'PASSWORD': 'canary'}}"),
    )
    .await;
    taken
        .is("cache", "redis://c:6380/1")
        .is("cache's password", "known")
        .is("cache keys", "p:1:django.contrib.sessions.cached_db...")
        .quiet();
    let shards = "'OPTIONS': {'CLIENT_CLASS': 'django_redis.client.ShardClient'}";
    let taken = cached(
        django,
        &format!("'BACKEND': 'django_redis.cache.RedisCache', 'LOCATION': ['redis://c/1', 'redis://d/1'], {shards}"),
    )
    .await;
    taken.no("cache").notes("shards");
}

async fn sentinels_and_clusters(django: Django) {
    let sentinel = "'BACKEND': 'django_redis.cache.RedisCache', 'LOCATION': 'redis://main/2', 'OPTIONS': {\
        'CLIENT_CLASS': 'django_redis.client.SentinelClient', 'CONNECTION_POOL_CLASS': 'redis.sentinel.SentinelConnectionPool',\
        'PASSWORD': 'canary', 'SENTINELS': [('s1', 26379), ('s2', 26380)]}";
    cached(django, sentinel)
        .await
        .is("cache", "redis+sentinel://s1:26379,s2:26380/main/2")
        .is("cache's password", "known")
        .quiet();
    let settings = format!(
        "{CACHED}\nCACHES = {{'default': {{'BACKEND': 'shop.cluster.ClusterCache', 'LOCATION': ['redis://:canary@a:1', 'redis://b:2']}}}}"
    );
    let shop = Shop::new(django, &settings).file(
        "shop/cluster.py",
        "from django.core.cache.backends.redis import RedisCache\nclass ClusterCache(RedisCache):\n    pass\n",
    );
    shop.taken()
        .await
        .is("cache", "redis+cluster://a:1,b:2")
        .is("cache's password", "known")
        .quiet();
}

async fn memcached(django: Django) {
    let memcached = "'BACKEND': 'django.core.cache.backends.memcached.PyMemcacheCache'";
    for location in ["['a:11211', 'b:11212']", "'a:11211;b:11212'"] {
        cached(django, &format!("{memcached}, 'LOCATION': {location}"))
            .await
            .is("cache", "memcached://a:11211,b:11212")
            .is("cache keys", ":1:django.contrib.sessions.cached_db...")
            .quiet();
    }
}

async fn keys_of_the_sites_own_form(django: Django) {
    let with = |function: &str| {
        let cache =
            "'BACKEND': 'django.core.cache.backends.redis.RedisCache', 'LOCATION': 'redis://c'";
        let settings = format!(
            "{CACHED}\nCACHES = {{'default': {{{cache}, 'KEY_FUNCTION': 'shop.keys.form'}}}}"
        );
        let keys =
            format!("import hashlib\ndef form(key, prefix, version):\n    return {function}\n");
        Shop::new(django, &settings).file("shop/keys.py", &keys)
    };
    let shop = with("'v%s|%s|tail' % (version, key)");
    shop.taken().await.is("cache keys", "v1|{key}|tail").quiet();
    let shop = with("hashlib.sha256(key.encode()).hexdigest()");
    shop.taken().await.no("cache keys").notes("cannot form it");
    let shop = with("':1:' + key").file(
        "shop/store.py",
        "from django.contrib.sessions.backends.cached_db import SessionStore as Base\n\
         class SessionStore(Base):\n    cache_key_prefix = 'ours.'\n",
    );
    let shop = shop.file(
        "shop/extra.py",
        "from shop.settings import *\nSESSION_ENGINE = 'shop.store'",
    );
    let shop = shop.settings("shop.extra");
    shop.taken().await.is("cache keys", ":1:ours.{session_key}");
}

async fn a_cache_that_lies_in_no_server_is_said(django: Django) {
    let taken = cached(
        django,
        "'BACKEND': 'django.core.cache.backends.locmem.LocMemCache'",
    )
    .await;
    taken.no("cache").notes("locmem.LocMemCache");
}
