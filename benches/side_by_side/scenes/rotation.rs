//! A certificate that is exchanged while calls go on.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::config::Environment;
use kaspi_direct::sandbox::pki::KeyKind;
use serde::{Deserialize, Serialize};

use super::Plan;
use crate::child::{Child, Core};
use crate::figures::Figure;
use crate::load::{Round, Sample, heard, round, say};
use crate::peers::create_ours;
use crate::report::{Limit, Scene};
use crate::world::World;

const BINS: usize = 8;

pub(super) fn play(plan: &Plan) -> Scene {
    let mut scene = Scene::new(
        "rotation",
        "8 BINs, 16 calls in flight; the certificate of one BIN is exchanged again and again",
    );
    let world = World::with_identities(KeyKind::P256, BINS);
    world.renew("renewed-0");
    world.renew("renewed-1");
    let server = world.server(false);
    let job = Job {
        folder: world.folder().to_owned(),
        config: world.configure("some", server.port, BINS, false),
    };
    let (mut child, _) = Child::role("rotation", &job, Core::Peers);
    let (mut steady, mut rotating) = (Vec::new(), Vec::new());
    let (mut failed, mut rotations, mut calls) = (0, 0, 0);
    for number in 0..plan.rounds(11) * 2 {
        let asked = Order {
            round: plan.round(16, 1000),
            rotate: number % 2 == 1,
        };
        let answer: Answer = child.ask(&asked);
        for sample in [&answer.rotated, &answer.others] {
            failed += sample.failed;
            calls += sample.calls;
            if let Some(why) = &sample.why {
                println!("failed: {why}");
            }
        }
        rotations += answer.rotations;
        let values = if asked.rotate { &mut rotating } else { &mut steady };
        values.push(answer.others.p99_us);
    }
    let whole = |count: usize| Figure::of(vec![count as f64]);
    scene.target(
        &format!("calls that failed, of {calls}, in {rotations} rotations"),
        whole(failed),
        Limit::AtMost(0.0),
    );
    assert!(rotations > 0, "nothing was rotated");
    scene.target(
        "p99 of the other BINs, against steady state",
        Figure::ratio(&rotating, &steady),
        Limit::AtMost(1.5),
    );
    scene.row("the other BINs", "p99, steady", "us", steady);
    scene.row("the other BINs", "p99, while one is rotated", "us", rotating);
    scene
}

#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    folder: PathBuf,
    config: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Order {
    round: Round,
    rotate: bool,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    rotated: Sample,
    others: Sample,
    rotations: usize,
}

pub(super) async fn run(job: Job) {
    let app = Arc::new(App::open(&job.config, &Environment::default()).unwrap());
    let rotation = app.start_rotation().await;
    let bins = app.transport().registry().bins();
    let home = job.config.with_file_name("certs").join(bins[0].to_string());
    let mut turn = 0;
    say(&serde_json::json!({"ready": true}));
    while let Some(line) = tokio::task::spawn_blocking(heard).await.unwrap() {
        let order: Order = serde_json::from_str(&line).unwrap();
        let load = |bins: Vec<_>, in_flight| {
            let app = Arc::clone(&app);
            let call = move |task: usize| {
                let (app, bin) = (Arc::clone(&app), bins[task % bins.len()]);
                async move { create_ours(app.api(), bin).await }
            };
            let asked = Round {
                in_flight,
                ..order.round
            };
            tokio::spawn(round(Arc::new(call), asked))
        };
        let rotated = load(vec![bins[0]], 2);
        let others = load(bins[1..].to_vec(), order.round.in_flight - 2);
        let mut rotations = 0;
        while order.rotate && !others.is_finished() {
            let before = app.transport().channel(Some(bins[0])).unwrap().generation();
            for (from, to) in [("cer", "certificate.cer"), ("key", "private.key")] {
                let renewed = job.folder.join(format!("renewed-{turn}.{from}"));
                let beside = home.join(format!(".{to}"));
                fs::copy(renewed, &beside).unwrap();
                fs::rename(&beside, home.join(to)).unwrap();
            }
            turn = 1 - turn;
            rotation.rescan().await;
            let after = app.transport().channel(Some(bins[0])).unwrap().generation();
            rotations += usize::from(after > before);
            // as often as nobody rotates, and yet seldom enough to be told from the load
            tokio::time::sleep(Duration::from_millis(order.round.milliseconds / 5)).await;
        }
        let answer = Answer {
            rotated: rotated.await.unwrap(),
            others: others.await.unwrap(),
            rotations,
        };
        say(&serde_json::to_value(answer).unwrap());
    }
    drop(rotation);
}
