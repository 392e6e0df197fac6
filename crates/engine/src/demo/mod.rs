//! The demo site: a SQLite file with Django's real tables, and people who come and go in it.
//! Curfew watches it as it watches any site; nothing of a real site is ever written from here.
//! Invariant: what is no demo site is refused, and real Django reads every row made here.

mod life;
mod people;
mod rows;
mod secret;

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{Connection, Sqlite};

use crate::error::{Code, Error, Result};

pub use life::{Life, Moved, live};
pub use secret::secret_key;

/// How many people the window's own demo site has.
pub const DEFAULT_USERS: u32 = 140;

/// "CRFW" in the file's header: the mark by which a demo site is known. It is no table, so the
/// tables stay Django's own.
const APPLICATION_ID: i64 = 0x4352_4657;
const SCHEMA: &str = include_str!("schema.sql");
/// As many rows as one INSERT takes, well under SQLite's 32,766 parameters.
const ROWS_AT_ONCE: usize = 400;
/// SESSION_COOKIE_AGE as Django sets it.
const COOKIE_AGE: SignedDuration = SignedDuration::from_hours(14 * 24);
const BACKEND: &str = "django.contrib.auth.backends.ModelBackend";

/// Makes a demo site with `users` people at `path`, as it would stand at `now`.
///
/// A demo site that is already there is filled anew, in one transaction, so that whoever looks on
/// sees the old people or the new ones. Its key lies beside it, see [`secret_key`].
/// Errors with [`Code::File`] where something else is at `path`, or nothing can be written.
pub async fn create(path: &Path, users: u32, now: Timestamp) -> Result<()> {
    let there = what_is_at(path).await?;
    let keys = secret::make_or_keep(path)?;
    let site = rows::Site::at(now, users, &keys)?;
    let mut connection = open(path, true).await?;
    fill(&mut connection, there, &site, now)
        .await
        .map_err(|error| not_writable(path, &error))?;
    close(path, connection).await
}

/// What `create` finds before it writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Nothing,
    Demo,
}

async fn what_is_at(path: &Path) -> Result<There> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(There::Nothing),
        Err(error) => return Err(not_writable(path, &error)),
        Ok(found) if found.is_file() && found.len() == 0 => return Ok(There::Nothing),
        Ok(found) if !found.is_file() => return Err(no_demo(path)),
        Ok(_) => {}
    }
    match is_demo(path).await {
        true => Ok(There::Demo),
        false => Err(no_demo(path)),
    }
}

/// Whether the file at `path` is a demo site. Any other file, and none at all, is not.
pub async fn is_demo(path: &Path) -> bool {
    if crate::regular::check(path).is_err() {
        return false;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5));
    let Ok(mut connection) = SqliteConnection::connect_with(&options).await else {
        return false;
    };
    let mark = sqlx::query_scalar::<_, i64>("PRAGMA application_id")
        .fetch_one(&mut connection)
        .await;
    matches!(mark, Ok(APPLICATION_ID))
}

/// Opens the file to write. The journal stays a rollback journal, as Django makes it: what
/// Curfew meets here is what it meets at a real site, and the site stays one file. A demo has
/// nothing to lose in a power cut, so writes do not wait for the disk.
async fn open(path: &Path, create: bool) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(create)
        .synchronous(SqliteSynchronous::Off)
        .busy_timeout(Duration::from_secs(10));
    SqliteConnection::connect_with(&options)
        .await
        .map_err(|error| not_writable(path, &error))
}

async fn close(path: &Path, connection: SqliteConnection) -> Result<()> {
    connection
        .close()
        .await
        .map_err(|error| not_writable(path, &error))
}

async fn fill(
    connection: &mut SqliteConnection,
    there: There,
    site: &rows::Site,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let prepare = match there {
        There::Nothing => SCHEMA,
        // With the counters, so that a site filled anew has the same ids as a new one.
        There::Demo => {
            r#"DELETE FROM "django_session";
               DELETE FROM "django_admin_log";
               DELETE FROM "accounts_user_groups";
               DELETE FROM "accounts_user_user_permissions";
               DELETE FROM "accounts_user";
               DELETE FROM "sqlite_sequence" WHERE "name" = 'accounts_user';"#
        }
    };
    sqlx::raw_sql(prepare).execute(&mut *transaction).await?;
    sqlx::query(r#"UPDATE "django_migrations" SET "applied" = ?"#)
        .bind(written(now))
        .execute(&mut *transaction)
        .await?;
    for users in site.users.chunks(ROWS_AT_ONCE) {
        insert_users(&mut transaction, users).await?;
    }
    for sessions in site.sessions.chunks(ROWS_AT_ONCE) {
        insert_sessions(&mut transaction, sessions).await?;
    }
    sqlx::raw_sql("PRAGMA application_id = 0x43524657")
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

async fn insert_users(
    connection: &mut SqliteConnection,
    users: &[rows::User],
) -> Result<(), sqlx::Error> {
    let mut insert = sqlx::QueryBuilder::<Sqlite>::new(
        r#"INSERT INTO "accounts_user" ("id", "password", "last_login", "is_superuser", "username",
           "first_name", "last_name", "email", "is_staff", "is_active", "date_joined",
           "last_activity", "isCurrentlyActive") "#,
    );
    insert.push_values(users, |mut row, user| {
        row.push_bind(user.id)
            .push_bind(&user.password)
            .push_bind(user.last_login.map(written))
            .push_bind(user.person.superuser)
            .push_bind(&user.person.username)
            .push_bind(&user.person.first_name)
            .push_bind(&user.person.last_name)
            .push_bind(&user.person.email)
            .push_bind(user.person.staff)
            .push_bind(user.person.enabled)
            .push_bind(written(user.joined))
            .push_bind(user.last_activity.map(written))
            .push_bind(user.flag);
    });
    insert.build().execute(connection).await.map(drop)
}

async fn insert_sessions(
    connection: &mut SqliteConnection,
    sessions: &[rows::Session],
) -> Result<(), sqlx::Error> {
    let mut insert = sqlx::QueryBuilder::<Sqlite>::new(
        r#"INSERT INTO "django_session" ("session_key", "session_data", "expire_date") "#,
    );
    insert.push_values(sessions, |mut row, session| {
        row.push_bind(&session.key)
            .push_bind(&session.data)
            .push_bind(written(session.expires));
    });
    insert.build().execute(connection).await.map(drop)
}

/// A moment as Django writes it into SQLite: UTC, without saying so.
fn written(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%d %H:%M:%S.%6f")
        .to_string()
}

fn no_demo(path: &Path) -> Error {
    let path = path.display();
    Error::new(
        Code::File,
        format!("{path} is there already and is not a demo site: name another path"),
    )
}

fn not_writable(path: &Path, error: &dyn std::error::Error) -> Error {
    let path = path.display();
    Error::new(
        Code::File,
        format!("the demo site {path} cannot be written: {error}"),
    )
}
