//! `docs/errors.md` against the kinds of errors in the source.

use std::collections::BTreeSet;
use std::fs;

use kaspi_direct::api::meaning;
use kaspi_direct::base::Fault;

use super::{files, page, root, rows};

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// What stands between quotation marks in a piece of source.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// Every kind that the source can give.
fn kinds_of_the_source() -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    for file in files(&root().join("src"), ".rs") {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for body in code.split("fn kind(&self) -> &'static str {").skip(1) {
            let arms = body.split("\n    }").next().unwrap().lines();
            // a feature's name is no kind
            let arms = arms.filter(|line| !line.trim_start().starts_with("#["));
            kinds.extend(arms.flat_map(quoted).map(str::to_owned));
        }
        for mark in ["Finding::warning(", "kind: \"", "\"kind\": \""] {
            for rest in code.split(mark).skip(1) {
                let word = if mark.ends_with('"') {
                    rest.split('"').next()
                } else {
                    quoted(rest).next()
                };
                kinds.extend(word.map(str::to_owned));
            }
        }
    }
    kinds.extend(
        codes_of_the_source()
            .iter()
            .map(|code| meaning(*code).unwrap().kind.to_owned()),
    );
    kinds.retain(|kind| is_word(kind));
    kinds
}

/// Every code in the table of `src/api/codes.rs`.
fn codes_of_the_source() -> Vec<i64> {
    let text = fs::read_to_string(root().join("src/api/codes.rs")).unwrap();
    let table = text
        .split("const TABLE")
        .nth(1)
        .unwrap()
        .split("#[cfg(test)]")
        .next()
        .unwrap();
    table
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.replace('_', "").parse().ok())
        .collect()
}

/// Words in backticks that stand alone in the first or second cell of a table.
fn kinds_of_the_page(text: &str) -> BTreeSet<String> {
    let text = text.split("## Whether money may have moved").nth(1).unwrap();
    let text = text.split_once("## Arguments and commands").unwrap().1;
    let mut kinds: BTreeSet<String> = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('|').take(3).map(str::trim))
        .filter_map(|cell| cell.strip_prefix('`')?.strip_suffix('`'))
        .filter(|word| is_word(word))
        .map(str::to_owned)
        .collect();
    if text.contains("`unknown_code`") {
        kinds.insert("unknown_code".to_owned());
    }
    kinds
}

#[test]
fn every_kind_is_explained_and_none_is_made_up() {
    let source = kinds_of_the_source();
    assert!(
        source.len() > 90,
        "only {} kinds found in src: {source:?}",
        source.len()
    );
    let page = kinds_of_the_page(&page("docs/errors.md"));
    let missing: Vec<&String> = source.difference(&page).collect();
    let stale: Vec<&String> = page.difference(&source).collect();
    assert!(missing.is_empty(), "docs/errors.md lacks a row for {missing:?}");
    assert!(
        stale.is_empty(),
        "docs/errors.md explains {stale:?}, which src never gives"
    );
}

#[test]
fn kaspis_codes_are_told_as_the_program_takes_them() {
    let page = page("docs/errors.md");
    let table = page
        .split("## Kaspi's codes")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let rows: Vec<Vec<String>> = rows(table).into_iter().skip(2).collect();
    let told: Vec<i64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(told, codes_of_the_source());
    for row in rows {
        let meant = meaning(row[0].parse().unwrap()).unwrap();
        let who = match meant.fault {
            Fault::Caller => "caller",
            Fault::Operator => "operator",
            Fault::Kaspi => "bank",
            Fault::Network => "network",
            Fault::Us => "us",
        };
        let write = if meant.certain { "did not happen" } else { "open" };
        assert_eq!(
            row[1..],
            [meant.kind, meant.english, who, write],
            "code {}",
            meant.code
        );
    }
}
