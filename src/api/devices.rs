//! `device/register` and `device/delete`: the token that further calls of a trade point need.

use serde::Serialize;

use super::Error;
use super::answer::{AnswerFault, Fields, wrong};
use super::call::{Call, Caller, Effect, WireRequest};
use super::json::Value;
use crate::base::{Bin, DeviceId, DeviceToken, TradePointId};

/// What registers a device.
#[derive(Clone, Debug)]
pub struct RegisterDevice {
    /// A name of our choice; each belongs to one trade point.
    pub device_id: DeviceId,
    /// The trade point.
    pub trade_point_id: TradePointId,
}

/// A registered device.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RegisteredDevice {
    /// Its token: a secret, to be put into merchant.toml.
    pub device_token: DeviceToken,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "OrganizationBin")]
    organization_bin: Bin,
    #[serde(rename = "DeviceId")]
    device_id: &'a DeviceId,
    #[serde(rename = "TradePointId")]
    trade_point_id: TradePointId,
}

impl Call for RegisterDevice {
    type Output = RegisteredDevice;
    const NAME: &'static str = "device/register";
    const EFFECT: Effect = Effect::SameAgain;

    fn request(&self, caller: &Caller<'_>) -> Result<WireRequest, Error> {
        let body = Body {
            organization_bin: caller.bin,
            device_id: &self.device_id,
            trade_point_id: self.trade_point_id,
        };
        WireRequest::post(Self::NAME, "/v01/device/register", &body)
    }

    fn read(data: Option<Value<'_>>) -> Result<RegisteredDevice, AnswerFault> {
        let text = Fields::of_data(data)?.text("DeviceToken")?;
        let device_token =
            DeviceToken::parse(&text).map_err(|_| wrong("DeviceToken", Some(&Value::String(text.into()))))?;
        Ok(RegisteredDevice { device_token })
    }
}

/// `device/delete` of the device whose token the caller carries.
pub(super) struct DeleteDevice;

#[derive(Serialize)]
struct DeleteBody<'a> {
    #[serde(rename = "OrganizationBin")]
    organization_bin: Bin,
    #[serde(rename = "DeviceToken")]
    device_token: &'a str,
}

impl Call for DeleteDevice {
    type Output = ();
    const NAME: &'static str = "device/delete";
    // a repeat would be refused, because the device is gone, and the refusal mistaken for the outcome
    const EFFECT: Effect = Effect::Writes;

    fn request(&self, caller: &Caller<'_>) -> Result<WireRequest, Error> {
        let body = DeleteBody {
            organization_bin: caller.bin,
            device_token: caller.device_token(Self::NAME)?,
        };
        WireRequest::post(Self::NAME, "/v01/device/delete", &body)
    }

    fn read(_: Option<Value<'_>>) -> Result<(), AnswerFault> {
        Ok(())
    }
}
