//! What a running program tells other processes of this machine: who is served, and over what.
//!
//! Files show what a program *would* use. What it does use, only it can say: a new certificate may have
//! been refused, an old one may go on. So a running program listens on a unix socket in its state folder.
//! One line of JSON asks, one line answers. No secret is in either. Only the program's own user and root
//! get an answer.
//!
//! ```text
//! {"ask":"state"}     {"version":1,"state":{"process_id":4711,...}}
//! {"ask":"rescan"}    the same, once the folders have been read and what they hold is in use or refused
//! anything else       {"version":1,"error":{"kind":"bad_question","message":"..."}}
//! ```

mod client;
mod error;
mod place;
mod server;
mod shape;

pub use client::{ask_for_rescan, ask_for_state};
pub use error::LiveError;
pub use server::LiveServer;
pub(super) use server::Window;
pub use shape::{
    FailedReport, FilesReport, LiveState, MerchantReport, ProblemReport, RotationReport, TradePointReport,
};
