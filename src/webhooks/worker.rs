//! Sends what is due, for as long as it is held.
//!
//! Several may work on one journal: each takes what no other has taken. An endpoint that has not taken anything
//! yet, or failed last, has one attempt under way at a time, and all such endpoints together no more than half
//! of the room, so that those that are well go on.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::schedule;
use super::send::{Outcome, send};
use crate::base::{Bin, Clock};
use crate::config::WebhookSpec;
use crate::outbound::Outbound;
use crate::payments::{Attempted, DueDelivery, Payments, Subscription};

/// How many attempts are under way at a time.
const AT_ONCE: usize = 64;
/// How many of one endpoint that took the last one.
const OF_ONE: usize = 4;
/// How many of all other endpoints together.
const OF_OTHERS: usize = AT_ONCE / 2;

/// Between two looks for what is due.
const ROUND: Duration = Duration::from_secs(1);
/// After that, events are looked for though none is known to have come: another process may have begun to make
/// deliveries of them, and died over it.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Between two attempts to write down what came of one.
const WRITE_AGAIN: Duration = Duration::from_millis(500);
/// So long attempts under way are waited for in the end. What is broken off is made again.
const ENDING: Duration = Duration::from_secs(5);
/// The longest pause after a journal that cannot be used.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Who is to be told, and over what; asked anew for every round.
pub trait Receivers: fmt::Debug + Send + Sync {
    /// The endpoints of every BIN.
    fn endpoints(&self) -> Vec<(Bin, Arc<[WebhookSpec]>)>;

    /// The way to them.
    fn outbound(&self) -> Outbound;
}

/// Events are told as long as this is held.
#[derive(Debug)]
pub struct Webhooks {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Webhooks {
    /// Begins. The endpoints of now are taken down before this returns, where the journal can be used: they
    /// are told of what happens from then on.
    pub async fn start(payments: Payments, clock: Arc<dyn Clock>, receivers: Arc<dyn Receivers>) -> Self {
        Self::start_with(payments, clock, receivers, ROUND).await
    }

    /// The same, with another pause between two looks for what is due.
    pub async fn start_with(
        payments: Payments,
        clock: Arc<dyn Clock>,
        receivers: Arc<dyn Receivers>,
        round: Duration,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut worker = Worker {
            payments,
            clock,
            receivers,
            round,
            stopped,
            under_way: JoinSet::new(),
            busy: HashMap::new(),
            well: HashSet::new(),
            enlisted: Vec::new(),
            fanned_to: None,
        };
        let wanted = subscriptions(&worker.receivers.endpoints());
        if !wanted.is_empty() {
            worker.enlist(&wanted).await;
        }
        Self {
            stop,
            task: tokio::spawn(worker.run()),
        }
    }

    /// Ends it, after the attempts under way; those that take long are broken off, and made again later.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // a panic in it has been reported by the runtime
        let _ = self.task.await;
    }
}

/// An endpoint: its BIN and its name.
type Key = (Bin, String);

struct Worker {
    payments: Payments,
    clock: Arc<dyn Clock>,
    receivers: Arc<dyn Receivers>,
    round: Duration,
    stopped: watch::Receiver<bool>,
    under_way: JoinSet<(Key, bool)>,
    /// How many attempts are under way at each endpoint.
    busy: HashMap<Key, usize>,
    /// Those that took what was sent last.
    well: HashSet<Key>,
    /// Those that stand in the journal, as far as is known here.
    enlisted: Vec<Subscription>,
    /// Up to which event there are deliveries, for the endpoints of `enlisted`.
    fanned_to: Option<(i64, Instant)>,
}

impl Worker {
    async fn run(mut self) {
        let mut pause = self.round;
        let mut stopped = self.stopped.clone();
        let mut written = self.payments.events_written();
        while !*stopped.borrow() {
            match self.look().await {
                Ok(()) => pause = self.round,
                Err(error) => {
                    tracing::warn!(%error, ?pause, "no webhook can be sent now; another attempt follows");
                    pause = (pause * 2).clamp(self.round, LONGEST_PAUSE);
                }
            }
            tokio::select! {
                () = sleep(pause) => {}
                // the journal outlives us
                _ = written.changed() => {}
                Some(ended) = self.under_way.join_next() => self.ended(ended.ok()),
                // an error means that nobody holds us any more
                _ = stopped.changed() => break,
            }
        }
        let ended = async { while self.under_way.join_next().await.is_some() {} };
        if timeout(ENDING, ended).await.is_err() {
            tracing::info!("webhooks under way were broken off; they are sent again");
        }
    }

    /// Makes deliveries of new events, and begins to send what is due.
    async fn look(&mut self) -> Result<(), crate::payments::Error> {
        while let Some(ended) = self.under_way.try_join_next() {
            self.ended(ended.ok());
        }
        let endpoints = self.receivers.endpoints();
        let wanted = subscriptions(&endpoints);
        if wanted.is_empty() {
            return Ok(());
        }
        if wanted != self.enlisted {
            self.payments.enlist(&wanted).await?;
            self.enlisted.clone_from(&wanted);
            self.fanned_to = None;
        }
        let latest = self.payments.newest_event().await?;
        let known = self
            .fanned_to
            .is_some_and(|(to, at)| to == latest && at.elapsed() < LOOK_AGAIN);
        if !known {
            while self.payments.fan_out(&wanted).await? {}
            self.fanned_to = Some((latest, Instant::now()));
        }
        for (bin, name) in self.payments.due_endpoints().await? {
            let Some(endpoint) = found(&endpoints, bin, &name) else {
                // not configured here, or not any more
                continue;
            };
            let room = self.room(&(bin, name.clone()));
            if room == 0 {
                continue;
            }
            for due in self.payments.due_deliveries(bin, &name, room).await? {
                self.begin(due, endpoint.clone());
            }
        }
        Ok(())
    }

    async fn enlist(&mut self, wanted: &[Subscription]) {
        match self.payments.enlist(wanted).await {
            Ok(()) => self.enlisted = wanted.to_vec(),
            Err(error) => tracing::warn!(%error, "webhooks begin once the journal can be used"),
        }
    }

    /// How many attempts more may be begun at an endpoint.
    fn room(&self, key: &Key) -> usize {
        let busy = self.busy.get(key).copied().unwrap_or_default();
        let all = AT_ONCE.saturating_sub(self.under_way.len());
        if self.well.contains(key) {
            return OF_ONE.saturating_sub(busy).min(all);
        }
        let others = self.busy.iter().filter(|(key, _)| !self.well.contains(*key));
        let of_others: usize = others.map(|(_, busy)| busy).sum();
        1_usize
            .saturating_sub(busy)
            .min(OF_OTHERS.saturating_sub(of_others))
            .min(all)
    }

    fn begin(&mut self, due: DueDelivery, endpoint: WebhookSpec) {
        let key = (due.delivery.bin, due.delivery.endpoint.clone());
        *self.busy.entry(key.clone()).or_default() += 1;
        let attempt = Attempt {
            payments: self.payments.clone(),
            outbound: self.receivers.outbound(),
            clock: Arc::clone(&self.clock),
            stopped: self.stopped.clone(),
        };
        self.under_way
            .spawn(async move { (key, attempt.make(due, endpoint).await) });
    }

    fn ended(&mut self, ended: Option<(Key, bool)>) {
        // a task that panicked has told so, and keeps its place
        let Some((key, taken)) = ended else { return };
        if let Some(busy) = self.busy.get_mut(&key) {
            *busy = busy.saturating_sub(1);
        }
        self.busy.retain(|_, busy| *busy > 0);
        if taken {
            self.well.insert(key);
        } else {
            self.well.remove(&key);
        }
    }
}

/// One attempt on a task of its own.
struct Attempt {
    payments: Payments,
    outbound: Outbound,
    clock: Arc<dyn Clock>,
    stopped: watch::Receiver<bool>,
}

impl Attempt {
    /// Gives whether the event was taken.
    async fn make(self, due: DueDelivery, endpoint: WebhookSpec) -> bool {
        let delivery = &due.delivery;
        let outcome = match serde_json::to_vec(&due.event) {
            Ok(body) => {
                let now = self.clock.now();
                send(&self.outbound, &endpoint, &delivery.id, body.into(), now).await
            }
            Err(error) => Outcome::unwritten(&error),
        };
        tell(&due, &outcome);
        let attempted = Attempted {
            status: outcome.status,
            failure: outcome.failure.as_ref().map(|failure| failure.kind.to_owned()),
            duration: outcome.duration,
            again: match outcome.is_final() {
                true => None,
                false => schedule::pause(delivery.tries, fastrand::f64()),
            },
        };
        self.note(&due, &attempted).await;
        outcome.failure.is_none()
    }

    /// Writes down what came of it. What cannot be written is sent again once this process is gone.
    async fn note(&self, due: &DueDelivery, attempted: &Attempted) {
        while let Err(error) = self.payments.attempted(&due.delivery, attempted).await {
            let id = &due.delivery.id;
            if *self.stopped.borrow() {
                tracing::warn!(delivery = id, %error, "an attempt could not be written down; it will be made again");
                return;
            }
            tracing::debug!(delivery = id, %error, "an attempt still waits to be written down");
            sleep(WRITE_AGAIN).await;
        }
    }
}

fn tell(due: &DueDelivery, outcome: &Outcome) {
    let delivery = &due.delivery;
    let duration_ms = outcome.duration.as_millis();
    match &outcome.failure {
        None => tracing::debug!(
            bin = %delivery.bin,
            endpoint = delivery.endpoint,
            delivery = delivery.id,
            duration_ms,
            "a webhook was delivered"
        ),
        Some(failure) => tracing::warn!(
            bin = %delivery.bin,
            endpoint = delivery.endpoint,
            delivery = delivery.id,
            attempt = delivery.attempts + 1,
            kind = failure.kind,
            duration_ms,
            "a webhook was not taken: {}",
            failure.message
        ),
    }
}

fn subscriptions(endpoints: &[(Bin, Arc<[WebhookSpec]>)]) -> Vec<Subscription> {
    let all = endpoints
        .iter()
        .flat_map(|(bin, specs)| specs.iter().map(move |spec| (*bin, spec)));
    all.map(|(bin, spec)| Subscription {
        bin,
        endpoint: spec.name.clone(),
        kinds: spec.events.clone(),
    })
    .collect()
}

fn found<'a>(endpoints: &'a [(Bin, Arc<[WebhookSpec]>)], bin: Bin, name: &str) -> Option<&'a WebhookSpec> {
    endpoints
        .iter()
        .find(|(its, _)| *its == bin)?
        .1
        .iter()
        .find(|spec| spec.name == name)
}

#[cfg(test)]
mod tests {
    use crate::config::WEBHOOK_EVENTS;
    use crate::payments::EventKind;

    #[test]
    fn the_settings_know_every_kind_of_event() {
        let kinds: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(WEBHOOK_EVENTS, kinds);
    }
}
