//! From a configuration file to a working set: the one place that knows every room.

mod canary;
pub mod live;
mod serve;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::api::{Api, ApiSettings, StatusVersion};
use crate::base::{Clock, Explain, Fault, SystemClock};
use crate::config::{self, Config, ConfigError, Environment};
use crate::identity::IdentityError;
#[cfg(feature = "journal")]
use crate::payments::Payments;
use crate::registry::{Canary, Rotation, Rotor};
use crate::transport::{Pool, Transport};
use canary::TradePointsCanary;
use live::{LiveError, LiveServer, Window};
pub use serve::{ServeError, Service};

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
        let config = config::load(file, environment)?;
        let folders = config::scan(&config, environment)?;
        let (transport, rotor) = Transport::open(&config, &folders, Arc::clone(&clock))?;
        let transport = Arc::new(transport);
        let api = Api::new(Arc::clone(&transport), api_settings(&config));
        Ok(Self {
            #[cfg(feature = "journal")]
            payments: Payments::new(api.clone(), Arc::clone(&clock)),
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

    /// Kaspi's calls.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Payments as operations.
    #[cfg(feature = "journal")]
    #[must_use]
    pub fn payments(&self) -> &Payments {
        &self.payments
    }
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
        }
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Trust(error) => error.hint(),
        }
    }
}
