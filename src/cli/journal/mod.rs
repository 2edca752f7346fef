//! `kaspi journal`: what happened to the money, and settling what is unknown.

pub(super) mod args;
mod export;
mod import;
mod list;
mod reconcile;
mod show;

use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use crate::app::App;
use crate::payments::{Payments, Resolution, this_person};
use args::{JournalCommand, Resolve};
pub(super) use show::local;

pub(super) async fn run(command: JournalCommand, context: &Context<'_>) -> Result<(), Failure> {
    let app = context.open()?;
    let outcome = act(command, &app, context).await;
    app.payments().journal().close().await;
    outcome
}

async fn act(command: JournalCommand, app: &App, context: &Context<'_>) -> Result<(), Failure> {
    let payments = app.payments();
    match command {
        JournalCommand::List { which, limit, cursor } => {
            list::run(payments, &which, limit, cursor, context).await
        }
        JournalCommand::Show { operation } => show::run(payments, operation, context).await,
        JournalCommand::Resolve(resolve) => {
            let record = payments
                .resolve(
                    resolve.operation,
                    resolution(&resolve),
                    &this_person(),
                    resolve.why.trim(),
                )
                .await?;
            context.report.result(
                |paint| format!("{} {}", paint.good("settled"), show::line(&record, paint)),
                &show::OperationJson::of(&record),
            );
            Ok(())
        }
        JournalCommand::Reconcile { after_restore } => reconcile::run(payments, after_restore, context).await,
        JournalCommand::Export { which, format } => export::run(payments, &which, format, context).await,
        JournalCommand::Import { file } => import::run(app, &file, context).await,
        JournalCommand::Backup { file } => {
            payments.journal().backup(&file).await?;
            context.report.result(
                |paint| format!("{} {}", paint.good("copied to"), file.display()),
                &json!({ "file": file }),
            );
            Ok(())
        }
        JournalCommand::Verify => verify(payments, context).await,
    }
}

fn resolution(resolve: &Resolve) -> Resolution {
    if resolve.not_made {
        return Resolution::NotMade;
    }
    Resolution::Accepted {
        payment_id: resolve.payment_id,
        return_operation_id: resolve.return_operation_id,
    }
}

async fn verify(payments: &Payments, context: &Context<'_>) -> Result<(), Failure> {
    let verified = payments.journal().verify().await?;
    context.report.result(
        |paint| {
            let mut text = format!(
                "{} {} operations, {} steps",
                if verified.broken.is_empty() {
                    paint.good("whole")
                } else {
                    paint.bad("broken")
                },
                verified.operations,
                verified.steps
            );
            for link in &verified.broken {
                let operation = link.operation_id.map(|id| format!("{id}")).unwrap_or_default();
                let step = link.step.map(|step| format!(" step {step}")).unwrap_or_default();
                text.push_str(&format!("\n  {operation}{step}: {}", link.problem));
            }
            text
        },
        &verified,
    );
    if verified.broken.is_empty() {
        Ok(())
    } else {
        Err(Failure::said_no("the history was changed"))
    }
}
