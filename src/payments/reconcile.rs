//! Settling what is unknown, by asking Kaspi: refunds by what is left, cancellations by the status. What
//! nothing at Kaspi tells is left to a person, and never fails by itself.

use std::time::Duration;

use serde::Serialize;

use super::journal::{DueCheck, JournalError};
use super::judgement::{Reads, Verdict, judge, unchanged_for_good};
use super::{
    Error, Filter, OperationKind, OperationRecord, OperationState, PaymentFilter, PaymentRecord, Payments,
    Resolution,
};
use crate::api::{self, PaymentState, Session};
use crate::base::{Balance, Bin, PaymentId};

/// After a question that got no answer.
const AGAIN: Duration = Duration::from_secs(60);

/// Who settles what is settled here, for the history.
const WHO: &str = "reconcile";

/// What can be settled by asking.
pub(super) const ASKABLE: &[OperationKind] = &[OperationKind::Refund, OperationKind::Cancel];

/// What Kaspi's answers say about an operation whose outcome was unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// It happened, and is settled.
    Accepted,
    /// It did not happen, and is settled.
    NotMade,
    /// Nothing shows it yet; more reads are needed before it counts as not made.
    Waits,
    /// Nothing at Kaspi can tell: a person has to look.
    Person,
    /// Kaspi could not be asked, or gave no answer.
    NoAnswer,
    /// Another process asks at this moment, or has just settled it.
    Busy,
}

impl Found {
    /// The word as it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::NotMade => "not_made",
            Self::Waits => "waits",
            Self::Person => "person",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
        }
    }
}

/// One operation that was looked at.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reconciled {
    /// As it stands now.
    pub operation: OperationRecord,
    /// What was found.
    pub found: Found,
    /// In words.
    pub note: String,
}

/// A payment on whose money Kaspi and the journal do not agree.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The payment.
    pub payment_id: PaymentId,
    /// The BIN that made it.
    pub bin: Bin,
    /// What Kaspi has paid back; none where it could not be asked.
    pub refunded_by_kaspi: Option<Balance>,
    /// What the journal knows to have been paid back.
    pub refunded_by_journal: Balance,
    /// In words.
    pub note: String,
}

/// What reconciling has found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReconcileReport {
    /// How many operations of processes that have ended were settled.
    pub orphans: u64,
    /// The operations whose outcome was unknown.
    pub operations: Vec<Reconciled>,
    /// How many payments were compared with Kaspi; only after a restored backup.
    pub payments_read: u64,
    /// Those that do not agree.
    pub differences: Vec<Difference>,
}

impl Payments {
    /// Asks Kaspi now about everything whose outcome is unknown, and settles what can be settled.
    ///
    /// # Errors
    ///
    /// The journal cannot be used.
    pub async fn reconcile(&self) -> Result<ReconcileReport, Error> {
        let orphans = self.journal.settle_orphans().await.map_err(Error::books)?;
        let mut report = ReconcileReport {
            orphans,
            ..ReconcileReport::default()
        };
        let mut filter = Filter {
            states: vec![OperationState::Unknown],
            limit: 1000,
            ..Filter::default()
        };
        loop {
            let page = self.journal.operations(&filter).await.map_err(Error::books)?;
            for operation in page.items {
                report.operations.push(self.reconciled(operation).await?);
            }
            match page.next {
                Some(cursor) => filter.cursor = Some(cursor),
                None => return Ok(report),
            }
        }
    }

    /// Compares every payment of a journal that was put back from a backup with Kaspi, and lets money calls
    /// go on then. `who` did it stands in the journal.
    ///
    /// # Errors
    ///
    /// The journal cannot be used, or Kaspi cannot be reached: then money calls go on waiting.
    pub async fn reconcile_after_restore(&self, who: &str) -> Result<ReconcileReport, Error> {
        let mut report = ReconcileReport::default();
        let mut filter = PaymentFilter {
            limit: 1000,
            ..PaymentFilter::default()
        };
        loop {
            let page = self.journal.payments(&filter).await.map_err(Error::books)?;
            for payment in &page.items {
                report.payments_read += 1;
                report.differences.extend(self.compared(payment).await?);
            }
            match page.next {
                Some(cursor) => filter.cursor = Some(cursor),
                None => break,
            }
        }
        self.journal.after_restore(who).await.map_err(Error::books)?;
        let settled = self.reconcile().await?;
        report.orphans = settled.orphans;
        report.operations = settled.operations;
        Ok(report)
    }

    async fn reconciled(&self, operation: OperationRecord) -> Result<Reconciled, Error> {
        if !ASKABLE.contains(&operation.kind) {
            return Ok(for_a_person(operation));
        }
        match self.journal.check_now(operation.id).await.map_err(Error::books)? {
            Some(due) => self.check_due(due).await.map_err(Error::books),
            None => Ok(Reconciled {
                operation,
                found: Found::Busy,
                note: "another process asks about it at this moment".to_owned(),
            }),
        }
    }

    /// One question about one operation that is leased to this process.
    pub(super) async fn check_due(&self, due: DueCheck) -> Result<Reconciled, JournalError> {
        let answer = match self.session_of(&due.operation) {
            Ok(session) => self.seen(&due, &session).await,
            Err(error) => Err(error),
        };
        let id = due.operation.id;
        let seen = match answer {
            Ok(seen) => seen,
            Err(error) => {
                self.journal.checked(id, false, Some(AGAIN)).await?;
                return Ok(Reconciled {
                    operation: due.operation,
                    found: Found::NoAnswer,
                    note: error.to_string(),
                });
            }
        };
        let operation = match seen.found {
            Found::Accepted => {
                let accepted = Resolution::Accepted {
                    payment_id: None,
                    return_operation_id: None,
                };
                self.journal.settle(id, accepted, true, WHO, &seen.note).await?
            }
            Found::NotMade => {
                self.journal
                    .settle(id, Resolution::NotMade, false, WHO, &seen.note)
                    .await?
            }
            Found::Waits => {
                let next = self.settings.patience.gap();
                self.journal.checked(id, true, Some(next)).await?;
                due.operation
            }
            Found::Person | Found::NoAnswer | Found::Busy => {
                self.journal.checked(id, false, None).await?;
                due.operation
            }
        };
        let age_s = due.age.as_secs();
        tracing::info!(operation = %id, age_s, found = seen.found.as_str(), note = %seen.note, "looked at an unknown outcome");
        Ok(Reconciled {
            operation,
            found: seen.found,
            note: seen.note,
        })
    }

    fn session_of(&self, operation: &OperationRecord) -> Result<Session, api::Error> {
        let session = self.api.session(Some(operation.bin))?;
        match operation.trade_point {
            Some(point) if session.channel().has_trade_point(point) => session.at(point),
            _ => Ok(session),
        }
    }

    async fn seen(&self, due: &DueCheck, session: &Session) -> Result<Seen, api::Error> {
        let Some(payment) = due.operation.payment_id else {
            return Ok(Seen::person(
                "the journal does not know which payment it is about",
            ));
        };
        match due.operation.kind {
            OperationKind::Refund => self.seen_refund(due, payment, session).await,
            OperationKind::Cancel => self.seen_cancellation(due, payment, session).await,
            OperationKind::Create | OperationKind::Qr | OperationKind::Link => {
                Ok(Seen::person("nothing at Kaspi can be asked for it"))
            }
        }
    }

    async fn seen_refund(
        &self,
        due: &DueCheck,
        payment: PaymentId,
        session: &Session,
    ) -> Result<Seen, api::Error> {
        let (Some(before), Some(amount)) = (due.operation.rest_before, due.operation.amount) else {
            return Ok(Seen::person("the journal does not know what was left before it"));
        };
        let left = session.payment_details(payment).await?.available_return_amount;
        let verdict = judge(before, amount, left, reads(due), self.settings.patience);
        Ok(match verdict {
            Verdict::Made => Seen {
                found: Found::Accepted,
                note: format!("{before} tenge were left before it, {left} are now: less by its {amount}"),
            },
            Verdict::NotMade => Seen {
                found: Found::NotMade,
                note: format!(
                    "{left} tenge are left as before it, read {} times in {} s",
                    due.operation.checks + 1,
                    due.since_first_check.unwrap_or_default().as_secs()
                ),
            },
            Verdict::Wait => Seen {
                found: Found::Waits,
                note: format!(
                    "{left} tenge are left as before it, read {} times so far",
                    due.operation.checks + 1
                ),
            },
            Verdict::Person => Seen::person(format!(
                "{before} tenge were left before it, {left} are now, which its {amount} do not explain"
            )),
        })
    }

    async fn seen_cancellation(
        &self,
        due: &DueCheck,
        payment: PaymentId,
        session: &Session,
    ) -> Result<Seen, api::Error> {
        let status = session.payment_status(payment).await?;
        self.note(payment, &status).await;
        let word = &status.status;
        let found = match word.state() {
            PaymentState::Failed if word.as_str() == "RemotePaymentCanceled" => Found::Accepted,
            PaymentState::Failed | PaymentState::Paid => Found::NotMade,
            PaymentState::Pending if unchanged_for_good(reads(due), self.settings.patience) => Found::NotMade,
            PaymentState::Pending => Found::Waits,
            PaymentState::Unknown => Found::Person,
        };
        Ok(Seen {
            found,
            note: format!("the payment's status is `{word}`"),
        })
    }

    /// What Kaspi and the journal say about one payment's money, where that is not the same.
    pub(super) async fn compared(&self, payment: &PaymentRecord) -> Result<Option<Difference>, Error> {
        let id = payment.payment_id;
        let refunds = self.journal.refunds_of(id).await.map_err(Error::books)?;
        let by_journal = refunds
            .iter()
            .filter(|refund| refund.state == OperationState::Accepted)
            .filter_map(|refund| refund.amount)
            .fold(0_u64, |sum, amount| sum.saturating_add(amount.tiyn()));
        let by_journal = Balance::from_tiyn(by_journal).unwrap_or_default();
        let difference = |by_kaspi, note| Difference {
            payment_id: id,
            bin: payment.bin,
            refunded_by_kaspi: by_kaspi,
            refunded_by_journal: by_journal,
            note,
        };
        let details = match self.reading_session(Some(payment.bin), None, Some(payment)) {
            Ok(session) => {
                if payment.status.as_ref().is_none_or(|status| !status.is_final())
                    && let Ok(status) = session.payment_status(id).await
                {
                    self.note(id, &status).await;
                }
                session.payment_details(id).await.map_err(Error::reading)
            }
            Err(error) => Err(error),
        };
        match details {
            Ok(details) => {
                let by_kaspi = details
                    .total_amount
                    .tiyn()
                    .saturating_sub(details.available_return_amount.tiyn());
                let by_kaspi = Balance::from_tiyn(by_kaspi).unwrap_or_default();
                let note = match payment.amount {
                    Some(amount) if amount.tiyn() != details.total_amount.tiyn() => format!(
                        "Kaspi has a payment of {} tenge, the journal one of {amount}",
                        details.total_amount
                    ),
                    _ if by_kaspi > by_journal => {
                        "refunds that the journal does not know: made after the backup, or by a cashier"
                            .to_owned()
                    }
                    _ if by_kaspi < by_journal => {
                        "the journal has refunds that Kaspi's details do not show".to_owned()
                    }
                    _ => return Ok(None),
                };
                Ok(Some(difference(Some(by_kaspi), note)))
            }
            // Kaspi cannot be reached at all: nothing has been compared
            Err(Error::Kaspi { source, .. }) if source.transport().is_some_and(|error| error.may_pass()) => {
                Err(Error::reading(source))
            }
            Err(error) => Ok(Some(difference(None, error.to_string()))),
        }
    }
}

struct Seen {
    found: Found,
    note: String,
}

impl Seen {
    fn person(note: impl Into<String>) -> Self {
        Self {
            found: Found::Person,
            note: note.into(),
        }
    }
}

fn reads(due: &DueCheck) -> Option<Reads> {
    let since = due.since_first_check?;
    (due.operation.checks > 0).then_some(Reads {
        unchanged: due.operation.checks,
        since,
    })
}

fn for_a_person(operation: OperationRecord) -> Reconciled {
    let note = match operation.kind {
        OperationKind::Create => format!(
            "search the Kaspi Pay app for `#{}`: nothing at Kaspi can be asked for it",
            operation.id.short()
        ),
        _ => "nobody has seen it, and it expires; make another one".to_owned(),
    };
    Reconciled {
        operation,
        found: Found::Person,
        note,
    }
}
