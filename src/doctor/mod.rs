//! Staged diagnosis of one BIN: what is wrong, and what to do about it.
//!
//! Ten stages, from the configuration file to the bank's answer, each with a verdict, its time, facts
//! and findings. A finding names one cause of the table in [`Cause`], which `docs/troubleshooting.md`
//! is generated from. The diagnosis reads files and makes reads at the bank; it moves no money and
//! leaves nothing behind.

mod bundle;
mod cause;
mod draft;
mod examine;
mod gateway_state;
mod offline;
mod online;
mod page;
mod stage;
mod table;

pub use bundle::Bundle;
pub use cause::Entry;
pub use examine::{Doctor, Examine, OnStage, Options};
pub use gateway_state::GatewayState;
pub use page::troubleshooting_page;
pub use stage::{Facts, Finding, Report, Stage, StageId, Verdict};
pub use table::Cause;
