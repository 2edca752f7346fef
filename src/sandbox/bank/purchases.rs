//! QR codes, links, statuses, details and refunds.

use super::payment::{Kind, Payment, Status, Step};
use super::{Bank, Code, Declared};

/// What `qr/create`, `qr/create-link` and `remote/create` ask for. An amount that is none is absent.
#[derive(Clone, Default)]
pub(in crate::sandbox) struct Purchase {
    pub(in crate::sandbox) bin: String,
    pub(in crate::sandbox) token: String,
    pub(in crate::sandbox) amount: Option<i64>,
    pub(in crate::sandbox) external_id: Option<String>,
    pub(in crate::sandbox) phone: Option<String>,
    pub(in crate::sandbox) comment: Option<String>,
}

impl Bank {
    /// Makes a purchase with a QR code or a link. The same `ExternalId` again makes another one.
    pub(in crate::sandbox) fn create_code(
        &mut self,
        caller: &Declared,
        kind: Kind,
        purchase: Purchase,
    ) -> Result<(&Payment, Vec<String>), Code> {
        let point = self.device_point(caller, &purchase.bin, &purchase.token)?;
        if !point.accepts_qr {
            return Err(Code::NoQr);
        }
        if point.payment_methods.is_empty() {
            return Err(Code::NoPaymentMethods);
        }
        let methods = point.payment_methods.clone();
        let payment = self.add(caller, kind, Status::QrTokenCreated, purchase)?;
        Ok((payment, methods))
    }

    /// A purchase of an organisation that the caller may act for.
    pub(in crate::sandbox) fn status(&mut self, caller: &Declared, id: i64) -> Result<&Payment, Code> {
        let bin = self
            .payment(id)
            .map(|payment| payment.bin.clone())
            .ok_or(Code::PurchaseNotFound)?;
        if !self.may_act(caller, &bin) {
            return Err(Code::PurchaseNotFound);
        }
        self.payments.get(&id).ok_or(Code::PurchaseNotFound)
    }

    /// A purchase for the holder of a token of the same organisation.
    ///
    /// The document lists `-1601` as the only refusal of this call, so every other one is it too.
    pub(in crate::sandbox) fn details(
        &mut self,
        caller: &Declared,
        id: i64,
        token: &str,
    ) -> Result<&Payment, Code> {
        let bin = self.device_bin(caller, token).ok_or(Code::PurchaseNotFound)?;
        match self.payment(id) {
            Some(payment) if payment.bin == bin => Ok(payment),
            _ => Err(Code::PurchaseNotFound),
        }
    }

    /// Pays back, and gives the number of the return. Asked twice, it pays back twice.
    pub(in crate::sandbox) fn refund(
        &mut self,
        caller: &Declared,
        bin: &str,
        token: &str,
        id: i64,
        amount: Option<i64>,
    ) -> Result<i64, Code> {
        let point = self.device_point(caller, bin, token)?.id;
        let payment = self.payment_mut(id).ok_or(Code::PurchaseIdNotFound)?;
        if payment.bin != bin || payment.trade_point != point {
            return Err(Code::OtherTradePoint);
        }
        if payment.status != Status::Processed {
            return Err(Code::NotRefundable);
        }
        let amount = amount.ok_or(Code::WrongAmount)?;
        if amount > payment.rest() {
            return Err(Code::MoreThanTheRest);
        }
        if amount < payment.amount && !payment.partial_refund {
            return Err(Code::NoPartialRefund);
        }
        payment.refunded += amount;
        Ok(self.new_id())
    }

    /// The bank's own test calls, which know QR codes and links only.
    pub(in crate::sandbox) fn emulate(
        &mut self,
        caller: &Declared,
        id: i64,
        step: Step,
        from: Status,
    ) -> Result<(), Code> {
        let payment = self.status(caller, id)?;
        // The document gives no code for a step out of turn; "not found" is ours.
        if payment.kind == Kind::Remote || !may_follow(payment, from) {
            return Err(Code::PurchaseNotFound);
        }
        self.step(id, step)
            .map(|_| ())
            .map_err(|_| Code::PurchaseNotFound)
    }

    pub(super) fn add(
        &mut self,
        caller: &Declared,
        kind: Kind,
        status: Status,
        purchase: Purchase,
    ) -> Result<&Payment, Code> {
        let point = self.device_point(caller, &purchase.bin, &purchase.token)?;
        let (trade_point, partial_refund) = (point.id, point.partial_refund);
        let amount = purchase.amount.ok_or(Code::WrongAmount)?;
        let id = self.new_id();
        let payment = Payment {
            id,
            bin: purchase.bin,
            trade_point,
            kind,
            amount,
            refunded: 0,
            status,
            created: self.clock.now(),
            opened: None,
            paid: None,
            product: "Gold".to_owned(),
            partial_refund,
            external_id: purchase.external_id,
            phone: purchase.phone,
            comment: purchase.comment,
        };
        self.unsaved.payment(id);
        Ok(self.payments.entry(id).or_insert(payment))
    }
}

/// An opened link may show either of two statuses; both count as scanned.
fn may_follow(payment: &Payment, from: Status) -> bool {
    payment.status == from || (from == Status::Wait && payment.opened.is_some())
}
