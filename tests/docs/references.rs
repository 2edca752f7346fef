//! The pages that are made from the code, and the code.

use std::fs;

use kaspi_direct::cli::command_reference;
use kaspi_direct::config::configuration_page;
use kaspi_direct::gateway::http_reference;

use super::{files, page, root};

/// Fails at the first line that differs; with `KASPI_BLESS` it writes the page first.
#[expect(clippy::disallowed_methods, reason = "a setting of these tests alone")]
pub(crate) fn same(path: &str, made: &str) {
    if std::env::var_os("KASPI_BLESS").is_some() {
        fs::write(root().join(path), made).unwrap();
    }
    let kept = page(path);
    let lines = kept.lines().zip(made.lines()).enumerate();
    for (number, (kept, made)) in lines {
        assert_eq!(
            kept,
            made,
            "{path} line {}: kept, and what the code gives; `KASPI_BLESS=1 cargo test --test docs` writes it anew",
            number + 1
        );
    }
    assert_eq!(kept.len(), made.len(), "{path} has another end");
}

#[test]
fn the_commands_are_those_of_the_program() {
    same("docs/cli-reference.md", &command_reference());
}

#[test]
fn the_http_contracts_are_those_that_are_served() {
    same("docs/http-reference.md", &http_reference());
}

#[test]
fn the_keys_are_those_that_are_read() {
    let kept = page("docs/configuration.md");
    same("docs/configuration.md", &configuration_page(&kept));
}

/// A block below `<!-- all of FILE -->` is that file.
#[test]
fn programs_shown_in_pages_are_those_that_run() {
    let mut shown = 0;
    for path in files(&root().join("docs"), ".md") {
        let text = fs::read_to_string(&path).unwrap();
        for rest in text.split("<!-- all of ").skip(1) {
            let (file, rest) = rest.split_once(" -->\n").unwrap();
            let block = rest.trim_start().split_once('\n').unwrap().1;
            let block = block.split("\n```\n").next().unwrap();
            assert_eq!(block, page(file).trim_end(), "{}: {file}", path.display());
            shown += 1;
        }
    }
    assert!(shown > 0, "no page shows a program");
}
