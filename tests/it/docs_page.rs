//! The page at `/docs` under a policy that allows own files alone: no inline script or style, nothing
//! from elsewhere, and no way by which what the document says could become markup.

const PAGE: &str = include_str!("../../src/gateway/docs_page/index.html");
const SCRIPT: &str = include_str!("../../src/gateway/docs_page/viewer.js");
const STYLE: &str = include_str!("../../src/gateway/docs_page/style.css");

#[test]
fn the_page_keeps_to_a_strict_policy() {
    let page = PAGE.to_lowercase();
    for tag in page
        .split('<')
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap())
    {
        let name = tag.split_whitespace().next().unwrap_or_default();
        assert_ne!(name, "style", "<{tag}>");
        if name == "script" {
            assert!(tag.contains("src=\"/docs/"), "<{tag}>");
        }
        for attribute in tag.split_whitespace().skip(1) {
            assert!(!attribute.starts_with("style="), "<{tag}>");
            assert!(
                !(attribute.starts_with("on") && attribute.contains('=')),
                "<{tag}>"
            );
        }
    }
    for (name, text) in [("index.html", PAGE), ("viewer.js", SCRIPT), ("style.css", STYLE)] {
        for outside in ["http://", "https://", "\"//", " url(", "@import"] {
            assert!(!text.contains(outside), "{name} has {outside}");
        }
    }
    for parser in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "DOMParser",
        "setTimeout(\"",
    ] {
        assert!(!SCRIPT.contains(parser), "viewer.js has {parser}");
    }
}

/// What the script looks for, the page has.
#[test]
fn script_and_page_agree() {
    for id in SCRIPT
        .split("byId(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
    {
        assert!(PAGE.contains(&format!("id=\"{id}\"")), "index.html has no `{id}`");
    }
    for file in ["/docs/style.css", "/docs/viewer.js", "/openapi.json"] {
        assert!(PAGE.contains(file), "index.html does not name {file}");
    }
}
