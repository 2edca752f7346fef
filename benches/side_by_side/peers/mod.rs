//! Who makes the calls. Each peer is a process that makes rounds when it is told to.

mod bare;
mod ours;
mod outside;
mod store;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::child::{Child, Core};
use crate::load::{Round, Sample};

pub(crate) use bare::{Shared as BareShared, call as call_bare, client as bare_client};
pub(crate) use ours::create as create_ours;

/// A peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// hyper-util and hyper-rustls with one `ClientConfig`: as little as a call can be.
    Bare,
    /// `transport`: a request that is there already, an answer that is not looked into.
    Transport,
    /// `api`: a typed call, the answer read.
    Api,
    /// `payments`: an operation, written down in SQLite before it is sent and after.
    Payments,
    /// The same, written down in PostgreSQL.
    PaymentsPostgres,
    /// The gateway, asked over HTTP, with its journal in SQLite.
    GatewaySqlite,
    /// The gateway, asked over HTTP, with its journal in PostgreSQL.
    GatewayPostgres,
    /// SQLite alone: as many durable commits as an operation makes.
    StoreSqlite,
    /// PostgreSQL alone: as many durable commits as an operation makes.
    StorePostgres,
    /// reqwest, one client kept.
    Reqwest,
    /// reqwest, a client for each call.
    ReqwestEach,
    /// A `curl` process for each call.
    Curl,
    /// PHP behind its own server: a curl handle and an encrypted key for each call.
    Php,
    /// Python's httpx, one client kept.
    Httpx,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare hyper",
            Self::Transport => "ours: transport",
            Self::Api => "ours: api",
            Self::Payments => "ours: payments, SQLite",
            Self::PaymentsPostgres => "ours: payments, PostgreSQL",
            Self::GatewaySqlite => "ours: gateway, SQLite",
            Self::GatewayPostgres => "ours: gateway, PostgreSQL",
            Self::StoreSqlite => "SQLite alone",
            Self::StorePostgres => "PostgreSQL alone",
            Self::Reqwest => "reqwest",
            Self::ReqwestEach => "reqwest, a client each",
            Self::Curl => "curl, a process each",
            Self::Php => "PHP curl, a handle each",
            Self::Httpx => "Python httpx",
        }
    }
}

/// What a peer is to call, and as whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) kind: Kind,
    /// Where the files of `World` are.
    pub(crate) folder: PathBuf,
    /// `kaspi.toml`, for ours; for a store alone, the file that it may make or its URL.
    pub(crate) config: PathBuf,
    /// Of the server, or of the way to it.
    pub(crate) port: u16,
    pub(crate) use_of_bins: Use,
}

/// Which BINs of the configuration a peer of ours calls for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Use {
    /// The first, always.
    First,
    /// Each task the next one: as many connections as tasks, however many BINs there are.
    OneEach,
    /// Any of them, by Zipf's law: the n-th as often as 1/n.
    Zipf,
}

/// A peer that waits to be told.
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    child: Child,
    /// The gateway that the child asks.
    _gateway: Option<Child>,
    /// PHP's server, which the child calls.
    _beside: Option<outside::Beside>,
}

impl Peer {
    /// Starts one; the reason where this machine cannot.
    pub(crate) fn start(job: &Job) -> Result<Self, String> {
        let kind = job.kind;
        let (mut beside, mut gateway) = (None, None);
        let child = match kind {
            Kind::Reqwest | Kind::ReqwestEach => outside::reqwest(job)?,
            Kind::Httpx => outside::httpx(job)?,
            Kind::Php => {
                let php = outside::php_server(job)?;
                let mut job = job.clone();
                job.port = php.port;
                beside = Some(php);
                Child::role("peer", &job, Core::Peers).0
            }
            Kind::GatewaySqlite | Kind::GatewayPostgres => {
                let (serving, ready) = Child::role("gateway", &job.config, Core::Peers);
                let mut job = job.clone();
                job.port = ready["port"].as_u64().unwrap() as u16;
                gateway = Some(serving);
                Child::role("peer", &job, Core::Peers).0
            }
            Kind::Curl if !crate::child::has("curl") => return Err("`curl` is not installed".to_owned()),
            _ => Child::role("peer", job, Core::Peers).0,
        };
        Ok(Self {
            kind,
            child,
            _gateway: gateway,
            _beside: beside,
        })
    }

    pub(crate) fn round(&mut self, round: Round) -> Sample {
        let sample: Sample = self.child.ask(&round);
        if let Some(why) = sample.why.as_deref().filter(|_| sample.failed > 0) {
            panic!(
                "{}: {} calls failed, first: {why}",
                self.kind.name(),
                sample.failed
            );
        }
        sample
    }
}

/// The life of a peer in its own process.
pub(crate) async fn run(job: Job) {
    match job.kind {
        Kind::Bare => bare::run(job).await,
        Kind::Transport | Kind::Api | Kind::Payments | Kind::PaymentsPostgres => ours::run(job).await,
        Kind::StoreSqlite | Kind::StorePostgres => store::run(job).await,
        Kind::Php | Kind::Curl | Kind::GatewaySqlite | Kind::GatewayPostgres => outside::run(job).await,
        Kind::Reqwest | Kind::ReqwestEach | Kind::Httpx => {
            panic!("{} is a program of its own", job.kind.name())
        }
    }
}
