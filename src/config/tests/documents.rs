//! The example and the manual say what the code does.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::config::document::{Field, Shape};
use crate::config::raw::{RawFile, RawMerchant};
use crate::config::reference_table::SECTIONS;

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

/// What must be given in a section before a further key can be said there.
fn given(heading: &str) -> &'static str {
    match heading {
        "[gateway]" => "[gateway]\n",
        "[journal]" => "[journal]\n",
        "[webhooks]" => "[webhooks]\n",
        "[telemetry]" => "[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318\"\n",
        "[wrapper]" => "[wrapper]\nbase_url = \"https://shop.example/api\"\ntoken_file = \"wrapper.token\"\n",
        "[[gateway.token]]" => {
            "[[gateway.token]]\nname = \"one\"\nbins = [\"891027350515\"]\n\
             sha256 = \"0000000000000000000000000000000000000000000000000000000000000001\"\n"
        }
        _ => "",
    }
}

/// `key = value` said in a section, or nothing said.
fn main_file(heading: &str, line: &str) -> String {
    let kaspi = "base_url = \"https://pay.example/r3\"\n";
    let (top, kaspi) = match heading {
        "kaspi.toml" => (line, kaspi.to_owned()),
        "[kaspi]" => ("", format!("{kaspi}{line}")),
        _ => ("", kaspi.to_owned()),
    };
    let below = if ["kaspi.toml", "[kaspi]"].contains(&heading) {
        ""
    } else {
        line
    };
    format!("{top}\n[kaspi]\n{kaspi}\n{}{below}\n", given(heading))
}

/// A default that the manual writes as a value is what the program takes where nothing is said.
#[test]
fn the_defaults_of_the_manual_are_those_of_the_program() {
    let mut compared = 0;
    for section in SECTIONS
        .iter()
        .filter(|section| !section.heading.contains("merchant") && section.heading != "[[trade_point]]")
    {
        for key in section.keys {
            let literal = key
                .default
                .strip_prefix('`')
                .and_then(|rest| rest.strip_suffix('`'));
            let Some(value) = literal.filter(|value| !value.contains('`') && toml_value(value)) else {
                continue;
            };
            let place = Place::new();
            place.put("wrapper.token", "made-up");
            let load = |line: &str| {
                place.put("kaspi.toml", main_file(section.heading, line));
                place.mode("kaspi.toml", 0o600);
                let loaded = place
                    .load()
                    .unwrap_or_else(|error| panic!("{} {}: {error}", section.heading, key.name));
                format!("{loaded:?}")
            };
            let (said, unsaid) = (load(&format!("{} = {value}", key.name)), load(""));
            assert_eq!(said, unsaid, "{} {}", section.heading, key.name);
            compared += 1;
        }
    }
    assert!(compared > 15, "only {compared} defaults are values");
}

fn toml_value(text: &str) -> bool {
    text.starts_with(['"', '[']) || text == "true" || text == "false" || text.parse::<i64>().is_ok()
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
