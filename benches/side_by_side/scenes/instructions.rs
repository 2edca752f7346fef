//! What a warm call costs in instructions, which no other program on the machine can change.

use std::path::Path;
use std::process::Command;

use kaspi_direct::sandbox::pki::KeyKind;

use super::Plan;
use crate::child::{Child, Core, ROLE, has};
use crate::figures::Figure;
use crate::load::{Round, Sample};
use crate::peers::{Job, Kind, Use};
use crate::report::{Limit, Scene};
use crate::world::World;

const KINDS: &[Kind] = &[Kind::Bare, Kind::Transport, Kind::Api, Kind::Payments];

pub(super) fn play(plan: &Plan) -> Scene {
    let mut scene = Scene::new(
        "instructions",
        "a warm create, 1 in flight: instructions of the client, by callgrind",
    );
    if !has("callgrind_control") {
        scene.skip("`valgrind` is not installed".to_owned());
        return scene;
    }
    let world = World::new(KeyKind::P256);
    let server = world.server(false);
    let config = world.configure("one", server.port, 1, false);
    let calls = plan.many(1_000, 50);
    let mut each = Vec::new();
    for kind in KINDS {
        let job = Job {
            kind: *kind,
            folder: world.folder().to_owned(),
            config: config.clone(),
            port: server.port,
            use_of_bins: Use::First,
        };
        let value = instructions(&job, calls) / calls as f64;
        scene.row(kind.name(), "a call", "instructions", vec![value]);
        each.push(value);
    }
    scene.target(
        "api against bare hyper, instructions of a call",
        Figure::of(vec![each[2] / each[0]]),
        Limit::AtMost(1.25),
    );
    scene
}

/// Of so many calls over a connection that is open. The profile stays beside the report, for
/// `callgrind_annotate`.
fn instructions(job: &Job, calls: usize) -> f64 {
    let folder = crate::report::folder();
    std::fs::create_dir_all(&folder).unwrap();
    let name = job.kind.name().replace([' ', ':'], "");
    let out = folder.join(format!("callgrind.{name}"));
    // where a dump goes that was asked for
    let dump = folder.join(format!("callgrind.{name}.1"));
    let _ = std::fs::remove_file(&dump);
    let option = format!("--callgrind-out-file={}", out.display());
    let me = std::env::current_exe().unwrap().display().to_string();
    let job = serde_json::to_string(job).unwrap();
    let arguments = ["--quiet", "--tool=callgrind", &option, &me, ROLE, "peer", &job];
    let (mut child, _) = Child::start(Core::Any, "valgrind", &arguments);
    let mut round = Round {
        in_flight: 1,
        milliseconds: 0,
        at_least: 50,
    };
    let _: Sample = child.ask(&round);
    control("--zero", &child);
    round.at_least = calls;
    let sample: Sample = child.ask(&round);
    assert_eq!((sample.calls, sample.failed), (calls, 0), "{:?}", sample.why);
    control("--dump", &child);
    total(&dump)
}

fn control(what: &str, child: &Child) {
    let done = Command::new("callgrind_control")
        .args([what, &child.id().to_string()])
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

fn total(profile: &Path) -> f64 {
    let text = std::fs::read_to_string(profile).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")))
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or_else(|| panic!("`{}` has no total", profile.display()))
}
