//! The doctor's word on the network, from name to handshake: each cause against a server that has it.
//!
//! What the probe saw of such servers is tested beside this (`doctor_openssl`, `doctor_nginx`,
//! `doctor_sockets`); here it is what the operator reads.

use std::net::SocketAddr;
use std::sync::Arc;

use kaspi_direct::base::SystemClock;
use kaspi_direct::config::Environment;
use kaspi_direct::doctor::{Cause, Doctor, Finding, Options, Report, Stage, StageId, Verdict};
use kaspi_direct::sandbox::pki::{Authority, KeyKind};
use serde_json::json;
use tokio::net::TcpListener;

use super::doctor_kit::{full_listener, nginx, pem_of, s_server, s_server_as};
use super::doctor_late::late_asker;
use super::doctor_sockets::{Manner, SHORT, forwarding_proxy, listener, proxy};
use super::kit::{FLOWERS, Operator, authority, bin, has_program, in_time, namesakes, stranger};
use super::server::{Act, Auth, Server, Setup};

const STRICT: [&str; 6] = [
    "-HTTP",
    "-Verify",
    "4",
    "-verify_return_error",
    "-CAfile",
    "clients.pem",
];
const NGINX_STRICT: &str = "ssl_client_certificate clients.pem; ssl_verify_client on; ssl_verify_depth 3; ssl_protocols TLSv1.2 TLSv1.3;";

fn operator() -> Operator {
    let operator = Operator::new();
    operator.add(FLOWERS);
    operator
}

async fn examine(operator: &Operator, server: SocketAddr, more: &str) -> Report {
    examine_file(operator.configure(server, more)).await
}

async fn examine_file(file: std::path::PathBuf) -> Report {
    let doctor = Doctor::open(Some(&file), &Environment::default(), Arc::new(SystemClock));
    let report = in_time(doctor.examine(Some(bin(FLOWERS)), &Options::default(), &|_| {})).await;
    assert_whole(&report);
    report
}

/// Whatever was found, every stage is there, in order, and what was not checked says why.
fn assert_whole(report: &Report) {
    let ids: Vec<StageId> = report.stages.iter().map(|stage| stage.id).collect();
    assert_eq!(ids, StageId::ALL);
    for stage in &report.stages {
        assert_eq!(
            stage.verdict == Verdict::Skip,
            stage.summary.starts_with("not checked because "),
            "{stage:#?}"
        );
        assert!(!stage.summary.is_empty(), "{stage:#?}");
        for finding in &stage.findings {
            assert!(
                finding.cause.announces(&finding.message),
                "`{}` is not the line of {}: `{}`",
                finding.message,
                finding.cause.id(),
                finding.cause.entry().line
            );
            assert!(
                !finding.hint.contains('{') && !finding.message.contains("{"),
                "{finding:#?}"
            );
        }
    }
}

/// The one failure: of this stage, of this cause. Stages before it are in order, later ones are skipped.
fn failure(report: &Report, stage: StageId, cause: &str) -> Finding {
    let failed: Vec<&Stage> = report
        .stages
        .iter()
        .filter(|stage| stage.verdict == Verdict::Fail)
        .collect();
    assert!(
        failed.len() == 1 && failed[0].id == stage && failed[0].findings[0].cause.id() == cause,
        "expected {cause} at {stage}: {report:#?}"
    );
    for later in report.stages.iter().filter(|later| later.id > stage) {
        assert_eq!(later.verdict, Verdict::Skip, "{later:#?}");
    }
    assert_eq!(report.verdict, Verdict::Fail);
    failed[0].findings[0].clone()
}

fn fact<'a>(report: &'a Report, stage: StageId, name: &str) -> &'a serde_json::Value {
    report
        .stage(stage)
        .and_then(|stage| stage.facts.get(name))
        .unwrap_or_else(|| panic!("no fact `{name}` of {stage}: {report:#?}"))
}

fn has_warned(report: &Report, cause: Cause) -> bool {
    report
        .findings()
        .any(|finding| finding.cause == cause && finding.severity == Verdict::Warn)
}

#[tokio::test(flavor = "multi_thread")]
async fn dns_names_the_name_and_the_setting() {
    let operator = operator();
    let file = operator.configure_url("https://no-such-host.invalid/r3", SHORT);
    let report = examine_file(file.clone()).await;
    let stage = report.stage(StageId::Dns).unwrap();
    // a machine without any name server cannot be told that there is no such name
    let cause = stage.findings[0].cause;
    assert!(
        matches!(cause, Cause::DnsNoSuchName | Cause::DnsUnreachable),
        "{stage:#?}"
    );
    let found = failure(&report, StageId::Dns, cause.id());
    assert!(found.message.contains("`no-such-host.invalid`"), "{found:#?}");
    if cause == Cause::DnsNoSuchName {
        assert!(found.hint.contains("kaspi.base_url"), "{found:#?}");
        assert!(found.hint.contains(&file.display().to_string()), "{found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_tells_refusal_from_silence() {
    let operator = operator();
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let report = examine(&operator, free, "").await;
    let found = failure(&report, StageId::Tcp, "nothing_listens");
    assert_eq!(
        found.message,
        format!("nothing listens at {free}: connection refused")
    );

    let (_guard, full) = full_listener();
    let report = examine(&operator, full, SHORT).await;
    let found = failure(&report, StageId::Tcp, "packets_dropped");
    assert_eq!(
        found.message,
        format!("no answer from {full} within 1 s: packets are dropped on the way")
    );
    assert!(found.hint.contains("127.0.0.1 here"), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_are_named_with_what_they_answered() {
    let operator = operator();
    operator.write("proxy.txt", "operator:Hidden-Word-7");
    let nobody: SocketAddr = ([127, 0, 0, 1], 1).into();
    for (scheme, more, turns, cause, words) in [
        (
            "http",
            "",
            vec![(20, &b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..])],
            "proxy_credentials",
            "wants credentials, and none are configured",
        ),
        (
            "http",
            "proxy_credentials_file = \"proxy.txt\"",
            vec![(20, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")],
            "proxy_credentials",
            "wants other credentials than those of `proxy_credentials_file`",
        ),
        (
            "http",
            "",
            vec![(20, b"HTTP/1.1 403 Forbidden\r\n\r\n")],
            "proxy_refused",
            "does not let us through to `127.0.0.1:1`: it answered HTTP 403",
        ),
        (
            "http",
            "",
            vec![(20, b"HTTP/1.1 502 Bad Gateway\r\n\r\n")],
            "proxy_no_way",
            "finds no way to `127.0.0.1:1`: it answered HTTP 502",
        ),
        (
            "http",
            "",
            vec![(0, b"SSH-2.0-OpenSSH_9.2\r\n")],
            "not_a_proxy",
            "`SSH-2.0-OpenSSH_9.2`",
        ),
        (
            "socks5",
            "",
            vec![(3, b"\x05\xff")],
            "proxy_credentials",
            "wants credentials, and none are configured",
        ),
        (
            "socks5",
            "",
            vec![
                (3, b"\x05\x00"),
                (10, b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"),
            ],
            "proxy_no_way",
            "SOCKS5 reply 5, connection refused",
        ),
    ] {
        let (address, _, _tasks) = proxy(&turns).await;
        let report = examine(
            &operator,
            nobody,
            &format!("proxy = \"{scheme}://{address}\"\n{more}"),
        )
        .await;
        let found = failure(&report, StageId::Tcp, cause);
        assert!(found.message.contains(words), "{found:#?}");
        assert!(
            found.message.contains(&format!("`{scheme}://{address}`")),
            "{found:#?}"
        );
        assert!(!format!("{report:?}").contains("Hidden-Word-7"));
    }
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let report = examine(&operator, nobody, &format!("proxy = \"http://{free}\"")).await;
    let found = failure(&report, StageId::Tcp, "proxy_unreachable");
    assert!(found.message.ends_with("connection refused"), "{found:#?}");

    let (mute, _tasks) = listener(Manner::Mute).await;
    let report = examine(
        &operator,
        nobody,
        &format!("{SHORT}\nproxy = \"socks5://{mute}\""),
    )
    .await;
    let found = failure(&report, StageId::Tcp, "proxy_no_way");
    assert!(found.message.ends_with("nothing within 1 s"), "{found:#?}");
}

/// A fault of the server is found through the proxy as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_behind_a_proxy_is_the_servers() {
    let operator = operator();
    let (certificate, key) = stranger();
    let server = Server::start_as(vec![certificate], key, Setup::of(&operator.authority)).await;
    let (through, _tasks) = forwarding_proxy(server.address).await;
    let report = examine(
        &operator,
        server.address,
        &format!("proxy = \"http://{through}\""),
    )
    .await;
    failure(&report, StageId::Tls, "server_ca_unknown");
    assert!(
        fact(&report, StageId::Tcp, "proxy")
            .as_str()
            .unwrap()
            .contains(&through.to_string())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_before_tls_points_at_the_address_filter() {
    let operator = operator();
    for manner in [Manner::Reset, Manner::Close] {
        let (address, _tasks) = listener(manner).await;
        let report = examine(&operator, address, "").await;
        let found = failure(&report, StageId::Tls, "reset_before_tls");
        assert!(
            found.message.contains("before it said a word of TLS"),
            "{found:#?}"
        );
        assert!(found.hint.contains("has listed the address"), "{found:#?}");
    }
    let (address, _tasks) = listener(Manner::Mute).await;
    let report = examine(&operator, address, SHORT).await;
    let found = failure(&report, StageId::Tls, "silence_in_tls");
    assert!(found.message.ends_with("within 1 s"), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tls_is_not_tls() {
    let operator = operator();
    let (address, _tasks) = listener(Manner::Answer(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).await;
    let report = examine(&operator, address, "").await;
    let found = failure(&report, StageId::Tls, "not_tls");
    assert!(found.message.contains("`HTTP/1.1 400 Bad Request`"), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_the_handshake_midway() {
    let operator = operator();
    for setup in Setup::both(&operator.authority) {
        let server = Server::start(&operator.authority, setup).await;
        let (address, _tasks) = listener(Manner::Cut(200, server.address)).await;
        let report = examine(&operator, address, "").await;
        failure(&report, StageId::Tls, "tls_ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_large_hello_names_the_setting() {
    let operator = operator();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    for (manner, ended) in [
        (Manner::Swallow(1000, server.address), "fell silent"),
        (Manner::ResetLarge(1000, server.address), "reset the connection"),
    ] {
        let (address, _tasks) = listener(manner).await;
        let more = format!("{SHORT}\nkey_exchange = \"hybrid\"");
        let report = examine(&operator, address, &more).await;
        let found = failure(&report, StageId::Tls, "large_hello_dropped");
        assert!(found.message.contains(ended), "{found:#?}");
        assert!(found.hint.contains("key_exchange = \"classic\""), "{found:#?}");
        assert_eq!(fact(&report, StageId::Tls, "key_exchange"), "hybrid");
        assert_eq!(
            fact(&report, StageId::Tls, "second_look"),
            &json!({"with": "key_exchange = classic", "outcome": "TLS 1.3"})
        );
    }
    // where the small one is lost as well, the setting is not to blame
    let (mute, _tasks) = listener(Manner::Mute).await;
    let report = examine(&operator, mute, &format!("{SHORT}\nkey_exchange = \"hybrid\"")).await;
    failure(&report, StageId::Tls, "silence_in_tls");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_authority_of_theirs_is_named_with_its_fingerprint() {
    if !has_program("openssl") {
        return;
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let operator = operator();
        let foreign = authority();
        let [root, issuing] = foreign.anchors();
        let (root_facts, issuing_facts) = (
            kaspi_direct::identity::certificate_facts(&root).unwrap(),
            kaspi_direct::identity::certificate_facts(&issuing).unwrap(),
        );
        let options = [&STRICT[..], &[version]].concat();
        let (_server, address) = s_server_as(&operator, &foreign.server().unwrap(), &options);
        let report = examine(&operator, address, "").await;
        let found = failure(&report, StageId::Tls, "server_ca_unknown");
        assert!(found.message.starts_with("we refused them: "), "{found:#?}");
        assert!(
            found.message.contains(&format!("`{}`", issuing_facts.subject)),
            "{found:#?}"
        );
        assert!(
            found.hint.contains(&format!("`{}`", root_facts.subject)),
            "{found:#?}"
        );
        assert!(found.hint.contains("kaspi.extra_ca_file"), "{found:#?}");
        let chain = fact(&report, StageId::Tls, "server_chain").as_array().unwrap();
        assert_eq!(chain[1]["sha256"], issuing_facts.sha256);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_the_server_sends_is_named_with_its_fingerprint() {
    let operator = operator();
    let foreign = authority();
    let server = foreign.server().unwrap();
    let [root, _] = foreign.anchors();
    let mut chain = server.chain();
    chain.push(root.clone());
    let started = Server::start_as(chain, server.key(), Setup::of(&operator.authority)).await;
    let report = examine(&operator, started.address, "").await;
    let found = failure(&report, StageId::Tls, "server_ca_unknown");
    let sha256 = kaspi_direct::sandbox::pki::sha256_hex(&root);
    assert!(found.hint.contains(&sha256), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_intermediate_of_theirs_names_the_issuer() {
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
    let report = examine(&operator, address, "").await;
    let found = failure(&report, StageId::Tls, "server_ca_unknown");
    let issuing = kaspi_direct::identity::certificate_facts(&issuing).unwrap();
    assert!(
        found.hint.contains(&format!("`{}`", issuing.subject)),
        "{found:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_mismatch_shows_both_names() {
    if !has_program("openssl") {
        return;
    }
    let operator = operator();
    let options = [&STRICT[..], &["-accept", "127.0.0.2:0"]].concat();
    let (_server, address) = s_server(&operator, &options);
    let report = examine(&operator, address, "").await;
    let found = failure(&report, StageId::Tls, "server_name_mismatch");
    assert_eq!(
        found.message,
        "we refused them: `base_url` names `127.0.0.2`, and the server's certificate is for \
         `IP:127.0.0.1`, `IP:::1`, `DNS:localhost`"
    );
}

/// On TLS 1.2 within the handshake, on TLS 1.3 instead of an answer: in both cases it is what the server
/// thinks of our certificate.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_authority_of_ours_is_their_refusal() {
    if !has_program("openssl") {
        return;
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let operator = operator();
        let options = [&STRICT[..], &[version]].concat();
        let (_server, address) = s_server(&operator, &options);
        let foreign = authority().client(&[FLOWERS]).unwrap();
        let issuer = kaspi_direct::identity::certificate_facts(foreign.certificate_der())
            .unwrap()
            .issuer;
        operator.add_as(FLOWERS, &foreign);
        let report = examine(&operator, address, "").await;
        let found = failure(&report, StageId::Accepted, "our_ca_unknown");
        assert!(found.message.starts_with("they refused us: "), "{found:#?}");
        assert!(found.message.contains(&format!("`{issuer}`")), "{found:#?}");
        assert!(found.message.contains("unknown_ca (48)"), "{found:#?}");
        assert!(has_warned(&report, Cause::IssuerNotListed), "{report:#?}");
        assert_eq!(fact(&report, StageId::Tls, "our_issuer_listed"), false);
        assert_eq!(fact(&report, StageId::Tls, "issuers_listed"), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_intermediate_of_ours_is_told_apart() {
    if !has_program("openssl") {
        return;
    }
    let operator = operator();
    let (_server, address) = s_server(
        &operator,
        &[
            "-HTTP",
            "-Verify",
            "4",
            "-verify_return_error",
            "-CAfile",
            "root.pem",
        ],
    );
    let report = examine(&operator, address, "").await;
    let found = failure(&report, StageId::Accepted, "intermediate_needed");
    assert!(found.hint.contains("certificate.cer"), "{found:#?}");

    // with it, the server takes us
    let issued = operator.authority.client(&[FLOWERS]).unwrap();
    operator.add_as(FLOWERS, &issued);
    operator.write_for(FLOWERS, "certificate.cer", issued.chain_pem());
    let report = examine(&operator, address, "").await;
    assert_eq!(
        report.stage(StageId::Accepted).unwrap().verdict,
        Verdict::Pass,
        "{report:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_nothing() {
    if !has_program("openssl") {
        return;
    }
    for options in [&["-HTTP"][..], &["-HTTP", "-tls1_2"]] {
        let operator = operator();
        let (_server, address) = s_server(&operator, options);
        let report = examine(&operator, address, "").await;
        failure(&report, StageId::Tls, "certificate_not_asked");
        assert_eq!(fact(&report, StageId::Tls, "certificate_asked"), false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_renegotiates() {
    if !has_program("openssl") {
        return;
    }
    let operator = operator();
    let (mut server, address) = s_server(&operator, &["-tls1_2", "-CAfile", "clients.pem"]);
    server.type_after("GET /r3/v01/health/ping", "R\n");
    let report = examine(&operator, address, SHORT).await;
    failure(&report, StageId::Tls, "renegotiation_wanted");
}

/// A server may ask only clients that offer to be asked after the handshake. One that asks all the same is
/// caught in the act; one that keeps to the rule can only forbid the path.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_after_the_handshake() {
    let rude = operator();
    let (address, _thread) = late_asker(&rude);
    let report = examine(&rude, address, "").await;
    failure(&report, StageId::Tls, "post_handshake_auth");

    if !has_program("nginx") {
        return;
    }
    let proper = operator();
    let (_server, address) = nginx(
        &proper,
        "ssl_protocols TLSv1.3; location /forbidden { return 403; }",
    );
    let file = proper.configure_url(&format!("https://{address}/forbidden"), "");
    let report = examine_file(file).await;
    failure(&report, StageId::Tls, "post_handshake_auth");

    // over TLS 1.2 it could ask, and does not: this one forbids the path to everybody
    let other = operator();
    let (_server, address) = nginx(&other, "location /forbidden { return 403; }");
    let file = other.configure_url(&format!("https://{address}/forbidden"), "");
    let report = examine_file(file).await;
    failure(&report, StageId::Tls, "certificate_not_asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_old_versions() {
    if !has_program("openssl") {
        return;
    }
    let operator = operator();
    for (option, version) in [("-tls1_1", "TLS 1.1"), ("-tls1", "TLS 1.0")] {
        let options = [&STRICT[..], &[option, "-cipher", "DEFAULT@SECLEVEL=0"]].concat();
        let (_server, address) = s_server(&operator, &options);
        let report = examine(&operator, address, "").await;
        let found = failure(&report, StageId::Tls, "tls_too_old");
        assert_eq!(
            found.message,
            format!("`{address}` speaks {version} at most, and we speak TLS 1.2 and 1.3")
        );
    }
}

/// A server that speaks TLS 1.2 is not one of old versions, whatever else it lacks.
#[tokio::test(flavor = "multi_thread")]
async fn only_old_cipher_suites() {
    if !has_program("openssl") {
        return;
    }
    let bank = Authority::generate(KeyKind::Rsa2048).unwrap();
    let operator = operator();
    operator.write("kbs_chain.pem", bank.chain_pem());
    let server = bank.server().unwrap();
    for (cipher, name) in [
        ("AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA"),
        ("ECDHE-RSA-AES256-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    ] {
        let options = [&STRICT[..], &["-tls1_2", "-cipher", cipher]].concat();
        let (_server, address) = s_server_as(&operator, &server, &options);
        let report = examine(&operator, address, "").await;
        let found = failure(&report, StageId::Tls, "cipher_suites_too_old");
        assert_eq!(
            found.message,
            format!("`{address}` takes none of our cipher suites; of old ones it takes {name}")
        );
    }
}

/// A certificate for `127.0.0.1`, made otherwise than it should be, by an authority that is trusted.
async fn server_with(operator: &Operator, odd: impl FnOnce(&mut rcgen::CertificateParams)) -> Server {
    let mut params = rcgen::CertificateParams::default();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "a bank");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer_key = rcgen::KeyPair::generate().unwrap();
    let root = params.self_signed(&issuer_key).unwrap();
    let issuer = rcgen::Issuer::new(params, issuer_key);
    operator.write("kbs_chain.pem", pem_of(root.der()));

    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    odd(&mut params);
    let certificate = params.signed_by(&key, &issuer).unwrap().der().clone();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    Server::start_as(vec![certificate], key.into(), Setup::of(&operator.authority)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_theirs_that_is_not_fit() {
    let operator = operator();
    let server = server_with(&operator, |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    })
    .await;
    let report = examine(&operator, server.address, "").await;
    let found = failure(&report, StageId::Tls, "server_certificate_expired");
    assert!(
        found
            .message
            .contains("is valid until 2021-01-01T00:00:00Z, now it is 20"),
        "{found:#?}"
    );

    let server = server_with(&operator, |params| {
        params.not_before = rcgen::date_time_ymd(2090, 1, 1);
        params.not_after = rcgen::date_time_ymd(2091, 1, 1);
    })
    .await;
    let report = examine(&operator, server.address, "").await;
    let found = failure(&report, StageId::Tls, "server_certificate_expired");
    assert!(
        found.message.contains("is valid from 2090-01-01T00:00:00Z"),
        "{found:#?}"
    );

    let server = server_with(&operator, |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    })
    .await;
    let report = examine(&operator, server.address, "").await;
    let found = failure(&report, StageId::Tls, "server_certificate_bad");
    assert!(found.message.ends_with("it is not for a server"), "{found:#?}");

    let (trusted, certificate, key) = namesakes();
    operator.write("kbs_chain.pem", trusted);
    let server = Server::start_as(vec![certificate], key, Setup::of(&operator.authority)).await;
    let report = examine(&operator, server.address, "").await;
    let found = failure(&report, StageId::Tls, "server_certificate_bad");
    assert!(
        found.message.ends_with("signed it, with another key"),
        "{found:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_where_one_was_due() {
    let operator = operator();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    for (act, cause, words) in [
        (
            Act::CloseAfterRequest,
            "connection_lost",
            "closed the connection instead of answering",
        ),
        (
            Act::ResetAfterRequest,
            "connection_lost",
            "reset the connection instead of answering",
        ),
        (Act::ResetMidAnswer, "connection_lost", "reset the connection"),
        (Act::Silence, "no_answer", "within 2 s"),
        (
            Act::Raw(b"220 mail.example ESMTP\r\n".to_vec()),
            "not_http",
            "not HTTP",
        ),
    ] {
        server.will([act.clone()]);
        let report = examine(&operator, server.address, SHORT).await;
        let found = failure(&report, StageId::Accepted, cause);
        assert!(found.message.contains(words), "{act:?}: {found:#?}");
    }
}

/// An IPv6 address stands in brackets in the setting, and without them everywhere else.
#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_address() {
    let operator = operator();
    if TcpListener::bind("[::1]:0").await.is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    let setup = Setup {
        listen: "[::1]:0".parse().unwrap(),
        ..Setup::of(&operator.authority)
    };
    let server = Server::start(&operator.authority, setup).await;
    let report = examine(&operator, server.address, "").await;
    assert_eq!(
        report.stage(StageId::Tls).unwrap().verdict,
        Verdict::Pass,
        "{report:#?}"
    );
    assert_eq!(fact(&report, StageId::Dns, "name"), "::1");
    assert_eq!(fact(&report, StageId::Tls, "server_name"), "::1");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signature_of_ours_and_no_group_of_theirs() {
    if !has_program("openssl") {
        return;
    }
    let operator = operator();
    for version in ["-tls1_2", "-tls1_3"] {
        let options = [&STRICT[..], &[version, "-client_sigalgs", "ed448"]].concat();
        let (_server, address) = s_server(&operator, &options);
        let report = examine(&operator, address, "").await;
        let found = failure(&report, StageId::Tls, "no_common_signature");
        assert!(found.message.contains("ED448"), "{found:#?}");
    }
    let options = [&STRICT[..], &["-tls1_3", "-groups", "X448"]].concat();
    let (_server, address) = s_server(&operator, &options);
    let report = examine(&operator, address, "").await;
    let found = failure(&report, StageId::Tls, "they_refused_tls");
    assert!(found.message.contains("handshake_failure (40)"), "{found:#?}");
}

/// The refusal of TLS 1.3 comes late and in several ways; it is told every time.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_every_time() {
    let operator = operator();
    for setup in Setup::all(&operator.authority) {
        for polite in [true, false] {
            let setup = Setup {
                auth: Auth::Of(vec![stranger().0]),
                polite,
                ..setup.clone()
            };
            let server = Server::start(&operator.authority, setup.clone()).await;
            for _ in 0..5 {
                let report = examine(&operator, server.address, "").await;
                failure(&report, StageId::Accepted, "our_ca_unknown");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_instead_of_answers() {
    if !has_program("nginx") {
        return;
    }
    let operator = operator();
    let (_server, address) = nginx(
        &operator,
        &format!("{NGINX_STRICT} location /gone {{ return 301 https://kaspi.example/r3; }}"),
    );
    let file = operator.configure_url(&format!("https://{address}/wrong"), "");
    let report = examine_file(file).await;
    let found = failure(&report, StageId::Accepted, "wrong_path");
    assert!(
        found
            .message
            .contains("/wrong/v01/health/ping` is answered with HTTP 404 and a web page"),
        "{found:#?}"
    );
    let file = operator.configure_url(&format!("https://{address}/gone"), "");
    let found = failure(&examine_file(file).await, StageId::Accepted, "wrong_path");
    assert!(
        found.message.contains("a redirect to `https://kaspi.example/r3`"),
        "{found:#?}"
    );

    operator.add_as(FLOWERS, &authority().client(&[FLOWERS]).unwrap());
    let report = examine(&operator, address, "").await;
    let found = failure(&report, StageId::Accepted, "certificate_page");
    assert!(found.message.starts_with("they refused us: "), "{found:#?}");
}

/// What is not known of the real bank is told by the first report that reaches it.
#[tokio::test(flavor = "multi_thread")]
async fn the_open_questions_are_answered_as_facts() {
    if !has_program("nginx") {
        return;
    }
    let operator = operator();
    let (_server, address) = nginx(
        &operator,
        &format!("{NGINX_STRICT} ssl_session_cache shared:a:1m; keepalive_timeout 20s 15s;"),
    );
    let report = examine(&operator, address, "").await;
    assert_eq!(
        report.stage(StageId::Accepted).unwrap().verdict,
        Verdict::Pass,
        "{report:#?}"
    );
    let tls = |name: &str| fact(&report, StageId::Tls, name).clone();
    assert_eq!(tls("tls_version"), "TLS 1.3");
    assert_eq!(tls("group"), "X25519");
    assert_eq!(tls("certificate_asked"), true);
    assert_eq!(tls("our_issuer_listed"), true);
    let [root, _] = operator.authority.anchors();
    let root = kaspi_direct::identity::certificate_facts(&root).unwrap();
    assert_eq!(tls("server_ca"), root.subject);
    let accepted = |name: &str| fact(&report, StageId::Accepted, name).clone();
    assert_eq!(accepted("keeps_connections"), "yes");
    assert_eq!(accepted("resumes_sessions"), "yes");
    assert!(accepted("keep_alive").as_str().unwrap().contains("timeout=15"));
    assert_eq!(accepted("http_status"), 200);
    assert!(accepted("clock_skew_seconds").as_i64().unwrap().abs() < 60);
}
