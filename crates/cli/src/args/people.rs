//! What is typed about people: whose sessions to show or to end, whose account to switch.

use clap::Args;

use super::{fingerprint, user};

#[derive(Debug, Args)]
pub struct SessionsArgs {
    /// A username, or id:VALUE
    #[arg(value_parser = user, required_unless_present = "unreadable", conflicts_with = "unreadable")]
    pub user: Option<String>,
    /// List the sessions that cannot be read: damaged ones, and those that are packed in a way of their own
    #[arg(long)]
    pub unreadable: bool,
}

#[derive(Debug, Args)]
pub struct LogoutArgs {
    /// Usernames, or id:VALUE
    #[arg(
        value_name = "USER",
        value_parser = user,
        required_unless_present = "unreadable",
        conflicts_with = "unreadable"
    )]
    pub users: Vec<String>,
    /// End this session alone: its fingerprint, or the first 4 digits of it or more
    #[arg(long, value_name = "FINGERPRINT", value_parser = fingerprint)]
    pub session: Option<String>,
    /// End a session that cannot be read, and that is nobody's therefore
    #[arg(long, requires = "session")]
    pub unreadable: bool,
    /// Where a session can come back, look for a minute before saying that it is gone
    #[arg(long)]
    pub wait: bool,
    /// Log out your own account, too
    #[arg(long)]
    pub yes: bool,
    /// Revoke the user's API tokens, too
    #[arg(long, conflicts_with = "session")]
    pub tokens: bool,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct AccountArgs {
    /// A username, or id:VALUE
    #[arg(value_parser = user)]
    pub user: String,
    /// Where a session can come back, look for a minute
    #[arg(long)]
    pub wait: bool,
    /// Even where it is your own account
    #[arg(long)]
    pub yes: bool,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}
