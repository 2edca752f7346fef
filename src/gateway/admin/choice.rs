//! What is chosen from in forms.

use std::fmt::Write as _;

use super::chart::escaped;
use super::report_words::ReportWords;
use crate::base::Bin;

/// Which BIN; `every` stands for all of them, where that can be chosen.
pub(super) fn bins(
    words: &ReportWords,
    id: &str,
    own: &[(Bin, String)],
    chosen: Option<Bin>,
    every: Option<&str>,
) -> String {
    let named = own.iter().map(|(bin, name)| {
        let bin = bin.to_string();
        let shown = match *name == bin {
            true => bin.clone(),
            false => format!("{} ({bin})", escaped(name)),
        };
        (bin, shown)
    });
    let chosen = chosen.map(|bin| bin.to_string());
    one_of((id, "bin", words.bin), every, named, chosen.as_deref())
}

/// Which state, or any.
pub(super) fn states<'w>(
    label: &str,
    every: &str,
    states: impl IntoIterator<Item = (&'static str, &'w str)>,
    chosen: Option<&str>,
) -> String {
    let named = states
        .into_iter()
        .map(|(word, shown)| (word.to_owned(), shown.to_owned()));
    one_of(("state", "state", label), Some(every), named, chosen)
}

/// One of several; `every` stands for all of them. What is shown is markup.
fn one_of(
    (id, name, label): (&str, &str, &str),
    every: Option<&str>,
    values: impl Iterator<Item = (String, String)>,
    chosen: Option<&str>,
) -> String {
    let mut html = format!("<p><label for=\"{id}\">{label}</label><select id=\"{id}\" name=\"{name}\">\n");
    if let Some(every) = every {
        let _ = writeln!(html, "<option value=\"\">{every}</option>");
    }
    for (value, shown) in values {
        let selected = if chosen == Some(value.as_str()) {
            " selected"
        } else {
            ""
        };
        let _ = writeln!(html, "<option value=\"{value}\"{selected}>{shown}</option>");
    }
    html.push_str("</select></p>\n");
    html
}
