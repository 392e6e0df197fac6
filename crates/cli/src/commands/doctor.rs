//! `curfew doctor`: each step of connecting to a site, and what to do where one fails.

use curfew_engine::site::doctor::doctor;
use curfew_engine::view::Check;
use serde::Serialize;

use super::sessions::good;
use crate::context::Context;
use crate::failure::{Failure, Status};
use crate::output::quiet;
use crate::words::clean;

/// The document of `curfew doctor`.
#[derive(Serialize)]
struct DoctorView {
    checks: Vec<Check>,
}

pub async fn run(context: &Context) -> Result<Status, Failure> {
    let checks = doctor(context.config().await?, &context.env).await;
    let (failed, all) = (
        checks.iter().filter(|check| !check.ok).count(),
        checks.len(),
    );
    if context.output.is_json() {
        context.output.document(&DoctorView { checks })?;
    } else {
        context.output.text(&text(&checks))?;
    }
    if failed > 0 {
        context
            .output
            .shortfall(&format!("{failed} of {all} checks failed"));
    }
    Ok(if failed == 0 {
        Status::Done
    } else {
        Status::Failed
    })
}

fn text(checks: &[Check]) -> String {
    let wide = checks
        .iter()
        .map(|check| check.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let style = good(check.ok);
        let mark = if check.ok { "ok    " } else { "failed" };
        text.push_str(&format!(
            "{style}{mark}{style:#}  {:wide$}  {}\n",
            clean(&check.name),
            clean(&check.detail)
        ));
        if let Some(fix) = &check.fix {
            let lead = if check.ok { "hint" } else { "to do" };
            text.push_str(&format!(
                "        {:wide$}  {} {}\n",
                "",
                quiet(&format!("{lead}:")),
                clean(fix)
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_check_says_what_to_do() {
        let text = text(&[
            Check {
                name: "reached".into(),
                ok: true,
                detail: "PostgreSQL 15".into(),
                fix: None,
            },
            Check {
                name: "rights".into(),
                ok: false,
                detail: "no DELETE on django_session".into(),
                fix: Some("GRANT DELETE ON django_session TO curfew".into()),
            },
        ]);
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "ok      reached  PostgreSQL 15\n\
             failed  rights   no DELETE on django_session\n                 to do: GRANT DELETE ON django_session TO curfew\n"
        );
    }
}
