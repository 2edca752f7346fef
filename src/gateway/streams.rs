//! The event streams that are open: how many there may be, and what they all tell, read once for all.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::problem::Problem;
use crate::base::Bin;
use crate::config::GatewayLimits;
use crate::payments::{Error, Event, EventFilter, EventKind, Payments};

/// How often the journal is asked for what other processes have written.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// The latest events are kept, so that streams that are up to date need not ask the journal one by one.
const KEPT: usize = 1024;

/// How many events are read at one time for all, and for one stream that has to catch up.
const READ: usize = 500;
const PAGE: usize = 50;

/// How many streams may read from the journal at one time.
const READERS: usize = 4;

/// When a caller with too many streams may come back.
const COME_BACK: Duration = Duration::from_secs(5);

/// The event streams that are open.
#[derive(Debug)]
pub(super) struct Streams {
    payments: Payments,
    seats: Arc<Seats>,
    /// None while nobody listens.
    latest: Mutex<Option<Latest>>,
    newest: watch::Sender<i64>,
    readers: Semaphore,
    ends: watch::Sender<Ends>,
}

/// Why a stream may have to end: looked at whenever it changes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    /// The gateway stops.
    pub(super) stopping: bool,
    reloads: u64,
}

/// Which events a stream tells. Empty lists mean all.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) bins: Vec<Bin>,
    pub(super) kinds: Vec<EventKind>,
}

/// One event, as all streams tell it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) position: i64,
    bin: Bin,
    kind: EventKind,
    pub(super) frame: Bytes,
}

/// What comes next in one stream.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) told: Vec<Told>,
    /// Up to here nothing else is wanted.
    pub(super) upto: i64,
}

/// One stream's place among those that may be open, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    name: String,
}

impl Streams {
    pub(super) fn new(payments: Payments) -> Self {
        Self {
            payments,
            seats: Arc::default(),
            latest: Mutex::default(),
            newest: watch::Sender::new(0),
            readers: Semaphore::new(READERS),
            ends: watch::Sender::default(),
        }
    }

    /// A place for one more stream of a token.
    pub(super) fn seat(&self, name: &str, limits: &GatewayLimits) -> Result<Seat, Problem> {
        if self.ends.borrow().stopping {
            return Err(Problem::Busy("the gateway stops".to_owned()));
        }
        let most = limits.max_streams.min(limits.max_connections / 2).max(1);
        let mut of_token = self.seats.lock();
        if of_token.values().sum::<usize>() >= most {
            return Err(Problem::Busy(format!("all {most} event streams are taken")));
        }
        let own = of_token.entry(name.to_owned()).or_default();
        if *own >= limits.token_streams {
            return Err(Problem::TooMany {
                limit: format!("token `{name}` has {own} event streams open"),
                wait: COME_BACK,
            });
        }
        *own += 1;
        self.seats.tell(&of_token);
        drop(of_token);
        Ok(Seat {
            seats: Arc::clone(&self.seats),
            name: name.to_owned(),
        })
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.seats.lock().values().sum()
    }

    /// Takes streams in, from now on.
    pub(super) fn let_in(&self) {
        self.ends.send_modify(|ends| ends.stopping = false);
    }

    /// Ends every stream, and takes no further one in.
    pub(super) fn end_all(&self) {
        self.ends.send_modify(|ends| ends.stopping = true);
    }

    /// Lets every stream look whether its token still holds.
    pub(super) fn look_at_tokens(&self) {
        self.ends
            .send_modify(|ends| ends.reloads = ends.reloads.wrapping_add(1));
    }

    /// Changes whenever a stream may have to end.
    pub(super) fn ends(&self) -> watch::Receiver<Ends> {
        self.ends.subscribe()
    }

    /// The place of the last event that is known of.
    pub(super) fn newest(&self) -> watch::Receiver<i64> {
        self.newest.subscribe()
    }

    /// What comes after a place.
    pub(super) async fn after(&self, place: i64, wanted: &Wanted) -> Result<Page, Error> {
        let kept = self
            .latest()
            .as_ref()
            .and_then(|latest| latest.after(place, wanted));
        if let Some(page) = kept {
            return Ok(page);
        }
        // closed by nobody
        let _reader = self.readers.acquire().await;
        let newest = *self.newest.borrow();
        let filter = EventFilter {
            after: place,
            bins: wanted.bins.clone(),
            kinds: wanted.kinds.clone(),
            limit: PAGE,
        };
        let events = self.payments.events(&filter).await?;
        let last = events.last().map_or(place, |event| event.position);
        Ok(Page {
            // all that was known of before the journal was asked is in a page that is not full
            upto: if events.len() < PAGE {
                last.max(newest)
            } else {
                last
            },
            told: events.iter().filter_map(told).collect(),
        })
    }

    /// Reads what happens, as long as anybody listens.
    pub(super) async fn feed(&self) {
        let mut written = self.payments.events_written();
        let mut open = self.seats.open.subscribe();
        let mut failing = false;
        loop {
            if *open.borrow_and_update() == 0 {
                *self.latest() = None;
                if open.wait_for(|open| *open > 0).await.is_err() {
                    return;
                }
            }
            written.borrow_and_update();
            match self.read_on().await {
                Ok(true) => continue,
                Ok(false) => failing = false,
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "event streams stand still: the journal cannot be read");
                    }
                    failing = true;
                }
            }
            // what other processes write is not told here
            let _ = timeout(LOOK, written.changed()).await;
            if failing {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Says whether there may be more.
    async fn read_on(&self) -> Result<bool, Error> {
        let known = self.latest().as_ref().map(|latest| latest.upto);
        let Some(after) = known else {
            let newest = self.payments.newest_event().await?;
            *self.latest() = Some(Latest {
                since: newest,
                upto: newest,
                told: VecDeque::new(),
            });
            self.newest.send_replace(newest);
            return Ok(true);
        };
        let filter = EventFilter {
            after,
            limit: READ,
            ..EventFilter::default()
        };
        let events = self.payments.events(&filter).await?;
        let Some(last) = events.last().map(|event| event.position) else {
            return Ok(false);
        };
        if let Some(latest) = self.latest().as_mut() {
            latest.add(events.iter().filter_map(told), last);
        }
        self.newest.send_replace(last);
        Ok(events.len() >= READ)
    }

    fn latest(&self) -> MutexGuard<'_, Option<Latest>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One event in the words of server-sent events. JSON has no line break outside of its texts, and none
/// inside that is not escaped.
fn told(event: &Event) -> Option<Told> {
    let data = serde_json::to_string(event)
        .inspect_err(|error| tracing::error!(%error, "an event cannot be written as JSON"))
        .ok()?;
    let (position, kind) = (event.position, event.kind());
    Some(Told {
        position,
        bin: event.bin,
        kind,
        frame: Bytes::from(format!("id: {position}\nevent: {kind}\ndata: {data}\n\n")),
    })
}

impl Wanted {
    fn has(&self, told: &Told) -> bool {
        (self.bins.is_empty() || self.bins.contains(&told.bin))
            && (self.kinds.is_empty() || self.kinds.contains(&told.kind))
    }
}

/// All events after one place, up to another.
#[derive(Debug)]
struct Latest {
    since: i64,
    upto: i64,
    told: VecDeque<Told>,
}

impl Latest {
    fn add(&mut self, told: impl Iterator<Item = Told>, upto: i64) {
        for told in told {
            if self.told.len() >= KEPT
                && let Some(first) = self.told.pop_front()
            {
                self.since = first.position;
            }
            self.told.push_back(told);
        }
        self.upto = upto;
    }

    /// None where some of them are not kept any more.
    fn after(&self, place: i64, wanted: &Wanted) -> Option<Page> {
        if place < self.since {
            return None;
        }
        let from = self.told.partition_point(|told| told.position <= place);
        let told: Vec<Told> = self
            .told
            .iter()
            .skip(from)
            .filter(|told| wanted.has(told))
            .take(PAGE)
            .cloned()
            .collect();
        let upto = match told.last() {
            Some(last) if told.len() == PAGE => last.position,
            _ => self.upto.max(place),
        };
        Some(Page { told, upto })
    }
}

/// How many streams each token has.
#[derive(Debug, Default)]
struct Seats {
    of_token: Mutex<HashMap<String, usize>>,
    open: watch::Sender<usize>,
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.of_token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Under the lock, so that an older number never comes after a newer one.
    fn tell(&self, of_token: &HashMap<String, usize>) {
        self.open.send_replace(of_token.values().sum());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut of_token = self.seats.lock();
        if let Some(own) = of_token.get_mut(&self.name) {
            *own -= 1;
            if *own == 0 {
                of_token.remove(&self.name);
            }
        }
        self.seats.tell(&of_token);
    }
}
