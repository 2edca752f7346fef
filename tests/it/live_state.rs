//! `kaspi serve` and the socket at which it tells what it serves.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use kaspi_direct::app::live::{LiveState, MerchantReport, ask_for_rescan, ask_for_state};
use kaspi_direct::sandbox::layout;
use kaspi_direct::sandbox::pki::KeyKind;
use serde_json::{Value, json};

use super::cert_kit::{Bank, OWNER};
use super::cli_kit::{Running, kaspi, run_in};
use super::kit::{GIFTS, has_program, in_time};

pub const SERVE: &[&str] = &["serve", "-o", "json", "--listen", "127.0.0.1:0"];

impl Bank {
    pub fn serve(&self) -> Running {
        Running::start(SERVE, &self.scene.path(""))
    }

    pub fn state_dir(&self) -> PathBuf {
        self.scene.path("state")
    }

    /// What the running program serves; there must be one.
    pub async fn live(&self) -> LiveState {
        ask_for_state(&self.state_dir()).await.unwrap().unwrap()
    }

    pub async fn listed(&self, bin: &str) -> Value {
        let rows = self.run(&["merchants", "list", "-o", "json"]).await.json();
        let mut rows = rows.as_array().unwrap().iter();
        rows.find(|row| row["bin"] == bin).unwrap().clone()
    }
}

pub fn row<'a>(state: &'a LiveState, bin: &str) -> &'a MerchantReport {
    let mut rows = state.merchants.iter();
    rows.find(|row| row.bin.to_string() == bin).unwrap()
}

/// Waits until the running program is as wanted.
async fn until_live(state_dir: &Path, what: impl Fn(&LiveState) -> bool) -> LiveState {
    in_time(async {
        loop {
            let state = ask_for_state(state_dir).await.unwrap().unwrap();
            if what(&state) {
                return state;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_program_tells_what_it_serves_and_stops_when_asked() {
    let bank = Bank::open().await;
    let from_files = bank.listed(OWNER).await;
    assert_eq!(from_files["source"], "files");
    let served = bank.serve();
    let socket = bank.state_dir().join("kaspi.sock");
    assert_eq!(
        served.ready,
        json!({"listen": served.ready["listen"], "state_socket": fs::canonicalize(&socket).unwrap()})
    );
    assert!(served.ready["listen"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(fs::metadata(bank.state_dir()).unwrap().mode() & 0o7777, 0o700);
    assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o7777, 0o600);

    let state = bank.live().await;
    assert_eq!(state.process_id, served.pid());
    assert_eq!(Path::new(&state.config_file), bank.scene.path("kaspi.toml"));
    assert_eq!(state.rotation.degraded, None);
    let told = serde_json::to_string(&state).unwrap();
    let description: toml::Table = fs::read_to_string(bank.folder_of(OWNER).join("merchant.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let password = fs::read_to_string(bank.folder_of(OWNER).join("password")).unwrap();
    for secret in [description["device_token"].as_str().unwrap(), password.trim()] {
        assert!(!told.contains(secret));
    }
    let live = bank.listed(OWNER).await;
    assert_eq!(live["source"], "live");
    assert_eq!(live["generation"], 1);
    for name in [
        "name",
        "state",
        "identity",
        "certificate_sha256",
        "not_after",
        "route",
    ] {
        assert_eq!(live[name], from_files[name], "{name}");
    }

    // The files go bad; what is served does not, and both are told.
    fs::write(bank.folder_of(GIFTS).join("certificate.cer"), "no certificate\n").unwrap();
    let state = until_live(&bank.state_dir(), |state| {
        row(state, GIFTS).files.standing_error().is_some()
    })
    .await;
    assert_eq!(row(&state, GIFTS).state, "ready");
    let shown = bank
        .run(&["merchants", "show", "--bin", GIFTS, "-o", "json"])
        .await
        .json();
    assert_eq!(shown["source"], "live");
    assert_eq!(shown["state"], "ready");
    assert_eq!(
        shown["certificate_sha256"],
        row(&state, GIFTS).certificate_sha256().unwrap()
    );
    assert_eq!(shown["files"]["last_error"]["kind"], "wrong_form");
    assert_eq!(shown["files"]["last_error"]["stands"], true);
    let text = bank.run(&["merchants", "list"]).await;
    assert!(
        text.out.ends_with(&format!(
            "live: as the gateway (process {}) serves it\n",
            served.pid()
        )),
        "{text:?}"
    );

    assert_eq!(served.stop(), Some(0));
    assert!(!socket.exists());
    let alone = bank.run(&["merchants", "list", "-o", "json"]).await;
    assert_eq!(alone.err, "");
    assert_eq!(bank.listed(GIFTS).await["state"], "broken");
    assert_eq!(bank.listed(GIFTS).await["source"], "files");
    let text = bank.run(&["merchants", "list"]).await;
    assert!(text.out.ends_with("from files only\n"), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_the_folders_again_and_an_interrupt_ends_it() {
    let bank = Bank::open().await;
    let served = bank.serve();
    let before = bank.live().await.rotation.last_rescan;
    served.signal("HUP");
    until_live(&bank.state_dir(), |state| state.rotation.last_rescan > before).await;
    assert!(served.said().contains("SIGHUP"), "{}", served.said());

    // whoever asks for a rescan has it when the answer comes
    let description = bank.folder_of(OWNER).join("merchant.toml");
    let text = fs::read_to_string(&description)
        .unwrap()
        .replace("Flower shop", "Renamed");
    fs::write(&description, text).unwrap();
    let state = ask_for_rescan(&bank.state_dir()).await.unwrap().unwrap();
    assert_eq!(row(&state, OWNER).name, "Renamed");

    served.signal("INT");
    in_time(async {
        while ask_for_state(&bank.state_dir()).await.unwrap_or(None).is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(served.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_state_folder_has_one_program_and_a_killed_one_leaves_nothing_to_clean_up() {
    let bank = Bank::open().await;
    let first = bank.serve();
    let second = bank.run(SERVE).await;
    assert_eq!(second.code, 3, "{second:?}");
    let error = &second.json()["error"];
    assert_eq!(error["kind"], "already_running");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.starts_with(&format!("process {} serves with the state folder", first.pid())),
        "{message}"
    );
    assert_eq!(message.matches("process ").count(), 2, "{message}");
    assert_eq!(bank.live().await.process_id, first.pid());

    first.kill();
    assert!(bank.state_dir().join("kaspi.sock").exists());
    assert_eq!(bank.listed(OWNER).await["source"], "files");
    let third = bank.serve();
    assert_eq!(bank.live().await.process_id, third.pid());
    assert_eq!(third.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_nonsense_is_told_so_and_harms_nobody() {
    let bank = Bank::open().await;
    let served = bank.serve();
    let socket = bank.state_dir().join("kaspi.sock");
    let asked = |question: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // one that asks too much is cut off in the middle
        let _ = stream.write_all(question);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        serde_json::from_slice::<Value>(&answer).unwrap_or_default()
    };
    for garbage in [
        &b"hello\n"[..],
        b"{\"ask\":\"restart\"}\n",
        b"{}\n",
        b"\xff\xfe\n",
        b"[[[[[[[[\n",
    ] {
        let answer = asked(garbage);
        assert_eq!(answer["version"], 1, "{garbage:?}");
        assert_eq!(answer["error"]["kind"], "bad_question", "{garbage:?}");
    }
    assert_eq!(
        asked(b"{\"ask\":\"state\",\"later\":1}\n")["state"]["process_id"],
        served.pid()
    );
    asked(&vec![b' '; 1 << 20]);
    // more of those who say nothing than are served at one time
    let silent: Vec<UnixStream> = (0..64).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    drop(UnixStream::connect(&socket).unwrap());
    let state = in_time(async {
        loop {
            if let Ok(Some(state)) = ask_for_state(&bank.state_dir()).await {
                return state;
            }
        }
    })
    .await;
    assert_eq!(state.process_id, served.pid());
    drop(silent);
    assert_eq!(bank.live().await.process_id, served.pid());
    assert_eq!(served.stop(), Some(0));
}

/// The folder of a longer path than a socket's address has room for.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_path_to_the_state_folder_is_no_obstacle() {
    let bank = Bank::open().await;
    let long = "a".repeat(120);
    set_state_dir(&bank.scene.path("kaspi.toml"), &long);
    let served = bank.serve();
    let state = ask_for_state(&bank.scene.path(&long)).await.unwrap().unwrap();
    assert_eq!(state.process_id, served.pid());
    assert_eq!(bank.listed(OWNER).await["source"], "live");
    assert_eq!(served.stop(), Some(0));
}

pub fn set_state_dir(file: &Path, state_dir: &str) {
    let text = fs::read_to_string(file).unwrap();
    fs::write(file, format!("state_dir = \"{state_dir}\"\n{text}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_another_configuration_is_not_taken_for_this_one() {
    let bank = Bank::open().await;
    let served = bank.serve();
    let other = bank.scene.path("other");
    let init = layout::Init {
        keys: KeyKind::P256,
        ..layout::Init::default()
    };
    layout::init(&other, &init).unwrap();
    let file = other.join("kaspi.toml");
    let address = bank.scene.sandbox.address().to_string();
    let text = fs::read_to_string(&file)
        .unwrap()
        .replace("127.0.0.1:0", &address);
    fs::write(&file, text).unwrap();
    set_state_dir(&file, bank.state_dir().to_str().unwrap());

    let ran = run_in(&other, &["merchants", "list", "-o", "json"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()[0]["source"], "files");
    let names = [
        bank.scene.path("kaspi.toml"),
        other.join("kaspi.toml"),
        other.join("certs"),
    ];
    assert!(
        names.iter().all(|path| ran.err.contains(path.to_str().unwrap())),
        "{ran:?}"
    );
    let new = bank.delivers("new", &[OWNER]);
    let install = super::cert_kit::install(OWNER, &new, &["--no-canary"]);
    let ran = run_in(&other, &install).await;
    assert_eq!(super::cert_kit::refused(&ran).0, 3, "{ran:?}");
    assert_eq!(super::cert_kit::refused(&ran).1, "other_gateway");
    assert!(!other.join("certs").join(OWNER).join("current").exists());
    assert_eq!(served.stop(), Some(0));
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Whether tests can act as somebody else.
fn has_other_users() -> bool {
    if !is_root() {
        println!("skipped: only root can act as another user");
    }
    is_root() && has_program("setpriv")
}

/// The program as the user `nobody`, who may not see where it was built.
fn as_nobody(arguments: &[&str], folder: &Path) -> Command {
    let program = folder.join("program");
    if !program.exists() {
        fs::copy(kaspi(&[], folder).get_program(), &program).unwrap();
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program)
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder);
    command
}

fn hand_over(folder: &Path, user: u32) {
    std::os::unix::fs::chown(folder, Some(user), Some(user)).unwrap();
    if folder.is_dir() {
        for entry in fs::read_dir(folder).unwrap() {
            hand_over(&entry.unwrap().path(), user);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_gets_no_answer_and_is_told_why() {
    if !has_other_users() {
        return;
    }
    let bank = Bank::open().await;
    let folder = bank.scene.path("");
    let config = folder.join("kaspi.toml");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(folder.join("certs"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let served = bank.serve();
    let words = [
        "--config",
        config.to_str().unwrap(),
        "merchants",
        "list",
        "-o",
        "json",
    ];
    let told = || {
        let output = as_nobody(&words, &folder).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let said = told();
    assert!(said.contains("kaspi.sock` belongs to another user"), "{said}");
    assert!(said.contains("from files only"), "{said}");

    // Should somebody open the way, the program still looks who comes.
    fs::set_permissions(bank.state_dir(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(
        bank.state_dir().join("kaspi.sock"),
        fs::Permissions::from_mode(0o666),
    )
    .unwrap();
    let said = told();
    assert!(said.contains("user 65534 may not ask here"), "{said}");
    assert_eq!(served.stop(), Some(0));
}

/// The mode of a key alone makes a change. Root reads every key, and may ask the gateway of another user.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_becomes_readable_is_taken_up() {
    if is_root() && !has_program("setpriv") {
        return;
    }
    let bank = Bank::open().await;
    let folder = bank.scene.path("");
    let key = bank.folder_of(OWNER).join("private.key");
    let config = folder.join("kaspi.toml").to_str().unwrap().to_owned();
    let words = [&["--config", &config], SERVE].concat();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o000)).unwrap();
    let command = match is_root() {
        true => {
            hand_over(&folder, 65534);
            as_nobody(&words, &folder)
        }
        false => kaspi(&words, &folder),
    };
    let served = Running::of(command);
    let state = bank.live().await;
    assert_eq!(row(&state, OWNER).state, "broken");
    assert_eq!(
        row(&state, OWNER).problem.as_ref().unwrap().kind,
        "file_unreadable"
    );

    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let state = until_live(&bank.state_dir(), |state| row(state, OWNER).state == "ready").await;
    let generation = row(&state, OWNER).generation;
    // a mode that changes nothing makes no new generation
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    let state = ask_for_rescan(&bank.state_dir()).await.unwrap().unwrap();
    assert_eq!(row(&state, OWNER).generation, generation);
    assert_eq!(served.stop(), Some(0));
}
