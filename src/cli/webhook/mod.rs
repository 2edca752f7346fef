//! `kaspi webhook`: receiving and checking for developers, and what became of what was sent.

pub(super) mod args;
mod list;
mod listen;
mod log;
mod resend;
mod secret;
mod test;
mod verify;

use super::context::Context;
use super::failure::Failure;
use crate::base::WebhookSecret;
use crate::config;
use args::{Secret, Secrets, Webhook};

pub(super) async fn run(command: Webhook, context: &Context<'_>) -> Result<(), Failure> {
    match command {
        Webhook::Listen { listen, secrets } => listen::run(listen, &secrets, context.report).await,
        Webhook::Verify {
            secrets,
            id,
            timestamp,
            signature,
        } => verify::run(&secrets, &id, &timestamp, &signature, context.report),
        Webhook::Secret(Secret::New) => secret::new(context.report),
        Webhook::Test { name } => test::run(name.as_deref(), context).await,
        Webhook::List => {
            let app = context.open()?;
            let outcome = list::run(&app, context).await;
            app.payments().journal().close().await;
            outcome
        }
        Webhook::Log(which) => {
            let app = context.open()?;
            let outcome = log::run(app.payments(), which, context).await;
            app.payments().journal().close().await;
            outcome
        }
        Webhook::Resend {
            id,
            all_dead: _,
            name,
        } => {
            let app = context.open()?;
            let outcome = resend::run(&app, id.as_deref(), name.as_deref(), context).await;
            app.payments().journal().close().await;
            outcome
        }
    }
}

/// The secrets that the command line names the files of.
fn secrets(named: &Secrets) -> Result<Vec<WebhookSecret>, Failure> {
    let mut secrets = Vec::with_capacity(named.files.len());
    for file in &named.files {
        secrets.push(config::read_webhook_secret_file(file)?);
    }
    Ok(secrets)
}
