//! A site taken from real Django projects: each kind of settings that projects have, asked of Django itself.
//! CURFEW_TEST_PYTHON_42 and _52 name the Pythons; `cargo xtask test` sets both. What is written, and what a site
//! does then, is in the outside tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

/// Runs each of these with both Djangos, as tests of their own.
macro_rules! on_each_django {
    ($($name:ident)*) => {
        on_each_django!(@ django_42 V42 $($name)*);
        on_each_django!(@ django_52 V52 $($name)*);
    };
    (@ $module:ident $django:ident $($name:ident)*) => {
        mod $module {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::project::Django::$django).await;
            })*
        }
    };
}

mod caches;
mod fails;
mod project;
mod settings;
mod tenants;
