//! The example and the manual say what the code does.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::config::document::{Field, Shape};
use crate::config::raw::{RawFile, RawMerchant};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_example_loads_and_lacks_only_the_files_of_the_bank() {
    let example = repository().join("certs.example");
    let none = Environment::default();
    let config = load(&example.join("kaspi.toml"), &none).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.default_bin.unwrap().to_string(), BIN);
    let answers: Vec<String> = scan(&config, &none)
        .unwrap()
        .iter()
        .map(|entry| {
            let error = entry.merchant.as_ref().unwrap_err().to_string();
            error.replace(&example.display().to_string(), "certs.example")
        })
        .collect();
    insta::assert_snapshot!(answers.join("\n"), @r"
    `trade_point.device_token_file` in certs.example/210440028324/merchant.toml line 9 names certs.example/210440028324/device.token, which does not exist
    certs.example/891027350515 has no identity: no `certificate.cer` with `private.key`, no `identity.p12`, no `identity.pfx`
    ");
}

#[test]
fn the_example_becomes_usable_once_they_are_there() {
    let place = Place::new();
    let example = repository().join("certs.example");
    for file in [
        "kaspi.toml",
        "891027350515/merchant.toml",
        "210440028324/merchant.toml",
    ] {
        place.put(&format!("copy/{file}"), fs::read(example.join(file)).unwrap());
    }
    for file in [
        "891027350515/certificate.cer",
        "891027350515/private.key",
        "891027350515/password",
        "891027350515/device.token",
        "210440028324/device.token",
        "210440028324/kiosk.token",
    ] {
        let name = file.replace('/', "-");
        place.put(&format!("copy/{file}"), name);
    }
    let config = load(&place.path("copy/kaspi.toml"), &Environment::default()).unwrap();
    for entry in scan(&config, &Environment::default()).unwrap() {
        assert!(entry.merchant.is_ok(), "{:?}", entry.merchant);
        assert_eq!(entry.warnings, []);
    }
}

/// Each section of the manual has a table; each key of the section has a row there, and no row is left over.
#[test]
fn the_manual_has_every_key_and_no_other() {
    let manual = fs::read_to_string(repository().join("docs/configuration.md")).unwrap();
    let mut written: Vec<String> = Vec::new();
    let mut section = String::new();
    for line in manual.lines() {
        if let Some(heading) = line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
            section = heading.trim().trim_matches('`').to_owned();
        } else if let Some(row) = line.strip_prefix("| `") {
            let key = row.split('`').next().unwrap();
            written.push(format!("{section} {key}"));
        }
    }
    let mut known = Vec::new();
    list("kaspi.toml", "", RawFile::FIELDS, &mut known);
    list("merchant.toml", "", RawMerchant::FIELDS, &mut known);
    known.extend(variables().iter().map(|name| format!("Variables {name}")));
    written.sort();
    known.sort();
    assert_eq!(written, known);
}

/// Every variable that this room reads, as its source names them.
fn variables() -> BTreeSet<String> {
    let mut found = BTreeSet::from(["PORT".to_owned()]);
    for entry in fs::read_dir(repository().join("src/config")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for end in code.split("\"KASPI_").skip(1) {
            let end: String = end
                .chars()
                .take_while(|c| c.is_ascii_uppercase() || *c == '_')
                .collect();
            let bin = if end.ends_with('_') { "<BIN>" } else { "" };
            found.insert(format!("KASPI_{end}{bin}"));
        }
    }
    found
}

fn list(heading: &str, prefix: &str, fields: &[Field], into: &mut Vec<String>) {
    for field in fields {
        let key = format!("{prefix}{}", field.name);
        match field.shape {
            Shape::Value => into.push(format!("{heading} {}", field.name)),
            Shape::Section(below) => list(&format!("[{key}]"), &format!("{key}."), below, into),
            Shape::Sections(below) => list(&format!("[[{key}]]"), &format!("{key}."), below, into),
        }
    }
}
