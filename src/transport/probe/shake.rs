//! The third step: TLS, on the connection that is there.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion};
use tokio::time::{Instant, timeout};
use tower_service::Service;

use super::facts::{Agreed, Distrust, Ended, FirstBytes, Handshake, TlsFailure};
use super::reach::{Reached, host};
use super::records;
use super::tap::{Tap, Tape};
use super::witness::Witness;
use crate::config::{KaspiSettings, KeyExchange};
use crate::transport::TlsVersion;
use crate::transport::classify;
use crate::transport::connect::Established;

/// What hyper-rustls makes of a connection.
pub(super) type Stream = MaybeHttpsStream<TokioIo<Tap>>;

/// A finished handshake, on which nothing has been asked yet.
pub(super) struct Shaken {
    pub(super) stream: Stream,
    pub(super) tape: Tape,
    pub(super) offer: Offer,
}

impl fmt::Debug for Shaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shaken").finish_non_exhaustive()
    }
}

/// What we offer in a handshake, and who remembers what comes of it.
#[derive(Clone)]
pub(super) struct Offer {
    pub(super) tls: Arc<ClientConfig>,
    pub(super) key_exchange: KeyExchange,
    pub(super) witness: Arc<Witness>,
}

pub(super) async fn shake_hands(
    settings: &KaspiSettings,
    reached: Reached,
    offer: Offer,
) -> (Handshake, Option<Shaken>) {
    let Reached { io, tape } = reached;
    let limit = settings.timeouts.tls;
    let started = Instant::now();
    let ended = timeout(limit, secure(io, settings.base_url.clone(), &offer.tls)).await;
    let took = started.elapsed();

    let seen = offer.witness.take();
    let (outcome, stream) = match ended {
        Err(_) => (Err(TlsFailure::TimedOut(limit)), None),
        Ok(Err(error)) => (Err(failure(error.as_ref(), &tape, seen.distrust.as_ref())), None),
        Ok(Ok(stream)) => (agreed(&stream), Some(stream)),
    };
    let (first, hello_bytes) = {
        let tape = tape.lock();
        (records::first(&tape.head), tape.opening_bytes)
    };
    let facts = Handshake {
        server_name: host(&settings.base_url).to_owned(),
        key_exchange: offer.key_exchange,
        hello_bytes,
        took,
        first,
        chain: seen.chain,
        distrust: seen.distrust,
        request: seen.request,
        outcome,
    };
    let shaken = stream
        .filter(|_| facts.outcome.is_ok())
        .map(|stream| Shaken { stream, tape, offer });
    (facts, shaken)
}

async fn secure(
    io: TokioIo<Tap>,
    to: Uri,
    tls: &Arc<ClientConfig>,
) -> Result<Stream, Box<dyn StdError + Send + Sync>> {
    HttpsConnector::from((Established(Some(io)), Arc::clone(tls)))
        .call(to)
        .await
}

fn agreed(stream: &Stream) -> Result<Agreed, TlsFailure> {
    let MaybeHttpsStream::Https(tls) = stream else {
        return Err(TlsFailure::WeRefused("the address is not https".to_owned()));
    };
    let (_, session) = tls.inner().get_ref();
    Ok(Agreed {
        version: match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => TlsVersion::V1_3,
            _ => TlsVersion::V1_2,
        },
        cipher_suite: session
            .negotiated_cipher_suite()
            .map(|suite| format!("{:?}", suite.suite()))
            .unwrap_or_default(),
        group: session
            .negotiated_key_exchange_group()
            .map(|group| format!("{:?}", group.name())),
        alpn: session.alpn_protocol().map(records::printable),
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
    })
}

fn failure(error: &(dyn StdError + 'static), tape: &Tape, distrust: Option<&Distrust>) -> TlsFailure {
    if let Some(alert) = classify::received_alert(error) {
        return TlsFailure::TheyRefused(alert);
    }
    match classify::local_refusal(error) {
        Some(rustls::Error::InvalidCertificate(_)) if distrust.is_some() => TlsFailure::WeDistrust,
        Some(local) => TlsFailure::WeRefused(local.to_string()),
        None => {
            let tape = tape.lock();
            // our own writing may have met the closed door first
            match records::first(&tape.head) {
                FirstBytes::Alert(alert) => TlsFailure::TheyRefused(alert),
                _ => TlsFailure::Ended(tape.ended.clone().unwrap_or_else(|| ended(error))),
            }
        }
    }
}

fn ended(error: &(dyn StdError + 'static)) -> Ended {
    classify::io_error(error).map_or_else(|| Ended::Other(error.to_string()), Ended::of)
}

/// A time limit that more than one step falls under.
pub(super) fn remaining(since: Instant, limit: Duration) -> Duration {
    limit.saturating_sub(since.elapsed())
}
