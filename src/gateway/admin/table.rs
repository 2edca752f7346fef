//! A table that scrolls by itself where it is wider than the screen, also by the keyboard.

use std::fmt::Write as _;

use Column::{Number, Text};

/// A column's heading.
#[derive(Clone, Copy)]
pub(super) enum Column<'w> {
    Text(&'w str),
    /// Set to the right.
    Number(&'w str),
}

/// Ends what [`begun`] began.
pub(super) const END: &str = "</tbody>\n</table>\n</div>\n";

/// A table up to its first row. `label` is what it is called, `caption` what stands above it.
pub(super) fn begun(label: &str, caption: &str, columns: &[Column<'_>]) -> String {
    let mut html = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\">\n<table>\n<caption>{caption}</caption>\n<thead><tr>"
    );
    for column in columns {
        let _ = match column {
            Text(heading) => write!(html, "<th scope=\"col\">{heading}</th>"),
            Number(heading) => write!(html, "<th scope=\"col\" class=\"num\">{heading}</th>"),
        };
    }
    html += "</tr></thead>\n<tbody>\n";
    html
}
