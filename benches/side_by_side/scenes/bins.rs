//! Many organisations at once: what it costs a call that there are others.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use kaspi_direct::app::App;
use kaspi_direct::config::Environment;
use kaspi_direct::sandbox::pki::KeyKind;
use serde::{Deserialize, Serialize};

use super::{Plan, take_turns};
use crate::child::{Child, Core};
use crate::figures::Figure;
use crate::load::{heard, say};
use crate::peers::{self, Kind, Peer, Use};
use crate::report::{Limit, Scene};
use crate::world::World;

pub(super) fn play(plan: &Plan) -> Scene {
    let mut scene = Scene::new("bins", "1, 100 and 10,000 organisations, 64 in flight");
    let world = World::with_identities(KeyKind::P256, 100);
    let server = world.server(false);
    let most = plan.many(10_000, 100);
    let one = world.configure("one", server.port, 1, false);
    let hundred = world.configure("hundred", server.port, 100, false);
    let all = world.configure("all", server.port, most, false);
    let all_name = format!("{most} BINs");

    let cast = [
        ("1 BIN, 64 connections".to_owned(), &one, Use::First),
        (
            format!("{all_name}, 64 of them, a connection each"),
            &all,
            Use::OneEach,
        ),
        ("100 BINs, Zipf traffic".to_owned(), &hundred, Use::Zipf),
        (format!("{all_name}, Zipf traffic"), &all, Use::Zipf),
    ];
    let mut cast_peers: Vec<Peer> = cast
        .iter()
        .map(|(_, config, use_of_bins)| {
            let job = peers::Job {
                kind: Kind::Api,
                folder: world.folder().to_owned(),
                config: (*config).clone(),
                port: server.port,
                use_of_bins: *use_of_bins,
            };
            Peer::start(&job).unwrap()
        })
        .collect();
    // a BIN that is seldom called for gets its connection now
    for peer in &mut cast_peers {
        peer.round(plan.round(64, 8000));
    }
    let turns = take_turns(&mut cast_peers, plan.round(64, 400), plan.rounds(15));
    for ((name, ..), peer) in cast.iter().zip(&turns) {
        scene.row(name, "calls", "per s", peer.of(|sample| sample.per_second));
        scene.row(
            name,
            "processor",
            "us per call",
            peer.of(|sample| sample.cpu_us_per_call),
        );
    }
    let calls = |place: usize| turns[place].of(|sample| sample.per_second);
    scene.target(
        &format!("{all_name} against 1 BIN, as many connections, calls per second"),
        Figure::ratio(&calls(1), &calls(0)),
        Limit::AtLeast(0.90),
    );
    drop(cast_peers);

    look_up(plan, &mut scene, &one, &all, &all_name);
    scene
}

/// Looking a BIN up, with nothing else.
fn look_up(plan: &Plan, scene: &mut Scene, one: &PathBuf, all: &PathBuf, all_name: &str) {
    let start = |config: &PathBuf| {
        let job = Job {
            config: config.clone(),
        };
        Child::role("lookup", &job, Core::Peers).0
    };
    let (mut one, mut all) = (start(one), start(all));
    let (mut few, mut many) = (Vec::new(), Vec::new());
    let times = Times {
        times: plan.many(1_000_000, 10_000),
    };
    for _ in 0..plan.rounds(11) {
        few.push(one.ask::<f64>(&times));
        many.push(all.ask::<f64>(&times));
    }
    scene.target(
        &format!("a look-up among {all_name} against one among 1"),
        Figure::ratio(&many, &few),
        Limit::AtMost(2.0),
    );
    scene.row("1 BIN", "look-up", "ns", few);
    scene.row(all_name, "look-up", "ns", many);
}

#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    config: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Times {
    times: usize,
}

/// The child of `look_up`: nanoseconds for each look-up, in an order that no cache knows beforehand.
pub(super) async fn run(job: Job) {
    let app = App::open(&job.config, &Environment::default()).unwrap();
    let registry = app.transport().registry();
    let bins = registry.bins();
    for bin in &bins {
        registry.pin(*bin).unwrap();
    }
    say(&serde_json::json!({"ready": true}));
    while let Some(line) = heard() {
        let asked: Times = serde_json::from_str(&line).unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        let order: Vec<_> = (0..asked.times)
            .map(|_| bins[random.usize(..bins.len())])
            .collect();
        let began = Instant::now();
        for bin in &order {
            black_box(registry.pin(black_box(*bin)).unwrap());
        }
        let each = began.elapsed().as_nanos() as f64 / order.len() as f64;
        say(&serde_json::json!(each));
    }
}
