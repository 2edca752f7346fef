//! Remembers what a server shows and asks for in a handshake. The judgement is somebody else's: what is
//! not trusted without a witness is not trusted with one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use time::OffsetDateTime;

use super::MAX_ISSUERS;
use super::facts::{CertificateRequest, Distrust};
use crate::identity::{self, Facts};

/// What was seen in one handshake.
#[derive(Debug, Default)]
pub(in crate::transport) struct Witness(Mutex<Seen>);

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) chain: Vec<Facts>,
    pub(super) distrust: Option<Distrust>,
    pub(super) request: Option<CertificateRequest>,
}

impl Witness {
    /// What was seen since the last time it was asked.
    pub(super) fn take(&self) -> Seen {
        std::mem::take(&mut self.seen())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// webpki's judgement of the server's certificates, with a witness.
#[derive(Debug)]
pub(in crate::transport) struct WatchedVerifier {
    judge: Arc<WebPkiServerVerifier>,
    witness: Arc<Witness>,
}

impl WatchedVerifier {
    pub(in crate::transport) fn new(judge: Arc<WebPkiServerVerifier>, witness: &Arc<Witness>) -> Self {
        Self {
            judge,
            witness: Arc::clone(witness),
        }
    }
}

impl ServerCertVerifier for WatchedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judgement =
            self.judge
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let chain: Vec<Facts> = std::iter::once(end_entity)
            .chain(intermediates)
            .filter_map(|der| identity::certificate_facts(der))
            .collect();
        let distrust = match &judgement {
            Ok(_) => None,
            Err(why) => Some(distrust(why, &chain)),
        };
        let mut seen = self.witness.seen();
        seen.chain = chain;
        seen.distrust = distrust;
        judgement
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

fn distrust(why: &rustls::Error, chain: &[Facts]) -> Distrust {
    let rustls::Error::InvalidCertificate(why) = why else {
        return Distrust::Other(why.to_string());
    };
    match why {
        CertificateError::UnknownIssuer => Distrust::UnknownIssuer,
        CertificateError::BadSignature => Distrust::BadSignature,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Distrust::OtherName {
                names: chain
                    .first()
                    .map(|leaf| leaf.subject_alt_names.clone())
                    .unwrap_or_default(),
            }
        }
        CertificateError::ExpiredContext { not_after, .. } => match moment(*not_after) {
            Some(not_after) => Distrust::Expired { not_after },
            None => Distrust::Other(why.to_string()),
        },
        CertificateError::NotValidYetContext { not_before, .. } => match moment(*not_before) {
            Some(not_before) => Distrust::NotYetValid { not_before },
            None => Distrust::Other(why.to_string()),
        },
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Distrust::WrongPurpose
        }
        other => Distrust::Other(other.to_string()),
    }
}

fn moment(time: UnixTime) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(time.as_secs()).ok()?).ok()
}

/// The one identity, with a witness of the question.
#[derive(Debug)]
pub(in crate::transport) struct WatchedResolver {
    answers: Arc<dyn ResolvesClientCert>,
    witness: Arc<Witness>,
}

impl WatchedResolver {
    pub(in crate::transport) fn new(answers: Arc<dyn ResolvesClientCert>, witness: &Arc<Witness>) -> Self {
        Self {
            answers,
            witness: Arc::clone(witness),
        }
    }
}

impl ResolvesClientCert for WatchedResolver {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let answer = self.answers.resolve(issuers, schemes);
        self.witness.seen().request = Some(request(issuers, schemes, answer.as_deref()));
        answer
    }

    fn has_certs(&self) -> bool {
        self.answers.has_certs()
    }
}

fn request(
    issuers: &[&[u8]],
    schemes: &[SignatureScheme],
    ours: Option<&CertifiedKey>,
) -> CertificateRequest {
    let names: Vec<String> = issuers
        .iter()
        .map(|der| identity::distinguished_name(der).unwrap_or_else(|| "(unreadable)".to_owned()))
        .collect();
    let our_issuers = ours.map(|ours| identity::issuers(&ours.cert)).unwrap_or_default();
    CertificateRequest {
        listed: issuers.len(),
        // a name may be written in two string types, and is the same name
        names_ours: (!issuers.is_empty()).then(|| {
            our_issuers.iter().any(|our| {
                issuers.contains(&our.as_slice())
                    || identity::distinguished_name(our).is_some_and(|our| names.contains(&our))
            })
        }),
        issuers: names.into_iter().take(MAX_ISSUERS).collect(),
        schemes: schemes.iter().map(|scheme| format!("{scheme:?}")).collect(),
        scheme_fits: ours.is_some_and(|ours| fits(ours, schemes)),
    }
}

/// Whether our key can make one of the signatures. The key of a call makes one in any case, which then
/// fails (`tls.rs`), so its word is taken only for a scheme that was offered.
fn fits(ours: &CertifiedKey, schemes: &[SignatureScheme]) -> bool {
    ours.key
        .choose_scheme(schemes)
        .is_some_and(|signer| schemes.contains(&signer.scheme()) && signer.sign(b"").is_ok())
}
