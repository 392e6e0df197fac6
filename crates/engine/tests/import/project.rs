//! A small Django project in a folder of one test's own, asked by the Python of one of the tests' Djangos.

use std::path::{Path, PathBuf};
use std::time::Duration;

use curfew_engine::error::Error;
use curfew_engine::import::{self, Project, TakenView};

const MANAGE: &str = r#"
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
if __name__ == "__main__":
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"#;

const SETTINGS: &str = r#"
SECRET_KEY = "secret-canary-one"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.sqlite3"}}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"#;

#[derive(Clone, Copy, Debug)]
pub enum Django {
    V42,
    V52,
}

impl Django {
    pub fn python(self) -> PathBuf {
        let name = match self {
            Self::V42 => "CURFEW_TEST_PYTHON_42",
            Self::V52 => "CURFEW_TEST_PYTHON_52",
        };
        match std::env::var_os(name) {
            Some(python) => python.into(),
            None => panic!("{name} is not set: run cargo xtask test"),
        }
    }
}

pub struct Shop {
    dir: tempfile::TempDir,
    django: Django,
    settings: Option<&'static str>,
    limit: Duration,
}

impl Shop {
    /// A project whose settings are the usual ones, and then these.
    pub fn new(django: Django, settings: &str) -> Self {
        let new = Self {
            dir: tempfile::tempdir().unwrap(),
            django,
            settings: None,
            limit: import::LIMIT,
        };
        new.file("manage.py", MANAGE)
            .file("shop/__init__.py", "")
            .file("shop/settings.py", &format!("{SETTINGS}\n{settings}\n"))
    }

    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Where manage.py is.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("shop")
    }

    pub fn settings(mut self, module: &'static str) -> Self {
        self.settings = Some(module);
        self
    }

    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub async fn ask(&self) -> Result<TakenView, Error> {
        self.asked().await.map(|taken| taken.view())
    }

    pub async fn asked(&self) -> Result<import::Taken, Error> {
        let mut project = Project::at(self.path().join("manage.py"));
        project.python = Some(self.django.python());
        project.settings = self.settings.map(str::to_owned);
        project.limit = self.limit;
        let asked = import::ask(&project).await;
        for words in [format!("{asked:?}"), json(&asked)] {
            assert!(!words.contains("canary"), "a secret is in {words}");
        }
        asked
    }

    pub async fn taken(&self) -> Taken {
        Taken(self.ask().await.unwrap())
    }
}

fn json(asked: &Result<import::Taken, Error>) -> String {
    match asked {
        Ok(taken) => serde_json::to_string(&taken.view()).unwrap(),
        Err(error) => serde_json::to_string(error).unwrap(),
    }
}

/// What was taken, asked row by row.
pub struct Taken(pub TakenView);

impl Taken {
    pub fn get(&self, what: &str) -> Option<&str> {
        let row = self.0.rows.iter().find(|row| row.what == what);
        row.map(|row| row.value.as_str())
    }

    pub fn is(&self, what: &str, value: &str) -> &Self {
        assert_eq!(self.get(what), Some(value), "{:#?}", self.0);
        self
    }

    pub fn no(&self, what: &str) -> &Self {
        assert_eq!(self.get(what), None, "{:#?}", self.0);
        self
    }

    pub fn notes(&self, part: &str) -> &Self {
        let found = self.0.notes.iter().any(|note| note.contains(part));
        assert!(found, "no note of {part}: {:#?}", self.0);
        self
    }

    pub fn quiet(&self) -> &Self {
        assert!(self.0.notes.is_empty(), "{:#?}", self.0.notes);
        self
    }
}

/// As the address of a SQLite file begins.
pub fn sqlite(path: &Path) -> String {
    format!("sqlite://{}", path.canonicalize().unwrap().display())
}
