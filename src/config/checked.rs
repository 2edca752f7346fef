//! What the files mean, once checked. Nothing here has been read from an identity file yet.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::{
    ConfigWarning, GatewaySettings, IdentityVariable, JournalSettings, TelemetrySettings, WebhookSpec,
    WebhooksSettings, WrapperSettings,
};
use crate::base::{Bin, Password, PhoneFormat, TradePoint};

/// Everything that `kaspi.toml` says. The merchants' folders are read by [`scan`](super::scan()).
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from, absolute.
    pub file: PathBuf,
    /// The organisation of calls that name none. Absent: every call must name its BIN.
    pub default_bin: Option<Bin>,
    /// The folder of the merchants' folders, absolute.
    pub certs_dir: PathBuf,
    /// The folder for what a running program leaves for other processes, absolute. Need not exist yet.
    pub state_dir: PathBuf,
    /// `[kaspi]`.
    pub kaspi: KaspiSettings,
    /// `[gateway]`.
    pub gateway: GatewaySettings,
    /// `[wrapper]`, where there is one.
    pub wrapper: Option<WrapperSettings>,
    /// `[journal]`.
    pub journal: JournalSettings,
    /// `[webhooks]`.
    pub webhooks: WebhooksSettings,
    /// `[telemetry]`, where there is one.
    pub telemetry: Option<TelemetrySettings>,
    /// What is odd but stops nothing.
    pub warnings: Vec<ConfigWarning>,
}

/// How to reach Kaspi and how to speak to it: the `[kaspi]` section.
#[derive(Clone, Debug)]
pub struct KaspiSettings {
    /// The whole base address, prefix included, without a slash at its end; never built from parts.
    /// Only an address with no path at all has one: `http::Uri` gives it the path `/`.
    pub base_url: Uri,
    /// Whose signature on Kaspi's server certificate is believed.
    pub trust: TrustSettings,
    /// How long each phase of a request may take.
    pub timeouts: Timeouts,
    /// Which version of the status call is used.
    pub status_version: StatusVersion,
    /// How phone numbers are written.
    pub phone_format: PhoneFormat,
    /// The proxy that every call goes through, if any.
    pub proxy: Option<ProxySettings>,
    /// Which key exchange the TLS handshake offers.
    pub key_exchange: KeyExchange,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Whether a long-running program keeps a connection ready for each active BIN. Where
    /// `idle_timeout` is below 4 s, it does not.
    pub warm: bool,
}

/// Roots that Kaspi's server certificate may lead to.
#[derive(Clone, Debug, Default)]
pub struct TrustSettings {
    /// PEM file of further roots (`extra_ca_file`).
    pub extra_ca_file: Option<PathBuf>,
    /// Whether the public roots are left out (`only_extra_ca`).
    pub only_extra_ca: bool,
}

/// Time limits of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name lookup, TCP and the proxy's answer (`connect_timeout`).
    pub connect: Duration,
    /// The TLS handshake after that (`tls_timeout`).
    pub tls: Duration,
    /// From the start of the request to the first byte of the answer (`first_byte_timeout`).
    pub first_byte: Duration,
    /// The whole attempt, answer body included (`request_timeout`).
    pub total: Duration,
}

/// Version of `payment/status`; the other calls have one version only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusVersion {
    /// `Status` alone.
    V01,
    /// With amount, product and shop.
    #[default]
    V02,
}

/// What the TLS handshake offers as key exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyExchange {
    /// X25519, P-256, P-384: a hello that fits one packet.
    #[default]
    Classic,
    /// X25519 with ML-KEM-768 first: a large hello, which an old server or filter may drop.
    Hybrid,
}

/// Kind of proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// HTTP `CONNECT`.
    Http,
    /// SOCKS5, names resolved by the proxy.
    Socks5,
}

/// A proxy between this machine and Kaspi. TLS goes through it end to end.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// How the proxy is spoken to.
    pub scheme: ProxyScheme,
    /// Its host name or address, an IPv6 address without brackets.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// What it wants to know, from `proxy_credentials_file` (`user:password`).
    pub auth: Option<ProxyAuth>,
}

/// Who we are to the proxy.
#[derive(Clone, Debug)]
pub struct ProxyAuth {
    /// User name.
    pub user: String,
    /// Its password.
    pub password: Password,
}

/// One organisation as its folder describes it.
#[derive(Clone, Debug)]
pub struct MerchantSpec {
    /// The folder's name.
    pub bin: Bin,
    /// The folder itself; it need not be there where variables of the environment say everything.
    pub folder: PathBuf,
    /// A name for people; the BIN where none is given.
    pub name: String,
    /// Whether calls may be made for it.
    pub active: bool,
    /// Which way its calls go.
    pub route: Route,
    /// Where its identity comes from.
    pub identity: IdentitySource,
    /// Its trade points, the default one first; at least one.
    pub trade_points: Vec<TradePointSpec>,
    /// Who is told of its payments (`[[webhook]]`), in the order of the file.
    pub webhooks: Vec<WebhookSpec>,
}

/// A trade point, with whether it is the default one.
#[derive(Clone, Debug)]
pub struct TradePointSpec {
    /// Number and token.
    pub point: TradePoint,
    /// The file that the token was read from, where it stands in one of its own.
    pub device_token_file: Option<PathBuf>,
    /// Whether calls that name no trade point go here. True for exactly one of a merchant's.
    pub default: bool,
}

/// Which way a merchant's calls go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// Straight to Kaspi.
    #[default]
    Direct,
    /// Through the old PHP wrapper.
    Wrapper,
}

/// Where a merchant's identity comes from.
#[derive(Clone, Debug)]
pub enum IdentitySource {
    /// Files in the merchant's own folder.
    Own(IdentitySpec),
    /// The identity of another BIN's folder: the bank lets one certificate act for several BINs.
    Of(Bin),
}

/// Everything that is needed to load one identity.
#[derive(Clone, Debug)]
pub struct IdentitySpec {
    /// The BIN whose folder holds the files.
    pub owner: Bin,
    /// The files.
    pub files: IdentityFiles,
    /// Every password there is, in the order file, credential, environment. May be empty.
    pub passwords: Vec<PasswordSource>,
}

/// The files of an identity. What is in them is told by content, never by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityFiles {
    /// A certificate (or chain) and its key.
    Pair {
        /// Certificate, PEM or DER, leaf first.
        certificate: PathBuf,
        /// Private key, PEM or DER.
        private_key: PathBuf,
    },
    /// One file that must hold both: PKCS#12, or PEM with certificate and key.
    Single(PathBuf),
    /// The same, in a variable of the environment.
    Variable(IdentityVariable),
}

/// A password and where it was found.
#[derive(Clone, Debug)]
pub struct PasswordSource {
    /// Where it was found, for reports.
    pub origin: PasswordOrigin,
    /// The password.
    pub password: Password,
}

/// Where a password was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordOrigin {
    /// A file in the merchant's folder, or the one `password_file` names.
    File(PathBuf),
    /// A systemd credential: `$CREDENTIALS_DIRECTORY/kaspi_<BIN>.password`.
    Credential(PathBuf),
    /// An environment variable: `KASPI_PASSWORD_<BIN>`.
    Environment(String),
    /// A person, asked at the terminal.
    Typed,
}

impl fmt::Display for PasswordOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "file `{}`", file.display()),
            Self::Credential(file) => write!(f, "credential `{}`", file.display()),
            Self::Environment(name) => write!(f, "environment variable `{name}`"),
            Self::Typed => f.write_str("the terminal"),
        }
    }
}
