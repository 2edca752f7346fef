//! Which operations and payments are wanted, and how they come: in pages, the latest first.

use time::OffsetDateTime;

use super::record::{OperationKind, OperationState, PaymentKind, PaymentSource};
use crate::api::PaymentState;
use crate::base::{Amount, Bin, PaymentId};

/// Which operations are wanted. Empty lists and `None` stand for any.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of these BINs.
    pub bins: Vec<Bin>,
    /// Of these kinds.
    pub kinds: Vec<OperationKind>,
    /// In these states.
    pub states: Vec<OperationState>,
    /// About this payment.
    pub payment: Option<PaymentId>,
    /// On behalf of this caller.
    pub caller: Option<String>,
    /// Under this idempotency key.
    pub key: Option<String>,
    /// Recorded at this moment or later.
    pub from: Option<OffsetDateTime>,
    /// Recorded before this moment.
    pub until: Option<OffsetDateTime>,
    /// Of this amount or more.
    pub at_least: Option<Amount>,
    /// Of this amount or less.
    pub at_most: Option<Amount>,
    /// How many at once; 0 for 100, at most 1000.
    pub limit: usize,
    /// Where the page before ended ([`Page::next`]).
    pub cursor: Option<Cursor>,
}

/// Which payments are wanted. Empty lists and `None` stand for any.
#[derive(Clone, Debug, Default)]
pub struct PaymentFilter {
    /// Of these BINs.
    pub bins: Vec<Bin>,
    /// Of these kinds.
    pub kinds: Vec<PaymentKind>,
    /// That came to be known in these ways.
    pub sources: Vec<PaymentSource>,
    /// Whose last status means one of these.
    pub states: Vec<PaymentState>,
    /// Made at this moment or later.
    pub from: Option<OffsetDateTime>,
    /// Made before this moment.
    pub until: Option<OffsetDateTime>,
    /// Found paid at this moment or later.
    pub paid_from: Option<OffsetDateTime>,
    /// Found paid before this moment.
    pub paid_until: Option<OffsetDateTime>,
    /// Of this amount or more.
    pub at_least: Option<Amount>,
    /// Of this amount or less.
    pub at_most: Option<Amount>,
    /// Only those that were paid after they had been given up.
    pub late: bool,
    /// How many at once; 0 for 100, at most 1000.
    pub limit: usize,
    /// Where the page before ended ([`Page::next`]).
    pub cursor: Option<Cursor>,
}

/// Some of what was asked for, the latest first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// Where the next page begins; none where this was the last.
    pub next: Option<Cursor>,
}

/// A place between two pages. Holds while records are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Cursor(pub(super) i64);

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Cursor {
    type Err = crate::base::IdError;

    /// # Errors
    ///
    /// Not a number above zero.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(number) if number > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Self(number)),
            _ => Err(crate::base::IdError::NotANumber {
                what: "cursor",
                given: text.chars().take(40).collect(),
            }),
        }
    }
}

/// A limit that a page can have.
pub(super) fn page_size(asked: usize) -> usize {
    match asked {
        0 => 100,
        more => more.min(1000),
    }
}
