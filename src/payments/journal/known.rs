//! Payments that the journal knows: whose they are, and how they stand.

use std::time::Duration;

use super::events;
use super::record::{
    Answer, NewKnownPayment, NextLook, Noted, OperationKind, OperationRecord, PaymentKind, PaymentRecord,
    PaymentSource, PurchaseAnswer, WatchPlan,
};
use super::row::{PAYMENT, Payment, micros, payment, tiyn};
use super::sql::args;
use super::step::{Step, StepError, Tx};
use crate::api::{KaspiTime, PaymentState, StatusWord};
use crate::base::PaymentId;

/// Writes down what an accepted operation means for its payment.
pub(super) async fn made(tx: &mut Tx<'_>, operation: &OperationRecord) -> Result<(), StepError> {
    let Some(id) = operation.payment_id else {
        return Ok(());
    };
    if let Some(Answer::Cancel { status }) = &operation.answer {
        note(tx, id, &StatusWord::new(status.as_str()), NextLook::Never).await?;
        return Ok(());
    }
    let kind = match operation.kind {
        OperationKind::Create => PaymentKind::Invoice,
        OperationKind::Qr => PaymentKind::Qr,
        OperationKind::Link => PaymentKind::Link,
        OperationKind::Refund | OperationKind::Cancel => return Ok(()),
    };
    let purchase = match &operation.answer {
        Some(Answer::Qr { purchase, .. } | Answer::Link { purchase, .. }) => Some(purchase),
        _ => None,
    };
    let watch = purchase.map(plan);
    let next_look = watch.map(|watch| after(tx.now, Duration::from_secs(watch.interval_s)));
    let expires = purchase
        .and_then(|purchase| purchase.expire_date.as_deref())
        .and_then(|text| KaspiTime::new(text).at());
    let args = args![
        id.get(),
        operation.bin.to_string(),
        operation.trade_point.map(|id| id.get()),
        kind.as_str(),
        operation.amount.map(|amount| tiyn(amount.tiyn())),
        PaymentSource::Made.as_str(),
        operation.id.to_string(),
        tx.now,
        expires.map(micros),
        written(watch)?,
        next_look,
    ];
    tx.conn
        .run(
            "INSERT INTO payments (payment_id, bin, trade_point, kind, amount, state, source, operation, created_at, \
             expires_at, late, watch, next_look_at) VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7, $8, $9, 0, $10, $11) \
             ON CONFLICT (payment_id) DO UPDATE SET bin = excluded.bin, trade_point = excluded.trade_point, \
             kind = excluded.kind, amount = excluded.amount, source = excluded.source, operation = excluded.operation",
            &args,
        )
        .await?;
    events::created(tx, operation, id, kind).await
}

/// Puts payments in that were not made here.
pub(super) struct AddPayments(pub(super) Vec<NewKnownPayment>);

impl Step for AddPayments {
    type Output = Vec<PaymentRecord>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<PaymentRecord>, StepError> {
        let mut stand = Vec::with_capacity(self.0.len());
        for new in &self.0 {
            let args = args![
                new.payment_id.get(),
                new.bin.to_string(),
                new.trade_point.map(|id| id.get()),
                PaymentKind::Other.as_str(),
                new.amount.map(|amount| tiyn(amount.tiyn())),
                new.source.as_str(),
                new.created_at.map_or(tx.now, micros),
            ];
            tx.conn
                .run(
                    "INSERT INTO payments (payment_id, bin, trade_point, kind, amount, state, source, created_at, late) \
                     VALUES ($1, $2, $3, $4, $5, 'unknown', $6, $7, 0) ON CONFLICT (payment_id) DO NOTHING",
                    &args,
                )
                .await?;
            if let Some(found) = find(tx, new.payment_id).await? {
                stand.push(found.record);
            }
        }
        Ok(stand)
    }
}

/// One payment.
pub(super) struct OnePayment(pub(super) PaymentId);

impl Step for OnePayment {
    type Output = Option<PaymentRecord>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<PaymentRecord>, StepError> {
        let sql = format!("SELECT {PAYMENT} FROM payments WHERE payment_id = $1");
        let row = tx.conn.row(&sql, &args![self.0.get()]).await?;
        row.as_ref()
            .map(|row| payment(row).map(|payment| payment.record))
            .transpose()
    }
}

/// Takes down what Kaspi said about a payment.
pub(super) struct NoteStatus {
    pub(super) id: PaymentId,
    pub(super) status: StatusWord,
    pub(super) next: NextLook,
}

impl Step for NoteStatus {
    type Output = Noted;
    const TELLS: bool = true;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Noted, StepError> {
        note(tx, self.id, &self.status, self.next).await
    }
}

/// Begins or ends watching a payment.
pub(super) struct PlanLooks {
    pub(super) id: PaymentId,
    pub(super) plan: Option<WatchPlan>,
    pub(super) next: NextLook,
}

impl Step for PlanLooks {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StepError> {
        let Some(found) = find(tx, self.id).await? else {
            return Ok(());
        };
        let next = next_look(tx.now, self.next, found.next_look_at);
        let args = args![
            self.id.get(),
            written(self.plan)?,
            next,
            given_up(&found, self.next, tx.now)
        ];
        tx.conn
            .run(
                "UPDATE payments SET watch = $2, next_look_at = $3, given_up_at = COALESCE(given_up_at, $4), \
                 look_owner = NULL, look_taken_at = NULL WHERE payment_id = $1",
                &args,
            )
            .await?;
        Ok(())
    }
}

/// Begins to watch every invoice that can still be paid and is not watched.
pub(super) struct PlanInvoices {
    pub(super) plan: WatchPlan,
    pub(super) life: Duration,
}

impl Step for PlanInvoices {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StepError> {
        let oldest = tx.now.saturating_sub(after(0, self.life));
        let args = args![written(Some(self.plan))?, tx.now, oldest];
        tx.conn
            .run(
                "UPDATE payments SET watch = $1, next_look_at = $2 WHERE kind = 'invoice' AND watch IS NULL \
                 AND given_up_at IS NULL AND state IN ('pending', 'unknown') AND created_at > $3",
                &args,
            )
            .await?;
        Ok(())
    }
}

/// Final words stay: what comes after one is only kept where it says that money came in after all.
async fn note(
    tx: &mut Tx<'_>,
    id: PaymentId,
    status: &StatusWord,
    next: NextLook,
) -> Result<Noted, StepError> {
    let Some(mut found) = find(tx, id).await? else {
        return Ok(Noted {
            payment: None,
            changed: false,
            late: false,
        });
    };
    let was_final = found.record.status.as_ref().is_some_and(StatusWord::is_final);
    let changed = !was_final && found.record.status.as_ref() != Some(status);
    let paid = status.state() == PaymentState::Paid;
    let failed = was_final
        && found
            .record
            .status
            .as_ref()
            .is_some_and(|word| word.state() == PaymentState::Failed);
    let late = paid && !found.record.late && (failed || (changed && found.given_up));
    if late {
        tracing::warn!(payment = %id, before = found.record.status.as_ref().map_or("", StatusWord::as_str), "paid after it had been given up");
        found.record.late = true;
    }
    let before = found.record.status.clone();
    if !was_final {
        found.record.status = Some(status.clone());
        found.record.status_at = Some(super::row::time_at(tx.now)?);
    }
    if let Some(watch) = &mut found.record.watch
        && !matches!(status.as_str(), "QrTokenCreated" | "Creating")
    {
        watch.activated_at.get_or_insert(tx.now / 1_000_000);
    }
    let over = found.record.status.as_ref().is_some_and(StatusWord::is_final);
    let next = if over { NextLook::Never } else { next };
    let state = found
        .record
        .status
        .as_ref()
        .map_or(PaymentState::Unknown, StatusWord::state);
    let args = args![
        id.get(),
        found.record.status.as_ref().map(|word| word.as_str().to_owned()),
        found.record.status_at.map(micros),
        state_word(state),
        found.record.late,
        written(found.record.watch)?,
        next_look(tx.now, next, found.next_look_at),
        given_up(&found, next, tx.now).filter(|_| !over),
    ];
    tx.conn
        .run(
            "UPDATE payments SET status = $2, status_at = $3, state = $4, late = $5, watch = $6, next_look_at = $7, \
             given_up_at = COALESCE(given_up_at, $8), look_owner = NULL, look_taken_at = NULL WHERE payment_id = $1",
            &args,
        )
        .await?;
    if changed || late {
        events::status_changed(tx, &found.record, before.as_ref(), status, late).await?;
    }
    Ok(Noted {
        payment: Some(found.record),
        changed,
        late,
    })
}

async fn find(tx: &mut Tx<'_>, id: PaymentId) -> Result<Option<Payment>, StepError> {
    let sql = format!(
        "SELECT {PAYMENT} FROM payments WHERE payment_id = $1{}",
        tx.conn.for_update()
    );
    let row = tx.conn.row(&sql, &args![id.get()]).await?;
    row.as_ref().map(payment).transpose()
}

fn plan(purchase: &PurchaseAnswer) -> WatchPlan {
    WatchPlan {
        interval_s: purchase.interval_s,
        activation_s: purchase.activation_s,
        confirmation_s: purchase.confirmation_s,
        activated_at: None,
    }
}

/// Watching that ends without a final word gives the payment up: what comes later is late.
fn given_up(found: &Payment, next: NextLook, now: i64) -> Option<i64> {
    (next == NextLook::Never && found.next_look_at.is_some()).then_some(now)
}

fn next_look(now: i64, next: NextLook, before: Option<i64>) -> Option<i64> {
    match next {
        NextLook::Keep => before,
        NextLook::In(gap) => Some(after(now, gap)),
        NextLook::Never => None,
    }
}

/// The journal's time some while later.
pub(super) fn after(now: i64, gap: Duration) -> i64 {
    now.saturating_add(i64::try_from(gap.as_micros()).unwrap_or(i64::MAX))
}

/// A state as the table keeps it, so that lists can ask for it.
pub(super) fn state_word(state: PaymentState) -> &'static str {
    match state {
        PaymentState::Pending => "pending",
        PaymentState::Paid => "paid",
        PaymentState::Failed => "failed",
        PaymentState::Unknown => "unknown",
    }
}

fn written(plan: Option<WatchPlan>) -> Result<Option<String>, StepError> {
    plan.map(|plan| serde_json::to_string(&plan))
        .transpose()
        .map_err(|error| StepError::Unreadable(error.to_string()))
}
