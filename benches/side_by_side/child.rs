//! Other processes: this program again in another role, or another program, on a core of its own.
//!
//! A line goes in, a line comes out; JSON each. A child ends when its standard input does.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{peers, scenes, server, way};

/// The first argument of a process that is not to run scenes.
pub(crate) const ROLE: &str = "--role";

/// Where a process may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Core {
    /// The server's.
    Server,
    /// The one on which peers take turns.
    Peers,
    /// Wherever there is room.
    Any,
}

/// A process that answers lines.
pub(crate) struct Child {
    process: Process,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Child {
    /// This program in a role. Waits until it is ready, and gives what it said then.
    pub(crate) fn role(role: &str, job: &impl Serialize, core: Core) -> (Self, Value) {
        let job = serde_json::to_string(job).unwrap();
        let me = std::env::current_exe().unwrap();
        Self::start(core, &me.display().to_string(), &[ROLE, role, &job])
    }

    /// Another program.
    pub(crate) fn start(core: Core, program: &str, arguments: &[&str]) -> (Self, Value) {
        let mut process = pinned(core, program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("`{program}` does not start: {error}"));
        let mut child = Self {
            input: process.stdin.take(),
            output: BufReader::new(process.stdout.take().unwrap()),
            process,
        };
        let ready = child.hear().unwrap_or_else(|why| panic!("`{program}`: {why}"));
        (child, ready)
    }

    /// Sends a line and waits for the answer.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, question: &impl Serialize) -> T {
        let line = serde_json::to_string(question).unwrap();
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{line}").and_then(|()| input.flush()).unwrap();
        serde_json::from_value(self.hear().unwrap()).unwrap()
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    fn hear(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        serde_json::from_str(&line).map_err(|error| format!("it said `{}`: {error}", line.trim()))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

/// A command that will run on a core, where the machine has two and `taskset`.
pub(crate) fn pinned(core: Core, program: &str) -> Command {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if core == Core::Any || cores < 2 || !has("taskset") {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", if core == Core::Server { "0" } else { "1" }, program]);
    command
}

/// Whether a program is installed.
pub(crate) fn has(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// What a child does.
pub(crate) fn be(role: &str, job: &str) {
    let workers = if role == "start" { 2 } else { 1 };
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            // on a worker, as a program's calls are, and not on the thread that waits for all of it
            let (role, job) = (role.to_owned(), job.to_owned());
            tokio::spawn(async move {
                match role.as_str() {
                    "server" => server::run(serde_json::from_str(&job).unwrap()).await,
                    "way" => way::run(serde_json::from_str(&job).unwrap()).await,
                    "peer" => peers::run(serde_json::from_str(&job).unwrap()).await,
                    other => scenes::run(other, &job).await,
                }
            })
            .await
            .unwrap();
        });
}
