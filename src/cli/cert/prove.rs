//! The canary: whether Kaspi takes a new identity, asked before it is put in use.

use std::sync::Arc;

use super::error::CertError;
use super::merchant;
use crate::api::{self, AboutIdentity, Api, ApiSettings};
use crate::base::{Bin, SystemClock};
use crate::cli::failure::Failure;
use crate::cli::report::Report;
use crate::config::{Config, Environment, IdentitySpec, scan_with};
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
        let Err(source) = ask(&api, *bin).await else {
            continue;
        };
        match source.about_identity() {
            AboutIdentity::SaidNo if is_said_over(present, *bin, config, environment).await => {
                report.warning(format!(
                    "{source}; the certificate in use gets such an answer too, so it is no fault of the new one"
                ));
            }
            AboutIdentity::Refused | AboutIdentity::SaidNo => {
                return Err(CertError::CanaryRefused { bin: *bin, source }.into());
            }
            AboutIdentity::Nothing => {
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

async fn ask(api: &Api, bin: Bin) -> Result<(), api::Error> {
    api.session(Some(bin))?.trade_points().await.map(drop)
}

/// Whether Kaspi says no to a BIN over this identity, which is there and works.
async fn is_said_over(
    identity: Option<&IdentitySpec>,
    bin: Bin,
    config: &Config,
    environment: &Environment,
) -> bool {
    let Some(Ok((api, _))) = identity.map(|spec| calls_over(spec, config, environment)) else {
        return false;
    };
    matches!(
        ask(&api, bin).await.map_err(|error| error.about_identity()),
        Err(AboutIdentity::SaidNo)
    )
}
