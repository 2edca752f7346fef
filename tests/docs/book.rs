//! The book: every page is in it, and nothing in it leads out of it.

use std::collections::BTreeSet;

use super::links::{leads_somewhere, links_in};
use super::{files, page, root};

#[test]
fn every_page_stands_in_the_summary_once() {
    let summary = page("docs/SUMMARY.md");
    let mut links: Vec<String> = links_in(&summary)
        .into_iter()
        .filter(|link| !link.is_empty())
        .collect();
    links.sort();
    let listed: BTreeSet<String> = links.iter().cloned().collect();
    assert_eq!(
        listed.len(),
        links.len(),
        "docs/SUMMARY.md names a page twice: {links:?}"
    );
    let docs = root().join("docs");
    let kept: BTreeSet<String> = files(&docs, ".md")
        .iter()
        .map(|path| path.strip_prefix(&docs).unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "SUMMARY.md")
        .collect();
    assert_eq!(listed, kept, "docs/SUMMARY.md, and the pages that there are");
}

/// The book holds `docs/` alone: a link to a file above it would lead nowhere there.
#[test]
fn no_page_of_the_book_leads_out_of_it() {
    let docs = root().join("docs");
    for path in files(&docs, ".md") {
        let text = std::fs::read_to_string(&path).unwrap();
        let depth = path.strip_prefix(&docs).unwrap().components().count() - 1;
        for link in links_in(&text) {
            let up = link.matches("../").count();
            assert!(up <= depth, "{}: `{link}` leads out of the book", path.display());
        }
    }
}

/// A chapter whose page is still to come is a draft, with an empty link.
#[test]
fn the_summary_leads_somewhere() {
    let summary = root().join("docs/SUMMARY.md");
    for link in links_in(&page("docs/SUMMARY.md"))
        .iter()
        .filter(|link| !link.is_empty())
    {
        assert_eq!(leads_somewhere(&summary, link), Ok(()));
    }
}

/// What a page has people type, with its place in the page.
fn commands(path: &str) -> Vec<String> {
    let text = page(path);
    text.split("```console run")
        .skip(1)
        .flat_map(|block| block.split("\n```").next().unwrap().lines().skip(1))
        .filter(|line| line.starts_with("$ ") || line.starts_with("> "))
        .map(str::to_owned)
        .collect()
}

/// `.ci/docs` runs the English pages; what the Russian ones have people type is the same, in the same order.
#[test]
fn the_russian_pages_have_the_commands_of_the_english_ones() {
    for (russian, english) in [
        ("docs/ru/getting-started.md", "docs/getting-started.md"),
        ("README.ru.md", "README.md"),
    ] {
        let (there, here) = (commands(english), commands(russian));
        assert!(here.len() > 10, "{russian} has only {} commands", here.len());
        assert_eq!(here, there, "{russian}, {english}");
        let link = |from: &str, to: &str| links_in(&page(from)).iter().any(|link| link.ends_with(to));
        assert!(
            link(english, russian.trim_start_matches("docs/")),
            "{english} does not lead to {russian}"
        );
        assert!(
            link(russian, english.rsplit('/').next().unwrap()),
            "{russian} does not lead to {english}"
        );
    }
}
