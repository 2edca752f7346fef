//! Everything that can be wrong with the files of an identity.

use std::io;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::base::{Explain, Fault, shell_word};

/// Why files did not become an identity. Names the file; never holds a password or a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// There is no such file.
    #[error("{role} `{}` does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it was to be, such as `private key`.
        role: &'static str,
    },
    /// The operating system refused.
    #[error("`{}` cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A folder, a pipe, a device.
    #[error("`{}` is {found}, not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// Too large for any key or chain.
    #[error("`{}` has {length} bytes, at most {limit} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Nothing in it but perhaps white space.
    #[error("`{}` is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It ends before its own length says so.
    #[error("`{}` ends too early: {what} should have {expected} bytes, there are {actual}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The form that was begun.
        what: String,
        /// Bytes that it announces.
        expected: u64,
        /// Bytes that are there.
        actual: u64,
    },
    /// A PEM block that cannot be read.
    #[error("`{}`: PEM block `{label}` {reason}", path.display())]
    BrokenPem {
        /// The file.
        path: PathBuf,
        /// What stands after `BEGIN`.
        label: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Bytes behind the end.
    #[error("`{}` has {extra} bytes after the end of {what}", path.display())]
    TrailingData {
        /// The file.
        path: PathBuf,
        /// The form that had ended.
        what: String,
        /// How many bytes follow.
        extra: u64,
    },
    /// It has the shape of a form but does not follow its rules.
    #[error("`{}` is damaged: {what} cannot be parsed: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The form.
        what: String,
        /// What the parser said.
        reason: String,
    },
    /// Known, but not what is needed here or not readable by this program.
    #[error("`{}` holds {found}, needed is {wanted}", path.display())]
    WrongForm {
        /// The file.
        path: PathBuf,
        /// What was needed.
        wanted: &'static str,
        /// What is there.
        found: String,
        /// How to make the one from the other.
        advice: Option<String>,
    },
    /// Encrypted in a way that this program does not undo.
    #[error("`{}` is encrypted with {scheme}, which is not supported", path.display())]
    UnsupportedEncryption {
        /// The file.
        path: PathBuf,
        /// The way.
        scheme: String,
        /// How to convert the file.
        advice: String,
    },
    /// A certificate without its key.
    #[error("`{}` holds no private key, it holds {found}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What it holds instead.
        found: String,
    },
    /// A key without its certificate.
    #[error("`{}` holds no certificate, it holds {found}", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What it holds instead.
        found: String,
    },
    /// More than one key, and nobody said which.
    #[error("`{}` holds {} private keys ({}), one is needed", path.display(), names.len(), names.join(", "))]
    SeveralKeys {
        /// The file.
        path: PathBuf,
        /// Their names, or their places in the file.
        names: Vec<String>,
    },
    /// Encrypted, and there is no password at all.
    #[error("`{}` is encrypted ({scheme}) and there is no password for it", path.display())]
    NoPassword {
        /// The file.
        path: PathBuf,
        /// How it is encrypted.
        scheme: String,
        /// Where a password would be looked for.
        places: String,
    },
    /// There are passwords, and none opens it.
    #[error("wrong password: `{}` ({scheme}) is not opened by {tried}", path.display())]
    WrongPassword {
        /// The file.
        path: PathBuf,
        /// How it is encrypted.
        scheme: String,
        /// The places whose passwords were tried, in that order.
        tried: String,
    },
    /// A password that cannot be put into the form's encoding.
    #[error("the password from {origin} is not UTF-8, which `{}` ({scheme}) needs", path.display())]
    PasswordEncoding {
        /// The file.
        path: PathBuf,
        /// How it is encrypted.
        scheme: String,
        /// Where the password was found.
        origin: String,
    },
    /// Opening it would take absurdly long or absurdly much memory.
    #[error("`{}` asks for {asked}, at most {limit} are accepted", path.display())]
    TooCostly {
        /// The file.
        path: PathBuf,
        /// What the file asks for.
        asked: String,
        /// What is accepted.
        limit: String,
    },
    /// A key of a kind or size that is not accepted.
    #[error("`{}` holds a key of kind {found}; RSA 2048 to 4096 and ECDSA P-256 or P-384 are accepted", path.display())]
    UnsupportedKey {
        /// The file.
        path: PathBuf,
        /// Kind and size of the key.
        found: String,
    },
    /// Certificate and key do not belong together.
    #[error(
        "certificate `{}` and private key `{}` do not belong together: \
         the certificate's public key is {certificate_key}, the private key's is {private_key}",
        certificate.display(), key.display()
    )]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// SHA-256 of the public key in the certificate, lower-case hex.
        certificate_key: String,
        /// SHA-256 of the public key that the private key gives, lower-case hex.
        private_key: String,
    },
    /// Its time is over.
    #[error(
        "certificate `{}` expired {}: valid until {}, now it is {}",
        path.display(), ago(*not_after, *now), date(*not_after), date(*now)
    )]
    Expired {
        /// The certificate's file.
        path: PathBuf,
        /// Its last moment.
        not_after: OffsetDateTime,
        /// The clock.
        now: OffsetDateTime,
    },
    /// Its time has not begun.
    #[error(
        "certificate `{}` is not valid yet: valid from {}, now it is {}",
        path.display(), date(*not_before), date(*now)
    )]
    NotYetValid {
        /// The certificate's file.
        path: PathBuf,
        /// Its first moment.
        not_before: OffsetDateTime,
        /// The clock.
        now: OffsetDateTime,
    },
    /// Its extended key usage leaves TLS clients out.
    #[error("certificate `{}` is not for TLS clients: its usages are {usages}, `clientAuth` is missing", path.display())]
    NoClientAuth {
        /// The certificate's file.
        path: PathBuf,
        /// The usages that it has.
        usages: String,
    },
    /// Its key usage leaves signatures out, and a TLS client has to sign.
    #[error("certificate `{}` may not sign: its key usages are {usages}, `digitalSignature` is missing", path.display())]
    NoDigitalSignature {
        /// The certificate's file.
        path: PathBuf,
        /// The usages that it has.
        usages: String,
    },
    /// The certificates stand in the wrong order.
    #[error(
        "`{}`: wrong order of certificates: the private key belongs to number {leaf} of {count}, \
         number 1 is `{first}`",
        path.display()
    )]
    ChainOrder {
        /// The certificates' file.
        path: PathBuf,
        /// Place of the certificate that belongs to the key, counted from 1.
        leaf: usize,
        /// How many there are.
        count: usize,
        /// Subject of the certificate that stands first.
        first: String,
    },
    /// The chain begins with its leaf and goes on in a muddle.
    #[error(
        "`{}`: wrong order of certificates: number {place} was issued by `{issuer}`, \
         which is number {issuer_place} and not the next one",
        path.display()
    )]
    ChainShuffled {
        /// The certificates' file.
        path: PathBuf,
        /// Place of the certificate whose issuer does not follow, counted from 1.
        place: usize,
        /// Its issuer.
        issuer: String,
        /// Where the issuer stands instead.
        issuer_place: usize,
    },
    /// No roots at all to judge the server by.
    #[error("`only_extra_ca` is set and `extra_ca_file` is not: no server could be trusted")]
    NoRoots,
}

impl IdentityError {
    /// The file that has to be looked at, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Missing { path, .. }
            | Self::Unreadable { path, .. }
            | Self::NotAFile { path, .. }
            | Self::TooLarge { path, .. }
            | Self::Empty { path }
            | Self::Truncated { path, .. }
            | Self::BrokenPem { path, .. }
            | Self::TrailingData { path, .. }
            | Self::Malformed { path, .. }
            | Self::WrongForm { path, .. }
            | Self::UnsupportedEncryption { path, .. }
            | Self::NoKey { path, .. }
            | Self::NoCertificate { path, .. }
            | Self::SeveralKeys { path, .. }
            | Self::NoPassword { path, .. }
            | Self::WrongPassword { path, .. }
            | Self::PasswordEncoding { path, .. }
            | Self::TooCostly { path, .. }
            | Self::UnsupportedKey { path, .. }
            | Self::KeyMismatch { key: path, .. }
            | Self::Expired { path, .. }
            | Self::NotYetValid { path, .. }
            | Self::NoClientAuth { path, .. }
            | Self::NoDigitalSignature { path, .. }
            | Self::ChainOrder { path, .. }
            | Self::ChainShuffled { path, .. } => Some(path),
            Self::NoRoots => None,
        }
    }
}

impl Explain for IdentityError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "file_missing",
            Self::Unreadable { .. } => "file_unreadable",
            Self::NotAFile { .. } => "not_a_file",
            Self::TooLarge { .. } => "file_too_large",
            Self::Empty { .. } => "file_empty",
            Self::Truncated { .. } => "file_truncated",
            Self::BrokenPem { .. } => "broken_pem",
            Self::TrailingData { .. } => "trailing_data",
            Self::Malformed { .. } => "malformed",
            Self::WrongForm { .. } => "wrong_form",
            Self::UnsupportedEncryption { .. } => "unsupported_encryption",
            Self::NoKey { .. } => "no_private_key",
            Self::NoCertificate { .. } => "no_certificate",
            Self::SeveralKeys { .. } => "several_private_keys",
            Self::NoPassword { .. } => "no_password",
            Self::WrongPassword { .. } => "wrong_password",
            Self::PasswordEncoding { .. } => "password_encoding",
            Self::TooCostly { .. } => "kdf_too_costly",
            Self::UnsupportedKey { .. } => "unsupported_key",
            Self::KeyMismatch { .. } => "key_mismatch",
            Self::Expired { .. } => "certificate_expired",
            Self::NotYetValid { .. } => "certificate_not_yet_valid",
            Self::NoClientAuth { .. } => "no_client_auth",
            Self::NoDigitalSignature { .. } => "no_digital_signature",
            Self::ChainOrder { .. } | Self::ChainShuffled { .. } => "chain_order",
            Self::NoRoots => "no_roots",
        }
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        let shown = self.path().map(shell_word).unwrap_or_default();
        let hint = match self {
            Self::Missing { role, .. } => match *role {
                "extra_ca_file" => "put the file there, or correct `extra_ca_file` in `kaspi.toml`".to_owned(),
                "file" => "check the path".to_owned(),
                _ => "put the file there, or name another one in `merchant.toml`".to_owned(),
            },
            Self::Unreadable { .. } => {
                format!("let the user who runs this program read it: `ls -l {shown}`")
            }
            Self::NotAFile { .. } => "name the file itself in `merchant.toml`".to_owned(),
            Self::TooLarge { .. } => format!("see what it is: `file {shown}`"),
            Self::Empty { .. } | Self::Truncated { .. } => {
                "copy the file again from where it came; compare sizes".to_owned()
            }
            Self::BrokenPem { .. } => {
                "copy the file again, from the line `-----BEGIN` to the line `-----END`, both included".to_owned()
            }
            Self::TrailingData { .. } => "copy the file again, it seems joined with another one".to_owned(),
            Self::Malformed { .. } => format!("see how far openssl can read it: `openssl asn1parse -in {shown}`"),
            Self::WrongForm { advice, .. } => return advice.clone(),
            Self::UnsupportedEncryption { advice, .. } => advice.clone(),
            Self::NoKey { .. } => {
                "put the private key that the certificate was requested with beside it".to_owned()
            }
            Self::NoCertificate { .. } => "put the certificate that the bank issued there".to_owned(),
            Self::SeveralKeys { .. } => "keep the one key that belongs to the certificate".to_owned(),
            Self::NoPassword { places, .. } => format!("put the password into {places}"),
            Self::WrongPassword { scheme, .. } | Self::PasswordEncoding { scheme, .. } => {
                let command = if scheme.starts_with("PKCS#12") { "pkcs12" } else { "pkey" };
                format!("find the right password with `openssl {command} -in {shown} -noout`")
            }
            Self::TooCostly { .. } => "the figure is damaged or hostile: get the file again, or encrypt the key \
                 anew with `openssl pkcs8 -topk8 -v2 aes-256-cbc`"
                .to_owned(),
            Self::UnsupportedKey { found, .. } if found.ends_with("without a name") => {
                format!("name the curve: `openssl ec -in {shown} -param_enc named_curve -out new.key`")
            }
            Self::UnsupportedKey { .. } => {
                "ask the bank for a certificate with an RSA 2048 key: \
                 `openssl req -new -newkey rsa:2048 -keyout private.key -out request.csr`"
                    .to_owned()
            }
            Self::KeyMismatch { certificate, .. } => format!(
                "use the key that the certificate was requested with; compare \
                 `openssl x509 -in {} -noout -pubkey` and `openssl pkey -in {shown} -pubout`",
                shell_word(certificate)
            ),
            Self::Expired { .. } => "ask the bank for a new certificate and install it".to_owned(),
            Self::NotYetValid { .. } => "check this machine's clock, then the certificate's dates".to_owned(),
            Self::NoClientAuth { .. } | Self::NoDigitalSignature { .. } => {
                "ask the bank for a certificate with key usage digitalSignature and extended key usage clientAuth"
                    .to_owned()
            }
            Self::ChainOrder { .. } | Self::ChainShuffled { .. } => {
                "put your own certificate first, then the one that issued it, and so on".to_owned()
            }
            Self::NoRoots => "name the bank's CA in `extra_ca_file`, or remove `only_extra_ca`".to_owned(),
        };
        Some(hint)
    }
}

/// A moment as it stands in messages.
pub(super) fn date(moment: OffsetDateTime) -> String {
    moment
        .replace_nanosecond(0)
        .unwrap_or(moment)
        .format(&Rfc3339)
        .unwrap_or_else(|_| moment.to_string())
}

fn ago(then: OffsetDateTime, now: OffsetDateTime) -> String {
    match (now - then).whole_days() {
        0 => "today".to_owned(),
        1 => "1 day ago".to_owned(),
        days => format!("{days} days ago"),
    }
}
