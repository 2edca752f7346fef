//! The shapes of requests and answers: what is written, and what `/openapi.json` says of it.

mod answered;
mod asked;
mod failed;
mod tenge;
mod wrapped;

pub(super) use self::answered::{
    Checked, Client, Details, KnownPayment, KnownPayments, Link, Merchant, Merchants, PaidBack, Qr, Standing,
};
pub(super) use self::asked::{CancelBody, ClientBody, CreateBody, PurchaseBody, RefundBody};
pub(super) use self::failed::{ErrorObject, Failed};
pub(super) use self::wrapped::{
    Wrapped, WrappedAnswer, WrappedErrors, WrappedFailure, WrappedLink, WrappedRefund, WrappedStanding,
};
