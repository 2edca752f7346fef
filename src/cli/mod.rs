//! The `kaspi` program: commands, what they print, and their exit codes.

mod args;
mod cert;
mod context;
#[cfg(feature = "sandbox")]
mod demo;
mod doctor;
mod exit;
mod failure;
mod gateway;
mod init;
mod journal;
mod man;
mod merchants;
mod payment;
mod purchase;
mod qr_code;
mod reference;
mod report;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serve;
#[cfg(feature = "sandbox")]
mod serve_sandbox;
mod setup;
mod systemd;
mod token;
mod watch;
mod webhook;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;

use args::{Cli, Command, Link, Qr};
use context::Context;
use failure::Failure;
use report::{Format, Report};

pub use reference::command_reference;

/// Runs the program with the given arguments, the program's own name first.
///
/// Results go to standard output, everything else to standard error. The exit code says how it
/// ended: 0 done; 1 a check or operation said no; 2 wrong use; 3 configuration or identity unusable;
/// 4 network or TLS; 5 Kaspi refused; 6 outcome unknown.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::read(&arguments) {
        Ok(cli) => cli,
        Err(error) => return misused(&error, Format::wanted_by(&arguments)),
    };
    let report = Report::new(&cli.global);
    // a program that runs for long has a log of its own
    if !matches!(cli.command, Command::Serve(_)) {
        report.start_log();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return report.failure(&Failure::from_io("the program cannot start its threads", error));
        }
    };
    match runtime.block_on(dispatch(cli, &report)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report.failure(&failure),
    }
}

async fn dispatch(cli: Cli, report: &Report) -> Result<(), Failure> {
    let context = Context::new(&cli.global, report);
    match cli.command {
        Command::Payment(command) => payment::run(command, &context).await,
        Command::Qr(Qr::Create { purchase, png }) => purchase::qr(purchase, png.as_deref(), &context).await,
        Command::Link(Link::Create { purchase }) => purchase::link(purchase, &context).await,
        Command::ClientInfo { phone, trade_point } => setup::client_info(&phone, trade_point, &context).await,
        Command::Ping => setup::ping(&context).await,
        Command::Emulate { step, payment } => setup::emulate(step, payment, &context).await,
        Command::Tradepoints => setup::trade_points(&context).await,
        Command::Device(command) => setup::device(command, &context).await,
        Command::Merchants(command) => merchants::run(&command, &context).await,
        Command::Cert(command) => cert::run(command, &context).await,
        Command::Serve(options) => serve::run(options, &context).await,
        Command::Journal(command) => journal::run(command, &context).await,
        Command::Webhook(command) => webhook::run(command, &context).await,
        Command::Doctor(wanted) => doctor::run(&wanted, &context).await,
        Command::Init(wanted) => init::run(wanted, &cli.global, report).await,
        #[cfg(feature = "sandbox")]
        Command::Demo(options) => demo::run(options, report).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(command) => sandbox::run(command, &cli.global.bins, report).await,
        Command::Token(command) => token::run(command, &cli.global.bins, report),
        Command::Man { dir } => man::run(dir.as_deref(), report),
        Command::Completions { shell } => {
            report.raw(&args::completions(shell));
            Ok(())
        }
    }
}

/// What clap has to say: help and version are results, everything else is wrong use.
fn misused(error: &clap::Error, format: Format) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            report::clap_message(error);
            ExitCode::SUCCESS
        }
        _ => report::usage_failure(error, format),
    }
}
