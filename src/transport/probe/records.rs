//! TLS records as they pass by, encrypted or not: their kinds, and what the first one says (RFC 8446,
//! section 5.1, and RFC 5246, section 6.2.1). Nothing is decrypted here.

use super::facts::FirstBytes;
use crate::transport::Alert;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEADER: usize = 5;

/// The records that came from one side so far.
#[derive(Debug, Default)]
pub(super) struct Records {
    header: Vec<u8>,
    /// Bytes of the current record that have not come yet.
    rest: usize,
    ciphers_changed: bool,
    handshakes_since: usize,
    broken: bool,
}

impl Records {
    /// Takes the next bytes, wherever they were cut.
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.broken {
            if self.rest > 0 {
                let (_, after) = bytes.split_at(self.rest.min(bytes.len()));
                self.rest -= bytes.len() - after.len();
                bytes = after;
                continue;
            }
            let missing = HEADER - self.header.len();
            let (new, after) = bytes.split_at(missing.min(bytes.len()));
            self.header.extend_from_slice(new);
            bytes = after;
            if let [kind, major, _, high, low] = *self.header.as_slice() {
                self.header.clear();
                self.begin(kind, major, u16::from_be_bytes([high, low]));
            }
        }
    }

    fn begin(&mut self, kind: u8, major: u8, length: u16) {
        if !is_record(kind, major) {
            self.broken = true;
            return;
        }
        self.rest = usize::from(length);
        match kind {
            CHANGE_CIPHER_SPEC => self.ciphers_changed = true,
            HANDSHAKE if self.ciphers_changed => self.handshakes_since += 1,
            _ => {}
        }
    }

    /// Whether a TLS 1.2 server asked for another handshake. After its change of ciphers it sends one
    /// handshake message, `Finished`; the only other one that it may ever send is `HelloRequest`.
    pub(super) fn renegotiation_on_tls12(&self) -> bool {
        self.handshakes_since > 1
    }
}

fn is_record(kind: u8, major: u8) -> bool {
    (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind) && major == 3
}

/// What the first bytes of a server are.
pub(super) fn first(bytes: &[u8]) -> FirstBytes {
    match *bytes {
        [] => FirstBytes::Nothing,
        [kind, major, ..] if !is_record(kind, major) => FirstBytes::NotTls(printable(bytes)),
        [ALERT, _, _, 0, 2, _, code, ..] => FirstBytes::Alert(Alert::new(code)),
        [HANDSHAKE, _, _, _, _, ref message @ ..] => {
            server_hello(message).map_or(FirstBytes::Fragment, |(version, cipher_suite)| {
                FirstBytes::ServerHello {
                    version,
                    cipher_suite,
                }
            })
        }
        [kind] if !(CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind) => {
            FirstBytes::NotTls(printable(bytes))
        }
        _ => FirstBytes::Fragment,
    }
}

/// Version and cipher suite that a `ServerHello` chooses. Since TLS 1.3 the version stands in an extension.
fn server_hello(message: &[u8]) -> Option<(u16, u16)> {
    const SERVER_HELLO: u8 = 2;
    const SUPPORTED_VERSIONS: u16 = 43;
    const RANDOM: usize = 32;

    let [SERVER_HELLO, _, _, _, high, low, body @ ..] = message else {
        return None;
    };
    let version = u16::from_be_bytes([*high, *low]);
    let (session_id, body) = body.get(RANDOM..)?.split_first()?;
    let [high, low, _compression, rest @ ..] = body.get(usize::from(*session_id)..)? else {
        return None;
    };
    let suite = u16::from_be_bytes([*high, *low]);
    let mut rest = rest.get(2..).unwrap_or_default();
    while let [a, b, c, d, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        let Some(value) = after.get(..length) else { break };
        if let (SUPPORTED_VERSIONS, [high, low]) = (u16::from_be_bytes([*a, *b]), value) {
            return Some((u16::from_be_bytes([*high, *low]), suite));
        }
        rest = after.get(length..).unwrap_or_default();
    }
    Some((version, suite))
}

/// The beginning of what is no TLS, for people.
pub(super) fn printable(bytes: &[u8]) -> String {
    const SHOWN: usize = 60;
    String::from_utf8_lossy(bytes)
        .chars()
        .take(SHOWN)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect::<String>()
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 3, 3, length[0], length[1]], payload].concat()
    }

    fn hello(version: [u8; 2], extensions: &[u8]) -> Vec<u8> {
        let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
        let mut message = vec![2, 0, 0, 0, version[0], version[1]];
        message.extend([7; 32]);
        message.extend([1, 9, 0x13, 0x01, 0]);
        message.extend(length);
        message.extend(extensions);
        record(HANDSHAKE, &message)
    }

    #[test]
    fn tells_what_came_first() {
        assert_eq!(first(b""), FirstBytes::Nothing);
        let chosen = |version| FirstBytes::ServerHello {
            version,
            cipher_suite: 0x1301,
        };
        assert_eq!(first(&hello([3, 2], &[])), chosen(0x0302));
        let other_then_version = [0, 51, 0, 1, 9, 0, 43, 0, 2, 3, 4];
        assert_eq!(first(&hello([3, 3], &other_then_version)), chosen(0x0304));
        assert_eq!(first(&record(ALERT, &[2, 70])), FirstBytes::Alert(Alert::new(70)));
        assert_eq!(
            first(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            FirstBytes::NotTls("HTTP/1.1 400 Bad Request".to_owned())
        );
        assert_eq!(first(b"S"), FirstBytes::NotTls("S".to_owned()));
        assert_eq!(first(&[HANDSHAKE]), FirstBytes::Fragment);
        assert_eq!(first(&record(HANDSHAKE, &[2, 0])), FirstBytes::Fragment);
    }

    #[test]
    fn a_second_handshake_message_after_the_change_of_ciphers_is_a_request_for_another_handshake() {
        let mut records = Records::default();
        records.take(&record(HANDSHAKE, &[2; 80]));
        records.take(&record(CHANGE_CIPHER_SPEC, &[1]));
        records.take(&record(HANDSHAKE, &[0; 40]));
        records.take(&record(APPLICATION_DATA, &[0; 99]));
        assert!(!records.renegotiation_on_tls12());
        records.take(&record(HANDSHAKE, &[0; 32]));
        assert!(records.renegotiation_on_tls12());
    }

    proptest! {
        #[test]
        fn records_may_be_cut_anywhere(cuts in proptest::collection::vec(1_usize..9, 0..80)) {
            let mut bytes = [
                record(HANDSHAKE, &[2; 80]),
                record(CHANGE_CIPHER_SPEC, &[1]),
                record(HANDSHAKE, &[0; 40]),
                record(HANDSHAKE, &[0; 32]),
            ]
            .concat();
            let mut records = Records::default();
            for cut in cuts {
                let rest = bytes.split_off(cut.min(bytes.len()));
                records.take(&bytes);
                bytes = rest;
            }
            records.take(&bytes);
            prop_assert!(records.renegotiation_on_tls12());
            prop_assert!(!records.broken);
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = first(&bytes);
            let mut records = Records::default();
            records.take(&bytes);
        }
    }
}
