//! The tables in `docs/configuration.md`.

use std::fmt::Write as _;

use super::reference_table::SECTIONS;

const END: &str = "<!-- end of the keys -->";

/// The manual's page, its tables of keys written anew from the program's own table: each between
/// `<!-- keys of SECTION -->` and `<!-- end of the keys -->`.
#[must_use]
pub fn configuration_page(page: &str) -> String {
    let mut made = String::with_capacity(page.len());
    let mut inside = false;
    for line in page.lines() {
        if line == END {
            inside = false;
        }
        if !inside {
            let _ = writeln!(made, "{line}");
        }
        if let Some(heading) = line
            .strip_prefix("<!-- keys of ")
            .and_then(|rest| rest.strip_suffix(" -->"))
        {
            inside = true;
            table(&mut made, heading);
        }
    }
    made
}

fn table(page: &mut String, heading: &str) {
    page.push_str("\n| Key | Type | Default | Meaning | Example |\n|---|---|---|---|---|\n");
    let section = SECTIONS.iter().find(|section| section.heading == heading);
    for key in section.map(|section| section.keys).unwrap_or_default() {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            key.name, key.takes, key.default, key.meaning, key.example
        );
    }
    page.push('\n');
}
