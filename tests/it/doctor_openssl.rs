//! A look at OpenSSL's own server, in its many moods.

use kaspi_direct::sandbox::pki::sha256_hex;
use kaspi_direct::transport::TlsVersion;
use kaspi_direct::transport::probe::{
    BodyKind, Distrust, ExchangeFailure, FirstBytes, Kept, Outdated, SecondLookReason, TlsFailure,
};

use super::doctor_kit::{look, pem_of, s_server, s_server_as};
use super::kit::{FLOWERS, Operator, authority, has_program};

const STRICT: [&str; 5] = ["-Verify", "4", "-verify_return_error", "-CAfile", "clients.pem"];

fn strict<'a>(more: &[&'a str]) -> Vec<&'a str> {
    STRICT.iter().copied().chain(more.iter().copied()).collect()
}

fn operator() -> Operator {
    let operator = Operator::new();
    operator.add(FLOWERS);
    operator
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_us_is_described() {
    if !has_program("openssl") {
        return;
    }
    for (option, version) in [("-tls1_2", TlsVersion::V1_2), ("-tls1_3", TlsVersion::V1_3)] {
        let operator = operator();
        let (_server, address) = s_server(&operator, &strict(&["-HTTP", option]));
        let look = look(&operator, address, "").await;
        let handshake = look.handshake();
        let agreed = handshake.outcome.as_ref().unwrap();
        assert_eq!(agreed.version, version);
        assert_eq!(agreed.group.as_deref(), Some("X25519"));
        assert_eq!(agreed.alpn, None);
        assert!(agreed.cipher_suite.contains("_AES_"), "{agreed:?}");
        let expected = if version == TlsVersion::V1_3 {
            0x0304
        } else {
            0x0303
        };
        assert!(
            matches!(handshake.first, FirstBytes::ServerHello { version, .. } if version == expected),
            "{handshake:?}"
        );
        assert!((150..600).contains(&handshake.hello_bytes), "{handshake:?}");

        let names: Vec<&str> = handshake.chain[0]
            .subject_alt_names
            .iter()
            .map(String::as_str)
            .collect();
        assert_eq!(names, ["IP:127.0.0.1", "IP:::1", "DNS:localhost"]);
        assert_eq!(handshake.chain.len(), 2);
        let [_, issuing] = operator.authority.anchors();
        assert_eq!(handshake.chain[1].sha256, sha256_hex(&issuing));
        assert_eq!(handshake.distrust, None);

        let request = handshake.request.as_ref().unwrap();
        assert_eq!(request.names_ours, Some(true));
        assert_eq!((request.listed, request.issuers.len()), (2, 2));
        assert!(request.issuers.contains(&handshake.chain[0].issuer));
        assert!(request.scheme_fits);

        let answer = look.exchange().outcome.as_ref().unwrap();
        assert_eq!((answer.status, answer.kind), (200, BodyKind::Json));
        assert!(!look.exchange().renegotiation);
        assert_eq!(look.exchange().path, "/r3/v01/health/ping");
        // it closes after each answer, and gives tickets
        assert_eq!(look.kept, Some((Kept::No, Kept::Yes)));
        assert!(look.second.is_none() && look.outdated.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tickets_is_told() {
    if !has_program("openssl") {
        return;
    }
    let operator = operator();
    for options in [
        ["-tls1_2", "-no_ticket", "-no_cache"].as_slice(),
        &["-tls1_3", "-num_tickets", "0"],
    ] {
        let (_server, address) = s_server(&operator, &strict(&[&["-HTTP"], options].concat()));
        let look = look(&operator, address, "").await;
        assert_eq!(look.kept, Some((Kept::No, Kept::No)), "{options:?}");
    }
}

/// Who refused whom, and on TLS 1.3 not before a request was made.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_our_authority_refuses_us() {
    if !has_program("openssl") {
        return;
    }
    for option in ["-tls1_2", "-tls1_3"] {
        let operator = operator();
        let (_server, address) = s_server(&operator, &strict(&["-HTTP", option]));
        let foreign = authority();
        operator.add_as(FLOWERS, &foreign.client(&[FLOWERS]).unwrap());
        let look = look(&operator, address, "").await;
        let handshake = look.handshake();
        let request = handshake.request.as_ref().unwrap();
        assert_eq!(request.names_ours, Some(false));
        assert_eq!(request.listed, 2);
        let alert = match (&handshake.outcome, option) {
            (Err(TlsFailure::TheyRefused(alert)), "-tls1_2") => *alert,
            (Ok(_), "-tls1_3") => match &look.exchange().outcome {
                Err(ExchangeFailure::TheyRefused(alert)) => *alert,
                other => panic!("{option}: {other:?}"),
            },
            (other, _) => panic!("{option}: {other:?}"),
        };
        assert_eq!(alert.name(), "unknown_ca");
        assert!(handshake.chain.len() == 2 && handshake.distrust.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_nothing_is_looked_at_twice() {
    if !has_program("openssl") {
        return;
    }
    let operator = operator();
    let (_server, address) = s_server(&operator, &["-HTTP"]);
    let look = look(&operator, address, "").await;
    assert!(look.handshake().outcome.is_ok());
    assert_eq!(look.handshake().request, None);
    assert!(look.exchange().outcome.is_ok());
    let second = look.second.unwrap();
    assert_eq!(second.reason, SecondLookReason::Tls12);
    let agreed = second.handshake.as_ref().unwrap().outcome.as_ref().unwrap();
    assert_eq!(agreed.version, TlsVersion::V1_2);
    assert!(second.handshake.unwrap().request.is_none());
    assert!(!second.exchange.unwrap().renegotiation);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_to_renegotiate_is_caught_at_it() {
    if !has_program("openssl") {
        return;
    }
    let operator = operator();
    let (mut server, address) = s_server(&operator, &["-tls1_2", "-CAfile", "clients.pem"]);
    server.type_after("GET /r3/v01/health/ping", "R\n");
    let look = look(&operator, address, "request_timeout = \"3s\"").await;
    assert_eq!(look.handshake().request, None);
    assert!(look.exchange().renegotiation, "{look:#?}");
    assert!(look.exchange().outcome.is_err(), "{look:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_authority_is_refused_by_us_and_its_chain_is_kept() {
    if !has_program("openssl") {
        return;
    }
    for option in ["-tls1_2", "-tls1_3"] {
        let operator = operator();
        let foreign = authority();
        let (_server, address) =
            s_server_as(&operator, &foreign.server().unwrap(), &strict(&["-HTTP", option]));
        let look = look(&operator, address, "").await;
        let handshake = look.handshake();
        assert_eq!(handshake.outcome, Err(TlsFailure::WeDistrust));
        assert_eq!(handshake.distrust, Some(Distrust::UnknownIssuer));
        let [root, issuing] = foreign.anchors();
        assert_eq!(handshake.chain[1].sha256, sha256_hex(&issuing));
        let top = handshake.top_of_chain().unwrap();
        let root = kaspi_direct::identity::certificate_facts(&root).unwrap();
        assert_eq!(top.unwrap_err(), root.subject);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_without_its_intermediate_is_refused_where_only_the_root_is_trusted() {
    if !has_program("openssl") {
        return;
    }
    let operator = operator();
    let [root, issuing] = operator.authority.anchors();
    operator.write("kbs_chain.pem", pem_of(&root));
    let (_server, address) = s_server(
        &operator,
        &[
            "-HTTP", "-cert", "leaf.pem", "-verify", "4", "-CAfile", "root.pem",
        ],
    );
    let look = look(&operator, address, "").await;
    let handshake = look.handshake();
    assert_eq!(handshake.outcome, Err(TlsFailure::WeDistrust));
    assert_eq!(handshake.distrust, Some(Distrust::UnknownIssuer));
    assert_eq!(handshake.chain.len(), 1);
    let issuing = kaspi_direct::identity::certificate_facts(&issuing).unwrap();
    assert_eq!(handshake.top_of_chain(), Some(Err(issuing.subject.as_str())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_refused_with_the_names_it_is_for() {
    if !has_program("openssl") {
        return;
    }
    let operator = operator();
    // loopback, and not in the certificate
    let (_server, address) = s_server(&operator, &strict(&["-HTTP", "-accept", "127.0.0.2:0"]));
    let look = look(&operator, address, "").await;
    let handshake = look.handshake();
    assert_eq!(handshake.outcome, Err(TlsFailure::WeDistrust));
    assert_eq!(handshake.server_name, "127.0.0.2");
    let Some(Distrust::OtherName { names }) = &handshake.distrust else {
        panic!("{look:#?}")
    };
    assert_eq!(*names, ["IP:127.0.0.1", "IP:::1", "DNS:localhost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_old_versions_only_is_made_to_name_its_own() {
    if !has_program("openssl") {
        return;
    }
    let operator = operator();
    for (option, version) in [("-tls1_1", 0x0302), ("-tls1", 0x0301)] {
        let (_server, address) = s_server(
            &operator,
            &strict(&["-HTTP", option, "-cipher", "DEFAULT@SECLEVEL=0"]),
        );
        let look = look(&operator, address, "").await;
        assert!(
            matches!(look.handshake().outcome, Err(TlsFailure::TheyRefused(alert)) if alert.name() == "protocol_version"),
            "{look:#?}"
        );
        assert_eq!(look.outdated, Some(Outdated::Version(version)), "{option}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_signature_of_ours_is_told_apart() {
    if !has_program("openssl") {
        return;
    }
    for option in ["-tls1_2", "-tls1_3"] {
        let operator = operator();
        let (_server, address) = s_server(&operator, &strict(&["-HTTP", option, "-client_sigalgs", "ed448"]));
        let look = look(&operator, address, "").await;
        let request = look.handshake().request.as_ref().unwrap();
        assert!(!request.scheme_fits, "{request:?}");
        assert_eq!(request.schemes, ["ED448"]);
        assert!(
            matches!(look.handshake().outcome, Err(TlsFailure::WeRefused(_))),
            "{look:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_common_group_is_a_refusal_by_them() {
    if !has_program("openssl") {
        return;
    }
    let operator = operator();
    let (_server, address) = s_server(&operator, &strict(&["-HTTP", "-tls1_3", "-groups", "X448"]));
    let look = look(&operator, address, "").await;
    assert!(
        matches!(look.handshake().outcome, Err(TlsFailure::TheyRefused(alert)) if alert.name() == "handshake_failure"),
        "{look:#?}"
    );
    assert_eq!(look.outdated, Some(Outdated::Unknown));
}
