//! A look at sockets that misbehave before there is TLS, and at proxies that do not let us through.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaspi_direct::config::{KeyExchange, ProxyScheme};
use kaspi_direct::transport::TlsVersion;
use kaspi_direct::transport::probe::{
    Ended, ExchangeFailure, FirstBytes, LookupFailure, ProxyFailure, ReachFailure, SecondLookReason,
    TcpFailure, TlsFailure,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::doctor_kit::{full_listener, look, look_at};
use super::kit::{FLOWERS, Operator};
use super::server::{Act, Auth, Server, Setup};

/// Time-outs that a test waits for.
pub const SHORT: &str = "connect_timeout = \"1s\"\ntls_timeout = \"1s\"\nrequest_timeout = \"2s\"";

fn operator() -> Operator {
    let operator = Operator::new();
    operator.add(FLOWERS);
    operator
}

/// What a listener does with whoever connects.
#[derive(Clone)]
pub enum Manner {
    /// Resets at once.
    Reset,
    /// Closes at once.
    Close,
    /// Says nothing and reads on.
    Mute,
    /// Says this at once, then reads on.
    Say(&'static [u8]),
    /// Reads the hello, says this, and closes.
    Answer(Vec<u8>),
    /// Passes on to a server, unless the first thing said is longer than this: then it is swallowed.
    Swallow(usize, SocketAddr),
    /// The same, but reset.
    ResetLarge(usize, SocketAddr),
    /// Passes on what the client says, and of the server's answer only this much, then resets.
    Cut(usize, SocketAddr),
}

pub async fn listener(manner: Manner) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut guests = JoinSet::new();
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let manner = manner.clone();
            guests.spawn(async move {
                let _ = treat(client, manner).await;
            });
        }
    });
    (address, tasks)
}

async fn treat(mut client: TcpStream, manner: Manner) -> std::io::Result<()> {
    match manner {
        Manner::Reset => {
            // the hello is there: a reset that comes at once may meet the client's connect still under way
            hello_length(&client).await?;
            client.set_zero_linger()
        }
        Manner::Close => Ok(()),
        Manner::Mute => read_on(&mut client).await,
        Manner::Say(words) => {
            client.write_all(words).await?;
            read_on(&mut client).await
        }
        Manner::Answer(words) => {
            hello(&mut client).await?;
            client.write_all(&words).await
        }
        Manner::Swallow(most, server) => {
            if hello_length(&client).await? > most {
                return read_on(&mut client).await;
            }
            pass_on(client, server).await
        }
        Manner::ResetLarge(most, server) => {
            if hello_length(&client).await? > most {
                return client.set_zero_linger();
            }
            pass_on(client, server).await
        }
        Manner::Cut(most, server) => {
            let mut upstream = TcpStream::connect(server).await?;
            upstream.write_all(&hello(&mut client).await?).await?;
            let mut answer = vec![0; most];
            upstream.read_exact(&mut answer).await?;
            client.write_all(&answer).await?;
            client.set_zero_linger()
        }
    }
}

async fn read_on(client: &mut TcpStream) -> std::io::Result<()> {
    while client.read(&mut [0; 4096]).await? > 0 {}
    Ok(())
}

async fn pass_on(mut client: TcpStream, server: SocketAddr) -> std::io::Result<()> {
    let mut upstream = TcpStream::connect(server).await?;
    copy_bidirectional(&mut client, &mut upstream).await?;
    Ok(())
}

/// The length of the hello's record, which stays unread.
async fn hello_length(client: &TcpStream) -> std::io::Result<usize> {
    let mut header = [0; 5];
    while client.peek(&mut header).await? < 5 {}
    Ok(usize::from(u16::from_be_bytes([header[3], header[4]])))
}

async fn hello(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut hello = vec![0; 5 + hello_length(client).await?];
    client.read_exact(&mut hello).await?;
    Ok(hello)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_listens() {
    let operator = operator();
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let look = look(&operator, free, "").await;
    assert_eq!(look.lookup.outcome.as_ref().unwrap(), &[free.ip()]);
    assert_eq!((look.lookup.port, look.lookup.proxy), (free.port(), None));
    assert_eq!(look.reach.outcome, Err(ReachFailure::Tcp(TcpFailure::Refused)));
    assert_eq!(look.reach.attempts.len(), 1);
    assert_eq!(look.reach.attempts[0].address, free);
    assert!(look.handshake.is_none());
}

/// A listener whose queue is full drops what else comes, as a filter does.
#[tokio::test(flavor = "multi_thread")]
async fn packets_are_dropped() {
    let operator = operator();
    let (_guard, address) = full_listener();
    let look = look(&operator, address, SHORT).await;
    let limit = Duration::from_secs(1);
    assert_eq!(
        look.reach.outcome,
        Err(ReachFailure::Tcp(TcpFailure::TimedOut(limit)))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_there_is_not() {
    let operator = operator();
    let file = operator.configure_url("https://no-such-host.invalid/r3", SHORT);
    let look = look_at(&operator, file).await;
    assert_eq!(look.lookup.host, "no-such-host.invalid");
    // where a test runs without any name server, none can deny the name
    assert!(
        matches!(
            look.lookup.outcome,
            Err(LookupFailure::NoSuchName(_) | LookupFailure::NoServer(_) | LookupFailure::TimedOut(_))
        ),
        "{look:#?}"
    );
    assert!(look.reach.attempts.is_empty());
}

/// Of several addresses each is told, and the one that answers is used.
#[tokio::test(flavor = "multi_thread")]
async fn every_address_of_a_name_is_tried() {
    let operator = operator();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let url = format!("https://localhost:{}/r3", server.address.port());
    let look = look_at(&operator, operator.configure_url(&url, "")).await;
    let addresses = look.lookup.outcome.as_ref().unwrap();
    assert_eq!(look.reach.attempts.len(), addresses.len());
    assert_eq!(look.reach.outcome, Ok(server.address));
    for attempt in &look.reach.attempts {
        assert_eq!(
            attempt.end.is_ok(),
            attempt.address == server.address,
            "{look:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_before_a_word_of_tls() {
    let operator = operator();
    for (manner, ended) in [(Manner::Reset, Ended::Reset), (Manner::Close, Ended::Closed)] {
        let (address, _tasks) = listener(manner.clone()).await;
        let look = look(&operator, address, "").await;
        assert!(look.reach.outcome.is_ok());
        let handshake = look.handshake();
        assert!(handshake.ended_before_server_hello());
        assert_eq!(handshake.first, FirstBytes::Nothing);
        let Err(TlsFailure::Ended(how)) = &handshake.outcome else {
            panic!("{look:#?}")
        };
        // what is closed before it has read our hello is reset as well
        assert!(*how == ended || *how == Ended::Reset, "{look:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_instead_of_tls() {
    let operator = operator();
    let (address, _tasks) = listener(Manner::Mute).await;
    let look = look(&operator, address, SHORT).await;
    let handshake = look.handshake();
    assert_eq!(
        handshake.outcome,
        Err(TlsFailure::TimedOut(Duration::from_secs(1)))
    );
    assert!(handshake.ended_before_server_hello());
    assert!(handshake.hello_bytes > 100);
    assert!(look.second.is_none(), "the classic hello was sent already");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tls_is_quoted() {
    let operator = operator();
    for (manner, beginning) in [
        (Manner::Say(b"SSH-2.0-OpenSSH_9.2\r\n"), "SSH-2.0-OpenSSH_9.2"),
        (
            Manner::Answer(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            "HTTP/1.1 400 Bad Request",
        ),
    ] {
        let (address, _tasks) = listener(manner).await;
        let look = look(&operator, address, "").await;
        assert_eq!(look.handshake().first, FirstBytes::NotTls(beginning.to_owned()));
        assert!(
            matches!(look.handshake().outcome, Err(TlsFailure::WeRefused(_))),
            "{look:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_after_its_hello() {
    let operator = operator();
    for setup in Setup::both(&operator.authority) {
        let server = Server::start(&operator.authority, setup).await;
        let (address, _tasks) = listener(Manner::Cut(200, server.address)).await;
        let look = look(&operator, address, "").await;
        let handshake = look.handshake();
        assert!(
            matches!(handshake.first, FirstBytes::ServerHello { .. }),
            "{look:#?}"
        );
        assert!(!handshake.ended_before_server_hello());
        assert_eq!(handshake.outcome, Err(TlsFailure::Ended(Ended::Reset)));
        assert!(look.outdated.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_with_an_old_hello() {
    let operator = operator();
    let mut hello = vec![22, 3, 2, 0, 44, 2, 0, 0, 40, 3, 2];
    hello.extend([9; 32]);
    hello.extend([0, 0, 0x2f, 0, 0, 0]);
    let (address, _tasks) = listener(Manner::Answer(hello)).await;
    let look = look(&operator, address, "").await;
    assert_eq!(
        look.handshake().first,
        FirstBytes::ServerHello {
            version: 0x0302,
            cipher_suite: 0x002f
        }
    );
    assert!(
        matches!(look.handshake().outcome, Err(TlsFailure::WeRefused(_))),
        "{look:#?}"
    );
    assert_eq!(
        look.outdated,
        Some(kaspi_direct::transport::probe::Outdated::Version(0x0302))
    );
}

/// A large hello is lost on the way; the small one gets through, and the look says so.
#[tokio::test(flavor = "multi_thread")]
async fn the_large_post_quantum_hello_is_lost_on_the_way() {
    let operator = operator();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    for manner in [
        Manner::Swallow(1000, server.address),
        Manner::ResetLarge(1000, server.address),
    ] {
        let (address, _tasks) = listener(manner.clone()).await;
        let hybrid = format!("{SHORT}\nkey_exchange = \"hybrid\"");
        server.will([Act::Answer(200, "{}".to_owned())]);
        let look = look(&operator, address, &hybrid).await;
        let handshake = look.handshake();
        assert_eq!(handshake.key_exchange, KeyExchange::Hybrid);
        assert!(handshake.hello_bytes > 1200, "{handshake:?}");
        assert!(handshake.ended_before_server_hello(), "{look:#?}");

        let second = look.second.unwrap();
        assert_eq!(second.reason, SecondLookReason::KeyExchange(KeyExchange::Classic));
        let classic = second.handshake.unwrap();
        assert!(classic.hello_bytes < 600, "{classic:?}");
        let agreed = classic.outcome.unwrap();
        assert_eq!(agreed.group.as_deref(), Some("X25519"));
        assert_eq!(second.exchange.unwrap().outcome.unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hybrid_hello_that_arrives_is_agreed_on() {
    let operator = operator();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    server.will([Act::Answer(200, "{}".to_owned())]);
    let look = look(&operator, server.address, "key_exchange = \"hybrid\"").await;
    let agreed = look.handshake().outcome.as_ref().unwrap();
    assert_eq!(agreed.group.as_deref(), Some("X25519MLKEM768"));
    assert!(look.second.is_none());
}

/// On TLS 1.3 the refusal comes where an answer is waited for, whether the server closes in good order or
/// resets.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_refusal_is_always_heard() {
    let operator = operator();
    let stranger = super::kit::stranger().0;
    for setup in Setup::all(&operator.authority) {
        for polite in [true, false] {
            let setup = Setup {
                auth: Auth::Of(vec![stranger.clone()]),
                polite,
                ..setup.clone()
            };
            let server = Server::start(&operator.authority, setup.clone()).await;
            for _ in 0..20 {
                let look = look(&operator, server.address, "").await;
                let alert = match (&look.handshake().outcome, &look.exchange) {
                    (Err(TlsFailure::TheyRefused(alert)), None) => {
                        assert!(!setup.tls13);
                        alert
                    }
                    (Ok(agreed), Some(exchange)) => {
                        assert_eq!(agreed.version, TlsVersion::V1_3);
                        match &exchange.outcome {
                            Err(ExchangeFailure::TheyRefused(alert)) => alert,
                            other => panic!("{}, polite: {polite}: {other:?}", setup.name()),
                        }
                    }
                    _ => panic!("{}, polite: {polite}: {look:#?}", setup.name()),
                };
                assert_eq!(alert.name(), "unknown_ca");
            }
            assert_eq!(server.seen().requests.len(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_told_in_its_ways() {
    let operator = operator();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    for (act, expected) in [
        (Act::CloseAfterRequest, ExchangeFailure::Ended(Ended::Closed)),
        (Act::ResetAfterRequest, ExchangeFailure::Ended(Ended::Reset)),
        (Act::Silence, ExchangeFailure::TimedOut(Duration::from_secs(2))),
    ] {
        server.will([act.clone()]);
        let look = look(&operator, server.address, SHORT).await;
        assert_eq!(
            look.exchange().outcome.as_ref().unwrap_err(),
            &expected,
            "{act:?}"
        );
    }
    server.will([Act::Raw(b"this is not HTTP\r\n\r\n".to_vec())]);
    let look = look(&operator, server.address, SHORT).await;
    assert!(
        matches!(look.exchange().outcome, Err(ExchangeFailure::NotHttp(_))),
        "{look:#?}"
    );
}

/// Neither a body without end nor a head without end is read without end.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_end_is_cut() {
    let operator = operator();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    server.will([Act::EndlessBody]);
    let endless = look(&operator, server.address, "").await;
    let answer = endless.exchange().outcome.as_ref().unwrap();
    assert!(!answer.whole);
    assert!(answer.body.len() <= kaspi_direct::transport::probe::MAX_BODY_BYTES);
    server.will([Act::EndlessHead]);
    let look = look(&operator, server.address, "").await;
    assert!(look.exchange().outcome.is_err(), "{look:#?}");
}

/// A proxy that answers this, after it has heard what must come first.
pub async fn proxy(turns: &[(usize, &'static [u8])]) -> (SocketAddr, Arc<Mutex<Vec<u8>>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::<Mutex<Vec<u8>>>::default();
    let mut tasks = JoinSet::new();
    let (turns, all) = (turns.to_vec(), Arc::clone(&heard));
    tasks.spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            for (at_least, answer) in &turns {
                let mut said = vec![0; *at_least];
                if client.read_exact(&mut said).await.is_err() {
                    break;
                }
                all.lock().unwrap().extend(said);
                let _ = client.write_all(answer).await;
            }
            let _ = client.shutdown().await;
            let _ = read_on(&mut client).await;
        }
    });
    (address, heard, tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_that_do_not_let_us_through() {
    const CREDENTIALS: &str = "proxy_credentials_file = \"proxy.txt\"";
    let operator = operator();
    operator.write("proxy.txt", "operator:Hidden-Word-7");
    for (scheme, more, turns, expected) in [
        (
            "http",
            "",
            vec![(20, &b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..])],
            ProxyFailure::Credentials { given: false },
        ),
        (
            "http",
            CREDENTIALS,
            vec![(20, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")],
            ProxyFailure::Credentials { given: true },
        ),
        (
            "http",
            "",
            vec![(20, b"HTTP/1.1 403 Forbidden\r\n\r\n")],
            ProxyFailure::Status(403),
        ),
        (
            "http",
            "",
            vec![(20, b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nsorry")],
            ProxyFailure::Status(502),
        ),
        (
            "http",
            "",
            vec![(0, b"SSH-2.0-OpenSSH_9.2\r\n")],
            ProxyFailure::NotAProxy("SSH-2.0-OpenSSH_9.2".to_owned()),
        ),
        ("http", "", vec![], ProxyFailure::Closed),
        (
            "socks5",
            "",
            vec![(3, b"\x05\xff")],
            ProxyFailure::Credentials { given: false },
        ),
        (
            "socks5",
            CREDENTIALS,
            vec![(3, b"\x05\x02"), (10, b"\x01\x01")],
            ProxyFailure::Credentials { given: true },
        ),
        (
            "socks5",
            "",
            vec![
                (3, b"\x05\x00"),
                (10, b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"),
            ],
            ProxyFailure::Socks(2),
        ),
        (
            "socks5",
            "",
            vec![(3, b"HTTP/1.1 400 Bad Request\r\n\r\n")],
            ProxyFailure::NotAProxy("HTTP/1.1 400 Bad Request".to_owned()),
        ),
        ("socks5", "", vec![], ProxyFailure::Closed),
    ] {
        let (address, _, _tasks) = proxy(&turns).await;
        let more = format!("proxy = \"{scheme}://{address}\"\n{more}");
        let look = look(&operator, ([127, 0, 0, 1], 1).into(), &more).await;
        let scheme = if scheme == "http" {
            ProxyScheme::Http
        } else {
            ProxyScheme::Socks5
        };
        assert_eq!(look.lookup.proxy, Some(scheme));
        assert_eq!(look.reach.proxy, Some((scheme, address.to_string())));
        assert!(look.reach.attempts[0].end.is_ok());
        assert_eq!(look.reach.outcome, Err(ReachFailure::Proxy(expected)), "{more}");
        assert!(!format!("{look:?}").contains("Hidden-Word-7"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_not_there_or_says_nothing() {
    let operator = operator();
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = ([127, 0, 0, 1], 1).into();
    let absent = look(&operator, nobody, &format!("proxy = \"http://{free}\"")).await;
    assert_eq!(absent.reach.outcome, Err(ReachFailure::Tcp(TcpFailure::Refused)));
    assert_eq!(absent.reach.proxy, Some((ProxyScheme::Http, free.to_string())));

    let (address, _tasks) = listener(Manner::Mute).await;
    let mute = look(
        &operator,
        nobody,
        &format!("{SHORT}\nproxy = \"socks5://{address}\""),
    )
    .await;
    assert_eq!(
        mute.reach.outcome,
        Err(ReachFailure::Proxy(ProxyFailure::TimedOut(Duration::from_secs(
            1
        ))))
    );
}

/// A proxy that lets everybody through to one server.
pub async fn forwarding_proxy(upstream: SocketAddr) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut guests = JoinSet::new();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            guests.spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let _ = client
                    .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    .await;
                let _ = pass_on(client, upstream).await;
            });
        }
    });
    (address, tasks)
}

/// Through a proxy that lets us through, the handshake is the server's, and nothing of the proxy's talk
/// is taken for it.
#[tokio::test(flavor = "multi_thread")]
async fn through_a_proxy_the_server_is_seen_as_ever() {
    let operator = operator();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let upstream = server.address;
    let (address, _tasks) = forwarding_proxy(upstream).await;
    server.will([Act::Answer(200, "{\"StatusCode\":0}".to_owned())]);
    let look = look(&operator, upstream, &format!("proxy = \"http://{address}\"")).await;
    assert_eq!(look.reach.outcome, Ok(address));
    assert!(
        matches!(
            look.handshake().first,
            FirstBytes::ServerHello { version: 0x0304, .. }
        ),
        "{look:#?}"
    );
    assert_eq!(look.exchange().outcome.as_ref().unwrap().status, 200);
}
