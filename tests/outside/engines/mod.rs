//! Every session engine on every database that Django sites use it with: one set of cases, run by each cell of
//! the table below, with the real Django as the judge. A cell's cases share one site and take turns; each
//! begins with nobody there.

mod cell;
mod runs;

pub use cell::Cell;

/// Hands the table to a macro: a cell's name, its Django, database, session engine and cache.
macro_rules! each_cell {
    ($callback:ident $($args:tt)*) => {
        $callback! { [$($args)*]
            db_on_postgres: V52 Postgres Db None;
            db_on_mysql: V42 Mysql Db None;
            db_on_sqlite: V52 Sqlite Db None;
            cached_db_in_redis_on_postgres: V42 Postgres CachedDb Some(Cache::Redis);
            cached_db_in_redis_on_mysql: V52 Mysql CachedDb Some(Cache::Redis);
            cached_db_in_redis_on_sqlite: V42 Sqlite CachedDb Some(Cache::Redis);
            cached_db_in_django_redis_on_postgres: V52 Postgres CachedDb Some(Cache::DjangoRedis("json", "zstd"));
            cached_db_in_django_redis_on_mysql: V42 Mysql CachedDb Some(Cache::DjangoRedis("msgpack", "lz4"));
            cached_db_in_django_redis_on_sqlite: V52 Sqlite CachedDb Some(Cache::DjangoRedis("pickle", "zlib"));
            cached_db_in_memcached_on_postgres: V52 Postgres CachedDb Some(Cache::Memcached);
            cached_db_in_memcached_on_mysql: V42 Mysql CachedDb Some(Cache::Memcached);
            cached_db_in_memcached_on_sqlite: V42 Sqlite CachedDb Some(Cache::Memcached);
            cache_in_redis_on_postgres: V52 Postgres Cache Some(Cache::Redis);
            cache_in_redis_on_mysql: V42 Mysql Cache Some(Cache::Redis);
            cache_in_redis_on_sqlite: V42 Sqlite Cache Some(Cache::Redis);
            cache_in_redis_cluster_on_postgres: V52 Postgres Cache Some(Cache::RedisCluster);
            file_on_postgres: V42 Postgres File None;
            file_on_mysql: V52 Mysql File None;
            file_on_sqlite: V52 Sqlite File None;
            user_sessions_on_postgres: V52 Postgres UserSessions None;
            user_sessions_on_mysql: V42 Mysql UserSessions None;
            qsessions_on_postgres: V42 Postgres Qsessions None;
            qsessions_on_mysql: V52 Mysql Qsessions None;
            qsessions_cached_on_postgres: V52 Postgres QsessionsCachedDb Some(Cache::Redis);
            qsessions_cached_on_mysql: V42 Mysql QsessionsCachedDb Some(Cache::Redis);
            custom_on_postgres: V42 Postgres Custom None;
            custom_on_mysql: V52 Mysql Custom None;
            custom_on_sqlite: V42 Sqlite Custom None;
            custom_cached_on_postgres: V52 Postgres CustomCachedDb Some(Cache::Redis);
            custom_cached_on_mysql: V42 Mysql CustomCachedDb Some(Cache::Redis);
            custom_cached_on_sqlite: V52 Sqlite CustomCachedDb Some(Cache::Redis);
        }
    };
}

macro_rules! cells {
    ([] $($name:ident: $django:ident $database:ident $engine:ident $cache:expr;)*) => {
        /// The table, a static a cell.
        #[allow(non_upper_case_globals)]
        pub mod cells {
            use super::Cell;
            use crate::harness::{Cache, Django, Engine, SessionEngine};
            $(pub static $name: Cell =
                Cell::new(Django::$django, Engine::$database, SessionEngine::$engine, $cache);)*
        }
    };
}

each_cell!(cells);

/// Makes each of these functions a test a cell, named by both. A number says how many cells run it at once.
macro_rules! on_each_cell {
    ($($case:ident $(at_once $ahead:literal)?;)*) => {
        $(mod $case {
            each_cell!(case_on_cells $case $($ahead)?);
        })*
    };
}

macro_rules! case_on_cells {
    ([$case:ident $($ahead:literal)?] $($name:ident: $django:ident $database:ident $engine:ident $cache:expr;)*) => {
        use $crate::engines::{cells, runs::Runs};

        static RUNS: Runs = Runs::new(
            &[$((stringify!($name), &cells::$name)),*],
            |cell| Box::pin(async { super::$case(cell.turn().await).await }),
        )$(.ahead($ahead))?;

        $(#[test]
        fn $name() {
            RUNS.wait_for(stringify!($name));
        })*
    };
}

/// Who is shown, in which state; what cannot be read.
mod looking;

/// Logout and sweep, as Django answers afterwards.
mod signout;

/// Requests under way, and people who come back.
mod races;

/// `--wait`: a minute later.
mod waiting;

/// Everything that django-redis packs values with.
mod packings;

/// Sessions that only the browser holds.
mod cookies;

/// Sessions in another database than their users.
mod elsewhere;

/// What django-user-sessions and django-qsessions say of a session beside its data.
mod devices;

/// A cache that is down or refuses half-way, an engine that nobody knows, the operator's own account, suspending.
mod odds;

/// Databases whose times are the wall clock's of a time zone.
mod zones;
