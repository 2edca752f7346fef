//! A simulated Kaspi with mutual TLS, for tests in any language and for `kaspi demo`.
//!
//! It answers the calls of scheme r3 over TLS with client certificates from its own two-level
//! authority ([`pki`]), keeps purchases with their life cycles, remembers which certificate made
//! which call, and goes wrong on demand ([`Fault`]). A second, plain port on loopback is the control
//! API: it does what customers, cashiers and time do. `docs/sandbox.md` says what it does *not* do.
//!
//! It shares no type with the rest of the crate: a misspelt field must not be wrong on both sides.
//!
//! ```
//! use kaspi_direct::sandbox::pki::{Authority, KeyKind};
//! use kaspi_direct::sandbox::{Merchant, Options, Sandbox, TradePoint};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), kaspi_direct::sandbox::SandboxError> {
//! let mut options = Options::new(Authority::generate(KeyKind::P256)?);
//! options.merchants.push(
//!     Merchant::new("891027350515", "Flower shop").with_trade_point(TradePoint::new(1, "Flower shop")),
//! );
//! let sandbox = Sandbox::start(options).await?;
//! println!("{}", sandbox.base_url());
//! assert!(sandbox.requests().is_empty());
//! sandbox.shutdown().await;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

mod bank;
mod control;
mod core;
mod error;
mod faults;
mod files;
mod http;
pub mod layout;
mod log;
mod options;
pub mod pki;
mod routes;
mod server;
mod state;
mod tls;
mod wire;

use bank::payment::{Payment, Status, Step};
use bank::{Bank, StepRefusal};
use core::Core;
use pki::Authority;
use state::Writer;
use tls::{TlsConfigs, Wanted};

pub use error::SandboxError;
pub use faults::{Fault, FaultKind};
pub use log::RequestRow;
pub use options::{
    ClientAuth, HttpVersions, Merchant, OpenedLink, OptionNames, Options, TlsVersions, TradePoint,
};

/// A running sandbox. Dropping it ends it at once; [`shutdown`](Self::shutdown) lets it finish.
pub struct Sandbox {
    address: SocketAddr,
    control_address: SocketAddr,
    ca_pem: String,
    core: Arc<Core>,
    permits: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

/// What a customer does to a payment, or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerStep {
    /// Scans the QR code, or opens the link.
    Scan,
    /// Pays.
    Pay,
    /// Refuses.
    Reject,
    /// Lets it go by.
    Expire,
}

/// Why a customer could not do that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CustomerError {
    /// No payment has this id.
    #[error("there is no payment `{payment_id}`")]
    NoSuchPayment {
        /// The id.
        payment_id: i64,
    },
    /// The payment is past that.
    #[error("payment {payment_id} is `{status}`, from which that does not follow")]
    WrongStatus {
        /// The id.
        payment_id: i64,
        /// The payment's status, in Kaspi's words.
        status: String,
    },
}

impl Sandbox {
    /// Starts a sandbox on the present tokio runtime. Both ports answer once this returns.
    ///
    /// Where the options name a folder, its `kaspi.toml` has the address by then.
    ///
    /// # Errors
    ///
    /// An address that cannot be listened on, a control address that is not loopback, certificates
    /// that rustls refuses, or a `kaspi.toml` that cannot be written.
    pub async fn start(options: Options) -> Result<Self, SandboxError> {
        if !options.control.ip().is_loopback() {
            return Err(SandboxError::PublicControl {
                address: options.control,
            });
        }
        let opened_link = match options.opened_link {
            OpenedLink::Wait => Status::Wait,
            OpenedLink::RemotePaymentCreated => Status::RemotePaymentCreated,
        };
        let tls = TlsConfigs::new(Wanted {
            server: server_pair(&options)?,
            authority: &options.authority,
            client_auth: options.client_auth,
            versions: options.tls,
            http: options.http,
        })?;
        let mut bank = Bank::new(options.merchants, opened_link);
        let state = match options.state {
            Some(path) => Some(remember(&mut bank, &path, &options.authority)?),
            None => None,
        };
        let core = Arc::new(Core::new(bank, options.folder, options.option_names, state));

        let (listener, address) = listen(options.listen, "Kaspi").await?;
        let (control, control_address) = listen(options.control, "the control API").await?;
        let permits = Arc::new(Semaphore::new(
            usize::try_from(server::MOST_CONNECTIONS).unwrap_or(1),
        ));
        let (stop, stopped) = watch::channel(false);
        let sandbox = Self {
            address,
            control_address,
            ca_pem: options.authority.chain_pem(),
            core: Arc::clone(&core),
            permits: Arc::clone(&permits),
            stop,
        };
        if let Some(folder) = &core.folder {
            layout::write_base_url(folder, &sandbox.base_url())?;
        }
        let control_permits = Arc::new(Semaphore::new(256));
        tokio::spawn(control::serve(
            control,
            Arc::clone(&core),
            control_permits,
            stopped.clone(),
        ));
        tokio::spawn(server::serve(listener, Arc::new(tls), core, permits, stopped));
        Ok(sandbox)
    }

    /// Where Kaspi listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the control API listens.
    #[must_use]
    pub fn control_address(&self) -> SocketAddr {
        self.control_address
    }

    /// The base address for a client's configuration: `https://127.0.0.1:PORT/r3`.
    #[must_use]
    pub fn base_url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("https://{}/r3", SocketAddr::new(ip, self.address.port()))
    }

    /// Root and intermediate as PEM: whom a client has to trust.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The requests so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRow> {
        self.core.books().log.rows()
    }

    /// The payments so far, in the shape of `GET /payments`.
    #[must_use]
    pub fn payments(&self) -> Vec<Value> {
        self.core.books().bank.payments().map(Payment::row).collect()
    }

    /// Does to a payment what a customer would.
    ///
    /// # Errors
    ///
    /// No such payment, or one that is past that.
    pub fn customer(&self, payment_id: i64, step: CustomerStep) -> Result<(), CustomerError> {
        let step = match step {
            CustomerStep::Scan => Step::Scan,
            CustomerStep::Pay => Step::Pay,
            CustomerStep::Reject => Step::Reject,
            CustomerStep::Expire => Step::Expire,
        };
        match self.core.books().bank.step(payment_id, step) {
            Ok(_) => Ok(()),
            Err(StepRefusal::NoSuchPayment) => Err(CustomerError::NoSuchPayment { payment_id }),
            Err(StepRefusal::WrongStatus(status)) => Err(CustomerError::WrongStatus {
                payment_id,
                status: status.to_owned(),
            }),
        }
    }

    /// Arms a fault. After [`FaultKind::TlsAlert`] idle connections are closed when this returns.
    pub async fn arm(&self, fault: Fault) {
        self.core.arm(fault).await;
    }

    /// Moves the bank's clock forward. Gives false where that would be more than a hundred years.
    pub fn advance_clock(&self, by: Duration) -> bool {
        self.core.books().bank.clock.advance(by)
    }

    /// Ends once the file of [`Options::state`] cannot be written any more: from then on every call
    /// is answered with HTTP 500. Waits for ever where there is no file.
    pub async fn state_lost(&self) -> SandboxError {
        self.core.state_lost().await
    }

    /// Stops listening, lets requests in flight finish (five seconds at most), then ends.
    pub async fn shutdown(self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        self.stop.send_replace(true);
        self.core.connections().drain();
        let all_gone = self.permits.acquire_many(server::MOST_CONNECTIONS);
        // What is left after that ends with the handle.
        let _ = tokio::time::timeout(PATIENCE, all_gone).await;
        if let Some(writer) = self.core.close_state() {
            // A runtime that ends meanwhile ends the wait; the lines are written all the same.
            let _ = tokio::task::spawn_blocking(move || writer.finish()).await;
        }
    }
}

/// Lets the state file go, since connections of its may live on for a moment.
impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.core.close_state());
    }
}

/// Lets the bank go on where the file ends.
fn remember(bank: &mut Bank, path: &Path, authority: &Authority) -> Result<Writer, SandboxError> {
    let [root, _] = authority.anchors();
    let authority = pki::sha256_hex(&root);
    let mut opened = state::open(path, &authority)?;
    bank.restore(std::mem::take(&mut opened.changes));
    let opened = opened.compact(path, &authority, bank.snapshot())?;
    Writer::start(path, opened)
}

/// Addresses only: the books hold tokens and phones.
impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("address", &self.address)
            .field("control_address", &self.control_address)
            .finish_non_exhaustive()
    }
}

fn server_pair(options: &Options) -> Result<pki::Pair, SandboxError> {
    match (&options.server, &options.folder) {
        (Some(issued), _) => Ok((issued.chain(), issued.key())),
        (None, Some(folder)) => layout::server_pair(folder),
        (None, None) => {
            let issued = options.authority.server()?;
            Ok((issued.chain(), issued.key()))
        }
    }
}

async fn listen(
    address: SocketAddr,
    purpose: &'static str,
) -> Result<(TcpListener, SocketAddr), SandboxError> {
    let failed = |source| SandboxError::Listen {
        address,
        purpose,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
