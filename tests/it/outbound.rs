//! Calls to others than the bank: no client certificate, limits that hold, and what is known afterwards.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use kaspi_direct::base::{Delivery, Explain, chain_text};
use kaspi_direct::outbound::{Call, Error, Failure, Limits, Outbound, Reach};
use kaspi_direct::sandbox::pki::Authority;
use rustls::RootCertStore;

use super::kit::{authority, in_time};
use super::server::{Act, Auth, Server, Setup};

const SECRET: &str = "planted-token";

fn roots(authority: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for anchor in authority.anchors() {
        roots.add(anchor).unwrap();
    }
    Arc::new(roots)
}

fn outbound(authority: &Authority) -> Outbound {
    Outbound::new(roots(authority), Limits::default(), Reach::Anywhere).unwrap()
}

fn uri(address: SocketAddr) -> Uri {
    format!("https://{address}/path?access_token={SECRET}")
        .parse()
        .unwrap()
}

fn open(authority: &Authority) -> Vec<Setup> {
    Setup::both(authority)
        .into_iter()
        .map(|setup| Setup {
            auth: Auth::None,
            ..setup
        })
        .collect()
}

fn told(error: &Error) -> (Failure, Delivery) {
    assert_eq!(error.delivery(), Some(error.delivered()));
    let all = format!("{error} {error:?} {} {:?}", chain_text(error), error.hint());
    assert!(!all.contains(SECRET) && !all.contains("/path"), "{all}");
    (error.failure(), error.delivered())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_arrive_whole_and_without_a_certificate() {
    let authority = authority();
    for setup in open(&authority) {
        let server = Server::start(&authority, setup.clone()).await;
        server.will([
            Act::Answer(200, "one".to_owned()),
            Act::Answer(422, "two".to_owned()),
            Act::Raw(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ]);
        let outbound = outbound(&authority);
        let one = in_time(outbound.send(Call::get(uri(server.address))))
            .await
            .unwrap();
        assert_eq!((one.status, &one.body[..]), (200, &b"one"[..]));
        let post = Call::post(uri(server.address), "{\"a\": 1}")
            .with(http::header::CONTENT_TYPE, "application/json".parse().unwrap());
        let two = in_time(outbound.send(post)).await.unwrap();
        assert_eq!((two.status, &two.body[..]), (422, &b"two"[..]));
        // A redirect is an answer, and nobody goes there.
        let three = in_time(outbound.send(Call::get(uri(server.address))))
            .await
            .unwrap();
        assert_eq!(three.status, 302);
        assert_eq!(three.headers["location"], "/elsewhere");

        let seen = server.seen();
        assert_eq!(seen.requests.len(), 3, "{}", setup.name());
        assert_eq!(seen.accepted, 3, "each call has a connection of its own");
        assert!(
            seen.handshakes
                .iter()
                .all(|handshake| handshake.certificate.is_none())
        );
        assert_eq!(seen.requests[0].method, "GET");
        assert_eq!(seen.requests[0].target, format!("/path?access_token={SECRET}"));
        assert_eq!(
            seen.requests[0].header("host"),
            Some(server.address.to_string().as_str())
        );
        assert_eq!(seen.requests[1].method, "POST");
        assert_eq!(seen.requests[1].header("content-type"), Some("application/json"));
        assert_eq!(seen.requests[1].json(), serde_json::json!({"a": 1}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_arrived_is_unknown_and_nothing_is_sent_twice() {
    let authority = authority();
    let short = Limits {
        total: Duration::from_millis(400),
        answer: 1000,
        ..Limits::default()
    };
    for setup in open(&authority) {
        for (act, failure) in [
            (Act::ResetMidRequest, Failure::Closed),
            (Act::ResetAfterRequest, Failure::Closed),
            (Act::CloseAfterRequest, Failure::Closed),
            (Act::ResetMidAnswer, Failure::Closed),
            (Act::CloseMidAnswer, Failure::Closed),
            (Act::Silence, Failure::TimedOut),
            (Act::Drip(Duration::from_millis(10)), Failure::TimedOut),
            (Act::EndlessBody, Failure::TooLarge),
            (Act::EndlessHead, Failure::Closed),
            (Act::Answer(200, "x".repeat(1001)), Failure::TooLarge),
            (Act::Raw(b"SSH-2.0-OpenSSH\r\n".to_vec()), Failure::Closed),
        ] {
            let server = Server::start(&authority, setup.clone()).await;
            server.will([act.clone()]);
            let outbound = Outbound::new(roots(&authority), short, Reach::Anywhere).unwrap();
            let error = in_time(outbound.send(Call::post(uri(server.address), "body")))
                .await
                .unwrap_err();
            let name = format!("{act:?}, {}: {error}", setup.name());
            assert_eq!(told(&error), (failure, Delivery::Unknown), "{name}");
            assert_eq!(server.seen().accepted, 1, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_no_connection_was_not_sent() {
    let authority = authority();
    let stranger = super::kit::authority();
    for setup in open(&authority) {
        let server = Server::start(&authority, setup).await;
        let outbound = outbound(&stranger);
        let error = in_time(outbound.send(Call::get(uri(server.address))))
            .await
            .unwrap_err();
        assert_eq!(told(&error), (Failure::Tls, Delivery::NotSent), "{error}");
        assert!(server.seen().requests.is_empty());
    }
    let mute = Setup {
        mute: true,
        ..open(&authority).remove(0)
    };
    let server = Server::start(&authority, mute).await;
    let limits = Limits {
        connect: Duration::from_millis(300),
        ..Limits::default()
    };
    let quick = Outbound::new(roots(&authority), limits, Reach::Anywhere).unwrap();
    let error = in_time(quick.send(Call::get(uri(server.address))))
        .await
        .unwrap_err();
    assert_eq!(told(&error), (Failure::TimedOut, Delivery::NotSent), "{error}");

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    let error = in_time(quick.send(Call::get(uri(nobody)))).await.unwrap_err();
    assert_eq!(told(&error), (Failure::Connect, Delivery::NotSent), "{error}");

    for (address, failure) in [
        ("https://nobody.invalid/path", Failure::Resolve),
        ("ftp://shop.example/path", Failure::BadAddress),
        ("/path", Failure::BadAddress),
        (
            "https://user:planted-token@shop.example/path",
            Failure::BadAddress,
        ),
        // In clear it goes to this machine itself at most.
        ("http://192.0.2.1/path", Failure::RefusedAddress),
    ] {
        let error = in_time(quick.send(Call::get(address.parse().unwrap())))
            .await
            .unwrap_err();
        assert_eq!(told(&error), (failure, Delivery::NotSent), "{address}: {error}");
    }
}

/// A name that somebody else chose leads nowhere near this machine, whatever DNS says.
#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_not_called_for_strangers() {
    let authority = authority();
    let server = Server::start(&authority, open(&authority).remove(0)).await;
    let port = server.address.port();
    let strict = Outbound::new(roots(&authority), Limits::default(), Reach::PublicOnly).unwrap();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let to: Uri = format!("https://{host}:{port}/path").parse().unwrap();
        let error = in_time(strict.send(Call::get(to))).await.unwrap_err();
        assert_eq!(
            told(&error),
            (Failure::RefusedAddress, Delivery::NotSent),
            "{host}: {error}"
        );
    }
    assert_eq!(server.seen().accepted, 0);
}

/// Where the status is what counts, a body is read as far as it comes, and no further than the limit.
#[tokio::test(flavor = "multi_thread")]
async fn the_status_counts_whatever_becomes_of_the_body() {
    use super::webhook_kit::{Act, Receiver};
    let limits = Limits {
        answer: 10,
        ..Limits::default()
    };
    let outbound = Outbound::new(Outbound::public_roots(), limits, Reach::Anywhere).unwrap();
    let receiver = Receiver::start(Act::Gibibyte).await;
    let call = || Call::post(receiver.url().parse().unwrap(), "{}");
    for (act, status, body) in [
        (Act::Gibibyte, 200, "xxxxxxxxxx"),
        (Act::BreakBody, 200, "half"),
        (Act::Answer(503), 503, "made"),
        (Act::Redirect("http://127.0.0.1:1/".to_owned()), 302, ""),
    ] {
        receiver.will(act.clone());
        let answer = in_time(outbound.send_for_status(call())).await.unwrap();
        assert_eq!(
            (answer.status, &answer.body[..]),
            (status, body.as_bytes()),
            "{act:?}"
        );
    }
    assert!(
        receiver.written() < 64 << 20,
        "{} bytes were taken",
        receiver.written()
    );
    receiver.will(Act::BreakHead);
    let error = in_time(outbound.send_for_status(call())).await.unwrap_err();
    assert_eq!(told(&error), (Failure::Closed, Delivery::Unknown));
}
