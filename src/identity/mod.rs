//! Identities: certificate chain, private key, and what can be said about them.
//!
//! [`load()`] turns the files that the configuration names into an [`Identity`], or into an error that
//! names the file and says what to do. [`examine`] does the same and keeps all findings; [`inspect()`]
//! looks at any single file. [`trust_roots`] reads whom to believe on the other side.
//!
//! What is in a file is told by its content. Certificates: PEM or DER. Keys: PKCS#8, PKCS#1, SEC1,
//! plain or encrypted, PEM or DER; PKCS#12; both in one PEM. RSA 2048 to 4096, ECDSA P-256 and P-384.

mod check;
mod convert;
#[cfg(feature = "cli")]
mod csr;
mod der;
mod encrypt;
mod error;
mod facts;
mod finding;
mod inspect;
mod kdf;
mod key;
mod load;
mod material;
mod names;
mod openssl_pem;
mod pem;
mod pkcs12;
mod read;
mod scheme;
mod sets;
mod sniff;
mod stamp;
mod trust;
mod unlock;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};
use time::OffsetDateTime;

use crate::base::Bin;
use crate::config::PasswordOrigin;

pub use convert::{Gathered, gather};
#[cfg(feature = "cli")]
pub use csr::{KeyAndRequest, Names, RequestError, Subject, request};
pub use encrypt::{KeyWriteError, generate_password};
pub use error::IdentityError;
pub use facts::Facts;
pub use finding::{Finding, Severity};
pub use inspect::{Inspected, KeyFacts, inspect};
pub use load::{Examination, OpenedKey, examine, load};
pub use names::{certificate_facts, distinguished_name, issuers};
pub use sets::{SetError, SetFile, SetStore, StagedSet, Switched};
pub use sniff::Form;
pub use stamp::{Stamp, stamp};
pub use trust::{TrustRoots, authorities_pem, trust_roots};

/// A certificate with its chain, and the key that belongs to it. Checked: only [`load()`] makes one.
///
/// ```no_run
/// use kaspi_direct::base::SystemClock;
/// # fn shown(spec: &kaspi_direct::config::IdentitySpec) -> Result<(), kaspi_direct::identity::IdentityError> {
/// let identity = kaspi_direct::identity::load(spec, &SystemClock)?;
/// println!("{} until {}", identity.fingerprint(), identity.facts().not_after);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Identity {
    owner: Bin,
    certificate: PathBuf,
    certified: Arc<CertifiedKey>,
    facts: Facts,
    opened_with: Option<PasswordOrigin>,
    warnings: Vec<Finding>,
}

impl Identity {
    /// The BIN whose folder holds the files. Others may act with them too.
    #[must_use]
    pub fn owner(&self) -> Bin {
        self.owner
    }

    /// SHA-256 of the DER certificate, lower-case hex.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.facts.sha256
    }

    /// The certificates to send, the own one first; never empty.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// The key, as rustls signs with it.
    #[must_use]
    pub fn signing_key(&self) -> Arc<dyn SigningKey> {
        Arc::clone(&self.certified.key)
    }

    /// Chain and key together, as a rustls resolver hands them out.
    #[must_use]
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// What the certificate says.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What is odd about the files though they work.
    #[must_use]
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// Where the password was found that opened the key; `None` where it needed none.
    #[must_use]
    pub fn opened_with(&self) -> Option<&PasswordOrigin> {
        self.opened_with.as_ref()
    }

    /// The file that the certificate came from.
    #[must_use]
    pub fn certificate_file(&self) -> &Path {
        &self.certificate
    }

    /// Whether the certificate is valid at a given time: it was when it was loaded, which may be
    /// years ago.
    ///
    /// # Errors
    ///
    /// Expired, or not valid yet; the error holds both dates.
    pub fn check_valid_at(&self, now: OffsetDateTime) -> Result<(), IdentityError> {
        check::validity(&self.facts, &self.certificate, now)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("owner", &self.owner)
            .field("sha256", &self.facts.sha256)
            .field("not_after", &self.facts.not_after)
            .field("opened_with", &self.opened_with)
            .finish_non_exhaustive()
    }
}
