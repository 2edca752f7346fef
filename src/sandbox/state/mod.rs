//! A bank that remembers: what it knows, in a file that survives `kill -9`.
//!
//! Every change is a line of the file before the answer that tells of it leaves. A line is one step
//! of the bank as a whole, so that a file that ends anywhere tells of a bank that was once so.

use serde::{Deserialize, Serialize};

use super::bank::devices::Device;
use super::bank::payment::Payment;
use super::options::{Merchant, TradePoint};

mod file;
mod writer;

pub(super) use file::open;
pub(super) use writer::{Lost, Saved, Writer};

/// What one line says: the new state of whatever changed.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// Everything before it is forgotten, but for the next id.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) reset: bool,
    /// The number that the next payment or return will have.
    pub(super) next_id: i64,
    /// How far the bank's clock is ahead of the wall clock, in milliseconds.
    pub(super) ahead_ms: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) merchants: Vec<KeptMerchant>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) devices: Vec<(String, Device)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) payments: Vec<Payment>,
}

/// A [`Merchant`] as the file writes it.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptMerchant {
    bin: String,
    name: String,
    acts_with: Option<String>,
    trade_points: Vec<KeptPoint>,
}

/// A [`TradePoint`] as the file writes it; its devices have lines of their own.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeptPoint {
    id: i64,
    name: String,
    enabled: bool,
    accepts_qr: bool,
    payment_methods: Vec<String>,
    partial_refund: bool,
}

impl From<&Merchant> for KeptMerchant {
    fn from(merchant: &Merchant) -> Self {
        Self {
            bin: merchant.bin.clone(),
            name: merchant.name.clone(),
            acts_with: merchant.acts_with.clone(),
            trade_points: merchant.trade_points.iter().map(KeptPoint::from).collect(),
        }
    }
}

impl From<KeptMerchant> for Merchant {
    fn from(kept: KeptMerchant) -> Self {
        let mut merchant = Self::new(kept.bin, kept.name);
        merchant.acts_with = kept.acts_with;
        merchant.trade_points = kept.trade_points.into_iter().map(TradePoint::from).collect();
        merchant
    }
}

impl From<&TradePoint> for KeptPoint {
    fn from(point: &TradePoint) -> Self {
        Self {
            id: point.id,
            name: point.name.clone(),
            enabled: point.enabled,
            accepts_qr: point.accepts_qr,
            payment_methods: point.payment_methods.clone(),
            partial_refund: point.partial_refund,
        }
    }
}

impl From<KeptPoint> for TradePoint {
    fn from(kept: KeptPoint) -> Self {
        let mut point = Self::new(kept.id, kept.name);
        point.enabled = kept.enabled;
        point.accepts_qr = kept.accepts_qr;
        point.payment_methods = kept.payment_methods;
        point.partial_refund = kept.partial_refund;
        point
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
