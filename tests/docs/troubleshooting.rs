//! `docs/troubleshooting.md` against the table of causes that it is made from.

use std::collections::BTreeSet;
use std::fs;

use kaspi_direct::doctor::{Cause, troubleshooting_page};

use super::references::same;
use super::root;

#[test]
fn the_page_is_the_one_that_the_table_gives() {
    same("docs/troubleshooting.md", &troubleshooting_page());
}

/// What a room on the left can find, the doctor tells with a cause of its own.
#[test]
fn every_kind_of_configuration_and_identity_has_a_row() {
    let mut kinds = BTreeSet::new();
    for (file, marks) in [
        ("src/config/error.rs", &["=> \""][..]),
        ("src/config/warning.rs", &["=> \""]),
        ("src/identity/error.rs", &["=> \""]),
        (
            "src/identity/check.rs",
            &[
                "Finding::warning(\n            \"",
                "Finding::warning(\n                \"",
            ],
        ),
        (
            "src/identity/trust.rs",
            &["Finding::warning(\n                \""],
        ),
    ] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let of_kinds = match text.split_once("fn kind(&self) -> &'static str {") {
            Some((_, rest)) => rest.split("\n    }").next().unwrap(),
            None => text.as_str(),
        };
        let before = kinds.len();
        for mark in marks {
            kinds.extend(
                of_kinds
                    .split(mark)
                    .skip(1)
                    .map(|rest| rest.split('"').next().unwrap().to_owned()),
            );
        }
        assert!(kinds.len() > before, "no kinds found in {file}");
    }
    assert!(kinds.len() > 50, "{kinds:?}");
    let missing: Vec<&String> = kinds.iter().filter(|kind| Cause::of_id(kind).is_none()).collect();
    assert!(
        missing.is_empty(),
        "src/doctor/table.rs has no row for {missing:?}"
    );
}
