//! Whether a key, its certificate and the chain behind it can be used, and what is odd about them.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use crate::base::shell_word;

use super::facts::{self, Read};
use super::finding::Finding;
use super::{Facts, IdentityError};

/// A certificate expires within so many days: time to ask for the next one. The bank takes six to
/// fifteen working days (integrators' reports).
const SOON: i64 = 30;

/// A certificate with what it says.
#[derive(Clone)]
pub(super) struct Parsed {
    pub(super) der: CertificateDer<'static>,
    pub(super) read: Read,
    /// Place in the file, counted from 1.
    place: usize,
}

/// The order that the certificates of a file stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The operator's; TLS sends it as it is.
    Given,
    /// None: PKCS#12 is a bag.
    Any,
}

/// Parses every certificate of a file.
pub(super) fn parse(
    certificates: Vec<CertificateDer<'static>>,
    path: &Path,
) -> Result<Vec<Parsed>, IdentityError> {
    certificates
        .into_iter()
        .enumerate()
        .map(|(index, der)| {
            let place = index + 1;
            let read = facts::read(&der, path, place)?;
            Ok(Parsed { der, read, place })
        })
        .collect()
}

/// The certificates to send, leaf first, for a key whose public half is `spki`.
pub(super) fn chain(
    parsed: &[Parsed],
    spki: &[u8],
    order: Order,
    certificate: &Path,
    key: &Path,
    warnings: &mut Vec<Finding>,
) -> Result<Vec<Parsed>, IdentityError> {
    let unique = without_duplicates(parsed, certificate, warnings);
    let Some(leaf) = unique.iter().position(|candidate| candidate.read.spki == spki) else {
        let first = unique
            .first()
            .map(|first| first.read.facts.public_key_sha256.clone());
        return Err(IdentityError::KeyMismatch {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            certificate_key: first.unwrap_or_default(),
            private_key: facts::sha256(spki),
        });
    };
    let mut rest = unique;
    let leaf = rest.remove(leaf);
    if order == Order::Given && leaf.place != 1 {
        return Err(IdentityError::ChainOrder {
            path: certificate.to_owned(),
            leaf: leaf.place,
            count: parsed.len(),
            first: parsed
                .first()
                .map(|first| first.read.facts.subject.clone())
                .unwrap_or_default(),
        });
    }
    let mut chain = vec![leaf];
    while let Some(last) = chain.last() {
        let issued = |candidate: &&Parsed| candidate.read.raw_subject == last.read.raw_issuer;
        if last.read.is_self_issued() {
            break;
        }
        let Some(position) = rest.iter().position(|candidate| issued(&candidate)) else {
            break;
        };
        if order == Order::Given && position != 0 {
            return Err(IdentityError::ChainShuffled {
                path: certificate.to_owned(),
                place: last.place,
                issuer: last.read.facts.issuer.clone(),
                issuer_place: rest.get(position).map_or(0, |issuer| issuer.place),
            });
        }
        chain.push(rest.remove(position));
    }
    leave_out_root(&mut chain, certificate, warnings);
    report_unrelated(&rest, &chain, certificate, warnings);
    Ok(chain)
}

/// What the certificate itself is good for, now.
pub(super) fn leaf(
    read: &Read,
    path: &Path,
    now: OffsetDateTime,
    warnings: &mut Vec<Finding>,
) -> Vec<IdentityError> {
    let facts = &read.facts;
    let mut errors = Vec::new();
    errors.extend(validity(facts, path, now).err());
    if !read.client_auth && !read.any_usage {
        errors.push(IdentityError::NoClientAuth {
            path: path.to_owned(),
            usages: listed(facts.extended_key_usage.as_deref()),
        });
    }
    if !read.digital_signature {
        errors.push(IdentityError::NoDigitalSignature {
            path: path.to_owned(),
            usages: listed(facts.key_usage.as_deref()),
        });
    }
    let days = facts.days_left(now);
    if errors.is_empty() && days < SOON {
        warnings.push(Finding::warning(
            "expires_soon",
            format!(
                "certificate `{}` expires in {days} days, on {}",
                path.display(),
                super::error::date(facts.not_after)
            ),
            "ask the bank for the next certificate now",
        ));
    }
    if is_weak(&facts.signature) {
        warnings.push(Finding::warning(
            "weak_signature",
            format!(
                "certificate `{}` is signed with {}",
                path.display(),
                facts.signature
            ),
            "ask the bank for a certificate signed with SHA-256",
        ));
    }
    if facts.ca {
        warnings.push(Finding::warning(
            "leaf_is_ca",
            format!(
                "certificate `{}` is that of a certificate authority",
                path.display()
            ),
            "make sure that this is the certificate which the bank issued to you",
        ));
    }
    errors
}

/// Whether `now` lies within the certificate's dates.
pub(super) fn validity(facts: &Facts, path: &Path, now: OffsetDateTime) -> Result<(), IdentityError> {
    if now < facts.not_before {
        return Err(IdentityError::NotYetValid {
            path: path.to_owned(),
            not_before: facts.not_before,
            now,
        });
    }
    if now > facts.not_after {
        return Err(IdentityError::Expired {
            path: path.to_owned(),
            not_after: facts.not_after,
            now,
        });
    }
    Ok(())
}

/// Whether others than the owner and the group's readers can get at a key. Kubernetes gives secrets
/// mode 0440 or 0640 when `fsGroup` is set, so a group may read.
pub(super) fn mode(path: &Path, mode: Option<u32>, warnings: &mut Vec<Finding>) {
    if let Some(mode) = mode.filter(|mode| mode & 0o027 != 0) {
        warnings.push(Finding::warning(
            "key_file_mode",
            format!(
                "private key `{}` has mode {mode:04o}, where 0640 is the widest that keeps it private",
                path.display()
            ),
            format!("`chmod 600 {}`", shell_word(path)),
        ));
    }
}

fn without_duplicates(parsed: &[Parsed], path: &Path, warnings: &mut Vec<Finding>) -> Vec<Parsed> {
    let mut unique: Vec<Parsed> = Vec::with_capacity(parsed.len());
    for candidate in parsed {
        if let Some(twin) = unique.iter().find(|earlier| earlier.der == candidate.der) {
            warnings.push(Finding::warning(
                "duplicate_certificate",
                format!(
                    "`{}` holds the same certificate as number {} and number {}; it is sent once",
                    path.display(),
                    twin.place,
                    candidate.place
                ),
                "remove one of the two",
            ));
        } else {
            unique.push(candidate.clone());
        }
    }
    unique
}

/// The server has the root or does not trust it; sending it is of no use.
fn leave_out_root(chain: &mut Vec<Parsed>, path: &Path, warnings: &mut Vec<Finding>) {
    if chain.len() > 1
        && let Some(root) = chain.pop_if(|last| last.read.is_self_issued())
    {
        warnings.push(Finding::warning(
            "root_in_chain",
            format!(
                "`{}` holds a root as number {} (`{}`); it is not sent",
                path.display(),
                root.place,
                root.read.facts.subject
            ),
            "remove the root from the file",
        ));
    }
}

fn report_unrelated(rest: &[Parsed], chain: &[Parsed], path: &Path, warnings: &mut Vec<Finding>) {
    let Some(last) = chain.last() else { return };
    for stray in rest {
        warnings.push(Finding::warning(
            "unrelated_certificate",
            format!(
                "`{}`: certificate number {} (`{}`) issued none of the others, where `{}` is looked for; it is not sent",
                path.display(),
                stray.place,
                stray.read.facts.subject,
                last.read.facts.issuer
            ),
            "put the certificate that issued yours there instead, or leave your own alone",
        ));
    }
}

fn is_weak(signature: &str) -> bool {
    signature.starts_with("md5") || signature.starts_with("sha1") || signature.ends_with("SHA1")
}

fn listed(usages: Option<&[String]>) -> String {
    match usages {
        None | Some([]) => "none".to_owned(),
        Some(usages) => usages.join(", "),
    }
}
