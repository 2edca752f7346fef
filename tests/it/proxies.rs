//! Proxies: TLS goes through them end to end, and a refusal by one sends nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use kaspi_direct::base::{Delivery, Explain};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::kit::{FLOWERS, Operator, create, token};
use super::server::{Server, Setup};

/// What a proxy does with a client.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// HTTP `CONNECT`, let through.
    Connect,
    /// HTTP `CONNECT`, answered with this status.
    ConnectRefused(u16),
    /// SOCKS5, let through.
    Socks,
    /// SOCKS5, wrong user or password.
    SocksBadPassword,
    /// SOCKS5, none of the client's ways of saying who it is will do.
    SocksNoMethod,
    /// SOCKS5, refused with this code.
    SocksRefused(u8),
    /// Closes at once.
    Closes,
    /// Says nothing.
    Mute,
}

struct Proxy {
    address: SocketAddr,
    /// What the client said until it was let through, and what it sent after that.
    heard: Arc<Mutex<(Vec<u8>, Vec<u8>)>>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, manner, Arc::clone(&heard)));
        Self {
            address,
            heard,
            _tasks: tasks,
        }
    }
}

async fn serve(listener: TcpListener, manner: Manner, heard: Arc<Mutex<(Vec<u8>, Vec<u8>)>>) {
    let mut guests = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let heard = Arc::clone(&heard);
        guests.spawn(async move {
            let _ = one(client, manner, &heard).await;
        });
    }
}

async fn one(
    mut client: TcpStream,
    manner: Manner,
    heard: &Mutex<(Vec<u8>, Vec<u8>)>,
) -> std::io::Result<()> {
    let upstream = match manner {
        Manner::Closes => return Ok(()),
        Manner::Mute => {
            while client.read(&mut [0; 1024]).await? > 0 {}
            return Ok(());
        }
        Manner::Connect | Manner::ConnectRefused(_) => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await?);
            }
            heard.lock().unwrap().0.extend_from_slice(&head);
            let head = String::from_utf8(head).unwrap();
            if let Manner::ConnectRefused(status) = manner {
                client
                    .write_all(format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n").as_bytes())
                    .await?;
                return Ok(());
            }
            let upstream = TcpStream::connect(head.split(' ').nth(1).unwrap()).await?;
            client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
            upstream
        }
        Manner::Socks | Manner::SocksBadPassword | Manner::SocksNoMethod | Manner::SocksRefused(_) => {
            match socks(&mut client, manner, heard).await? {
                Some(upstream) => upstream,
                None => return Ok(()),
            }
        }
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    let mut back = JoinSet::new();
    back.spawn(async move { copy(&mut from_server, &mut to_client).await });
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let read = from_client.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        heard.lock().unwrap().1.extend_from_slice(&bytes[..read]);
        to_server.write_all(&bytes[..read]).await?;
    }
}

/// RFC 1928 and 1929, as much as a proxy needs.
async fn socks(
    client: &mut TcpStream,
    manner: Manner,
    heard: &Mutex<(Vec<u8>, Vec<u8>)>,
) -> std::io::Result<Option<TcpStream>> {
    assert_eq!(client.read_u8().await?, 5);
    let mut methods = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut methods).await?;
    if matches!(manner, Manner::SocksNoMethod) {
        client.write_all(&[5, 0xff]).await?;
        return Ok(None);
    }
    client.write_all(&[5, methods[0]]).await?;
    if methods[0] == 2 {
        assert_eq!(client.read_u8().await?, 1);
        for _ in 0..2 {
            let mut text = vec![0; client.read_u8().await?.into()];
            client.read_exact(&mut text).await?;
            let mut heard = heard.lock().unwrap();
            heard.0.extend_from_slice(&text);
            heard.0.push(b' ');
        }
        let refused = matches!(manner, Manner::SocksBadPassword);
        client.write_all(&[1, u8::from(refused)]).await?;
        if refused {
            return Ok(None);
        }
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    assert_eq!(request, [5, 1, 0, 1], "CONNECT to an IPv4 address");
    let address = SocketAddr::from((client.read_u32().await?.to_be_bytes(), client.read_u16().await?));
    let code = if let Manner::SocksRefused(code) = manner {
        code
    } else {
        0
    };
    client.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    if code != 0 {
        return Ok(None);
    }
    TcpStream::connect(address).await.map(Some)
}

fn through(proxy: &Proxy, scheme: &str, credentials: bool) -> String {
    let mut lines = format!("proxy = \"{scheme}://{}\"", proxy.address);
    if credentials {
        lines.push_str("\nproxy_credentials_file = \"proxy.credentials\"");
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_goes_through_a_proxy_end_to_end() {
    let operator = Operator::new();
    let certificate = operator.add(FLOWERS).sha256();
    operator.write("proxy.credentials", "egress:example password\n");
    for setup in Setup::all(&operator.authority) {
        for (manner, scheme) in [(Manner::Connect, "http"), (Manner::Socks, "socks5")] {
            for credentials in [false, true] {
                let server = Server::start(&operator.authority, setup.clone()).await;
                let proxy = Proxy::start(manner).await;
                let app = operator.open(server.address, &through(&proxy, scheme, credentials));
                create(&app, FLOWERS).await.unwrap();

                let name = format!("{}, {manner:?}, credentials: {credentials}", setup.name());
                let seen = server.seen();
                assert_eq!(seen.requests.len(), 1, "{name}");
                assert_eq!(
                    seen.requests[0].certificate.as_deref(),
                    Some(certificate.as_str()),
                    "{name}"
                );
                let (said, sent) = proxy.heard.lock().unwrap().clone();
                let said = String::from_utf8(said).unwrap();
                let basic = "Proxy-Authorization: Basic ZWdyZXNzOmV4YW1wbGUgcGFzc3dvcmQ=\r\n";
                match (manner, credentials) {
                    (Manner::Connect, true) => assert!(said.contains(basic), "{name}: {said}"),
                    (Manner::Connect, false) => assert!(!said.contains("Proxy-Authorization"), "{said}"),
                    (_, true) => assert_eq!(said, "egress example password ", "{name}"),
                    (_, false) => assert_eq!(said, "", "{name}"),
                }
                assert_eq!(sent[0], 0x16, "{name}: a TLS handshake comes first");
                for plain in [token(FLOWERS).as_str(), "remote/create", "OrganizationBin"] {
                    assert!(
                        !sent.windows(plain.len()).any(|window| window == plain.as_bytes()),
                        "{name}: the proxy saw `{plain}`"
                    );
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_is_named_and_nothing_was_sent() {
    let operator = Operator::of_two();
    operator.write("proxy.credentials", "egress:example password\n");
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    for (manner, scheme, credentials, kind) in [
        (Manner::ConnectRefused(407), "http", true, "proxy"),
        (Manner::ConnectRefused(407), "http", false, "proxy"),
        (Manner::ConnectRefused(403), "http", false, "proxy"),
        (Manner::Closes, "http", false, "proxy"),
        (Manner::Mute, "http", false, "timeout"),
        (Manner::SocksBadPassword, "socks5", true, "proxy"),
        (Manner::SocksNoMethod, "socks5", false, "proxy"),
        (Manner::SocksRefused(2), "socks5", false, "proxy"),
        (Manner::SocksRefused(5), "socks5", false, "proxy"),
        (Manner::Closes, "socks5", false, "proxy"),
        (Manner::Mute, "socks5", false, "timeout"),
    ] {
        let proxy = Proxy::start(manner).await;
        let mut lines = through(&proxy, scheme, credentials);
        lines.push_str("\nconnect_timeout = \"500ms\"");
        let app = operator.open(server.address, &lines);
        let error = create(&app, FLOWERS).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{manner:?}: {error:?}");
        assert_eq!(error.delivery(), Some(Delivery::NotSent), "{manner:?}: {error:?}");
        let whole = format!("{error} {error:?} {:?}", app.config());
        assert!(!whole.contains("example password"), "{whole}");
        println!("{manner:?}: {error}");
    }
    assert_eq!(server.seen().accepted, 0);

    // a proxy that is not there
    let proxy = Proxy::start(Manner::Closes).await;
    let lines = through(&proxy, "http", false);
    drop(proxy);
    let app = operator.open(server.address, &lines);
    let error = create(&app, FLOWERS).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        ("proxy", Some(Delivery::NotSent))
    );
}
