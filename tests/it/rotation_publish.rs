//! A new certificate is in use, the old one is gone, and no call has noticed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kaspi_direct::app::App;
use kaspi_direct::base::PaymentId;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::kit::{FLOWERS, GIFTS, Operator, bin, in_time};
use super::rotation_kit::{THIRD, certificate, row, until};
use super::server::{Act, Server, Setup, as_kaspi};

async fn ask(app: &App, of: &str) {
    let session = app.api().session(Some(bin(of))).unwrap();
    in_time(session.trade_points()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_call_is_a_full_handshake_with_the_new_certificate_and_the_old_connections_close() {
    for setup in Setup::all(&Operator::new().authority) {
        let name = setup.name();
        let operator = Operator::new();
        let first = operator.add_in_one_file(FLOWERS).sha256();
        let setup = Setup {
            auth: super::server::Auth::Of(operator.authority.anchors().to_vec()),
            ..setup
        };
        let server = Server::start(&operator.authority, setup).await;
        let app = operator.open(server.address, "");
        let rotation = app.start_rotation().await;

        ask(&app, FLOWERS).await;
        let gate = Arc::new(Notify::new());
        server.will([Act::Held(Arc::clone(&gate), as_kaspi("/partner/tradepoints"))]);
        let old = app.transport().registry().pin(bin(FLOWERS)).unwrap();
        let old_generation = Arc::downgrade(&old.generation);
        drop(old);
        let session = app.api().session(Some(bin(FLOWERS))).unwrap();
        let in_flight = tokio::spawn(async move { session.trade_points().await });
        server.until(|seen| seen.requests.len() == 2).await;

        let issued = operator.authority.client(&[FLOWERS]).unwrap();
        operator.exchange(FLOWERS, &issued);
        in_time(rotation.rescan()).await;
        assert_eq!(certificate(&app, FLOWERS), issued.sha256(), "{name}");
        ask(&app, FLOWERS).await;
        let seen = server.seen();
        let last = seen.requests.last().unwrap();
        assert_eq!(last.certificate, Some(issued.sha256()), "{name}");
        let of_the_new = |seen: &super::server::Seen| -> Vec<bool> {
            seen.handshakes
                .iter()
                .filter(|handshake| handshake.certificate == Some(issued.sha256()))
                .map(|handshake| handshake.resumed)
                .collect()
        };
        // one for the trial, one for the call
        assert_eq!(of_the_new(&seen), [false, false], "{name}");

        // the old generation lives as long as its last call, and no longer
        assert!(old_generation.upgrade().is_some(), "{name}");
        gate.notify_waiters();
        gate.notify_one();
        in_flight.await.unwrap().unwrap();
        let seen = server.until(|seen| seen.ended == seen.accepted - 1).await;
        assert_eq!(seen.requests[1].certificate, Some(first), "{name}");
        until(|| old_generation.upgrade().is_none()).await;
        assert_eq!(row(&app, FLOWERS).generation, Some(2), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_noticed_without_being_asked() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let rotation = app.start_rotation().await;
    assert_eq!(rotation.state().degraded, None);

    let issued = operator.authority.client(&[FLOWERS]).unwrap();
    operator.write_for(FLOWERS, "certificate.cer", issued.certificate_pem());
    operator.write_for(FLOWERS, "private.key", issued.key_pem());
    until(|| certificate(&app, FLOWERS) == issued.sha256()).await;
    let row = row(&app, FLOWERS);
    assert_eq!(row.generation, Some(2));
    assert_eq!(super::rotation_kit::row(&app, GIFTS).generation, Some(1));
    assert!(row.attempts.last_success > Some(row.facts.unwrap().not_before));

    // the handle ends it
    drop(rotation);
    operator.add(FLOWERS);
    let rotation = app.start_rotation().await;
    assert_eq!(super::rotation_kit::row(&app, FLOWERS).generation, Some(3));
    drop(rotation);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_say_the_same_make_no_generation() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let rotation = app.start_rotation().await;
    let key = operator.path("certs").join(FLOWERS).join("private.key");
    let text = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    operator.write_for(FLOWERS, "private.key", text);
    in_time(rotation.rescan()).await;
    assert_eq!(row(&app, FLOWERS).generation, Some(1));
    assert_eq!(server.seen().accepted, 0, "no trial either");
}

/// Rounds of the load test where nothing else is said; `.ci/soak` asks for 20.
const ROUNDS: usize = 4;
const CALLERS: usize = 64;
const OTHERS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_and_none_shows_an_old_certificate_while_many_rotate() {
    under_load(ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes; .ci/soak runs it"]
async fn twenty_rotations_of_one_bin_and_two_hundred_of_others_under_load() {
    under_load(20).await;
}

async fn under_load(rounds: usize) {
    for setup in Setup::both(&Operator::new().authority) {
        let name = setup.name();
        let slowest = Load::new(setup).await.run(rounds).await;
        println!("{name}: a new set was published at most {slowest:?} after its last byte was written");
    }
}

/// One BIN and ten others, and what is known of each certificate.
struct Load {
    operator: Operator,
    server: Server,
    app: Arc<App>,
    bins: Vec<String>,
    /// The round in which a certificate was made.
    made: BTreeMap<String, usize>,
}

/// One call: the payment it asked for, the last round that was published when it began, and the
/// certificate that it was to leave with.
type Call = (u64, usize, String);

impl Load {
    async fn new(setup: Setup) -> Self {
        let operator = Operator::new();
        let mut bins = vec![FLOWERS.to_owned()];
        bins.extend((0..OTHERS).map(|number| format!("99101100{number:04}")));
        let made = bins
            .iter()
            .map(|bin| (operator.add_in_one_file(bin).sha256(), 0))
            .collect();
        let setup = Setup {
            auth: super::server::Auth::Of(operator.authority.anchors().to_vec()),
            ..setup
        };
        let server = Server::start(&operator.authority, setup).await;
        let app = Arc::new(operator.open(server.address, ""));
        Self {
            operator,
            server,
            app,
            bins,
            made,
        }
    }

    async fn run(mut self, rounds: usize) -> Duration {
        let rotation = self.app.start_rotation().await;
        let stop = Arc::new(AtomicBool::new(false));
        let published = Arc::new(AtomicUsize::new(0));
        let numbers = Arc::new(AtomicU64::new(1));
        let mut callers = JoinSet::new();
        let mut all_reached = Vec::new();
        for caller in 0..CALLERS {
            // half of them for the one BIN
            let bin_text = if caller % 2 == 0 {
                FLOWERS.to_owned()
            } else {
                self.bins[1 + (caller / 2) % OTHERS].clone()
            };
            let reached = Arc::new(AtomicUsize::new(0));
            callers.spawn(call_on(
                Arc::clone(&self.app),
                bin_text,
                Arc::clone(&stop),
                Arc::clone(&published),
                Arc::clone(&numbers),
                Arc::clone(&reached),
            ));
            all_reached.push(reached);
        }
        let mut slowest = Duration::ZERO;
        for round in 1..=rounds {
            let new: Vec<_> = self
                .bins
                .iter()
                .map(|bin| (bin.clone(), self.operator.authority.client(&[bin]).unwrap()))
                .collect();
            for (bin, issued) in &new {
                self.made.insert(issued.sha256(), round);
                self.operator.exchange(bin, issued);
            }
            let written = Instant::now();
            until(|| {
                new.iter()
                    .all(|(bin, issued)| certificate(&self.app, bin) == issued.sha256())
            })
            .await;
            slowest = slowest.max(written.elapsed());
            published.store(round, Ordering::SeqCst);
            // each new one has to be seen at work
            let at_work = |reached: &Arc<AtomicUsize>| reached.load(Ordering::SeqCst) == round;
            until(|| all_reached.iter().all(at_work)).await;
        }
        stop.store(true, Ordering::SeqCst);
        let mut calls: BTreeMap<u64, Call> = BTreeMap::new();
        while let Some(made) = in_time(callers.join_next()).await {
            calls.extend(made.unwrap().into_iter().map(|call| (call.0, call)));
        }
        drop(rotation);
        self.check(&calls, rounds);
        slowest
    }

    /// Compares what the callers meant with what the server saw.
    fn check(&self, calls: &BTreeMap<u64, Call>, rounds: usize) {
        let seen = self.server.seen();
        let mut arrived = 0;
        for request in &seen.requests {
            let Some((_, number)) = request.target.split_once("/payment/status/") else {
                continue;
            };
            arrived += 1;
            let (_, begun_in, meant) = &calls[&number.parse::<u64>().unwrap()];
            let shown = request.certificate.as_ref().unwrap();
            assert_eq!(shown, meant, "call {number}");
            assert!(
                self.made[shown] >= *begun_in,
                "call {number} began after round {begun_in} and showed the certificate of round {}",
                self.made[shown]
            );
        }
        assert_eq!(arrived, calls.len());
        let mut full: BTreeMap<&str, usize> = BTreeMap::new();
        for handshake in seen.handshakes.iter().filter(|handshake| !handshake.resumed) {
            let shown = handshake.certificate.as_deref().unwrap();
            *full.entry(shown).or_default() += 1;
        }
        for (shown, round) in self.made.iter().filter(|(_, round)| **round > 0) {
            // one for the trial, and one at least for the calls
            let seen = full.get(shown.as_str()).copied().unwrap_or(0);
            assert!(seen >= 2, "round {round}: {seen} full handshakes");
        }
        for bin in &self.bins {
            let generation = row(&self.app, bin).generation;
            assert_eq!(generation, Some(rounds as u64 + 1), "{bin}");
        }
    }
}

/// Calls until told to stop. Not one call may fail.
async fn call_on(
    app: Arc<App>,
    of: String,
    stop: Arc<AtomicBool>,
    published: Arc<AtomicUsize>,
    numbers: Arc<AtomicU64>,
    reached: Arc<AtomicUsize>,
) -> Vec<Call> {
    let of = bin(&of);
    let mut calls = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let number = numbers.fetch_add(1, Ordering::SeqCst);
        let begun_in = published.load(Ordering::SeqCst);
        let session = app.api().session(Some(of)).unwrap();
        let meant = session.channel().certificate_sha256().to_owned();
        let payment: PaymentId = number.to_string().parse().unwrap();
        in_time(session.payment_status(payment)).await.unwrap();
        calls.push((number, begun_in, meant));
        reached.store(begun_in, Ordering::SeqCst);
    }
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_come_and_go_without_a_restart() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let rotation = app.start_rotation().await;
    let kind = |of: &str| -> Option<&'static str> {
        use kaspi_direct::base::Explain;
        let channel = app.transport().channel(Some(bin(of)));
        channel.err().map(|error| error.kind())
    };

    assert_eq!(kind(THIRD), Some("unknown_bin"));
    operator.add(THIRD);
    until(|| kind(THIRD).is_none()).await;
    ask(&app, THIRD).await;
    assert_eq!(server.seen().handshakes.len(), 2, "a trial, then the call");

    operator.describe(THIRD, "active = false");
    until(|| kind(THIRD) == Some("inactive_bin")).await;
    operator.describe(THIRD, "");
    until(|| kind(THIRD).is_none()).await;

    std::fs::remove_dir_all(operator.path("certs").join(THIRD)).unwrap();
    until(|| kind(THIRD) == Some("unknown_bin")).await;
    // it comes back with a certificate of its own, and its numbers go on
    operator.add(THIRD);
    until(|| kind(THIRD).is_none()).await;
    assert_eq!(row(&app, THIRD).generation, Some(2));
    assert_eq!(row(&app, FLOWERS).generation, Some(1));
    drop(rotation);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_exchanged_by_two_renames_is_served_all_the_time() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let rotation = app.start_rotation().await;
    let certs = operator.path("certs");
    std::fs::rename(certs.join(FLOWERS), certs.join(".before")).unwrap();
    in_time(rotation.rescan()).await;
    ask(&app, FLOWERS).await;
    let issued = operator.add(FLOWERS);
    until(|| certificate(&app, FLOWERS) == issued.sha256()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_passwords_and_borrowed_identities_change_too() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let _rotation = app.start_rotation().await;

    operator.write_for(
        FLOWERS,
        "merchant.toml",
        "trade_point_id = 7\ndevice_token = \"another\"\n",
    );
    let token = || {
        let channel = app.transport().channel(Some(bin(FLOWERS))).unwrap();
        channel.device_token(None).unwrap().expose().to_owned()
    };
    until(|| token() == "another").await;
    assert_eq!(row(&app, FLOWERS).generation, Some(1), "the certificate stays");

    // a key that is encrypted anew, the password written last
    let issued = operator.authority.client(&[FLOWERS, THIRD]).unwrap();
    operator.write_for(FLOWERS, "certificate.cer", issued.certificate_pem());
    let key = issued.encrypted_key_pem("second").unwrap();
    operator.write_for(FLOWERS, "private.key", key);
    operator.write_for(FLOWERS, "password", "second\n");
    until(|| certificate(&app, FLOWERS) == issued.sha256()).await;

    operator.describe(THIRD, &format!("identity = \"{FLOWERS}\""));
    until(|| app.transport().channel(Some(bin(THIRD))).is_ok()).await;
    assert_eq!(certificate(&app, THIRD), issued.sha256());
    let next = operator.authority.client(&[FLOWERS, THIRD]).unwrap();
    operator.write_for(FLOWERS, "private.key", next.encrypted_key_pem("second").unwrap());
    operator.write_for(FLOWERS, "certificate.cer", next.certificate_pem());
    until(|| certificate(&app, FLOWERS) == next.sha256()).await;
    assert_eq!(certificate(&app, THIRD), next.sha256());
    let asked: Vec<String> = server
        .seen()
        .requests
        .iter()
        .rev()
        .take(2)
        .map(|request| request.target.clone())
        .collect();
    for bin in [FLOWERS, THIRD] {
        assert!(asked.iter().any(|target| target.ends_with(bin)), "{asked:?}");
    }

    // taken away, the identity is used no more, by nobody
    std::fs::remove_dir_all(operator.path("certs").join(FLOWERS)).unwrap();
    until(|| app.transport().channel(Some(bin(THIRD))).is_err()).await;
}
