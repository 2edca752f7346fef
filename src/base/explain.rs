//! What every error of this crate can tell the person who must act on it.

use std::error::Error;
use std::sync::Arc;

use super::Delivery;

/// Who has to do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Whoever made the call: a wrong value, a wrong number.
    Caller,
    /// Whoever runs this program: configuration, certificates, the agreement with the bank.
    Operator,
    /// The bank.
    Kaspi,
    /// The way between this machine and the bank.
    Network,
    /// This program: please report it.
    Us,
}

/// An error that can be acted on.
///
/// The message (`Display`) says what happened; the answers here say what to do, who should, and
/// what is known about the request. Advice is kept out of the message so that a log line stays a line.
pub trait Explain: Error {
    /// A stable word for programs, such as `wrong_password`.
    fn kind(&self) -> &'static str;

    /// Who has to act.
    fn fault(&self) -> Fault;

    /// One thing to do next, where there is one.
    fn hint(&self) -> Option<String> {
        None
    }

    /// What is known about the request, where there was one.
    fn delivery(&self) -> Option<Delivery> {
        None
    }

    /// Kaspi's own `StatusCode`, where Kaspi answered with one.
    fn code(&self) -> Option<i64> {
        None
    }
}

/// What several hold explains itself as if it were one's own.
impl<E: Explain + ?Sized> Explain for Arc<E> {
    fn kind(&self) -> &'static str {
        self.as_ref().kind()
    }

    fn fault(&self) -> Fault {
        self.as_ref().fault()
    }

    fn hint(&self) -> Option<String> {
        self.as_ref().hint()
    }

    fn delivery(&self) -> Option<Delivery> {
        self.as_ref().delivery()
    }

    fn code(&self) -> Option<i64> {
        self.as_ref().code()
    }
}

/// The message of an error and of everything that caused it, on one line.
///
/// Messages that merely repeat the end of the one before are left out.
#[must_use]
pub fn chain_text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let message = cause.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_chain_is_one_line() {
        let error = Outer(std::io::Error::other("inner"));
        assert_eq!(chain_text(&error), "outer: inner");
    }
}
