//! A careful look at the server with one identity: what it is, and what it says to us.
//!
//! Calls go through pools, which hide the steps of a connection; the doctor wants each by itself. The
//! steps here use the same name lookup, proxy, TLS policy and time limits as calls do, and remember
//! beside them what a call forgets. They judge nothing, and they believe no one whom a call would not.

mod facts;

pub use facts::{
    Agreed, Answer, Attempt, BodyKind, CertificateRequest, Distrust, Ended, Exchange, ExchangeFailure,
    FirstBytes, Handshake, Kept, Lookup, LookupFailure, OldVersion, ProxyFailure, Reach, ReachFailure,
    SecondLook, SecondLookReason, TcpFailure, TlsFailure,
};

/// The most of an answer's body that is kept, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The most issuers of a server's list that are kept.
pub const MAX_ISSUERS: usize = 100;

// The steps (signatures, being built):
//
// Probe::new(settings: &KaspiSettings, roots: Arc<RootCertStore>, clock: Arc<dyn Clock>) -> Probe
// probe.look_up().await -> Lookup
// probe.reach(&Lookup).await -> (Reach, Option<Reached>)             // TCP, or through the proxy
// probe.shake_hands(Reached, &Identity).await -> (Handshake, Option<Session>)   // on that connection
// probe.second_look(&Handshake, &Identity).await -> Option<SecondLook>    // hybrid -> classic, 1.3 unasked -> 1.2
// probe.old_version().await -> OldVersion                              // where protocol_version was refused
// session.get("/v01/health/ping").await -> Exchange                    // twice for keep-alive
// probe.keeps(&mut Session, &Identity) -> (keep_alive: Kept, resumption: Kept)
