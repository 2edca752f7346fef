//! HTTP/2 servers that say of a request that they have not looked at it, as nginx does after
//! `keepalive_requests` of them. Frames are written by hand: a server of hyper's does it by its own rules.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use kaspi_direct::base::Delivery::{NotSent, Unknown};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::kit::{FLOWERS, Operator, create, in_time, told};
use super::server::{Setup, server_config};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const PREFACE: usize = 24;

const REFUSED_STREAM: u32 = 7;
const INTERNAL_ERROR: u32 = 2;

/// What is said of every request.
#[derive(Clone, Copy, Debug)]
enum Word {
    /// The connection ends, and none of its requests was looked at.
    GoAway,
    /// The connection ends, and the request was looked at; then it is reset.
    GoAwayAfter,
    /// The request alone ends, with this reason.
    Reset(u32),
}

fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, 0]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, &[last.to_be_bytes(), 0_u32.to_be_bytes()].concat())
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    word: Word,
    requests: &watch::Sender<usize>,
) -> io::Result<()> {
    stream.read_exact(&mut [0; PREFACE]).await?;
    stream.write_all(&frame(SETTINGS, 0, &[])).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let [a, b, c, kind, _, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await?;
        if kind != HEADERS {
            continue;
        }
        requests.send_modify(|requests| *requests += 1);
        let id = u32::from_be_bytes(id);
        let reset = |reason: u32| frame(RST_STREAM, id, &reason.to_be_bytes());
        match word {
            Word::GoAway => stream.write_all(&goaway(0)).await?,
            Word::GoAwayAfter => {
                stream.write_all(&goaway(id)).await?;
                stream.write_all(&reset(INTERNAL_ERROR)).await?;
            }
            Word::Reset(reason) => stream.write_all(&reset(reason)).await?,
        }
    }
}

/// A server that says so of everything; counts requests.
async fn server(operator: &Operator, word: Word) -> (SocketAddr, watch::Receiver<usize>) {
    let setup = Setup {
        http2: true,
        ..Setup::of(&operator.authority)
    };
    let certificate = operator.authority.server().unwrap();
    let config = server_config(certificate.chain(), certificate.key(), &setup);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, counted) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, requests) = (acceptor.clone(), requests.clone());
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await?;
                answer(stream, word, &requests).await
            });
        }
    });
    (address, counted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_the_server_disclaims_was_not_sent() {
    let operator = Operator::of_two();
    for (word, delivery, attempts) in [
        (Word::GoAway, NotSent, 3),
        (Word::Reset(REFUSED_STREAM), NotSent, 3),
        (Word::GoAwayAfter, Unknown, 1),
        (Word::Reset(INTERNAL_ERROR), Unknown, 1),
    ] {
        let (address, requests) = server(&operator, word).await;
        let app = operator.open(address, "");
        let outcome = in_time(create(&app, FLOWERS)).await;
        assert_eq!(told(outcome), ("connection_closed", delivery), "{word:?}");
        assert_eq!(*requests.borrow(), attempts, "{word:?}");
    }
}
