//! Beside what makes everything anew for each call: PHP's curl, curl itself, a client for each call.

use super::{Plan, Turns, find, peers_for, take_turns};
use crate::figures::Figure;
use crate::peers::Kind;
use crate::report::{Limit, Scene};
use crate::world::World;
use kaspi_direct::sandbox::pki::KeyKind;

const KINDS: &[Kind] = &[Kind::Api, Kind::Php, Kind::Curl, Kind::ReqwestEach];

pub(super) fn play(plan: &Plan) -> Scene {
    let mut scene = Scene::new(
        "old-way",
        "a create, beside those who open a connection and a key for each",
    );
    // what the bank issues: RSA 2048
    let world = World::new(KeyKind::Rsa2048);
    let server = world.server(false);
    let config = world.configure("one", server.port, 1, true);
    let mut peers = peers_for(KINDS, &world, &config, server.port, &mut scene);
    for in_flight in [1, 16] {
        let turns = take_turns(&mut peers, plan.round(in_flight, 1000), plan.rounds(9));
        for peer in &turns {
            let name = peer.kind.name();
            let p50 = format!("{in_flight} in flight, p50");
            scene.row(name, &p50, "us", peer.of(|sample| sample.p50_us));
            let calls = format!("{in_flight} in flight, calls");
            scene.row(name, &calls, "per s", peer.of(|sample| sample.per_second));
        }
        let (Some(php), Some(api)) = (find(&turns, Kind::Php), find(&turns, Kind::Api)) else {
            continue;
        };
        if in_flight == 1 {
            let p50 = |turns: &Turns| turns.of(|sample| sample.p50_us);
            let figure = Figure::ratio(&p50(php), &p50(api));
            scene.target(
                "the PHP way against api, 1 in flight, p50",
                figure,
                Limit::AtLeast(25.0),
            );
        } else {
            let calls = |turns: &Turns| turns.of(|sample| sample.per_second);
            let figure = Figure::ratio(&calls(api), &calls(php));
            scene.target(
                "api against the PHP way, 16 in flight, calls per second",
                figure,
                Limit::AtLeast(100.0),
            );
        }
    }
    scene
}
