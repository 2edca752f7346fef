//! How often hands are shaken: once, and after that as little as can be.

use kaspi_direct::sandbox::pki::KeyKind;

use super::{Plan, peers_for};
use crate::figures::Figure;
use crate::load::Round;
use crate::peers::Kind;
use crate::report::{Limit, Scene};
use crate::world::World;

pub(super) fn play(plan: &Plan) -> Scene {
    let mut scene = Scene::new(
        "handshakes",
        "10,000 warm calls, then a server that closes the connection",
    );
    for (tls12, version) in [(true, "TLS 1.2"), (false, "TLS 1.3")] {
        let world = World::new(KeyKind::Rsa2048);
        let mut server = world.server(tls12);
        let config = world.configure("one", server.port, 1, true);
        let mut peers = peers_for(&[Kind::Api], &world, &config, server.port, &mut scene);
        let [peer] = peers.as_mut_slice() else {
            continue;
        };
        let calls = |at_least| Round {
            in_flight: 1,
            milliseconds: 0,
            at_least,
        };
        peer.round(calls(1));
        server.count();
        peer.round(calls(plan.many(10_000, 100)));
        let warm = server.count();
        let whole = |count: u64| Figure::of(vec![count as f64]);
        scene.target(
            &format!(
                "{version}: full handshakes in {} calls after the first",
                warm.calls
            ),
            whole(warm.full),
            Limit::AtMost(0.0),
        );
        server.hang_up();
        peer.round(calls(1));
        let after = server.count();
        scene.target(
            &format!("{version}: full handshakes after the server has closed"),
            whole(after.full),
            Limit::AtMost(0.0),
        );
        scene.target(
            &format!("{version}: resumed handshakes after the server has closed"),
            whole(after.resumed),
            Limit::AtLeast(1.0),
        );
    }
    scene
}
