//! A start with many organisations, whose keys are encrypted.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use kaspi_direct::app::App;
use kaspi_direct::config::Environment;
use kaspi_direct::registry::MerchantState;
use kaspi_direct::sandbox::pki::KeyKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Plan;
use crate::child::{Child, Core, has, pinned};
use crate::figures::Figure;
use crate::load::say;
use crate::peers::create_ours;
use crate::report::{Limit, Scene};
use crate::world::{PASSWORD, World};

const OPENSSL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/benches/side_by_side/scenes/openssl_start.c"
);

pub(super) fn play(plan: &Plan) -> Scene {
    let mut scene = Scene::new(
        "start",
        "100 P-256 keys, each file encrypted anew: AES-256, PBKDF2, 2,048 rounds",
    );
    let world = World::with_identities(KeyKind::P256, 100);
    let server = world.server(false);
    let openssl = match openssl(world.folder()) {
        Ok(program) => Some(program),
        Err(why) => {
            scene.skip(why);
            None
        }
    };
    for count in [plan.many(1_000, 50), plan.many(10_000, 100)] {
        let config = world.configure(&format!("of-{count}"), server.port, count, true);
        let certs = config.with_file_name("certs");
        let (mut theirs, mut opened, mut first, mut all) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..plan.rounds(7) {
            if let Some(program) = &openssl {
                theirs.push(one_by_one(program, &certs, count));
            }
            let job = Job {
                config: config.clone(),
                count,
            };
            let (_child, said) = Child::role("start", &job, Core::Any);
            let milliseconds = |name: &str| said[name].as_f64().unwrap();
            opened.push(milliseconds("opened"));
            first.push(milliseconds("first"));
            all.push(milliseconds("all"));
        }
        let named = format!("{count} BINs");
        if !theirs.is_empty() {
            scene.row("OpenSSL, one thread", &named, "ms", theirs.clone());
            scene.target(
                &format!("{named}: OpenSSL in one thread against ours, every key opened"),
                Figure::ratio(&theirs, &all),
                Limit::AtLeast(1.8),
            );
        }
        let waits = Figure::ratio(&first, &all);
        scene.row("ours", &format!("{named}, `App::open` returns"), "ms", opened);
        scene.row(
            "ours",
            &format!("{named}, a call for the last BIN is answered"),
            "ms",
            first,
        );
        scene.row("ours", &format!("{named}, every key opened"), "ms", all);
        scene.target(
            &format!("{named}: the answer to that call, as a share of the whole start"),
            waits,
            Limit::AtMost(0.5),
        );
    }
    scene
}

/// The same files, by OpenSSL, one after the other in one thread of one process. In milliseconds.
fn one_by_one(program: &Path, certs: &Path, count: usize) -> f64 {
    let output = pinned(Core::Peers, &program.display().to_string())
        .arg(certs)
        .arg(PASSWORD)
        .output()
        .unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(said["loaded"].as_u64(), Some(count as u64), "{said}");
    said["milliseconds"].as_f64().unwrap()
}

fn openssl(folder: &Path) -> Result<PathBuf, String> {
    let compiler = ["cc", "gcc", "clang"]
        .into_iter()
        .find(|name| has(name))
        .ok_or("OpenSSL: no C compiler is installed")?;
    let program = folder.join("openssl_start");
    let built = Command::new(compiler)
        .args(["-O2", "-o"])
        .arg(&program)
        .arg(OPENSSL)
        .args(["-lssl", "-lcrypto"])
        .output()
        .map_err(|error| error.to_string())?;
    if built.status.success() {
        Ok(program)
    } else {
        Err("OpenSSL: its headers are not installed".to_owned())
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    config: PathBuf,
    count: usize,
}

/// A start, in milliseconds from its beginning.
pub(super) async fn run(job: Job) {
    let began = Instant::now();
    let since = || began.elapsed().as_secs_f64() * 1000.0;
    let app = App::open(&job.config, &Environment::default()).unwrap();
    let opened = since();
    let bins = app.transport().registry().bins();
    create_ours(app.api(), bins[bins.len() - 1]).await.unwrap();
    let first = since();
    let status = app.transport().registry().status();
    let all = since();
    let ready = status
        .iter()
        .filter(|row| row.state == MerchantState::Ready)
        .count();
    assert_eq!(ready, job.count);
    say(&serde_json::json!({"opened": opened, "first": first, "all": all}));
}
