//! Either side of a TLS handshake says no: nothing was sent, and the reason is named.
//!
//! On TLS 1.3 the server's no comes after the handshake seems done, and on a multi-thread runtime it
//! shows itself in several ways; so these tests run on one, and often.

use kaspi_direct::base::{Delivery, Explain};
use kaspi_direct::transport::Error as TransportError;
use tokio::task::JoinSet;

use super::kit::{FLOWERS, Operator, create, in_time, invoice, namesakes, stranger, told};
use super::server::{Auth, Server, Setup};

fn cause(error: &kaspi_direct::payments::Error) -> &TransportError {
    match error {
        kaspi_direct::payments::Error::Kaspi { source, .. } => source.transport().unwrap(),
        _ => panic!("{error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_a_foreign_authority_is_not_trusted() {
    let operator = Operator::of_two();
    for setup in Setup::all(&operator.authority) {
        let (certificate, key) = stranger();
        let server = Server::start_as(vec![certificate], key, setup.clone()).await;
        let app = operator.open(server.address, "");
        let error = create(&app, FLOWERS).await.unwrap_err();
        assert_eq!(error.kind(), "server_not_trusted", "{}", setup.name());
        assert_eq!(error.delivery(), Some(Delivery::NotSent));
        assert_eq!(
            error.to_string(),
            format!(
                "we do not trust the certificate of `{}`: none of the trusted certificate authorities signed it",
                server.address
            )
        );
        let seen = server.until(|seen| seen.ended == 1).await;
        assert_eq!((seen.accepted, seen.requests.len()), (1, 0), "{}", setup.name());
    }
}

/// As after an authority was made anew under its old name.
#[tokio::test(flavor = "multi_thread")]
async fn a_namesake_of_the_trusted_authority_is_not_trusted() {
    let operator = Operator::of_two();
    for setup in Setup::both(&operator.authority) {
        let (trusted, certificate, key) = namesakes();
        operator.write("kbs_chain.pem", trusted);
        let server = Server::start_as(vec![certificate], key, setup).await;
        let app = operator.open(server.address, "");
        let error = create(&app, FLOWERS).await.unwrap_err();
        assert_eq!(error.kind(), "server_not_trusted");
        assert_eq!(error.delivery(), Some(Delivery::NotSent));
        assert!(
            error
                .to_string()
                .ends_with("an authority of the same name as a trusted one signed it, with another key"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_certificate_for_another_name_is_refused() {
    let operator = Operator::of_two();
    for setup in Setup::both(&operator.authority) {
        let setup = Setup {
            // loopback, and not in the certificate
            listen: ([127, 0, 0, 2], 0).into(),
            ..setup
        };
        let server = Server::start(&operator.authority, setup).await;
        let app = operator.open(server.address, "");
        let error = create(&app, FLOWERS).await.unwrap_err();
        assert_eq!(error.kind(), "server_not_trusted");
        assert_eq!(error.delivery(), Some(Delivery::NotSent));
        let text = error.to_string();
        assert!(text.contains("not valid for name \"127.0.0.2\""), "{text}");
        assert!(text.contains("only valid for IpAddress(127.0.0.1)"), "{text}");
        assert_eq!(server.until(|seen| seen.ended == 1).await.requests.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_no_certificate_gets_no_request() {
    let operator = Operator::of_two();
    for setup in Setup::all(&operator.authority) {
        let setup = Setup {
            auth: Auth::None,
            ..setup
        };
        let server = Server::start(&operator.authority, setup.clone()).await;
        let app = operator.open(server.address, "");
        // the later ones could resume the session of the first, in which nobody is asked
        for attempt in 1..=4 {
            assert_eq!(
                told(create(&app, FLOWERS).await),
                ("certificate_not_asked", Delivery::NotSent),
                "{}, attempt {attempt}",
                setup.name()
            );
        }
        let seen = server.until(|seen| seen.ended == 4).await;
        assert_eq!((seen.accepted, seen.requests.len(), seen.bytes), (4, 0, 0));
        assert!(seen.handshakes.iter().all(|handshake| !handshake.resumed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_signature_of_our_key_does_not_get_an_anonymous_call() {
    let operator = Operator::of_two();
    for setup in Setup::all(&operator.authority) {
        let setup = Setup {
            auth: Auth::Ed448(operator.authority.anchors().to_vec()),
            ..setup
        };
        let server = Server::start(&operator.authority, setup.clone()).await;
        let app = operator.open(server.address, "");
        let error = create(&app, FLOWERS).await.unwrap_err();
        assert_eq!(
            error.delivery(),
            Some(Delivery::NotSent),
            "{}: {error}",
            setup.name()
        );
        assert_eq!(error.kind(), "tls", "{}: {error}", setup.name());
        assert!(error.to_string().contains("only [ED448]"), "{error}");
        let seen = server.until(|seen| seen.ended == 1).await;
        assert_eq!(seen.handshakes.len(), 0);
        assert_eq!(seen.requests.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_our_certificate_is_quoted() {
    let operator = Operator::of_two();
    for setup in Setup::all(&operator.authority) {
        for polite in [true, false] {
            let setup = Setup {
                auth: Auth::Of(vec![stranger().0]),
                polite,
                ..setup.clone()
            };
            let server = Server::start(&operator.authority, setup.clone()).await;
            let app = operator.open(server.address, "");
            let error = create(&app, FLOWERS).await.unwrap_err();
            let name = format!("{}, polite: {polite}: {error:?}", setup.name());
            assert_eq!(error.kind(), "certificate_refused", "{name}");
            assert_eq!(error.delivery(), Some(Delivery::NotSent), "{name}");
            assert_eq!(
                error.to_string(),
                format!(
                    "`{}` refused our certificate with the TLS alert unknown_ca (48)",
                    server.address
                )
            );
            assert_eq!(cause(&error).tls_alert().unwrap().name(), "unknown_ca");
            assert!(error.hint().unwrap().contains("kaspi cert inspect"));
            let seen = server.until(|seen| seen.ended == 1).await;
            assert_eq!(
                (seen.accepted, seen.handshakes.len(), seen.requests.len()),
                (1, 0, 0)
            );
        }
    }
}

/// Facts that this stands on: on TLS 1.3 about a quarter of such refusals carry no alert in hyper's
/// error, and a few never end by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_by_the_hundred_all_end_as_not_sent() {
    let operator = Operator::of_two();
    for setup in Setup::all(&operator.authority) {
        let calls_each = if setup.tls13 { 300 } else { 30 };
        for polite in [true, false] {
            let setup = Setup {
                auth: Auth::Of(vec![stranger().0]),
                polite,
                ..setup.clone()
            };
            let server = Server::start(&operator.authority, setup.clone()).await;
            let app = operator.open(server.address, "");
            let payments = app.payments();
            let mut calls = JoinSet::new();
            for _ in 0..calls_each {
                let payments = payments.clone();
                calls.spawn(async move { payments.create(invoice(FLOWERS)).await });
            }
            let mut ends: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
            while let Some(end) = in_time(calls.join_next()).await {
                let error = end.unwrap().unwrap_err();
                let key = format!(
                    "{} {:?} {:?}",
                    error.kind(),
                    error.delivery(),
                    cause(&error).tls_alert()
                );
                *ends.entry(key).or_default() += 1;
            }
            let expected = "certificate_refused Some(NotSent) Some(Alert(unknown_ca (48)))".to_owned();
            assert_eq!(
                ends,
                [(expected, calls_each)].into(),
                "{}, polite: {polite}",
                setup.name()
            );
            assert_eq!(server.seen().requests.len(), 0);
        }
    }
}
