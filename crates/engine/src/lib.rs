//! All that Curfew knows and does: it reads a Django site's sessions, decides by the database's clock who is
//! idle, and signs them out with proof. No Tauri, no terminal, no printing.

pub mod account;
pub mod config;
pub mod demo;
pub mod django;
mod doubt;
pub mod error;
pub mod event;
pub mod evidence;
pub mod import;
pub mod journal;
pub mod logout;
pub mod notice;
pub mod policy;
mod regular;
pub mod roster;
pub mod secrets;
pub mod site;
pub mod store;
pub mod sweep;
pub mod tell;
pub mod text;
pub mod tokens;
pub mod view;
pub mod watch;

pub use config::{Config, Env, Policy, SiteConfig};
pub use error::{Code, Error, Result};
pub use event::Event;
pub use site::Site;
