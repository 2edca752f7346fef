//! Several processes at one journal: they share its keys and its money, and what one leaves when it dies
//! another takes over.

use std::collections::HashMap;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaspi_direct::base::{OperationId, PaymentId};
use kaspi_direct::payments::{OperationKind, OperationState, Step, Steps};

use super::kit::in_time;
use super::money_kit::{Books, on_both_stores};
use super::postgres::Cluster;
use super::worker::{Order, Outcome, STEPS, Said, Tell, Worker};
use super::world::{CREATE, RETURN, World, operation, operations, path_of};

const DETAILS: &str = "/r3/v01/payment/details";
const HELD: Duration = Duration::from_secs(300);

/// How often one of two dies: few in CI, many in the long form.
fn deaths(by_default: usize) -> usize {
    std::env::var("KASPI_TEST_DEATHS").map_or(by_default, |deaths| deaths.parse().unwrap())
}

on_both_stores!(
    crate::world::World;
    fifty_callers_of_two_processes_share_a_key,
    fifty_refunds_of_two_processes_share_the_money,
    what_a_dead_process_was_asking_another_asks,
);

async fn fifty_callers_of_two_processes_share_a_key(world: World) {
    let mut workers = [world.worker(), world.worker()];
    world.arm("delay", CREATE, Duration::from_millis(200));
    let order = Order::new(OperationKind::Create, "order-17", "100");
    for number in 0..50 {
        workers[number % 2].order(&order);
    }
    let answers: Vec<Outcome> = (0..50).map(|number| workers[number % 2].done().1).collect();
    assert_eq!(world.asked(CREATE), 1);
    let made = world.made("order-17");
    assert_eq!(made.len(), 1);
    for answer in &answers {
        assert_eq!(answer.payment(), Some(made[0]), "{answer:?}");
        assert_eq!(answer.operation(), answers[0].operation());
    }
    let first = answers.iter().filter(|answer| !answer.replayed());
    assert_eq!(first.count(), 1);
    world.holds(&world.app(), &[]).await;
}

async fn fifty_refunds_of_two_processes_share_the_money(world: World) {
    let app = world.app();
    let paid = world.paid(&app, "paid", "100").await;
    let mut workers = [world.worker(), world.worker()];
    // no keys: each is an operation of its own
    let order = Order::new(OperationKind::Refund, "", "30").about(paid);
    for number in 0..50 {
        workers[number % 2].order(&order);
    }
    let mut kinds: HashMap<String, usize> = HashMap::new();
    for number in 0..50 {
        let (_, outcome) = workers[number % 2].done();
        *kinds.entry(outcome.kind().to_owned()).or_default() += 1;
    }
    let expected = [("accepted".to_owned(), 3), ("insufficient_funds".to_owned(), 47)];
    assert_eq!(kinds, expected.into());
    assert_eq!((world.asked(RETURN), world.refunded(paid)), (3, 9000));
    world.holds(&app, &[]).await;
}

/// A question's lease dies with the process that asked it: the next one asks at once.
async fn what_a_dead_process_was_asking_another_asks(world: World) {
    let app = world.app();
    let paid = world.paid(&app, "paid", "100").await;
    let mut first = world.worker();
    let code = Order::new(OperationKind::Qr, "code", "50");
    first.order(&code);
    let code = PaymentId::new(first.done().1.payment().unwrap()).unwrap();
    world.arm("reset_after_commit", RETURN, Duration::ZERO);
    first.order(&Order::new(OperationKind::Refund, "lost", "30").about(paid));
    assert!(!first.done().1.accepted());
    // it asks about both, and dies while the bank thinks
    world.arm("delay", DETAILS, HELD);
    world.arm("delay", "/r3/v02/payment/status/*", HELD);
    first.tell(&Tell::Keep);
    world.until_struck();
    first.kill();
    world.pay(code.get());

    // nobody but the second one looks: the books are only read here
    let mut second = world.worker();
    second.tell(&Tell::Keep);
    in_time(async {
        loop {
            let refund = operation(&app, OperationKind::Refund, "lost").await.unwrap();
            let watched = app.payments().known_payment(code).await.unwrap().unwrap();
            let status = watched.status.map(|status| status.as_str().to_owned());
            if refund.state == OperationState::Accepted && status.as_deref() == Some("Processed") {
                assert!(refund.inferred);
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    world.holds(&app, &[]).await;
}

/// Two processes get the same orders, faults strike, and one of the two dies again and again.
async fn one_of_two_dies(books: Books, deaths: usize) {
    let Some(world) = World::open(books).await else {
        return;
    };
    let seed =
        std::env::var("KASPI_TEST_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("KASPI_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let reader = world.app();
    let paid = [
        world.paid(&reader, "paid-0", "200").await,
        world.paid(&reader, "paid-1", "500").await,
    ];
    let keeping = |world: &World| {
        let mut worker = world.worker();
        worker.tell(&Tell::Keep);
        worker
    };
    let mut survivor = keeping(&world);
    let mut told: Vec<(Order, Outcome)> = Vec::new();
    for round in 0..deaths {
        let mut mortal = keeping(&world);
        let orders = orders_of(round, &paid, &told, &mut random);
        for _ in 0..random.usize(0..3) {
            let fault = random
                .choice([
                    "delay",
                    "reset_before_commit",
                    "reset_after_commit",
                    "empty_body",
                    "html_502",
                    "truncated_json",
                    "unavailable_after_commit",
                    "refund_retry",
                ])
                .unwrap();
            let kind = random.choice(&orders).unwrap().kind();
            world.arm(fault, path_of(kind), Duration::from_millis(random.u64(0..30)));
        }
        if random.u8(0..4) == 0 {
            world.control("POST", "/faults", &serde_json::json!({"fault": "tls_alert"}));
        }
        let (step, _) = STEPS[random.usize(0..STEPS.len())];
        println!("{round}: killed at {step}, {} orders", orders.len());
        mortal.stop_at(step);
        for order in &orders {
            let mut both = [&mut mortal, &mut survivor];
            random.shuffle(&mut both);
            for worker in both {
                worker.order(order);
            }
        }
        told.extend(named(&orders, until_stopped(&mut mortal, orders.len())));
        told.extend(named(&orders, mortal.kill()));
        // the living one answers everything, whoever had begun it
        let answers = (0..orders.len()).map(|_| survivor.done()).collect();
        for (order, outcome) in named(&orders, answers) {
            assert!(
                !["in_flight", "lost"].contains(&outcome.kind()),
                "{order:?}: {outcome:?}"
            );
            told.push((order, outcome));
        }
        world.disarm();
    }
    // what the last one left is settled by the living one alone: the books are only read here
    in_time(async {
        loop {
            let left = operations(&reader).await.into_iter().any(|record| {
                record.state.is_running()
                    || record.state == OperationState::Unknown && !record.kind.makes_payment()
            });
            if !left {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    world.holds(&reader, &told).await;
    println!(
        "{} outcomes told, {deaths} processes killed, on {books:?}",
        told.len()
    );
}

/// Some of everything; refunds and cancellations of what is there.
fn orders_of(
    round: usize,
    paid: &[i64],
    told: &[(Order, Outcome)],
    random: &mut fastrand::Rng,
) -> Vec<Order> {
    let mut orders = Vec::new();
    for number in 0..3 {
        let key = format!("c{round}-{number}");
        orders.push(Order::new(OperationKind::Create, &key, "12"));
    }
    orders.push(Order::new(OperationKind::Qr, &format!("q{round}"), "13"));
    for (number, payment) in paid.iter().enumerate() {
        let key = format!("r{round}-{number}");
        orders.push(Order::new(OperationKind::Refund, &key, "30").about(*payment));
    }
    let invoices: Vec<i64> = told
        .iter()
        .filter(|(order, _)| order.kind == "create")
        .filter_map(|(_, outcome)| outcome.payment())
        .collect();
    if let Some(invoice) = random.choice(&invoices) {
        orders.push(Order::new(OperationKind::Cancel, &format!("x{round}"), "0").about(*invoice));
    }
    orders
}

/// What it tells until one operation stays at its step, or until it has told everything.
fn until_stopped(worker: &mut Worker, orders: usize) -> Vec<(String, Outcome)> {
    let mut answers = Vec::new();
    while answers.len() < orders {
        match worker.said() {
            Said::Done { key, outcome } => answers.push((key, outcome)),
            Said::Stopped { .. } => break,
            Said::Ready => {}
        }
    }
    answers
}

fn named(orders: &[Order], answers: Vec<(String, Outcome)>) -> Vec<(Order, Outcome)> {
    let order = |key: &str| orders.iter().find(|order| order.key == key).unwrap().clone();
    answers
        .into_iter()
        .map(|(key, outcome)| (order(&key), outcome))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_dies_again_and_again() {
    one_of_two_dies(Books::Postgres, deaths(6)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn one_of_two_dies_very_often() {
    one_of_two_dies(Books::Postgres, deaths(60)).await;
    // a command beside a gateway
    one_of_two_dies(Books::Sqlite, deaths(60) / 2).await;
}

/// Holds one operation at one step until it is let go.
#[derive(Debug)]
struct Turnstile {
    at: Mutex<Option<Step>>,
    reached: mpsc::Sender<OperationId>,
    go: Mutex<mpsc::Receiver<()>>,
}

impl Steps for Turnstile {
    fn at(&self, step: Step, operation: OperationId) {
        if self.at.lock().unwrap().take_if(|at| *at == step).is_some() {
            self.reached.send(operation).unwrap();
            // the rest of the process goes on
            tokio::task::block_in_place(|| self.go.lock().unwrap().recv().unwrap());
        }
    }
}

/// PostgreSQL dies in the middle of an operation, as in a power cut, and is there again before it goes on.
/// Another process lives on beside it, and may take the first one for dead.
async fn postgres_dies(steps: &[&str], kinds: &[OperationKind]) {
    let Some(cluster) = Cluster::start("") else {
        return;
    };
    let world = World::at(&cluster.database());
    let mut beside = world.worker();
    beside.tell(&Tell::Keep);
    let (reached_tell, reached) = mpsc::channel();
    let (go, go_hear) = mpsc::channel();
    let turnstile = Arc::new(Turnstile {
        at: Mutex::default(),
        reached: reached_tell,
        go: Mutex::new(go_hear),
    });
    let app = world.app_with(|settings| settings.steps = Some(Arc::clone(&turnstile) as Arc<dyn Steps>));
    let app = Arc::new(app);
    let paid = world.paid(&app, "paid", "1000").await;
    let mut told = Vec::new();
    for (name, step) in STEPS.iter().filter(|(name, _)| steps.contains(name)) {
        for order in [
            Order::new(OperationKind::Create, &format!("create-{name}"), "100"),
            Order::new(OperationKind::Refund, &format!("refund-{name}"), "1").about(paid),
        ] {
            if !kinds.contains(&order.kind()) {
                continue;
            }
            let refunded = world.refunded(paid);
            let outcome = in_time(async {
                loop {
                    *turnstile.at.lock().unwrap() = Some(*step);
                    let call = {
                        let (app, order) = (Arc::clone(&app), order.clone());
                        tokio::spawn(async move { order.run(&app).await })
                    };
                    while reached.try_recv().is_err() && !call.is_finished() {
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                    if !call.is_finished() {
                        tokio::task::block_in_place(|| cluster.restart());
                        go.send(()).unwrap();
                        return call.await.unwrap();
                    }
                    // the loss of the lock before has just been noticed: nothing begins until it is held again
                    let outcome = call.await.unwrap();
                    assert_eq!(outcome.kind(), "journal_unavailable", "{outcome:?}");
                    assert_not_sent(&outcome);
                }
            })
            .await;
            println!("{name}: {outcome:?}");
            in_time(async {
                while operation(&app, order.kind(), &order.key)
                    .await
                    .is_some_and(|record| record.state.is_running())
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
            .await;
            let happened = match order.kind.as_str() {
                "create" => !world.made(&order.key).is_empty(),
                _ => world.refunded(paid) > refunded,
            };
            // what came of it is told truly: the answer was there, or nothing had been sent
            match &outcome {
                Outcome::Accepted { .. } => assert!(happened),
                Outcome::Failed { .. } => {
                    assert_not_sent(&outcome);
                    assert!(!happened, "{outcome:?}");
                }
            }
            if let Some(record) = operation(&app, order.kind(), &order.key).await {
                assert_eq!(record.state == OperationState::Accepted, happened, "{record:?}");
            }
            told.push((order, outcome));
        }
    }
    for (order, outcome) in told.clone() {
        let again = in_time(async {
            loop {
                match order.run(&app).await {
                    hindered if hindered.kind() == "journal_unavailable" => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    outcome => return outcome,
                }
            }
        })
        .await;
        assert!(again.accepted(), "{order:?}: {again:?}");
        assert_eq!(again.replayed(), outcome.accepted());
    }
    world.holds(&app, &told).await;
}

fn assert_not_sent(outcome: &Outcome) {
    match outcome {
        Outcome::Failed { delivery, .. } => assert_eq!(delivery.as_deref(), Some("NotSent"), "{outcome:?}"),
        Outcome::Accepted { .. } => panic!("{outcome:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_dies_around_a_request() {
    postgres_dies(&["after_row", "after_send"], &[OperationKind::Create]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long"]
async fn postgres_dies_at_every_step() {
    let steps = STEPS.map(|(name, _)| name);
    postgres_dies(&steps, &[OperationKind::Create, OperationKind::Refund]).await;
}

/// The bank holds the answer while PostgreSQL is down for longer than anybody waits for it: the caller is
/// told the truth, and the books learn of it later.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long"]
async fn postgres_is_away_while_the_answer_comes() {
    let Some(cluster) = Cluster::start("") else {
        return;
    };
    let world = World::at(&cluster.database());
    let mut worker = world.worker();
    let order = Order::new(OperationKind::Create, "held", "100");
    world.arm("delay", CREATE, Duration::from_secs(1));
    worker.order(&order);
    world.until_struck();
    cluster.down();
    let (_, outcome) = worker.done();
    assert!(outcome.accepted(), "{outcome:?}");
    cluster.up();
    let app = world.app();
    in_time(async {
        while operation(&app, OperationKind::Create, "held")
            .await
            .unwrap()
            .state
            != OperationState::Accepted
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    worker.order(&order);
    let (_, again) = worker.done();
    assert!(again.replayed(), "{again:?}");
    assert_eq!(again.payment(), outcome.payment());
    assert_eq!(world.asked(CREATE), 1);
    world.holds(&app, &[(order, outcome)]).await;
}
