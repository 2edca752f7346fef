//! What the probe may find and no test can bring about on this machine: the words for it are whole.

use std::net::SocketAddr;
use std::time::Duration;

use time::OffsetDateTime;

use super::{Place, dns, tcp, tls};
use crate::config::{KeyExchange, ProxyScheme};
use crate::doctor::{Stage, StageId};
use crate::identity::Facts;
use crate::transport::Alert;
use crate::transport::probe::{
    Attempt, Distrust, Ended, FirstBytes, Handshake, Lookup, LookupFailure, ProxyFailure, Reach,
    ReachFailure, TcpFailure, TlsFailure,
};

const LIMIT: Duration = Duration::from_secs(5);

fn place() -> Place {
    Place {
        file: "/etc/kaspi/kaspi.toml".into(),
        target: "kaspi.example:443".to_owned(),
        base_url: "https://kaspi.example/r3".to_owned(),
        from: "10.0.0.5".to_owned(),
    }
}

/// The one finding of a stage: cause and line. Its words are those of the table, and whole.
fn only(stage: &Stage, id: StageId) -> (&'static str, String) {
    assert_eq!(stage.id, id);
    let [finding] = stage.findings.as_slice() else {
        panic!("{stage:?}");
    };
    assert!(finding.cause.announces(&finding.message), "{finding:?}");
    for text in [&finding.message, &finding.hint] {
        assert!(!text.contains(['{', '}']), "{finding:?}");
    }
    (finding.cause.id(), finding.message.clone())
}

#[test]
fn names_that_have_no_address() {
    let lookup = |proxy, failure| Lookup {
        host: "kaspi.example".to_owned(),
        port: 443,
        proxy,
        took: Duration::ZERO,
        outcome: Err(failure),
    };
    let none = LookupFailure::NoSuchName("Name or service not known".to_owned());
    let stage = dns::judge(&lookup(None, none.clone()), &place());
    assert_eq!(
        only(&stage, StageId::Dns),
        (
            "dns_no_such_name",
            "`kaspi.example` has no address: Name or service not known".to_owned()
        )
    );
    assert!(
        stage.findings[0]
            .hint
            .contains("`kaspi.base_url` in /etc/kaspi/kaspi.toml")
    );
    let stage = dns::judge(&lookup(Some(ProxyScheme::Http), none), &place());
    assert!(stage.findings[0].hint.contains("`kaspi.proxy` in"), "{stage:?}");
    for failure in [
        LookupFailure::NoServer("Temporary failure in name resolution".to_owned()),
        LookupFailure::TimedOut(LIMIT),
        LookupFailure::Other("System error".to_owned()),
    ] {
        let stage = dns::judge(&lookup(None, failure), &place());
        assert_eq!(only(&stage, StageId::Dns).0, "dns_unreachable");
    }
}

fn reach(proxy: bool, failure: ReachFailure) -> Reach {
    let address: SocketAddr = ([127, 0, 0, 1], 443).into();
    Reach {
        proxy: proxy.then(|| (ProxyScheme::Socks5, "egress:1080".to_owned())),
        attempts: vec![Attempt {
            address,
            took: Duration::ZERO,
            end: Err(TcpFailure::Refused),
        }],
        took: Duration::ZERO,
        outcome: Err(failure),
    }
}

#[test]
fn connections_that_do_not_come_about() {
    let text = || "No route to host (os error 113)".to_owned();
    for (failure, cause) in [
        (TcpFailure::Refused, "nothing_listens"),
        (TcpFailure::TimedOut(LIMIT), "packets_dropped"),
        (TcpFailure::Unreachable(text()), "unreachable"),
        (TcpFailure::Reset, "reset_before_tls"),
        (TcpFailure::Forbidden(text()), "connect_failed"),
        (TcpFailure::Other(text()), "connect_failed"),
    ] {
        let direct = reach(false, ReachFailure::Tcp(failure.clone()));
        assert_eq!(only(&tcp::judge(&direct, &mut place()), StageId::Tcp).0, cause);
        let proxied = reach(true, ReachFailure::Tcp(failure));
        let stage = tcp::judge(&proxied, &mut place());
        assert_eq!(only(&stage, StageId::Tcp).0, "proxy_unreachable");
    }
    for (failure, cause) in [
        (ProxyFailure::Credentials { given: false }, "proxy_credentials"),
        (ProxyFailure::Credentials { given: true }, "proxy_credentials"),
        (ProxyFailure::Status(403), "proxy_refused"),
        (ProxyFailure::Status(502), "proxy_no_way"),
        (ProxyFailure::Socks(2), "proxy_refused"),
        (ProxyFailure::Socks(5), "proxy_no_way"),
        (ProxyFailure::Socks(9), "proxy_refused"),
        (ProxyFailure::NotAProxy("SSH-2.0\r\n".to_owned()), "not_a_proxy"),
        (ProxyFailure::Closed, "not_a_proxy"),
        (ProxyFailure::TimedOut(LIMIT), "proxy_no_way"),
        (ProxyFailure::Other(text()), "not_a_proxy"),
    ] {
        let stage = tcp::judge(&reach(true, ReachFailure::Proxy(failure)), &mut place());
        assert_eq!(only(&stage, StageId::Tcp).0, cause);
    }
}

fn facts(subject: &str, issuer: &str) -> Facts {
    let der = rcgen::generate_simple_self_signed(["kaspi.example".to_owned()]).unwrap();
    let mut facts = crate::identity::certificate_facts(der.cert.der()).unwrap();
    facts.subject = subject.to_owned();
    facts.issuer = issuer.to_owned();
    facts
}

fn handshake(first: FirstBytes, failure: TlsFailure) -> Handshake {
    Handshake {
        server_name: "kaspi.example".to_owned(),
        key_exchange: KeyExchange::Classic,
        hello_bytes: 244,
        took: Duration::ZERO,
        first,
        chain: Vec::new(),
        distrust: None,
        request: None,
        outcome: Err(failure),
    }
}

fn judged(handshake: &Handshake) -> (&'static str, String) {
    let own = facts("CN=shop", "CN=KBS-CA");
    let stage = tls::judge(
        &tls::Seen {
            handshake,
            second: None,
            outdated: None,
            unasked: None,
            own: &own,
            roots: 2,
            now: OffsetDateTime::UNIX_EPOCH,
        },
        &place(),
    );
    only(&stage, StageId::Tls)
}

#[test]
fn handshakes_that_fail() {
    let hello = || FirstBytes::ServerHello {
        version: 0x0303,
        cipher_suite: 0xc02f,
    };
    let alert = Alert::new(80);
    for (first, failure, cause) in [
        (
            hello(),
            TlsFailure::WeRefused("a reason".to_owned()),
            "we_refused_tls",
        ),
        (
            FirstBytes::Alert(alert),
            TlsFailure::TheyRefused(alert),
            "they_refused_tls",
        ),
        (hello(), TlsFailure::Ended(Ended::Reset), "tls_ended"),
        (hello(), TlsFailure::TimedOut(LIMIT), "tls_ended"),
        (
            FirstBytes::Nothing,
            TlsFailure::Ended(Ended::Other("odd".to_owned())),
            "reset_before_tls",
        ),
        (FirstBytes::Nothing, TlsFailure::TimedOut(LIMIT), "silence_in_tls"),
        (
            FirstBytes::NotTls("HTTP/1.1 400".to_owned()),
            TlsFailure::WeRefused("x".to_owned()),
            "not_tls",
        ),
    ] {
        assert_eq!(judged(&handshake(first, failure)).0, cause);
    }
}

#[test]
fn servers_that_are_not_believed() {
    let at = OffsetDateTime::UNIX_EPOCH;
    for (distrust, cause) in [
        (Distrust::UnknownIssuer, "server_ca_unknown"),
        (
            Distrust::OtherName {
                names: vec!["other.example".to_owned()],
            },
            "server_name_mismatch",
        ),
        (Distrust::OtherName { names: Vec::new() }, "server_name_mismatch"),
        (Distrust::Expired { not_after: at }, "server_certificate_expired"),
        (
            Distrust::NotYetValid { not_before: at },
            "server_certificate_expired",
        ),
        (Distrust::BadSignature, "server_certificate_bad"),
        (Distrust::WrongPurpose, "server_certificate_bad"),
        (Distrust::Other("odd".to_owned()), "server_certificate_bad"),
    ] {
        let mut handshake = handshake(FirstBytes::Fragment, TlsFailure::WeDistrust);
        handshake.distrust = Some(distrust);
        assert_eq!(judged(&handshake).0, cause, "no chain");
        handshake.chain = vec![facts("CN=kaspi.example", "CN=KBS-CA")];
        assert_eq!(judged(&handshake).0, cause);
        handshake.chain.push(facts("CN=KBS-CA", "CN=kbs-root-ca"));
        let (found, _) = judged(&handshake);
        assert_eq!(found, cause);
    }
}
