//! One organisation as calls see it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::{Bin, DeviceToken, TradePoint, TradePointId};
use crate::config::{MerchantSpec, Route, WebhookSpec};

/// One organisation: its name, its trade points with their device tokens, and its route.
#[derive(Clone, Debug)]
pub struct Merchant {
    /// Whose money it is.
    pub bin: Bin,
    /// A name for people.
    pub name: String,
    /// Whether calls may be made for it.
    pub active: bool,
    /// Which way its calls go.
    pub route: Route,
    /// The folder that describes it.
    pub folder: PathBuf,
    /// Who is told of its payments.
    pub webhooks: Arc<[WebhookSpec]>,
    /// Its trade points, the default one first.
    trade_points: Vec<TradePoint>,
}

impl Merchant {
    pub(crate) fn new(spec: &MerchantSpec) -> Self {
        let mut points: Vec<_> = spec.trade_points.iter().collect();
        points.sort_by_key(|spec| !spec.default);
        Self {
            bin: spec.bin,
            name: spec.name.clone(),
            active: spec.active,
            route: spec.route,
            folder: spec.folder.clone(),
            webhooks: spec.webhooks.clone().into(),
            trade_points: points.into_iter().map(|spec| spec.point.clone()).collect(),
        }
    }

    /// Whether calls would be the same for both.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.bin == other.bin
            && self.name == other.name
            && self.active == other.active
            && self.route == other.route
            && self.folder == other.folder
            && self.webhooks == other.webhooks
            && self.trade_points.len() == other.trade_points.len()
            && self
                .trade_points
                .iter()
                .zip(&other.trade_points)
                .all(|(one, two)| one.id == two.id && token(one) == token(two))
    }

    /// The trade point for calls that name none.
    #[must_use]
    pub fn default_trade_point(&self) -> Option<&TradePoint> {
        self.trade_points.first()
    }

    /// The trade point of a given number, if this merchant has it.
    #[must_use]
    pub fn trade_point(&self, id: TradePointId) -> Option<&TradePoint> {
        self.trade_points.iter().find(|point| point.id == Some(id))
    }

    /// All of them, the default one first.
    #[must_use]
    pub fn trade_points(&self) -> &[TradePoint] {
        &self.trade_points
    }
}

fn token(point: &TradePoint) -> Option<&str> {
    point.device_token.as_ref().map(DeviceToken::expose)
}
