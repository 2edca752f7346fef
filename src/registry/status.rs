//! How each BIN stands, for people and for programs.

use std::path::PathBuf;
use std::sync::Arc;

use time::OffsetDateTime;

use super::holding::{self, EXPIRY_WARNING_DAYS};
use super::slot::Subscriber;
use super::{Attempts, RegistryError, Seat};
use crate::base::{Bin, TradePointId, chain_text};
use crate::config::{
    IdentityFiles, IdentitySource, IdentitySpec, MerchantFolder, PasswordOrigin, Route, WebhookSpec,
};
use crate::identity::Facts;

/// How one configured BIN stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MerchantStatus {
    /// The organisation.
    pub bin: Bin,
    /// Its name; the BIN where none is configured.
    pub name: String,
    /// Whether calls for it are served.
    pub state: MerchantState,
    /// The BIN whose folder holds the identity that it acts with.
    pub identity: Option<Bin>,
    /// The variable of the environment that holds that identity, where it is in no file: it changes with
    /// a restart only.
    pub identity_variable: Option<String>,
    /// What the certificate says, also of one that was refused, where it could be read.
    pub facts: Option<Facts>,
    /// Whole days until the certificate expires; negative once it has.
    pub days_left: Option<i64>,
    /// The generation that serves.
    pub generation: Option<u64>,
    /// When that generation was loaded.
    pub loaded_at: Option<OffsetDateTime>,
    /// Which password opened the key; none where the key is not encrypted.
    pub opened_with: Option<PasswordOrigin>,
    /// Which way its calls go.
    pub route: Option<Route>,
    /// Its folder.
    pub folder: PathBuf,
    /// Its trade points, and whether each has a device token; the default one first.
    pub trade_points: Vec<(Option<TradePointId>, bool)>,
    /// Its webhooks: the name of each, and the host that it goes to.
    pub webhooks: Vec<(String, String)>,
    /// What an operator should look at although calls are served.
    pub warnings: Vec<String>,
    /// Why calls are not served.
    pub problem: Option<Arc<RegistryError>>,
    /// What became of reading its files, as far as this process knows.
    pub attempts: Attempts,
}

impl MerchantStatus {
    /// The threshold of [`days_left`](Self::days_left) that is passed: 60, 30, 14 or 7 days, and from the
    /// last day on each day; none before.
    #[must_use]
    pub fn expiry_mark(&self) -> Option<i64> {
        self.days_left.and_then(holding::expiry_mark)
    }
}

/// Whether calls for a BIN are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MerchantState {
    /// They are.
    Ready,
    /// Switched off by the operator.
    Inactive,
    /// Something is wrong; `problem` says what.
    Broken,
}

impl MerchantState {
    /// The word as it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Inactive => "inactive",
            Self::Broken => "broken",
        }
    }
}

/// What is known of a seat from its folder, beside what the merchant says.
#[derive(Clone, Debug)]
pub(super) struct SeatReport {
    /// Of a folder that makes no merchant.
    folder: Option<PathBuf>,
    identity_variable: Option<String>,
    warnings: Vec<String>,
}

impl SeatReport {
    pub(super) fn new(folder: &MerchantFolder) -> Self {
        Self {
            folder: folder.merchant.is_err().then(|| folder.folder.clone()),
            identity_variable: match folder.merchant.as_ref().ok().map(|spec| &spec.identity) {
                Some(IdentitySource::Own(IdentitySpec {
                    files: IdentityFiles::Variable(variable),
                    ..
                })) => Some(variable.name().to_owned()),
                _ => None,
            },
            warnings: folder.warnings.iter().map(ToString::to_string).collect(),
        }
    }
}

pub(super) fn of<K: Send + Sync + 'static>(bin: Bin, seat: &Seat<K>, now: OffsetDateTime) -> MerchantStatus {
    let generation = seat.slot().ok().and_then(Subscriber::current);
    let attempts = seat.attempts();
    let mut warnings = seat.report.warnings.clone();
    let unusable = seat.slot().err();
    let mut problem = match &seat.merchant {
        Err(error) => Some(RegistryError::clone(error)),
        Ok(_) => unusable.map(|unusable| unusable.error.told_of(bin)),
    };
    let mut facts = unusable.and_then(|unusable| unusable.facts.as_deref().cloned());
    if let Some(generation) = &generation {
        facts = Some(generation.identity.facts().clone());
        warnings.extend(
            generation
                .identity
                .warnings()
                .iter()
                // true when it was loaded; what is true now follows
                .filter(|finding| finding.kind != "expires_soon")
                .map(ToString::to_string),
        );
        warnings.extend(expiry_warning(generation.identity.facts(), now));
        if let Err(error) = generation.identity.check_valid_at(now) {
            problem.get_or_insert(RegistryError::identity(bin, generation.identity.owner(), error));
        }
    }
    if let Some(failed) = attempts.standing_error().filter(|_| seat.serves()) {
        warnings.push(format!(
            "the files of now are not used, the earlier ones go on: {}",
            chain_text(failed.error.as_ref())
        ));
    }
    let merchant = seat.merchant.as_ref().ok();
    let switched_off = merchant.is_some_and(|merchant| !merchant.active);
    MerchantStatus {
        bin,
        name: merchant.map_or_else(|| bin.to_string(), |merchant| merchant.name.clone()),
        state: match (&problem, switched_off) {
            (_, true) => MerchantState::Inactive,
            (Some(_), false) => MerchantState::Broken,
            (None, false) => MerchantState::Ready,
        },
        identity: seat.owner,
        identity_variable: seat.report.identity_variable.clone(),
        days_left: facts.as_ref().map(|facts| facts.days_left(now)),
        facts,
        generation: generation.as_ref().map(|generation| generation.number),
        loaded_at: generation.as_ref().map(|generation| generation.loaded_at),
        opened_with: generation
            .as_ref()
            .and_then(|generation| generation.identity.opened_with().cloned()),
        route: merchant.map(|merchant| merchant.route),
        folder: merchant
            .map(|merchant| merchant.folder.clone())
            .or_else(|| seat.report.folder.clone())
            .unwrap_or_default(),
        trade_points: merchant.map_or_else(Vec::new, |merchant| {
            merchant
                .trade_points()
                .iter()
                .map(|point| (point.id, point.device_token.is_some()))
                .collect()
        }),
        webhooks: merchant.map_or_else(Vec::new, |merchant| {
            let host = |spec: &WebhookSpec| spec.url.authority().map(ToString::to_string);
            merchant
                .webhooks
                .iter()
                .map(|spec| (spec.name.clone(), host(spec).unwrap_or_default()))
                .collect()
        }),
        warnings,
        problem: problem.map(Arc::new),
        attempts,
    }
}

fn expiry_warning(facts: &Facts, now: OffsetDateTime) -> Option<String> {
    let days = facts.days_left(now);
    // one that has expired is a problem, which says so
    (0..=EXPIRY_WARNING_DAYS).contains(&days).then(|| {
        format!(
            "the certificate expires in {days} days, on {}: ask the bank for the next one",
            facts.not_after.date()
        )
    })
}
