//! `curfew demo`: makes a site to try things on, and keeps its people coming and going until told to stop.

use std::path::{Path, PathBuf};

use curfew_engine::demo;
use curfew_engine::error::{Code, Error};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::DemoArgs;
use crate::context::Context;
use crate::failure::{Failure, Status};
use crate::output::Reader;
use crate::stop::Stop;
use crate::words::count;

/// The document of `curfew demo`, as soon as the site is there.
#[derive(Serialize)]
struct DemoView {
    path: PathBuf,
    url: String,
    users: u32,
}

pub async fn run(context: &Context, args: DemoArgs) -> Result<Status, Failure> {
    let path = match args.path {
        Some(path) => std::path::absolute(&path)
            .map_err(|e| Failure::usage(format!("--path {} is no path: {e}", path.display())))?,
        None => {
            make_dir(&context.env.state_dir)?;
            context.env.state_dir.join("demo.sqlite3")
        }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
        return Err(file(format!(
            "there is no folder {} to make the demo site in; make it, or name another --path",
            folder.display()
        )));
    }
    let stop = Stop::listen()?;
    demo::create(&path, args.users, Timestamp::now()).await?;
    let url = address(&path);
    let reader = if context.output.is_json() {
        context.output.document(&DemoView {
            path: path.clone(),
            url,
            users: args.users,
        })?
    } else {
        context.output.text(&format!(
            "A demo site with {} is at {}\nLook at it from another terminal:\n  curfew --site {} users\nPeople come and go until Ctrl-C.\n",
            count(args.users, "person", "people"),
            path.display(),
            url,
        ))?
    };
    if reader == Reader::There {
        demo::live(&path, seed(), stop.asked).await?;
    }
    Ok(Status::Done)
}

fn make_dir(dir: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|e| {
        file(format!(
            "cannot make {}: {e}; name a file with --path, or a folder with CURFEW_STATE_DIR",
            dir.display()
        ))
    })
}

fn file(message: String) -> Failure {
    Error::new(Code::File, message).into()
}

/// Each demo lives differently.
fn seed() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// The site's address: what has a meaning in one is encoded.
fn address(path: &Path) -> String {
    let path = path.to_string_lossy();
    let mut url = String::from("sqlite://");
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                url.push(char::from(byte));
            }
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use curfew_engine::config::{Address, Backend};

    #[test]
    fn the_address_leads_back_to_the_file() {
        for path in ["/tmp/demo.sqlite3", "/srv/my site/100%?#'é.db"] {
            let url = address(Path::new(path));
            assert_eq!(
                Address::parse(&url).unwrap().backend(),
                &Backend::Sqlite(PathBuf::from(path))
            );
            assert!(!url.contains(' ') && !url.contains('\''), "{url}");
        }
    }
}
