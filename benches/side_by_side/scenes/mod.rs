//! What is measured. A scene starts its server and its peers, lets them take turns, and says what came
//! of it.

mod bins;
mod cold;
mod distance;
mod gateway;
mod handshakes;
mod instructions;
mod memory;
mod old_way;
mod rotation;
mod start;
mod warm;

use std::path::{Path, PathBuf};

use crate::Wanted;
use crate::load::{Round, Sample};
use crate::peers::{self, Kind, Peer, Use};
use crate::report::{Report, Scene};
use crate::world::World;

type Play = fn(&Plan) -> Scene;

/// Every scene, in the order of the table.
pub(crate) const ALL: &[(&str, Play)] = &[
    ("warm", warm::play),
    ("instructions", instructions::play),
    ("old-way", old_way::play),
    ("gateway", gateway::play),
    ("bins", bins::play),
    ("handshakes", handshakes::play),
    ("cold", cold::play),
    ("distance", distance::play),
    ("start", start::play),
    ("memory", memory::play),
    ("rotation", rotation::play),
];

/// How much of everything is taken.
pub(crate) struct Plan {
    pub(crate) quick: bool,
    rounds: Option<usize>,
}

impl Plan {
    /// How often a figure is taken, where nothing else was asked for.
    pub(crate) fn rounds(&self, usual: usize) -> usize {
        match (self.rounds, self.quick) {
            (Some(rounds), _) => rounds,
            (None, true) => 2,
            (None, false) => usual,
        }
    }

    pub(crate) fn round(&self, in_flight: usize, milliseconds: u64) -> Round {
        Round {
            in_flight,
            milliseconds: if self.quick {
                milliseconds / 10
            } else {
                milliseconds
            },
            at_least: 1,
        }
    }

    /// How many of something, or a few where it is only to be seen that figures come out.
    pub(crate) fn many(&self, many: usize, few: usize) -> usize {
        if self.quick { few } else { many }
    }
}

pub(crate) fn play(wanted: &Wanted) -> Report {
    let plan = Plan {
        quick: wanted.quick,
        rounds: wanted.rounds,
    };
    let asked = |name: &str| wanted.scenes.is_empty() || wanted.scenes.iter().any(|scene| scene == name);
    let scenes = ALL
        .iter()
        .filter(|(name, _)| asked(name))
        .map(|(name, play)| {
            eprintln!("{name} ...");
            play(&plan)
        })
        .collect();
    Report {
        version: 1,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        quick: wanted.quick,
        scenes,
    }
}

/// The part of a scene that has to run in a process of its own.
pub(crate) async fn run(role: &str, job: &str) {
    match role {
        "start" => start::run(serde_json::from_str(job).unwrap()).await,
        "memory" => memory::run(serde_json::from_str(job).unwrap()).await,
        "rotation" => rotation::run(serde_json::from_str(job).unwrap()).await,
        "lookup" => bins::run(serde_json::from_str(job).unwrap()).await,
        "gateway" => gateway::run(&serde_json::from_str::<PathBuf>(job).unwrap()).await,
        "first" => distance::run(serde_json::from_str(job).unwrap()).await,
        other => panic!("no role `{other}`"),
    }
}

/// What one peer's rounds came to.
pub(crate) struct Turns {
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<Sample>,
}

impl Turns {
    pub(crate) fn of(&self, figure: impl Fn(&Sample) -> f64) -> Vec<f64> {
        self.samples.iter().map(figure).collect()
    }
}

/// Starts each peer that this machine can start.
pub(crate) fn peers_for(
    kinds: &[Kind],
    world: &World,
    config: &Path,
    port: u16,
    scene: &mut Scene,
) -> Vec<Peer> {
    let mut found = Vec::new();
    for kind in kinds {
        let job = peers::Job {
            kind: *kind,
            folder: world.folder().to_owned(),
            config: config.to_owned(),
            port,
            use_of_bins: Use::First,
        };
        match Peer::start(&job) {
            Ok(peer) => found.push(peer),
            Err(why) => scene.skip(format!("{}: {why}", kind.name())),
        }
    }
    found
}

/// Rounds in turn: forwards, then backwards, so that no peer always comes after the same one. A first
/// round of each, which connects, is not counted.
pub(crate) fn take_turns(peers: &mut [Peer], round: Round, rounds: usize) -> Vec<Turns> {
    let mut turns: Vec<Turns> = peers
        .iter()
        .map(|peer| Turns {
            kind: peer.kind,
            samples: Vec::new(),
        })
        .collect();
    for peer in peers.iter_mut() {
        peer.round(round);
    }
    for number in 0..rounds {
        let mut order: Vec<usize> = (0..peers.len()).collect();
        if number % 2 == 1 {
            order.reverse();
        }
        for place in order {
            turns[place].samples.push(peers[place].round(round));
        }
    }
    turns
}

/// The turns of one kind, where it could take any.
pub(crate) fn find(turns: &[Turns], kind: Kind) -> Option<&Turns> {
    turns.iter().find(|turns| turns.kind == kind)
}
