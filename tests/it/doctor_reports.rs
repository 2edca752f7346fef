//! `kaspi doctor` as it is read: by people, and by programs. Network causes; servers of our own, so that
//! every fact of the report is the same each time.

use std::net::SocketAddr;
use std::path::PathBuf;

use kaspi_direct::sandbox::pki::Authority;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::cli_kit::{Ran, redacted, run_in};
use super::doctor_sockets::{Manner, SHORT, listener, proxy};
use super::kit::{FLOWERS, Operator, authority, stranger};
use super::server::{Auth, Server, Setup};

/// An operator's folder under a path of a length that is always the same, since texts are wrapped.
struct Desk {
    operator: Operator,
    foreign: Authority,
    _alias: TempDir,
    folder: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let operator = Operator::new();
        operator.add(FLOWERS);
        let alias = tempfile::Builder::new()
            .prefix("doctor")
            .rand_bytes(6)
            .tempdir_in("/tmp")
            .unwrap();
        let folder = alias.path().join("o");
        std::os::unix::fs::symlink(operator.path(""), &folder).unwrap();
        Self {
            operator,
            foreign: authority(),
            _alias: alias,
            folder,
        }
    }

    async fn run(&self, server: SocketAddr, more: &str, options: &[&str]) -> Ran {
        self.operator.configure(server, more);
        let file = self.folder.join("kaspi.toml");
        let arguments = [
            &["--config", file.to_str().unwrap(), "doctor", "--bin", FLOWERS],
            options,
        ]
        .concat();
        run_in(&self.folder, &arguments).await
    }

    /// The text of a run, without what differs from one to the next.
    async fn text(&self, server: SocketAddr, more: &str, options: &[&str]) -> String {
        let ran = self.run(server, more, options).await;
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(!ran.out.contains('\u{1b}'), "colour without a terminal: {ran:?}");
        for line in ran.out.lines() {
            assert!(line.chars().count() <= 100, "wider than the page: {line}");
        }
        let mut text = String::new();
        for line in redacted(&self.without_names(&ran.out)).lines() {
            text.push_str(&without_number(&without_time(line), " days)"));
            text.push('\n');
        }
        for line in ran.err.lines() {
            text.push_str(&format!("2> {line}\n"));
        }
        text
    }

    /// The JSON of a run, likewise: the stages that ask the network, and what is said of the whole.
    async fn json(&self, server: SocketAddr, more: &str) -> String {
        let ran = self.run(server, more, &["-o", "json"]).await;
        assert_eq!(ran.code, 1, "{ran:?}");
        let mut report = ran.json();
        assert_eq!(report["version"], 1);
        let stages = report["stages"].as_array_mut().unwrap();
        assert_eq!(stages.len(), 10);
        stages.drain(..5);
        without_times(&mut report);
        redacted(&self.without_names(&serde_json::to_string_pretty(&report).unwrap()))
    }

    /// Without folders, and without the marks of authorities, which wrapped text may tear from their names.
    fn without_names(&self, text: &str) -> String {
        let own = self.operator.path("");
        let mut text = text
            .replace(&*self.folder.to_string_lossy(), "DIR")
            .replace(own.to_string_lossy().trim_end_matches('/'), "DIR");
        for authority in [&self.operator.authority, &self.foreign] {
            text = text.replace(&mark(authority), "MARKMARK");
        }
        text
    }
}

/// What tells one authority's names from another's.
fn mark(authority: &Authority) -> String {
    let [root, _] = authority.anchors();
    let subject = kaspi_direct::identity::certificate_facts(&root).unwrap().subject;
    let (_, mark) = subject.split_once("O=Sandbox ").unwrap();
    mark[..8].to_owned()
}

/// The number before some words.
fn without_number(line: &str, words: &str) -> String {
    let Some((before, after)) = line.split_once(words) else {
        return line.to_owned();
    };
    let before = before.trim_end_matches(|character: char| character.is_ascii_digit());
    format!("{before}N{words}{after}")
}

/// `12 ms` at the end of a line, and how far it is pushed to the right.
fn without_time(line: &str) -> String {
    let Some(before) = line.strip_suffix(" ms") else {
        return line.to_owned();
    };
    let rest = before.trim_end_matches(|character: char| character.is_ascii_digit());
    if rest.len() == before.len() {
        return line.to_owned();
    }
    format!("{} N ms", rest.trim_end())
}

fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "duration_ms" => *value = "N".into(),
                    _ => without_times(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_listens() {
    let desk = Desk::new();
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    insta::assert_snapshot!("doctor_nothing_listens", desk.text(free, "", &[]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_wants_credentials() {
    let desk = Desk::new();
    let (proxy, _, _tasks) = proxy(&[(20, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")]).await;
    let more = format!("proxy = \"http://{proxy}\"");
    let nobody = ([127, 0, 0, 1], 1).into();
    insta::assert_snapshot!("doctor_proxy_credentials", desk.text(nobody, &more, &[]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_before_tls() {
    let desk = Desk::new();
    let (address, _tasks) = listener(Manner::ResetLarge(10, ([127, 0, 0, 1], 1).into())).await;
    insta::assert_snapshot!("doctor_reset_before_tls", desk.text(address, "", &[]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_hello_is_dropped() {
    let desk = Desk::new();
    let server = Server::start(&desk.operator.authority, Setup::of(&desk.operator.authority)).await;
    let (address, _tasks) = listener(Manner::ResetLarge(1000, server.address)).await;
    let more = format!("{SHORT}\nkey_exchange = \"hybrid\"");
    insta::assert_snapshot!("doctor_large_hello", desk.text(address, &more, &[]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn their_authority_is_unknown() {
    let desk = Desk::new();
    let server = desk.foreign.server().unwrap();
    let started = Server::start_as(server.chain(), server.key(), Setup::of(&desk.operator.authority)).await;
    insta::assert_snapshot!(
        "doctor_server_ca_unknown",
        desk.text(started.address, "", &[]).await
    );
    insta::assert_snapshot!(
        "doctor_server_ca_unknown_json",
        desk.json(started.address, "").await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_is_another() {
    let desk = Desk::new();
    let setup = Setup {
        listen: ([127, 0, 0, 2], 0).into(),
        ..Setup::of(&desk.operator.authority)
    };
    let server = Server::start(&desk.operator.authority, setup).await;
    let text = desk.text(server.address, "", &[]).await;
    let port = format!("127.0.0.2:{}", server.address.port());
    insta::assert_snapshot!(
        "doctor_server_name_mismatch",
        text.replace(&port, "127.0.0.2:PORT")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn our_authority_is_unknown() {
    let desk = Desk::new();
    let setup = Setup {
        auth: Auth::Of(vec![stranger().0]),
        ..Setup::of(&desk.operator.authority)
    };
    let server = Server::start(&desk.operator.authority, setup).await;
    insta::assert_snapshot!("doctor_our_ca_unknown", desk.text(server.address, "", &[]).await);
    let verbose = desk.text(server.address, "", &["-v"]).await;
    let verbose = verbose.split_whitespace().collect::<Vec<_>>().join(" ");
    for fact in [
        "issuers CN=rcgen self signed cert",
        "our_issuer_listed no",
        "alert_received unknown_ca (48)",
        "group X25519",
    ] {
        assert!(verbose.contains(fact), "no `{fact}`: {verbose}");
    }
    insta::assert_snapshot!("doctor_our_ca_unknown_json", desk.json(server.address, "").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_certificate_is_asked_for() {
    let desk = Desk::new();
    let setup = Setup {
        auth: Auth::None,
        ..Setup::of(&desk.operator.authority)
    };
    let server = Server::start(&desk.operator.authority, setup).await;
    insta::assert_snapshot!("doctor_not_asked", desk.text(server.address, "", &[]).await);
    // what was asked of it had no identity and named nobody
    let seen = server.seen();
    assert!(
        seen.requests
            .iter()
            .all(|request| request.target == "/r3/v01/health/ping")
    );
}
