//! The text that the customer reads, with our mark behind it.

use super::Error;
use crate::base::OperationId;

/// Kaspi states no limit; this one keeps a mistake from becoming an invoice.
const MAX_CHARACTERS: usize = 500;

/// The caller's message, then ` #` and eight characters of the operation id, by which a person finds an
/// invoice whose answer was lost. Control characters become spaces.
pub(super) fn with_operation(message: &str, operation: OperationId) -> Result<String, Error> {
    let characters = message.chars().count();
    if characters > MAX_CHARACTERS {
        return Err(Error::MessageTooLong {
            operation,
            characters,
            limit: MAX_CHARACTERS,
        });
    }
    let printable: String = message
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    Ok(format!("{} #{}", printable.trim(), operation.short())
        .trim_start()
        .to_owned())
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
            assert_eq!(with_operation(message, operation).unwrap(), expected);
        }
    }

    #[test]
    fn a_page_is_no_message() {
        let error = with_operation(&"я".repeat(10_000), OperationId::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a message has at most 500 characters, this one has 10000"
        );
    }
}
