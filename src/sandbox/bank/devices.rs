//! Devices: each token belongs to one organisation and one trade point.

use serde::{Deserialize, Serialize};

use super::{Bank, Code, Declared};
use crate::sandbox::options::TradePoint;

#[derive(Clone, Deserialize, Serialize)]
pub(in crate::sandbox) struct Device {
    pub(super) bin: String,
    pub(super) trade_point: i64,
    /// Absent for a token that a layout brought along.
    device_id: Option<String>,
    active: bool,
}

impl Device {
    pub(super) fn from_layout(bin: &str, trade_point: i64) -> Self {
        Self {
            bin: bin.to_owned(),
            trade_point,
            device_id: None,
            active: true,
        }
    }
}

impl Bank {
    /// Registers a device and gives its token; the same request again gives the same token.
    pub(in crate::sandbox) fn register_device(
        &mut self,
        caller: &Declared,
        bin: &str,
        device_id: &str,
        trade_point: i64,
    ) -> Result<String, Code> {
        let merchant = self.merchant(caller, bin)?;
        let point = merchant
            .trade_points
            .iter()
            .find(|point| point.id == trade_point)
            .ok_or(Code::TradePointNotFound)?;
        if !point.accepts_qr {
            return Err(Code::NoQr);
        }
        let registered = self.devices.iter().find(|(_, device)| {
            device.active && device.bin == bin && device.device_id.as_deref() == Some(device_id)
        });
        match registered {
            Some((token, device)) if device.trade_point == trade_point => Ok(token.clone()),
            Some(_) => Err(Code::DeviceElsewhere),
            None => {
                let token = uuid::Uuid::new_v4().to_string();
                let device = Device {
                    bin: bin.to_owned(),
                    trade_point,
                    device_id: Some(device_id.to_owned()),
                    active: true,
                };
                self.devices.insert(token.clone(), device);
                self.unsaved.device(&token);
                Ok(token)
            }
        }
    }

    pub(in crate::sandbox) fn delete_device(
        &mut self,
        caller: &Declared,
        bin: &str,
        token: &str,
    ) -> Result<(), Code> {
        self.merchant(caller, bin)?;
        match self.devices.get_mut(token) {
            Some(device) if device.active && device.bin == bin => {
                device.active = false;
                self.unsaved.device(token);
                Ok(())
            }
            _ => Err(Code::DeviceNotFound),
        }
    }

    /// The trade point of a token, if the token is this organisation's and switched on.
    pub(super) fn device_point(
        &self,
        caller: &Declared,
        bin: &str,
        token: &str,
    ) -> Result<&TradePoint, Code> {
        let merchant = self.merchant(caller, bin)?;
        let device = self.devices.get(token).ok_or(Code::DeviceNotFound)?;
        if device.bin != bin {
            return Err(Code::DeviceNotFound);
        }
        if !device.active {
            return Err(Code::DeviceInactive);
        }
        let point = merchant
            .trade_points
            .iter()
            .find(|point| point.id == device.trade_point)
            .ok_or(Code::TradePointNotFound)?;
        if !point.enabled {
            return Err(Code::TradePointOff);
        }
        Ok(point)
    }

    /// The organisation of a token, for the calls that carry no BIN.
    pub(super) fn device_bin(&self, caller: &Declared, token: &str) -> Option<String> {
        let device = self.devices.get(token)?;
        self.may_act(caller, &device.bin).then(|| device.bin.clone())
    }
}
