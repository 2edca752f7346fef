//! Why the gateway cannot start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::base::{Explain, Fault};

/// Why the gateway cannot start, or cannot take other settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// No token is configured, and Kaspi is real.
    #[error(
        "no `[[gateway.token]]` is configured, and Kaspi at `{kaspi_host}` is no sandbox on this machine"
    )]
    TokensWanted {
        /// The host of `kaspi.base_url`.
        kaspi_host: String,
    },
    /// No token is configured, and others than this machine could call.
    #[error("no `[[gateway.token]]` is configured, and {named_by} says `{listen}`, which others can reach")]
    OpenToTheNetwork {
        /// What says so: a setting, an option or a variable.
        named_by: &'static str,
        /// Where it was to listen.
        listen: SocketAddr,
    },
    /// Whether tokens are needed at all was changed while it runs.
    #[error(
        "whether there is a `[[gateway.token]]` at all was changed, and is taken up at the next start only"
    )]
    NeedsRestart,
    /// The address cannot be listened on.
    #[error("the gateway cannot listen on `{address}`: {source}")]
    Listen {
        /// Where it was to listen.
        address: String,
        /// Why it cannot.
        source: io::Error,
    },
    /// The certificate, the key, or the callers' authorities cannot be used.
    #[error("`{}` cannot be used as `gateway.{setting}`: {problem}", file.display())]
    Tls {
        /// Which of the three.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl Explain for GatewayError {
    fn kind(&self) -> &'static str {
        match self {
            Self::TokensWanted { .. } | Self::OpenToTheNetwork { .. } => "gateway_needs_token",
            Self::NeedsRestart => "gateway_needs_restart",
            Self::Listen { .. } => "listen",
            Self::Tls { .. } => "gateway_tls",
        }
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::TokensWanted { .. } => Some(
                "make one for each caller with `kaspi token new`, and put the lines it prints into kaspi.toml".to_owned(),
            ),
            Self::OpenToTheNetwork { named_by: "`PORT`", .. } => Some(
                "make a token for each caller with `kaspi token new`; to be alone on this machine, write `listen = \"127.0.0.1:8014\"` in [gateway], which goes before the variable".to_owned(),
            ),
            Self::OpenToTheNetwork { .. } => {
                Some("listen on `127.0.0.1`, or make a token for each caller with `kaspi token new`".to_owned())
            }
            Self::NeedsRestart => Some("restart the gateway".to_owned()),
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some("another program listens there; stop it, or choose another address with `--listen`".to_owned())
            }
            Self::Listen { .. } => None,
            Self::Tls { .. } => Some(
                "the files are PEM, certificates leaf first and the key not encrypted".to_owned(),
            ),
        }
    }
}
