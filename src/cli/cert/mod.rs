//! `kaspi cert`: certificates and keys.

pub(super) mod args;
mod check;
mod convert;
mod error;
mod inspect;
mod install;
mod merchant;
mod output;
mod prove;
mod published;
mod request;
mod rollback;
pub(super) mod secret;

use args::Cert;

use super::context::Context;
use super::failure::Failure;

pub(super) async fn run(command: Cert, context: &Context<'_>) -> Result<(), Failure> {
    match command {
        Cert::Check(wanted) => check::run(&wanted, context),
        Cert::Request(wanted) => request::run(wanted, context),
        Cert::Install(wanted) => install::run(wanted, context).await,
        Cert::Rollback(wanted) => rollback::run(&wanted, context).await,
        Cert::Convert(wanted) => convert::run(&wanted, context),
        Cert::Inspect(wanted) => inspect::run(wanted, context),
    }
}
