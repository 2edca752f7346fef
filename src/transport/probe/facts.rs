//! What a look at the server found, as data. What it means is for the doctor to say.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;

use super::super::{Alert, TlsVersion};
use crate::config::{KeyExchange, ProxyScheme};
use crate::identity::Facts;

/// What the lookup of a name gave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Lookup {
    /// The name that was looked up, or an address, which needs no lookup.
    pub host: String,
    /// The TCP port that belongs to it.
    pub port: u16,
    /// The proxy whose name it is; Kaspi's own name is then for the proxy to look up.
    pub proxy: Option<ProxyScheme>,
    /// How long it took.
    pub took: Duration,
    /// Every address, in the system's order; never empty.
    pub outcome: Result<Vec<IpAddr>, LookupFailure>,
}

/// Why a name gave no address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookupFailure {
    /// The name servers say that there is no such name, or that it has no address. Holds what the
    /// operating system said.
    NoSuchName(String),
    /// No name server answered, or one asks to try later. Holds what the operating system said.
    NoServer(String),
    /// No answer within the time limit.
    TimedOut(Duration),
    /// Anything else the operating system said.
    Other(String),
}

/// What became of the way to Kaspi's TCP port.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reach {
    /// The proxy, where the way leads through one: scheme, and host with port.
    pub proxy: Option<(ProxyScheme, String)>,
    /// Every address that was tried, in the order of the lookup. All are tried at the same time.
    pub attempts: Vec<Attempt>,
    /// How long it took, the proxy's answer included.
    pub took: Duration,
    /// The address (the proxy's, where there is one) that the connection stands to.
    pub outcome: Result<SocketAddr, ReachFailure>,
}

/// One address that was tried.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The address.
    pub address: SocketAddr,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub end: Result<(), TcpFailure>,
}

/// Why there is no TCP connection to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpFailure {
    /// Nothing listens there, or a filter says so.
    Refused,
    /// There is no route.
    Unreachable(String),
    /// It was reset while it was made.
    Reset,
    /// Nothing came back within the time limit: packets are dropped.
    TimedOut(Duration),
    /// This machine's own rules forbid it.
    Forbidden(String),
    /// Another address had answered, and this one was waited for no longer.
    Late,
    /// Anything else the operating system said.
    Other(String),
}

/// Why there is no way to Kaspi's TCP port.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReachFailure {
    /// No address could be connected to: the failure that tells most. With a proxy, the proxy's address.
    Tcp(TcpFailure),
    /// The proxy was reached, and did not let us through.
    Proxy(ProxyFailure),
}

/// Why a proxy that was reached did not let us through.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyFailure {
    /// It wants credentials, or others: HTTP 407, or SOCKS5's refusal of them.
    Credentials {
        /// Whether any were given to it.
        given: bool,
    },
    /// An HTTP status other than 200 and 407.
    Status(u16),
    /// SOCKS5's reply code (RFC 1928, section 6): 2 is not allowed by its rules.
    Socks(u8),
    /// What it answered is not the protocol that the setting names. Holds how it began.
    NotAProxy(String),
    /// It closed the connection without an answer, or after part of one.
    Closed,
    /// It did not answer within the time limit.
    TimedOut(Duration),
    /// The settings cannot be put into a request, or the operating system failed.
    Other(String),
}

/// One TLS handshake, as far as it came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Handshake {
    /// The name (or address) that the server's certificate had to be for.
    pub server_name: String,
    /// Which key exchange we offered.
    pub key_exchange: KeyExchange,
    /// Length of our hello in bytes; what is much over 1400 does not fit one packet.
    pub hello_bytes: usize,
    /// How long it took.
    pub took: Duration,
    /// What the server's first bytes were.
    pub first: FirstBytes,
    /// The certificates that the server sent, as it sent them; also those that we do not trust.
    /// Empty on a resumed session.
    pub chain: Vec<Facts>,
    /// Why we do not trust them, where we do not.
    pub distrust: Option<Distrust>,
    /// What the server asked of our certificate; `None` where it asked for none.
    pub request: Option<CertificateRequest>,
    /// What was agreed on, or why nothing was.
    pub outcome: Result<Agreed, TlsFailure>,
}

/// What a finished handshake agreed on.
///
/// On TLS 1.3 it proves nothing about our certificate: the server judges that afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreed {
    /// Version of TLS.
    pub version: TlsVersion,
    /// Name of the cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher_suite: String,
    /// Name of the key exchange group, such as `X25519`; none where a session was resumed without.
    pub group: Option<String>,
    /// The protocol agreed on by ALPN, such as `http/1.1`; none where the server takes no part in it.
    pub alpn: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// What came first from the server, before anything was encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FirstBytes {
    /// Nothing came.
    Nothing,
    /// A `ServerHello`, with the version it chose (RFC numbers: 0x0303 is TLS 1.2).
    ServerHello {
        /// The version.
        version: u16,
        /// The cipher suite, by its number in the TLS registry.
        cipher_suite: u16,
    },
    /// An alert.
    Alert(Alert),
    /// Something that is not TLS, with its beginning as text.
    NotTls(String),
    /// TLS, but not enough of it to tell more.
    Fragment,
}

/// Why the server's certificates are not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distrust {
    /// No trusted authority issued them.
    UnknownIssuer,
    /// An authority of a trusted one's name issued them, with another key.
    BadSignature,
    /// They are for other names.
    OtherName {
        /// The names they are for.
        names: Vec<String>,
    },
    /// Expired.
    Expired {
        /// Last moment of validity.
        not_after: OffsetDateTime,
    },
    /// Not valid yet.
    NotYetValid {
        /// First moment of validity.
        not_before: OffsetDateTime,
    },
    /// Not for a server.
    WrongPurpose,
    /// Anything else, in rustls' words.
    Other(String),
}

/// What the server said when it asked for our certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateRequest {
    /// The issuers it names, as distinguished names; at most [`MAX_ISSUERS`](super::MAX_ISSUERS).
    pub issuers: Vec<String>,
    /// How many it names.
    pub listed: usize,
    /// Whether one of them issued a certificate of our chain; `None` where it names none, which means any.
    pub names_ours: Option<bool>,
    /// The signature schemes that it takes.
    pub schemes: Vec<String>,
    /// Whether our key can make one of them.
    pub scheme_fits: bool,
}

/// Why a handshake did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFailure {
    /// They refused us: an alert came.
    TheyRefused(Alert),
    /// We refused the server's certificate; [`Handshake::distrust`] tells why.
    WeDistrust,
    /// We refused something else, in rustls' words.
    WeRefused(String),
    /// The connection ended.
    Ended(Ended),
    /// Nothing more came within the time limit.
    TimedOut(Duration),
}

/// How a connection ended without a word of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Closed in order, but too early.
    Closed,
    /// Reset.
    Reset,
    /// Anything else the operating system said.
    Other(String),
}

impl Handshake {
    /// Whether the server never said a word of TLS: what dropped the hello need not be the server.
    #[must_use]
    pub fn ended_before_server_hello(&self) -> bool {
        self.outcome.is_err() && matches!(self.first, FirstBytes::Nothing | FirstBytes::Fragment)
    }

    /// The authority that the sent chain ends at: the last certificate that the ones before lead to.
    /// `Ok` where it is a root that signs itself; otherwise the name of the issuer that was not sent.
    #[must_use]
    pub fn top_of_chain(&self) -> Option<Result<&Facts, &str>> {
        let mut top = self.chain.first()?;
        for _ in &self.chain {
            if top.subject == top.issuer {
                return Some(Ok(top));
            }
            match self.chain.iter().find(|above| above.subject == top.issuer) {
                Some(above) => top = above,
                None => break,
            }
        }
        Some(Err(&top.issuer))
    }
}

/// One request and what came back.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// Path and query, prefix of the base address included.
    pub path: String,
    /// How long it took.
    pub took: Duration,
    /// Whether the server asked for another handshake on the connection (TLS 1.2 `HelloRequest`),
    /// which is how some servers ask for the certificate only once they know the path.
    pub renegotiation: bool,
    /// The answer, or why there is none.
    pub outcome: Result<Answer, ExchangeFailure>,
}

/// An answer. `Debug` does not show the body.
#[derive(Clone)]
#[non_exhaustive]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Whether it came over HTTP/2.
    pub http2: bool,
    /// The server's clock, from its `Date` header (whole seconds).
    pub date: Option<OffsetDateTime>,
    /// Our own clock when the head of the answer was there.
    pub at: OffsetDateTime,
    /// Its `Server` header, printable part.
    pub server: Option<String>,
    /// Its `Connection` and `Keep-Alive` headers, printable part.
    pub keep_alive: Option<String>,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// Its `Content-Type` header, printable part.
    pub content_type: Option<String>,
    /// What the body looks like.
    pub kind: BodyKind,
    /// The body, as far as it was read: at most [`MAX_BODY_BYTES`](super::MAX_BODY_BYTES).
    pub body: Bytes,
    /// Whether the body was read to its end.
    pub whole: bool,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("http2", &self.http2)
            .field("date", &self.date)
            .field("server", &self.server)
            .field("kind", &self.kind)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What a body begins like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyKind {
    /// There is none.
    Empty,
    /// `{` or `[`: Kaspi's envelope is a JSON object.
    Json,
    /// `<`: a page for people.
    Html,
    /// Anything else.
    Other,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExchangeFailure {
    /// They refused us: an alert came instead of an answer. On TLS 1.3 that is where a server says
    /// what it thinks of our certificate.
    TheyRefused(Alert),
    /// We refused what came over TLS, in rustls' words.
    WeRefused(String),
    /// The server asked for our certificate after the handshake (TLS 1.3), which we do not do.
    AskedLate,
    /// The connection ended.
    Ended(Ended),
    /// No answer within the time limit.
    TimedOut(Duration),
    /// What came is not HTTP. Holds why.
    NotHttp(String),
}

/// Whether the server keeps connections and sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// It does: a second request was answered on it, or the session was resumed.
    Yes,
    /// It does not.
    No,
    /// Not tried, or the try failed for another reason.
    Unknown,
}

/// What further connections showed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SecondLook {
    /// Why it was taken.
    pub reason: SecondLookReason,
    /// The handshake, where a connection could be made.
    pub handshake: Option<Handshake>,
    /// The request on it, where one was made.
    pub exchange: Option<Exchange>,
}

/// Why a further connection was made, otherwise than configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecondLookReason {
    /// With this key exchange instead of the configured one.
    KeyExchange(KeyExchange),
    /// With TLS 1.2 alone, since over TLS 1.3 the server asked for no certificate.
    Tls12,
}

/// What a server that refused our hello agrees to when it is offered what we do not speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outdated {
    /// This version, though it was offered TLS 1.2 (0x0300 is SSL 3.0, 0x0301 TLS 1.0, 0x0302 TLS 1.1).
    Version(u16),
    /// TLS 1.2, with this cipher suite of old (number in the TLS registry).
    CipherSuite(u16),
    /// To nothing, or nothing could be learnt.
    Unknown,
}

impl Outdated {
    /// The cipher suite's name in the TLS registry, where it is one.
    #[must_use]
    pub fn cipher_suite(self) -> Option<&'static str> {
        match self {
            Self::CipherSuite(suite) => super::old::suite_name(suite),
            _ => None,
        }
    }
}
