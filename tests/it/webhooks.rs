//! Webhooks at the border: what a receiver sees, whatever it does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::base::{Clock, SystemClock};
use kaspi_direct::config::Environment;
use kaspi_direct::outbound::Reach;
use kaspi_direct::payments::DeliveryState::{Dead, Delivered, Waiting};
use kaspi_direct::webhooks::{Signed, TOLERANCE, verify};
use time::OffsetDateTime;

use super::kit::{FLOWERS, GIFTS, in_time};
use super::money_kit::{Books, Shop, on_both_stores};
use super::webhook_kit::{Act, Book, Receiver, created, deliveries, endpoint, pays, secret, tell, until_all};

const CREATED: &str = "payment.created";
const CHANGED: &str = "payment.status_changed";

fn system() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// A clock that the test moves.
#[derive(Debug)]
struct Hand(Mutex<OffsetDateTime>);

impl Clock for Hand {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap()
    }
}

impl Hand {
    fn set(&self, to: OffsetDateTime) {
        *self.0.lock().unwrap() = to;
    }
}

on_both_stores!(
    a_payment_is_told_in_order_and_signed,
    a_payment_waits_for_its_own_events_alone,
    two_workers_send_nothing_twice,
    a_webhook_that_is_new_is_told_of_what_comes,
);

async fn a_payment_is_told_in_order_and_signed(shop: Shop) {
    let app = shop.app();
    let receiver = Receiver::start(Act::Answer(204)).await;
    let both = endpoint("all", &receiver.url());
    let both = kaspi_direct::config::WebhookSpec {
        previous_secret: Some(secret(8)),
        ..both
    };
    let book = Book::new(vec![(FLOWERS, vec![both])]);
    let telling = tell(&app, system(), &book).await;
    let payment = created(&app, FLOWERS).await;
    pays(&shop, &app, payment).await;
    // another BIN's payments are none of its business
    created(&app, GIFTS).await;
    let seen = receiver.until(|seen| seen.len() >= 2).await;
    let kinds: Vec<String> = seen.iter().map(super::webhook_kit::Seen::kind).collect();
    assert_eq!(kinds, [CREATED, CHANGED]);
    for request in &seen {
        assert_eq!(request.target, "/hook?key=made-up");
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(request.json()["bin"], FLOWERS);
        assert_eq!(request.payment(), payment.get());
        assert_eq!(request.header("webhook-signature").split(' ').count(), 2);
        let signed = Signed {
            id: request.id(),
            timestamp: request.header("webhook-timestamp"),
            signature: request.header("webhook-signature"),
            body: &request.body,
        };
        // each of the two secrets alone is enough
        for one in [7, 8] {
            verify(&[secret(one)], &signed, SystemClock.now(), TOLERANCE).unwrap();
        }
        assert!(verify(&[secret(9)], &signed, SystemClock.now(), TOLERANCE).is_err());
    }
    assert_ne!(seen[0].id(), seen[1].id());
    let told = until_all(&app, 2, &[Delivered]).await;
    let ids: Vec<&str> = told.iter().map(|delivery| delivery.id.as_str()).collect();
    assert_eq!(ids, [seen[0].id(), seen[1].id()]);
    let attempts = app.payments().delivery_attempts(&told[0]).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].status, &attempts[0].failure), (Some(204), &None));
    in_time(telling.stop()).await;
    assert_eq!(receiver.seen().len(), 2);
}

async fn a_payment_waits_for_its_own_events_alone(shop: Shop) {
    let app = shop.app();
    let receiver = Receiver::start(Act::Answer(200)).await;
    let book = Book::new(vec![(FLOWERS, vec![endpoint("all", &receiver.url())])]);
    let telling = tell(&app, system(), &book).await;
    let stuck = created(&app, FLOWERS).await;
    receiver.until(|seen| seen.len() == 1).await;
    until_all(&app, 1, &[Delivered]).await;
    receiver.will_for(&stuck.get().to_string(), Some(Act::Answer(500)));
    // its change fails, and what comes behind waits for it
    pays(&shop, &app, stuck).await;
    receiver.until(|seen| seen.len() == 2).await;
    super::money_kit::refund(&app, stuck, "10").await.unwrap();
    let free = created(&app, FLOWERS).await;
    pays(&shop, &app, free).await;
    let seen = receiver
        .until(|seen| seen.iter().filter(|one| one.payment() == free.get()).count() == 2)
        .await;
    let of_stuck = seen.iter().filter(|one| one.payment() == stuck.get());
    assert_eq!(
        of_stuck.map(|one| one.kind()).collect::<Vec<_>>(),
        [CREATED, CHANGED]
    );
    // it comes again as it was, under the id that it had, and then the rest in order
    receiver.will_for("", None);
    let seen = receiver
        .until(|seen| seen.iter().filter(|one| one.payment() == stuck.get()).count() >= 4)
        .await;
    let of_stuck: Vec<_> = seen.iter().filter(|one| one.payment() == stuck.get()).collect();
    assert_eq!(of_stuck[1].id(), of_stuck[2].id());
    assert_eq!(of_stuck[1].body, of_stuck[2].body);
    assert_eq!(of_stuck[3].kind(), "payment.refunded");
    in_time(telling.stop()).await;
}

async fn two_workers_send_nothing_twice(shop: Shop) {
    let (app, other) = (shop.app(), shop.app());
    let receiver = Receiver::start(Act::Answer(200)).await;
    let book = Book::new(vec![(FLOWERS, vec![endpoint("all", &receiver.url())])]);
    let telling = [
        tell(&app, system(), &book).await,
        tell(&other, system(), &book).await,
    ];
    for number in 0..20 {
        let payment = created(if number % 2 == 0 { &app } else { &other }, FLOWERS).await;
        pays(&shop, &other, payment).await;
    }
    until_all(&app, 40, &[Delivered]).await;
    for one in telling {
        in_time(one.stop()).await;
    }
    let mut count: HashMap<String, usize> = HashMap::new();
    for request in receiver.seen() {
        *count.entry(request.id().to_owned()).or_default() += 1;
    }
    assert_eq!(count.len(), 40);
    assert!(count.values().all(|times| *times == 1), "{count:?}");
}

async fn a_webhook_that_is_new_is_told_of_what_comes(shop: Shop) {
    let app = shop.app();
    let receiver = Receiver::start(Act::Answer(200)).await;
    created(&app, FLOWERS).await;
    let book = Book::new(vec![(FLOWERS, vec![endpoint("first", &receiver.url())])]);
    let telling = tell(&app, system(), &book).await;
    let told = created(&app, FLOWERS).await;
    let seen = receiver.until(|seen| !seen.is_empty()).await;
    assert_eq!(seen[0].payment(), told.get());
    // what is not wanted is never sent
    let second = kaspi_direct::config::WebhookSpec {
        events: vec![CHANGED],
        ..endpoint("second", &receiver.url())
    };
    book.set(vec![(FLOWERS, vec![second])]);
    in_time(async {
        while app.payments().webhook_endpoints().await.unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let paid = created(&app, FLOWERS).await;
    pays(&shop, &app, paid).await;
    let seen = receiver.until(|seen| seen.len() >= 2).await;
    assert_eq!(
        (seen[1].payment(), seen[1].kind().as_str()),
        (paid.get(), CHANGED)
    );
    in_time(telling.stop()).await;
    assert_eq!(receiver.seen().len(), 2);
}

/// The journal's clock goes on by a day while the receiver answers 500; then it is well again.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_for_a_day_loses_one_event_to_a_person() {
    let shop = Shop::open(Books::Sqlite).await.unwrap();
    let hand = Arc::new(Hand(Mutex::new(SystemClock.now())));
    let clock: Arc<dyn Clock> = Arc::clone(&hand) as _;
    let config = shop.operator.path("kaspi.toml");
    let app = App::open_with(&config, &Environment::default(), Arc::clone(&clock)).unwrap();
    let receiver = Receiver::start(Act::Answer(500)).await;
    let book = Book::new(vec![(FLOWERS, vec![endpoint("all", &receiver.url())])]);
    let telling = tell(&app, clock, &book).await;
    let payment = created(&app, FLOWERS).await;
    let began = hand.now();
    pays(&shop, &app, payment).await;
    let first = loop {
        let waiting = in_time(async {
            loop {
                let found = deliveries(&app).await;
                if found.len() == 2 && found[0].next_at.is_none_or(|next| next > hand.now()) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        match waiting[0].next_at {
            Some(next) => {
                assert_eq!(waiting[1].attempts, 0, "it waits for the one before it");
                hand.set(next);
            }
            None => break waiting[0].clone(),
        }
    };
    assert_eq!((first.state, first.attempts), (Dead, 11));
    assert_eq!(first.last_failure.as_deref(), Some("http_status"));
    let took = hand.now() - began;
    assert!(
        took > time::Duration::hours(21) && took < time::Duration::hours(27),
        "{took}"
    );
    let attempts = app.payments().delivery_attempts(&first).await.unwrap();
    let gaps: Vec<_> = attempts.windows(2).map(|two| two[1].at - two[0].at).collect();
    assert!(gaps.windows(2).all(|two| two[0] < two[1]), "{gaps:?}");
    // given up, it lets the next one go on; a person has it sent again, under the id that it had
    receiver.will(Act::Answer(200));
    let told = in_time(async {
        loop {
            let found = deliveries(&app).await;
            match found[1].next_at {
                Some(next) if found[1].attempts > 0 => hand.set(next.max(hand.now())),
                Some(_) => {}
                None => return found,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!((told[0].state, told[1].state), (Dead, Delivered));
    let dead = app.payments().webhook_endpoints().await.unwrap();
    assert_eq!((dead[0].dead, dead[0].waiting), (1, 0));
    assert_eq!(
        app.payments()
            .resend_dead(super::kit::bin(FLOWERS), None)
            .await
            .unwrap(),
        1
    );
    until_all(&app, 2, &[Delivered]).await;
    let last = receiver.seen().pop().unwrap();
    assert_eq!((last.id(), last.kind().as_str()), (first.id.as_str(), CREATED));
    assert!(!app.payments().resend("msg_nobody", None).await.unwrap());
    in_time(telling.stop()).await;
}

/// Far more endpoints hang than there is room for among the attempts of one.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_holds_up_no_other() {
    let shop = Shop::open(Books::Sqlite).await.unwrap();
    let app = shop.app();
    let hanging = Receiver::start(Act::Hang).await;
    let well = Receiver::start(Act::Answer(200)).await;
    let book = Book::new(vec![(
        FLOWERS,
        vec![endpoint("hangs", &hanging.url()), endpoint("well", &well.url())],
    )]);
    let telling = tell(&app, system(), &book).await;
    for _ in 0..30 {
        created(&app, FLOWERS).await;
    }
    well.until(|seen| seen.len() == 30).await;
    // one request hangs, and nothing has been given up for it
    assert_eq!(hanging.seen().len(), 1);
    let still = deliveries(&app).await;
    let of_hanging = still.iter().filter(|delivery| delivery.endpoint == "hangs");
    assert!(of_hanging.clone().count() == 30 && of_hanging.clone().all(|delivery| delivery.state == Waiting));
    drop(telling);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_receiver_does_its_status_is_what_counts() {
    let shop = Shop::open(Books::Sqlite).await.unwrap();
    let app = shop.app();
    let elsewhere = Receiver::start(Act::Answer(200)).await;
    let receiver = Receiver::start(Act::Gibibyte).await;
    let book = Book::new(vec![(FLOWERS, vec![endpoint("all", &receiver.url())])]);
    let telling = tell(&app, system(), &book).await;
    let acts = [
        (Act::Gibibyte, Delivered, Some(200), None),
        (Act::BreakBody, Delivered, Some(200), None),
        (Act::Answer(299), Delivered, Some(299), None),
        (
            Act::Redirect(elsewhere.url()),
            Waiting,
            Some(302),
            Some("http_status"),
        ),
        (Act::Answer(404), Waiting, Some(404), Some("http_status")),
        (Act::BreakHead, Waiting, None, Some("outbound_closed")),
        // it says itself that it wants this no more
        (Act::Answer(410), Dead, Some(410), Some("http_status")),
    ];
    for (act, state, status, failure) in acts {
        receiver.will(act.clone());
        let payment = created(&app, FLOWERS).await;
        let delivery = in_time(async {
            loop {
                let found = deliveries(&app).await;
                let of_payment = found.into_iter().find(|one| one.payment_id == Some(payment));
                if let Some(delivery) = of_payment.filter(|one| one.attempts > 0) {
                    return delivery;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        let attempts = app.payments().delivery_attempts(&delivery).await.unwrap();
        assert_eq!(attempts[0].status, status, "{act:?}");
        assert_eq!(attempts[0].failure.as_deref(), failure, "{act:?}");
        assert_eq!(delivery.state, state, "{act:?}");
    }
    assert_eq!(elsewhere.seen().len(), 0, "a redirect is never followed");
    assert!(
        receiver.written() < 64 << 20,
        "{} bytes were taken",
        receiver.written()
    );
    drop(telling);
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_not_called() {
    let shop = Shop::open(Books::Sqlite).await.unwrap();
    let app = shop.app();
    let receiver = Receiver::start(Act::Answer(200)).await;
    let port = receiver.address.port();
    let endpoints = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"]
        .into_iter()
        .flat_map(|host| ["http", "https"].map(|scheme| format!("{scheme}://{host}:{port}/")))
        .map(|url| endpoint(&url, &url))
        .collect();
    let book = Book::reaching(Reach::PublicAnd([].into()), vec![(FLOWERS, endpoints)]);
    let telling = tell(&app, system(), &book).await;
    created(&app, FLOWERS).await;
    let refused = in_time(async {
        loop {
            let found = deliveries(&app).await;
            if found.len() == 8 && found.iter().all(|delivery| delivery.attempts == 1) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    for delivery in refused {
        assert_eq!(delivery.last_failure.as_deref(), Some("outbound_refused_address"));
    }
    assert_eq!(receiver.seen().len(), 0);
    in_time(telling.stop()).await;
}
