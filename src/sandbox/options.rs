//! What a sandbox is like: addresses, TLS, organisations.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::error::SandboxError;
use super::layout;
use super::pki::{Authority, Issued};

/// How a sandbox is started.
///
/// ```
/// use kaspi_direct::sandbox::pki::{Authority, KeyKind};
/// use kaspi_direct::sandbox::{ClientAuth, Merchant, Options, TradePoint};
///
/// let mut options = Options::new(Authority::generate(KeyKind::P256)?);
/// options.client_auth = ClientAuth::Strict;
/// options.merchants.push(
///     Merchant::new("891027350515", "Flower shop")
///         .with_trade_point(TradePoint::new(385716, "Flower shop").with_token("a-made-up-token")),
/// );
/// # Ok::<(), kaspi_direct::sandbox::SandboxError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where Kaspi listens; a free port of 127.0.0.1 by default.
    pub listen: SocketAddr,
    /// Where the control API listens, plain HTTP; a free port of 127.0.0.1 by default. Must be loopback.
    pub control: SocketAddr,
    /// What becomes of a caller without a certificate.
    pub client_auth: ClientAuth,
    /// Which TLS versions are spoken.
    pub tls: TlsVersions,
    /// Which HTTP versions are offered by ALPN.
    pub http: HttpVersions,
    /// Which status an opened link has.
    pub opened_link: OpenedLink,
    /// How the names inside `QrPaymentBehaviorOptions` are written.
    pub option_names: OptionNames,
    /// The authority whose client certificates are believed.
    pub authority: Authority,
    /// The organisations that the bank knows.
    pub merchants: Vec<Merchant>,
    /// The server's certificate; made by the authority where absent.
    pub server: Option<Issued>,
    /// The folder of [`layout::init`], whose `kaspi.toml` gets the address and whose
    /// merchant folders are read again when a call names a BIN or token that is not known.
    pub folder: Option<PathBuf>,
    /// The file that keeps what the bank knows, so that it survives the process. Absent: memory.
    pub state: Option<PathBuf>,
}

impl Options {
    /// A sandbox that believes this authority and knows no organisation yet.
    #[must_use]
    pub fn new(authority: Authority) -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: loopback,
            control: loopback,
            client_auth: ClientAuth::default(),
            tls: TlsVersions::default(),
            http: HttpVersions::default(),
            opened_link: OpenedLink::default(),
            option_names: OptionNames::default(),
            authority,
            merchants: Vec::new(),
            server: None,
            folder: None,
            state: None,
        }
    }

    /// A sandbox as a folder describes it: its authority, its server certificate, and the BINs,
    /// trade points and tokens of its `certs/*/merchant.toml`.
    ///
    /// # Errors
    ///
    /// A file that is missing, or whose content is not what the layout calls for.
    pub fn from_dir(folder: &Path) -> Result<Self, SandboxError> {
        layout::options(folder)
    }
}

/// What becomes of a caller without a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// The handshake succeeds and every call is answered with `-10000`, as documented.
    #[default]
    Optional,
    /// The handshake fails with an alert.
    Strict,
}

/// Which TLS versions are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// 1.2 and 1.3.
    #[default]
    Both,
    /// 1.2 alone.
    Tls12,
    /// 1.3 alone.
    Tls13,
}

/// Which HTTP versions are offered by ALPN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersions {
    /// HTTP/2 and HTTP/1.1.
    #[default]
    Both,
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 alone.
    Http2,
}

/// Which status a link has once the customer opened it: sources disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenedLink {
    /// `Wait`, as documented.
    #[default]
    Wait,
    /// `RemotePaymentCreated`, as seen live.
    RemotePaymentCreated,
}

/// How the names inside the behaviour options are written: sources disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OptionNames {
    /// `StatusPollingInterval`, as documented.
    #[default]
    Pascal,
    /// `statusPollingInterval`, as one client in production had to read it.
    Camel,
}

/// An organisation that the bank knows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Merchant {
    /// Its 12-digit number.
    pub bin: String,
    /// Its name.
    pub name: String,
    /// Another BIN whose certificate may act for this one too, declared to the bank by letter.
    pub acts_with: Option<String>,
    /// Its trade points; none is answered with `-14000002`.
    pub trade_points: Vec<TradePoint>,
}

impl Merchant {
    /// An organisation without trade points.
    #[must_use]
    pub fn new(bin: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            bin: bin.into(),
            name: name.into(),
            acts_with: None,
            trade_points: Vec::new(),
        }
    }

    /// Adds a trade point.
    #[must_use]
    pub fn with_trade_point(mut self, point: TradePoint) -> Self {
        self.trade_points.push(point);
        self
    }

    /// Lets the certificate of another BIN act for this one.
    #[must_use]
    pub fn acting_with(mut self, bin: impl Into<String>) -> Self {
        self.acts_with = Some(bin.into());
        self
    }
}

/// A trade point of an organisation.
#[derive(Clone)]
#[non_exhaustive]
pub struct TradePoint {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Tokens of devices that are registered already.
    pub device_tokens: Vec<String>,
    /// Whether it is switched on; `990000018` otherwise.
    pub enabled: bool,
    /// Whether it takes QR codes; `990000026` otherwise.
    pub accepts_qr: bool,
    /// How customers may pay; none is answered with `990000033`.
    pub payment_methods: Vec<String>,
    /// Whether its purchases may be paid back in part; `-99000020` otherwise.
    pub partial_refund: bool,
}

impl TradePoint {
    /// A trade point that takes everything.
    #[must_use]
    pub fn new(id: i64, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            device_tokens: Vec::new(),
            enabled: true,
            accepts_qr: true,
            payment_methods: ["Gold", "Red", "Loan"].map(str::to_owned).to_vec(),
            partial_refund: true,
        }
    }

    /// Adds the token of a registered device.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.device_tokens.push(token.into());
        self
    }
}

/// Tokens are secrets, also made-up ones: they get used to being printed otherwise.
impl fmt::Debug for TradePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TradePoint")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("device_tokens", &self.device_tokens.len())
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}
