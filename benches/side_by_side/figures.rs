//! Many rounds to one figure.

use serde::{Deserialize, Serialize};

/// What several rounds came to: the middle, and how far they lay apart.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    pub(crate) rounds: usize,
}

impl Figure {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.as_slice() {
            [] => f64::NAN,
            some if some.len() % 2 == 1 => some[middle],
            some => f64::midpoint(some[middle - 1], some[middle]),
        };
        Self {
            median,
            lowest: values.first().copied().unwrap_or(f64::NAN),
            highest: values.last().copied().unwrap_or(f64::NAN),
            rounds: values.len(),
        }
    }

    /// Of the ratios of each round, not the ratio of the middles: what disturbs a round disturbs both.
    pub(crate) fn ratio(ours: &[f64], theirs: &[f64]) -> Self {
        Self::of(ours.iter().zip(theirs).map(|(one, other)| one / other).collect())
    }
}
