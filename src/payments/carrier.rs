//! Another way to Kaspi than our own: somebody who carries a call there with a certificate of his.
//!
//! While a business moves from the old wrapper BIN by BIN, those with `route = "wrapper"` go that way.
//! A carrier knows nothing of the books; it says what became of one call, and above all what is known
//! about one that failed.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::api::{MoneyPermit, StatusWord};
use crate::base::{
    Amount, Bin, Delivery, DeviceToken, Explain, Fault, PaymentId, PhoneNumber, ReturnOperationId,
};

/// The header that every call of ours to the old wrapper carries. A gateway of ours that gets it
/// refuses the request: the wrapper's address is its own, and the call would go round for ever.
pub const HOP_HEADER: &str = "kaspi-direct-hop";

/// What a carrier's call comes to.
pub type Carried<'a, T> = Pin<Box<dyn Future<Output = Result<T, CarrierError>> + Send + 'a>>;

/// Somebody who carries calls to Kaspi.
///
/// An error's `delivery` is `NotSent` only where the call cannot have reached the carrier, `Refused`
/// only where it has said no and why; everything else is `Unknown`, an empty answer too.
pub trait Carrier: fmt::Debug + Send + Sync {
    /// Sends a customer an invoice.
    fn create<'a>(&'a self, permit: MoneyPermit, invoice: &'a CarriedInvoice) -> Carried<'a, PaymentId>;

    /// Makes a link to pay by.
    fn create_link<'a>(&'a self, permit: MoneyPermit, link: &'a CarriedLink) -> Carried<'a, LinkCarried>;

    /// Pays back. The return's number is absent where the carrier does not tell it.
    fn refund<'a>(
        &'a self,
        permit: MoneyPermit,
        refund: &'a CarriedRefund,
    ) -> Carried<'a, Option<ReturnOperationId>>;

    /// How a payment stands.
    fn status(&self, payment: PaymentId) -> Carried<'_, StatusWord>;
}

/// An invoice to be carried.
#[derive(Clone, Debug)]
pub struct CarriedInvoice {
    /// Whose money it will be.
    pub bin: Bin,
    /// The token of the merchant's trade point, where one is configured here.
    pub device_token: Option<DeviceToken>,
    /// The customer.
    pub phone: PhoneNumber,
    /// What the customer is to pay.
    pub amount: Amount,
    /// What the customer reads.
    pub message: String,
}

/// A link to be carried.
#[derive(Clone, Debug)]
pub struct CarriedLink {
    /// Whose money it will be.
    pub bin: Bin,
    /// The token of the merchant's trade point; the old wrapper makes no link without it.
    pub device_token: Option<DeviceToken>,
    /// What the customer is to pay.
    pub amount: Amount,
    /// What the customer reads.
    pub message: String,
}

/// A refund to be carried.
#[derive(Clone, Debug)]
pub struct CarriedRefund {
    /// The BIN that made the payment.
    pub bin: Bin,
    /// The token of the trade point that made it, where it is configured here.
    pub device_token: Option<DeviceToken>,
    /// The payment.
    pub payment: PaymentId,
    /// How much of it is paid back.
    pub amount: Amount,
}

/// A link that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkCarried {
    /// Kaspi's number of the payment.
    pub payment_id: PaymentId,
    /// The address to be opened.
    pub payment_link: String,
    /// Until when, in the words that came.
    pub expire_date: Option<String>,
}

/// A call that was not carried, or of which that is not known.
#[derive(Debug)]
pub struct CarrierError(Box<dyn Explain + Send + Sync>);

impl CarrierError {
    /// Takes what the carrier says.
    pub fn new(error: impl Explain + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for CarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for CarrierError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl Explain for CarrierError {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn fault(&self) -> Fault {
        self.0.fault()
    }

    fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    fn delivery(&self) -> Option<Delivery> {
        self.0.delivery()
    }

    fn code(&self) -> Option<i64> {
        self.0.code()
    }
}
