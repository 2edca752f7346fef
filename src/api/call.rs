//! A request is data: what it asks, where, and what it does there. One executor runs them all.

use std::net::IpAddr;

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::ser::{Error as _, Serializer};
use serde_json::value::RawValue;

use super::Error;
use super::answer::AnswerFault;
use super::json::Value;
use super::settings::ApiSettings;
use crate::base::{Amount, Bin, DeviceToken, TradePointId};
use crate::transport::Channel;

/// What a call does at Kaspi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it may be repeated freely.
    Reads,
    /// Something, and the same again when it is repeated.
    SameAgain,
    /// It makes or moves money: never repeated unless it was certainly not sent.
    Writes,
}

/// One of Kaspi's calls with its arguments.
pub(super) trait Call: Sync {
    /// What its answer is read as.
    type Output;
    /// The documented name, such as `payment/return`.
    const NAME: &'static str;
    /// What it does at Kaspi.
    const EFFECT: Effect;

    /// The request as it leaves for one BIN.
    fn request(&self, caller: &Caller<'_>) -> Result<WireRequest, Error>;

    /// Whether one more attempt keeps to the bank's limit on the call, where it has one.
    fn admit(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The answer's `Data`, absent and null being the same.
    fn read(data: Option<Value<'_>>) -> Result<Self::Output, AnswerFault>;
}

/// Whom a call is made for. Filled in by the session, never by who makes the call.
pub(super) struct Caller<'a> {
    pub(super) bin: Bin,
    token: Option<&'a DeviceToken>,
    /// Name or address of the server.
    pub(super) host: &'a str,
    pub(super) settings: &'a ApiSettings,
}

impl<'a> Caller<'a> {
    pub(super) fn new(
        channel: &'a Channel,
        trade_point: Option<TradePointId>,
        settings: &'a ApiSettings,
    ) -> Self {
        Self {
            bin: channel.bin(),
            token: channel.device_token(trade_point),
            host: channel.host(),
            settings,
        }
    }

    /// Whether the server is one where nothing is real.
    pub(super) fn is_test_host(&self) -> bool {
        is_test_host(self.host)
    }

    /// The device token, for calls that need one.
    pub(super) fn device_token(&self, call: &'static str) -> Result<&'a str, Error> {
        self.token
            .map(DeviceToken::expose)
            .ok_or(Error::NoDeviceToken { call, bin: self.bin })
    }
}

/// The bank's own test server, or this machine, where a sandbox runs.
fn is_test_host(host: &str) -> bool {
    const BANKS_TEST_SERVER: &str = "mtokentest.kaspi.kz";
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host.eq_ignore_ascii_case(BANKS_TEST_SERVER)
        || host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

/// Method, path below the base address, and body.
pub(super) struct WireRequest {
    pub(super) method: Method,
    pub(super) path_and_query: String,
    pub(super) body: Bytes,
}

impl WireRequest {
    pub(super) fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path_and_query: path.to_owned(),
            body: Bytes::new(),
        }
    }

    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        let mark = if self.path_and_query.contains('?') {
            '&'
        } else {
            '?'
        };
        self.path_and_query.push(mark);
        self.path_and_query.push_str(name);
        self.path_and_query.push('=');
        self.path_and_query.extend(utf8_percent_encode(value, RESERVED));
        self
    }

    pub(super) fn post(call: &'static str, path: &str, body: &impl Serialize) -> Result<Self, Error> {
        /// What most bodies have room in.
        const USUAL: usize = 256;
        let mut written = Vec::with_capacity(USUAL);
        serde_json::to_writer(&mut written, body).map_err(|source| Error::Unwritable { call, source })?;
        Ok(Self {
            method: Method::POST,
            path_and_query: path.to_owned(),
            body: written.into(),
        })
    }
}

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Kaspi takes amounts as JSON numbers in tenge: written from whole tiyn, never through a float.
pub(super) fn amount<S: Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    amount.with_text(|text| {
        serde_json::from_str::<&RawValue>(text)
            .map_err(S::Error::custom)?
            .serialize(serializer)
    })
}

/// Digits in ASCII, as text.
pub(super) fn digits<S: Serializer>(digits: &[u8; 11], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(str::from_utf8(digits).map_err(S::Error::custom)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_hosts() {
        for host in [
            "127.0.0.1",
            "127.8.9.1",
            "[::1]",
            "localhost",
            "mtokentest.kaspi.kz",
            "MTOKENTEST.kaspi.kz",
        ] {
            assert!(is_test_host(host), "{host}");
        }
        for host in [
            "qrapi-cert-ip.kaspi.kz",
            "kaspi.kz",
            "10.0.0.1",
            "localhost.kaspi.kz",
            "mtokentest.kaspi.kz.example",
            "",
        ] {
            assert!(!is_test_host(host), "{host}");
        }
    }
}
