//! What the two files say, word for word. What the words mean is decided elsewhere.

use std::fmt;

use toml::de::DeValue;
use zeroize::Zeroizing;

use super::ConfigError;
use super::document::{At, Field, FromToml, Shape, section};
use super::setting::Located;

section! {
    /// `kaspi.toml`.
    RawFile {
        default_bin: String,
        certs_dir: String,
        state_dir: String,
        kaspi: RawKaspi,
        gateway: RawGateway,
        wrapper: RawWrapper,
        journal: RawJournal,
        webhooks: RawWebhooks,
        telemetry: RawTelemetry,
    }
}

section! {
    /// `[kaspi]`.
    RawKaspi {
        base_url: Hidden,
        extra_ca_file: String,
        only_extra_ca: bool,
        connect_timeout: String,
        tls_timeout: String,
        first_byte_timeout: String,
        request_timeout: String,
        idle_timeout: String,
        status_version: String,
        phone_format: String,
        proxy: Hidden,
        proxy_credentials_file: String,
        key_exchange: String,
        warm: bool,
    }
}

section! {
    /// `[gateway]`.
    RawGateway {
        listen: String,
        unix_socket: String,
        tls_certificate: String,
        tls_key: String,
        client_ca: String,
        echo_window: String,
        token_rate: i64,
        bin_rate: i64,
        token_concurrency: i64,
        bin_concurrency: i64,
        max_connections: i64,
        token_streams: i64,
        max_streams: i64,
        log: String,
        poll_invoices: bool,
        token: Vec<Located<RawToken>>,
    }
}

section! {
    /// `[[gateway.token]]`.
    RawToken {
        name: String,
        sha256: Hidden,
        bins: Vec<Located<String>>,
        verbs: Vec<Located<String>>,
    }
}

section! {
    /// `[wrapper]`.
    RawWrapper {
        base_url: Hidden,
        token_file: String,
        extra_ca_file: String,
        compare_reads: bool,
    }
}

section! {
    /// `[journal]`.
    RawJournal {
        url: Hidden,
    }
}

section! {
    /// `[webhooks]`.
    RawWebhooks {
        allow_private: Vec<Located<String>>,
        timeout: String,
        extra_ca_file: String,
    }
}

section! {
    /// `[telemetry]`.
    RawTelemetry {
        otlp_endpoint: Hidden,
        service_name: String,
        sample_percent: i64,
        extra_ca_file: String,
    }
}

section! {
    /// `merchant.toml`.
    RawMerchant {
        name: String,
        active: bool,
        route: String,
        identity: String,
        certificate: String,
        private_key: String,
        password_file: String,
        device_token: Hidden,
        device_token_file: String,
        trade_point_id: i64,
        trade_point: Vec<Located<RawTradePoint>>,
        webhook: Vec<Located<RawWebhook>>,
    }
}

section! {
    /// `[[trade_point]]`.
    RawTradePoint {
        id: i64,
        device_token: Hidden,
        device_token_file: String,
        default: bool,
    }
}

section! {
    /// `[[webhook]]`.
    RawWebhook {
        name: String,
        url: Hidden,
        secret: Hidden,
        secret_file: String,
        previous_secret: Hidden,
        previous_secret_file: String,
        events: Vec<Located<String>>,
    }
}

/// A text that is a secret, or may hold one, as a URL may: never shown, wiped when dropped.
pub(super) struct Hidden(Zeroizing<String>);

impl Hidden {
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl FromToml for Hidden {
    fn from_toml(value: &DeValue<'_>, at: &At<'_>) -> Result<Self, ConfigError> {
        Ok(Self(Zeroizing::new(String::from_toml(value, at)?)))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
