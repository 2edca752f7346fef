//! A trade point of a merchant, as the operator configured it.

use super::{DeviceToken, TradePointId};

/// One place of business and the device token that Kaspi gave for it.
#[derive(Clone, Debug)]
pub struct TradePoint {
    /// The bank's number of the trade point, where the operator wrote it down.
    pub id: Option<TradePointId>,
    /// The token for calls that need one; absent until a device has been registered.
    pub device_token: Option<DeviceToken>,
}
