//! The stages that ask the network: what the probe and the bank's answers mean.

pub(super) mod accepted;
pub(super) mod bin;
pub(super) mod dns;
pub(super) mod tcp;
pub(super) mod tls;

#[cfg(test)]
#[cfg(feature = "sandbox")]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Config;
use crate::transport::probe::Ended;

/// What messages name of the place that is looked at.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The configuration file.
    pub(super) file: PathBuf,
    /// Kaspi's server, with its port.
    pub(super) target: String,
    /// The base address.
    pub(super) base_url: String,
    /// Where calls come from, as far as it can be seen from here.
    pub(super) from: String,
}

impl Place {
    pub(super) fn new(config: &Config) -> Self {
        let url = &config.kaspi.base_url;
        let host = url.host().unwrap_or_default();
        Self {
            file: config.file.clone(),
            target: format!("{host}:{}", url.port_u16().unwrap_or(443)),
            base_url: url.to_string().trim_end_matches('/').to_owned(),
            from: "not known before there is a connection".to_owned(),
        }
    }
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}

/// What the other side did, as the middle of a sentence.
fn ended(how: &Ended) -> String {
    match how {
        Ended::Closed => "closed the connection".to_owned(),
        Ended::Reset => "reset the connection".to_owned(),
        Ended::Other(why) => format!("ended the connection ({why})"),
    }
}
