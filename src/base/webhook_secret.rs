//! The secret that a webhook is signed with, as Standard Webhooks writes it: `whsec_` and base64.

use std::fmt;

use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

/// What stands before every such secret, so that a scan for lost secrets finds one.
const MARK: &str = "whsec_";
/// The fewest bytes that the scheme allows.
const FEWEST: usize = 24;
/// The most bytes that the scheme allows.
const MOST: usize = 64;

/// The secret that sender and receiver of a webhook share.
///
/// ```
/// use kaspi_direct::base::WebhookSecret;
///
/// let secret = WebhookSecret::from_bytes(&[7; 32])?;
/// assert_eq!(format!("{secret:?}"), "WebhookSecret(***)");
/// assert_eq!(WebhookSecret::parse(&secret.written())?.expose(), [7; 32]);
/// # Ok::<(), kaspi_direct::base::WebhookSecretError>(())
/// ```
#[derive(Clone)]
pub struct WebhookSecret(SecretBox<[u8]>);

/// Why a text is not a webhook's secret. Never quotes the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookSecretError {
    /// It does not begin as such secrets do.
    #[error("a webhook's secret begins with `whsec_`, this one does not")]
    Mark,
    /// What follows is not base64.
    #[error("what follows `whsec_` is base64 with its padding, here it is not")]
    Base64,
    /// Too short to be safe, or longer than the scheme allows.
    #[error("a webhook's secret is {FEWEST} to {MOST} bytes, this one is {length}")]
    Length {
        /// Its length in bytes.
        length: usize,
    },
}

impl WebhookSecret {
    /// Reads one as it is written; white space around it is dropped.
    ///
    /// # Errors
    ///
    /// Another beginning than `whsec_`, no base64 behind it, fewer than 24 or more than 64 bytes.
    pub fn parse(text: &str) -> Result<Self, WebhookSecretError> {
        let encoded = text.trim().strip_prefix(MARK).ok_or(WebhookSecretError::Mark)?;
        let bytes = BASE64
            .decode(encoded.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| WebhookSecretError::Base64)?;
        Self::from_bytes(&bytes)
    }

    /// Takes the bytes themselves.
    ///
    /// # Errors
    ///
    /// Fewer than 24 or more than 64.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WebhookSecretError> {
        match bytes.len() {
            FEWEST..=MOST => Ok(Self(SecretBox::from(bytes.to_vec()))),
            length => Err(WebhookSecretError::Length { length }),
        }
    }

    /// The bytes, for a signature and nothing else.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// As people hand it on: `whsec_` and base64. A secret.
    #[must_use]
    pub fn written(&self) -> Zeroizing<String> {
        let encoded = Zeroizing::new(BASE64.encode(self.expose()));
        Zeroizing::new(format!("{MARK}{}", *encoded))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(length: usize) -> String {
        format!("{MARK}{}", BASE64.encode(&vec![7; length]))
    }

    #[test]
    fn its_length_is_the_schemes() {
        for length in [24, 32, 64] {
            let secret = WebhookSecret::parse(&written(length)).unwrap();
            assert_eq!(secret.expose(), vec![7; length]);
        }
        for length in [0, 1, 23, 65, 100] {
            assert_eq!(
                WebhookSecret::parse(&written(length)).unwrap_err(),
                WebhookSecretError::Length { length }
            );
        }
    }

    #[test]
    fn what_is_none_is_refused_and_not_shown() {
        let good = written(32);
        assert!(WebhookSecret::parse(&format!(" {good}\n")).is_ok());
        let bare = good.strip_prefix(MARK).unwrap();
        for (given, expected) in [
            (bare.to_owned(), WebhookSecretError::Mark),
            (String::new(), WebhookSecretError::Mark),
            (format!("WHSEC_{bare}"), WebhookSecretError::Mark),
            (good.trim_end_matches('=').to_owned(), WebhookSecretError::Base64),
            (format!("{MARK}planted planted"), WebhookSecretError::Base64),
        ] {
            let error = WebhookSecret::parse(&given).unwrap_err();
            assert_eq!(error, expected, "{given}");
            assert!(!format!("{error} {error:?}").contains("planted"));
        }
        let secret = WebhookSecret::parse(&good).unwrap();
        assert_eq!(
            format!("{secret:?} {secret:#?}"),
            "WebhookSecret(***) WebhookSecret(***)"
        );
    }
}
