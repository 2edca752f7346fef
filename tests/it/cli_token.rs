//! Tokens of the gateway's callers: made, hashed, and read back by the configuration.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use kaspi_direct::config::{self, Environment, Verb};
use sha2::{Digest, Sha256};

use super::cli_kit::{Ran, kaspi, run_in};
use super::kit::{FLOWERS, GIFTS, Operator};

fn hash(folder: &Path, arguments: &[&str], token: &[u8]) -> Ran {
    let mut child = kaspi(&[&["token", "hash"], arguments].concat(), folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A refused command line ends the program before it reads.
    let _ = child.stdin.take().unwrap().write_all(token);
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn the_configuration_takes_what_token_new_prints() {
    let operator = Operator::of_two();
    let here = operator.path("");
    let odd_name = r#"back "office" \ Алматы"#;
    let ran = run_in(
        &here,
        &[
            "token", "new", "--name", odd_name, "--bin", GIFTS, "--bin", FLOWERS, "--bin", GIFTS, "--verb",
            "read", "--verb", "admin", "--verb", "read",
        ],
    )
    .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.err, "");
    let (token, section) = ran.out.split_once("\n\n").unwrap();
    assert!(token.starts_with("kaspi_gw_") && token.len() == 52, "{ran:?}");
    assert!(!section.contains(token));

    let file = operator.configure("127.0.0.1:1".parse().unwrap(), "");
    let text = std::fs::read_to_string(&file).unwrap();
    operator.write("kaspi.toml", format!("{text}\n{section}"));
    let config = config::load(&file, &Environment::default()).unwrap();
    let [entry] = config.gateway.tokens.as_slice() else {
        panic!("{:?}", config.gateway.tokens)
    };
    assert_eq!(entry.name, odd_name);
    assert_eq!(entry.sha256.bytes(), Sha256::digest(token).as_slice());
    let bins: Vec<String> = entry.bins.iter().map(ToString::to_string).collect();
    assert_eq!(bins, [GIFTS, FLOWERS]);
    assert_eq!(entry.verbs, [Verb::Read, Verb::Admin]);
}

#[tokio::test]
async fn json_holds_the_token_once_and_no_two_are_alike() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["token", "new", "--name", "a", "--bin", FLOWERS, "-o", "json"];
    let one = run_in(folder.path(), &words).await.json();
    let other = run_in(folder.path(), &words).await.json();
    let token = one["token"].as_str().unwrap();
    assert_ne!(one["token"], other["token"]);
    assert_eq!(one.to_string().matches(token).count(), 1);
    assert_eq!(one["verbs"], serde_json::json!(["create", "refund", "read"]));
    // Whoever keeps the token gets the same lines from it.
    let again = hash(
        folder.path(),
        &["--name", "a", "--bin", FLOWERS, "-o", "json"],
        token.as_bytes(),
    );
    assert_eq!(again.err, "");
    let again = again.json();
    assert_eq!(again["section"], one["section"]);
    assert_eq!(again.get("token"), None);
}

#[tokio::test]
async fn a_token_that_there_is_can_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["--name", "old", "--bin", FLOWERS];
    // What `printf %s` and an editor leave hashes alike.
    let token = &uuid::Uuid::new_v4().simple().to_string();
    let wanted = data_encoding::HEXLOWER.encode(&Sha256::digest(token));
    for end in ["", "\n", "\r\n"] {
        let ran = hash(folder.path(), &words, format!("{token}{end}").as_bytes());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
        assert!(ran.out.contains(&format!("sha256 = \"{wanted}\"")), "{ran:?}");
        assert!(!ran.out.contains(token), "{ran:?}");
    }
    let weak = hash(folder.path(), &words, b"secret-word");
    assert_eq!(weak.code, 0, "{weak:?}");
    assert!(
        weak.err.contains("warning: the token has only 9 different"),
        "{weak:?}"
    );
    assert!(!weak.err.contains("secret-word"), "{weak:?}");

    let long = vec![b'x'; 5000];
    for bad in [&b""[..], b"\n", b"two words", b"two\nlines", b"\xff\xfe", &long] {
        let ran = hash(folder.path(), &[&words[..], &["-o", "json"]].concat(), bad);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert_eq!(ran.json()["error"]["kind"], "bad_token", "{ran:?}");
        assert!(
            !ran.out.contains("words") && !ran.out.contains("lines"),
            "{ran:?}"
        );
    }
}

#[tokio::test]
async fn wrong_use_makes_no_token() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        &["token", "new", "--name", "a"][..],
        &["token", "new", "--bin", FLOWERS],
        &["token", "new", "--name", " ", "--bin", FLOWERS],
        &["token", "new", "--name", "a\nb", "--bin", FLOWERS],
        &["token", "new", "--name", "a", "--bin", "12"],
        &["token", "new", "--name", "a", "--bin", FLOWERS, "--verb", "steal"],
        &[
            "token",
            "hash",
            "--name",
            "a",
            "--bin",
            FLOWERS,
            "the-token-itself",
        ],
    ] {
        let ran = run_in(folder.path(), words).await;
        assert_eq!(ran.code, 2, "{words:?}: {ran:?}");
        assert_eq!(ran.out, "", "{words:?}");
    }
}
