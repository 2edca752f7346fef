//! A program that serves has a connection ready before the first call.

use kaspi_direct::app::Service;

use super::kit::{FLOWERS, GIFTS, Operator, bin, create, in_time};
use super::rotation_kit::{Log, until};
use super::server::{Request, Seen, Server, Setup};

fn pings(seen: &Seen) -> Vec<&Request> {
    seen.requests
        .iter()
        .filter(|request| request.target.ends_with("/v01/health/ping"))
        .collect()
}

async fn serve(operator: &Operator, server: &Server, more: &str) -> Service {
    let app = operator.open(server.address, more);
    in_time(Service::start(app, &[])).await.unwrap()
}

// one thread: a connection whose answer has been read is back in the pool by the next turn
#[tokio::test]
async fn the_first_call_of_each_bin_finds_a_connection() {
    let operator = Operator::of_two();
    for setup in Setup::all(&operator.authority) {
        let server = Server::start(&operator.authority, setup.clone()).await;
        let service = serve(&operator, &server, "").await;
        for of in [FLOWERS, GIFTS] {
            let answers = || service.app().transport().wire_counts(bin(of)).unwrap().answers;
            until(|| answers() == 1).await;
            tokio::task::yield_now().await;
        }
        for of in [FLOWERS, GIFTS] {
            create(service.app(), of).await.unwrap();
        }
        let seen = server.seen();
        let pings = pings(&seen);
        assert_eq!(pings.len(), 2, "{}", setup.name());
        for call in &seen.requests[2..] {
            let ready = pings
                .iter()
                .find(|ping| ping.certificate == call.certificate)
                .unwrap();
            assert_eq!(call.connection, ready.connection, "{}", setup.name());
        }
        in_time(service.stop()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_kept_for_longer_than_an_idle_one_lives() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let service = serve(&operator, &server, "idle_timeout = \"4s\"").await;
    let seen = server.until(|seen| seen.answers == 6).await;
    assert_eq!(pings(&seen).len(), 6);
    assert_eq!((seen.accepted, seen.ended), (2, 0));
    in_time(service.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bins_of_one_identity_share_it_and_a_new_generation_has_its_own() {
    let operator = Operator::new();
    let first = operator.add_in_one_file(FLOWERS);
    operator.describe(GIFTS, &format!("identity = \"{FLOWERS}\""));
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let service = serve(&operator, &server, "").await;
    server.until(|seen| seen.answers == 1).await;
    let second = operator.authority.client(&[FLOWERS, GIFTS]).unwrap();
    operator.exchange(FLOWERS, &second);
    let seen = server.until(|seen| pings(seen).len() == 2).await;
    let certificates: Vec<_> = pings(&seen)
        .iter()
        .map(|ping| ping.certificate.clone().unwrap())
        .collect();
    assert_eq!(certificates, [first.sha256(), second.sha256()]);
    in_time(service.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_warm_nothing_is_sent_that_nobody_asked_for() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let service = serve(&operator, &server, "warm = false").await;
    create(service.app(), FLOWERS).await.unwrap();
    in_time(service.stop()).await;
    let seen = server.seen();
    assert_eq!((seen.accepted, seen.requests.len()), (1, 1));
}

#[tokio::test]
async fn a_bank_that_is_away_delays_neither_the_start_nor_the_others() {
    let operator = Operator::of_two();
    let away = {
        let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
        server.address
    };
    let log = Log::of_warnings();
    let service = in_time(Service::start(operator.open(away, ""), &[]))
        .await
        .unwrap();
    until(|| {
        log.lines()
            .iter()
            .filter(|line| line.contains("kept ready"))
            .count()
            == 2
    })
    .await;
    assert!(service.app().transport().channel(Some(bin(GIFTS))).is_ok());
    in_time(service.stop()).await;
}
