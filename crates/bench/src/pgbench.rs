//! A site at work, played by pgbench: people sign in, save their sessions, and come with a session that is read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr};

use crate::population::{self, Population};

/// One client's requests, and how many of each kind there are. `bench_keys` says who is there and under which key; what
/// Django sends over the wire is sent over the wire here, too.
const REQUESTS: [(&str, &str, u32); 3] = [
    (
        "login",
        r"\set n random(1, :logins)
SELECT username, data FROM bench_logins WHERE second = floor(extract(epoch FROM now())) AND n = :n \gset
SELECT id AS person, password, is_active FROM auth_user WHERE username = :username \gset
INSERT INTO django_session VALUES ('pgbench' || left(md5(random()::text || clock_timestamp()::text), 25), :data, now() + interval '14 days');
UPDATE auth_user SET last_login = now(), last_activity = now(), is_online = true WHERE id = :person;
",
        1,
    ),
    (
        "save",
        r"\set n random(1, :keys)
SELECT session_key AS key, user_id AS person FROM bench_keys WHERE n = :n \gset
SELECT session_data AS data FROM django_session WHERE session_key = :key AND expire_date > now() \gset
UPDATE django_session SET session_data = bench_signed(:data, now()), expire_date = now() + interval '14 days' WHERE session_key = :key;
UPDATE auth_user SET last_activity = now(), is_online = true WHERE id = :person;
",
        6,
    ),
    (
        "read",
        r"\set n random(1, :keys)
SELECT session_key AS key FROM bench_keys WHERE n = :n \gset
SELECT session_key, session_data, expire_date FROM django_session WHERE session_key = :key AND expire_date > now();
",
        20,
    ),
];
const CLEAN: &str = "DELETE FROM django_session WHERE session_key LIKE 'pgbench%'";
/// What Django makes of a session's content when it saves it: of the time and the signature at its end, 51 characters, come
/// new ones. Without them each saved session would have an age of its own, as on no site.
const SIGNED: &str = r"
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE OR REPLACE FUNCTION bench_signed(data text, at timestamptz) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    digits text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    key bytea := sha256(convert_to('django.contrib.sessions.SessionStoresigner' || '{SECRET_KEY}', 'UTF8'));
    second bigint := floor(extract(epoch FROM at));
    stamp text := '';
    value text;
BEGIN
    WHILE second > 0 LOOP
        stamp := substr(digits, 1 + (second % 62)::int, 1) || stamp;
        second := second / 62;
    END LOOP;
    value := left(data, -51) || ':' || stamp;
    RETURN value || ':' || translate(rtrim(encode(hmac(convert_to(value, 'UTF8'), key, 'sha256'), 'base64'), '='), '+/', '-_');
END
$$";
const LOGINS: &str = "
INSERT INTO bench_logins SELECT second, n, u.username, data
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) AS signed (second, n, person, data)
JOIN auth_user u ON u.id = person";
/// Logins of a second, of which one is thrown for; and the seconds that a run takes beyond its own.
const LOGINS_A_SECOND: usize = 20;
const SPARE: u32 = 60;
/// Seconds at a run's end of which pgbench may say nothing.
const LAST: u32 = 2;
const CLIENTS: &str = "4";
const THREADS: &str = "2";

/// Numbered, so that a script can throw for one of them. Sessions of logins are signed beforehand, for each second that a
/// run may come to.
const KEYS: &str = "
CREATE TABLE bench_logins (
    second bigint, n bigint, username varchar(150) NOT NULL, data text NOT NULL, PRIMARY KEY (second, n)
);
CREATE TABLE bench_keys (
    n bigint PRIMARY KEY, session_key varchar(40) NOT NULL, user_id bigint NOT NULL, username varchar(150) NOT NULL
);";
const FILL: &str = "
INSERT INTO bench_keys
SELECT row_number() OVER (ORDER BY s.session_key), s.session_key, u.id, u.username
FROM unnest($1::text[], $2::bigint[]) AS mine (session_key, user_id)
JOIN django_session s ON s.session_key = mine.session_key
JOIN auth_user u ON u.id = mine.user_id";

/// Ready to be played, as often as it takes.
pub struct Play<'a> {
    program: PathBuf,
    scripts: Vec<PathBuf>,
    keys: u64,
    /// Who signs in, by user number from 0 on.
    logins: Vec<usize>,
    url: &'a str,
}

impl<'a> Play<'a> {
    /// Everyone plays but the `resting`, who are user numbers from 0 on.
    pub async fn prepare(
        population: &Population,
        resting: &[usize],
        state: &Path,
        url: &'a str,
        database: &mut PgConnection,
    ) -> Result<Self> {
        let resting: HashSet<&usize> = resting.iter().collect();
        let (mut keys, mut users) = (Vec::new(), Vec::new());
        let players = (0..population.people.len()).filter(|n| !resting.contains(n));
        let logins = players.take(LOGINS_A_SECOND).collect();
        for (n, person) in population.people.iter().enumerate() {
            if !resting.contains(&n) {
                keys.extend(person.iter().cloned());
                users.resize(keys.len(), n as i64 + 1);
            }
        }
        sqlx::raw_sql(KEYS).execute(&mut *database).await?;
        let secret = population::SECRET_KEY.replace('\'', "''");
        sqlx::raw_sql(AssertSqlSafe(SIGNED.replace("{SECRET_KEY}", &secret)))
            .execute(&mut *database)
            .await?;
        let keys = sqlx::query(FILL)
            .bind(&keys)
            .bind(&users)
            .execute(&mut *database)
            .await?
            .rows_affected();
        sqlx::raw_sql("ANALYZE bench_keys")
            .execute(database)
            .await?;
        if keys == 0 {
            bail!("nobody is there to play");
        }
        let mut scripts = Vec::new();
        for (name, text, _) in REQUESTS {
            let script = state.join(format!("{name}.sql"));
            std::fs::write(&script, text)
                .with_context(|| format!("{} cannot be written", script.display()))?;
            scripts.push(script);
        }
        Ok(Self {
            program: program(),
            scripts,
            keys,
            logins,
            url,
        })
    }

    /// Signs the sessions of those who sign in within the next so many seconds, as Django does it then.
    async fn sign(&self, seconds: u32, database: &mut PgConnection) -> Result<()> {
        sqlx::raw_sql("TRUNCATE bench_logins")
            .execute(&mut *database)
            .await?;
        let now = Timestamp::now().as_second();
        let (mut at, mut numbers) = (Vec::new(), Vec::new());
        let (mut people, mut data) = (Vec::new(), Vec::new());
        // A server's clock may be a little behind.
        for second in now - 2..now + i64::from(seconds) {
            let moment = Timestamp::from_second(second)?;
            for (n, user) in (1_i64..).zip(&self.logins) {
                at.push(second);
                numbers.push(n);
                people.push(*user as i64 + 1);
                data.push(population::saved(*user, moment).0);
            }
        }
        sqlx::query(LOGINS)
            .bind(&at)
            .bind(&numbers)
            .bind(&people)
            .bind(&data)
            .execute(database)
            .await?;
        Ok(())
    }

    /// Starts it for so many seconds, and a little longer: of the last one it says nothing.
    pub async fn start(&self, seconds: u32, database: &mut PgConnection) -> Result<Playing> {
        let seconds = seconds + LAST;
        self.sign(seconds + SPARE, database).await?;
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(["--no-vacuum", "--protocol", "prepared", "--progress", "1"])
            .args(["--client", CLIENTS, "--jobs", THREADS])
            .args(["--time", &seconds.to_string()])
            .args(["--define", &format!("keys={}", self.keys)])
            .args(["--define", &format!("logins={}", self.logins.len())]);
        for (script, (_, _, weight)) in self.scripts.iter().zip(REQUESTS) {
            command
                .arg("--file")
                .arg(format!("{}@{weight}", script.display()));
        }
        // The server is of this run alone, and so is its password.
        let mut program = command
            .arg(self.url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", self.program.display()))?;
        let told = program
            .stderr
            .take()
            .context("pgbench's words do not come")?;
        Ok(Playing {
            program,
            lines: BufReader::new(told).lines(),
            said: String::new(),
        })
    }

    /// What was inserted is gone again.
    pub async fn clean(&self, database: &mut PgConnection) -> Result<()> {
        sqlx::raw_sql(CLEAN).execute(database).await?;
        Ok(())
    }

    pub async fn end(self, database: &mut PgConnection) -> Result<()> {
        self.clean(database).await?;
        sqlx::raw_sql("DROP TABLE bench_keys, bench_logins; DROP FUNCTION bench_signed")
            .execute(database)
            .await?;
        Ok(())
    }
}

/// A site at work, until its time is over.
pub struct Playing {
    program: Child,
    lines: Lines<BufReader<ChildStderr>>,
    /// What it said that is no progress.
    said: String,
}

impl Playing {
    /// Waits for the next so many seconds, and says how many requests a second there were on average.
    pub async fn seconds(&mut self, many: u32) -> Result<f64> {
        let mut sum = 0.0;
        for _ in 0..many {
            sum += self.second().await?;
        }
        Ok(sum / f64::from(many))
    }

    async fn second(&mut self) -> Result<f64> {
        while let Some(line) = self.lines.next_line().await? {
            match per_second(&line) {
                Some(requests) => return Ok(requests),
                None => self.said += &line,
            }
        }
        bail!("pgbench ended early: {}", self.said)
    }

    pub async fn end(mut self) -> Result<()> {
        let rest = async {
            while let Some(line) = self.lines.next_line().await? {
                if per_second(&line).is_none() {
                    self.said += &line;
                }
            }
            self.program.wait().await
        };
        let status = tokio::time::timeout(Duration::from_secs(u64::from(SPARE)), rest).await??;
        if !status.success() {
            bail!("pgbench: {}", self.said);
        }
        Ok(())
    }
}

/// `progress: 1.0 s, 9012.3 tps, lat 0.443 ms stddev 0.246, 0 failed`
fn per_second(line: &str) -> Option<f64> {
    let rest = line.strip_prefix("progress: ")?;
    let (_, rest) = rest.split_once(" s, ")?;
    rest.split_once(" tps")?.0.parse().ok()
}

/// Of the newest PostgreSQL where Debian puts it (its server's package has it), or from the PATH.
fn program() -> PathBuf {
    std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let program = entry.path().join("bin/pgbench");
            program.is_file().then_some((version, program))
        })
        .max()
        .map_or_else(|| PathBuf::from("pgbench"), |(_, program)| program)
}
