//! Secrets that cannot be printed: no `Display`, no `Serialize`, an empty `Debug`, wiped when dropped.

use std::fmt;

use secrecy::{ExposeSecret, SecretBox, SecretString};

/// The password of a private key or of a PKCS#12 file: bytes, because old files hold old encodings.
#[derive(Clone)]
pub struct Password(SecretBox<[u8]>);

impl Password {
    /// Takes the bytes of a password.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(SecretBox::from(bytes))
    }

    /// The bytes, for the decryption itself and nothing else.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

/// Any other secret text: a token of the old wrapper, a database URL with a password in it.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a text that must not be shown.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(SecretString::from(text))
    }

    /// The text itself, for its one use.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The token that Kaspi gives for one trade point of one BIN. Never used with another BIN.
///
/// ```
/// use kaspi_direct::base::DeviceToken;
///
/// let token = DeviceToken::parse("00000000-0000-4000-8000-000000000001")?;
/// assert_eq!(format!("{token:?}"), "DeviceToken(***)");
/// # Ok::<(), kaspi_direct::base::DeviceTokenError>(())
/// ```
#[derive(Clone)]
pub struct DeviceToken(SecretString);

/// Why a text is not a device token. Never quotes the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceTokenError {
    /// Nothing there.
    #[error("a device token is empty")]
    Empty,
    /// Spaces or control characters inside.
    #[error("a device token has letters, digits and dashes, this one has white space or control characters")]
    Character,
    /// Longer than any token seen.
    #[error("a device token has at most 256 characters, this one has {length}")]
    Length {
        /// Its length in characters.
        length: usize,
    },
}

impl DeviceToken {
    /// Takes a token as Kaspi gave it; white space around it is dropped.
    ///
    /// # Errors
    ///
    /// Empty, longer than 256 characters, or with white space or control characters inside.
    pub fn parse(text: &str) -> Result<Self, DeviceTokenError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(DeviceTokenError::Empty);
        }
        if trimmed
            .chars()
            .any(|character| character.is_whitespace() || character.is_control())
        {
            return Err(DeviceTokenError::Character);
        }
        let length = trimmed.chars().count();
        if length > 256 {
            return Err(DeviceTokenError::Length { length });
        }
        Ok(Self(SecretString::from(trimmed)))
    }

    /// The token itself, for the request and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for DeviceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let password = Password::new(b"correct horse".to_vec());
        assert_eq!(
            format!("{password:?} {password:#?}"),
            "Password(***) Password(***)"
        );
        assert_eq!(format!("{:?}", Secret::new("correct horse")), "Secret(***)");
    }

    #[test]
    fn token_rules() {
        assert_eq!(DeviceToken::parse(" abc-1\n").unwrap().expose(), "abc-1");
        assert_eq!(DeviceToken::parse(" ").unwrap_err(), DeviceTokenError::Empty);
        assert_eq!(
            DeviceToken::parse("a b").unwrap_err(),
            DeviceTokenError::Character
        );
        assert_eq!(
            DeviceToken::parse(&"a".repeat(257)).unwrap_err(),
            DeviceTokenError::Length { length: 257 }
        );
    }
}
