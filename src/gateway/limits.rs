//! How much callers may ask for: calls a second, and calls at one time, by token and by BIN.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::base::Bin;
use crate::config::GatewayLimits;

/// How long a call waits for its turn before it is told to come back.
const TURN: Duration = Duration::from_secs(2);

/// The limits, and who stands where.
#[derive(Debug)]
pub(super) struct Limits {
    token_rate: Option<Rate<String>>,
    bin_rate: Option<Rate<Bin>>,
    by_token: Turns<String>,
    by_bin: Turns<Bin>,
}

/// A call's place among those under way.
#[derive(Debug, Default)]
pub(super) struct Turn {
    _by_token: Option<OwnedSemaphorePermit>,
    _by_bin: Option<OwnedSemaphorePermit>,
}

impl Limits {
    pub(super) fn new(limits: GatewayLimits) -> Self {
        Self {
            token_rate: limits.token_rate.map(Rate::new),
            bin_rate: limits.bin_rate.map(Rate::new),
            by_token: Turns::new(limits.token_concurrency),
            by_bin: Turns::new(limits.bin_concurrency),
        }
    }

    /// Counts a call of a token, before anything else is looked at.
    pub(super) fn count_token(&self, name: &str) -> Result<(), Problem> {
        match &self.token_rate {
            Some(rate) => rate.count(&name.to_owned(), || format!("token `{name}` asks too often")),
            None => Ok(()),
        }
    }

    /// Waits for a turn. The BIN must be a configured one, or there would be no end of BINs.
    pub(super) async fn turn(&self, name: &str, bin: Option<Bin>) -> Result<Turn, Problem> {
        if let (Some(bin), Some(rate)) = (bin, &self.bin_rate) {
            rate.count(&bin, || format!("BIN `{bin}` is asked for too often"))?;
        }
        let by_token = self
            .by_token
            .of(name.to_owned(), || {
                format!("token `{name}` has too many calls under way")
            })
            .await?;
        let by_bin = match bin {
            Some(bin) => Some(
                self.by_bin
                    .of(bin, || format!("BIN `{bin}` has too many calls under way"))
                    .await?,
            ),
            None => None,
        };
        Ok(Turn {
            _by_token: Some(by_token),
            _by_bin: by_bin,
        })
    }
}

#[derive(Debug)]
struct Rate<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, HashMapStateStore<K>, DefaultClock>,
    clock: DefaultClock,
}

impl<K: Hash + Eq + Clone> Rate<K> {
    fn new(a_second: NonZeroU32) -> Self {
        Self {
            limiter: RateLimiter::hashmap(Quota::per_second(a_second)),
            clock: DefaultClock::default(),
        }
    }

    fn count(&self, key: &K, limit: impl FnOnce() -> String) -> Result<(), Problem> {
        self.limiter.check_key(key).map_err(|not_until| Problem::TooMany {
            limit: limit(),
            wait: not_until.wait_time_from(self.clock.now()),
        })
    }
}

#[derive(Debug)]
struct Turns<K> {
    at_once: usize,
    places: Mutex<HashMap<K, Arc<Semaphore>>>,
}

impl<K: Hash + Eq> Turns<K> {
    fn new(at_once: usize) -> Self {
        Self {
            at_once,
            places: Mutex::default(),
        }
    }

    async fn of(&self, key: K, what: impl FnOnce() -> String) -> Result<OwnedSemaphorePermit, Problem> {
        let place = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(
                places
                    .entry(key)
                    .or_insert_with(|| Arc::new(Semaphore::new(self.at_once))),
            )
        };
        match tokio::time::timeout(TURN, place.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Problem::Busy(what())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin() -> Bin {
        Bin::parse("891027350515").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_for_its_turn_and_not_for_ever() {
        let limits = Limits::new(GatewayLimits {
            bin_concurrency: 1,
            ..GatewayLimits::default()
        });
        let first = limits.turn("shop", Some(bin())).await.unwrap();
        let refused = limits.turn("shop", Some(bin())).await.unwrap_err();
        assert_eq!(
            refused.told().text,
            "BIN `891027350515` has too many calls under way: nothing was sent, ask again in a moment"
        );
        assert!(limits.turn("shop", None).await.is_ok());
        let (next, ()) = tokio::join!(limits.turn("shop", Some(bin())), async { drop(first) });
        assert!(next.is_ok());
    }

    #[test]
    fn rates_are_kept_for_each_token() {
        let limits = Limits::new(GatewayLimits {
            token_rate: NonZeroU32::new(2),
            ..GatewayLimits::default()
        });
        assert!(limits.count_token("shop").is_ok() && limits.count_token("shop").is_ok());
        let refused = limits.count_token("shop").unwrap_err().told();
        assert_eq!(refused.status.as_u16(), 429);
        assert!(refused.retry_after.is_some());
        assert!(limits.count_token("office").is_ok());
    }
}
