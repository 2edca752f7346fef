//! Files and environment to checked configuration.
//!
//! Two steps: [`load`] reads `kaspi.toml`, once; [`scan()`] reads the merchants' folders, on every
//! rescan. What a file says and what it means are kept apart (`raw`, then the rest), and the keys of
//! each file are declared in one place only, `raw`.

mod checked;
mod checked_gateway;
mod document;
mod duration;
mod environment;
mod error;
mod find;
mod gateway;
mod identity_files;
mod merchant;
mod password;
mod raw;
mod read;
mod reference;
mod reference_table;
mod scan;
mod sets;
mod setting;
mod settings;
mod suggestion;
mod telemetry;
mod trade_points;
mod url;
mod variables;
mod warning;
mod webhooks;

#[cfg(test)]
mod tests;

pub use checked::{
    Config, IdentityFiles, IdentitySource, IdentitySpec, KaspiSettings, KeyExchange, MerchantSpec,
    PasswordOrigin, PasswordSource, ProxyAuth, ProxyScheme, ProxySettings, Route, StatusVersion, Timeouts,
    TradePointSpec, TrustSettings,
};
pub use checked_gateway::{
    GatewayLimits, GatewaySettings, GatewayTls, GatewayToken, JournalSettings, JournalUrl, ListenFrom,
    LogFormat, TokenHash, Verb, WrapperSettings,
};
pub use environment::Environment;
pub use error::{ConfigError, Suggestion};
pub use find::find;
pub use identity_files::{CERTIFICATE_FILE, CONTAINER_FILES, PRIVATE_KEY_FILE};
pub use password::{PASSWORD_FILE, read_password_file};
pub use reference::configuration_page;
pub use scan::{MerchantFolder, scan, scan_with};
pub use sets::{CURRENT_LINK, SETS_FOLDER, candidate};
pub use setting::Setting;
pub use settings::load;
pub use telemetry::TelemetrySettings;
pub use url::check_base_url;
pub use variables::{IDENTITY_VARIABLE, IdentityVariable};
pub use warning::ConfigWarning;
pub use webhooks::{PrivateAddress, WEBHOOK_EVENTS, WebhookSpec, WebhooksSettings, read_webhook_secret_file};
