//! Webhooks over a working set: whose they are, and their settings as they change.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::task::JoinHandle;

use super::{App, OpenError};
use crate::base::Bin;
use crate::config::{self, Environment, WebhookSpec, WebhooksSettings};
use crate::identity::trust_roots;
use crate::outbound::{Limits, Outbound, Reach};
use crate::transport::Transport;
use crate::webhooks::{ANSWER, Receivers, Webhooks};

/// How often it is looked whether `kaspi.toml` has changed.
const LOOK: Duration = Duration::from_secs(2);

/// Events are told to the merchants' own systems as long as this is held.
#[derive(Debug)]
pub(super) struct Telling {
    webhooks: Webhooks,
    following: JoinHandle<()>,
}

impl Telling {
    /// Ends it, after the attempts under way.
    pub(super) async fn stop(self) {
        self.following.abort();
        self.webhooks.stop().await;
    }
}

impl App {
    /// Tells the merchants' own systems of events from now on (`[[webhook]]` in `merchant.toml`). Changed
    /// settings are taken up, those of the folders with the folders.
    pub(super) async fn tell_events(&self) -> Result<Telling, OpenError> {
        let outbound = Arc::new(ArcSwap::from_pointee(webhook_outbound(&self.config.webhooks)?));
        let directory = Directory {
            transport: Arc::clone(&self.transport),
            outbound: Arc::clone(&outbound),
        };
        let follower = Follower {
            file: self.config.file.clone(),
            environment: self.environment.clone(),
            outbound,
        };
        let webhooks = Webhooks::start(
            self.payments.clone(),
            Arc::clone(&self.clock),
            Arc::new(directory),
        );
        Ok(Telling {
            webhooks: webhooks.await,
            following: tokio::spawn(follower.run()),
        })
    }
}

/// The way to receivers of webhooks, as the settings have it.
///
/// # Errors
///
/// The file of further certificate authorities cannot be used.
pub(crate) fn webhook_outbound(settings: &WebhooksSettings) -> Result<Outbound, OpenError> {
    let limits = Limits {
        connect: settings.timeout.min(Limits::default().connect),
        total: settings.timeout,
        answer: ANSWER,
    };
    let reach = Reach::PublicAnd(settings.allow_private.clone().into());
    Ok(Outbound::new(trust_roots(&settings.trust)?.roots, limits, reach)?)
}

/// The merchants of a working set, as webhooks see them.
struct Directory {
    transport: Arc<Transport>,
    outbound: Arc<ArcSwap<Outbound>>,
}

impl Receivers for Directory {
    fn endpoints(&self) -> Vec<(Bin, Arc<[WebhookSpec]>)> {
        let merchants = self.transport.registry().merchants();
        merchants
            .into_iter()
            .filter(|merchant| !merchant.webhooks.is_empty())
            .map(|merchant| (merchant.bin, Arc::clone(&merchant.webhooks)))
            .collect()
    }

    fn outbound(&self) -> Outbound {
        Outbound::clone(&self.outbound.load())
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

/// Looks at `kaspi.toml`, and takes up what `[webhooks]` says.
struct Follower {
    file: PathBuf,
    environment: Environment,
    outbound: Arc<ArcSwap<Outbound>>,
}

impl Follower {
    async fn run(self) {
        let mut seen = self.stamp();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.stamp();
            if now != seen {
                seen = now;
                self.take_up();
            }
        }
    }

    fn take_up(&self) {
        // what is wrong with the file has been told by whoever follows the gateway's settings
        let Ok(config) = config::load(&self.file, &self.environment) else {
            return;
        };
        match webhook_outbound(&config.webhooks) {
            Ok(outbound) => self.outbound.store(Arc::new(outbound)),
            Err(error) => {
                tracing::warn!(%error, "the changed settings of `[webhooks]` are not taken up");
            }
        }
    }

    fn stamp(&self) -> Option<(u64, SystemTime)> {
        let facts = std::fs::metadata(&self.file).ok()?;
        Some((facts.len(), facts.modified().ok()?))
    }
}
