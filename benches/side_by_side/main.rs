//! The product beside what people would otherwise use, on one machine, in one run.
//!
//! `cargo bench --bench side_by_side` runs every scene, prints a table and writes
//! `target/bench/side_by_side.json`. `-- --scene NAME` (again and again) picks scenes, `-- --rounds N` sets
//! how often each figure is taken, `-- --quick` takes little of everything, only to see that figures come
//! out. `-- --table FILE` prints the table of an earlier run, and `-- --document FILE` puts it into
//! `docs/performance.md`.
//!
//! The server is a process of its own on a core of its own; so is each peer, on the other core, and it
//! waits while others work. Peers take turns in short rounds, in alternating order, so that what else
//! the machine does meets all of them. What is compared are ratios of one round, and their median.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::exit,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a measurement that goes wrong is to stop, loudly; what it prints is its purpose"
)]

mod child;
mod figures;
mod load;
mod peers;
#[allow(unreachable_pub, reason = "the tests' own file")]
#[path = "../../tests/it/postgres.rs"]
mod postgres;
mod report;
mod scenes;
mod server;
mod way;
mod world;

use std::path::PathBuf;

/// What the command line asks for.
struct Wanted {
    scenes: Vec<String>,
    quick: bool,
    rounds: Option<usize>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, role, job] = arguments.as_slice()
        && first == child::ROLE
    {
        return child::be(role, job);
    }
    let mut wanted = Wanted {
        scenes: Vec::new(),
        quick: false,
        rounds: None,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || {
            rest.next()
                .unwrap_or_else(|| stop(&format!("`{argument}` wants a value")))
        };
        match argument.as_str() {
            // cargo's own
            "--bench" => {}
            "--quick" => wanted.quick = true,
            "--scene" => wanted.scenes.push(value().clone()),
            "--rounds" => {
                let rounds = value().parse().ok().filter(|rounds| *rounds > 0);
                wanted.rounds = Some(rounds.unwrap_or_else(|| stop("`--rounds` wants a number above 0")));
            }
            "--table" => {
                return print!("{}", report::table(&report::read(&PathBuf::from(value()))));
            }
            "--document" => return report::document(&report::read(&PathBuf::from(value()))),
            other => stop(&format!(
                "unknown: `{other}`; there are --scene NAME, --rounds N, --quick, --table FILE and --document FILE"
            )),
        }
    }
    for name in &wanted.scenes {
        if !scenes::ALL.iter().any(|(known, _)| known == name) {
            let known: Vec<&str> = scenes::ALL.iter().map(|(name, _)| *name).collect();
            stop(&format!("no scene `{name}`; there are {}", known.join(", ")));
        }
    }
    let report = scenes::play(&wanted);
    print!("{}", report::table(&report));
    println!("\nwritten to {}", report::write(&report).display());
}

fn stop(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(2)
}
