//! The canary: whether Kaspi takes a new identity, asked before it is put in use.

use std::sync::Arc;

use super::error::CertError;
use super::merchant;
use crate::api::{Api, ApiSettings};
use crate::base::{Bin, Explain, SystemClock};
use crate::cli::failure::Failure;
use crate::config::{Config, Environment, IdentitySpec, scan_with};
use crate::transport::{Failure as TransportFailure, RefusedBy, Transport};

/// What the canary found.
pub(super) enum Proof {
    /// Kaspi answered for all of these.
    Taken(Vec<Bin>),
    /// No answer came that says yes or no.
    Unanswered(CertError),
}

/// Reads the trade points of every active BIN that acts with the candidate, over connections of its
/// own: no session and no connection of another identity can answer for it. Harmless.
pub(super) async fn prove(
    config: &Config,
    environment: &Environment,
    candidate: &IdentitySpec,
) -> Result<Proof, Failure> {
    let owner = candidate.owner;
    let mut folders = scan_with(config, environment, candidate)?;
    let served = merchant::served_by(owner, &folders);
    folders.retain(|folder| folder.bin.is_some_and(|bin| served.contains(&bin)));
    let mut specs: Vec<_> = folders
        .iter_mut()
        .filter_map(|folder| folder.merchant.as_mut().ok())
        .collect();
    if specs.iter().all(|spec| !spec.active) {
        // nobody is to be served yet; the owner's answer is the one that can be had
        specs
            .iter_mut()
            .filter(|spec| spec.bin == owner)
            .for_each(|spec| spec.active = true);
    }
    let bins: Vec<Bin> = specs
        .iter()
        .filter(|spec| spec.active)
        .map(|spec| spec.bin)
        .collect();

    let (transport, _) = Transport::open(config, &folders, Arc::new(SystemClock))?;
    let api = Api::new(Arc::new(transport), ApiSettings::default());
    for bin in &bins {
        let answer = match api.session(Some(*bin)) {
            Ok(session) => session.trade_points().await,
            Err(error) => return Err(error.into()),
        };
        match answer {
            Ok(_) => {}
            Err(source) if is_refusal(&source) => {
                return Err(CertError::CanaryRefused { bin: *bin, source }.into());
            }
            Err(source) => {
                return Ok(Proof::Unanswered(CertError::CanaryUnanswered {
                    bin: *bin,
                    source,
                }));
            }
        }
    }
    Ok(Proof::Taken(bins))
}

/// The server ends the handshake, or Kaspi answers with a code. One that may be another a moment later, and
/// everything else between here and Kaspi, says nothing about the certificate.
fn is_refusal(error: &crate::api::Error) -> bool {
    let ended_by_them = error
        .transport()
        .is_some_and(|error| error.failure() == TransportFailure::Tls(RefusedBy::Them));
    let says_no = error.code().is_some() && !error.may_pass();
    ended_by_them || says_no || error.kind() == "certificate_refused"
}
