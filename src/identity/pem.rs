//! PEM text to its blocks.
//!
//! The only file that uses `rustls-pemfile`. That crate is no longer maintained (RUSTSEC-2025-0134,
//! a notice, no vulnerability); its successor is the trait `PemObject` of `rustls-pki-types`, and
//! moving means replacing the one call in [`decode`]. Blocks that it does not know, and those with
//! headers, are read by the crate `pem`.

use std::path::Path;

use rustls_pemfile::Item;
use zeroize::{Zeroize, Zeroizing};

use super::{Form, IdentityError, sniff};

/// One block between `-----BEGIN` and `-----END`.
pub(super) struct Block {
    /// What stands after `BEGIN`.
    pub(super) label: String,
    /// The header `DEK-Info` of a traditionally encrypted key.
    pub(super) dek_info: Option<String>,
    /// What the base64 says.
    pub(super) der: Zeroizing<Vec<u8>>,
}

impl Block {
    /// The form, by content; the label decides only where content cannot.
    pub(super) fn form(&self) -> Form {
        if self.dek_info.is_some() {
            return Form::OpensslEncrypted;
        }
        match self.label.as_str() {
            "OPENSSH PRIVATE KEY" => Form::OpensshKey,
            "EC PARAMETERS" => Form::EcParameters,
            "TRUSTED CERTIFICATE" => Form::TrustedCertificate,
            label => match sniff::der(&self.der) {
                Form::Unknown => by_label(label),
                form => form,
            },
        }
    }
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// Reads every block. Text before, between and after the blocks is passed over, binary data is not.
pub(super) fn blocks(bytes: &[u8], path: &Path) -> Result<Vec<Block>, IdentityError> {
    let lines = lines(bytes);
    let mut blocks = Vec::new();
    let mut rest = lines.as_slice();
    while let Some(begin) = rest.iter().position(|line| line.starts_with(BEGIN)) {
        let (_, from_begin) = rest.split_at(begin);
        let opening = from_begin.first().copied().unwrap_or_default();
        let label = label(opening, BEGIN);
        let broken = |reason: String| IdentityError::BrokenPem {
            path: path.to_owned(),
            label: label.clone(),
            reason,
        };
        if goes_on(opening) {
            return Err(broken(
                "goes on in its `-----BEGIN` line: the line breaks are lost".to_owned(),
            ));
        }
        let end = from_begin
            .iter()
            .skip(1)
            .position(|line| line.starts_with(END) || line.starts_with(BEGIN))
            .map(|position| position + 1);
        let closing = end
            .and_then(|end| from_begin.get(end))
            .copied()
            .unwrap_or_default();
        let Some(end) = end.filter(|_| closing.starts_with(END) && closing.ends_with(DASHES)) else {
            return Err(broken(
                "has no whole `-----END` line: the file is cut off".to_owned(),
            ));
        };
        let closed = self::label(closing, END);
        if closed != label {
            return Err(broken(format!("is closed by `{closed}`")));
        }
        let (section, after) = from_begin.split_at(end + 1);
        blocks.push(decode(&label, section).map_err(broken)?);
        rest = after;
    }
    if blocks.is_empty()
        && let Some(line) = lines.iter().find_map(|line| from(line, BEGIN))
    {
        return Err(IdentityError::BrokenPem {
            path: path.to_owned(),
            label: label(line, BEGIN),
            reason: "does not stand at the start of its line".to_owned(),
        });
    }
    let extra: usize = rest.iter().map(|line| line.len()).sum();
    if rest.iter().any(|line| line.iter().any(|byte| is_binary(*byte))) {
        return Err(IdentityError::TrailingData {
            path: path.to_owned(),
            what: "its last PEM block".to_owned(),
            extra: super::der::count(extra),
        });
    }
    Ok(blocks)
}

/// Decodes one block; the error says why it cannot be.
fn decode(label: &str, section: &[&[u8]]) -> Result<Block, String> {
    let text = Zeroizing::new(section.join(&b'\n'));
    let headers = section.iter().any(|line| line.contains(&b':'));
    if !headers && let Some(der) = well_known(&text)? {
        return Ok(Block {
            label: label.to_owned(),
            dek_info: None,
            der,
        });
    }
    let parsed = pem::parse(text.as_slice()).map_err(|error| format!("cannot be decoded: {error}"))?;
    let dek_info = match (
        parsed.headers().get("Proc-Type"),
        parsed.headers().get("DEK-Info"),
    ) {
        (Some(kind), Some(info)) if kind.ends_with("ENCRYPTED") => Some(info.to_owned()),
        (Some(kind), _) => {
            return Err(format!(
                "has `Proc-Type: {kind}` without a `DEK-Info` that says how"
            ));
        }
        (None, _) => None,
    };
    Ok(Block {
        label: label.to_owned(),
        dek_info,
        der: Zeroizing::new(parsed.into_contents()),
    })
}

/// What `rustls-pemfile` makes of it; `None` for a label that it does not know.
fn well_known(text: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    let item = match rustls_pemfile::read_one_from_slice(text) {
        Ok(Some((item, _))) => item,
        Ok(None) => return Ok(None),
        Err(rustls_pemfile::Error::Base64Decode(reason)) => return Err(format!("is not base64: {reason}")),
        Err(error) => return Err(format!("cannot be decoded: {error:?}")),
    };
    let der = match item {
        Item::X509Certificate(der) => der.to_vec(),
        Item::SubjectPublicKeyInfo(der) => der.to_vec(),
        Item::Crl(der) => der.to_vec(),
        Item::Csr(der) => der.to_vec(),
        Item::Pkcs1Key(mut key) => taken(key.secret_pkcs1_der().to_vec(), &mut key),
        Item::Pkcs8Key(mut key) => taken(key.secret_pkcs8_der().to_vec(), &mut key),
        Item::Sec1Key(mut key) => taken(key.secret_sec1_der().to_vec(), &mut key),
        _ => return Ok(None),
    };
    Ok(Some(Zeroizing::new(der)))
}

/// The copy stays, the original is wiped.
fn taken(copy: Vec<u8>, original: &mut impl Zeroize) -> Vec<u8> {
    original.zeroize();
    copy
}

/// Lines without what Windows, old Macs, editors and mail put round them.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let separator = if text.contains(&b'\n') { b'\n' } else { b'\r' };
    text.split(|byte| *byte == separator)
        .map(<[u8]>::trim_ascii)
        .collect()
}

/// Whether a line has something after the dashes that close its label.
fn goes_on(line: &[u8]) -> bool {
    let label = line.strip_prefix(BEGIN).unwrap_or(line);
    dashes(label).is_some_and(|dashes| dashes + DASHES.len() < label.len())
}

fn dashes(text: &[u8]) -> Option<usize> {
    text.windows(DASHES.len()).position(|part| part == DASHES)
}

/// What stands between the prefix and the dashes. Never what comes after them: where line breaks are
/// lost that is the key itself, and the label is shown in errors.
fn label(line: &[u8], prefix: &[u8]) -> String {
    let label = line.strip_prefix(prefix).unwrap_or(line);
    let label = match dashes(label).and_then(|dashes| label.get(..dashes)) {
        Some(label) if label.len() <= 40 => String::from_utf8_lossy(label),
        _ => "without a label".into(),
    };
    label
        .chars()
        .filter(|character| !character.is_control())
        .collect()
}

/// The part of a line that starts with `wanted`.
fn from<'a>(line: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let start = line.windows(wanted.len()).position(|part| part == wanted)?;
    line.get(start..)
}

fn by_label(label: &str) -> Form {
    match label {
        "CERTIFICATE" | "X509 CERTIFICATE" => Form::Certificate,
        "PRIVATE KEY" => Form::Pkcs8,
        "ENCRYPTED PRIVATE KEY" => Form::EncryptedPkcs8,
        "RSA PRIVATE KEY" => Form::Pkcs1,
        "EC PRIVATE KEY" => Form::Sec1,
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Form::Request,
        _ => Form::Unknown,
    }
}

fn is_binary(byte: u8) -> bool {
    byte == 0x7f || byte < 0x20 && byte != b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        blocks(text.as_bytes(), Path::new("f"))
            .map(|blocks| blocks.len())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn lost_line_breaks_are_told_without_the_key() {
        // A key with its line breaks lost, as environment variables and YAML leave it.
        for separator in [" ", "\\n", "", "\\r\\n"] {
            let text = [
                "-----BEGIN EC PRIVATE KEY-----",
                "c2VjcmV0",
                "-----END EC PRIVATE KEY-----",
            ];
            assert_eq!(
                refusal(&text.join(separator)),
                "`f`: PEM block `EC PRIVATE KEY` goes on in its `-----BEGIN` line: the line breaks are lost",
                "{separator:?}"
            );
        }
    }

    #[test]
    fn no_label_is_made_of_what_is_none() {
        let base64 = "c2VjcmV0".repeat(10);
        assert_eq!(
            refusal(&format!("-----BEGIN {base64}\n{base64}")),
            "`f`: PEM block `without a label` has no whole `-----END` line: the file is cut off"
        );
        assert_eq!(
            refusal(&format!(
                "-----BEGIN PRIVATE KEY-----\n{base64}\n-----END {base64}-----"
            )),
            "`f`: PEM block `PRIVATE KEY` is closed by `without a label`"
        );
    }

    #[test]
    fn quotes_round_the_text_are_told() {
        assert_eq!(
            refusal("\"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\""),
            "`f`: PEM block `PRIVATE KEY` does not stand at the start of its line"
        );
    }
}
