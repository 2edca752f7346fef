//! A TLS 1.3 server that asks for the client's certificate after the handshake, of a client that never
//! offered to be asked. No library does that, so the one message is encrypted here.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::crypto::{CryptoProvider, aws_lc_rs as provider};
use rustls::{ConnectionTrafficSecrets, ServerConfig, ServerConnection, Stream};

use super::kit::Operator;

pub fn late_asker(operator: &Operator) -> (SocketAddr, JoinHandle<()>) {
    let certificate = operator.authority.server().unwrap();
    let provider = CryptoProvider {
        cipher_suites: vec![provider::cipher_suite::TLS13_AES_256_GCM_SHA384],
        ..provider::default_provider()
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificate.chain(), certificate.key())
        .unwrap();
    config.enable_secret_extraction = true;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        for client in listener.incoming() {
            // a client that offers TLS 1.2 alone gets nowhere
            let _ = serve(client.unwrap(), Arc::clone(&config));
        }
    });
    (address, thread)
}

fn serve(mut client: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
    let mut session = ServerConnection::new(config).unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        Stream::new(&mut session, &mut client).read_exact(&mut byte)?;
        heard.extend(byte);
    }
    let secrets = session.dangerous_extract_secrets().unwrap();
    let (sequence, ConnectionTrafficSecrets::Aes256Gcm { key, iv }) = secrets.tx else {
        panic!("another cipher suite")
    };
    client.write_all(&record(
        key.as_ref(),
        iv.as_ref(),
        sequence,
        &certificate_request(),
    ))?;
    while client.read(&mut [0; 1024])? > 0 {}
    Ok(())
}

/// RFC 8446, section 4.3.2: a context, and the signatures that are taken.
fn certificate_request() -> Vec<u8> {
    const CERTIFICATE_REQUEST: u8 = 13;
    let body = [&[4][..], b"late", &[0, 8, 0, 13, 0, 4, 0, 2, 4, 3]].concat();
    [&[CERTIFICATE_REQUEST, 0, 0, body.len() as u8][..], &body].concat()
}

/// RFC 8446, section 5.2.
fn record(key: &[u8], iv: &[u8], sequence: u64, handshake: &[u8]) -> Vec<u8> {
    const HANDSHAKE: u8 = 22;
    let mut nonce: [u8; 12] = iv.try_into().unwrap();
    for (byte, counted) in nonce[4..].iter_mut().zip(sequence.to_be_bytes()) {
        *byte ^= counted;
    }
    let mut inner = [handshake, &[HANDSHAKE]].concat();
    let length = u16::try_from(inner.len() + AES_256_GCM.tag_len())
        .unwrap()
        .to_be_bytes();
    let header = [23, 3, 3, length[0], length[1]];
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(header), &mut inner)
        .unwrap();
    [&header[..], &inner].concat()
}
