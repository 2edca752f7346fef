//! `kaspi sandbox`: the simulated Kaspi on its own, for tests in any language.

use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::args::Sandbox as Command;
use super::failure::Failure;
use super::report::Report;
use crate::base::{Bin, Explain, Fault, shell_word};
use crate::sandbox::{ClientAuth, Options, Sandbox, SandboxError, layout};

pub(super) async fn run(command: Command, bins: &[Bin], report: &Report) -> Result<(), Failure> {
    match command {
        Command::Init { dir, ca } => init(&dir, bins, ca, report),
        Command::Sign { dir, request } => sign(&dir, bins, &request, report),
        Command::Run {
            dir,
            listen,
            control,
            strict,
            state,
        } => {
            let mut options = Options::from_dir(&dir).map_err(Unusable)?;
            options.listen = listen;
            options.control = control;
            options.state = state;
            if strict {
                options.client_auth = ClientAuth::Strict;
            }
            serve(&dir, options, report).await
        }
    }
}

fn init(dir: &Path, bins: &[Bin], ca: Option<PathBuf>, report: &Report) -> Result<(), Failure> {
    for bin in bins.iter().filter(|bin| !bin.has_valid_control_digit()) {
        report.warning(format!(
            "the control digit of BIN `{bin}` is wrong; no real organisation has it"
        ));
    }
    let wanted = layout::Init {
        bins: bins.iter().map(Bin::to_string).collect(),
        ca,
        ..layout::Init::default()
    };
    layout::init(dir, &wanted).map_err(Unusable)?;
    let config = dir.join("kaspi.toml");
    report.result(
        |paint| {
            format!(
                "{} {}\n\nnext: kaspi sandbox run --dir {}\nthen: kaspi --config {} merchants list",
                paint.good("written"),
                dir.display(),
                shell_word(dir),
                shell_word(&config),
            )
        },
        &json!({ "dir": dir, "config": config }),
    );
    Ok(())
}

/// The bank's part of a renewal: the certificate on standard output, to be redirected into a file.
fn sign(dir: &Path, bins: &[Bin], request: &Path, report: &Report) -> Result<(), Failure> {
    let text = std::fs::read_to_string(request).map_err(|error| {
        Failure::from_io(
            format!("the request `{}` cannot be read", request.display()),
            error,
        )
    })?;
    let bins: Vec<String> = bins.iter().map(Bin::to_string).collect();
    let certificate = layout::sign(dir, &text, &bins).map_err(Unusable)?;
    report.result(
        |_| certificate.clone(),
        &json!({ "bins": bins, "certificate": certificate }),
    );
    Ok(())
}

async fn serve(dir: &Path, options: Options, report: &Report) -> Result<(), Failure> {
    // asked for before the ready line, so that a signal sent right after it is not lost
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|error| Failure::from_io("signals cannot be listened to", error))?;
    let mut interrupt = signal(SignalKind::interrupt())
        .map_err(|error| Failure::from_io("signals cannot be listened to", error))?;

    let sandbox = Sandbox::start(options).await.map_err(Unusable)?;
    report.json_line(&json!({
        "listen": sandbox.address(),
        "control": sandbox.control_address(),
        "config": dir.join("kaspi.toml"),
    }));
    let lost = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        lost = sandbox.state_lost() => Some(lost),
    };
    sandbox.shutdown().await;
    match lost {
        None => Ok(()),
        Some(lost) => Err(Unusable(lost).into()),
    }
}

/// The sandbox knows no type of this crate; here its errors learn to explain themselves.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Unusable(pub(super) SandboxError);

impl Explain for Unusable {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        self.0.hint()
    }
}
