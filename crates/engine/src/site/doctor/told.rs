//! What Curfew tells others, and asks over HTTP: the webhook, the health address, and the file of the journal's heads.

use super::sheet::{Finding, Item, Sheet, bad, good};
use secrecy::SecretString;

use crate::config::SiteConfig;
use crate::error::Result;
use crate::journal::check_heads;
use crate::secrets;
use crate::tell::health::{Probe, Seen};
use crate::tell::webhook;

const NONE: &str = "none is configured";

pub(super) async fn checked(config: &mut SiteConfig, sheet: &mut Sheet) {
    let secret = match &config.webhook {
        Some(hook) => Some(secrets::webhook_secret(hook).await),
        None => None,
    };
    // The site that is opened later needs the secret as well; its command runs once.
    if let (Some(hook), Some(Ok(secret))) = (&mut config.webhook, &secret) {
        hook.secret = Some(secret.clone());
    }
    let config = &*config;
    let (hook, health) = tokio::join!(hook(config, secret), health(config));
    sheet.put(Item::Webhook, hook);
    sheet.put(Item::Health, health);
    sheet.put(Item::Heads, heads(config));
}

/// Asks the webhook's server without a message: receivers take each message for an event.
async fn hook(config: &SiteConfig, secret: Option<Result<SecretString>>) -> Finding {
    const FIX: &str = "correct url and secret under [site.webhook]";
    let (hook, secret) = match (&config.webhook, secret) {
        (Some(hook), Some(Ok(secret))) => (hook, secret),
        (_, Some(Err(error))) => return bad(error.message, FIX),
        _ => return good(NONE),
    };
    match webhook::reach(&hook.url, &secret).await {
        Ok(answer) => good(format!("{answer}; no message was sent")),
        Err(error) => bad(error.message, FIX),
    }
}

async fn health(config: &SiteConfig) -> Finding {
    let Some(url) = &config.health_url else {
        return good(NONE);
    };
    let probe = match Probe::new(url) {
        Ok(probe) => probe,
        Err(error) => return bad(error.message, "correct health_url"),
    };
    match probe.look().await {
        Seen::Answers { status, ms } => good(format!("HTTP {status} after {ms} ms")),
        Seen::Silent { detail } => bad(
            format!("the site does not answer at health_url: {detail}"),
            "start the site, or correct health_url",
        ),
    }
}

fn heads(config: &SiteConfig) -> Finding {
    let Some(path) = &config.journal_heads else {
        return good(NONE);
    };
    let shown = path.display();
    match check_heads(path) {
        Ok(()) => good(format!("{shown} can be written")),
        Err(error) => bad(
            format!("{shown} cannot be written: {error}"),
            "make the file writable, or correct journal_heads",
        ),
    }
}
