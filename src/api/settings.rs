//! How Kaspi is spoken to, whatever the call.

use crate::base::PhoneFormat;

/// How Kaspi is spoken to.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApiSettings {
    /// How phone numbers are written.
    pub phone_format: PhoneFormat,
    /// Which version of the status call is used.
    pub status_version: StatusVersion,
}

/// Version of the status call; the other calls have one version only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusVersion {
    /// `Status` alone (official document v3.9).
    V01,
    /// With amount, product and shop (a later document, as quoted by integrators).
    #[default]
    V02,
}
