//! The demo site by itself. That real Django reads it is shown in demo_django.rs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod begin;
mod ground;
mod life;
