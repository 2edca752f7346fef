//! What makes two requests the same one.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::base::{Amount, Bin, ExternalId, PaymentId, PhoneFormat, PhoneNumber, TradePointId};

/// Puts a request into one text of 64 characters, the same for the same request and no other.
#[derive(Clone, Debug)]
pub(super) struct Digest(Sha256);

impl Digest {
    /// For one kind of operation.
    pub(super) fn of(kind: &str) -> Self {
        Self(Sha256::new())
            .field("request", Some("1"))
            .field("kind", Some(kind))
    }

    pub(super) fn bin(self, bin: Bin) -> Self {
        self.field("bin", Some(&bin.to_string()))
    }

    pub(super) fn trade_point(self, id: Option<TradePointId>) -> Self {
        self.field("trade_point", id.map(|id| id.to_string()).as_deref())
    }

    pub(super) fn amount(self, amount: Amount) -> Self {
        self.field("amount", Some(&amount.tiyn().to_string()))
    }

    pub(super) fn phone(self, phone: PhoneNumber) -> Self {
        self.field("phone", Some(&phone.for_kaspi(PhoneFormat::Seven)))
    }

    pub(super) fn message(self, message: &str) -> Self {
        self.field("message", Some(message))
    }

    pub(super) fn external_id(self, id: Option<&ExternalId>) -> Self {
        self.field("external_id", id.map(ExternalId::as_str))
    }

    pub(super) fn payment(self, payment: PaymentId) -> Self {
        self.field("payment", Some(&payment.to_string()))
    }

    /// 64 lower-case hexadecimal digits.
    pub(super) fn finish(self) -> String {
        HEXLOWER.encode(&self.0.finalize())
    }

    /// Length before content, so that no field can pretend to be two; an absent one is not an empty one.
    fn field(mut self, name: &str, value: Option<&str>) -> Self {
        for text in [Some(name), value] {
            match text {
                Some(text) => {
                    self.0.update([1]);
                    self.0.update(text.len().to_be_bytes());
                    self.0.update(text);
                }
                None => self.0.update([0]),
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_request_has_another_digest() {
        let bin = Bin::parse("891027350515").unwrap();
        let of = |amount: &str, message: &str, point: Option<i64>| {
            Digest::of("create")
                .bin(bin)
                .trade_point(point.map(|point| TradePointId::new(point).unwrap()))
                .amount(amount.parse().unwrap())
                .message(message)
                .finish()
        };
        let first = of("100", "Order 17", None);
        assert_eq!(first.len(), 64);
        assert_eq!(first, of("100.00", "Order 17", None));
        for other in [
            of("100.01", "Order 17", None),
            of("100", "Order 18", None),
            of("100", "Order 17", Some(1)),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn absent_is_not_empty() {
        let absent = Digest::of("qr").field("a", None).field("b", Some("")).finish();
        let empty = Digest::of("qr").field("a", Some("")).field("b", None).finish();
        assert_ne!(absent, empty);
    }
}
