//! `kill -9` of the gateway while payments change status: a stream that is resumed misses none, and tells
//! each payment's changes in order.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kaspi_direct::payments::EventFilter;
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::cli_kit::Running;
use super::events_kit::Stream;
use super::gateway_kit::{exchange, request};
use super::money_kit::on_both_stores;
use super::world::World;

on_both_stores!(crate::world::World; what_changes_while_gateways_are_killed_is_told);

/// How many payments change, and how often the gateway is killed meanwhile.
fn payments() -> usize {
    std::env::var("KASPI_TEST_PAYMENTS").map_or(1000, |payments| payments.parse().unwrap())
}
const KILLS: usize = 4;

/// Longer than a thousand payments take on a machine that has others to serve.
const LONG: Duration = Duration::from_secs(540);

/// What one reader was told, by place: kind, payment, and the status.
type Told = BTreeMap<i64, (String, i64, Option<String>)>;

async fn what_changes_while_gateways_are_killed_is_told(world: World) {
    let all = payments();
    let mut gateway = serve(&world).await;
    let (at, where_now) = watch::channel(address(&gateway));
    let (count, mut counted) = watch::channel(0);
    let reader = tokio::spawn(read(where_now, count, all));

    let codes = made(address(&gateway), all).await;
    let paying = pay(&world, codes.clone());
    for kill in 1..=KILLS {
        // in the middle of what it has to tell
        let enough = all * kill / (KILLS + 1);
        within(counted.wait_for(|paid| *paid >= enough)).await.unwrap();
        tokio::task::spawn_blocking(move || gateway.kill()).await.unwrap();
        gateway = serve(&world).await;
        at.send_replace(address(&gateway));
    }
    within(paying).await.unwrap();
    let told = within(reader).await.unwrap();
    println!("{} events over {KILLS} deaths", told.len());

    // each payment: made first, then its statuses, the last of which is that it is paid
    let mut lives: HashMap<i64, Vec<&str>> = HashMap::new();
    for (kind, payment, status) in told.values() {
        lives
            .entry(*payment)
            .or_default()
            .push(status.as_deref().unwrap_or(kind));
    }
    assert_eq!(lives.len(), all);
    for (payment, life) in &lives {
        assert_eq!(life.first(), Some(&"payment.created"), "{payment}: {life:?}");
        assert_eq!(life.last(), Some(&"Processed"), "{payment}: {life:?}");
        let paid = life.iter().filter(|word| **word == "Processed");
        assert_eq!(paid.count(), 1, "{payment}: {life:?}");
    }
    // and what was told is what stands in the journal, no more and no less
    let app = world.app();
    let mut written = Vec::new();
    loop {
        let filter = EventFilter {
            after: written.last().copied().unwrap_or_default(),
            limit: 1000,
            ..EventFilter::default()
        };
        let page = app.payments().events(&filter).await.unwrap();
        if page.is_empty() {
            break;
        }
        written.extend(page.iter().map(|event| event.position));
    }
    assert_eq!(written, told.keys().copied().collect::<Vec<_>>());
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it never ends")
}

async fn serve(world: &World) -> Running {
    let folder = world.config().parent().map(Path::to_owned).unwrap();
    let arguments = ["serve", "-o", "json", "--listen", "127.0.0.1:0"];
    tokio::task::spawn_blocking(move || Running::start(&arguments, &folder))
        .await
        .unwrap()
}

fn address(gateway: &Running) -> SocketAddr {
    gateway.ready["listen"].as_str().unwrap().parse().unwrap()
}

/// Makes codes over one gateway.
async fn made(gateway: SocketAddr, count: usize) -> Vec<i64> {
    let room = Arc::new(Semaphore::new(16));
    let mut making = tokio::task::JoinSet::new();
    for _ in 0..count {
        let room = Arc::clone(&room);
        making.spawn(async move {
            let _turn = room.acquire_owned().await.unwrap();
            let body = json!({"amount": 990}).to_string();
            let headers = [("content-type", "application/json")];
            let bytes = request(gateway, "POST", "/api/v1/kaspi/qr", &headers, Some(&body));
            let reply = exchange(gateway, &bytes).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            reply.json()["payment_id"].as_i64().unwrap()
        });
    }
    within(making.join_all()).await
}

/// The customers pay, one after the other.
fn pay(world: &World, codes: Vec<i64>) -> JoinHandle<()> {
    let bank = world.bank_control();
    tokio::spawn(async move {
        for code in codes {
            let bytes = request(bank, "POST", &format!("/payments/{code}/pay"), &[], Some(""));
            let reply = exchange(bank, &bytes).await;
            assert!((200..300).contains(&reply.status), "{reply:?}");
        }
    })
}

/// Reads until every payment is paid, as a careful client does: comes back with the last id that it got.
async fn read(mut where_now: watch::Receiver<SocketAddr>, paid: watch::Sender<usize>, all: usize) -> Told {
    let mut told = Told::new();
    let mut count = 0;
    while count < all {
        let last = told.last_key_value().map_or(0, |(id, _)| *id).to_string();
        let address = *where_now.borrow_and_update();
        let headers = [("last-event-id", last.as_str())];
        let Some(mut stream) = Stream::try_open(address, "", &headers).await else {
            // the gateway is gone: until there is another
            let _ = tokio::time::timeout(Duration::from_millis(100), where_now.changed()).await;
            continue;
        };
        assert_eq!(stream.status, 200);
        while count < all
            && let Some(block) = stream.block().await
        {
            let Some(data) = &block.data else { continue };
            let (kind, payment) = block.told();
            let status = data["to"].as_str().map(str::to_owned);
            count += usize::from(status.as_deref() == Some("Processed"));
            let id = block.id.unwrap();
            let newest = told.last_key_value().map_or(0, |(id, _)| *id);
            assert!(id > newest, "{id} after {newest}");
            told.insert(id, (kind.to_owned(), payment, status));
            paid.send_replace(count);
        }
    }
    told
}
