//! Signatures by Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, in three headers.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::base::{Explain, Fault, WebhookSecret};

/// The header with a delivery's number, the same for every attempt.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of the attempt, in seconds since the Unix epoch.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures, one for each secret, with spaces between them.
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// How far the time of an attempt may be from that of its receiver.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The scheme's name of HMAC-SHA256.
const VERSION: &str = "v1";
/// More signatures than that are nobody's secrets in rotation.
const MOST_SIGNATURES: usize = 16;

/// What a receiver can check of a request, and its headers.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signature: &'a str,
    /// The body, byte for byte as it came.
    pub body: &'a [u8],
}

/// Why a request is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unverified {
    /// A header is missing or empty.
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    /// The time is none.
    #[error("`webhook-timestamp` is not a number of seconds since 1970")]
    Timestamp,
    /// It was signed too long ago, or its sender's clock is behind: it may have been recorded and sent again.
    #[error("it was signed {age} s ago, and at most {tolerance} s are allowed")]
    Old {
        /// How old it is, in seconds.
        age: i64,
        /// How old it may be, in seconds.
        tolerance: u64,
    },
    /// It was signed in the future.
    #[error("it was signed {ahead} s in the future, and at most {tolerance} s are allowed")]
    Early {
        /// How far ahead it is, in seconds.
        ahead: i64,
        /// How far it may be, in seconds.
        tolerance: u64,
    },
    /// There is no signature of the kind that is checked here.
    #[error("`webhook-signature` has no signature that begins with `v1,`")]
    NoSignature,
    /// None of the signatures is that of a secret and this request.
    #[error("none of the {signatures} signatures is that of the secret and this request")]
    Wrong {
        /// How many were looked at.
        signatures: usize,
    },
}

/// One signature: `v1,` and base64.
#[must_use]
pub fn sign(secret: &WebhookSecret, id: &str, timestamp: i64, body: &[u8]) -> String {
    let code = authentication(secret, id, &timestamp.to_string(), body).finalize();
    format!("{VERSION},{}", BASE64.encode(&code.into_bytes()))
}

/// The value of `webhook-signature`: one signature for each secret.
#[must_use]
pub fn signatures<'a>(
    secrets: impl IntoIterator<Item = &'a WebhookSecret>,
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> String {
    let signatures: Vec<String> = secrets
        .into_iter()
        .map(|secret| sign(secret, id, timestamp, body))
        .collect();
    signatures.join(" ")
}

/// Checks a request, in a time that does not depend on where a wrong signature differs. Gives the moment at
/// which it was signed.
///
/// # Errors
///
/// It was not signed with one of the secrets, or not within `tolerance` of `now`.
pub fn verify(
    secrets: &[WebhookSecret],
    signed: &Signed<'_>,
    now: OffsetDateTime,
    tolerance: Duration,
) -> Result<OffsetDateTime, Unverified> {
    for (name, value) in [
        (ID_HEADER, signed.id),
        (TIMESTAMP_HEADER, signed.timestamp),
        (SIGNATURE_HEADER, signed.signature),
    ] {
        if value.is_empty() {
            return Err(Unverified::Missing(name));
        }
    }
    let at = moment(signed.timestamp).ok_or(Unverified::Timestamp)?;
    let age = (now - at).whole_seconds();
    let allowed = i64::try_from(tolerance.as_secs()).unwrap_or(i64::MAX);
    if age > allowed {
        return Err(Unverified::Old {
            age,
            tolerance: tolerance.as_secs(),
        });
    }
    if age < -allowed {
        return Err(Unverified::Early {
            ahead: -age,
            tolerance: tolerance.as_secs(),
        });
    }
    let mut looked_at = 0;
    let mut fits = false;
    for signature in signed.signature.split(' ').take(MOST_SIGNATURES) {
        let Some(encoded) = signature
            .strip_prefix(VERSION)
            .and_then(|rest| rest.strip_prefix(','))
        else {
            continue;
        };
        looked_at += 1;
        let Ok(code) = BASE64.decode(encoded.as_bytes()) else {
            continue;
        };
        for secret in secrets {
            let expected = authentication(secret, signed.id, signed.timestamp, signed.body);
            fits |= expected.verify_slice(&code).is_ok();
        }
    }
    match (fits, looked_at) {
        (true, _) => Ok(at),
        (false, 0) => Err(Unverified::NoSignature),
        (false, signatures) => Err(Unverified::Wrong { signatures }),
    }
}

fn moment(timestamp: &str) -> Option<OffsetDateTime> {
    if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    OffsetDateTime::from_unix_timestamp(timestamp.parse().ok()?).ok()
}

fn authentication(secret: &WebhookSecret, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    // A key is filled up with zeros to a block of SHA-256, which no secret is longer than.
    let mut key = Zeroizing::new([0; 64]);
    for (place, byte) in key.iter_mut().zip(secret.expose()) {
        *place = *byte;
    }
    let mut code = Hmac::<Sha256>::new((&*key).into());
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        code.update(part);
    }
    code
}

impl Explain for Unverified {
    fn kind(&self) -> &'static str {
        match self {
            Self::Missing(_) => "webhook_header_missing",
            Self::Timestamp => "webhook_bad_timestamp",
            Self::Old { .. } => "webhook_too_old",
            Self::Early { .. } => "webhook_too_early",
            Self::NoSignature => "webhook_no_signature",
            Self::Wrong { .. } => "webhook_wrong_signature",
        }
    }

    fn fault(&self) -> Fault {
        Fault::Caller
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Missing(_) => "a request of the gateway has all three headers; a proxy on the way may have dropped one",
                Self::Timestamp => "take the header as it came",
                Self::Old { .. } => "compare the clocks of both machines; to look at an old request, give a larger `--tolerance`",
                Self::Early { .. } => "compare the clocks of both machines",
                Self::NoSignature => "take the header whole, all signatures in it",
                Self::Wrong { .. } => "check the body byte for byte as it came, not what a JSON library made of it, with the secret of this very webhook",
            }
            .to_owned(),
        )
    }
}

impl fmt::Display for Signed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.id, self.timestamp)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    /// The vector that the scheme's own libraries are tested with (standard-webhooks, `sign function works`).
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn published() -> WebhookSecret {
        WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
    }

    fn other() -> WebhookSecret {
        WebhookSecret::from_bytes(&[9; 32]).unwrap()
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn check(signature: &str, now: i64) -> Result<OffsetDateTime, Unverified> {
        let timestamp = TIMESTAMP.to_string();
        let signed = Signed {
            id: ID,
            timestamp: &timestamp,
            signature,
            body: BODY,
        };
        verify(&[other(), published()], &signed, at(now), TOLERANCE)
    }

    #[test]
    fn the_published_vector() {
        assert_eq!(sign(&published(), ID, TIMESTAMP, BODY), SIGNATURE);
        assert_eq!(check(SIGNATURE, TIMESTAMP), Ok(at(TIMESTAMP)));
    }

    #[test]
    fn one_right_signature_among_others_is_enough() {
        for list in [
            format!("{SIGNATURE} v1,AAAA"),
            format!("v1,AAAA v1a,abc {SIGNATURE}"),
            signatures([&published(), &other()], ID, TIMESTAMP, BODY),
        ] {
            assert_eq!(check(&list, TIMESTAMP), Ok(at(TIMESTAMP)), "{list}");
        }
    }

    #[test]
    fn a_wrong_signature_is_refused() {
        let signature_of_other_body = sign(&published(), ID, TIMESTAMP, b"{}");
        let untagged = SIGNATURE.replace("v1,", "");
        for (given, expected) in [
            ("", Unverified::Missing(SIGNATURE_HEADER)),
            ("v1,", Unverified::Wrong { signatures: 1 }),
            ("v1,!!!", Unverified::Wrong { signatures: 1 }),
            (
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1O==",
                Unverified::Wrong { signatures: 1 },
            ),
            ("v2,AAAA", Unverified::NoSignature),
            (untagged.as_str(), Unverified::NoSignature),
            (
                signature_of_other_body.as_str(),
                Unverified::Wrong { signatures: 1 },
            ),
        ] {
            assert_eq!(check(given, TIMESTAMP), Err(expected), "{given}");
        }
    }

    #[test]
    fn the_tolerance_holds_at_the_border() {
        let seconds = 300;
        assert!(check(SIGNATURE, TIMESTAMP + seconds).is_ok());
        assert!(check(SIGNATURE, TIMESTAMP - seconds).is_ok());
        assert_eq!(
            check(SIGNATURE, TIMESTAMP + seconds + 1),
            Err(Unverified::Old {
                age: 301,
                tolerance: 300
            })
        );
        assert_eq!(
            check(SIGNATURE, TIMESTAMP - seconds - 1),
            Err(Unverified::Early {
                ahead: 301,
                tolerance: 300
            })
        );
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        for timestamp in [
            "-1",
            "+1614265330",
            "1614265330.0",
            "now",
            " 1",
            "99999999999999999999",
        ] {
            let signed = Signed {
                id: ID,
                timestamp,
                signature: SIGNATURE,
                body: BODY,
            };
            assert_eq!(
                verify(&[published()], &signed, at(TIMESTAMP), TOLERANCE),
                Err(Unverified::Timestamp),
                "{timestamp}"
            );
        }
    }

    /// Python's own `hmac`, which shares nothing with ours.
    #[test]
    fn python_signs_alike() {
        const PROGRAM: &str = "\
import base64, hashlib, hmac, sys
secret, ident, timestamp = sys.argv[1:]
key = base64.b64decode(secret.removeprefix('whsec_'))
signed = f'{ident}.{timestamp}.'.encode() + sys.stdin.buffer.read()
print('v1,' + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode(), end='')";
        for (length, body) in [
            (24, "".as_bytes()),
            (32, BODY),
            (64, "{\"text\":\"Қала · Город\"}".as_bytes()),
        ] {
            let secret = WebhookSecret::from_bytes(&vec![0xa5; length]).unwrap();
            let child = Command::new("python3")
                .args(["-c", PROGRAM, secret.written().as_str(), ID, "1700000000"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn();
            let mut child = match child {
                Ok(child) => child,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    println!("skipped: python3 is not installed");
                    return;
                }
                Err(error) => panic!("{error}"),
            };
            child.stdin.take().unwrap().write_all(body).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success());
            assert_eq!(
                String::from_utf8(output.stdout).unwrap(),
                sign(&secret, ID, 1_700_000_000, body)
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_judged_without_a_panic(id in ".*", timestamp in ".*", signature in ".*", body: Vec<u8>) {
            let signed = Signed { id: &id, timestamp: &timestamp, signature: &signature, body: &body };
            prop_assert!(verify(&[published()], &signed, at(TIMESTAMP), TOLERANCE).is_err());
        }

        #[test]
        fn what_is_signed_verifies_and_a_changed_byte_does_not(body: Vec<u8>, at_byte: prop::sample::Index, flip in 1..=255_u8) {
            let signature = sign(&published(), ID, TIMESTAMP, &body);
            let timestamp = TIMESTAMP.to_string();
            let signed = Signed { id: ID, timestamp: &timestamp, signature: &signature, body: &body };
            prop_assert!(verify(&[published()], &signed, at(TIMESTAMP), TOLERANCE).is_ok());
            if !body.is_empty() {
                let mut changed = body.clone();
                changed[at_byte.index(body.len())] ^= flip;
                let signed = Signed { body: &changed, ..signed };
                prop_assert!(verify(&[published()], &signed, at(TIMESTAMP), TOLERANCE).is_err());
            }
        }
    }
}
