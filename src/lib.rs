//! kaspi-direct: take money with Kaspi Pay from your own backend.
#![forbid(unsafe_code)]

pub mod base;
pub mod config;
#[cfg(feature = "sandbox")]
pub mod sandbox;
