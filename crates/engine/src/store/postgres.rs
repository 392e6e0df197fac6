//! PostgreSQL: how to reach it, and what it says of its own tables.

use std::str::FromStr;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Postgres, Row};
use tokio::time::Instant;

use super::catalog::{Column, Reference, Table};
use super::db::{Db, Reached, explain};
use super::id_form::Compared;
use super::lines::{Facts, Server};
use super::tls;
use crate::config::Address;
use crate::error::{Code, Error, Result};

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
    let (options, protection) = tls::protect(options, address);
    Ok(Reached::of(Db::postgres(options).await?, protection))
}

/// The deadlines of readings. The server keeps them for a connection, so that no statement outlives a killed Curfew by much.
/// Transactions that write set shorter ones.
const DEADLINES: [(&str, &str); 3] = [
    ("statement_timeout", "10s"),
    ("lock_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "10s"),
];

/// Who answers, and whether the deadlines hold.
const FACTS: &str = "SELECT pg_backend_pid(),
       COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
       current_setting('statement_timeout') = '10s' AND current_setting('lock_timeout') = '2s',
       current_setting('server_version')";

impl Server for Postgres {
    type Options = PgConnectOptions;

    const IDLE: Duration = Duration::from_secs(600);

    fn dial(
        options: PgConnectOptions,
    ) -> BoxFuture<'static, Result<(PgConnection, Facts), sqlx::Error>> {
        async move {
            // Poolers refuse what they do not know.
            let options = options.extra_float_digits(None);
            let bounded = options.clone().options(DEADLINES);
            let mut connection = match PgConnection::connect_with(&bounded).await {
                Err(error) if refuses_a_parameter(&error) => {
                    PgConnection::connect_with(&options).await?
                }
                connected => connected?,
            };
            let began = Instant::now();
            let facts = match sqlx::raw_sql(FACTS).fetch_one(&mut connection).await {
                Ok(row) => {
                    let id: i32 = row.try_get(0)?;
                    let bounded: bool = row.try_get(2)?;
                    Facts {
                        id: u64::try_from(id).ok(),
                        encrypted: row.try_get(1)?,
                        pooled: !bounded,
                        version: row.try_get(3)?,
                        way: began.elapsed(),
                    }
                }
                // Others that speak PostgreSQL's language lack some of it.
                Err(sqlx::Error::Database(_)) => Facts {
                    pooled: true,
                    way: began.elapsed(),
                    ..Facts::default()
                },
                Err(error) => return Err(error),
            };
            Ok((connection, facts))
        }
        .boxed()
    }

    fn end(connection: &mut PgConnection, id: u64) -> BoxFuture<'_, Result<(), sqlx::Error>> {
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE pid = {id} AND application_name = 'curfew' AND usename = current_user"
        );
        async move {
            let end = sqlx::raw_sql(AssertSqlSafe(end));
            end.execute(connection).await.map(|_| ())
        }
        .boxed()
    }
}

/// Whether a pooler may have refused a parameter of the connection: PgBouncer has no code of its own for that.
fn refuses_a_parameter(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(said) = error else {
        return false;
    };
    let code = said.code().unwrap_or_default();
    matches!(
        code.as_ref(),
        "08P01" | "0A000" | "42704" | "22023" | "55P02"
    )
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
pub async fn catalog<'e>(
    pool: impl Executor<'e, Database = Postgres> + Copy,
) -> Result<Vec<Table>> {
    // One trip each: nothing is prepared.
    let columns = sqlx::raw_sql(COLUMNS)
        .fetch_all(pool)
        .await
        .map_err(|e| explain(&e))?;
    let references = sqlx::raw_sql(REFERENCES)
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
