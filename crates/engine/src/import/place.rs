//! Where a project is, and which Python runs it. Finding looks at files alone; nothing is started.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::error::{Code, Error, Result};

/// Folders in which projects keep their Python: beside manage.py, or one folder up.
const ENVIRONMENTS: [&str; 3] = [".venv", "venv", "env"];

#[cfg(windows)]
const PYTHONS: [&str; 1] = ["Scripts/python.exe"];
#[cfg(not(windows))]
const PYTHONS: [&str; 2] = ["bin/python", "bin/python3"];

#[cfg(windows)]
const ON_PATH: [&str; 2] = ["python.exe", "py.exe"];
#[cfg(not(windows))]
const ON_PATH: [&str; 2] = ["python3", "python"];

/// A manage.py that is there: its file, or the folder that holds it, was named.
///
/// # Errors
/// `Code::Config` where there is none.
pub(super) fn manage(named: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(named).unwrap_or_else(|_| named.to_path_buf());
    let path = if path.is_dir() {
        path.join("manage.py")
    } else {
        path
    };
    if path.is_file() {
        return Ok(path);
    }
    let text = format!(
        "there is no {}; name the manage.py of the Django project",
        path.display()
    );
    Err(Error::new(Code::Config, text))
}

/// The project's Python: the one that was named, else that of the virtual environment that is switched on, else one
/// beside the project, else the system's. A link is not followed: an environment is known by where its link stands.
///
/// # Errors
/// `Code::Config` where there is none.
pub(super) fn python(named: Option<&Path>, manage: &Path) -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    find(
        named,
        manage,
        variable("VIRTUAL_ENV").as_deref(),
        variable("PATH").unwrap_or_default(),
    )
}

fn find(
    named: Option<&Path>,
    manage: &Path,
    switched_on: Option<&OsStr>,
    path: OsString,
) -> Result<PathBuf> {
    if let Some(named) = named {
        return this(named, &path);
    }
    let folder = manage.parent().unwrap_or(Path::new("/"));
    let beside = folder
        .ancestors()
        .take(2)
        .flat_map(|folder| ENVIRONMENTS.map(|name| folder.join(name)));
    let found = switched_on
        .map(PathBuf::from)
        .into_iter()
        .chain(beside)
        .find_map(|folder| inside(&folder))
        .or_else(|| ON_PATH.iter().find_map(|name| on_path(name, &path)));
    found.ok_or_else(|| {
        let text = format!(
            "no Python is in {} or on PATH; name the project's own with --python",
            folder.display()
        );
        Error::new(Code::Config, text)
    })
}

/// A Python that was named: a program, the folder of an environment, or a name on PATH.
fn this(named: &Path, path: &OsStr) -> Result<PathBuf> {
    let whole = std::path::absolute(named).unwrap_or_else(|_| named.to_path_buf());
    let found = if whole.is_dir() {
        inside(&whole)
    } else if whole.is_file() {
        Some(whole)
    } else if named.components().count() == 1 {
        on_path(&named.to_string_lossy(), path)
    } else {
        None
    };
    found.ok_or_else(|| {
        let text = format!(
            "{} is no Python; name the project's own with --python",
            named.display()
        );
        Error::new(Code::Config, text)
    })
}

fn inside(environment: &Path) -> Option<PathBuf> {
    PYTHONS
        .iter()
        .map(|name| environment.join(name))
        .find(|path| path.is_file())
}

fn on_path(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Names that say where a project is kept, not which it is.
const GENERIC: [&str; 14] = [
    "src", "app", "code", "backend", "server", "django", "site", "web", "www", "project", "repo",
    "current", "release", "api",
];

/// A name for the site: its project's folder, where that says something.
pub(super) fn name(manage: &Path) -> Option<String> {
    let folders = manage.ancestors().skip(1).take(2);
    folders
        .filter_map(|folder| folder.file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .find(|name| !GENERIC.contains(&name.to_lowercase().as_str()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn make(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }

    #[test]
    fn a_manage_py_is_named_by_its_file_or_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("manage.py");
        let error = manage(folder.path()).unwrap_err();
        assert_eq!(error.code, Code::Config);
        assert!(error.message.contains("manage.py"), "{}", error.message);
        make(&file);
        assert_eq!(manage(&file).unwrap(), file);
        assert_eq!(manage(folder.path()).unwrap(), file);
    }

    #[test]
    fn a_python_is_looked_for_near_the_project_first() {
        let folder = tempfile::tempdir().unwrap();
        let here = |path: &str| folder.path().join(path);
        let manage = here("shop/src/manage.py");
        let look = |named: Option<&str>, on: Option<&str>| {
            let on = on.map(|on| here(on).into_os_string());
            let named = named.map(here);
            find(
                named.as_deref(),
                &manage,
                on.as_deref(),
                here("bin").into_os_string(),
            )
        };
        assert!(look(None, None).unwrap_err().message.contains("--python"));
        for (path, on) in [
            ("bin/python3", None),
            ("shop/venv/bin/python", None),
            ("shop/.venv/bin/python3", None),
            ("shop/src/env/bin/python", None),
            ("on/bin/python", Some("on")),
        ] {
            make(&here(path));
            assert_eq!(look(None, on).unwrap(), here(path));
        }
        assert_eq!(
            look(None, Some("gone")).unwrap(),
            here("shop/src/env/bin/python")
        );
        assert_eq!(
            look(Some("shop/venv"), None).unwrap(),
            here("shop/venv/bin/python")
        );
        assert!(look(Some("gone/python"), None).is_err());
        let by_name = find(
            Some(Path::new("python3")),
            &manage,
            None,
            here("bin").into_os_string(),
        );
        assert_eq!(by_name.unwrap(), here("bin/python3"));
    }

    #[test]
    fn a_site_is_called_as_its_project() {
        for (path, called) in [
            ("/srv/shop/manage.py", Some("shop")),
            ("/srv/shop/src/manage.py", Some("shop")),
            ("/app/manage.py", None),
        ] {
            assert_eq!(name(Path::new(path)).as_deref(), called, "{path}");
        }
    }
}
