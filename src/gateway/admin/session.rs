//! Who is logged in: sessions in memory, each bound to a token as the configuration has it now.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use governor::clock::DefaultClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use http::{HeaderMap, header};
use tokio::time::Instant;

use crate::gateway::access::{Door, Visitor, sha256};
use crate::gateway::problem::Problem;

/// A session that nobody uses ends.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// A session ends, however much it is used.
const LIFE: Duration = Duration::from_secs(12 * 60 * 60);
/// More people than ever look at one gateway; one more pushes out whoever has been away longest.
const MOST: usize = 256;
/// Logins a minute, of everybody together.
const LOGINS: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);

/// The cookie's name. The longer one is for HTTPS: a browser takes it from nowhere else.
const NAME: &str = "kaspi_admin";
const SECURE_NAME: &str = "__Secure-kaspi_admin";

/// The sessions.
pub(in crate::gateway) struct Sessions {
    /// By the hash of their id: whoever reads the memory cannot log in with it.
    open: Mutex<HashMap<[u8; 32], Session>>,
    logins: RateLimiter<NotKeyed, InMemoryState, DefaultClock>,
}

struct Session {
    /// The hash of the token; none where the gateway has no tokens.
    token: Option<[u8; 32]>,
    proof: String,
    began: Instant,
    used: Instant,
}

/// A session that stands.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) visitor: Visitor,
    pub(super) proof: String,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            open: Mutex::default(),
            logins: RateLimiter::direct(Quota::per_minute(LOGINS)),
        }
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions")
            .field("open", &self.open().len())
            .finish_non_exhaustive()
    }
}

impl Sessions {
    /// Counts a try to log in.
    pub(super) fn count_login(&self) -> Result<(), Problem> {
        self.logins.check().map_err(|not_until| Problem::TooMany {
            limit: "there are too many logins".to_owned(),
            wait: not_until.wait_time_from(governor::clock::Clock::now(&DefaultClock::default())),
        })
    }

    /// Begins a session: gives its id, which is told to the browser alone.
    pub(super) fn begin(&self, token: Option<[u8; 32]>) -> Result<String, Problem> {
        let (id, proof) = (random()?, random()?);
        let now = Instant::now();
        let mut open = self.open();
        open.retain(|_, session| session.lives(now));
        if open.len() >= MOST {
            let oldest = open.iter().min_by_key(|(_, session)| session.used);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                open.remove(&oldest);
            }
        }
        open.insert(
            sha256(id.as_bytes()),
            Session {
                token,
                proof,
                began: now,
                used: now,
            },
        );
        Ok(id)
    }

    /// The session of a request. One whose token is gone, or whose time is over, ends here.
    pub(super) fn standing(&self, headers: &HeaderMap, door: &Door) -> Option<Standing> {
        let id = sha256(cookie(headers)?.as_bytes());
        let now = Instant::now();
        let mut open = self.open();
        let session = open.get_mut(&id)?;
        let visitor = match session.token {
            None => door.is_open().then_some(Visitor::Anybody),
            Some(hash) => door.of_hash(&hash).map(Visitor::Known),
        };
        let visitor = visitor
            .filter(|_| session.lives(now))
            .filter(|visitor| visitor.may(crate::config::Verb::Admin));
        let Some(visitor) = visitor else {
            open.remove(&id);
            return None;
        };
        session.used = now;
        Some(Standing {
            visitor,
            proof: session.proof.clone(),
        })
    }

    /// Ends the session of a request.
    pub(super) fn end(&self, headers: &HeaderMap) {
        if let Some(id) = cookie(headers) {
            self.open().remove(&sha256(id.as_bytes()));
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn lives(&self, now: Instant) -> bool {
        now.duration_since(self.used) < IDLE && now.duration_since(self.began) < LIFE
    }
}

/// `Set-Cookie` for a session, or, with an empty id, for its end.
pub(super) fn set_cookie(id: &str, secure: bool) -> String {
    let (name, secure) = if secure {
        (SECURE_NAME, "; Secure")
    } else {
        (NAME, "")
    };
    let end = if id.is_empty() { "; Max-Age=0" } else { "" };
    format!("{name}={id}; Path=/admin; HttpOnly; SameSite=Strict{secure}{end}")
}

/// The value of a cookie of a request.
pub(super) fn cookie_named<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(given, value)| (given == name).then_some(value))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    cookie_named(headers, SECURE_NAME).or_else(|| cookie_named(headers, NAME))
}

/// 256 bits from the system.
pub(super) fn random() -> Result<String, Problem> {
    let mut bytes = [0; 32];
    rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| Problem::Busy("this machine gives no random numbers".to_owned()))?;
    Ok(HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn browser(id: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let cookies = HeaderValue::from_str(&format!("other=1; {NAME}={id}")).unwrap();
        headers.insert(header::COOKIE, cookies);
        headers
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_it_is_idle_and_after_half_a_day() {
        let (sessions, door) = (Sessions::default(), Door::new(&[]));
        let id = sessions.begin(None).unwrap();
        assert_eq!(id.len(), 64);
        for _ in 0..24 {
            assert!(sessions.standing(&browser(&id), &door).is_some());
            tokio::time::advance(IDLE - Duration::from_secs(1)).await;
        }
        assert!(sessions.standing(&browser(&id), &door).is_some());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(sessions.standing(&browser(&id), &door).is_none());
        let id = sessions.begin(None).unwrap();
        tokio::time::advance(IDLE).await;
        assert!(sessions.standing(&browser(&id), &door).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_are_bounded() {
        let (sessions, door) = (Sessions::default(), Door::new(&[]));
        let first = sessions.begin(None).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = sessions.begin(None).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..MOST - 1 {
            sessions.begin(None).unwrap();
        }
        assert!(sessions.standing(&browser(&first), &door).is_none());
        assert!(sessions.standing(&browser(&second), &door).is_some());
    }
}
