//! `curfew site`: a site taken from its Django project, the list of configured sites, one taken out.

use std::path::PathBuf;

use anstyle::Style;
use curfew_engine::config::{Config, SiteConfig};
use curfew_engine::error::{Code, Error};
use curfew_engine::import::{self, Project, Row, Saved, TakenView};
use serde::Serialize;

use super::sessions::good;
use crate::args::{SiteAddArgs, SiteDeed, SiteRemoveArgs};
use crate::context::Context;
use crate::failure::{Failure, Status};
use crate::output::quiet;
use crate::table::{Table, column};
use crate::words::{clean, count};

pub async fn run(context: &Context, deed: SiteDeed) -> Result<Status, Failure> {
    match deed {
        SiteDeed::Add(args) => add(context, args).await,
        SiteDeed::List => list(context),
        SiteDeed::Remove(args) => remove(context, &args).await,
    }
}

/// The document of `curfew site add`.
#[derive(Serialize)]
struct AddView {
    name: String,
    dry_run: bool,
    saved: bool,
    /// The configuration's file.
    path: PathBuf,
    manage: String,
    python: String,
    django: String,
    taken: Vec<Row>,
    notes: Vec<String>,
    /// People, by the first look at the saved site.
    signed_in: Option<u32>,
    /// Why the saved site does not open.
    error: Option<Error>,
}

async fn add(context: &Context, args: SiteAddArgs) -> Result<Status, Failure> {
    let env = &context.env;
    if let Some(name) = &args.name {
        // Before the project is asked, which takes seconds.
        check(context, name.trim(), args.replace)?;
    }
    let project = Project {
        manage: args.django,
        python: args.python,
        settings: args.settings,
        limit: args.timeout,
    };
    let taken = import::ask(&project).await?;
    let schemas = schemas(context, &taken, args.all_schemas, args.dry_run)?;
    let many = schemas.len() > 1;
    let mut sites = Vec::new();
    for schema in &schemas {
        let mut one = match schema {
            Some(schema) => taken.in_schema(schema)?,
            None => taken.clone(),
        };
        if let Some(name) = &args.name {
            one.rename(name);
        }
        if let Some(schema) = schema
            && (many || args.name.is_none())
        {
            one.rename(&format!("{}.{schema}", one.name()));
        }
        check(context, one.name(), args.replace)?;
        sites.push(one);
    }
    let mut status = Status::Done;
    let mut views = Vec::new();
    for one in &sites {
        let (saved, looked) = if args.dry_run {
            (None, None)
        } else {
            let saved = import::save(one, env, args.replace).await?;
            let looked = import::try_out(&saved.name, env).await;
            (Some(saved), Some(looked))
        };
        if let Some(Err(_)) = &looked {
            status = Status::Partly;
        }
        views.push(view(context, one.view(), saved, looked)?);
    }
    let output = &context.output;
    match (output.is_json(), views.as_slice()) {
        (true, [view]) => output.document(view)?,
        (true, sites) => output.document(&SitesView {
            tenants: taken.schemas(),
            sites,
        })?,
        (false, views) => {
            let texts: Vec<String> = views
                .iter()
                .map(|view| text(view, output.width()))
                .collect();
            output.text(&texts.join("\n"))?
        }
    };
    for view in &views {
        if let Some(error) = &view.error {
            context.output.shortfall(&format!(
                "{} is saved, and does not open: {}",
                view.name, error.message
            ));
        }
    }
    Ok(status)
}

/// The document of `curfew site add` where several schemas were added.
#[derive(Serialize)]
struct SitesView<'a> {
    tenants: &'a [String],
    sites: &'a [AddView],
}

/// The schemas to add a site for. `None` stands for a project that is one site.
fn schemas(
    context: &Context,
    taken: &import::Taken,
    all: bool,
    dry_run: bool,
) -> Result<Vec<Option<String>>, Failure> {
    let some = |names: &[String]| names.iter().cloned().map(Some).collect();
    let named = context.schemas.as_slice();
    match taken.tenants() {
        _ if !named.is_empty() => Ok(some(named)),
        Some(_) if all && !taken.schemas().is_empty() => Ok(some(taken.schemas())),
        Some(words) if !dry_run => {
            let first = taken.schemas().first().map_or("NAME", String::as_str);
            Err(Error::new(
                Code::Ambiguous,
                format!(
                    "{words}, and each is a site of its own. Name the tenant with --schema {first} (repeat it for several), or add all with --all-schemas."
                ),
            )
            .into())
        }
        None if all => Err(Failure::usage(
            "--all-schemas is for projects of django-tenants, and this is none.",
        )),
        _ => Ok(vec![None]),
    }
}

/// A name that cannot be is refused before anything is asked or shown.
fn check(context: &Context, name: &str, replace: bool) -> Result<(), Failure> {
    Ok(import::check_name(name, &context.env, replace)?)
}

fn view(
    context: &Context,
    taken: TakenView,
    saved: Option<Saved>,
    looked: Option<Result<u32, Error>>,
) -> Result<AddView, Failure> {
    let (signed_in, error) = match looked {
        Some(Ok(people)) => (Some(people), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    let (dry_run, path, rows, notes) = match saved {
        Some(saved) => (false, saved.path, saved.rows, saved.notes),
        None => (
            true,
            Config::load(&context.env)?.path,
            taken.rows,
            taken.notes,
        ),
    };
    Ok(AddView {
        name: taken.name,
        dry_run,
        saved: !dry_run,
        path,
        manage: taken.manage,
        python: taken.python,
        django: taken.django,
        taken: rows,
        notes,
        signed_in,
        error,
    })
}

fn text(view: &AddView, width: Option<u16>) -> String {
    let mut table = Table::new(vec![
        column("WHAT"),
        column("VALUE"),
        column("FROM").spare(1),
    ]);
    for row in &view.taken {
        table.row(
            Style::new(),
            vec![row.what.clone(), row.value.clone(), row.from.clone()],
        );
    }
    let mut text = format!(
        "{} answers, with Django {} and {}\n\n{}\n",
        clean(&view.manage),
        clean(&view.django),
        clean(&view.python),
        table.render(width)
    );
    for note in &view.notes {
        text.push_str(&format!("{} {}\n", quiet("note:"), clean(note)));
    }
    let (name, path) = (clean(&view.name), view.path.display());
    if view.dry_run {
        text.push_str(&format!(
            "Nothing was saved; it would be {name} in {path}.\n"
        ));
        return text;
    }
    text.push_str(&format!(
        "Saved as {name} in {path}, view-only: armed = true there lets Curfew sign people out.\n"
    ));
    if let Some(people) = view.signed_in {
        let style = good(true);
        text.push_str(&format!(
            "{style}It works:{style:#} {} signed in.\n",
            count(people, "person", "people")
        ));
    }
    text
}

#[derive(Serialize)]
struct ListView {
    sites: Vec<SiteRow>,
}

#[derive(Serialize)]
struct SiteRow {
    name: String,
    /// Without user and password.
    address: String,
    database: &'static str,
    session_engine: String,
    armed: bool,
}

impl From<&SiteConfig> for SiteRow {
    fn from(site: &SiteConfig) -> Self {
        Self {
            name: site.name.clone(),
            address: site.address.shown().to_owned(),
            database: site.address.backend().name(),
            session_engine: site.sessions.engine.to_string(),
            armed: site.armed,
        }
    }
}

fn list(context: &Context) -> Result<Status, Failure> {
    let config = Config::load(&context.env)?;
    let sites: Vec<SiteRow> = config.sites.iter().map(SiteRow::from).collect();
    if context.output.is_json() {
        context.output.document(&ListView { sites })?;
        return Ok(Status::Done);
    }
    if sites.is_empty() {
        context.output.text(&format!(
            "No site is configured in {}.\n",
            config.path.display()
        ))?;
        return Ok(Status::Done);
    }
    let mut table = Table::new(vec![
        column("NAME"),
        column("DATABASE"),
        column("ADDRESS"),
        column("SESSIONS").spare(1),
        column("CHANGES").spare(2),
    ]);
    for site in sites {
        let armed = if site.armed { "allowed" } else { "view-only" };
        table.row(
            Style::new(),
            vec![
                site.name,
                site.database.into(),
                site.address,
                site.session_engine,
                armed.into(),
            ],
        );
    }
    context.output.text(&table.render(context.output.width()))?;
    Ok(Status::Done)
}

/// The document of `curfew site remove`.
#[derive(Serialize)]
struct RemoveView<'a> {
    name: &'a str,
    removed: bool,
}

async fn remove(context: &Context, args: &SiteRemoveArgs) -> Result<Status, Failure> {
    import::remove(&args.name, &context.env).await?;
    if context.output.is_json() {
        context.output.document(&RemoveView {
            name: &args.name,
            removed: true,
        })?;
    } else {
        context.output.text(&format!(
            "{} is configured no longer; the site itself was not touched.\n",
            clean(&args.name)
        ))?;
    }
    Ok(Status::Done)
}
