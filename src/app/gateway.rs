//! The gateway over a working set, and its settings as they change.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::App;
use super::surroundings::House;
use crate::base::Explain as _;
use crate::config::{self, Config, Environment, GatewaySettings};
use crate::gateway::{Gateway, GatewayError, Patience};

/// How often it is looked whether `kaspi.toml` or the gateway's certificate have changed.
const LOOK: Duration = Duration::from_secs(2);

impl App {
    /// The gateway over this working set. It listens once it is told to.
    ///
    /// # Errors
    ///
    /// No token is configured where one is needed, or its certificate cannot be used.
    pub fn gateway(&self, patience: Patience) -> Result<Gateway, GatewayError> {
        let surroundings = House {
            transport: Arc::clone(&self.transport),
            clock: Arc::clone(&self.clock),
            config_file: self.config.file.clone(),
            environment: self.environment.clone(),
        };
        let kaspi_host = self.config.kaspi.base_url.host().unwrap_or_default();
        Gateway::new(
            &self.config.gateway,
            kaspi_host,
            self.payments.clone(),
            Arc::new(surroundings),
            patience,
        )
    }

    /// Gives the gateway other tokens and limits, and another certificate, when the files change: as long
    /// as the handle is held. Settings that cannot be used are warned of, and the earlier ones go on.
    #[must_use]
    pub fn follow_gateway_settings(&self, gateway: &Gateway) -> Following {
        let follower = Follower {
            file: self.config.file.clone(),
            environment: self.environment.clone(),
            gateway: gateway.clone(),
            settings: self.config.gateway.clone(),
        };
        Following(tokio::spawn(follower.run()))
    }
}

/// The gateway's settings are followed as long as this is held.
#[derive(Debug)]
pub struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Looks at files and tells the gateway.
struct Follower {
    file: PathBuf,
    environment: Environment,
    gateway: Gateway,
    settings: GatewaySettings,
}

impl Follower {
    async fn run(mut self) {
        let mut seen = self.stamps();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.stamps();
            if now != seen {
                seen = now;
                self.take_up();
            }
        }
    }

    fn take_up(&mut self) {
        let config: Config = match config::load(&self.file, &self.environment) {
            Ok(config) => config,
            Err(error) => {
                tracing::warn!(%error, "the changed configuration is not taken up");
                return;
            }
        };
        match self.gateway.reload(&config.gateway) {
            Ok(()) => {
                tracing::info!(
                    tokens = config.gateway.tokens.len(),
                    "the gateway's settings are taken up"
                );
                self.settings = config.gateway;
            }
            Err(error) => {
                tracing::warn!(%error, hint = error.hint(), "the changed settings of the gateway are not taken up");
            }
        }
    }

    /// What tells one version of the files from the next.
    fn stamps(&self) -> Vec<Option<(u64, i64, i64, u64)>> {
        let tls = self.settings.tls.as_ref();
        let files = [
            Some(&self.file),
            tls.map(|tls| &tls.certificate),
            tls.map(|tls| &tls.key),
            tls.and_then(|tls| tls.client_ca.as_ref()),
        ];
        files
            .into_iter()
            .flatten()
            .map(|file| {
                let facts = std::fs::metadata(file).ok()?;
                Some((facts.ino(), facts.mtime(), facts.mtime_nsec(), facts.len()))
            })
            .collect()
    }
}
