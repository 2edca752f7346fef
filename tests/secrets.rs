//! No secret and no personal data in the tree: private keys, passwords, tokens, phone numbers.
//!
//! Made-up values are welcome where they look made up: UUIDs that begin `00000000-0000-`, phones of
//! the form 7 700 000 0X XX, passwords that are plain words or say `example` or `test`. Whatever else has
//! to stay goes into `ALLOWED`, with its reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    missing_debug_implementations
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Values that look like secrets and are none.
const ALLOWED: &[(&str, &str)] = &[
    (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "SHA-256 of nothing",
    ),
    (
        "0af7651916cd43dd8448eb211c80319c",
        "the trace id of the W3C's own example",
    ),
    (
        "7010001545",
        "the documents' own made-up phone number, without its prefix",
    ),
    (
        "0000000000",
        "the phone number that nobody has, which the doctor asks about, without its prefix",
    ),
];

/// Words that say by themselves that a password is made up.
const PLACEHOLDER_WORDS: &[&str] = &[
    "changeit",
    "changeme",
    "correct",
    "dummy",
    "example",
    "invalid",
    "made",
    "passphrase",
    "password",
    "placeholder",
    "right",
    "sample",
    "secret",
    "test",
    "wrong",
    "your",
];

const PASSWORD_KEYS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "access_key",
];

#[test]
fn the_tree_holds_no_secret() {
    let files = tracked_files();
    assert!(
        files.iter().any(|path| path.ends_with("Cargo.toml")),
        "no Cargo.toml among {} files",
        files.len()
    );
    let mut found = Vec::new();
    for path in files {
        // A file that git lists and that has been removed since is none of ours.
        let Ok(bytes) = fs::read(root().join(&path)) else {
            continue;
        };
        if let Some(what) = container(&path, &bytes) {
            found.push(format!("{}: {what}", path.display()));
        }
        for (line, what) in scan(&String::from_utf8_lossy(&bytes)) {
            found.push(format!("{}:{line}: {what}", path.display()));
        }
    }
    assert!(
        found.is_empty(),
        "{} place(s) look like a secret; the head of tests/secrets.rs says what passes as made up:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// Each sample is put together here, so that this file holds none.
#[test]
fn planted_secrets_are_found() {
    let body = concat!("MIIEvQIBADANBgkq", "hkiG9w0BAQEFAASC").repeat(2);
    let strong = concat!("Xq7", "tPw2", "Lm9Za");
    for (what, sample) in [
        (
            "private key",
            format!(concat!("-----BEGIN ", "PRIVATE KEY-----\n{}\n"), body),
        ),
        (
            "private key",
            format!(
                concat!("-----BEGIN ", "ENCRYPTED PRIVATE KEY-----\r\n{}\r\n"),
                body
            ),
        ),
        (
            "private key",
            format!(
                concat!(
                    "-----BEGIN RSA ",
                    "PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\n{}\n"
                ),
                body
            ),
        ),
        (
            "private key",
            format!(
                concat!("let key = \"-----BEGIN EC ", "PRIVATE KEY-----\\n{}\";"),
                body
            ),
        ),
        ("password", format!("password = \"{strong}\"")),
        ("password", format!("\"Password\": '{strong}',")),
        ("password", format!("DB_PASSWORD={strong}")),
        ("password", format!("let password: &str = \"{strong}\";")),
        ("password", format!("openssl -passout \"pass:{strong}\"")),
        ("password", format!("device_token = \"{strong}\"")),
        ("password", format!("postgres://kaspi:{strong}@db/kaspi")),
        (
            "UUID",
            concat!("id 3f2a9c1e-", "7b4d-4e8f-9a6c-", "5d1e0b7f8a2c.").to_owned(),
        ),
        ("hex", concat!("9f86d081884c7d65", "9a2feaa0c55ad015").to_owned()),
        (
            "base64",
            concat!("aGVsbG8gd29ybGQx", "MjM0NTY3ODkwQUJDREVG", "R0hJSktM").to_owned(),
        ),
        (
            "JWT",
            concat!("eyJhbGciOiJI", "UzI1NiJ9.eyJzdWIi", "OiIxIn0.c2ln").to_owned(),
        ),
        ("AWS", concat!("AKIA", "Q3EGRIZ7", "5XPLMN2W").to_owned()),
        ("phone", concat!("phone 7701", "4839275,").to_owned()),
        ("phone", concat!("8701", "4839275").to_owned()),
        ("phone", concat!("+7 (701) ", "483-92-75").to_owned()),
    ] {
        let found = scan(&format!("first line\n{sample}\n"));
        assert!(
            found
                .iter()
                .any(|(line, said)| *line == 2 && said.starts_with(what)),
            "{what} not found, but {found:?}"
        );
        let shown = found.iter().map(|(_, said)| said.as_str()).collect::<String>();
        assert!(!shown.contains(strong), "the report repeats the secret: {shown}");
    }
    assert!(container(Path::new("a/identity.p12"), &[0x30, 0x82, 0]).is_some());
}

#[test]
fn made_up_values_pass() {
    for sample in [
        concat!("-----BEGIN ", "PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----"),
        concat!("-----BEGIN ", "PRIVATE KEY-----\nMIIE...\n"),
        "password = \"correct horse\"",
        "password = \"example-1234\"",
        "password = \"\"",
        "password = \"...\"",
        "device_token = \"00000000-0000-4000-8000-000000000001\"",
        "pub password: Password,",
        "let password = read_password(Path::new(\"x\"))?;",
        "KASPI_PASSWORD_891027350515=$1",
        "--pass \"$(cat password)\"",
        "postgres://kaspi@db/kaspi",
        "postgres://user:password@db/kaspi",
        "77000000001 +7 700 000 00 01 87000000042 77010001545",
        "891027350515 12800000774 9223372036854775807",
        "sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"",
        "\"0123456789abcdef0123456789abcdef\"",
        "refuses_what_is_not_twelve_ascii_digits_and_SAYS_SO_in_12_words",
        "https://qrapi-cert-ip.kaspi.kz/r3/v01/remote/create/and/a/long/path/more",
        "ClientConfigBuilderWantsVerifierOrClientCertificate",
        concat!("checksum = \"9f86d081884c7d65", "9a2feaa0c55ad015\""),
        concat!(
            "      \"integrity\": \"sha512-aGVsbG8gd29ybGQx",
            "MjM0NTY3ODkwQUJDREVGR0hJSktM\","
        ),
    ] {
        assert_eq!(scan(sample), Vec::<(usize, String)>::new(), "{sample}");
    }
}

/// Line and description of everything that looks like a secret. Never the secret itself.
fn scan(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = BTreeSet::new();
    for (at, line) in lines.iter().enumerate() {
        let number = at + 1;
        if has_private_key(line, &lines[number..]) {
            found.insert((number, "private key with its body".to_owned()));
        }
        // Public checksums of public packages, in Cargo.lock and package-lock.json.
        if line.starts_with("checksum = \"") || line.starts_with("      \"integrity\": \"sha512-") {
            continue;
        }
        for (what, value) in passwords(line) {
            found.insert((
                number,
                format!("password, or so its name `{what}` says: {}", hint_of(value)),
            ));
        }
        for (what, value) in tokens(line) {
            found.insert((number, format!("{what}: {}", hint_of(&value))));
        }
        for phone in phones(line) {
            found.insert((number, format!("phone number: {}", hint_of(&phone))));
        }
    }
    found.into_iter().collect()
}

/// The first three characters and the length: enough to find the place, too little to use.
fn hint_of(value: &str) -> String {
    let head: String = value.chars().take(3).collect();
    format!("`{head}…`, {} characters", value.chars().count())
}

fn has_private_key(line: &str, following: &[&str]) -> bool {
    let Some(at) = line.find(concat!("PRIVATE KEY", "-----")) else {
        return false;
    };
    if !line[..at].contains("-----BEGIN ") {
        return false;
    }
    let rest = [&line[at + 16..]]
        .into_iter()
        .chain(following.iter().copied())
        .take(8);
    let body: usize = rest
        .flat_map(|line| line.split("\\n"))
        .take_while(|part| !part.contains("-----END"))
        .map(|part| part.trim_matches(|c: char| !is_base64(c)))
        .filter(|part| part.len() >= 16 && part.chars().all(is_base64))
        .map(str::len)
        .sum();
    body >= 40
}

/// `key = "value"`, `"key": "value"`, `KEY=value`, `pass:value`, and the password in a URL.
fn passwords(line: &str) -> Vec<(&'static str, &str)> {
    let lower = line.to_ascii_lowercase();
    let mut found = Vec::new();
    for &key in PASSWORD_KEYS {
        for (at, _) in lower.match_indices(key) {
            let rest = &line[at + key.len()..];
            if let Some(value) = assigned(rest).filter(|value| !is_placeholder(value)) {
                found.push((key, value));
            }
        }
    }
    for (at, _) in line.match_indices("://") {
        let authority = line[at + 3..]
            .split(['/', '"', '\'', '`', ' '])
            .next()
            .unwrap_or("");
        if let Some((_, password)) = authority
            .split_once('@')
            .and_then(|(user, _)| user.split_once(':'))
            && !is_placeholder(password)
        {
            found.push(("://", password));
        }
    }
    found
}

/// The literal that stands after a key, if one does.
fn assigned(rest: &str) -> Option<&str> {
    let rest = rest.trim_start_matches(['"', '\'']);
    let typed = [": &str = ", ": &'static str = ", ": String = "];
    let rest = typed
        .iter()
        .find_map(|typed| rest.strip_prefix(typed).map(|_| &rest[typed.len() - 3..]))
        .unwrap_or(rest);
    let quoted = rest.trim_start().strip_prefix(['=', ':']).map(str::trim_start);
    if let Some(value) = quoted.and_then(|value| value.strip_prefix('"')) {
        return value.split('"').next();
    }
    if let Some(value) = quoted.and_then(|value| value.strip_prefix('\'')) {
        return value.split('\'').next();
    }
    // Without quotes only where nothing else can be meant: `KEY=value`, `pass:value`.
    let bare = rest.strip_prefix('=').or_else(|| rest.strip_prefix(':'))?;
    bare.split(|c: char| c.is_whitespace() || "\"'`,;)&".contains(c))
        .next()
}

fn is_placeholder(value: &str) -> bool {
    let lower = value.to_lowercase();
    let plain_word = value
        .chars()
        .all(|c| !c.is_uppercase() && (c.is_alphabetic() || " -_./*".contains(c)));
    let type_or_call = value.contains(['(', '{', '<', '$', '[', ':', '\\', '%']);
    let letters = value.chars().any(char::is_alphabetic);
    let others = value.chars().any(|c| c.is_numeric() || c.is_uppercase());
    value.chars().count() < 6
        || plain_word
        || type_or_call
        || !(letters && others)
        || few_characters(value)
        || value.starts_with("00000000-0000-")
        || PLACEHOLDER_WORDS.iter().any(|word| lower.contains(word))
}

/// UUIDs, long hex and base64, and tokens that say what they are.
fn tokens(line: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for word in line.split(|c: char| !(c.is_ascii_alphanumeric() || "-_+=.".contains(c))) {
        for part in word.split(['.', '=']) {
            if is_allowed(part) {
                continue;
            }
            if is_uuid(part) {
                found.push(("UUID", part.to_owned()));
            } else if is_long_hex(part) {
                found.push(("hex", part.to_owned()));
            } else if is_aws_key(part) {
                found.push(("AWS key", part.to_owned()));
            } else if is_dense_base64(part) {
                found.push(("base64", part.to_owned()));
            }
        }
        if word.starts_with(concat!("ey", "J")) && word.matches('.').count() == 2 && word.len() > 30 {
            found.push(("JWT", word.to_owned()));
        }
    }
    found
}

fn is_uuid(word: &str) -> bool {
    let groups: Vec<&str> = word.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.chars().all(|c| c.is_ascii_hexdigit()))
        && !word.starts_with("00000000-0000-")
        && !few_characters(word)
}

fn is_long_hex(word: &str) -> bool {
    word.len() >= 32
        && word.chars().all(|c| c.is_ascii_hexdigit())
        && word.chars().any(|c| c.is_ascii_digit())
        && word.chars().any(|c| c.is_ascii_alphabetic())
        && !few_characters(word)
        && !is_counting(word)
}

fn is_aws_key(word: &str) -> bool {
    word.len() == 20
        && ["AKIA", "ASIA"].iter().any(|head| word.starts_with(head))
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

/// Long, of mixed cases with digits, and without the runs of small letters that names are made of.
fn is_dense_base64(word: &str) -> bool {
    let count = |wanted: fn(&char) -> bool| word.chars().filter(wanted).count();
    let longest_run = word
        .split(|c: char| !c.is_ascii_lowercase())
        .map(str::len)
        .max()
        .unwrap_or(0);
    word.len() >= 32
        && count(char::is_ascii_uppercase) >= 4
        && count(char::is_ascii_lowercase) >= 4
        && count(char::is_ascii_digit) >= 2
        && !word.contains('_')
        && longest_run < 8
        && word.chars().collect::<BTreeSet<_>>().len() >= 16
}

/// Numbers of mobile phones: 77.. or 87.. and nine digits, or +7 with signs between.
fn phones(line: &str) -> Vec<String> {
    let mut numbers: Vec<String> = line
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| digits.len() == 11 && (digits.starts_with("77") || digits.starts_with("87")))
        .map(str::to_owned)
        .collect();
    for (at, _) in line.match_indices("+7") {
        let digits: String = line[at + 1..]
            .chars()
            .take_while(|c| c.is_ascii_digit() || " -()".contains(*c))
            .filter(char::is_ascii_digit)
            .collect();
        if digits.len() == 11 {
            numbers.push(digits);
        }
    }
    numbers.retain(|number| {
        let subscriber = &number[1..];
        !subscriber.starts_with("7000000") && !subscriber.contains("1234567") && !is_allowed(subscriber)
    });
    numbers
}

fn is_allowed(value: &str) -> bool {
    ALLOWED.iter().any(|(allowed, _)| *allowed == value)
}

fn few_characters(value: &str) -> bool {
    value.chars().filter(|c| *c != '-').collect::<BTreeSet<_>>().len() <= 4
}

/// `0123456789abcdef` over and over.
fn is_counting(word: &str) -> bool {
    "0123456789abcdef"
        .repeat(word.len() / 16 + 2)
        .contains(&word.to_lowercase())
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=".contains(c)
}

/// A binary file of a kind that holds keys.
fn container(path: &Path, bytes: &[u8]) -> Option<&'static str> {
    let kind = path.extension()?.to_str()?.to_ascii_lowercase();
    let holds_keys = ["p12", "pfx", "jks", "key", "der", "keystore"].contains(&kind.as_str());
    (holds_keys && bytes.contains(&0)).then_some("a binary key container; tests make their own")
}

/// What git knows or would add, so that a secret is seen before it is committed; without git, the tree.
fn tracked_files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    match listed {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => output
            .stdout
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned()))
            .collect(),
        _ => {
            let mut found = Vec::new();
            walk(&root(), &mut found);
            found
        }
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && name != ".git" {
                walk(&path, found);
            }
        } else {
            found.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
