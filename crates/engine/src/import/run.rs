//! Asks a project: runs its manage.py with the script, and takes the answer out of whatever else it prints.
//! Invariant: the project ends with the question, and nothing that looks like a secret gets into an error.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use secrecy::zeroize::Zeroizing;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::Project;
use super::answer::Answer;
use super::words::{Redact, last_line};
use crate::error::{Code, Error, Result};

const SCRIPT: &str = include_str!("ask.py");
/// What a project may print before and beside the answer.
const LONGEST: usize = 8 * 1024 * 1024;
/// What is kept of its standard error: the end.
const KEPT: usize = 16 * 1024;
const CHUNK: usize = 16 * 1024;
/// How long a project may take to end, once it has said all.
const GRACE: Duration = Duration::from_secs(2);

/// The project's answer.
///
/// # Errors
/// `Code::Project` where it cannot be run, fails, does not answer in time, or answers what cannot be read.
pub(super) async fn run(project: &Project, manage: &Path, python: &Path) -> Result<Answer> {
    let redact = Redact::from_environment();
    let failed = |how: String| {
        let text = redact.text(&format!("{} {how}", manage.display()));
        Error::new(Code::Project, text)
    };
    let mark = mark().map_err(|e| failed(format!("cannot be asked: {e}")))?;
    let mut child = command(project, manage, python, &mark)
        .spawn()
        .map_err(|e| {
            failed(format!(
                "cannot be run with {}: {e}; name the project's own Python with --python",
                python.display()
            ))
        })?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed("has no output".into()));
    };
    let words = tokio::spawn(end_of(stderr));
    let work = async {
        if let Some(answer) = between(stdout, &mark).await {
            // Whatever a project does at its end, it has the time for.
            let _ = tokio::time::timeout(GRACE, child.wait()).await;
            return Ok(answer);
        }
        let status = child.wait().await;
        let words = tokio::time::timeout(GRACE, words).await;
        Err((status, words.ok().and_then(Result::ok).unwrap_or_default()))
    };
    match tokio::time::timeout(project.limit, work).await {
        Err(_) => {
            let limit = humantime::format_duration(project.limit);
            Err(failed(format!(
                "did not answer within {limit}; see what it waits for, or give it longer with --timeout"
            )))
        }
        Ok(Err((status, words))) => Err(failed(why(status, &words, python))),
        // The reader's own words may quote the answer.
        Ok(Ok(answer)) => serde_json::from_slice(&answer).map_err(|_| {
            failed("answered what cannot be read; is its Django newer than 6?".into())
        }),
    }
}

fn command(project: &Project, manage: &Path, python: &Path, mark: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(manage).arg("shell");
    if let Some(module) = &project.settings {
        command.args(["--settings", module]);
        // A manage.py may read settings before it reads its arguments.
        command.env("DJANGO_SETTINGS_MODULE", module);
    }
    command
        .args(["-c", &format!("{SCRIPT}\n\ncurfew_asks(\"{mark}\")\n")])
        .current_dir(manage.parent().unwrap_or(Path::new("/")))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What went wrong, in the project's own last line.
fn why(status: std::io::Result<ExitStatus>, words: &[u8], python: &Path) -> String {
    let status = match status {
        Ok(status) if status.success() => "ended without an answer".to_owned(),
        Ok(status) => format!("cannot be asked ({status})"),
        Err(e) => format!("cannot be waited for: {e}"),
    };
    let python = python.display();
    match last_line(words) {
        // The manage.py that Django makes has a text of its own.
        Some(line)
            if line.contains("No module named 'django'")
                || line.contains("Couldn't import Django") =>
        {
            format!(
                "cannot be asked: {python} has no Django; name the project's own Python with --python"
            )
        }
        Some(line) => {
            format!(
                "{status}: {line}; see that 'manage.py check' works with {python}, from here, or name the project's own Python with --python"
            )
        }
        None => format!(
            "{status}, and says nothing; see that 'manage.py check' works with {python}, from here, or name the project's own Python with --python"
        ),
    }
}

/// What stands between two lines that are the mark. Reads no further than that.
async fn between(mut stdout: impl AsyncRead + Unpin, mark: &str) -> Option<Zeroizing<Vec<u8>>> {
    let line = format!("\n{mark}\n").into_bytes();
    let mut read = Zeroizing::new(Vec::new());
    let mut chunk = Zeroizing::new(vec![0; CHUNK]);
    let mut start = None;
    // Up to here no mark begins.
    let mut searched = 0;
    loop {
        match find(&read[searched..], &line) {
            Some(at) => match start {
                None => {
                    // Its line break may be the next mark's first.
                    searched += at + line.len() - 1;
                    start = Some(searched);
                    continue;
                }
                Some(start) => return Some(Zeroizing::new(read[start..searched + at].to_vec())),
            },
            None => searched = searched.max(read.len().saturating_sub(line.len())),
        }
        let more = stdout.read(&mut chunk).await.unwrap_or(0);
        if more == 0 || read.len() > LONGEST {
            return None;
        }
        read.extend_from_slice(&chunk[..more]);
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// The end of what is written, once there is no more.
async fn end_of(mut stderr: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut chunk = vec![0; CHUNK];
    while let Ok(more @ 1..) = stderr.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..more]);
        kept.drain(..kept.len().saturating_sub(KEPT));
    }
    kept
}

/// A line that nobody prints by chance, or can know.
fn mark() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("curfew-{:032x}", u128::from_ne_bytes(bytes)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_python_that_cannot_run_the_project_names_the_remedy() {
        let python = Path::new("/usr/bin/python3");
        for (line, said) in [
            (
                "ModuleNotFoundError: No module named 'django'",
                "has no Django",
            ),
            (
                "ImportError: Couldn't import Django. Are you sure it's installed?",
                "has no Django",
            ),
            ("ModuleNotFoundError: No module named 'redis'", "'redis'"),
            ("", "says nothing"),
        ] {
            let why = why(Ok(ExitStatus::default()), line.as_bytes(), python);
            assert!(why.contains(said) && why.contains("--python"), "{why}");
        }
    }

    #[tokio::test]
    async fn the_answer_is_found_in_whatever_else_is_printed() {
        let of = |text: &str| {
            let text = text.to_owned();
            async move {
                let found = between(text.as_bytes(), "MARK").await;
                found.map(|found| String::from_utf8(found.to_vec()).unwrap())
            }
        };
        assert_eq!(
            of("noise\nMARK\n{}\nMARK\nnoise").await.unwrap().trim(),
            "{}"
        );
        assert_eq!(of("\nMARK\n\nMARK\n").await.unwrap().trim(), "");
        assert_eq!(of("a MARK\n{}\nMARK\n").await, None);
        assert_eq!(of("\nMARK\n{}").await, None);
        assert_eq!(of("").await, None);
    }

    #[tokio::test]
    async fn the_end_of_standard_error_is_kept() {
        let mut text = "x".repeat(200_000);
        text.push_str("\nthe last line");
        let kept = end_of(text.as_bytes()).await;
        assert!(kept.len() <= KEPT);
        assert_eq!(last_line(&kept).unwrap(), "the last line");
    }
}
