//! One purchase and what may become of it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::clock::rfc3339;
use super::money;

/// Seconds a QR or link waits to be scanned or opened (official document v3.9, sample values).
pub(in crate::sandbox) const SCAN_WAIT: i64 = 180;
/// Seconds a scanned purchase waits to be confirmed.
pub(in crate::sandbox) const CONFIRMATION: i64 = 65;
/// Seconds between two questions for the status.
pub(in crate::sandbox) const POLLING: i64 = 5;
/// How long a phone invoice lives (official document v3.9, 4.6).
const INVOICE_LIFE: Duration = Duration::DAY;

/// How the purchase was asked for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(in crate::sandbox) enum Kind {
    Qr,
    Link,
    Remote,
}

impl Kind {
    pub(in crate::sandbox) fn as_str(self) -> &'static str {
        match self {
            Self::Qr => "qr",
            Self::Link => "link",
            Self::Remote => "remote",
        }
    }
}

/// The statuses of the official document v3.9 (appendix 4, 4.6.3), and the one seen live for
/// invoices.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(in crate::sandbox) enum Status {
    QrTokenCreated,
    Wait,
    RemotePaymentCreated,
    Processed,
    Error,
    RemotePaymentCanceled,
}

impl Status {
    pub(in crate::sandbox) fn as_str(self) -> &'static str {
        match self {
            Self::QrTokenCreated => "QrTokenCreated",
            Self::Wait => "Wait",
            Self::RemotePaymentCreated => "RemotePaymentCreated",
            Self::Processed => "Processed",
            Self::Error => "Error",
            Self::RemotePaymentCanceled => "RemotePaymentCanceled",
        }
    }

    fn is_final(self) -> bool {
        matches!(self, Self::Processed | Self::Error | Self::RemotePaymentCanceled)
    }
}

/// What the customer or the time does to a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Step {
    Scan,
    Pay,
    Reject,
    Expire,
    Cancel,
}

#[derive(Clone, Deserialize, Serialize)]
pub(in crate::sandbox) struct Payment {
    pub(in crate::sandbox) id: i64,
    pub(in crate::sandbox) bin: String,
    pub(in crate::sandbox) trade_point: i64,
    pub(in crate::sandbox) kind: Kind,
    pub(in crate::sandbox) amount: i64,
    pub(in crate::sandbox) refunded: i64,
    pub(in crate::sandbox) status: Status,
    #[serde(with = "time::serde::rfc3339")]
    pub(in crate::sandbox) created: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(in crate::sandbox) opened: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(in crate::sandbox) paid: Option<OffsetDateTime>,
    pub(in crate::sandbox) product: String,
    pub(in crate::sandbox) partial_refund: bool,
    pub(in crate::sandbox) external_id: Option<String>,
    pub(in crate::sandbox) phone: Option<String>,
    pub(in crate::sandbox) comment: Option<String>,
}

impl Payment {
    /// Lets time do its work: what nobody scanned, confirmed or paid in time has failed.
    pub(in crate::sandbox) fn settle(&mut self, now: OffsetDateTime) {
        let deadline = match self.status {
            Status::QrTokenCreated => Some(self.created + Duration::seconds(SCAN_WAIT)),
            Status::Wait => self.opened.map(|at| at + Duration::seconds(CONFIRMATION)),
            Status::RemotePaymentCreated => match self.opened {
                Some(at) => Some(at + Duration::seconds(CONFIRMATION)),
                None => Some(self.created + INVOICE_LIFE),
            },
            Status::Processed | Status::Error | Status::RemotePaymentCanceled => None,
        };
        if deadline.is_some_and(|deadline| now >= deadline) {
            self.status = Status::Error;
        }
    }

    /// Takes a step, if it may be taken from here. Nothing leaves a final status.
    ///
    /// `opened` is what an opened link shows: the document and live answers disagree.
    pub(in crate::sandbox) fn step(&mut self, step: Step, opened: Status, now: OffsetDateTime) -> bool {
        let next = match (step, self.status) {
            (_, status) if status.is_final() => return false,
            (Step::Scan, Status::QrTokenCreated) => {
                self.opened = Some(now);
                if self.kind == Kind::Link {
                    opened
                } else {
                    Status::Wait
                }
            }
            (Step::Scan, _) => return false,
            (Step::Pay, _) => {
                self.paid = Some(now);
                Status::Processed
            }
            (Step::Reject | Step::Expire, _) => Status::Error,
            (Step::Cancel, Status::RemotePaymentCreated) if self.kind == Kind::Remote => {
                Status::RemotePaymentCanceled
            }
            (Step::Cancel, _) => return false,
        };
        self.status = next;
        true
    }

    /// What can still be paid back, in tiyn.
    pub(in crate::sandbox) fn rest(&self) -> i64 {
        match self.status {
            Status::Processed => self.amount - self.refunded,
            _ => 0,
        }
    }

    /// The end of a QR's or link's life: nobody can pay after it, however late it was opened.
    pub(in crate::sandbox) fn expires(&self) -> OffsetDateTime {
        self.created + Duration::seconds(SCAN_WAIT + CONFIRMATION)
    }

    /// The row of `GET /payments`.
    pub(in crate::sandbox) fn row(&self) -> Value {
        json!({
            "payment_id": self.id,
            "bin": self.bin,
            "trade_point_id": self.trade_point,
            "kind": self.kind.as_str(),
            "amount": money::text(self.amount),
            "refunded": money::text(self.refunded),
            "status": self.status.as_str(),
            "phone": self.phone,
            "comment": self.comment,
            "external_id": self.external_id,
            "created_at": rfc3339(self.created),
            "paid_at": self.paid.map(rfc3339),
        })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2025-01-01 00:00:00 UTC);

    fn purchase(kind: Kind) -> Payment {
        Payment {
            id: 1,
            bin: "891027350515".to_owned(),
            trade_point: 1,
            kind,
            amount: 10_000,
            refunded: 0,
            status: match kind {
                Kind::Remote => Status::RemotePaymentCreated,
                Kind::Qr | Kind::Link => Status::QrTokenCreated,
            },
            created: START,
            opened: None,
            paid: None,
            product: "Gold".to_owned(),
            partial_refund: true,
            external_id: None,
            phone: None,
            comment: None,
        }
    }

    fn after(seconds: i64) -> OffsetDateTime {
        START + Duration::seconds(seconds)
    }

    #[test]
    fn what_nobody_scans_fails_after_180_seconds() {
        for kind in [Kind::Qr, Kind::Link] {
            let mut payment = purchase(kind);
            payment.settle(after(179));
            assert_eq!(payment.status, Status::QrTokenCreated);
            payment.settle(after(180));
            assert_eq!(payment.status, Status::Error);
        }
    }

    #[test]
    fn what_nobody_confirms_fails_65_seconds_after_the_scan() {
        for (kind, opened) in [
            (Kind::Qr, Status::Wait),
            (Kind::Link, Status::Wait),
            (Kind::Link, Status::RemotePaymentCreated),
        ] {
            let mut payment = purchase(kind);
            assert!(payment.step(Step::Scan, opened, after(100)));
            assert_eq!(payment.status, opened);
            payment.settle(after(164));
            assert_eq!(payment.status, opened);
            payment.settle(after(165));
            assert_eq!(payment.status, Status::Error);
        }
    }

    #[test]
    fn an_invoice_lives_a_day() {
        let mut payment = purchase(Kind::Remote);
        payment.settle(after(86_399));
        assert_eq!(payment.status, Status::RemotePaymentCreated);
        payment.settle(after(86_400));
        assert_eq!(payment.status, Status::Error);
    }

    #[test]
    fn nothing_leaves_a_final_status() {
        let steps = [Step::Scan, Step::Pay, Step::Reject, Step::Expire, Step::Cancel];
        for status in [Status::Processed, Status::Error, Status::RemotePaymentCanceled] {
            for kind in [Kind::Qr, Kind::Link, Kind::Remote] {
                let mut payment = purchase(kind);
                payment.status = status;
                for step in steps {
                    assert!(!payment.step(step, Status::Wait, START));
                    payment.settle(after(1_000_000));
                    assert_eq!(payment.status, status);
                }
            }
        }
    }

    #[test]
    fn only_an_unpaid_invoice_can_be_cancelled_and_only_a_fresh_code_scanned() {
        let mut qr = purchase(Kind::Qr);
        assert!(!qr.step(Step::Cancel, Status::Wait, START));
        assert!(qr.step(Step::Scan, Status::Wait, START));
        assert!(!qr.step(Step::Scan, Status::Wait, START));
        let mut invoice = purchase(Kind::Remote);
        assert!(!invoice.step(Step::Scan, Status::Wait, START));
        assert!(invoice.step(Step::Cancel, Status::Wait, START));
    }
}
