//! A look at nginx, which asks for certificates its own way: a refusal is a page.

use kaspi_direct::transport::TlsVersion;
use kaspi_direct::transport::probe::{BodyKind, Kept};

use super::doctor_kit::{look, nginx};
use super::kit::{FLOWERS, Operator, authority, has_program};

const STRICT: &str = "ssl_client_certificate clients.pem; ssl_verify_client on; ssl_verify_depth 3;";

fn operator() -> Operator {
    let operator = Operator::new();
    operator.add(FLOWERS);
    operator
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_us_keeps_connections_and_sessions() {
    if !has_program("nginx") {
        return;
    }
    for (lines, version) in [
        (
            "ssl_protocols TLSv1.2; ssl_session_cache shared:a:1m;",
            TlsVersion::V1_2,
        ),
        (
            "ssl_protocols TLSv1.3; ssl_session_cache shared:a:1m;",
            TlsVersion::V1_3,
        ),
    ] {
        let operator = operator();
        let (_server, address) = nginx(&operator, &format!("{STRICT} {lines}"));
        let look = look(&operator, address, "").await;
        assert_eq!(look.handshake().outcome.as_ref().unwrap().version, version);
        let answer = look.exchange().outcome.as_ref().unwrap();
        assert_eq!((answer.status, answer.kind), (200, BodyKind::Json));
        assert_eq!(answer.content_type.as_deref(), Some("application/json"));
        assert!(answer.server.as_deref().unwrap().starts_with("nginx"));
        let skew = answer.at - answer.date.unwrap();
        assert!(skew.abs() < time::Duration::MINUTE, "{skew}");
        assert!(answer.whole && answer.body.starts_with(b"{\"StatusCode\":0"));
        assert_eq!(look.kept, Some((Kept::Yes, Kept::Yes)), "{lines}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_where_the_server_chooses_it() {
    if !has_program("nginx") {
        return;
    }
    let operator = operator();
    let (_server, address) = nginx(&operator, &format!("{STRICT} #http2"));
    let look = look(&operator, address, "").await;
    let agreed = look.handshake().outcome.as_ref().unwrap();
    assert_eq!(agreed.alpn.as_deref(), Some("h2"));
    let answer = look.exchange().outcome.as_ref().unwrap();
    assert!(answer.http2);
    assert_eq!((answer.status, answer.kind), (200, BodyKind::Json));
    assert_eq!(look.kept.unwrap().0, Kept::Yes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_a_page_with_400() {
    if !has_program("nginx") {
        return;
    }
    let operator = operator();
    let (_server, address) = nginx(&operator, STRICT);
    operator.add_as(FLOWERS, &authority().client(&[FLOWERS]).unwrap());
    let look = look(&operator, address, "").await;
    let request = look.handshake().request.as_ref().unwrap();
    assert_eq!(request.names_ours, Some(false));
    let answer = look.exchange().outcome.as_ref().unwrap();
    assert_eq!((answer.status, answer.kind), (400, BodyKind::Html));
    let page = String::from_utf8_lossy(&answer.body);
    assert!(page.contains("The SSL certificate error"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_question_for_the_certificate_there_is_a_second_look() {
    if !has_program("nginx") {
        return;
    }
    let operator = operator();
    let (_server, address) = nginx(&operator, "ssl_verify_client off; ssl_protocols TLSv1.2 TLSv1.3;");
    let look = look(&operator, address, "").await;
    assert_eq!(look.handshake().request, None);
    let second = look.second.unwrap();
    assert!(second.handshake.unwrap().request.is_none());
    assert!(second.exchange.unwrap().outcome.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_path_is_a_page_with_404() {
    if !has_program("nginx") {
        return;
    }
    let operator = operator();
    let (_server, address) = nginx(&operator, STRICT);
    let file = operator.configure_url(&format!("https://{address}/wrong"), "");
    let look = super::doctor_kit::look_at(&operator, file).await;
    assert_eq!(look.exchange().path, "/wrong/v01/health/ping");
    let answer = look.exchange().outcome.as_ref().unwrap();
    assert_eq!((answer.status, answer.kind), (404, BodyKind::Html));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_told_and_not_followed() {
    if !has_program("nginx") {
        return;
    }
    let operator = operator();
    let (_server, address) = nginx(
        &operator,
        &format!("{STRICT} location /old {{ return 301 https://kaspi.example/r3; }}"),
    );
    let file = operator.configure_url(&format!("https://{address}/old"), "");
    let look = super::doctor_kit::look_at(&operator, file).await;
    let answer = look.exchange().outcome.as_ref().unwrap();
    assert_eq!(answer.status, 301);
    assert_eq!(answer.location.as_deref(), Some("https://kaspi.example/r3"));
}
