//! Random lives of a journal against a model of it: orders with few keys, faults of the bank, processes that
//! die in the middle of an operation, clocks that jump.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::base::{Clock, OperationId, SystemClock};
use kaspi_direct::config::Environment;
use kaspi_direct::payments::{OperationKind, PaymentsSettings, Step, Steps};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use time::OffsetDateTime;
use tokio::runtime::Runtime;

use super::kit::in_time;
use super::worker::{Order, Outcome, STEPS, hasty};
use super::world::{World, path_of};

const KINDS: [OperationKind; 5] = [
    OperationKind::Create,
    OperationKind::Refund,
    OperationKind::Cancel,
    OperationKind::Qr,
    OperationKind::Link,
];

const FAULTS: [&str; 9] = [
    "delay",
    "reset_before_commit",
    "reset_after_commit",
    "empty_body",
    "html_502",
    "truncated_json",
    "unavailable_before_commit",
    "unavailable_after_commit",
    "refund_retry",
];

#[derive(Clone, Debug)]
enum Event {
    /// The same order by several callers at once; the process dies where one of them comes to a step.
    Ask {
        kind: usize,
        key: u8,
        /// Of the two requests that are made under each key.
        request: u8,
        callers: usize,
        dies_at: Option<usize>,
    },
    Fault {
        fault: usize,
        kind: usize,
    },
    RefuseHandshake,
    /// Without a clean end, nothing under way.
    Restart,
    /// By so many minutes against the true time.
    Clock(i64),
    Reconcile,
}

fn event() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![3 => Just(0_usize), 3 => Just(1), 1 => Just(2), 1 => Just(3), 1 => Just(4)];
    let ask = (kind, 0..3_u8, 0..4_u8, 1..4_usize, weighted(0.4, 0..STEPS.len())).prop_map(
        |(kind, key, request, callers, dies_at)| Event::Ask {
            kind,
            key,
            request: u8::from(request == 0),
            callers,
            dies_at,
        },
    );
    prop_oneof![
        8 => ask,
        3 => (0..FAULTS.len(), 0..KINDS.len()).prop_map(|(fault, kind)| Event::Fault { fault, kind }),
        1 => Just(Event::RefuseHandshake),
        1 => Just(Event::Restart),
        1 => (-600..6000_i64).prop_map(Event::Clock),
        1 => Just(Event::Reconcile),
    ]
}

/// The true time, and how far it is from that.
#[derive(Debug, Default)]
struct Skewed(AtomicI64);

impl Clock for Skewed {
    fn now(&self) -> OffsetDateTime {
        SystemClock.now() + time::Duration::minutes(self.0.load(Ordering::SeqCst))
    }
}

/// Ends the task of an operation at a step; the rest of the process follows it.
#[derive(Debug, Default)]
struct Death {
    at: Mutex<Option<Step>>,
    came: AtomicBool,
}

impl Steps for Death {
    fn at(&self, step: Step, _: OperationId) {
        let here = self.at.lock().unwrap().take_if(|at| *at == step).is_some();
        if here {
            self.came.store(true, Ordering::SeqCst);
            // a panic that tells nobody
            std::panic::resume_unwind(Box::new("it dies here"));
        }
    }
}

/// A working set with a runtime of its own: it ends with all its tasks, wherever they are.
struct Process {
    app: Arc<App>,
    death: Arc<Death>,
    runtime: Runtime,
}

impl Process {
    fn start(world: &World, clock: &Arc<Skewed>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let inside = runtime.enter();
        let death = Arc::new(Death::default());
        let mut settings = PaymentsSettings::default();
        hasty(&mut settings);
        settings.steps = Some(Arc::clone(&death) as Arc<dyn Steps>);
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        let app = App::open_patiently(&world.config(), &Environment::default(), clock, settings).unwrap();
        drop(inside);
        Self {
            app: Arc::new(app),
            death,
            runtime,
        }
    }

    /// What the callers were told; nothing where the process died over it.
    fn ask(&self, order: &Order, callers: usize, dies_at: Option<usize>) -> Option<Vec<Outcome>> {
        *self.death.at.lock().unwrap() = dies_at.map(|step| STEPS[step].1);
        let calls: Vec<_> = (0..callers)
            .map(|_| {
                let (app, order) = (Arc::clone(&self.app), order.clone());
                self.runtime.spawn(async move { order.run(&app).await })
            })
            .collect();
        self.runtime.block_on(in_time(async {
            loop {
                if self.death.came.load(Ordering::SeqCst) {
                    return None;
                }
                if calls.iter().all(tokio::task::JoinHandle::is_finished) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // it may have come with the last of them
            if self.death.came.load(Ordering::SeqCst) {
                return None;
            }
            *self.death.at.lock().unwrap() = None;
            let mut outcomes = Vec::new();
            for call in calls {
                outcomes.push(call.await.unwrap());
            }
            Some(outcomes)
        }))
    }

    fn reconcile(&self) {
        self.runtime
            .block_on(in_time(self.app.payments().reconcile()))
            .unwrap();
    }
}

/// What is known of a key from outside.
#[derive(Debug, Default)]
struct Known {
    /// Every request that came under it, with what a caller was told that binds for ever.
    asked: Vec<Order>,
    binding: Option<(Order, Outcome)>,
    sent_now: usize,
}

impl Known {
    /// Compares one more answer with those before.
    fn answered(&mut self, order: &Order, outcome: &Outcome) -> Result<(), TestCaseError> {
        let other = |asked: &Order| (&asked.amount, asked.payment) != (&order.amount, order.payment);
        let conflict = outcome.kind() == "key_conflict";
        let unknown = outcome.is_unknown();
        prop_assert!(
            !conflict || self.asked.iter().any(other),
            "a conflict with nothing: {order:?}, {outcome:?}"
        );
        if let Some((first, before)) = &self.binding {
            if other(first) {
                prop_assert!(
                    conflict,
                    "{first:?} had {before:?}, and now {order:?} has {outcome:?}"
                );
                return Ok(());
            }
            prop_assert_eq!(
                outcome.operation(),
                before.operation(),
                "{:?}: {:?}",
                order,
                outcome
            );
            if before.accepted() {
                prop_assert!(
                    outcome.accepted(),
                    "{order:?} had {before:?}, and now {outcome:?}"
                );
                prop_assert_eq!(outcome.payment(), before.payment());
            } else {
                // settled meanwhile, or not; but never sent anew
                let may_follow = unknown || outcome.replayed() || outcome.kind() == "not_made";
                prop_assert!(may_follow, "{order:?} had {before:?}, and now {outcome:?}");
            }
        }
        if outcome.accepted() && !outcome.replayed() {
            self.sent_now += 1;
            prop_assert!(self.sent_now < 2, "sent twice: {order:?}");
        }
        if outcome.accepted() || unknown {
            self.binding = Some((order.clone(), outcome.clone()));
        }
        Ok(())
    }
}

fn one_life(url: &str, events: &[Event]) -> Result<(), TestCaseError> {
    let world = World::at(url);
    let clock = Arc::new(Skewed::default());
    let mut process = Process::start(&world, &clock);
    let (paid, unpaid) = process.runtime.block_on(async {
        let app = &process.app;
        let paid = [
            world.paid(app, "p0", "100").await,
            world.paid(app, "p1", "100").await,
        ];
        let unpaid = [
            world.unpaid(app, "u0", "10").await,
            world.unpaid(app, "u1", "10").await,
        ];
        (paid, unpaid)
    });
    let mut model: HashMap<String, Known> = HashMap::new();
    let mut told = Vec::new();
    let mut latest = 0;
    for event in events {
        match event {
            Event::Ask {
                kind,
                key,
                request,
                callers,
                dies_at,
            } => {
                let kind = KINDS[*kind];
                let (name, amount) = (format!("{kind}-{key}"), format!("{}", 40 + u32::from(*request)));
                let order = Order::new(kind, &name, &amount);
                let order = match kind {
                    OperationKind::Refund => order.about(paid[usize::from(key % 2)]),
                    // has no amount: the other request is about the other payment
                    OperationKind::Cancel => order.about(unpaid[usize::from((key + request) % 2)]),
                    _ => order,
                };
                let known = model.entry(name).or_default();
                known.asked.push(order.clone());
                match process.ask(&order, *callers, *dies_at) {
                    Some(mut outcomes) => {
                        // of several at once, one may have failed before another sent it anew
                        outcomes.sort_by_key(|outcome| (outcome.accepted(), outcome.is_unknown()));
                        for outcome in outcomes {
                            known.answered(&order, &outcome)?;
                            told.push((order.clone(), outcome));
                        }
                    }
                    None => {
                        drop(process);
                        process = Process::start(&world, &clock);
                    }
                }
            }
            Event::Fault { fault, kind } => {
                world.arm(FAULTS[*fault], path_of(KINDS[*kind]), Duration::from_millis(5));
            }
            Event::RefuseHandshake => {
                world.control("POST", "/faults", &serde_json::json!({"fault": "tls_alert"}));
            }
            Event::Restart => {
                drop(process);
                process = Process::start(&world, &clock);
            }
            Event::Clock(minutes) => {
                latest = latest.max(*minutes);
                clock.0.store(*minutes, Ordering::SeqCst);
            }
            Event::Reconcile => process.reconcile(),
        }
    }
    // the end: nothing strikes any more, and the clock is beyond whatever it has shown
    world.disarm();
    clock.0.store(latest + 60, Ordering::SeqCst);
    drop(process);
    let process = Process::start(&world, &clock);
    process.runtime.block_on(async {
        world.settle(&process.app).await;
        world.holds(&process.app, &told).await;
    });
    Ok(())
}

fn lives(by_default: u32, url: impl Fn() -> Option<String>) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let seed: u64 = number("KASPI_TEST_SEED").unwrap_or_else(|| fastrand::u64(..));
    let cases = number("KASPI_TEST_LIVES").map_or(by_default, |lives| u32::try_from(lives).unwrap());
    println!("KASPI_TEST_SEED={seed}, {cases} lives");
    if url().is_none() {
        return;
    }
    let config = Config {
        cases,
        max_shrink_iters: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    if let Err(error) = runner.run(&vec(event(), 4..20), |events| one_life(&url().unwrap(), &events)) {
        panic!("KASPI_TEST_SEED={seed}: {error}");
    }
}

#[test]
fn a_random_life_of_a_journal() {
    lives(8, || Some("sqlite://kaspi.db".to_owned()));
}

#[test]
#[ignore = "long"]
fn many_random_lives_of_a_journal_sqlite() {
    lives(150, || Some("sqlite://kaspi.db".to_owned()));
}

#[test]
#[ignore = "long"]
fn many_random_lives_of_a_journal_postgres() {
    lives(60, super::postgres::database);
}
