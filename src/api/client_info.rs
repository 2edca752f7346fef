//! `remote/client-info`: whether a phone number can get an invoice. It answers with a person's name.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Error;
use super::answer::{AnswerFault, Fields};
use super::call::{Call, Caller, Effect, WireRequest};
use super::json::Value;
use crate::base::{Bin, PhoneNumber, TradePointId};

/// A customer of the bank, as it names them to a merchant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientInfo {
    /// `ClientName`.
    pub name: ClientName,
}

/// A person's name: personal data. Not shown by `Debug`, not serialised; for the caller's eyes only.
#[derive(Clone)]
pub struct ClientName(String);

impl ClientName {
    /// The name itself. It must not be logged or stored.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientName(***)")
    }
}

/// `remote/client-info?phoneNumber=&deviceToken=`.
pub(super) struct ClientInfoOf {
    pub(super) phone: PhoneNumber,
    pub(super) allowance: Allowance,
}

impl Call for ClientInfoOf {
    type Output = ClientInfo;
    const NAME: &'static str = "remote/client-info";
    const EFFECT: Effect = Effect::Reads;

    fn request(&self, caller: &Caller<'_>) -> Result<WireRequest, Error> {
        // lower-case initials, as in the document's example
        Ok(WireRequest::get("/v01/remote/client-info")
            .query("phoneNumber", &self.phone.for_kaspi(caller.settings.phone_format))
            .query("deviceToken", caller.device_token(Self::NAME)?))
    }

    fn admit(&self) -> Result<(), Error> {
        self.allowance.take()
    }

    fn read(data: Option<Value<'_>>) -> Result<ClientInfo, AnswerFault> {
        Ok(ClientInfo {
            name: ClientName(Fields::of_data(data)?.text("ClientName")?),
        })
    }
}

/// The bank allows 50 calls a minute for each device (official document 4.6.1); kept here, because
/// what it does beyond them is not documented.
const CALLS: usize = 50;
const WINDOW: Duration = Duration::from_secs(60);

/// When each device has asked, within the last minute.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientInfoLimit(Arc<Mutex<HashMap<Device, VecDeque<Instant>>>>);

type Device = (Bin, Option<TradePointId>);

/// What one device may still ask.
#[derive(Debug)]
pub(super) struct Allowance {
    limit: ClientInfoLimit,
    device: Device,
}

impl Allowance {
    /// Takes one attempt out of it: the bank counts those that got no good answer too.
    fn take(&self) -> Result<(), Error> {
        self.limit.take(self.device)
    }
}

impl ClientInfoLimit {
    /// The allowance of one device.
    pub(super) fn of(&self, device: Device) -> Allowance {
        Allowance {
            limit: self.clone(),
            device,
        }
    }

    /// Takes one call out of the device's allowance.
    fn take(&self, device: Device) -> Result<(), Error> {
        let now = Instant::now();
        let mut devices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = devices.entry(device).or_default();
        while asked
            .front()
            .is_some_and(|first| now.duration_since(*first) >= WINDOW)
        {
            asked.pop_front();
        }
        match asked.front() {
            Some(first) if asked.len() >= CALLS => Err(Error::TooOften {
                call: ClientInfoOf::NAME,
                bin: device.0,
                limit: CALLS,
                wait: WINDOW.saturating_sub(now.duration_since(*first)),
            }),
            _ => {
                asked.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn fifty_a_minute_for_each_device() {
        let limit = ClientInfoLimit::default();
        let bin = Bin::parse("891027350515").unwrap();
        let (one, other) = ((bin, None), (bin, Some(TradePointId::new(2).unwrap())));
        for _ in 0..CALLS {
            limit.take(one).unwrap();
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert!(
            matches!(limit.take(one), Err(Error::TooOften { wait, .. }) if wait == Duration::from_secs(55))
        );
        limit.take(other).unwrap();
        tokio::time::advance(Duration::from_secs(55)).await;
        limit.take(one).unwrap();
    }

    #[test]
    fn a_name_is_not_shown() {
        let text = r#"{"ClientName": "Иван И."}"#;
        let info = ClientInfoOf::read(Some(super::super::json::read(text.as_bytes()).unwrap())).unwrap();
        assert_eq!(info.name.expose(), "Иван И.");
        assert!(!format!("{info:?}").contains("Иван"));
    }
}
