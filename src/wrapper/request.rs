//! A call of the wrapper's contract, as an address.

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use super::Error;
use crate::base::{Amount, DeviceToken, PhoneFormat, PhoneNumber};

/// What stands in a query as it is (RFC 3986, 2.3).
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Create,
    Status,
    Refund,
    CreateLink,
}

impl Operation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Status => "status",
            Self::Refund => "refund",
            Self::CreateLink => "create-link",
        }
    }
}

/// A query, and what of it must not come back in an error.
#[derive(Default)]
pub(super) struct Query {
    text: Zeroizing<String>,
    pub(super) hidden: Vec<Zeroizing<String>>,
}

impl Query {
    pub(super) fn text(mut self, name: &str, value: &str) -> Self {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        self.text.push_str(name);
        self.text.push('=');
        self.text.extend(utf8_percent_encode(value, KEPT));
        self
    }

    pub(super) fn secret(mut self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => {
                self.hidden.push(Zeroizing::new(value.to_owned()));
                self.text(name, value)
            }
            None => self,
        }
    }

    pub(super) fn token(self, name: &str, token: Option<&DeviceToken>) -> Self {
        self.secret(name, token.map(DeviceToken::expose))
    }

    pub(super) fn phone(mut self, name: &str, phone: PhoneNumber) -> Self {
        let whole = phone.for_kaspi(PhoneFormat::Seven);
        // Without its first digit it is found however somebody writes it.
        if let Some(subscriber) = whole.get(1..) {
            self.hidden.push(Zeroizing::new(subscriber.to_owned()));
        }
        self.text(name, &whole)
    }

    /// Tenge as the callers of today write them: `100.0`, `100.5`, `100.55`.
    pub(super) fn amount(self, amount: Amount) -> Self {
        let (tenge, tiyn) = (amount.tiyn() / 100, amount.tiyn() % 100);
        let text = match tiyn % 10 {
            0 => format!("{tenge}.{}", tiyn / 10),
            _ => format!("{tenge}.{tiyn:02}"),
        };
        self.text("amount", &text)
    }
}

/// The slash at the end is the wrapper's own; without it a server would answer with a redirect.
pub(super) fn address(base: &Uri, operation: Operation, query: &Query) -> Result<Uri, Error> {
    let path = base.path().trim_end_matches('/');
    let whole = Zeroizing::new(format!("{path}/{}/?{}", operation.name(), *query.text));
    let mut parts = base.clone().into_parts();
    // The parser's error would name what it stumbled over.
    parts.path_and_query = Some(whole.parse().map_err(|_| Error::NoAddress {
        operation: operation.name(),
    })?);
    Uri::from_parts(parts).map_err(|_| Error::NoAddress {
        operation: operation.name(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_as_the_contract_has_it() {
        let query = Query::default()
            .secret("access_token", Some("a b&c=d+e/f"))
            .phone("phone", "+7 700 000 00 01".parse().unwrap())
            .amount("100".parse().unwrap())
            .text("message", "Заказ №1 & 50%");
        let base: Uri = "https://shop.example/api/v2/paymentkaspi".parse().unwrap();
        let uri = address(&base, Operation::Create, &query).unwrap();
        assert_eq!(
            uri.to_string(),
            "https://shop.example/api/v2/paymentkaspi/create/?access_token=a%20b%26c%3Dd%2Be%2Ff\
             &phone=77000000001&amount=100.0\
             &message=%D0%97%D0%B0%D0%BA%D0%B0%D0%B7%20%E2%84%961%20%26%2050%25"
        );
        let bare: Uri = "https://shop.example".parse().unwrap();
        let uri = address(&bare, Operation::CreateLink, &Query::default()).unwrap();
        assert_eq!(uri.to_string(), "https://shop.example/create-link/?");
    }

    #[test]
    fn amounts_are_floats_of_python() {
        for (amount, text) in [
            ("100", "amount=100.0"),
            ("100.5", "amount=100.5"),
            ("100.55", "amount=100.55"),
            ("0.05", "amount=0.05"),
            ("0.01", "amount=0.01"),
        ] {
            let query = Query::default().amount(amount.parse().unwrap());
            assert_eq!(*query.text, text);
        }
    }
}
