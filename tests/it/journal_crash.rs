//! `kill -9` at every step of an operation: nothing is sent twice, nothing is forgotten, and what can be
//! settled is.

use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::payments::{OperationKind, OperationState};

use super::kit::in_time;
use super::money_kit::{Books, on_both_stores};
use super::worker::{Order, Outcome, Said, Worker};
use super::world::{CREATE, World, operation, path_of, settled, tiyn};

/// Longer than any test waits for the answer.
const HELD: Duration = Duration::from_secs(300);

on_both_stores!(
    crate::world::World;
    killed_at_every_step,
    who_was_told_an_outcome_finds_it,
    a_waiting_process_learns_of_the_death,
);

/// Where a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// At a step of the program's own.
    Step(&'static str),
    /// The bank has the request, and has done nothing yet.
    Held,
    /// The bank has done it, and has not answered yet.
    Committed,
}

const POINTS: [Point; 8] = [
    Point::Step("before_row"),
    Point::Step("after_row"),
    Point::Step("before_send"),
    Point::Step("after_send"),
    Point::Held,
    Point::Committed,
    Point::Step("after_answer"),
    Point::Step("after_outcome"),
];

const ALL_KINDS: [OperationKind; 5] = [
    OperationKind::Create,
    OperationKind::Refund,
    OperationKind::Cancel,
    OperationKind::Qr,
    OperationKind::Link,
];

/// How many rounds of everything the long form makes; two rounds on two stores are 160 kills, three 240.
fn rounds(by_default: usize) -> usize {
    std::env::var("KASPI_TEST_ROUNDS").map_or(by_default, |rounds| rounds.parse().unwrap())
}

async fn killed_at_every_step(world: World) {
    let cases = some_cases();
    assert!(cases.len() >= 20, "{} kills are too few", cases.len());
    killed_at(world, &cases).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn killed_at_every_step_of_every_kind() {
    for books in [Books::Sqlite, Books::Postgres] {
        if let Some(world) = World::open(books).await {
            println!("{books:?}");
            killed_at(world, &all_cases()).await;
        }
    }
}

/// Every point of what moves most, and the points of the others that differ from it.
fn some_cases() -> Vec<(OperationKind, Point)> {
    let mut cases = Vec::new();
    for kind in [OperationKind::Create, OperationKind::Refund] {
        cases.extend(POINTS.map(|point| (kind, point)));
    }
    for kind in [OperationKind::Cancel, OperationKind::Qr] {
        cases.extend([POINTS[2], Point::Held, Point::Committed].map(|point| (kind, point)));
    }
    cases
}

fn all_cases() -> Vec<(OperationKind, Point)> {
    let round = ALL_KINDS
        .into_iter()
        .flat_map(|kind| POINTS.map(|point| (kind, point)));
    let round: Vec<_> = round.collect();
    round.repeat(rounds(3))
}

async fn killed_at(world: World, cases: &[(OperationKind, Point)]) {
    let app = world.app();
    let paid = world.paid(&app, "paid", "100000").await;
    drop(app);
    let mut told = Vec::new();
    for (number, (kind, point)) in cases.iter().enumerate() {
        println!("{number}: `{kind}`, killed at {point:?}");
        killed_once(&world, paid, number, *kind, *point, &mut told).await;
    }
    world.holds(&world.app(), &told).await;
    println!("{} processes killed", cases.len());
}

/// One process, one kill, and the next process.
async fn killed_once(
    world: &World,
    paid: i64,
    number: usize,
    kind: OperationKind,
    point: Point,
    told: &mut Vec<(Order, Outcome)>,
) {
    let key = format!("k{number}");
    let order = Order::new(kind, &key, &format!("{}.{:02}", 10 + number / 100, number % 100));
    let order = match kind {
        OperationKind::Refund => order.about(paid),
        OperationKind::Cancel => order.about(world.unpaid(&world.app(), &format!("c{number}"), "5").await),
        _ => order,
    };
    let refunded = world.refunded(paid);
    let made = || match kind {
        OperationKind::Refund => world.refunded(paid) > refunded,
        OperationKind::Cancel => world.payment(order.payment.unwrap())["status"] == "RemotePaymentCanceled",
        _ => !world.made(&key).is_empty(),
    };

    let mut worker = world.worker();
    if number % 2 == 1 {
        // with a connection that has been used before
        let first = Order::new(OperationKind::Create, &format!("w{number}"), "1");
        worker.order(&first);
        let (_, outcome) = worker.done();
        assert!(outcome.accepted(), "{outcome:?}");
        told.push((first, outcome));
    }
    match point {
        Point::Step(step) => {
            worker.stop_at(step);
            worker.order(&order);
            worker.stopped();
        }
        Point::Held | Point::Committed => {
            let fault = if point == Point::Held {
                "reset_before_commit"
            } else {
                "delay"
            };
            world.arm(fault, path_of(kind), HELD);
            worker.order(&order);
            world.until_struck();
            if point == Point::Committed {
                world.until("the bank does it", made);
            }
        }
    }
    assert_eq!(worker.kill(), [], "nobody has been told anything");

    // the next process knows at once how it stands
    let app = world.app();
    app.open_journal().await.unwrap();
    let found = unsettled(&app, kind, &key).await;
    let expected = match point {
        Point::Step("before_row") => None,
        Point::Step("after_row") => Some(OperationState::NotSent),
        Point::Step("after_outcome") => Some(OperationState::Accepted),
        _ => Some(OperationState::Unknown),
    };
    assert_eq!(found.as_ref().map(|(_, state)| *state), expected);
    match point {
        Point::Step("before_row" | "after_row" | "before_send") | Point::Held => assert!(!made()),
        Point::Step("after_answer" | "after_outcome") | Point::Committed => assert!(made()),
        Point::Step(_) => {}
    }

    // what Kaspi can tell is settled, and the key stands for the same operation as before
    world.settle(&app).await;
    let happened = made();
    let again = in_time(order.run(&app)).await;
    if let Some((id, _)) = &found {
        assert_eq!(again.operation(), Some(id.as_str()));
    }
    let askable = matches!(kind, OperationKind::Refund | OperationKind::Cancel);
    let expected = match (expected, happened) {
        (None | Some(OperationState::NotSent | OperationState::Accepted), _) => "accepted",
        (_, true) if askable => "accepted",
        (_, false) if askable => "not_made",
        _ => "unknown_outcome",
    };
    assert_eq!(again.kind(), expected, "{again:?}");
    let anew = matches!(expected, "accepted") && !happened;
    assert_eq!(again.accepted() && !again.replayed(), anew, "{again:?}");
    assert_eq!(made(), happened || anew);
    if kind == OperationKind::Refund && made() {
        assert_eq!(
            world.refunded(paid) - refunded,
            tiyn(&order.amount.clone().into())
        );
    }
    let once_more = in_time(order.run(&app)).await;
    assert_eq!(
        (once_more.kind(), once_more.operation()),
        (again.kind(), again.operation())
    );
    told.push((order, again));
    world.disarm();
    world.holds(&app, told).await;
}

/// The operation as the restart left it, before Kaspi is asked about it.
async fn unsettled(app: &App, kind: OperationKind, key: &str) -> Option<(String, OperationState)> {
    use OperationState::{Accepted, NotMade, Unknown};
    let record = match operation(app, kind, key).await? {
        // PostgreSQL has not noticed yet that the process is gone
        running if running.state.is_running() => settled(app, kind, key).await?,
        record => record,
    };
    let history = app.payments().history(record.id).await.unwrap();
    // what asking Kaspi has settled meanwhile was unknown before
    let state = match history.last().unwrap().from {
        Some(Unknown) if matches!(record.state, Accepted | NotMade) => Unknown,
        _ => record.state,
    };
    Some((record.id.to_string(), state))
}

/// Sixty-four callers at once share the syncs of the disk. Whoever was told an outcome before the process
/// was killed finds it in the books.
async fn told_is_written(world: World, kills: usize) {
    let mut told = Vec::new();
    for round in 0..kills {
        let mut worker = world.worker();
        let order = |number: usize| {
            let key = format!("f{round}-{number}");
            Order::new(OperationKind::Create, &key, "7")
        };
        for number in 0..64 {
            worker.order(&order(number));
        }
        // another moment in each round, while others are at every step
        let until = 3 + 37 * round % 150;
        let mut answered = Vec::new();
        for number in 0..until {
            answered.push(worker.done());
            worker.order(&order(64 + number));
        }
        answered.extend(worker.kill());
        assert!(answered.len() >= until);
        for (key, outcome) in answered {
            assert!(outcome.accepted(), "{outcome:?}");
            told.push((Order::new(OperationKind::Create, &key, "7"), outcome));
        }
        let app = world.app();
        world.settle(&app).await;
        world.holds(&app, &told).await;
    }
    println!(
        "{} outcomes told by {kills} processes that were killed",
        told.len()
    );
}

async fn who_was_told_an_outcome_finds_it(world: World) {
    told_is_written(world, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn who_was_told_an_outcome_finds_it_often() {
    for books in [Books::Sqlite, Books::Postgres] {
        if let Some(world) = World::open(books).await {
            told_is_written(world, 12).await;
        }
    }
}

/// The process dies over a fault of the bank's: at the answer that is none.
#[tokio::test(flavor = "multi_thread")]
async fn killed_over_an_answer_that_is_none() {
    let Some(world) = World::open(Books::Sqlite).await else {
        return;
    };
    let mut told = Vec::new();
    for (number, (fault, made)) in [
        ("reset_after_commit", true),
        ("reset_before_commit", false),
        ("empty_body", true),
        ("html_502", false),
    ]
    .into_iter()
    .enumerate()
    {
        let order = Order::new(OperationKind::Create, &format!("n{number}"), "3");
        world.arm(fault, CREATE, Duration::ZERO);
        let mut worker: Worker = world.worker();
        worker.stop_at("after_answer");
        worker.order(&order);
        worker.stopped();
        worker.kill();
        let app = world.app();
        let outcome = in_time(order.run(&app)).await;
        assert_eq!(outcome.kind(), "unknown_outcome", "{fault}");
        assert_eq!(world.made(&order.key).len(), usize::from(made), "{fault}");
        told.push((order, outcome));
        world.holds(&app, &told).await;
    }
}

/// A second process waits for the operation of the first, which dies over it.
async fn a_waiting_process_learns_of_the_death(world: World) {
    for (step, expected) in [("after_row", "accepted"), ("before_send", "unknown_outcome")] {
        let order = Order::new(OperationKind::Create, step, "3");
        let (mut first, mut second) = (world.worker(), world.worker());
        first.stop_at(step);
        first.order(&order);
        let id = first.stopped();
        second.order(&order);
        assert!(first.kill().is_empty());
        let Said::Done { outcome, .. } = second.said() else {
            panic!("the second one stopped")
        };
        assert_eq!(
            (outcome.kind(), outcome.operation()),
            (expected, Some(id.as_str()))
        );
        assert_eq!(world.made(step).len(), usize::from(expected == "accepted"));
    }
    world.holds(&world.app(), &[]).await;
}
