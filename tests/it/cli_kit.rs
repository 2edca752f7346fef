//! The program as its users run it: a process, its two outputs, its exit code.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use kaspi_direct::sandbox::pki::KeyKind;
use kaspi_direct::sandbox::{Options, Sandbox, layout};
use serde_json::Value;
use tempfile::TempDir;

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The program, without this process's environment.
pub fn kaspi(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kaspi"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .stdin(Stdio::null());
    command
}

/// A run of the program that goes on until it is stopped, and the line with which it said that it is ready.
pub struct Running {
    child: Child,
    pub ready: Value,
    said: tempfile::NamedTempFile,
    out: Mutex<BufReader<ChildStdout>>,
}

impl Running {
    pub fn start(arguments: &[&str], folder: &Path) -> Self {
        Self::of(kaspi(arguments, folder))
    }

    /// Any command that becomes the program.
    pub fn of(mut command: Command) -> Self {
        let said = tempfile::NamedTempFile::new().unwrap();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(File::create(said.path()).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| {
            let _ = child.kill();
            let said = std::fs::read_to_string(said.path()).unwrap();
            panic!("{error}: `{line}` {said}")
        });
        Self {
            child,
            ready,
            said,
            out: Mutex::new(out),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of JSON that it prints.
    pub fn next_line(&self) -> Value {
        let mut line = String::new();
        self.out.lock().unwrap().read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}` {}", self.said()))
    }

    /// What it has written to standard error so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.said.path()).unwrap()
    }

    pub fn signal(&self, name: &str) {
        let asked = Command::new("sh")
            .args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(asked.success());
    }

    /// Asks it to stop, as an operator does, and gives its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.wait().unwrap().code()
    }

    /// Waits until it ends by itself, and gives its exit code.
    pub fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Ends it as a loss of power does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder made by `kaspi sandbox init`, and the simulated Kaspi for it.
pub struct Scene {
    folder: TempDir,
    pub sandbox: Sandbox,
}

impl Scene {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let init = layout::Init {
            keys: KeyKind::P256,
            ..layout::Init::default()
        };
        layout::init(folder.path(), &init).unwrap();
        let sandbox = Sandbox::start(Options::from_dir(folder.path()).unwrap())
            .await
            .unwrap();
        Self { folder, sandbox }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program in the folder, which is where it finds its `kaspi.toml`.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        run_in(self.folder.path(), arguments).await
    }
}

pub async fn run_in(folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = kaspi(arguments, folder);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// What was typed and what was printed, without what differs between runs.
#[derive(Default)]
pub struct Transcript {
    text: String,
    names: Vec<(String, &'static str)>,
}

impl Transcript {
    /// A value that is told by a name.
    pub fn name(&mut self, value: impl ToString, name: &'static str) {
        self.names.push((value.to_string(), name));
    }

    pub fn add(&mut self, arguments: &[&str], ran: &Ran) {
        let quoted: Vec<String> = arguments
            .iter()
            .map(|word| {
                if word.contains(' ') || word.is_empty() {
                    format!("'{word}'")
                } else {
                    (*word).to_owned()
                }
            })
            .collect();
        self.text.push_str(&format!("$ kaspi {}\n", quoted.join(" ")));
        for line in ran.out.lines() {
            match serde_json::from_str::<Value>(line) {
                Ok(json) if json.is_object() || json.is_array() => {
                    self.text.push_str(&serde_json::to_string_pretty(&json).unwrap());
                    self.text.push('\n');
                }
                _ => self.text.push_str(&format!("{line}\n")),
            }
        }
        for line in ran.err.lines() {
            self.text.push_str(&format!("2> {line}\n"));
        }
        self.text.push_str(&format!("exit {}\n\n", ran.code));
    }

    pub fn finish(&self) -> String {
        let mut text = self.text.clone();
        for (value, name) in &self.names {
            text = text.replace(value, name);
        }
        redacted(&text)
    }
}

/// A text without fingerprints, UUIDs, serial numbers, dates and ports.
pub fn redacted(text: &str) -> String {
    let mut result = String::new();
    let mut word = String::new();
    for character in text.chars().chain(['\n']) {
        if character.is_ascii_alphanumeric() || "-:.+".contains(character) {
            word.push(character);
            continue;
        }
        result.push_str(&told(&word));
        word.clear();
        result.push(character);
    }
    result.pop();
    let mut parts = result.split("O=Sandbox ");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // each authority has a mark of its own in its name; the shops are called `Sandbox Shop`
        let rest = if part.starts_with("Shop") {
            part
        } else {
            &part[8..]
        };
        let mark = if part.starts_with("Shop") { "" } else { "MARK" };
        whole.push_str(&format!("O=Sandbox {mark}{rest}"));
    }
    whole
}

fn told(word: &str) -> String {
    let hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bare = word.trim_end_matches([':', '.']);
    if word.len() == 64 && hex {
        "SHA256".to_owned()
    } else if (30..=40).contains(&word.len()) && hex {
        "SERIAL".to_owned()
    } else if bare.len() == 36 && uuid::Uuid::parse_str(bare).is_ok() {
        word.replace(bare, "UUID")
    } else if (13..=18).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_digit()) {
        word.replace(bare, "NUMBER")
    } else if word.len() >= 10 && date(&word.as_bytes()[..10]) {
        "DATE".to_owned()
    } else if let Some((ip, port)) = bare.rsplit_once(':')
        && ip == "127.0.0.1"
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        word.replace(port, "PORT")
    } else {
        word.to_owned()
    }
}

fn date(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    })
}
