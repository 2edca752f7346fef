//! How a change of status is noticed, and that it is told once, whoever notices; what the registry notices.

use std::net::SocketAddr;
use std::time::Duration;

use kaspi_direct::app::{App, Service};
use kaspi_direct::base::PaymentId;
use kaspi_direct::config::Environment;
use kaspi_direct::gateway::Patience;
use kaspi_direct::payments::{
    Event, EventFacts, EventFilter, EventKind, NewPurchase, Origin, PaymentsSettings,
};
use kaspi_direct::sandbox::CustomerStep;
use time::OffsetDateTime;

use super::events_kit::Stream;
use super::kit::{FLOWERS, GIFTS, bin, in_time, invoice};
use super::money_kit::{Books, Shop, on_both_stores};
use super::rotation_kit::certificate;

on_both_stores!(a_change_is_told_once_whoever_notices);

fn often(settings: &mut PaymentsSettings) {
    settings.round = Duration::from_millis(20);
}

fn code() -> NewPurchase {
    NewPurchase {
        bin: Some(bin(FLOWERS)),
        trade_point: None,
        amount: "990".parse().unwrap(),
        external_id: None,
        origin: Origin::default(),
    }
}

async fn events(app: &App, kinds: &[EventKind]) -> Vec<Event> {
    let filter = EventFilter {
        kinds: kinds.to_vec(),
        limit: 1000,
        ..EventFilter::default()
    };
    app.payments().events(&filter).await.unwrap()
}

/// How often the journal tells that a payment has been paid.
async fn told_paid(app: &App, payment: PaymentId) -> usize {
    let told = events(app, &[EventKind::PaymentStatusChanged]).await;
    let paid = told.iter().filter(|event| {
        event.payment_id == Some(payment)
            && matches!(&event.facts, EventFacts::PaymentStatusChanged { to, .. } if to == "Processed")
    });
    paid.count()
}

async fn a_change_is_told_once_whoever_notices(shop: Shop) {
    let apps = [shop.app_with(often), shop.app_with(often)];
    let keepers = apps.each_ref().map(App::keep_payments);
    let qr = in_time(apps[0].payments().create_qr(code()))
        .await
        .unwrap()
        .qr
        .payment_id;
    let link = in_time(apps[1].payments().create_link(code()))
        .await
        .unwrap()
        .link
        .payment_id;
    let asked_for = in_time(apps[0].payments().create(invoice(FLOWERS)))
        .await
        .unwrap()
        .payment_id;
    let checked = in_time(apps[1].payments().create(invoice(FLOWERS)))
        .await
        .unwrap()
        .payment_id;
    for payment in [qr, link, asked_for, checked] {
        shop.sandbox.customer(payment.get(), CustomerStep::Pay).unwrap();
    }
    // everybody asks at once, beside the watchers
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..20 {
        let payments = apps[number % 2].payments().clone();
        asking.spawn(async move {
            payments.status(None, asked_for).await.unwrap();
            payments.check(None, checked).await.unwrap();
            payments.check(None, qr).await.unwrap();
        });
    }
    in_time(asking.join_all()).await;
    in_time(async {
        while told_paid(&apps[0], link).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for keeper in keepers {
        in_time(keeper.stop()).await;
    }
    for payment in [qr, link, asked_for, checked] {
        assert_eq!(told_paid(&apps[1], payment).await, 1, "{payment}");
        let created = events(&apps[1], &[EventKind::PaymentCreated]).await;
        let created = created.iter().filter(|event| event.payment_id == Some(payment));
        assert_eq!(created.count(), 1);
    }
}

async fn serve(app: &App) -> SocketAddr {
    let gateway = app.gateway(Patience::default()).unwrap();
    let listening = gateway.listen(Some(([127, 0, 0, 1], 0).into())).await.unwrap();
    let address = listening.address();
    tokio::spawn(listening.serve(std::future::pending()));
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_at_one_gateway_tells_what_another_did() {
    let Some(shop) = Shop::open(Books::Postgres).await else {
        return;
    };
    let (a, b) = (shop.app(), shop.app());
    let mut streams = [
        Stream::open(serve(&a).await, "", &[]).await,
        Stream::open(serve(&b).await, "", &[]).await,
    ];
    let by_b = in_time(b.payments().create(invoice(FLOWERS)))
        .await
        .unwrap()
        .payment_id;
    let by_a = in_time(a.payments().create(invoice(GIFTS)))
        .await
        .unwrap()
        .payment_id;
    shop.sandbox.customer(by_b.get(), CustomerStep::Pay).unwrap();
    in_time(b.payments().check(None, by_b)).await.unwrap();
    let mut both = Vec::new();
    for stream in &mut streams {
        let mut told = Vec::new();
        for _ in 0..3 {
            let event = stream.event().await.unwrap();
            let (kind, payment) = event.told();
            told.push((event.id, kind.to_owned(), payment));
        }
        both.push(told);
    }
    assert_eq!(both[0], both[1], "one order, wherever one listens");
    let kinds: Vec<(&str, i64)> = both[0].iter().map(|(_, kind, id)| (kind.as_str(), *id)).collect();
    let expected = [
        ("payment.created", by_b.get()),
        ("payment.created", by_a.get()),
        ("payment.status_changed", by_b.get()),
    ];
    assert_eq!(kinds, expected);
}

/// The certificates that the journal tells of, in order.
async fn certificates(app: &App, kind: EventKind) -> Vec<String> {
    let told = events(app, &[kind])
        .await
        .into_iter()
        .map(|event| match event.facts {
            EventFacts::IdentityRotated {
                certificate_sha256, ..
            }
            | EventFacts::CertificateDue {
                certificate_sha256, ..
            } => certificate_sha256,
            other => panic!("{other:?}"),
        });
    told.collect()
}

async fn until_told(app: &App, kind: EventKind, certificate: &str) {
    in_time(async {
        while !certificates(app, kind)
            .await
            .iter()
            .any(|told| told == certificate)
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// Two gateways see the same files; each notice is told once.
#[tokio::test(flavor = "multi_thread")]
async fn another_certificate_is_told_once_by_all() {
    let Some(shop) = Shop::open(Books::Postgres).await else {
        return;
    };
    let text = std::fs::read_to_string(shop.operator.path("kaspi.toml")).unwrap();
    let mut services = Vec::new();
    for state in ["a", "b"] {
        let file = shop.operator.write(
            format!("{state}.toml"),
            format!("state_dir = \"{state}\"\n{text}"),
        );
        let app = App::open(&file, &Environment::default()).unwrap();
        app.transport().registry().open_all();
        services.push(in_time(Service::start(app, &[])).await.unwrap());
    }
    let app = services[0].app();
    let now = OffsetDateTime::now_utc();
    let (day, days) = (
        Duration::from_secs(24 * 60 * 60),
        Duration::from_secs(10 * 24 * 60 * 60),
    );
    let short = shop
        .operator
        .authority
        .client_valid(&[FLOWERS], now - day, now + days)
        .unwrap();
    let long = shop.operator.authority.client(&[FLOWERS]).unwrap();
    for issued in [&short, &long] {
        shop.operator.add_as(FLOWERS, issued);
        for service in &services {
            in_time(async {
                while certificate(service.app(), FLOWERS) != issued.sha256() {
                    service.rotation().rescan_now();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            })
            .await;
        }
        until_told(app, EventKind::IdentityRotated, &issued.sha256()).await;
        if issued.sha256() == short.sha256() {
            until_told(app, EventKind::CertificateDue, &short.sha256()).await;
        }
    }
    let rotated = certificates(app, EventKind::IdentityRotated).await;
    assert_eq!(rotated, [short.sha256(), long.sha256()]);
    let due = certificates(app, EventKind::CertificateDue).await;
    assert_eq!(due, [short.sha256()]);
    for service in services {
        in_time(service.stop()).await;
    }
}
