//! `curfew sessions --unreadable`: the sessions whose content tells nothing, with what is known of them.

use anstyle::Style;
use curfew_engine::view::{UnreadableKind, UnreadableView, Unreadables};
use serde::Serialize;

use crate::context::{Context, now};
use crate::failure::{Failure, Status};
use crate::output::quiet;
use crate::table::{Table, column};
use crate::words::{count, moment};

/// How many people are shown; scripts get all.
const SHOWN: usize = 200;

/// The document: as for a person's sessions, of nobody.
#[derive(Serialize)]
struct Document<'a> {
    user: Option<()>,
    sessions: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    session: &'a UnreadableView,
    readable: bool,
}

pub async fn run(context: &Context) -> Result<Status, Failure> {
    let site = context.look().await?;
    if context.output.is_json() {
        let all = site.unreadable(usize::MAX);
        context.output.document(&Document {
            user: None,
            sessions: all
                .sessions
                .iter()
                .map(|session| Row {
                    session,
                    readable: false,
                })
                .collect(),
        })?;
        return Ok(Status::Done);
    }
    let now = site.view().db_time.unwrap_or_else(now);
    context
        .output
        .text(&text(context, &site.unreadable(SHOWN), now))?;
    context.notes(&site);
    Ok(Status::Done)
}

fn text(context: &Context, all: &Unreadables, now: jiff::Timestamp) -> String {
    if all.sessions.is_empty() {
        return "Every session can be read.\n".into();
    }
    let zone = &context.zone;
    let mut table = Table::new(vec![
        column("FINGERPRINT"),
        column("KIND"),
        column("WHY").spare(3),
        column("LAST SAVED"),
        column("EXPIRES"),
        column("IP").spare(1),
        column("DEVICE").spare(2),
    ]);
    for session in &all.sessions {
        table.row(
            Style::new(),
            vec![
                session.fingerprint.clone(),
                match session.kind {
                    UnreadableKind::Corrupt => "corrupt".into(),
                    UnreadableKind::Opaque => "opaque".into(),
                },
                session.why.clone(),
                session
                    .last_saved
                    .map_or_else(|| "?".into(), |at| moment(at, now, zone)),
                moment(session.expires, now, zone),
                session.ip.clone().unwrap_or_default(),
                session.device.clone().unwrap_or_default(),
            ],
        );
    }
    let mut text = table.render(context.output.width());
    let shown = u32::try_from(all.sessions.len()).unwrap_or(u32::MAX);
    if all.total > shown {
        let more = count(all.total - shown, "more", "more");
        text.push_str(&quiet(&format!("{more}: --json lists them all")));
        text.push('\n');
    }
    text
}
