//! Calls that find no connection: a server that closes after each answer.

use kaspi_direct::sandbox::pki::KeyKind;

use super::{Plan, find, peers_for, take_turns};
use crate::figures::Figure;
use crate::peers::Kind;
use crate::report::{Limit, Scene};
use crate::server::{self, Server};
use crate::world::World;

const KINDS: &[Kind] = &[Kind::Bare, Kind::Api, Kind::Reqwest];

pub(super) fn play(plan: &Plan) -> Scene {
    let mut scene = Scene::new("cold", "a create and the connection for it, 1 in flight, p50");
    for (keys, keys_name) in [(KeyKind::Rsa2048, "RSA-2048"), (KeyKind::P256, "P-256")] {
        let world = World::new(keys);
        for tls12 in [false, true] {
            for resumes in [false, true] {
                let mut server = Server::start(&server::Job {
                    folder: world.folder().to_owned(),
                    tls12,
                    keeps: false,
                    resumes,
                });
                let config = world.configure("one", server.port, 1, false);
                let mut peers = peers_for(KINDS, &world, &config, server.port, &mut scene);
                let turns = take_turns(&mut peers, plan.round(1, 250), plan.rounds(9));
                let counts = server.count();
                let what = format!(
                    "{keys_name}, TLS {}, {}",
                    if tls12 { "1.2" } else { "1.3" },
                    if resumes { "resumed" } else { "full" }
                );
                // what the scene says it is, it must be: all full, or all but the first of each peer
                let wrong = if resumes {
                    counts.full > peers.len() as u64
                } else {
                    counts.resumed > 0
                };
                assert!(!wrong, "{what}: {counts:?}");
                for peer in &turns {
                    scene.row(peer.kind.name(), &what, "us", peer.of(|sample| sample.p50_us));
                }
                let p50 = |kind| find(&turns, kind).map(|turns| turns.of(|sample| sample.p50_us));
                if let (Some(bare), Some(api)) = (p50(Kind::Bare), p50(Kind::Api)) {
                    scene.target(
                        &format!("api against bare hyper, {what}"),
                        Figure::ratio(&api, &bare),
                        Limit::AtMost(1.10),
                    );
                }
            }
        }
    }
    scene
}
