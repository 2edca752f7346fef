//! Which old version of TLS a server speaks that speaks neither TLS 1.2 nor 1.3.
//!
//! Nobody is going to talk to it in that version; it is offered so that the server names it. The hello
//! holds no secret and no identity, and the connection ends with the server's first answer.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::facts::{FirstBytes, OldVersion};
use super::reach::{Reached, host};
use super::records;
use crate::config::KaspiSettings;

const TLS_1_1: [u8; 2] = [3, 2];
const TLS_1_2: u16 = 0x0303;

pub(super) async fn old_version(settings: &KaspiSettings, reached: Reached) -> OldVersion {
    let mut stream = reached.io.into_inner();
    let asked = async {
        stream.write_all(&hello(host(&settings.base_url))).await?;
        let mut answer = Vec::new();
        loop {
            let mut part = [0; 512];
            let length = stream.read(&mut part).await?;
            answer.extend(part.iter().take(length));
            let first = records::first(&answer);
            if length == 0
                || answer.len() > 8192
                || !matches!(first, FirstBytes::Nothing | FirstBytes::Fragment)
            {
                return Ok::<_, std::io::Error>(first);
            }
        }
    };
    match timeout(settings.timeouts.tls, asked).await {
        Ok(Ok(FirstBytes::ServerHello { version })) if version < TLS_1_2 => OldVersion::Speaks(version),
        _ => OldVersion::Unknown,
    }
}

/// A `ClientHello` of TLS 1.1 (RFC 4346, section 7.4.1.2) with the cipher suites that servers of its
/// time have, and the extensions that they may insist on.
fn hello(server_name: &str) -> Vec<u8> {
    const SUITES: [u16; 11] = [
        0xc014, 0xc00a, 0x0039, 0x0035, 0xc013, 0xc009, 0x0033, 0x002f, 0xc012, 0x000a,
        // no renegotiation, RFC 5746
        0x00ff,
    ];
    let mut extensions = Vec::new();
    if server_name.parse::<IpAddr>().is_err() {
        let name = [&[0][..], &sized(server_name.as_bytes())].concat();
        extend(&mut extensions, 0, &sized(&name));
    }
    // P-256, P-384, P-521, and points that are not compressed
    extend(&mut extensions, 10, &sized(&[0, 23, 0, 24, 0, 25]));
    extend(&mut extensions, 11, &[1, 0]);

    let mut body = TLS_1_1.to_vec();
    body.extend(std::iter::repeat_with(|| fastrand::u8(..)).take(32));
    body.push(0);
    body.extend(sized(
        &SUITES
            .iter()
            .flat_map(|suite| suite.to_be_bytes())
            .collect::<Vec<u8>>(),
    ));
    body.extend([1, 0]);
    body.extend(sized(&extensions));

    let message = [&[1, 0][..], &sized(&body)].concat();
    [&[22, 3, 1][..], &sized(&message)].concat()
}

/// Bytes with their length in front, in two bytes. A server name is 253 bytes at most, so all fit.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

fn extend(extensions: &mut Vec<u8>, kind: u16, value: &[u8]) {
    extensions.extend(kind.to_be_bytes());
    extensions.extend(sized(value));
}

#[cfg(test)]
mod tests {
    use rustls::{Error, PeerIncompatible};

    use super::*;

    #[test]
    fn the_hello_is_well_formed() {
        for name in ["kaspi.example", "127.0.0.1"] {
            let hello = hello(name);
            let mut acceptor = rustls::server::Acceptor::default();
            acceptor.read_tls(&mut hello.as_slice()).unwrap();
            // it was read to its end, and lacks only what came with TLS 1.2
            let refused = acceptor.accept().err().map(|(error, _)| error);
            assert_eq!(
                refused,
                Some(Error::PeerIncompatible(
                    PeerIncompatible::SignatureAlgorithmsExtensionRequired
                ))
            );
            let named = hello.windows(name.len()).any(|window| window == name.as_bytes());
            assert_eq!(named, name == "kaspi.example");
        }
    }
}
