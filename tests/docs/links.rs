//! Relative links lead somewhere.

use std::fs;
use std::path::Path;

use super::{files, root};

#[test]
fn relative_links_lead_somewhere() {
    let root = root();
    let mut pages = files(&root.join("docs"), ".md");
    pages.extend(files(&root.join("certs.example"), ".md"));
    for entry in fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    let mut links = 0;
    let mut broken = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for link in links_in(&text) {
            links += 1;
            if let Err(why) = leads_somewhere(page, &link) {
                broken.push(format!(
                    "{}: `{link}`: {why}",
                    page.strip_prefix(&root).unwrap().display()
                ));
            }
        }
    }
    assert!(links > 20, "only {links} links found in {} pages", pages.len());
    assert!(
        broken.is_empty(),
        "{} broken link(s):\n{}",
        broken.len(),
        broken.join("\n")
    );
}

#[test]
fn every_page_stands_in_the_index() {
    let index = super::page("docs/README.md");
    let docs = root().join("docs");
    for page in files(&docs, ".md") {
        let name = page.strip_prefix(&docs).unwrap().to_str().unwrap();
        assert!(
            ["README.md", "SUMMARY.md"].contains(&name) || index.contains(&format!("({name})")),
            "docs/README.md does not name `{name}`"
        );
    }
}

#[test]
fn a_broken_link_is_found() {
    let page = root().join("README.md");
    assert!(leads_somewhere(&page, "docs/cli.md#exit-codes").is_ok());
    assert!(leads_somewhere(&page, "docs/no-such-page.md").is_err());
    assert!(leads_somewhere(&page, "docs/cli.md#no-such-heading").is_err());
    assert_eq!(
        links_in("[a](b.md) `[c](d.md)` [e](https://f) ![g](h.svg)"),
        ["b.md", "h.svg"]
    );
}

/// Targets of links and pictures that stay in the tree.
pub(crate) fn links_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        // what stands between backticks is no link
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for part in prose.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

pub(crate) fn leads_somewhere(page: &Path, link: &str) -> Result<(), String> {
    let (path, anchor) = link
        .split_once('#')
        .map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = if path.is_empty() {
        page.to_owned()
    } else {
        page.parent().unwrap().join(path)
    };
    if !target.exists() {
        return Err(format!("{} does not exist", target.display()));
    }
    let Some(anchor) = anchor else { return Ok(()) };
    let text = fs::read_to_string(&target).map_err(|error| error.to_string())?;
    if headings(&text).iter().any(|heading| heading == anchor) {
        Ok(())
    } else {
        Err(format!("no heading `{anchor}`, there are {:?}", headings(&text)))
    }
}

/// Headings as the anchors that they become.
fn headings(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_')
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}
