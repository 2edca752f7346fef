//! `test/payment/*`: the bank's own emulator of a customer, on its test server (official document 5.2-5.5).

use serde::Serialize;

use super::Error;
use super::answer::AnswerFault;
use super::call::{Call, Caller, Effect, WireRequest};
use super::json::Value;
use crate::base::PaymentId;

/// What the emulated customer does to a QR or link payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulate {
    /// Scans the code.
    Scan,
    /// Pays, after a scan.
    Confirm,
    /// Fails to scan.
    ScanError,
    /// Fails to pay, after a scan.
    ConfirmError,
}

/// One step of the emulated customer.
pub(super) struct EmulatorStep {
    pub(super) step: Emulate,
    pub(super) payment: PaymentId,
}

#[derive(Serialize)]
struct Body {
    // text, as the document shows it
    #[serde(rename = "qrPaymentId")]
    qr_payment_id: String,
}

impl Call for EmulatorStep {
    type Output = ();
    const NAME: &'static str = "test/payment";
    const EFFECT: Effect = Effect::Writes;

    fn request(&self, caller: &Caller<'_>) -> Result<WireRequest, Error> {
        if !caller.is_test_host() {
            return Err(Error::NotATestHost {
                bin: caller.bin,
                host: caller.host.to_owned(),
            });
        }
        let path = match self.step {
            Emulate::Scan => "/v01/test/payment/scan",
            Emulate::Confirm => "/v01/test/payment/confirm",
            Emulate::ScanError => "/v01/test/payment/scanerror",
            Emulate::ConfirmError => "/v01/test/payment/confirmerror",
        };
        WireRequest::post(
            Self::NAME,
            path,
            &Body {
                qr_payment_id: self.payment.to_string(),
            },
        )
    }

    fn read(_: Option<Value<'_>>) -> Result<(), AnswerFault> {
        Ok(())
    }
}
