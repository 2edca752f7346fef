//! What `[gateway]`, `[wrapper]` and `[journal]` mean, once checked.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::TrustSettings;
use crate::base::{Bin, Secret};

/// The HTTP gateway: the `[gateway]` section.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What says so.
    pub listen_from: ListenFrom,
    /// A unix socket that it listens on besides (`unix_socket`), absolute.
    pub unix_socket: Option<PathBuf>,
    /// Its certificate, where `listen` speaks HTTPS.
    pub tls: Option<GatewayTls>,
    /// How much callers may ask for.
    pub limits: GatewayLimits,
    /// How its log is written.
    pub log: LogFormat,
    /// How long the same call of a caller without idempotency keys counts as a repetition; zero is off.
    pub echo_window: Duration,
    /// Whether phone invoices are asked for on a timetable. The bank forbids it, so it is off by itself.
    pub poll_invoices: bool,
    /// Who may call, and for whom. May be empty.
    pub tokens: Vec<GatewayToken>,
}

/// What says where the gateway listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenFrom {
    /// Nothing: it is what it is without a word.
    Default,
    /// `gateway.listen`.
    File,
    /// The variable `PORT`, which means every address of this machine.
    Port,
}

/// What `listen` shows to callers, and wants to see of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayTls {
    /// PEM, leaf first (`tls_certificate`).
    pub certificate: PathBuf,
    /// PEM, not encrypted (`tls_key`).
    pub key: PathBuf,
    /// Whose certificates callers must show (`client_ca`), PEM; none where they need not show any.
    pub client_ca: Option<PathBuf>,
}

/// How much callers of the gateway may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayLimits {
    /// Calls a second of one token (`token_rate`); none for no limit.
    pub token_rate: Option<NonZeroU32>,
    /// Calls a second for one BIN (`bin_rate`); none for no limit.
    pub bin_rate: Option<NonZeroU32>,
    /// Calls of one token at one time (`token_concurrency`).
    pub token_concurrency: usize,
    /// Calls for one BIN at one time (`bin_concurrency`).
    pub bin_concurrency: usize,
    /// Connections at one time (`max_connections`); further ones wait.
    pub max_connections: usize,
    /// Event streams of one token at one time (`token_streams`); further ones are refused.
    pub token_streams: usize,
    /// Event streams at one time (`max_streams`), and never more than half of the connections; further
    /// ones are refused.
    pub max_streams: usize,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            token_rate: None,
            bin_rate: None,
            token_concurrency: 512,
            bin_concurrency: 256,
            max_connections: 4096,
            token_streams: 64,
            max_streams: 512,
        }
    }
}

/// How the gateway's log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// One caller of the gateway.
#[derive(Clone, Debug)]
pub struct GatewayToken {
    /// The caller's name, for the log.
    pub name: String,
    /// SHA-256 of the token it presents.
    pub sha256: TokenHash,
    /// The organisations it may act for; at least one.
    pub bins: Vec<Bin>,
    /// What it may do; at least one.
    pub verbs: Vec<Verb>,
}

/// SHA-256 of a caller's token. Not shown: a short token can be guessed from it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash(pub(super) [u8; 32]);

impl TokenHash {
    /// The 32 bytes, to compare in constant time.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(***)")
    }
}

/// What a caller of the gateway may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Ask for money: invoices, QR codes, links, and cancelling them.
    Create,
    /// Pay money back.
    Refund,
    /// Look at payments.
    Read,
    /// Look at and change how the gateway runs.
    Admin,
}

/// The old PHP wrapper, for merchants with `route = "wrapper"`: the `[wrapper]` section.
#[derive(Clone, Debug)]
pub struct WrapperSettings {
    /// Its base address, without a slash at its end. `http` only where it is on this machine.
    pub base_url: Uri,
    /// The token it wants (`token_file`).
    pub token: Option<Secret>,
    /// Whose signature on its server certificate is believed: the public roots, and those of its own
    /// `extra_ca_file`.
    pub trust: TrustSettings,
    /// Whether a status is asked for over the other route too, and differences are logged.
    pub compare_reads: bool,
}

/// The journal: the `[journal]` section.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// Where it is kept.
    pub url: JournalUrl,
}

/// Where the journal is kept.
#[derive(Clone, Debug)]
pub enum JournalUrl {
    /// An SQLite file, absolute.
    Sqlite(PathBuf),
    /// A PostgreSQL database; the whole URL, which may hold a password.
    Postgres(Secret),
}
