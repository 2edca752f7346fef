//! Each BIN's calls leave over its own certificate, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kaspi_direct::app::App;
use kaspi_direct::base::{Delivery, Explain, PaymentId};
use kaspi_direct::config::Environment;
use kaspi_direct::sandbox::{HttpVersions, Merchant, Options, Sandbox, TlsVersions, TradePoint};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::kit::{FLOWERS, GIFTS, Operator, bin, create, in_time, invoice, token, trade_point};
use super::server::{Server, Setup};

/// A third organisation. Its control digit is right.
const THIRD: &str = "991011000048";

fn sandbox_of(operator: &Operator, bins: &[&str]) -> Options {
    let mut options = Options::new(operator.authority.clone());
    for bin in bins {
        let point = TradePoint::new(trade_point(bin), "Till").with_token(token(bin));
        options
            .merchants
            .push(Merchant::new(*bin, "Shop").with_trade_point(point));
    }
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_interleaved_calls_of_two_bins_never_mix() {
    const CALLS: usize = 10_000;
    let operator = Operator::new();
    let certificates: BTreeMap<&str, String> = [FLOWERS, GIFTS]
        .into_iter()
        .map(|bin| (bin, operator.add(bin).sha256()))
        .collect();
    let sandbox = Sandbox::start(sandbox_of(&operator, &[FLOWERS, GIFTS]))
        .await
        .unwrap();
    let app = Arc::new(operator.open(sandbox.address(), ""));

    let at_once = Arc::new(Semaphore::new(64));
    let mut calls = JoinSet::new();
    for number in 0..CALLS {
        let permit = Arc::clone(&at_once).acquire_owned().await.unwrap();
        let app = Arc::clone(&app);
        calls.spawn(async move {
            let bin_text = [FLOWERS, GIFTS][number % 2];
            if number % 10 < 2 {
                app.payments().create(invoice(bin_text)).await.unwrap();
            } else {
                let session = app.api().session(Some(bin(bin_text))).unwrap();
                session.trade_points().await.unwrap();
            }
            drop(permit);
        });
    }
    while let Some(call) = in_time(calls.join_next()).await {
        call.unwrap();
    }

    let rows = sandbox.requests();
    let mut counted: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in &rows {
        let key = (
            row.bin.as_deref().unwrap().to_owned(),
            row.client_cert_sha256.as_deref().unwrap().to_owned(),
        );
        *counted.entry(key).or_default() += 1;
        assert_eq!(row.status_code, Some(0), "{row:?}");
    }
    let expected: BTreeMap<(String, String), usize> = certificates
        .iter()
        .map(|(bin, certificate)| (((*bin).to_owned(), certificate.clone()), CALLS / 2))
        .collect();
    assert_eq!(counted, expected);
    assert_eq!(sandbox.payments().len(), CALLS / 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn bins_of_one_identity_share_its_connections_and_identities_share_none() {
    let operator = Operator::new();
    let shared = operator.add_for(&[FLOWERS, THIRD], FLOWERS).sha256();
    operator.describe(THIRD, &format!("identity = \"{FLOWERS}\""));
    let alone = operator.add(GIFTS).sha256();
    for setup in Setup::all(&operator.authority) {
        let server = Server::start(&operator.authority, setup.clone()).await;
        let app = operator.open(server.address, "");
        for _ in 0..5 {
            for bin in [FLOWERS, THIRD, GIFTS] {
                create(&app, bin).await.unwrap();
            }
        }
        let seen = server.seen();
        let name = setup.name();
        assert_eq!(seen.requests.len(), 15, "{name}");
        let mut certificates: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        let mut bins: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        for request in &seen.requests {
            let named = request.json()["OrganizationBin"].as_str().unwrap().to_owned();
            let expected = if named == GIFTS { &alone } else { &shared };
            assert_eq!(
                request.certificate.as_deref(),
                Some(expected.as_str()),
                "{name}: {named}"
            );
            certificates
                .entry(request.connection)
                .or_default()
                .insert(request.certificate.as_deref().unwrap());
            bins.entry(request.connection).or_default().insert(named);
        }
        let both = BTreeSet::from([FLOWERS.to_owned(), THIRD.to_owned()]);
        assert!(bins.values().any(|seen| *seen == both), "{name}: {bins:?}");
        assert!(
            bins.values().all(|seen| *seen == both || seen.len() == 1),
            "{name}: {bins:?}"
        );
        assert!(certificates.values().all(|seen| seen.len() == 1), "{name}");
        // nor a session: each identity's first handshake resumed nothing
        for certificate in [&shared, &alone] {
            let first = seen
                .handshakes
                .iter()
                .find(|handshake| handshake.certificate.as_ref() == Some(certificate))
                .unwrap();
            assert!(!first.resumed, "{name}");
        }
    }
}

/// Each BIN that cannot be served, with the kind of its reason and a word of its text.
#[tokio::test(flavor = "multi_thread")]
async fn a_bin_that_cannot_be_served_is_refused_with_its_reason_and_the_others_are_served() {
    let operator = Operator::new();
    operator.add(FLOWERS);

    // BINs whose control digits are right, and one each for what is wrong with it
    let [
        inactive,
        wrong_password,
        other_key,
        expired,
        no_key,
        borrower,
        bad_toml,
    ]: [String; 7] = bins_with_a_right_control_digit();
    operator.add(&inactive);
    operator.describe(&inactive, "active = false");
    let issued = operator.add(&wrong_password);
    operator.write_for(
        &wrong_password,
        "private.key",
        issued.encrypted_key_pem("right password").unwrap(),
    );
    operator.write_for(&wrong_password, "password", "wrong password");
    operator.add(&other_key);
    let another = operator.authority.client(&[&other_key]).unwrap();
    operator.write_for(&other_key, "private.key", another.key_pem());
    operator.add_as(&expired, &operator.authority.expired_client(&[&expired]).unwrap());
    operator.add(&no_key);
    std::fs::remove_file(operator.path("certs").join(&no_key).join("private.key")).unwrap();
    operator.describe(&borrower, &format!("identity = \"{expired}\""));
    operator.add(&bad_toml);
    operator.write_for(&bad_toml, "merchant.toml", "name = \"Shop\"\nnmae = \"Shop\"\n");

    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    for (bin_text, kind, words) in [
        (GIFTS, "unknown_bin", "is not configured"),
        ("891027350516", "mistyped_bin", "control digit is wrong"),
        (inactive.as_str(), "inactive_bin", "`active = false`"),
        (&wrong_password, "wrong_password", "password"),
        (&other_key, "key_mismatch", "key"),
        (&expired, "certificate_expired", "expired"),
        (&no_key, "no_private_key", "holds no private key"),
        (&borrower, "certificate_expired", "expired"),
        (&bad_toml, "unknown_key", "nmae"),
    ] {
        let error = create(&app, bin_text).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.delivery(), Some(Delivery::NotSent), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("BIN `{bin_text}`")), "{text}");
        assert!(text.contains(words), "{text}");
        let read = in_time(
            app.payments()
                .status(Some(bin(bin_text)), PaymentId::new(15).unwrap()),
        );
        assert_eq!(read.await.unwrap_err().kind(), kind);
        assert_eq!(server.seen().accepted, 0, "{kind}: a connection was made");
    }
    let mut unnamed = invoice(FLOWERS);
    unnamed.bin = None;
    let error = in_time(app.payments().create(unnamed)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        ("no_bin", Some(Delivery::NotSent))
    );
    assert!(error.hint().unwrap().contains(FLOWERS));
    assert_eq!(server.seen().accepted, 0);

    create(&app, FLOWERS).await.unwrap();
    assert_eq!(server.seen().requests.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_bin_serves_calls_that_name_none() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let file = operator.configure(server.address, "");
    let text = std::fs::read_to_string(&file).unwrap();
    operator.write("kaspi.toml", format!("default_bin = \"{GIFTS}\"\n{text}"));
    let app = App::open(&file, &Environment::default()).unwrap();
    let mut unnamed = invoice(FLOWERS);
    unnamed.bin = None;
    let created = in_time(app.payments().create(unnamed)).await.unwrap();
    assert_eq!(created.bin, bin(GIFTS));
    let body = server.seen().requests[0].json();
    assert_eq!(body["OrganizationBin"], GIFTS);
    assert_eq!(body["DeviceToken"], token(GIFTS));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_token_of_another_bin_is_refused_by_the_bank() {
    let operator = Operator::of_two();
    let sandbox = Sandbox::start(sandbox_of(&operator, &[FLOWERS, GIFTS]))
        .await
        .unwrap();
    operator.write_for(
        GIFTS,
        "merchant.toml",
        format!(
            "trade_point_id = {}\ndevice_token = \"{}\"\n",
            trade_point(GIFTS),
            token(FLOWERS)
        ),
    );
    let app = operator.open(sandbox.address(), "");
    let error = create(&app, GIFTS).await.unwrap_err();
    assert_eq!(error.kind(), "device_not_found", "{error:?}");
    assert_eq!(error.delivery(), Some(Delivery::Refused));
    assert_eq!(sandbox.payments().len(), 0);
    create(&app, FLOWERS).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_declared_for_the_bin_is_refused_by_the_bank() {
    let operator = Operator::new();
    let for_gifts = operator.authority.client(&[GIFTS]).unwrap();
    operator.add_as(FLOWERS, &for_gifts);
    for (tls, http) in [
        (TlsVersions::Tls12, HttpVersions::Http1),
        (TlsVersions::Tls13, HttpVersions::Http2),
    ] {
        let mut options = sandbox_of(&operator, &[FLOWERS, GIFTS]);
        options.tls = tls;
        options.http = http;
        let sandbox = Sandbox::start(options).await.unwrap();
        let app = operator.open(sandbox.address(), "");
        let error = create(&app, FLOWERS).await.unwrap_err();
        // the bank's number for it is in no document, so the sandbox's is one of its own
        assert_eq!(error.kind(), "unknown_code", "{error:?}");
        assert_eq!(error.delivery(), Some(Delivery::Unknown), "{error:?}");
        assert_eq!(sandbox.payments().len(), 0);
        let row = &sandbox.requests()[0];
        assert_eq!(
            row.client_cert_sha256.as_deref(),
            Some(for_gifts.sha256().as_str())
        );
    }
}

fn bins_with_a_right_control_digit<const N: usize>() -> [String; N] {
    let mut found = (0..)
        .map(|number| format!("{:012}", 100_140_000_000_u64 + number))
        .filter(|text| bin(text).has_valid_control_digit());
    std::array::from_fn(|_| found.next().unwrap())
}
