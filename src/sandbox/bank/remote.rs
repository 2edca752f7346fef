//! Invoices to a phone.

use time::Duration;

use super::payment::{Kind, Payment, Status, Step};
use super::purchases::Purchase;
use super::{Bank, Code, Declared};

/// Look-ups of one device in a minute (official document v3.9, 4.6.1).
const LOOKUPS_A_MINUTE: usize = 50;

/// Made-up people; which one answers hangs on the phone's last digit.
const NAMES: [&str; 5] = ["Айгуль С.", "Ержан К.", "Мария П.", "Тимур А.", "Динара О."];

impl Bank {
    /// The name of whoever has a phone.
    pub(in crate::sandbox) fn client_name(
        &mut self,
        caller: &Declared,
        phone: &str,
        token: &str,
    ) -> Result<&'static str, Code> {
        let bin = self.device_bin(caller, token).ok_or(Code::DeviceNotFound)?;
        self.device_point(caller, &bin, token)?;
        self.count_lookup(token)?;
        let phone = normal_phone(phone).ok_or(Code::ClientNotFound)?;
        let digit = phone.bytes().last().map_or(0, |digit| usize::from(digit % 5));
        NAMES.get(digit).copied().ok_or(Code::ClientNotFound)
    }

    /// Sends an invoice. There is nothing to tell a repeated one by, so each is a new one.
    pub(in crate::sandbox) fn create_invoice(
        &mut self,
        caller: &Declared,
        mut purchase: Purchase,
    ) -> Result<&Payment, Code> {
        self.device_point(caller, &purchase.bin, &purchase.token)?;
        let phone = purchase.phone.as_deref().unwrap_or_default();
        purchase.phone = Some(normal_phone(phone).ok_or(Code::ClientNotFound)?);
        self.add(caller, Kind::Remote, Status::RemotePaymentCreated, purchase)
    }

    /// Takes an unpaid invoice back. What the bank answers for a paid one is not documented;
    /// the only purchase code that is listed for the call stands in for all of it.
    pub(in crate::sandbox) fn cancel_invoice(
        &mut self,
        caller: &Declared,
        bin: &str,
        token: &str,
        id: i64,
    ) -> Result<&Payment, Code> {
        let point = self.device_point(caller, bin, token)?.id;
        match self.payment(id) {
            Some(payment) if payment.bin == bin && payment.trade_point == point => {}
            _ => return Err(Code::PurchaseIdNotFound),
        }
        self.step(id, Step::Cancel)
            .map(|payment| &*payment)
            .map_err(|_| Code::PurchaseIdNotFound)
    }

    fn count_lookup(&mut self, token: &str) -> Result<(), Code> {
        let now = self.clock.now();
        let recent = self.lookups.entry(token.to_owned()).or_default();
        while recent
            .front()
            .is_some_and(|at| now - *at >= Duration::seconds(60))
        {
            recent.pop_front();
        }
        if recent.len() >= LOOKUPS_A_MINUTE {
            return Err(Code::TooManyLookups);
        }
        recent.push_back(now);
        Ok(())
    }
}

/// Eleven digits that start with 7, from `+7`, `7` or `8` and ten digits.
fn normal_phone(text: &str) -> Option<String> {
    // In a query `+` may have been read as a blank.
    let text = text.trim();
    let digits = text.strip_prefix('+').unwrap_or(text);
    let rest = match (text.starts_with('+'), digits.split_at_checked(1)?) {
        (true, ("7", rest)) | (false, ("7" | "8", rest)) => rest,
        _ => return None,
    };
    (rest.len() == 10 && rest.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("7{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_ways_to_write_a_phone() {
        for text in ["77000000000", "87000000000", "+77000000000", " 77000000000"] {
            assert_eq!(normal_phone(text).as_deref(), Some("77000000000"), "{text}");
        }
        for text in [
            "",
            "+",
            "7700000000",
            "770000000000",
            "+87000000000",
            "97000000000",
            "7700000000a",
            "é7000000000",
        ] {
            assert_eq!(normal_phone(text), None, "{text}");
        }
    }
}
