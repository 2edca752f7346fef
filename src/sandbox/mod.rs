//! A simulated Kaspi.
mod bank;
mod error;
mod files;
pub mod pki;

pub use error::SandboxError;
