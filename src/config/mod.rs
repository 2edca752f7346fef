//! Files and environment to checked configuration.

mod checked;

pub use checked::{
    IdentityFiles, IdentitySource, IdentitySpec, KaspiSettings, KeyExchange, MerchantSpec, PasswordOrigin,
    PasswordSource, ProxyAuth, ProxyScheme, ProxySettings, Route, StatusVersion, Timeouts, TradePointSpec,
    TrustSettings,
};
