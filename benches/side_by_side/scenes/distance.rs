//! A server that is far away: what counts then is how often a call crosses the distance.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kaspi_direct::app::{App, Service};
use kaspi_direct::config::Environment;
use kaspi_direct::sandbox::pki::KeyKind;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::{Plan, find, peers_for, take_turns};
use crate::child::{Child, Core};
use crate::figures::Figure;
use crate::load::Round;
use crate::load::say;
use crate::peers::{Kind, create_ours};
use crate::report::{Limit, Scene};
use crate::way::{self, Way};
use crate::world::World;

const KINDS: &[Kind] = &[
    Kind::Bare,
    Kind::Api,
    Kind::Payments,
    Kind::ReqwestEach,
    Kind::Curl,
];

pub(super) fn play(plan: &Plan) -> Scene {
    let mut scene = Scene::new("distance", "a create with 20 ms and 60 ms of round trip added");
    let world = World::new(KeyKind::Rsa2048);
    let server = world.server(false);
    for round_trip_ms in [20, 60] {
        let way = Way::open(way::Job {
            to: server.port,
            round_trip_ms,
        });
        let config = world.configure("far", way.port, 1, true);
        let mut peers = peers_for(KINDS, &world, &config, way.port, &mut scene);
        let round = Round {
            in_flight: 1,
            milliseconds: 0,
            at_least: plan.many(10, 1),
        };
        let turns = take_turns(&mut peers, round, plan.rounds(5));
        let trips = |microseconds: f64| microseconds / (round_trip_ms as f64 * 1000.0);
        for peer in &turns {
            scene.row(
                peer.kind.name(),
                &format!("{round_trip_ms} ms, p50"),
                "round trips",
                peer.of(|sample| trips(sample.p50_us)),
            );
        }
        if let Some(api) = find(&turns, Kind::Api) {
            scene.target(
                &format!("{round_trip_ms} ms, warm create, in round trips"),
                Figure::of(api.of(|sample| trips(sample.p50_us))),
                Limit::AtMost(1.05),
            );
        }
        drop(peers);
        let first = |warmed: bool| -> Vec<f64> {
            let calls = (0..plan.rounds(5)).map(|_| {
                let job = Job {
                    config: config.clone(),
                    warmed,
                };
                let (_child, said) = Child::role("first", &job, Core::Peers);
                trips(said.as_f64().unwrap())
            });
            calls.collect()
        };
        scene.row(
            "ours: api",
            &format!("{round_trip_ms} ms, first call after start, not warmed"),
            "round trips",
            first(false),
        );
        let warmed = first(true);
        scene.target(
            &format!(
                "{round_trip_ms} ms, first call of a service that keeps connections ready, in round trips"
            ),
            Figure::of(warmed.clone()),
            Limit::AtMost(1.05),
        );
        scene.row(
            "ours: api",
            &format!("{round_trip_ms} ms, first call after start, warmed"),
            "round trips",
            warmed,
        );
    }
    scene
}

#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    config: PathBuf,
    /// Whether it waits until the service has a connection ready.
    warmed: bool,
}

/// A program's first call, in microseconds.
pub(super) async fn run(job: Job) {
    let app = App::open(&job.config, &Environment::default()).unwrap();
    let (app, service) = if job.warmed {
        let service = Service::start(app, &[]).await.unwrap();
        (Arc::clone(service.app()), Some(service))
    } else {
        (Arc::new(app), None)
    };
    let bin = app.transport().registry().bins()[0];
    let is_ready = || {
        app.transport()
            .wire_counts(bin)
            .is_some_and(|counts| counts.answers > 0)
    };
    while job.warmed && !is_ready() {
        sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    create_ours(app.api(), bin).await.unwrap();
    say(&serde_json::json!(began.elapsed().as_micros() as u64));
    if let Some(service) = service {
        service.stop().await;
    }
}
