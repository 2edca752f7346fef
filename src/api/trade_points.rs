//! `partner/tradepoints` and `health/ping`: who the bank says we are.

use serde::Serialize;

use super::Error;
use super::answer::{AnswerFault, Fields, wrong};
use super::call::{Call, Caller, Effect, WireRequest};
use super::json::Value;
use crate::base::TradePointId;

/// A trade point that the bank knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TradePointInfo {
    /// `TradePointId`.
    pub trade_point_id: TradePointId,
    /// `TradePointName`.
    pub trade_point_name: String,
}

/// `partner/tradepoints/{BIN}`.
pub(super) struct TradePoints;

impl Call for TradePoints {
    type Output = Vec<TradePointInfo>;
    const NAME: &'static str = "partner/tradepoints";
    const EFFECT: Effect = Effect::Reads;

    fn request(&self, caller: &Caller<'_>) -> Result<WireRequest, Error> {
        Ok(WireRequest::get(&format!(
            "/v01/partner/tradepoints/{}",
            caller.bin
        )))
    }

    fn read(data: Option<Value<'_>>) -> Result<Self::Output, AnswerFault> {
        let Some(Value::Array(points)) = data else {
            return Err(wrong("Data", data.as_ref()));
        };
        points
            .into_iter()
            .map(|point| {
                let fields = Fields::of(point)?;
                Ok(TradePointInfo {
                    trade_point_id: fields.id("TradePointId", TradePointId::new)?,
                    trade_point_name: fields.optional_text("TradePointName").unwrap_or_default(),
                })
            })
            .collect()
    }
}

/// Where `health/ping` is, below the base address.
pub(crate) const PING_PATH: &str = "/v01/health/ping";

/// `health/ping`.
pub(super) struct Ping;

impl Call for Ping {
    type Output = ();
    const NAME: &'static str = "health/ping";
    const EFFECT: Effect = Effect::Reads;

    fn request(&self, _: &Caller<'_>) -> Result<WireRequest, Error> {
        Ok(WireRequest::get(PING_PATH))
    }

    fn read(_: Option<Value<'_>>) -> Result<(), AnswerFault> {
        Ok(())
    }
}
