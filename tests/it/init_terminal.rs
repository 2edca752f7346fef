//! `kaspi init` at a terminal, where it asks.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::cli_kit::{Ran, kaspi};
use super::init_kit::{Letter, PASSWORD, after, reached_the_bank};
use super::kit::{FLOWERS, has_program};

/// Every answer typed, the password mistyped once and shown never.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_answers_at_a_terminal() {
    if !has_program("python3") {
        return;
    }
    let letter = Letter::arrives().await;
    let second = letter.authority.client(&[FLOWERS]).unwrap();
    letter.put("second.key", second.key_pem());
    let answers = json!([
        {"after": "which of them: ", "type": "3"},
        {"after": "a number from 1 to 2", "type": "1"},
        {"after": "(not shown): ", "type": "mistyped example", "unseen": true},
        {"after": "that is not the password", "type": PASSWORD, "unseen": true},
        {"after": &format!("BIN, 12 digits [{FLOWERS}]: "), "type": "89102735051"},
        {"after": "a BIN has 12 digits", "type": ""},
        {"after": "[https://qrapi-cert-ip.kaspi.kz/r3]: ", "type": "Цветы"},
        {"after": "this is no URL", "type": &letter.address},
        {"after": "kbs_ca.crt for Kaspi's server", "type": ""},
        {"after": "trade point", "type": "385716"},
        {"after": "device token", "type": "", "unseen": true},
        {"after": "name for people", "type": "Цветы"},
    ]);
    let program = kaspi(&["init", "letter", "--dir", "shop"], &letter.folder);
    let ran = at_a_terminal(program, &answers).await;
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert!(
        !ran.out.contains(PASSWORD) && !ran.out.contains("mistyped"),
        "{}",
        ran.out
    );
    assert!(
        ran.out
            .contains("found `letter/own.key`: an encrypted PKCS#8 private key"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("--trade-point 385716"), "{}", ran.out);
    let report = after(&letter, &["doctor", "-o", "json"]).await;
    reached_the_bank(&report);
    let shown = after(&letter, &["merchants", "list", "-o", "json"]).await;
    assert_eq!(shown[0]["name"], "Цветы");
}

/// Runs the program at a terminal and types these answers.
async fn at_a_terminal(program: Command, answers: &Value) -> Ran {
    let mut command = Command::new("python3");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/terminal.py"))
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(program.get_current_dir().unwrap())
        .env("HOME", program.get_current_dir().unwrap())
        .env_remove("KASPI_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let answers = answers.to_string();
    tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    })
    .await
    .unwrap()
}
