//! Calls that come in over HTTP: the gateway, which writes each down durably, beside the PHP way, which
//! writes nothing down, and beside what its store can do when nothing else is asked of it.

use std::path::{Path, PathBuf};

use kaspi_direct::app::{App, Service};
use kaspi_direct::config::Environment;
use kaspi_direct::gateway::Patience;
use kaspi_direct::sandbox::pki::KeyKind;

use super::{Plan, Turns, find, take_turns};
use crate::figures::Figure;
use crate::load::{heard, say};
use crate::peers::{self, Kind, Peer, Use};
use crate::postgres::Cluster;
use crate::report::{Limit, Scene};
use crate::world::World;

/// What a gateway is measured against in its own store.
const STORES: [(Kind, Kind, &str); 2] = [
    (Kind::GatewaySqlite, Kind::StoreSqlite, "SQLite"),
    (Kind::GatewayPostgres, Kind::StorePostgres, "PostgreSQL"),
];

pub(super) fn play(plan: &Plan) -> Scene {
    let mut scene = Scene::new(
        "gateway",
        "a create asked for over HTTP, written down durably, beside the PHP way and the store alone",
    );
    // what the bank issues: RSA 2048
    let world = World::new(KeyKind::Rsa2048);
    let server = world.server(false);
    // with fsync, as a server is that nobody has told otherwise
    let cluster = Cluster::start("");
    let cast = cast(&world, server.port, cluster.as_ref());
    let mut cast_peers = Vec::new();
    for (kind, place) in cast {
        let job = peers::Job {
            kind,
            folder: world.folder().to_owned(),
            config: place,
            port: server.port,
            use_of_bins: Use::First,
        };
        match Peer::start(&job) {
            Ok(peer) => cast_peers.push(peer),
            Err(why) => scene.skip(format!("{}: {why}", kind.name())),
        }
    }
    if cluster.is_none() {
        scene.skip("PostgreSQL's server binaries are not installed".to_owned());
    }
    for in_flight in [1, 16, 64] {
        let turns = take_turns(&mut cast_peers, plan.round(in_flight, 1000), plan.rounds(9));
        for peer in &turns {
            let name = peer.kind.name();
            let p50 = format!("{in_flight} in flight, p50");
            scene.row(name, &p50, "us", peer.of(|sample| sample.p50_us));
            let calls = format!("{in_flight} in flight, operations");
            scene.row(name, &calls, "per s", peer.of(|sample| sample.per_second));
        }
        beside_php(&mut scene, &turns, in_flight);
        if in_flight > 1 {
            beside_stores(&mut scene, &turns, in_flight);
        }
    }
    scene
}

/// Who takes part, each with its configuration, or with its store's place.
fn cast(world: &World, port: u16, cluster: Option<&Cluster>) -> Vec<(Kind, PathBuf)> {
    let configure = |name: &str, url: &str| {
        let config = world.configure(name, port, 1, true);
        world.keep_books(&config, url);
        config
    };
    let mut cast = vec![
        (
            Kind::GatewaySqlite,
            configure("books-sqlite", "sqlite://books.db"),
        ),
        (Kind::StoreSqlite, world.folder().join("alone.db")),
        (Kind::Payments, configure("payments-sqlite", "sqlite://books.db")),
        (Kind::Php, world.configure("php", port, 1, true)),
    ];
    if let Some(cluster) = cluster {
        let database = || cluster.database();
        cast.extend([
            (Kind::GatewayPostgres, configure("books-postgres", &database())),
            (Kind::StorePostgres, PathBuf::from(database())),
            (
                Kind::PaymentsPostgres,
                configure("payments-postgres", &database()),
            ),
        ]);
    }
    cast
}

fn beside_php(scene: &mut Scene, turns: &[Turns], in_flight: usize) {
    let (Some(php), Some(ours)) = (find(turns, Kind::Php), find(turns, Kind::GatewaySqlite)) else {
        return;
    };
    match in_flight {
        1 => {
            let p50 = |turns: &Turns| turns.of(|sample| sample.p50_us);
            scene.target(
                "the PHP way against the gateway with SQLite, 1 in flight, p50",
                Figure::ratio(&p50(php), &p50(ours)),
                Limit::AtLeast(2.0),
            );
        }
        16 => scene.target(
            "the gateway with SQLite against the PHP way, 16 in flight, operations per second",
            Figure::ratio(&calls(ours), &calls(php)),
            Limit::AtLeast(10.0),
        ),
        _ => {}
    }
}

fn beside_stores(scene: &mut Scene, turns: &[Turns], in_flight: usize) {
    for (gateway, store, name) in STORES {
        if let (Some(gateway), Some(store)) = (find(turns, gateway), find(turns, store)) {
            scene.target(
                &format!("the gateway against {name} alone, {in_flight} in flight, operations per second"),
                Figure::ratio(&calls(gateway), &calls(store)),
                Limit::AtLeast(0.9),
            );
        }
    }
}

fn calls(turns: &Turns) -> Vec<f64> {
    turns.of(|sample| sample.per_second)
}

/// A gateway in a process of its own, with all that `kaspi serve` does beside; it ends with its input.
pub(super) async fn run(config: &Path) {
    let app = App::open(config, &Environment::default()).unwrap();
    let gateway = app.gateway(Patience::default()).unwrap();
    let listening = gateway
        .listen(Some("127.0.0.1:0".parse().unwrap()))
        .await
        .unwrap();
    let address = listening.address();
    let service = Service::start(app, &[address]).await.unwrap();
    let serving = listening.serve(async move {
        let waiting = tokio::task::spawn_blocking(move || {
            say(&serde_json::json!({"port": address.port()}));
            while heard().is_some() {}
        });
        waiting.await.unwrap();
    });
    serving.await;
    service.stop().await;
}
