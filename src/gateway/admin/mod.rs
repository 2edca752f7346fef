//! Pages of figures: the books of days with the accountant's files, and charts. Whoever shows a token with
//! the verb `admin` sees the figures of its BINs.
//!
//! Each page is drawn here whole: no script, no file from elsewhere, and a policy that allows neither.

mod accountant;
mod chart;
mod comparison;
mod frame;
mod graphs;
mod pages;
mod reconciliation;
mod report_words;
mod sheet;
mod span;

pub(super) use comparison::Comparisons;
pub(super) use pages::router;
