//! `docs/cli.md` against the program's own help and what it prints.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Map, Value};

use super::page;

const BIN: &str = env!("CARGO_BIN_EXE_kaspi");

/// Sections of the page, by command, as `payment create`.
fn sections() -> BTreeMap<String, String> {
    let text = page("docs/cli.md");
    text.split("\n### kaspi ")
        .skip(1)
        .map(|section| {
            let (name, rest) = section.split_once('\n').unwrap();
            let rest = rest.split("\n## ").next().unwrap();
            (name.trim().to_owned(), rest.to_owned())
        })
        .collect()
}

#[test]
fn every_command_and_option_is_documented_and_nothing_else_is() {
    let sections = sections();
    let mut leaves = Vec::new();
    walk(&mut Vec::new(), &mut leaves);
    let names: Vec<&String> = leaves.iter().map(|(name, _)| name).collect();
    for name in sections.keys() {
        assert!(
            names.contains(&name),
            "docs/cli.md has `kaspi {name}`, the program has not"
        );
    }
    for (name, options) in &leaves {
        let section = sections
            .get(name)
            .unwrap_or_else(|| panic!("docs/cli.md has no section `### kaspi {name}`"));
        for option in options {
            assert!(
                section.contains(&format!("{option} ")) || section.contains(&format!("{option}`")),
                "docs/cli.md, `kaspi {name}`: `{option}` is not mentioned"
            );
        }
    }
}

/// Commands without sub-commands, each with its own long options.
fn walk(path: &mut Vec<String>, leaves: &mut Vec<(String, Vec<String>)>) {
    let help = Command::new(BIN).args(&*path).arg("--help").output().unwrap();
    assert!(help.status.success(), "kaspi {} --help", path.join(" "));
    let help = String::from_utf8(help.stdout).unwrap();
    let commands: Vec<String> = help
        .split("Commands:\n")
        .nth(1)
        .into_iter()
        .flat_map(|list| list.lines().take_while(|line| !line.is_empty()))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect();
    if commands.is_empty() {
        let own = help.split("Global options").next().unwrap();
        let options = own
            .lines()
            .filter_map(|line| {
                line.trim_start()
                    .split("--")
                    .nth(1)
                    .filter(|_| line.trim_start().starts_with('-'))
            })
            .filter_map(|rest| rest.split_whitespace().next())
            .filter(|name| !["help", "version"].contains(name))
            .map(|name| format!("--{name}"))
            .collect();
        leaves.push((path.join(" "), options));
    }
    for command in commands {
        path.push(command);
        walk(path, leaves);
        path.pop();
    }
}

#[test]
fn json_is_of_the_documented_shape() {
    let mut documented: BTreeMap<String, Value> = sections()
        .iter()
        .filter_map(|(name, section)| {
            let json = section.split("```json\n").nth(1)?.split("```").next()?;
            let value = serde_json::from_str(json).unwrap_or_else(|error| panic!("`kaspi {name}`: {error}"));
            Some((name.clone(), value))
        })
        .collect();
    for (name, printed) in a_day_at_the_shop() {
        let documented = documented
            .remove(&name)
            .unwrap_or_else(|| panic!("docs/cli.md shows no JSON for `kaspi {name}`"));
        same_shape(&documented, &printed, &format!("kaspi {name}"));
    }
    assert!(documented.is_empty(), "nobody compares {:?}", documented.keys());
}

/// Runs each command that prints JSON against a sandbox, and gives what it printed.
fn a_day_at_the_shop() -> Vec<(String, Value)> {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop");
    let dir = shop.to_str().unwrap();
    let config = shop.join("kaspi.toml");
    let mut printed = Vec::new();
    let mut take = |name: &str, arguments: &[&str]| {
        let value = kaspi(
            &config,
            &[&name.split(' ').collect::<Vec<_>>()[..], arguments].concat(),
        );
        printed.push((name.to_owned(), value.clone()));
        value
    };
    take("demo", &[]);
    take("sandbox init", &[dir]);
    let (_sandbox, ready) = run_until_ready(&["sandbox", "run", "--dir", dir]);
    begin(folder.path(), dir, &mut take);
    let control = ready["control"].as_str().unwrap().to_owned();
    take("merchants list", &[]);
    take("merchants show", &["--bin", "210440028324"]);
    take(
        "cert inspect",
        &[&format!("{dir}/certs/891027350515/certificate.cer")],
    );
    let (serving, serve) = run_until_ready(&["--config", config.to_str().unwrap(), "serve", "-o", "json"]);
    certificates(&folder.path().join("new"), dir, &mut take);
    take("doctor", &[]);
    take("ping", &[]);
    take("tradepoints", &[]);
    let token = folder.path().join("device.token");
    let register = [
        "--device-id",
        "till-1",
        "--trade-point",
        "385716",
        "--token-file",
        token.to_str().unwrap(),
    ];
    take("device register", &register);
    take("client-info", &["--phone", "+77000000000"]);
    let invoice = [
        "--phone",
        "+77000000000",
        "--amount",
        "1500",
        "--message",
        "Order 17",
    ];
    let id = take("payment create", &invoice)["payment_id"].to_string();
    customer_pays(&control, &id);
    take("payment status", &[&id]);
    take("payment watch", &[&id]);
    take("payment details", &[&id]);
    take("payment refund", &[&id, "--amount", "500"]);
    let create: Vec<&str> = ["payment", "create"].into_iter().chain(invoice).collect();
    let unpaid = kaspi(&config, &create)["payment_id"].to_string();
    take("payment cancel", &[&unpaid]);
    let qr = take("qr create", &["--amount", "100"])["payment_id"].to_string();
    // it would settle what is unknown before anybody has looked
    drop(serving);
    journal(&config, &id, &control, folder.path(), &mut take);
    take("emulate", &["scan", &qr]);
    take("link create", &["--amount", "100"]);
    webhooks(&config, &shop, &mut take);
    take("device delete", &["--trade-point", "385716"]);
    take("token new", &["--name", "shop-backend", "--bin", "891027350515"]);
    take("man", &["--dir", folder.path().join("man1").to_str().unwrap()]);
    printed.push(("sandbox run".to_owned(), ready));
    printed.push(("serve".to_owned(), serve));
    printed
}

/// A newcomer with the bank's files.
fn begin(folder: &Path, sandbox: &str, take: &mut dyn FnMut(&str, &[&str]) -> Value) {
    let files = format!("{sandbox}/certs/891027350515");
    let settings = std::fs::read_to_string(format!("{sandbox}/kaspi.toml")).unwrap();
    let address = settings.split("base_url = \"").nth(1).unwrap();
    let address = address.split('"').next().unwrap();
    let password = format!("{files}/password");
    let authorities = format!("{sandbox}/kbs_chain.pem");
    let mine = folder.join("mine");
    let words = ["--yes", "--bin", "891027350515", "--password-file", &password];
    let places = [
        "--base-url",
        address,
        "--ca",
        &authorities,
        "--dir",
        mine.to_str().unwrap(),
    ];
    take("init", &[&[files.as_str()], &words[..], &places].concat());
}

/// What happened to the money, and what nobody knows of it.
fn journal(
    config: &Path,
    paid: &str,
    control: &str,
    folder: &Path,
    take: &mut dyn FnMut(&str, &[&str]) -> Value,
) {
    let lost = |config: &Path| {
        arm(control, "/r3/v01/payment/return", "reset_after_commit");
        let refund = ["payment", "refund", paid, "--amount", "100"];
        let output = Command::new(BIN)
            .args(refund)
            .arg("--config")
            .arg(config)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(6), "{output:?}");
    };
    lost(config);
    let listed = take("journal list", &["--state", "unknown"]);
    let id = listed["operations"][0]["operation_id"]
        .as_str()
        .unwrap()
        .to_owned();
    take("journal show", &[&id]);
    take("journal reconcile", &[]);
    lost(config);
    let listed = kaspi(config, &["journal", "list", "--state", "unknown"]);
    let id = listed["operations"][0]["operation_id"].as_str().unwrap();
    take("journal resolve", &[id, "--accepted", "--why", "seen in the app"]);
    take("journal export", &[]);
    let list = folder.join("old.csv");
    std::fs::write(&list, "payment_id,bin\n15,210440028324\n").unwrap();
    take("journal import", &[list.to_str().unwrap()]);
    let copy = folder.join("copy.db");
    take("journal backup", &[copy.to_str().unwrap()]);
    take("journal verify", &[]);
}

/// A webhook is told of an invoice by a gateway; one request is checked by hand.
fn webhooks(config: &Path, shop: &Path, take: &mut dyn FnMut(&str, &[&str]) -> Value) {
    let secret = shop.join("webhook.secret");
    let made = take("webhook secret new", &[]);
    std::fs::write(&secret, made["secret"].as_str().unwrap()).unwrap();
    let secret = secret.to_str().unwrap();
    let listen = [
        "webhook",
        "listen",
        "--listen",
        "127.0.0.1:0",
        "--secret-file",
        secret,
        "-o",
        "json",
    ];
    let (_listening, ready) = run_until_ready(&listen);
    let append = |file: &Path, lines: String| {
        let text = std::fs::read_to_string(file).unwrap();
        std::fs::write(file, format!("{text}\n{lines}")).unwrap();
    };
    append(config, "[webhooks]\nallow_private = [\"127.0.0.1\"]\n".to_owned());
    let url = format!("http://{}/", ready["listen"].as_str().unwrap());
    append(
        &shop.join("certs/891027350515/merchant.toml"),
        format!("[[webhook]]\nname = \"shop\"\nurl = \"{url}\"\nsecret_file = \"{secret}\"\n"),
    );
    take("webhook test", &["--bin", "891027350515"]);
    {
        let serve = [
            "--config",
            config.to_str().unwrap(),
            "serve",
            "--listen",
            "127.0.0.1:0",
            "-o",
            "json",
        ];
        let (_serving, _) = run_until_ready(&serve);
        let invoice = [
            "payment",
            "create",
            "--phone",
            "+77000000000",
            "--amount",
            "1",
            "--message",
            "x",
        ];
        kaspi(config, &invoice);
        while kaspi(config, &["webhook", "list"])["webhooks"][0]["last_success"].is_null() {}
    }
    take("webhook list", &[]);
    take("webhook log", &[]);
    take("webhook resend", &["--all-dead", "--bin", "891027350515"]);
}

/// A renewal and the way back.
fn certificates(new: &Path, sandbox: &str, take: &mut dyn FnMut(&str, &[&str]) -> Value) {
    const BIN: [&str; 2] = ["--bin", "891027350515"];
    let file = |name: &str| new.join(name).to_str().unwrap().to_owned();
    take("cert check", &[]);
    let name = ["--common-name", "pay.example.kz", "--organization", "TOO Flowers"];
    let out = ["--generate-password", "--out", new.to_str().unwrap()];
    take("cert request", &[&BIN[..], &name, &out].concat());
    let request = file("request.csr");
    let signed = take(
        "sandbox sign",
        &[&["--dir", sandbox, &request][..], &BIN].concat(),
    );
    let certificate = file("certificate.cer");
    std::fs::write(&certificate, signed["certificate"].as_str().unwrap()).unwrap();
    let (key, password) = (file("private.key"), file("password"));
    let files = [
        "--cert",
        &certificate,
        "--key",
        &key,
        "--password-file",
        &password,
    ];
    take("cert install", &[&BIN[..], &files].concat());
    take("cert rollback", &BIN);
    let converted = file("converted");
    let files = [
        &certificate,
        &key,
        "--password-file",
        &password,
        "--out",
        &converted,
    ];
    take("cert convert", &files);
}

fn kaspi(config: &Path, arguments: &[&str]) -> Value {
    let output = Command::new(BIN)
        .args(["-o", "json"])
        .args(arguments)
        .env("KASPI_CONFIG", config)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "kaspi {arguments:?}: {}\n{text}",
        output.status
    );
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("kaspi {arguments:?}: {error}: {text}"))
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run_until_ready(arguments: &[&str]) -> (Running, Value) {
    let mut child = Command::new(BIN)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (Running(child), serde_json::from_str(&line).unwrap())
}

/// The customer, through the sandbox's control API: one request, by hand.
fn customer_pays(control: &str, id: &str) {
    post(control, &format!("/payments/{id}/pay"), "");
}

fn arm(control: &str, path: &str, fault: &str) {
    let body = format!(r#"{{"path": "{path}", "fault": "{fault}", "times": 1}}"#);
    post(control, "/faults", &body);
}

fn post(control: &str, path: &str, body: &str) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(control).unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {control}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

/// The same keys everywhere, and values of the same kind. What the page shows of a list is its first item.
fn same_shape(documented: &Value, printed: &Value, at: &str) {
    match (documented, printed) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(one), Value::Object(other)) => {
            let keys = |map: &Map<String, Value>| {
                let mut keys: Vec<String> = map.keys().cloned().collect();
                keys.sort();
                keys
            };
            assert_eq!(keys(one), keys(other), "{at}: documented, printed");
            for (key, value) in one {
                same_shape(value, &other[key], &format!("{at}.{key}"));
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            if let (Some(first), Some(other)) = (one.first(), other.first()) {
                same_shape(first, other, &format!("{at}[0]"));
            }
        }
        (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_)) => {}
        _ => panic!("{at}: documented {documented}, printed {printed}"),
    }
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let help = Command::new(BIN).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let codes = help.split("Exit codes: ").nth(1).unwrap();
    let documented = super::rows(
        page("docs/cli.md")
            .split("## Exit codes")
            .nth(1)
            .unwrap()
            .split("\n## ")
            .next()
            .unwrap(),
    );
    let words: Vec<&str> = codes.split_whitespace().collect();
    for code in 0..=6 {
        let code = code.to_string();
        assert!(words.contains(&code.as_str()), "the help has no exit code {code}");
        assert!(
            documented.iter().any(|row| row[0] == code),
            "docs/cli.md has no exit code {code}"
        );
    }
}
