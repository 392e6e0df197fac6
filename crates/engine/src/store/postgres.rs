//! PostgreSQL: how to reach it, and what it says of its own tables.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgPool, Row};

use super::catalog::{Column, Reference, Table};
use super::db::{Db, Pool, explain};
use super::id_form::Compared;
use super::tls::{self, Protection};
use crate::config::Address;
use crate::error::{Code, Error, Result};

/// A connection that was made, and how it is protected.
pub struct Reached {
    pub db: Db,
    pub encrypted: bool,
    pub protection: Protection,
}

/// Opens a pool of at most three connections, named `curfew`. Off this machine TLS is required and verified,
/// unless the address says otherwise with `sslmode=`.
pub async fn connect(address: &Address) -> Result<Reached> {
    let options = PgConnectOptions::from_str(&address.for_postgres()).map_err(|_| {
        Error::new(
            Code::Config,
            "the site's address cannot be read; write postgres://user:password@host:port/db",
        )
    })?;
    let options = options
        .application_name("curfew")
        .disable_statement_logging();
    tls::check_files(address)?;
    let (options, protection) = tls::on_postgres(options, address);
    let db = Db::postgres(options).await?;
    let encrypted = match (protection.is_encrypted(), db.pool()) {
        (Some(known), _) => known,
        (None, Pool::Postgres(pool)) => encrypted_now(&pool).await,
        (None, Pool::Mysql(_) | Pool::Sqlite(_)) => false,
    };
    Ok(Reached {
        db,
        encrypted,
        protection,
    })
}

async fn encrypted_now(pool: &PgPool) -> bool {
    sqlx::query(
        "SELECT COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)",
    )
    .fetch_one(pool)
    .await
    .and_then(|row| row.try_get(0))
    .unwrap_or(false)
}

const COLUMNS: &str = "
SELECT CASE WHEN pg_table_is_visible(c.oid) THEN NULL ELSE n.nspname::text END, c.relname::text, a.attname::text,
       CASE WHEN t.typname IN ('bpchar', 'timestamp', 'timestamptz') THEN format_type(a.atttypid, a.atttypmod) ELSE format_type(a.atttypid, NULL) END,
       EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnatts = 1 AND i.indkey[0] = a.attnum),
       EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indpred IS NULL
               AND i.indnatts = 1 AND i.indkey[0] = a.attnum),
       n.nspname::text,
       pg_table_is_visible(c.oid) AND EXISTS (SELECT 1 FROM pg_settings WHERE name = 'search_path'
               AND source NOT IN ('default', 'configuration file', 'command line', 'environment variable', 'override'))
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'p', 'v', 'f') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
ORDER BY n.nspname, c.relname, a.attnum";

const REFERENCES: &str = "
SELECT CASE WHEN pg_table_is_visible(c.oid) THEN NULL ELSE n.nspname::text END, c.relname::text, a.attname::text,
       rn.nspname::text, r.relname::text
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
WHERE k.contype = 'f' AND array_length(k.conkey, 1) = 1";

/// Every table that the role can see the definition of.
pub async fn catalog(pool: &PgPool) -> Result<Vec<Table>> {
    let columns = sqlx::query(COLUMNS)
        .fetch_all(pool)
        .await
        .map_err(|e| explain(&e))?;
    let references = sqlx::query(REFERENCES)
        .fetch_all(pool)
        .await
        .map_err(|e| explain(&e))?;
    let mut tables: Vec<Table> = Vec::new();
    for row in &columns {
        let read = |e: sqlx::Error| explain(&e);
        let schema: Option<String> = row.try_get(0).map_err(read)?;
        let name: String = row.try_get(1).map_err(read)?;
        let type_name = row.try_get::<String, _>(3).map_err(read)?.to_lowercase();
        let varying = type_name.starts_with("character varying");
        let column = Column {
            name: row.try_get(2).map_err(read)?,
            compared: Compared {
                caseless: type_name.ends_with("citext"),
                padded: type_name.starts_with("character") && !varying,
            },
            type_name,
            primary: row.try_get(4).map_err(read)?,
            unique: row.try_get(5).map_err(read)?,
        };
        match tables.last_mut() {
            Some(last) if last.name == name && last.schema == schema => last.columns.push(column),
            _ => tables.push(Table {
                schema,
                place: row.try_get(6).map_err(read)?,
                meant: row.try_get(7).map_err(read)?,
                name,
                columns: vec![column],
                references: Vec::new(),
                transactional: true,
            }),
        }
    }
    for row in &references {
        let read = |e: sqlx::Error| explain(&e);
        let schema: Option<String> = row.try_get(0).map_err(read)?;
        let name: String = row.try_get(1).map_err(read)?;
        let reference = Reference {
            column: row.try_get(2).map_err(read)?,
            to_place: row.try_get(3).map_err(read)?,
            to_table: row.try_get(4).map_err(read)?,
        };
        if let Some(table) = tables
            .iter_mut()
            .find(|t| t.name == name && t.schema == schema)
        {
            table.references.push(reference);
        }
    }
    Ok(tables)
}
