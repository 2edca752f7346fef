//! The text that the customer reads, with our mark behind it.

use super::Error;
use crate::base::OperationId;

/// Kaspi states no limit; this one keeps a mistake from becoming an invoice.
const MAX_CHARACTERS: usize = 500;

/// The caller's message, then ` #` and eight characters of the operation id, by which a person finds an
/// invoice whose answer was lost. Control characters become spaces.
pub(super) fn with_operation(message: &str, operation: OperationId) -> String {
    let printable: String = message
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    format!("{} #{}", printable.trim(), operation.short())
        .trim_start()
        .to_owned()
}

/// Whether a message is a line that a customer could read.
pub(super) fn check(message: &str) -> Result<(), Error> {
    let characters = message.chars().count();
    if characters > MAX_CHARACTERS {
        return Err(Error::MessageTooLong {
            characters,
            limit: MAX_CHARACTERS,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_behind_the_message() {
        let operation = OperationId::new();
        let mark = format!("#{}", operation.short());
        for (message, expected) in [
            ("Заказ 1", format!("Заказ 1 {mark}")),
            ("  a\r\n\tb\u{0} ", format!("a   b {mark}")),
            ("🌷", format!("🌷 {mark}")),
            ("", mark.clone()),
        ] {
            assert_eq!(with_operation(message, operation), expected);
        }
    }

    #[test]
    fn a_page_is_no_message() {
        let error = check(&"я".repeat(10_000)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a message has at most 500 characters, this one has 10000"
        );
    }
}
