//! From a configuration file to a working set: the one place that knows every room.

mod canary;
#[cfg(feature = "gateway")]
mod gateway;
pub mod live;
#[cfg(feature = "journal")]
mod notices;
mod serve;
#[cfg(feature = "gateway")]
mod surroundings;
#[cfg(feature = "telemetry")]
mod telemetry;
mod warm;
#[cfg(feature = "journal")]
mod webhooks;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
#[cfg(feature = "journal")]
use std::time::Duration;

use tokio::sync::Mutex;

use crate::api::{Api, ApiSettings, StatusVersion};
use crate::base::{Clock, Explain, Fault, SystemClock};
use crate::config::{self, Config, ConfigError, Environment};
#[cfg(feature = "journal")]
use crate::config::{JournalUrl, WrapperSettings};
use crate::doctor::Doctor;
use crate::identity::IdentityError;
#[cfg(feature = "journal")]
use crate::identity::trust_roots;
#[cfg(feature = "journal")]
use crate::outbound::{Limits, Outbound, Reach};
#[cfg(feature = "journal")]
use crate::payments::{
    Carrier, Error as PaymentsError, Journal, JournalOptions, Keeper, Payments, PaymentsSettings, Store,
};
use crate::registry::{Canary, Rotation, Rotor};
use crate::transport::{Pool, Transport};
#[cfg(feature = "journal")]
use crate::wrapper::Wrapper;
use canary::TradePointsCanary;
#[cfg(feature = "cli")]
pub(crate) use canary::answered;
#[cfg(feature = "gateway")]
pub use gateway::Following;
use live::{LiveError, LiveServer, Window};
pub use serve::{ServeError, Service};
#[cfg(feature = "telemetry")]
pub use telemetry::{Telemetry, TelemetryError};
#[cfg(feature = "cli")]
pub(crate) use webhooks::webhook_outbound;

/// Everything that a program needs to speak for the configured BINs.
#[derive(Debug)]
pub struct App {
    config: Config,
    environment: Environment,
    clock: Arc<dyn Clock>,
    rotor: Arc<Mutex<Rotor<Pool>>>,
    transport: Arc<Transport>,
    api: Api,
    #[cfg(feature = "journal")]
    payments: Payments,
}

/// Why nothing can be served at all. One broken BIN is not among the reasons.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The trusted certificate authorities cannot be used.
    #[error(transparent)]
    Trust(#[from] IdentityError),
    /// The way to the old wrapper cannot be set up.
    #[cfg(feature = "journal")]
    #[error(transparent)]
    Wrapper(#[from] crate::outbound::Error),
}

impl App {
    /// Reads a configuration file and the merchants' folders, and begins to open every identity, on all
    /// cores. Sends nothing. A call opens the identity of its own BIN first, if need be, and so waits for
    /// no other; [`Registry::open_all`](crate::registry::Registry::open_all) waits for all.
    ///
    /// Password and search variables of the environment come from `environment`; take
    /// [`Environment::of_process`] for the process's own.
    ///
    /// # Errors
    ///
    /// The file, or the file of trusted certificate authorities, cannot be used. A broken BIN is no
    /// error: calls for it fail with the reason, and the others are served.
    pub fn open(file: &Path, environment: &Environment) -> Result<Self, OpenError> {
        Self::open_with(file, environment, Arc::new(SystemClock))
    }

    /// The same, with a clock of the caller's.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(
        file: &Path,
        environment: &Environment,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        #[cfg(feature = "journal")]
        return Self::open_patiently(file, environment, clock, PaymentsSettings::default());
        #[cfg(not(feature = "journal"))]
        return Self::opened(file, environment, clock);
    }

    /// The same, with payments of another patience than usual.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    #[cfg(feature = "journal")]
    pub fn open_patiently(
        file: &Path,
        environment: &Environment,
        clock: Arc<dyn Clock>,
        mut settings: PaymentsSettings,
    ) -> Result<Self, OpenError> {
        let mut app = Self::opened(file, environment, clock)?;
        settings.ask_for_invoices |= app.config.gateway.poll_invoices;
        app.payments = app.payments.with(settings);
        Ok(app)
    }

    fn opened(file: &Path, environment: &Environment, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let config = config::load(file, environment)?;
        let folders = config::scan(&config, environment)?;
        let (transport, rotor) = Transport::open(&config, &folders, Arc::clone(&clock))?;
        let transport = Arc::new(transport);
        let api = Api::new(Arc::clone(&transport), api_settings(&config));
        #[cfg(feature = "journal")]
        let payments = {
            let payments = Payments::new(
                api.clone(),
                Arc::clone(&clock),
                journal(&config, Arc::clone(&clock)),
                PaymentsSettings::default(),
            );
            match &config.wrapper {
                Some(settings) => payments.with_carrier(wrapper(settings)?, settings.compare_reads),
                None => payments,
            }
        };
        Ok(Self {
            #[cfg(feature = "journal")]
            payments,
            config,
            environment: environment.clone(),
            clock,
            rotor: Arc::new(Mutex::new(rotor)),
            transport,
            api,
        })
    }

    /// Looks after the merchants' folders from now on: changed certificates, keys, passwords and
    /// descriptions, new folders and removed ones are taken up while calls go on, as long as the
    /// handle is held. Waits for the first rescan; later ones follow by themselves.
    ///
    /// A new certificate is used once Kaspi has answered a harmless call over it for each of its BINs;
    /// until then, and if it is refused, the earlier one goes on (`docs/rotation.md`).
    pub async fn start_rotation(&self) -> Rotation {
        let rotation = self.begin_rotation();
        rotation.started().await;
        rotation
    }

    fn begin_rotation(&self) -> Rotation {
        let (config, environment) = (self.config.clone(), self.environment.clone());
        let canary: Arc<dyn Canary<Pool>> = Arc::new(TradePointsCanary(self.api.clone()));
        Rotation::start(
            Arc::clone(&self.rotor),
            self.config.certs_dir.clone(),
            Arc::new(move || config::scan(&config, &environment)),
            canary,
        )
    }

    /// Tells other processes of this machine what this one serves, as long as the handle is held: through
    /// a unix socket in the configuration's `state_dir`, to processes of this user and of root alone.
    /// `kaspi merchants` and `kaspi cert install` ask there. [`live::ask_for_state`] does too.
    ///
    /// `listen` are addresses on which the program takes calls; they are only told.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// # use kaspi_direct::app::{App, live};
    /// # use kaspi_direct::config::Environment;
    /// # let folder = tempfile::tempdir()?;
    /// # std::fs::create_dir(folder.path().join("certs"))?;
    /// # let file = folder.path().join("kaspi.toml");
    /// # std::fs::write(&file, "[kaspi]\nbase_url = 'https://qrapi-cert-ip.kaspi.kz/r3'\n")?;
    /// use std::sync::Arc;
    ///
    /// let app = App::open(&file, &Environment::of_process())?;
    /// let rotation = Arc::new(app.start_rotation().await);
    /// let _open = app.serve_live_state(&rotation, &[])?;
    ///
    /// let state = live::ask_for_state(&app.config().state_dir).await?;
    /// assert_eq!(state.map(|state| state.process_id), Some(std::process::id()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Another process serves with the same state folder, or the folder cannot be used.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn serve_live_state(
        &self,
        rotation: &Arc<Rotation>,
        listen: &[SocketAddr],
    ) -> Result<LiveServer, LiveError> {
        let window = Window {
            transport: Arc::clone(&self.transport),
            rotation: Arc::clone(rotation),
            config_file: self.config.file.clone(),
            certs_dir: self.config.certs_dir.clone(),
            listen: listen.to_vec(),
            started_at: self.clock.now(),
        };
        LiveServer::start(&self.config.state_dir, window)
    }

    /// The configuration that was read.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Who is configured, and each one's way to Kaspi.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Who finds out what is wrong with a BIN. Reads the files as they are now.
    #[must_use]
    pub fn doctor(&self) -> Doctor {
        Doctor::open(
            Some(&self.config.file),
            &self.environment,
            Arc::clone(&self.clock),
        )
    }

    /// Kaspi's calls.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Opens the journal now, rather than at the first call that moves money: makes it where it is missing,
    /// and settles what processes that have ended left behind.
    ///
    /// # Errors
    ///
    /// It cannot be used. Everything that moves no money goes on without.
    #[cfg(feature = "journal")]
    pub async fn open_journal(&self) -> Result<(), PaymentsError> {
        self.payments.open_journal().await
    }

    /// Looks after the payments of the journal from now on, as long as the handle is held: settles what
    /// dead processes left, asks about unknown outcomes, watches QR and link payments to their end. For
    /// programs that run on.
    #[cfg(feature = "journal")]
    #[must_use]
    pub fn keep_payments(&self) -> Keeper {
        self.payments.keep()
    }

    /// Payments as operations.
    #[cfg(feature = "journal")]
    #[must_use]
    pub fn payments(&self) -> &Payments {
        &self.payments
    }
}

/// The journal of a configuration. Touches nothing.
#[cfg(feature = "journal")]
fn journal(config: &Config, clock: Arc<dyn Clock>) -> Journal {
    /// How long to wait for another program's lock, and for a connection.
    const PATIENCE: Duration = Duration::from_secs(10);
    Journal::new(JournalOptions {
        store: match &config.journal.url {
            JournalUrl::Sqlite(file) => Store::Sqlite(file.clone()),
            JournalUrl::Postgres(url) => Store::Postgres(url.clone()),
        },
        state_dir: config.state_dir.clone(),
        clock,
        patience: PATIENCE,
    })
}

/// The way to the old wrapper.
#[cfg(feature = "journal")]
fn wrapper(settings: &WrapperSettings) -> Result<Arc<dyn Carrier>, OpenError> {
    let trust = trust_roots(&settings.trust)?;
    let outbound = Outbound::new(trust.roots, Limits::default(), Reach::Anywhere)?;
    Ok(Arc::new(Wrapper::new(settings.clone(), outbound)))
}

fn api_settings(config: &Config) -> ApiSettings {
    ApiSettings {
        phone_format: config.kaspi.phone_format,
        status_version: match config.kaspi.status_version {
            config::StatusVersion::V01 => StatusVersion::V01,
            config::StatusVersion::V02 => StatusVersion::V02,
        },
    }
}

impl Explain for OpenError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Config(error) => error.kind(),
            Self::Trust(error) => error.kind(),
            #[cfg(feature = "journal")]
            Self::Wrapper(error) => error.kind(),
        }
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Trust(error) => error.hint(),
            #[cfg(feature = "journal")]
            Self::Wrapper(error) => error.hint(),
        }
    }
}
