//! The encryption that openssl used before PKCS#8: `Proc-Type: 4,ENCRYPTED`.
//!
//! One round of MD5, so the password is all the protection there is. Old keys come this way all the same.

use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::scheme::decrypt_cbc;
use super::unlock::Failure;

/// What the header `DEK-Info` says.
pub(super) struct DekInfo {
    cipher: Cipher,
    iv: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
}

/// Why a header cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DekError {
    /// A cipher that is not supported.
    Unsupported(String),
    /// Not of the form `CIPHER,HEX`.
    Malformed,
}

impl DekInfo {
    /// Reads a header such as `AES-256-CBC,0123456789ABCDEF0123456789ABCDEF`.
    pub(super) fn read(header: &str) -> Result<Self, DekError> {
        let (name, iv) = header.split_once(',').ok_or(DekError::Malformed)?;
        let cipher = match name.trim() {
            "AES-128-CBC" => Cipher::Aes128,
            "AES-192-CBC" => Cipher::Aes192,
            "AES-256-CBC" => Cipher::Aes256,
            "DES-EDE3-CBC" => Cipher::TripleDes,
            other => {
                let name: String = other
                    .chars()
                    .filter(|character| !character.is_control())
                    .take(40)
                    .collect();
                return Err(DekError::Unsupported(name));
            }
        };
        let iv = hex(iv.trim()).ok_or(DekError::Malformed)?;
        if iv.len() != cipher.iv_length() {
            return Err(DekError::Malformed);
        }
        Ok(Self { cipher, iv })
    }

    /// The encryption in words.
    pub(super) fn describe(&self) -> String {
        format!("openssl traditional, MD5, {}", self.cipher.name())
    }

    /// Undoes it. Success proves nothing yet, as with any padding.
    pub(super) fn decrypt(&self, password: &[u8], data: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let key = self.derive(password);
        match self.cipher {
            Cipher::Aes128 => decrypt_cbc::<aes::Aes128>(&key, &self.iv, data),
            Cipher::Aes192 => decrypt_cbc::<aes::Aes192>(&key, &self.iv, data),
            Cipher::Aes256 => decrypt_cbc::<aes::Aes256>(&key, &self.iv, data),
            Cipher::TripleDes => decrypt_cbc::<des::TdesEde3>(&key, &self.iv, data),
        }
    }

    /// `EVP_BytesToKey` with MD5, one round, and the first eight bytes of the vector as salt
    /// (openssl's documentation of `EVP_BytesToKey` and `PEM_read_bio_PrivateKey`).
    fn derive(&self, password: &[u8]) -> Zeroizing<Vec<u8>> {
        let salt = self.iv.get(..8).unwrap_or_default();
        let length = self.cipher.key_length();
        let mut key = Zeroizing::new(Vec::with_capacity(length + 16));
        let mut block: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::new());
        while key.len() < length {
            let mut hash = Md5::new();
            hash.update(block.as_slice());
            hash.update(password);
            hash.update(salt);
            block = Zeroizing::new(hash.finalize().to_vec());
            key.extend_from_slice(&block);
        }
        key.truncate(length);
        key
    }
}

impl Cipher {
    fn name(self) -> &'static str {
        match self {
            Self::Aes128 => "AES-128-CBC",
            Self::Aes192 => "AES-192-CBC",
            Self::Aes256 => "AES-256-CBC",
            Self::TripleDes => "DES-EDE3-CBC",
        }
    }

    fn key_length(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
        }
    }

    fn iv_length(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            Self::TripleDes => 8,
        }
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text
        .chars()
        .map(|digit| digit.to_digit(16))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_header() {
        let info = DekInfo::read("DES-EDE3-CBC,00ff10AbCDef0102").ok().unwrap();
        assert_eq!(info.describe(), "openssl traditional, MD5, DES-EDE3-CBC");
        assert_eq!(info.iv, [0, 255, 16, 171, 205, 239, 1, 2]);
        for (header, error) in [
            ("AES-256-CBC", DekError::Malformed),
            ("AES-256-CBC,00", DekError::Malformed),
            ("AES-256-CBC,zz", DekError::Malformed),
            ("DES-EDE3-CBC,00ff10AbCDef010", DekError::Malformed),
            (
                "DES-CBC,00ff10AbCDef0102",
                DekError::Unsupported("DES-CBC".to_owned()),
            ),
        ] {
            assert_eq!(DekInfo::read(header).err().unwrap(), error, "{header}");
        }
    }

    #[test]
    fn derives_what_openssl_derives() {
        // printf 'password\x01\x02\x03\x04\x05\x06\x07\x08' | openssl md5
        let info = DekInfo::read("AES-128-CBC,01020304050607080000000000000000")
            .ok()
            .unwrap();
        let expected: Vec<u8> = Md5::digest(b"password\x01\x02\x03\x04\x05\x06\x07\x08").to_vec();
        assert_eq!(info.derive(b"password").as_slice(), expected);
    }
}
