//! After a swap of files: whether the running gateway serves what lies there now.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::app::live::{LiveState, MerchantReport, ProblemReport};
use crate::base::Bin;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::gateway;
use crate::config::Config;

/// How long a gateway is asked again that neither serves the new certificate nor says why.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause in between.
const BETWEEN: Duration = Duration::from_millis(300);

/// What has to come about.
pub(super) struct Wanted<'a> {
    /// Every BIN that acts with the identity, its owner first.
    pub(super) bins: &'a [Bin],
    /// The certificate that they are to be served with.
    pub(super) sha256: &'a str,
}

/// The gateway that serves it; the names are relied upon.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Published {
    process_id: u32,
    generation: Option<u64>,
}

impl Published {
    pub(super) fn text(published: Option<&Self>) -> String {
        match published {
            Some(Self {
                process_id,
                generation,
            }) => {
                let number = generation.map_or_else(String::new, |number| format!(" as generation {number}"));
                format!("process {process_id} serves it{number}")
            }
            None => "none was asked; a program that starts takes it".to_owned(),
        }
    }
}

/// Looks for the gateway before anything changes, so that one that cannot be asked changes nothing.
pub(super) async fn gateway_at_work(config: &Config, no_wait: bool) -> Result<Option<LiveState>, Failure> {
    if no_wait {
        return Ok(None);
    }
    gateway::to_be_told(config).await
}

/// Lets the gateway read the folders, and waits until it serves the certificate for every BIN. Nothing
/// where it has ended meanwhile: the next start takes what lies there.
pub(super) async fn wait(
    wanted: &Wanted<'_>,
    config: &Config,
    context: &Context<'_>,
) -> Result<Option<Published>, NotPublished> {
    let deadline = Instant::now() + PATIENCE;
    context
        .report
        .progress("the gateway proves the certificate to Kaspi and puts it in use...");
    loop {
        let Some(state) = gateway::rescanned(config).await.map_err(NotPublished::Unclear)? else {
            context
                .report
                .warning("the gateway has ended meanwhile; the next start uses what lies there now");
            return Ok(None);
        };
        let Some(behind) = behind(wanted, &state) else {
            return Ok(Some(Published {
                process_id: state.process_id,
                generation: row(&state, wanted.bins.first()).and_then(|row| row.generation),
            }));
        };
        let refusal = Refusal::of(behind, wanted, &state);
        if refusal.problem.is_some() || Instant::now() >= deadline {
            return Err(NotPublished::Refused(Box::new(refusal)));
        }
        sleep(BETWEEN).await;
    }
}

/// Why the gateway does not serve what lies there.
pub(super) enum NotPublished {
    /// It says so itself.
    Refused(Box<Refusal>),
    /// It cannot be asked any more.
    Unclear(Failure),
}

/// What the gateway serves instead, and why.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) bin: Bin,
    pub(super) process_id: u32,
    pub(super) wanted: String,
    pub(super) serves: Option<String>,
    /// Nothing where it does not say.
    pub(super) problem: Option<ProblemReport>,
}

impl Refusal {
    fn of(bin: Bin, wanted: &Wanted<'_>, state: &LiveState) -> Self {
        let row = row(state, Some(&bin));
        Self {
            bin,
            process_id: state.process_id,
            wanted: wanted.sha256.to_owned(),
            serves: row
                .filter(|row| row.generation.is_some())
                .and_then(MerchantReport::certificate_sha256)
                .map(str::to_owned),
            problem: row
                .and_then(|row| match row.files.standing_error() {
                    Some(failed) => Some(&failed.problem),
                    None => row.problem.as_ref(),
                })
                .cloned(),
        }
    }

    /// Whether the files were judged, and not merely left for later.
    pub(super) fn is_final(&self) -> bool {
        self.problem.is_some() && !self.is_unanswered()
    }

    /// Whether Kaspi did not answer the gateway.
    pub(super) fn is_unanswered(&self) -> bool {
        self.problem
            .as_ref()
            .is_some_and(|problem| problem.kind == "trial_unanswered")
    }
}

/// The first BIN that is not served with the certificate.
fn behind(wanted: &Wanted<'_>, state: &LiveState) -> Option<Bin> {
    let serves = |bin: &Bin| {
        row(state, Some(bin))
            .is_some_and(|row| row.generation.is_some() && row.certificate_sha256() == Some(wanted.sha256))
    };
    wanted.bins.iter().copied().find(|bin| !serves(bin))
}

fn row<'a>(state: &'a LiveState, bin: Option<&Bin>) -> Option<&'a MerchantReport> {
    state.merchants.iter().find(|row| Some(&row.bin) == bin)
}
