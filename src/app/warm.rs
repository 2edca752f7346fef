//! Connections kept ready, so that a call does not begin with a handshake.
//!
//! Calls never wait for this: it makes harmless calls of its own, which leave their connections behind.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::App;
use crate::api::Api;
use crate::base::{Bin, Explain as _, chain_text};
use crate::transport::{Channel, Transport};

/// How often it is looked for generations whose turn it is. Looking asks nobody.
const LOOK: Duration = Duration::from_millis(500);

/// How many connections are made at a time.
const AT_ONCE: usize = 8;

/// Below this `idle_timeout`, a connection would be kept only by asking every second.
const SHORTEST_IDLE: Duration = Duration::from_secs(4);

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Connections are kept ready as long as this is held.
#[derive(Debug)]
pub(super) struct Warmth(JoinHandle<()>);

impl Drop for Warmth {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl App {
    /// Keeps a connection ready for each generation that serves, unless `warm = false`.
    pub(super) fn keep_warm(&self) -> Option<Warmth> {
        let settings = &self.config.kaspi;
        if !settings.warm || settings.idle_timeout < SHORTEST_IDLE {
            return None;
        }
        let stoker = Stoker {
            api: self.api.clone(),
            transport: Arc::clone(&self.transport),
            // before the pool lets go of a connection, with time for a slow answer
            rest: settings.idle_timeout.mul_f64(0.75),
            fires: HashMap::new(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
            asking: JoinSet::new(),
        };
        Some(Warmth(tokio::spawn(stoker.run())))
    }
}

/// One generation: whose identity it is, and its number.
type Key = (Bin, u64);

/// What is known of one generation's connections.
#[derive(Debug, Default)]
struct Fire {
    asked: Option<Instant>,
    asking: bool,
    failures: u32,
}

struct Stoker {
    api: Api,
    transport: Arc<Transport>,
    rest: Duration,
    fires: HashMap<Key, Fire>,
    room: Arc<Semaphore>,
    /// Ended with the task that holds it.
    asking: JoinSet<(Key, Result<(), String>)>,
}

impl Stoker {
    async fn run(mut self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => self.see(),
                Some(asked) = self.asking.join_next() => {
                    if let Ok((key, answer)) = asked {
                        self.note(key, answer);
                    }
                }
            }
        }
    }

    /// Asks over every generation whose turn it is.
    fn see(&mut self) {
        let ways = self.transport.direct_ways();
        // generations that have gone take their pools with them
        let there: HashSet<Key> = ways.iter().map(Channel::generation_key).collect();
        self.fires.retain(|key, fire| fire.asking || there.contains(key));
        let now = Instant::now();
        for way in ways {
            let key = way.generation_key();
            let fire = self.fires.entry(key).or_default();
            let last = fire.asked.max(way.last_answer());
            if fire.asking || last.is_some_and(|last| now < last + pause(self.rest, fire.failures)) {
                continue;
            }
            fire.asked = Some(now);
            fire.asking = true;
            let (api, room, bin) = (self.api.clone(), Arc::clone(&self.room), way.bin());
            self.asking.spawn(async move {
                let _place = room.acquire().await;
                (key, ask(&api, bin).await)
            });
        }
    }

    fn note(&mut self, key: Key, answer: Result<(), String>) {
        let Some(fire) = self.fires.get_mut(&key) else {
            return;
        };
        fire.asking = false;
        if !fire.is_news(answer.is_ok()) {
            return;
        }
        let (identity, generation) = key;
        match answer {
            Ok(()) => tracing::info!(%identity, generation, "a connection is kept ready again"),
            Err(problem) => tracing::warn!(
                %identity,
                generation,
                "no connection can be kept ready, attempts go on: {problem}"
            ),
        }
    }
}

impl Fire {
    /// Takes note of an attempt. True where it ended otherwise than the one before; a good start is none.
    fn is_news(&mut self, worked: bool) -> bool {
        let before = self.failures;
        self.failures = if worked { 0 } else { before.saturating_add(1) };
        (before == 0) != worked
    }
}

/// The harmless call of the bank, `health/ping`, over what serves the BIN by now.
async fn ask(api: &Api, bin: Bin) -> Result<(), String> {
    let answered = match api.session(Some(bin)) {
        Ok(session) => session.ping().await,
        // retired meanwhile
        Err(_) => return Ok(()),
    };
    answered.map_err(|error| {
        let hint = error.hint().map(|hint| format!(" (hint: {hint})"));
        format!("{}{}", chain_text(&error), hint.unwrap_or_default())
    })
}

/// Between two calls of ours over one generation; twice as long after each failure.
fn pause(rest: Duration, failures: u32) -> Duration {
    let doubled = rest.saturating_mul(2_u32.saturating_pow(failures.min(10)));
    if failures == 0 {
        rest
    } else {
        doubled.min(LONGEST_PAUSE).max(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_and_so_is_its_end() {
        let mut fire = Fire::default();
        let told: Vec<bool> = [true, false, false, false, true, true, false]
            .into_iter()
            .map(|worked| fire.is_news(worked))
            .collect();
        assert_eq!(told, [false, true, false, false, true, false, true]);
    }

    #[test]
    fn pauses_grow_with_failures_and_never_fall_below_the_usual_one() {
        let rest = Duration::from_secs(37);
        let pauses: Vec<u64> = (0..6).map(|failures| pause(rest, failures).as_secs()).collect();
        assert_eq!(pauses, [37, 74, 148, 296, 300, 300]);
        assert_eq!(pause(Duration::from_secs(450), 3).as_secs(), 450);
        assert_eq!(pause(rest, u32::MAX), LONGEST_PAUSE);
    }
}
