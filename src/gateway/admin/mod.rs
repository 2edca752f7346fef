//! The admin page: how BINs and payments stand, what is wrong with a BIN, what can be done with payments, what people did, the books of
//! days with the accountant's files, and charts. Whoever shows a token with the verb `admin`, or has logged in
//! with one, sees what belongs to its BINs.
//!
//! Each page is drawn here whole: no script, no file from elsewhere, and a policy that allows neither.

mod accountant;
mod bins;
mod chart;
mod choice;
mod comparison;
mod desk;
mod diagnoses;
mod doctor;
mod doctor_words;
mod entry;
mod frame;
mod graphs;
mod guard;
mod login;
mod pages;
mod payment;
mod payments;
mod reconciliation;
mod report_words;
mod session;
mod sheet;
mod span;
mod table;
mod test_payment;
mod trail;
mod unknown;
mod webhook_words;
mod webhooks;
mod words;

pub(super) use comparison::Comparisons;
pub(super) use diagnoses::Diagnoses;
pub(super) use pages::router;
pub(super) use session::Sessions;
