//! Which authentication backends of a site sign a session's user in, and whom they admit.

/// Backends of Django's own that let users in whose `is_active` is false.
const ADMIT_DISABLED: [&str; 2] = [
    "django.contrib.auth.backends.AllowAllUsersModelBackend",
    "django.contrib.auth.backends.AllowAllUsersRemoteUserBackend",
];

/// Whom a session's backend signs in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Admits {
    #[default]
    Enabled,
    /// Disabled users, too.
    Everyone,
    /// The site no longer lists the backend. To Django, such a session is anonymous.
    Nobody,
}

/// AUTHENTICATION_BACKENDS, as far as the operator has said it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backends {
    /// Empty if unknown: then every backend counts as listed.
    pub listed: Vec<String>,
    /// Those of the site's own that admit disabled users.
    pub admitting_disabled: Vec<String>,
}

impl Backends {
    /// Whom a session with this `_auth_user_backend` signs in.
    pub fn of(&self, backend: Option<&str>) -> Admits {
        let Some(backend) = backend else {
            return match self.listed.is_empty() {
                true => Admits::Enabled,
                false => Admits::Nobody,
            };
        };
        if !self.listed.is_empty() && !self.listed.iter().any(|listed| listed == backend) {
            return Admits::Nobody;
        }
        let own = self.admitting_disabled.iter().any(|one| one == backend);
        match own || ADMIT_DISABLED.contains(&backend) {
            true => Admits::Everyone,
            false => Admits::Enabled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_admits_as_django_has_it() {
        let model = "django.contrib.auth.backends.ModelBackend";
        let unknown = Backends::default();
        assert_eq!(unknown.of(Some(model)), Admits::Enabled);
        assert_eq!(unknown.of(Some(ADMIT_DISABLED[0])), Admits::Everyone);
        assert_eq!(unknown.of(Some("shop.Backend")), Admits::Enabled);
        let known = Backends {
            listed: vec!["shop.Backend".into(), ADMIT_DISABLED[1].into()],
            admitting_disabled: vec!["shop.Backend".into()],
        };
        assert_eq!(known.of(Some("shop.Backend")), Admits::Everyone);
        assert_eq!(known.of(Some(ADMIT_DISABLED[1])), Admits::Everyone);
        assert_eq!(known.of(Some(model)), Admits::Nobody);
        assert_eq!(known.of(None), Admits::Nobody);
    }
}
