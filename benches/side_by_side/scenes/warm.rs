//! Calls over connections that are there already: what the library costs beside the network.

use super::{Plan, find, peers_for, take_turns};
use crate::figures::Figure;
use crate::peers::Kind;
use crate::report::{Limit, Scene};
use crate::world::World;
use kaspi_direct::sandbox::pki::KeyKind;

const KINDS: &[Kind] = &[
    Kind::Bare,
    Kind::Api,
    Kind::Transport,
    Kind::Payments,
    Kind::Reqwest,
    Kind::Httpx,
];

pub(super) fn play(plan: &Plan) -> Scene {
    let mut scene = Scene::new("warm", "a create over connections that are open, TLS 1.3");
    let world = World::new(KeyKind::P256);
    let server = world.server(false);
    let config = world.configure("one", server.port, 1, false);
    let mut peers = peers_for(KINDS, &world, &config, server.port, &mut scene);
    for (in_flight, what) in [(1, "1 in flight"), (64, "64 in flight")] {
        let turns = take_turns(&mut peers, plan.round(in_flight, 400), plan.rounds(25));
        for peer in &turns {
            let name = peer.kind.name();
            if in_flight == 1 {
                scene.row(
                    name,
                    &format!("{what}, p50"),
                    "us",
                    peer.of(|sample| sample.p50_us),
                );
                scene.row(
                    name,
                    &format!("{what}, p99"),
                    "us",
                    peer.of(|sample| sample.p99_us),
                );
            }
            scene.row(
                name,
                &format!("{what}, calls"),
                "per s",
                peer.of(|sample| sample.per_second),
            );
            scene.row(
                name,
                &format!("{what}, processor"),
                "us per call",
                peer.of(|sample| sample.cpu_us_per_call),
            );
        }
        let (Some(bare), Some(api)) = (find(&turns, Kind::Bare), find(&turns, Kind::Api)) else {
            continue;
        };
        if in_flight == 1 {
            let figure = Figure::ratio(&api.of(|sample| sample.p50_us), &bare.of(|sample| sample.p50_us));
            scene.target(
                "api against bare hyper, 1 in flight, p50",
                figure,
                Limit::AtMost(1.05),
            );
            continue;
        }
        let throughput = |turns: &super::Turns| turns.of(|sample| sample.per_second);
        let figure = Figure::ratio(&throughput(api), &throughput(bare));
        scene.target(
            "api against bare hyper, 64 in flight, calls per second",
            figure,
            Limit::AtLeast(0.95),
        );
        if let Some(reqwest) = find(&turns, Kind::Reqwest) {
            let figure = Figure::ratio(&throughput(api), &throughput(reqwest));
            scene.target(
                "api against reqwest, 64 in flight, calls per second",
                figure,
                Limit::AtLeast(1.0),
            );
        }
    }
    scene
}
