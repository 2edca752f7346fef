//! The canary: whether Kaspi takes a new identity, asked before it is put in use.

use std::sync::Arc;

use super::error::CertError;
use super::merchant;
use crate::api::{Api, ApiSettings};
use crate::app::answered;
use crate::base::{Bin, SystemClock};
use crate::cli::failure::Failure;
use crate::cli::report::Report;
use crate::config::{Config, Environment, IdentitySpec, scan_with};
use crate::registry::TrialAnswer;
use crate::transport::Transport;

/// What the canary found.
pub(super) enum Proof {
    /// Kaspi takes the certificate for these.
    Taken(Vec<Bin>),
    /// No answer came that says yes or no.
    Unanswered(CertError),
}

/// Reads the trade points of every active BIN that acts with the candidate, over connections of its
/// own: no session and no connection of another identity can answer for it. Harmless.
///
/// Where Kaspi says no to a BIN, `present` is asked too: what is answered to both is no fault of the new one.
pub(super) async fn prove(
    config: &Config,
    environment: &Environment,
    candidate: &IdentitySpec,
    present: Option<&IdentitySpec>,
    report: &Report,
) -> Result<Proof, Failure> {
    let (api, bins) = calls_over(candidate, config, environment)?;
    for bin in &bins {
        let answer = match ask(&api, *bin).await {
            TrialAnswer::SaidNo(error) => match answer_over(present, *bin, config, environment).await {
                Some(present) => TrialAnswer::SaidNo(error).beside(present),
                // with nothing to compare with, a no is a no
                None => TrialAnswer::Refused(error),
            },
            answer => answer,
        };
        match answer {
            TrialAnswer::Accepted => {}
            TrialAnswer::SaidNo(error) => {
                report.warning(format!(
                    "{error}; the certificate in use gets such an answer too, so it is no fault of the new one"
                ));
            }
            TrialAnswer::Refused(source) => {
                return Err(CertError::CanaryRefused { bin: *bin, source }.into());
            }
            TrialAnswer::NoAnswer(source) => {
                return Ok(Proof::Unanswered(CertError::CanaryUnanswered {
                    bin: *bin,
                    source,
                }));
            }
        }
    }
    Ok(Proof::Taken(bins))
}

/// Kaspi's calls over one identity and no other, and the active BINs that act with it.
fn calls_over(
    spec: &IdentitySpec,
    config: &Config,
    environment: &Environment,
) -> Result<(Api, Vec<Bin>), Failure> {
    let mut folders = scan_with(config, environment, spec)?;
    let served = merchant::served_by(spec.owner, &folders);
    folders.retain(|folder| folder.bin.is_some_and(|bin| served.contains(&bin)));
    let mut specs: Vec<_> = folders
        .iter_mut()
        .filter_map(|folder| folder.merchant.as_mut().ok())
        .collect();
    if specs.iter().all(|merchant| !merchant.active) {
        // nobody is to be served yet; the owner's answer is the one that can be had
        specs
            .iter_mut()
            .filter(|merchant| merchant.bin == spec.owner)
            .for_each(|merchant| merchant.active = true);
    }
    let bins = specs
        .iter()
        .filter(|merchant| merchant.active)
        .map(|merchant| merchant.bin)
        .collect();
    let (transport, _) = Transport::open(config, &folders, Arc::new(SystemClock))?;
    Ok((Api::new(Arc::new(transport), ApiSettings::default()), bins))
}

async fn ask(api: &Api, bin: Bin) -> TrialAnswer {
    let outcome = match api.session(Some(bin)) {
        Ok(session) => session.trade_points().await.map(drop),
        Err(error) => Err(error),
    };
    answered(outcome)
}

/// What a BIN is answered over this identity, where it is there and works.
async fn answer_over(
    identity: Option<&IdentitySpec>,
    bin: Bin,
    config: &Config,
    environment: &Environment,
) -> Option<TrialAnswer> {
    let (api, _) = calls_over(identity?, config, environment).ok()?;
    let session = api.session(Some(bin)).ok()?;
    Some(answered(session.trade_points().await.map(drop)))
}
