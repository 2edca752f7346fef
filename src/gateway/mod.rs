//! HTTP contracts over `payments`: what a backend calls instead of the PHP wrapper.
//!
//! [`Gateway`] answers; [`Listening`] is a gateway with its sockets. The contracts stand in
//! `docs/gateway.md`. The gateway has no way to Kaspi of its own: every call goes through
//! [`Payments`], and what else it must know of the program it asks of [`Surroundings`].

mod access;
mod admin;
mod backend;
mod books;
mod call;
mod connection;
mod delivery;
mod diagnosis;
mod docs;
mod error;
mod events;
mod hall;
mod health;
mod input;
mod limits;
mod list;
mod listen;
mod metrics;
mod native;
mod notes;
mod old_wrapper;
mod page;
mod problem;
mod reference;
mod schema;
mod service;
mod streams;
mod telling;
mod tls;
mod trace;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

pub use diagnosis::{Diagnosis, DiagnosisStage, OnStage, StageFinding, StageVerdict};
pub use error::GatewayError;
pub use listen::Listening;
pub use reference::http_reference;

use crate::base::{Bin, TradePointId};
use crate::config::{GatewaySettings, ListenFrom};
use crate::payments::Payments;
use crate::registry::status::MerchantStatus;
use hall::Hall;

/// What the gateway has to know that stands in rooms it must not enter.
pub trait Surroundings: fmt::Debug + Send + Sync {
    /// How every configured BIN stands.
    fn merchants(&self) -> Vec<MerchantStatus>;

    /// The BIN of calls that name none.
    fn default_bin(&self) -> Option<Bin>;

    /// Every configured BIN.
    fn bins(&self) -> Vec<Bin>;

    /// Whether a BIN is configured. Asked for every call, so it should cost little.
    fn is_configured(&self, bin: Bin) -> bool;

    /// The trade point that a device token belongs to, if it is one of this merchant's. Compared in
    /// constant time.
    fn device(&self, bin: Bin, token: &str) -> Device;

    /// What has gone over the wire for each BIN.
    fn traffic(&self) -> Vec<Traffic>;

    /// Walks for one BIN from the files to the bank's answer, and tells each stage as it ends. Moves no money.
    fn diagnose<'a>(&'a self, bin: Bin, on_stage: OnStage<'a>) -> Diagnosis<'a>;

    /// Now.
    fn now(&self) -> OffsetDateTime;
}

/// Whose a device token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// None of the merchant's.
    Foreign,
    /// The merchant's, of the trade point that has this number, where it has one.
    Own(Option<TradePointId>),
}

/// What has gone over the wire for one BIN.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Traffic {
    /// The organisation.
    pub bin: Bin,
    /// Handshakes in which certificates were exchanged.
    pub full_handshakes: u64,
    /// Handshakes that resumed an earlier session.
    pub resumed_handshakes: u64,
    /// Connections that are open.
    pub open_connections: u64,
}

impl Traffic {
    /// Nothing yet.
    #[must_use]
    pub fn none(bin: Bin) -> Self {
        Self {
            bin,
            full_handshakes: 0,
            resumed_handshakes: 0,
            open_connections: 0,
        }
    }
}

/// How long a caller may take, and how long a stop waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a request to the end of its head, and of a TLS handshake.
    pub head: Duration,
    /// From there to the end of the body.
    pub body: Duration,
    /// How long an answer may stand still on its way out.
    pub write: Duration,
    /// How long a connection may be idle.
    pub idle: Duration,
    /// How long a stop waits for calls under way. Longer than any attempt at Kaspi may take.
    pub stop: Duration,
    /// How long an event stream says nothing where nothing happens.
    pub heartbeat: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            write: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            stop: Duration::from_secs(330),
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// The gateway: answers calls, wherever they come from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gateway {
    hall: Arc<Hall>,
    service: service::Service,
}

impl Gateway {
    /// A gateway over payments.
    ///
    /// `kaspi_host` is the host of Kaspi's base address: without tokens the gateway works only where
    /// both it and `listen` are this machine.
    ///
    /// # Errors
    ///
    /// No token is configured, and the gateway would stand in front of the bank or before the network;
    /// or its metrics cannot be set up.
    pub fn new(
        settings: &GatewaySettings,
        kaspi_host: &str,
        payments: Payments,
        surroundings: Arc<dyn Surroundings>,
        patience: Patience,
    ) -> Result<Self, GatewayError> {
        guarded(settings, kaspi_host)?;
        let hall = Arc::new(Hall::new(settings, kaspi_host, payments, surroundings, patience)?);
        let service = service::Service::new(&hall);
        Ok(Self { hall, service })
    }

    /// Takes other tokens and limits from now on. Calls under way go on; the addresses, and whether
    /// there are tokens at all, stay as they were.
    ///
    /// # Errors
    ///
    /// The last token was taken away, or the first one was given: that takes a restart.
    pub fn reload(&self, settings: &GatewaySettings) -> Result<(), GatewayError> {
        if settings.tokens.is_empty() != self.hall.door.is_open() {
            return Err(GatewayError::NeedsRestart);
        }
        self.hall.reload(settings)
    }
}

fn guarded(settings: &GatewaySettings, kaspi_host: &str) -> Result<(), GatewayError> {
    if !settings.tokens.is_empty() {
        return Ok(());
    }
    if !access::is_loopback_host(kaspi_host) {
        return Err(GatewayError::TokensWanted {
            kaspi_host: kaspi_host.to_owned(),
        });
    }
    // `--listen` goes before `PORT`: which of the two counts is known once it listens
    if settings.listen_from != ListenFrom::Port && !settings.listen.ip().is_loopback() {
        return Err(GatewayError::OpenToTheNetwork {
            named_by: "`gateway.listen`",
            listen: settings.listen,
        });
    }
    Ok(())
}
