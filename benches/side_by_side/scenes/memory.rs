//! What an organisation costs in memory that is resident, beside the least that it can.

use std::path::PathBuf;

use kaspi_direct::app::App;
use kaspi_direct::config::Environment;
use kaspi_direct::sandbox::pki::KeyKind;
use serde::{Deserialize, Serialize};

use super::Plan;
use crate::child::{Child, Core};
use crate::figures::Figure;
use crate::load::say;
use crate::peers::{BareShared, bare_client, call_bare, create_ours};
use crate::report::{Limit, Scene};
use crate::world::{World, bins};

pub(super) fn play(plan: &Plan) -> Scene {
    let mut scene = Scene::new(
        "memory",
        "resident memory for each BIN: a large process less a small one",
    );
    let world = World::with_identities(KeyKind::P256, 100);
    let server = world.server(false);
    let (few, many) = (plan.many(500, 20), plan.many(10_000, 120));
    let warm = plan.many(4_500, 100);
    for (calls, sizes, what) in [(false, (few, many), "idle"), (true, (few, warm), "warm")] {
        let small = world.configure(&format!("few-{what}"), server.port, sizes.0, false);
        let large = world.configure(&format!("many-{what}"), server.port, sizes.1, false);
        let resident = |config: &PathBuf, count: usize, ours: bool| {
            let job = Job {
                folder: world.folder().to_owned(),
                config: config.clone(),
                port: server.port,
                count,
                ours,
                calls,
            };
            let (_child, said) = Child::role("memory", &job, Core::Peers);
            said.as_f64().unwrap()
        };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..plan.rounds(3) {
            for (values, is_ours) in [(&mut ours, true), (&mut theirs, false)] {
                let difference = resident(&large, sizes.1, is_ours) - resident(&small, sizes.0, is_ours);
                values.push(difference / (sizes.1 - sizes.0) as f64);
            }
        }
        let limit = Limit::AtMost(1.5);
        scene.target(
            &format!("{what} BIN: ours against a bare `ClientConfig` and client"),
            Figure::ratio(&ours, &theirs),
            limit,
        );
        scene.row("ours", &format!("{what} BIN"), "kB", ours);
        scene.row(
            "bare `ClientConfig` and hyper client",
            &format!("{what} BIN"),
            "kB",
            theirs,
        );
    }
    scene
}

#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    folder: PathBuf,
    config: PathBuf,
    port: u16,
    count: usize,
    ours: bool,
    calls: bool,
}

pub(super) async fn run(job: Job) {
    let bins = bins(job.count);
    if job.ours {
        let app = App::open(&job.config, &Environment::default()).unwrap();
        for bin in bins {
            if job.calls {
                create_ours(app.api(), bin).await.unwrap();
            } else {
                app.transport().channel(Some(bin)).unwrap();
            }
        }
        say(&serde_json::json!(resident_kb()));
        drop(app);
        return;
    }
    let shared = BareShared::new(&job.folder);
    let certs = job.config.with_file_name("certs");
    let url = format!("https://127.0.0.1:{}/r3/v01/remote/create", job.port);
    let mut clients = Vec::new();
    for bin in bins {
        let home = certs.join(bin.to_string());
        let config = shared.config(&home.join("certificate.cer"), &home.join("private.key"));
        let client = bare_client(config);
        if job.calls {
            call_bare(&client, &url, &bin.to_string()).await.unwrap();
        }
        clients.push(client);
    }
    say(&serde_json::json!(resident_kb()));
    drop(clients);
}

fn resident_kb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap()
}
