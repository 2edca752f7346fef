//! kaspi-direct: take money with Kaspi Pay from your own backend.
#![forbid(unsafe_code)]

pub mod api;
pub mod app;
pub mod base;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod identity;
#[cfg(feature = "journal")]
pub mod payments;
pub mod registry;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod transport;
