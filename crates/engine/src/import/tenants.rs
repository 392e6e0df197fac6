//! A project of django-tenants: one schema per tenant, and which of them are sites of their own. Pure.

use super::answer::Tenants;
use super::taken::Taken;
use crate::config::{Base, Entry, Plain};
use crate::error::{Code, Error, Result};

/// Names of tenants in a sentence; of more, their number says enough.
const NAMED: usize = 5;

/// Where a tenant's users and sessions are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    pub public: String,
    pub schemas: Vec<String>,
    users_apart: bool,
    sessions_apart: bool,
}

impl Split {
    /// # Errors
    /// [`Code::Project`] if tenants have users of their own and share their sessions.
    pub fn of(tenants: &Tenants, base: Option<Base>) -> Result<Self> {
        let rows = matches!(base, Some(Base::Db | Base::CachedDb));
        let sessions_apart = match rows {
            true => tenants.sessions_apart,
            false => tenants.cache_apart && base == Some(Base::Cache),
        };
        let split = Self {
            public: tenants.public.clone(),
            schemas: tenants.schemas.clone(),
            users_apart: tenants.users_apart,
            sessions_apart,
        };
        if split.users_apart && !split.sessions_apart {
            return Err(Error::new(
                Code::Project,
                format!(
                    "This django-tenants project has {}. Each has users of its own, but they share their sessions. A shared session does not say which tenant's user it means, so Curfew could sign out the wrong one. {}",
                    split.count(),
                    match rows {
                        true => "List django.contrib.sessions under TENANT_APPS.",
                        false =>
                            "Set KEY_FUNCTION = \"django_tenants.cache.make_key\" in CACHES, or keep sessions in the database, with django.contrib.sessions under TENANT_APPS.",
                    }
                ),
            ));
        }
        Ok(split)
    }

    /// Whether each tenant is a site of its own.
    pub fn is_many(&self) -> bool {
        self.sessions_apart
    }

    /// "3 tenants (acme, beta, gamma)"
    pub fn count(&self) -> String {
        let number = match self.schemas.len() {
            1 => "1 tenant".to_owned(),
            n => format!("{n} tenants"),
        };
        let named = self.schemas.iter().take(NAMED).map(String::as_str);
        let named: Vec<&str> = named.collect();
        match self.schemas.len() {
            0 => number,
            n if n > NAMED => format!("{number} ({}, ...)", named.join(", ")),
            _ => format!("{number} ({})", named.join(", ")),
        }
    }
}

impl Taken {
    /// "This is a django-tenants project with 3 tenants (acme, beta, gamma)". `None` if the project is one site.
    pub fn tenants(&self) -> Option<String> {
        let split = self.tenants.as_ref().filter(|split| split.is_many())?;
        Some(format!(
            "This is a django-tenants project with {}",
            split.count()
        ))
    }

    /// What to do, if no tenant was named yet.
    pub(super) fn which_tenant(&self) -> Option<String> {
        let named = |entry: &Entry| entry.key == "schema" && entry.value.is_some();
        if self.entries.iter().any(named) {
            return None;
        }
        Some(format!(
            "{}, and each is a site of its own: add it with 'curfew site add --schema NAME', or all with --all-schemas.",
            self.tenants()?
        ))
    }

    /// Every tenant's schema.
    pub fn schemas(&self) -> &[String] {
        self.tenants.as_ref().map_or(&[], |split| &split.schemas)
    }

    /// The site in one schema of the database.
    ///
    /// # Errors
    /// [`Code::Config`] if the project has tenants and none of this name.
    pub fn in_schema(&self, schema: &str) -> Result<Self> {
        let mut taken = self.clone();
        if let Some(split) = &self.tenants {
            let known = split.schemas.iter().any(|one| one == schema);
            if !known && schema != split.public {
                return Err(Error::new(
                    Code::Config,
                    format!(
                        "The project has no tenant with the schema {schema:?}. It has {}.",
                        split.count()
                    ),
                ));
            }
            if !split.users_apart && split.sessions_apart {
                // The tenant's sessions mean the users of the public schema: both are named.
                taken.qualify("users", &split.public);
                taken.qualify("sessions", schema);
            }
            taken.change("sessions", "cache_key", |key| {
                let rest = key.strip_prefix(&format!("{}:", split.public))?;
                Some(format!("{schema}:{rest}"))
            });
        }
        taken.entries.retain(|entry| entry.key != "schema");
        taken.text(None, "schema", Some(schema));
        taken.row("schema", schema, "--schema");
        Ok(taken)
    }

    fn qualify(&mut self, table: &'static str, schema: &str) {
        self.change(table, "table", |name| {
            (!name.contains('.')).then(|| format!("{schema}.{name}"))
        });
    }

    fn change(
        &mut self,
        table: &'static str,
        key: &'static str,
        to: impl Fn(&str) -> Option<String>,
    ) {
        for entry in &mut self.entries {
            if (entry.table, entry.key) == (Some(table), key)
                && let Some(Plain::Text(text)) = &entry.value
                && let Some(changed) = to(text)
            {
                entry.value = Some(Plain::Text(changed));
            }
        }
    }
}
