//! What `kaspi cert` itself refuses.

use std::fmt;
use std::path::PathBuf;

use super::published::Refusal;
use crate::base::{Bin, Explain, Fault};
use crate::registry::TrialError;

/// What `kaspi cert` itself refuses.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertError {
    /// A change of somebody's identity is never the default's.
    #[error("this changes the identity of one organisation, and `--bin` names none")]
    NoBin,
    #[error("BIN `{bin}` has no folder in `{}`", certs_dir.display())]
    UnknownBin { bin: Bin, certs_dir: PathBuf },
    #[error(
        "BIN `{bin}` has no folder in `{}`, and its control digit is wrong, so it is mistyped",
        certs_dir.display()
    )]
    MistypedBin { bin: Bin, certs_dir: PathBuf },
    #[error(
        "BIN `{bin}` acts with the identity of BIN `{owner}`; a change there touches {}",
        listed(touched)
    )]
    Borrowed { bin: Bin, owner: Bin, touched: Vec<Bin> },
    #[error(
        "`{}` is a certificate for BIN {}, and it is to be installed for BIN `{bin}`",
        file.display(), listed(named)
    )]
    OtherBin {
        bin: Bin,
        named: Vec<Bin>,
        file: PathBuf,
    },
    #[error("Kaspi refuses BIN `{bin}` with the new certificate: {source}")]
    CanaryRefused { bin: Bin, source: TrialError },
    #[error("whether Kaspi takes the new certificate for BIN `{bin}` is not known: {source}")]
    CanaryUnanswered { bin: Bin, source: TrialError },
    /// The gateway goes on with what it served before.
    #[error("{}", words(refusal))]
    NotPublished { refusal: Box<Refusal>, left: Left },
    #[error("`{}` exists", path.display())]
    Exists { path: PathBuf },
    #[error("a password is needed, and there is no terminal to ask at")]
    NoTerminal { hint: &'static str },
    #[error("the password has {length} characters, at least {least} are needed")]
    ShortPassword { length: usize, least: usize },
    #[error("the two passwords differ")]
    PasswordsDiffer,
    #[error("`{}` was written and holds another key than was meant", path.display())]
    NotReadBack { path: PathBuf },
}

/// What lies on the disk after the gateway did not take it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Left {
    /// The set before, again.
    Returned { set: u64 },
    /// The new set; that before can be returned to.
    New { owner: Bin },
    /// The new set, and there is no other.
    Only,
    /// The set that was rolled back to.
    RolledBack { set: u64 },
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const AGAIN: &str =
            "the gateway tries again every minute, and a restart uses it without asking Kaspi";
        match self {
            Self::Returned { set } => write!(f, "set {set} lies there again, so nothing has changed"),
            Self::New { owner } => write!(
                f,
                "the new set lies there and is not in use: {AGAIN}; to take it back: `kaspi cert rollback --bin {owner}`"
            ),
            Self::Only => write!(
                f,
                "the new set lies there and is not in use: {AGAIN}; no earlier set is kept, so install another one"
            ),
            Self::RolledBack { set } => write!(f, "set {set} lies there and is not in use: {AGAIN}"),
        }
    }
}

fn words(refusal: &Refusal) -> String {
    let Refusal {
        bin,
        process_id,
        wanted,
        serves,
        problem,
    } = refusal;
    match (problem, serves) {
        (Some(problem), _) => format!(
            "the gateway (process {process_id}) does not serve BIN `{bin}` with what was installed: {}",
            problem.message
        ),
        (None, Some(serves)) => {
            format!(
                "the gateway (process {process_id}) serves BIN `{bin}` with certificate `{serves}` and not with `{wanted}`"
            )
        }
        (None, None) => {
            format!(
                "the gateway (process {process_id}) does not serve BIN `{bin}`, and not with certificate `{wanted}`"
            )
        }
    }
}

impl Explain for CertError {
    fn kind(&self) -> &'static str {
        match self {
            Self::NoBin => "no_bin",
            Self::UnknownBin { .. } => "unknown_bin",
            Self::MistypedBin { .. } => "mistyped_bin",
            Self::Borrowed { .. } => "borrowed_identity",
            Self::OtherBin { .. } => "other_bin",
            Self::CanaryRefused { .. } => "canary_refused",
            Self::CanaryUnanswered { .. } => "canary_unanswered",
            Self::NotPublished { refusal, .. } if refusal.is_unanswered() => "gateway_unanswered",
            Self::NotPublished { .. } => "not_published",
            Self::Exists { .. } => "file_exists",
            Self::NoTerminal { .. } => "no_terminal",
            Self::ShortPassword { .. } => "short_password",
            Self::PasswordsDiffer => "passwords_differ",
            Self::NotReadBack { .. } => "not_read_back",
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::NoBin
            | Self::UnknownBin { .. }
            | Self::MistypedBin { .. }
            | Self::NoTerminal { .. }
            | Self::ShortPassword { .. }
            | Self::PasswordsDiffer => Fault::Caller,
            Self::Borrowed { .. } | Self::OtherBin { .. } | Self::Exists { .. } => Fault::Operator,
            Self::CanaryRefused { source, .. } => source.fault(),
            Self::CanaryUnanswered { .. } => Fault::Network,
            Self::NotPublished { refusal, .. } if refusal.is_unanswered() => Fault::Network,
            Self::NotPublished { .. } => Fault::Operator,
            Self::NotReadBack { .. } => Fault::Us,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoBin => "name it: `--bin BIN`".to_owned(),
            Self::UnknownBin { bin, certs_dir } => format!(
                "to add the organisation, make its folder with a merchant.toml first: `mkdir {}`",
                certs_dir.join(bin.to_string()).display()
            ),
            Self::MistypedBin { .. } => "compare the number with the bank's letter, digit by digit".to_owned(),
            Self::Borrowed { owner, .. } => format!("if all of them are meant, use `--bin {owner}`"),
            Self::OtherBin { .. } => {
                "take the certificate of this BIN; if the bank has declared it for this one too, add `--allow-other-bin`"
                    .to_owned()
            }
            Self::CanaryRefused { source, .. } => {
                let advice = source.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                format!(
                    "nothing has changed, the files before stay in use{advice}; if the answer has another cause, `--no-canary`"
                )
            }
            Self::CanaryUnanswered { .. } => {
                "nothing has changed; try again, or install without asking Kaspi: `--no-canary`".to_owned()
            }
            Self::NotPublished { refusal, left } => {
                let advice = refusal.problem.as_ref().and_then(|problem| problem.hint.as_deref());
                let advice = advice.map(|hint| format!("; {hint}")).unwrap_or_default();
                format!("{left}{advice}")
            }
            Self::Exists { .. } => "name another folder with `--out`, or move the file away".to_owned(),
            Self::NoTerminal { hint } => (*hint).to_owned(),
            Self::ShortPassword { .. } => "take a longer one, or `--generate-password`".to_owned(),
            Self::PasswordsDiffer => "type the same one twice".to_owned(),
            Self::NotReadBack { path } => format!("do not use it, and report this: `rm {}`", path.display()),
        };
        Some(hint)
    }

    fn code(&self) -> Option<i64> {
        match self {
            Self::CanaryRefused { source, .. } => source.code(),
            _ => None,
        }
    }
}

fn listed(bins: &[Bin]) -> String {
    let shown: Vec<String> = bins.iter().map(|bin| format!("`{bin}`")).collect();
    shown.join(", ")
}
