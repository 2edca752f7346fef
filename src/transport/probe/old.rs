//! What a server speaks that refuses our hello: an old version of TLS, or TLS 1.2 with cipher suites of old.
//!
//! Nobody is going to talk to it so; it is offered so that the server names its choice. The hello holds no
//! secret and no identity, and the connection ends with the server's first answer.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::facts::{FirstBytes, Outdated};
use super::reach::{Reached, host};
use super::records;
use crate::config::KaspiSettings;

const TLS_1_2: u16 = 0x0303;

/// Cipher suites that we do not offer and that servers of their time take, by number and name in the TLS
/// registry.
const SUITES: [(u16, &str); 16] = [
    (0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    (0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
];

pub(super) fn suite_name(number: u16) -> Option<&'static str> {
    SUITES
        .iter()
        .find(|(known, _)| *known == number)
        .map(|(_, name)| *name)
}

pub(super) async fn outdated(settings: &KaspiSettings, reached: Reached) -> Outdated {
    let mut stream = reached.io.into_inner();
    let asked = async {
        stream.write_all(&hello(host(&settings.base_url))).await?;
        let mut answer = Vec::new();
        loop {
            let mut part = [0; 512];
            let length = stream.read(&mut part).await?;
            answer.extend(part.iter().take(length));
            let first = records::first(&answer);
            let unfinished = matches!(first, FirstBytes::Nothing | FirstBytes::Fragment);
            if length == 0 || !unfinished || answer.len() > 8192 {
                return Ok::<_, std::io::Error>(first);
            }
        }
    };
    let Ok(Ok(FirstBytes::ServerHello {
        version,
        cipher_suite,
    })) = timeout(settings.timeouts.tls, asked).await
    else {
        return Outdated::Unknown;
    };
    match version {
        ..TLS_1_2 => Outdated::Version(version),
        TLS_1_2 => Outdated::CipherSuite(cipher_suite),
        _ => Outdated::Unknown,
    }
}

/// A `ClientHello` of TLS 1.2 (RFC 5246, section 7.4.1.2) with the suites above, and the extensions that
/// servers may insist on.
fn hello(server_name: &str) -> Vec<u8> {
    const NO_RENEGOTIATION: u16 = 0x00ff;
    let mut extensions = Vec::new();
    if server_name.parse::<IpAddr>().is_err() {
        let name = [&[0][..], &sized(server_name.as_bytes())].concat();
        extend(&mut extensions, 0, &sized(&name));
    }
    // P-256, P-384, P-521, and points that are not compressed
    extend(&mut extensions, 10, &sized(&[0, 23, 0, 24, 0, 25]));
    extend(&mut extensions, 11, &[1, 0]);
    // SHA-256, SHA-384, SHA-512 and SHA-1, each with RSA and with ECDSA
    let signatures = [4, 1, 4, 3, 5, 1, 5, 3, 6, 1, 6, 3, 2, 1, 2, 3];
    extend(&mut extensions, 13, &sized(&signatures));

    let suites: Vec<u8> = SUITES
        .iter()
        .map(|(number, _)| *number)
        .chain([NO_RENEGOTIATION])
        .flat_map(u16::to_be_bytes)
        .collect();
    let mut body = TLS_1_2.to_be_bytes().to_vec();
    body.extend(std::iter::repeat_with(|| fastrand::u8(..)).take(32));
    body.push(0);
    body.extend(sized(&suites));
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
    use super::*;

    #[test]
    fn the_hello_is_well_formed() {
        for name in ["kaspi.example", "127.0.0.1"] {
            let mut acceptor = rustls::server::Acceptor::default();
            acceptor.read_tls(&mut hello(name).as_slice()).unwrap();
            let accepted = match acceptor.accept() {
                Ok(Some(accepted)) => accepted,
                Ok(None) => panic!("it is not whole"),
                Err((error, _)) => panic!("{error}"),
            };
            let read = accepted.client_hello();
            assert_eq!(read.server_name(), (name == "kaspi.example").then_some(name));
            assert_eq!(read.cipher_suites().len(), SUITES.len() + 1);
        }
    }

    /// What we offer ourselves proves nothing about a server that refused it.
    #[test]
    fn none_of_the_suites_is_one_of_ours() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        for suite in &provider.cipher_suites {
            assert_eq!(suite_name(u16::from(suite.suite())), None, "{suite:?}");
        }
    }
}
