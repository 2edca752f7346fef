//! The old wrapper as a carrier: what it is asked, word for word, and what its answers come to.

use std::sync::Arc;

use kaspi_direct::base::{Delivery, Explain, OperationId, chain_text};
use kaspi_direct::config::{TrustSettings, WrapperSettings};
use kaspi_direct::outbound::{Limits, Outbound, Reach};
use kaspi_direct::payments::{
    CarriedInvoice, CarriedLink, CarriedRefund, Carrier, CarrierError, MoneyPermit,
};
use kaspi_direct::sandbox::pki::Authority;
use kaspi_direct::wrapper::Wrapper;
use rustls::RootCertStore;

use super::kit::{FLOWERS, authority, bin, in_time};
use super::server::{Act, Auth, Server, Setup};

const ACCESS: &str = "old-token/+&";
const DEVICE: &str = "00000000-0000-4000-8000-000000000001";

async fn server(authority: &Authority) -> Server {
    let setup = Setup {
        auth: Auth::None,
        ..Setup::of(authority)
    };
    Server::start(authority, setup).await
}

fn wrapper(authority: &Authority, base_url: &str) -> Wrapper {
    let mut roots = RootCertStore::empty();
    for anchor in authority.anchors() {
        roots.add(anchor).unwrap();
    }
    let outbound = Outbound::new(Arc::new(roots), Limits::default(), Reach::Anywhere).unwrap();
    let settings = WrapperSettings {
        base_url: base_url.parse().unwrap(),
        token: Some(kaspi_direct::base::Secret::new(ACCESS)),
        trust: TrustSettings::default(),
        compare_reads: false,
    };
    Wrapper::new(settings, outbound)
}

fn permit() -> MoneyPermit {
    MoneyPermit::caller_keeps_the_books(OperationId::new())
}

fn invoice() -> CarriedInvoice {
    CarriedInvoice {
        bin: bin(FLOWERS),
        device_token: Some(DEVICE.parse_token()),
        phone: "+7 700 000 00 01".parse().unwrap(),
        amount: "1500".parse().unwrap(),
        message: "Заказ 17 #abcd1234".to_owned(),
    }
}

fn refund() -> CarriedRefund {
    CarriedRefund {
        bin: bin(FLOWERS),
        device_token: Some(DEVICE.parse_token()),
        payment: "12800000774".parse().unwrap(),
        amount: "500.5".parse().unwrap(),
    }
}

trait ParseToken {
    fn parse_token(&self) -> kaspi_direct::base::DeviceToken;
}

impl ParseToken for str {
    fn parse_token(&self) -> kaspi_direct::base::DeviceToken {
        kaspi_direct::base::DeviceToken::parse(self).unwrap()
    }
}

/// Kind and delivery, after a look for what must not be told.
fn told(error: &CarrierError) -> (&'static str, Option<Delivery>) {
    let all = format!("{error} {error:?} {} {:?}", chain_text(error), error.hint());
    for secret in [
        ACCESS,
        "old-token",
        DEVICE,
        "7000000001",
        "access_token",
        "externalId=",
    ] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    (error.kind(), error.delivery())
}

fn good(data: &str) -> Act {
    Act::Answer(
        200,
        format!(r#"{{"status": true, "data": {data}, "http_code": 200}}"#),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrapper_is_asked_as_its_callers_ask_it() {
    let authority = authority();
    let server = server(&authority).await;
    let wrapper = wrapper(
        &authority,
        &format!("https://{}/api/v2/paymentkaspi", server.address),
    );
    server.will([
        good(r#"{"externalId": "12800000774", "status": "Wait"}"#),
        good(r#"{"externalId": 12800000774, "status": "Processed"}"#),
        good(r#"{"externalId": "12800000774", "returnOperationId": 77, "refundedAmount": 500.5}"#),
        good(r#"{"paymentLink": "https://pay.kaspi.kz/pay/1", "paymentId": 5, "expireDate": "2025-10-22T17:10:50.717+05:00"}"#),
        good("{}"),
    ]);
    let id = in_time(wrapper.create(permit(), &invoice())).await.unwrap();
    assert_eq!(id.get(), 12_800_000_774);
    assert_eq!(in_time(wrapper.status(id)).await.unwrap().as_str(), "Processed");
    let returned = in_time(wrapper.refund(permit(), &refund())).await.unwrap();
    assert_eq!(returned.unwrap().get(), 77);
    let link = CarriedLink {
        bin: bin(FLOWERS),
        device_token: Some(DEVICE.parse_token()),
        amount: "990.05".parse().unwrap(),
        message: "m".to_owned(),
    };
    let made = in_time(wrapper.create_link(permit(), &link)).await.unwrap();
    assert_eq!(
        (made.payment_id.get(), made.payment_link.as_str()),
        (5, "https://pay.kaspi.kz/pay/1")
    );
    assert_eq!(made.expire_date.as_deref(), Some("2025-10-22T17:10:50.717+05:00"));
    // A yes to a refund is one, also without its number.
    assert_eq!(in_time(wrapper.refund(permit(), &refund())).await.unwrap(), None);

    let seen = server.seen();
    let base = "/api/v2/paymentkaspi";
    let token = "access_token=old-token%2F%2B%26";
    let targets: Vec<&str> = seen
        .requests
        .iter()
        .map(|request| request.target.as_str())
        .collect();
    let wanted = [
        format!(
            "{base}/create/?{token}&phone=77000000001&amount=1500.0&message=%D0%97%D0%B0%D0%BA%D0%B0%D0%B7%2017%20%23abcd1234&organizationBin={FLOWERS}&deviceToken={DEVICE}"
        ),
        format!("{base}/status/?{token}&externalId=12800000774"),
        format!(
            "{base}/refund/?{token}&externalId=12800000774&amount=500.5&organizationBin={FLOWERS}&deviceToken={DEVICE}"
        ),
        format!(
            "{base}/create-link/?{token}&amount=990.05&message=m&organizationBin={FLOWERS}&deviceToken={DEVICE}"
        ),
        format!(
            "{base}/refund/?{token}&externalId=12800000774&amount=500.5&organizationBin={FLOWERS}&deviceToken={DEVICE}"
        ),
    ];
    assert_eq!(targets, wanted);
    for request in &seen.requests {
        assert_eq!(request.method, "GET");
        assert_eq!(request.header("kaspi-direct-hop"), Some("1"));
        assert_eq!(request.certificate, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_wrapper_does_not_clearly_say_is_unknown_and_asked_once() {
    use Delivery::{Refused, Unknown};
    let authority = authority();
    for (act, kind, delivery) in [
        (Act::Answer(200, String::new()), "wrapper_empty", Unknown),
        (
            Act::Answer(200, "<html>Ошибка</html>".to_owned()),
            "wrapper_answer",
            Unknown,
        ),
        (
            Act::Answer(502, "<html>Bad gateway</html>".to_owned()),
            "wrapper_answer",
            Unknown,
        ),
        (Act::Answer(301, String::new()), "wrapper_answer", Unknown),
        (Act::CloseAfterRequest, "outbound_closed", Unknown),
        (Act::ResetMidAnswer, "outbound_closed", Unknown),
        (good("{}"), "wrapper_answer", Unknown),
        (
            Act::Answer(404, "<html>".to_owned()),
            "wrapper_not_found",
            Refused,
        ),
        (Act::Answer(401, String::new()), "wrapper_access", Refused),
        (
            Act::Answer(
                200,
                format!(r#"{{"status": false, "error": "no client 87000000001, {ACCESS}"}}"#),
            ),
            "wrapper_refused",
            Refused,
        ),
        (
            Act::Answer(
                200,
                r#"{"status": false, "data": {"errors": {"-1404": "нет клиента"}}}"#.to_owned(),
            ),
            "client_not_found",
            Refused,
        ),
    ] {
        let server = server(&authority).await;
        server.will([act.clone()]);
        let wrapper = wrapper(&authority, &format!("https://{}", server.address));
        let error = in_time(wrapper.create(permit(), &invoice())).await.unwrap_err();
        assert_eq!(told(&error), (kind, Some(delivery)), "{act:?}: {error}");
        assert_eq!(server.seen().accepted, 1, "{act:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_left_is_not_sent() {
    let authority = authority();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    for scheme in ["https", "http"] {
        let wrapper = wrapper(&authority, &format!("{scheme}://{nobody}/api"));
        let error = in_time(wrapper.refund(permit(), &refund())).await.unwrap_err();
        assert_eq!(
            told(&error),
            ("outbound_connect", Some(Delivery::NotSent)),
            "{error}"
        );
        let error = in_time(wrapper.status("5".parse().unwrap())).await.unwrap_err();
        assert_eq!(told(&error), ("outbound_connect", None), "{error}");
    }
    let server = server(&authority).await;
    let wrapper = wrapper(&authority, &format!("https://{}", server.address));
    let link = CarriedLink {
        bin: bin(FLOWERS),
        device_token: None,
        amount: "1".parse().unwrap(),
        message: String::new(),
    };
    let error = in_time(wrapper.create_link(permit(), &link)).await.unwrap_err();
    assert_eq!(told(&error), ("no_device_token", Some(Delivery::NotSent)));
    assert_eq!(server.seen().accepted, 0);
}
