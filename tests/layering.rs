//! The rooms of `docs/architecture.md` and the crates fenced into them: reads every path in `src` and
//! fails where one crosses a wall. One crate has no compiler wall between its modules; this is it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "layering/lexer.rs"]
mod lexer;
#[path = "layering/paths.rs"]
mod paths;

use paths::Mention;

/// Which rooms a room may import. `docs/architecture.md` repeats this table, and a test compares them.
const ROOMS: &[(&str, May)] = &[
    ("base", Only(&[])),
    ("config", Only(&["base"])),
    ("identity", Only(&["base", "config"])),
    ("registry", Only(&["base", "config", "identity"])),
    ("transport", Only(&["base", "config", "identity", "registry"])),
    ("outbound", Only(&["base", "config"])),
    ("api", Only(&["base", "transport"])),
    ("payments", Only(&["base", "api"])),
    ("wrapper", Only(&["base", "config", "outbound", "payments"])),
    ("webhooks", Only(&["base", "config", "outbound", "payments"])),
    (
        "gateway",
        Only(&["base", "config", "payments", "registry::status"]),
    ),
    (
        "doctor",
        Only(&["base", "config", "identity", "registry", "transport", "api"]),
    ),
    ("app", AllBut(&["cli", "sandbox"])),
    ("cli", AllBut(&[])),
    ("sandbox", Only(&[])),
];

/// What may be named in certain rooms only (a room, or one file of it), and why. Tests are free of
/// these, and of nothing else. The same table stands in `docs/architecture.md`.
const FENCES: &[Fence] = &[
    fence(
        Crate("hyper"),
        &[
            "transport",
            "outbound",
            "sandbox",
            "gateway/connection.rs",
            "webhooks/listen.rs",
        ],
        "one place opens connections; one file of the gateway takes those of callers, one those of webhooks",
    ),
    fence(
        Crate("hyper_util"),
        &[
            "transport",
            "outbound",
            "sandbox",
            "gateway/connection.rs",
            "webhooks/listen.rs",
        ],
        "one place opens connections; one file of the gateway takes those of callers, one those of webhooks",
    ),
    fence(
        Crate("hyper_rustls"),
        &["transport", "outbound", "sandbox"],
        "one place opens connections",
    ),
    fence(
        Crate("tokio_rustls"),
        &["sandbox", "transport/connection.rs", "gateway/listen.rs"],
        "the client's TLS goes through hyper-rustls; one file names the stream that it makes",
    ),
    fence(
        Crate("rcgen"),
        &["sandbox", "identity/csr.rs"],
        "the program never issues certificates to itself; one file asks the bank for them",
    ),
    fence(
        Crate("rustls_pemfile"),
        &["identity/pem.rs"],
        "unmaintained, so replaceable in one file",
    ),
    fence(
        Crate("x509_parser"),
        &["identity", "sandbox"],
        "certificates are understood once on each side",
    ),
    fence(
        Crate("p12_keystore"),
        &["identity"],
        "key containers are opened in one room",
    ),
    fence(
        Crate("pkcs8"),
        &["identity", "sandbox"],
        "keys are decrypted in one room",
    ),
    fence(
        Crate("secrecy"),
        &["base", "identity"],
        "secrets travel as the types of `base`",
    ),
    fence(
        Crate("toml"),
        &["config", "sandbox"],
        "settings are read in one room",
    ),
    fence(
        Crate("clap"),
        &["cli"],
        "words of a command line are the program's",
    ),
    fence(Crate("axum"), &["gateway"], "HTTP contracts have one room"),
    fence(Crate("tower_http"), &["gateway"], "HTTP contracts have one room"),
    fence(
        Crate("tracing_opentelemetry"),
        &["app/telemetry.rs", "gateway/trace.rs"],
        "one file tells spans, one takes callers' traces up",
    ),
    fence(Crate("sqlx"), &["payments"], "one door to the journal"),
    fence(Crate("notify"), &["registry"], "one watcher of files"),
    fence(
        Word("with_no_client_auth"),
        &["outbound/tls.rs", "sandbox"],
        "a call without our certificate looks like a refusal by the bank; in `sandbox` it is the server's method",
    ),
    fence(
        Word("dangerous"),
        &["transport/tls.rs"],
        "webpki judges every server; one file lets a witness stand beside it",
    ),
    fence(
        Item("std::env::var"),
        &["config"],
        "a setting read elsewhere is a setting nobody finds",
    ),
    fence(
        Item("std::env::var_os"),
        &["config"],
        "a setting read elsewhere is a setting nobody finds",
    ),
    fence(
        Item("std::env::vars"),
        &["config"],
        "a setting read elsewhere is a setting nobody finds",
    ),
    fence(
        Item("std::env::vars_os"),
        &["config"],
        "a setting read elsewhere is a setting nobody finds",
    ),
    fence(Word("println!"), &["cli/report.rs"], "one file prints"),
    fence(Word("print!"), &["cli/report.rs"], "one file prints"),
    fence(Word("eprintln!"), &["cli/report.rs"], "one file prints"),
    fence(Word("eprint!"), &["cli/report.rs"], "one file prints"),
    fence(Item("io::stdout"), &["cli/report.rs"], "one file prints"),
    fence(Item("io::stderr"), &["cli"], "logs of the program go there"),
];

/// What a room must never name, though it names no room.
const BARRED: &[(&str, &str, &str)] = &[
    ("base", "tokio", "no input and no output in `base`"),
    ("base", "std::fs", "no input and no output in `base`"),
    ("base", "std::net", "no input and no output in `base`"),
    ("identity", "std::net::TcpListener", "an identity opens no socket"),
    ("identity", "std::net::TcpStream", "an identity opens no socket"),
    ("identity", "std::net::UdpSocket", "an identity opens no socket"),
    ("identity", "tokio::net", "an identity opens no socket"),
    (
        "transport",
        "serde_json",
        "transport carries bytes, `api` reads them",
    ),
];

use May::{AllBut, Only};
use What::{Crate, Item, Word};

#[derive(Clone, Copy)]
enum May {
    /// These, and with `room::module` only what is in that module.
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

#[derive(Clone, Copy)]
enum What {
    /// A dependency, by the name that paths begin with.
    Crate(&'static str),
    /// A function of a library, by the end of its path; its module may not be imported whole either.
    Item(&'static str),
    /// A method or macro, wherever it stands.
    Word(&'static str),
}

struct Fence {
    what: What,
    only: &'static [&'static str],
    why: &'static str,
}

const fn fence(what: What, only: &'static [&'static str], why: &'static str) -> Fence {
    Fence { what, only, why }
}

#[test]
fn no_path_in_src_crosses_a_wall() {
    let files = source_files();
    assert!(
        files.iter().any(|file| file.path.starts_with("base/")),
        "no file of `base` found in src"
    );
    let broken = findings(&files);
    assert!(
        broken.is_empty(),
        "{} wall(s) of docs/architecture.md broken:\n{}",
        broken.len(),
        broken.join("\n")
    );
}

#[test]
fn the_document_says_the_same() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();

    let written: BTreeSet<(String, String)> = table(&page, "rooms")
        .into_iter()
        .map(|row| (plain(&row[0]), plain(&row[2])))
        .collect();
    let meant = ROOMS
        .iter()
        .map(|(room, may)| ((*room).to_owned(), in_words(*may)))
        .collect();
    assert_eq!(
        written, meant,
        "left: docs/architecture.md, right: tests/layering.rs"
    );

    let written: BTreeSet<(String, String)> = table(&page, "fences")
        .into_iter()
        .flat_map(|row| {
            let only = plain(&row[1]);
            let names: Vec<String> = plain(&row[0]).split(", ").map(str::to_owned).collect();
            names.into_iter().map(move |name| (name, only.clone()))
        })
        .collect();
    let meant = FENCES
        .iter()
        .map(|fence| (fence.what.name().to_owned(), fence.only.join(", ")))
        .collect();
    assert_eq!(
        written, meant,
        "left: docs/architecture.md, right: tests/layering.rs"
    );
}

#[test]
fn the_table_points_only_left() {
    for (at, (room, may)) in ROOMS.iter().enumerate() {
        let Only(allowed) = may else { continue };
        for other in *allowed {
            let other = other.split("::").next().unwrap();
            assert!(
                ROOMS[..at].iter().any(|(left, _)| *left == other),
                "`{room}` may import `{other}`, which does not stand before it"
            );
        }
    }
}

/// The check itself can fail: each bad line with the words its finding must hold.
#[test]
fn bad_lines_are_found() {
    for (path, source, words) in [
        (
            "base/bin.rs",
            "use crate::config::Route;",
            "`crate::config::Route`: `base` may import nothing",
        ),
        (
            "api/mod.rs",
            "use crate::{base::Bin,\n  registry::Registry};",
            "src/api/mod.rs:2: `crate::registry::Registry`: `api` may import base, transport",
        ),
        (
            "api/mod.rs",
            "fn f() { crate::identity::load() }",
            "`api` may import base, transport",
        ),
        (
            "api/x/y.rs",
            "use super::super::super::identity::Identity;",
            "`crate::identity::Identity`",
        ),
        (
            "api/mod.rs",
            "pub(crate) use crate::cli as looks_harmless;",
            "`crate::cli`",
        ),
        (
            "gateway/mod.rs",
            "use crate::registry::Registry;",
            "`gateway` may import base, config, payments, registry::status",
        ),
        (
            "gateway/mod.rs",
            "use crate::registry::{status_of, Slot};",
            "`crate::registry::Slot`",
        ),
        (
            "app.rs",
            "use crate::cli::run;",
            "`app` may import every room but cli, sandbox",
        ),
        (
            "sandbox/kaspi.rs",
            "use crate::base::Bin;",
            "`sandbox` may import nothing",
        ),
        (
            "payments/mod.rs",
            "use crate::sandbox::Sandbox;",
            "`payments` may",
        ),
        (
            "utils/mod.rs",
            "",
            "src/utils/mod.rs:1: room `utils` is not in the table",
        ),
        ("api/mod.rs", "use crate::*;", "`crate::*` names no room"),
        ("api/mod.rs", "use crate::Bin;", "`crate::Bin` names no room"),
        ("api/mod.rs", "use crate as root;", "`crate` names no room"),
        (
            "api/mod.rs",
            "use hyper::Request;",
            "`hyper::Request`: hyper belongs to transport, outbound, sandbox",
        ),
        ("api/mod.rs", "use hyper as h;", "`hyper`: hyper belongs to"),
        (
            "identity/der.rs",
            "rustls_pemfile::certs(x)",
            "rustls_pemfile belongs to identity/pem.rs",
        ),
        (
            "cli/mod.rs",
            "fn f() { println!() }",
            "println! belongs to cli/report.rs",
        ),
        (
            "transport/tls.rs",
            "builder.with_no_client_auth()",
            "with_no_client_auth belongs to",
        ),
        (
            "cli/mod.rs",
            "std::env::var(\"A\")",
            "std::env::var belongs to config",
        ),
        (
            "cli/mod.rs",
            "use std::env;\nenv::var(\"A\")",
            "src/cli/mod.rs:1: `std::env`: the module would hide std::env::var",
        ),
        ("cli/mod.rs", "use std::env::*;", "would hide std::env::var"),
        (
            "cli/mod.rs",
            "io::stdout().lock()",
            "io::stdout belongs to cli/report.rs",
        ),
        ("api/mod.rs", "std::io::stderr()", "io::stderr belongs to cli"),
        (
            "base/x.rs",
            "async fn f() { tokio::time::pause() }",
            "no input and no output in `base`",
        ),
        (
            "identity/x.rs",
            "use std::net::{Ipv4Addr, TcpStream};",
            "`std::net::TcpStream`: an identity opens no socket",
        ),
        (
            "transport/x.rs",
            "use serde_json::Value;",
            "transport carries bytes",
        ),
        (
            "api/mod.rs",
            "#[cfg(test)] mod tests { use crate::registry::Registry; }",
            "`api` may import",
        ),
    ] {
        let broken = findings(&[File::new(path, source)]);
        assert!(
            broken.iter().any(|finding| finding.contains(words)),
            "{path}: {source}\n  wanted: {words}\n  found: {broken:?}"
        );
    }
}

#[test]
fn good_lines_pass() {
    for (path, source) in [
        (
            "api/mod.rs",
            "use crate::base::{Bin, PaymentId}; use super::api::X; use crate::api::envelope;",
        ),
        (
            "api/mod.rs",
            "// use crate::registry::X;\nconst S: &str = \"crate::registry::X\"; /// [`crate::cli`]\nfn f() {}",
        ),
        ("gateway/mod.rs", "use crate::registry::status::Board;"),
        ("gateway/mod.rs", "use crate::registry::status;"),
        (
            "identity/load.rs",
            "#[cfg(test)]\nmod tests { use crate::sandbox::pki::Ca; fn t() { println!(\"skipped: \"); std::env::var(\"X\"); } }",
        ),
        ("cli/demo.rs", "use crate::sandbox::Sandbox; use clap::Parser;"),
        ("cli/report.rs", "fn f() { println!(); std::io::stdout(); }"),
        ("lib.rs", "pub use crate::cli::run; pub mod base;"),
        (
            "main.rs",
            "fn main() { kaspi_direct::cli::run(std::env::args_os()) }",
        ),
        ("identity/pem.rs", "use rustls_pemfile::Item;"),
        ("api/mod.rs", "let hyper = 1; struct S { clap: u8 }"),
        ("cli/mod.rs", "std::env::current_exe(); std::env::args_os()"),
    ] {
        assert_eq!(findings(&[File::new(path, source)]), Vec::<String>::new());
    }
}

#[test]
fn a_module_declared_for_tests_is_a_test_file() {
    let files = [
        File::new("api/mod.rs", "#[cfg(test)] mod probe;"),
        File::new(
            "api/probe.rs",
            "use crate::sandbox::Sandbox; fn f() { println!() }",
        ),
    ];
    assert_eq!(findings(&files), Vec::<String>::new());
}

struct File {
    /// Below `src`, with `/`.
    path: String,
    source: String,
}

impl File {
    fn new(path: &str, source: &str) -> Self {
        Self {
            path: path.to_owned(),
            source: source.to_owned(),
        }
    }

    /// Where the file stands in the crate: `identity/pem.rs` is `identity`, `pem`.
    fn module(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs");
        let mut parts: Vec<String> = stem.split('/').map(str::to_owned).collect();
        if parts.len() > 1 && parts.last().is_some_and(|last| last == "mod") {
            parts.pop();
        }
        if self.is_root() { Vec::new() } else { parts }
    }

    fn is_root(&self) -> bool {
        self.path == "lib.rs" || self.path == "main.rs"
    }
}

/// One line for each broken rule: file and line, what it names, and the rule.
fn findings(files: &[File]) -> Vec<String> {
    let facts: Vec<_> = files
        .iter()
        .map(|file| paths::read(&file.source, &file.module()))
        .collect();
    let test_modules: Vec<Vec<String>> = files
        .iter()
        .zip(&facts)
        .flat_map(|(file, facts)| {
            facts.test_modules.iter().map(|child| {
                let mut module = file.module();
                module.push(child.clone());
                module
            })
        })
        .collect();

    let mut broken = Vec::new();
    for (file, facts) in files.iter().zip(&facts) {
        let module = file.module();
        let test_file = test_modules.iter().any(|test| module.starts_with(test));
        let rules = room_of(file);
        if let Err(rule) = &rules {
            broken.push(format!("src/{}:1: {rule}", file.path));
            continue;
        }
        for mention in &facts.mentions {
            let in_test = test_file || mention.in_test;
            let crossed = [
                crossed_room(rules.as_ref().ok().copied().flatten(), mention, in_test),
                if in_test {
                    None
                } else {
                    crossed_fence(file, mention)
                },
            ];
            for rule in crossed.into_iter().flatten() {
                broken.push(format!(
                    "src/{}:{}: `{}{}`{rule}",
                    file.path,
                    mention.line,
                    mention.path.join("::"),
                    if mention.glob { "::*" } else { "" }
                ));
            }
        }
    }
    broken
}

/// The file's room with its rule; none for the two files at the root that join the rooms.
fn room_of(file: &File) -> Result<Option<(&'static str, May)>, String> {
    if file.is_root() {
        return Ok(None);
    }
    let name = file.module().swap_remove(0);
    match ROOMS.iter().find(|(room, _)| *room == name) {
        Some(found) => Ok(Some(*found)),
        None => Err(format!(
            "room `{name}` is not in the table of tests/layering.rs and docs/architecture.md"
        )),
    }
}

fn crossed_room(room: Option<(&str, May)>, mention: &Mention, in_test: bool) -> Option<String> {
    let (room, may) = room?;
    let path: Vec<&str> = mention.path.iter().map(String::as_str).collect();
    if path.first() != Some(&"crate") || (path.len() == 1 && !mention.in_use) {
        return None;
    }
    let Some(target) = path
        .get(1)
        .filter(|name| ROOMS.iter().any(|(known, _)| known == *name))
    else {
        return Some(" names no room: say which room it is in".to_owned());
    };
    let allowed = *target == room
        || (in_test && *target == "sandbox")
        || match may {
            AllBut(barred) => !barred.contains(target),
            Only(rooms) => rooms.iter().any(|allowed| {
                let allowed: Vec<&str> = allowed.split("::").collect();
                path[1..].starts_with(&allowed)
            }),
        };
    (!allowed).then(|| format!(": `{room}` may import {}", in_words(may)))
}

fn crossed_fence(file: &File, mention: &Mention) -> Option<String> {
    let path: Vec<&str> = mention.path.iter().map(String::as_str).collect();
    for (room, barred, why) in BARRED {
        let barred: Vec<&str> = barred.split("::").collect();
        if file.module().first().is_some_and(|of| of == room)
            && path.starts_with(&barred)
            && (path.len() > 1 || mention.in_use)
        {
            return Some(format!(": {why}"));
        }
    }
    FENCES
        .iter()
        .filter(|fence| !fence.only.iter().any(|only| stands_in(file, only)))
        .find_map(|fence| fence.what.crossed_by(&path, mention).map(|how| (fence, how)))
        .map(|(fence, how)| format!(": {how} belongs to {}: {}", fence.only.join(", "), fence.why))
}

fn stands_in(file: &File, place: &str) -> bool {
    match place.ends_with(".rs") {
        true => file.path == place,
        false => file.module().first().is_some_and(|room| room == place),
    }
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Crate(name) | Item(name) | Word(name) => name,
        }
    }

    fn crossed_by(self, path: &[&str], mention: &Mention) -> Option<String> {
        let name = self.name();
        match self {
            Crate(_) => (path[0] == name && (path.len() > 1 || mention.in_use)).then(|| name.to_owned()),
            Word(_) => path.contains(&name).then(|| name.to_owned()),
            Item(_) => {
                let item: Vec<&str> = name.split("::").collect();
                let (_, module) = item.split_last()?;
                if path.ends_with(&item) || path.windows(item.len()).any(|part| part == item) {
                    return Some(name.to_owned());
                }
                // `use std::env;` makes `env::var` possible, which nothing here would recognise.
                let hides = module.len() > 1
                    && mention.in_use
                    && (path == module || (path.starts_with(module) && mention.glob));
                hides.then(|| format!("the module would hide {name}, which"))
            }
        }
    }
}

/// The rule as `docs/architecture.md` writes it.
fn in_words(may: May) -> String {
    match may {
        Only([]) => "nothing".to_owned(),
        Only(rooms) => rooms.join(", "),
        AllBut([]) => "every room".to_owned(),
        AllBut(rooms) => format!("every room but {}", rooms.join(", ")),
    }
}

/// The rows of the first table after `<!-- name -->`, without its head.
fn table(page: &str, name: &str) -> Vec<Vec<String>> {
    let mark = format!("<!-- {name} -->");
    let rows: Vec<Vec<String>> = page
        .lines()
        .skip_while(|line| line.trim() != mark)
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect();
    assert!(
        !rows.is_empty(),
        "docs/architecture.md has no table after `{mark}`"
    );
    rows
}

fn plain(cell: &str) -> String {
    cell.replace('`', "")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn source_files() -> Vec<File> {
    let src = root().join("src");
    let mut found = Vec::new();
    collect(&src, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let below = path.strip_prefix(&src).unwrap();
            let parts: Vec<_> = below.iter().map(|part| part.to_str().unwrap()).collect();
            File::new(&parts.join("/"), &fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
