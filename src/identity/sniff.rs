//! What a file is, by what is in it. Names and endings are not looked at.

use pkcs8::der::asn1::AnyRef;
use pkcs8::der::{Tag, Tagged};
use serde::Serialize;

use super::der;

/// The form of a file, or of one block in a PEM file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Form {
    /// X.509 certificate.
    Certificate,
    /// PKCS#8 private key, plain.
    Pkcs8,
    /// PKCS#8 private key, encrypted.
    EncryptedPkcs8,
    /// PKCS#1 RSA private key, plain.
    Pkcs1,
    /// SEC1 elliptic curve private key, plain.
    Sec1,
    /// Private key in openssl's own old encryption (`Proc-Type: 4,ENCRYPTED`).
    OpensslEncrypted,
    /// PKCS#12: certificates and keys under one password.
    Pkcs12,
    /// Several PEM blocks; each has its own form.
    Pem,
    /// Certificate signing request.
    Request,
    /// Certificate revocation list.
    Crl,
    /// Public key alone.
    PublicKey,
    /// DSA private key in its old form.
    Dsa,
    /// Private key of OpenSSH.
    OpensshKey,
    /// Public key of OpenSSH.
    OpensshPublicKey,
    /// Private key of PuTTY.
    PuttyKey,
    /// PKCS#7: certificates without keys.
    Pkcs7,
    /// Java keystore (JKS or JCEKS).
    Jks,
    /// Elliptic curve parameters, without a key.
    EcParameters,
    /// Certificate with openssl's trust settings behind it.
    TrustedCertificate,
    /// BER with indefinite lengths.
    Ber,
    /// Base64 without the lines round it.
    BareBase64,
    /// Text in UTF-16.
    Utf16,
    /// A web page.
    Html,
    /// Nothing but white space.
    Empty,
    /// Anything else.
    Unknown,
}

impl Form {
    /// The form's name as it stands in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Certificate => "a certificate",
            Self::Pkcs8 => "a PKCS#8 private key",
            Self::EncryptedPkcs8 => "an encrypted PKCS#8 private key",
            Self::Pkcs1 => "a PKCS#1 private key",
            Self::Sec1 => "a SEC1 private key",
            Self::OpensslEncrypted => "a private key in openssl's old encryption",
            Self::Pkcs12 => "PKCS#12",
            Self::Pem => "PEM",
            Self::Request => "a certificate signing request",
            Self::Crl => "a certificate revocation list",
            Self::PublicKey => "a public key",
            Self::Dsa => "a DSA private key",
            Self::OpensshKey => "an OpenSSH private key",
            Self::OpensshPublicKey => "an OpenSSH public key",
            Self::PuttyKey => "a PuTTY private key",
            Self::Pkcs7 => "PKCS#7",
            Self::Jks => "a Java keystore",
            Self::EcParameters => "elliptic curve parameters",
            Self::TrustedCertificate => "a certificate with openssl's trust settings",
            Self::Ber => "BER with indefinite lengths",
            Self::BareBase64 => "base64 without its `-----BEGIN` line",
            Self::Utf16 => "text in UTF-16",
            Self::Html => "a web page",
            Self::Empty => "nothing",
            Self::Unknown => "something that is neither PEM nor DER of a known form",
        }
    }

    /// The command that makes something usable of `file`, where there is one; `file` as a shell's word.
    #[must_use]
    pub fn conversion(self, file: &str) -> Option<String> {
        let hint = match self {
            Self::Request => {
                "this is what the bank gets; put the certificate there that it sends back".to_owned()
            }
            Self::PublicKey | Self::OpensshPublicKey => {
                "a public key cannot sign; put the private key there".to_owned()
            }
            Self::Crl => "put the certificate there, not the list of revoked ones".to_owned(),
            Self::Dsa => "the bank issues certificates for RSA keys: \
                 `openssl req -new -newkey rsa:2048 -keyout private.key -out request.csr`"
                .to_owned(),
            Self::OpensshKey => {
                format!("convert a copy of it: `cp {file} new.key && ssh-keygen -p -m PKCS8 -f new.key`")
            }
            Self::PuttyKey => format!(
                "convert it: `puttygen {file} -O private-openssh-new -o new.key`, \
                 then `ssh-keygen -p -m PKCS8 -f new.key`"
            ),
            Self::Pkcs7 => format!(
                "take the certificates out: `openssl pkcs7 -in {file} -print_certs -out new.cer` \
                 (with `-inform DER` if it is not PEM)"
            ),
            Self::Jks => format!(
                "convert it: `keytool -importkeystore -srckeystore {file} -destkeystore identity.p12 -deststoretype PKCS12`"
            ),
            Self::EcParameters => {
                "the key itself is missing; `openssl ecparam -genkey` writes both".to_owned()
            }
            Self::TrustedCertificate => format!("convert it: `openssl x509 -in {file} -out new.cer`"),
            Self::Ber => format!(
                "write it anew as DER: `openssl pkcs12 -in {file} -nodes -out all.pem`, \
                 then `openssl pkcs12 -export -in all.pem -out identity.p12`"
            ),
            Self::BareBase64 => {
                format!("decode it: `tr -d '\\r\\n' < {file} | openssl base64 -d -A -out decoded.der`")
            }
            Self::Utf16 => format!("convert it: `iconv -f UTF-16 -t UTF-8 {file} > converted.pem`"),
            Self::Html => "download it again; a page came in its place".to_owned(),
            Self::Unknown => format!("see what it is: `file {file}`"),
            Self::Certificate
            | Self::Pkcs8
            | Self::EncryptedPkcs8
            | Self::Pkcs1
            | Self::Sec1
            | Self::OpensslEncrypted
            | Self::Pkcs12
            | Self::Pem
            | Self::Empty => return None,
        };
        Some(hint)
    }

    /// Whether it is a private key that can be loaded.
    #[must_use]
    pub fn is_private_key(self) -> bool {
        matches!(
            self,
            Self::Pkcs8 | Self::EncryptedPkcs8 | Self::Pkcs1 | Self::Sec1 | Self::OpensslEncrypted
        )
    }
}

/// Tells the form of a whole file. DER that is followed by more has its form still; DER that is cut
/// off has not.
pub(super) fn file(bytes: &[u8]) -> Form {
    let text = trimmed(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    if text.is_empty() {
        return Form::Empty;
    }
    match bytes {
        [0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..] => return Form::Jks,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'-', 0, b'-', 0, ..] | [0, b'-', 0, b'-', ..] => {
            return Form::Utf16;
        }
        [0x30, 0x80, ..] => return Form::Ber,
        [0x30, 0x00..=0x84, ..] => return der(bytes),
        _ => {}
    }
    if contains(bytes, b"-----BEGIN ") {
        Form::Pem
    } else if starts_like_html(text) {
        Form::Html
    } else if text.starts_with(b"PuTTY-User-Key-File") {
        Form::PuttyKey
    } else if text.starts_with(b"ssh-") || text.starts_with(b"ecdsa-sha2-") {
        Form::OpensshPublicKey
    } else if text.starts_with(b"MI") && text.iter().all(|byte| is_base64(*byte)) {
        Form::BareBase64
    } else {
        Form::Unknown
    }
}

/// Tells the form of DER by the types of its first elements.
pub(super) fn der(bytes: &[u8]) -> Form {
    der::outermost(bytes)
        .or_else(|| der::outermost(exact_part(bytes)?))
        .and_then(|elements| by_elements(&elements))
        .unwrap_or(Form::Unknown)
}

/// Where DER is followed by something, the DER alone.
fn exact_part(bytes: &[u8]) -> Option<&[u8]> {
    match der::extent(bytes) {
        der::Extent::Long { extra } => bytes.get(..bytes.len() - usize::try_from(extra).ok()?),
        _ => None,
    }
}

fn by_elements(elements: &[AnyRef<'_>]) -> Option<Form> {
    let tags: Vec<Tag> = elements.iter().map(Tagged::tag).collect();
    let first = *elements.first()?;
    let form = match tags.as_slice() {
        [Tag::Integer, Tag::Sequence, Tag::OctetString, ..] => Form::Pkcs8,
        [Tag::Integer, Tag::OctetString, ..] => Form::Sec1,
        [Tag::Integer, Tag::Sequence, ..] if der::integer(first) == Some(3) => Form::Pkcs12,
        [Tag::Integer, Tag::Integer, ..] if tags.iter().all(|tag| *tag == Tag::Integer) => match tags.len() {
            9 => Form::Pkcs1,
            6 => Form::Dsa,
            2 => Form::PublicKey,
            _ => Form::Unknown,
        },
        [Tag::Sequence, Tag::OctetString] => Form::EncryptedPkcs8,
        [Tag::Sequence, Tag::BitString] => Form::PublicKey,
        [Tag::Sequence, Tag::Sequence, Tag::BitString] => signed(first)?,
        [Tag::Sequence, Tag::Sequence, Tag::BitString, Tag::Sequence] => Form::TrustedCertificate,
        [Tag::ObjectIdentifier, Tag::ContextSpecific { .. }] => Form::Pkcs7,
        _ => Form::Unknown,
    };
    Some(form)
}

/// Certificates, requests and revocation lists are all (body, algorithm, signature).
fn signed(body: AnyRef<'_>) -> Option<Form> {
    let tags: Vec<Tag> = der::inside(body)?.iter().map(Tagged::tag).collect();
    let form = match tags.as_slice() {
        [Tag::ContextSpecific { .. }, Tag::Integer, ..] => Form::Certificate,
        [
            Tag::Integer,
            Tag::Sequence,
            Tag::Sequence,
            Tag::Sequence,
            Tag::Sequence,
            Tag::Sequence,
            ..,
        ] => Form::Certificate,
        [
            Tag::Integer,
            Tag::Sequence,
            Tag::Sequence,
            Tag::ContextSpecific { .. },
        ] => Form::Request,
        [Tag::Integer, Tag::Sequence, Tag::Sequence, ..] | [Tag::Sequence, Tag::Sequence, ..] => Form::Crl,
        _ => Form::Unknown,
    };
    Some(form)
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

fn starts_like_html(text: &[u8]) -> bool {
    let head: Vec<u8> = text.iter().take(64).map(u8::to_ascii_lowercase).collect();
    head.starts_with(b"<!doctype") || head.starts_with(b"<html") || head.starts_with(b"<?xml")
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || matches!(byte, b'+' | b'/' | b'=')
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_files_apart() {
        for (bytes, form) in [
            (&b""[..], Form::Empty),
            (b"\xef\xbb\xbf \r\n", Form::Empty),
            (b"\xef\xbb\xbf-----BEGIN CERTIFICATE-----\n", Form::Pem),
            (b"Bag Attributes\n-----BEGIN CERTIFICATE-----\n", Form::Pem),
            (b"\xff\xfe-\0-\0", Form::Utf16),
            (b"-\0-\0-\0-\0-\0B\0", Form::Utf16),
            (b"\xfe\xed\xfe\xed\0\0\0\x02", Form::Jks),
            (b"\xce\xce\xce\xce\0\0\0\x02", Form::Jks),
            (b"\n<!DOCTYPE html><html>", Form::Html),
            (b"<HTML>", Form::Html),
            (b"ssh-rsa AAAAB3NzaC1yc2E", Form::OpensshPublicKey),
            (b"PuTTY-User-Key-File-3: ssh-rsa", Form::PuttyKey),
            (b"MIIDdzCCAl+gAwIBAgIE\nAgAAuTAN==\n", Form::BareBase64),
            (b"0\x80\x02\x01\x03", Form::Ber),
            (b"0\x03\x02\x01\x03", Form::Unknown),
            (b"\x7fELF", Form::Unknown),
            (b"0", Form::Unknown),
        ] {
            assert_eq!(file(bytes), form, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
