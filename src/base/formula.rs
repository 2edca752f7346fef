//! Text that others chose, on its way into a spreadsheet.

use std::borrow::Cow;

/// The text with an apostrophe before it where a spreadsheet would take it for a formula, that is where it
/// begins with `=`, `+`, `-`, `@`, their full-width forms, a tab or a line break.
///
/// ```
/// use kaspi_direct::base::no_formula;
///
/// assert_eq!(no_formula("=1+1"), "'=1+1");
/// assert_eq!(no_formula("Order 17"), "Order 17");
/// ```
#[must_use]
pub fn no_formula(text: &str) -> Cow<'_, str> {
    const BEGINS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    if text.starts_with(BEGINS) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}
