//! Writing events down with the change that they tell of, and reading them in order.

use super::event::{Event, EventFacts, EventFilter, NewEvent};
use super::lease::among;
use super::record::{OperationKind, OperationRecord, OperationState, PaymentKind, PaymentRecord};
use super::row::time_at;
use super::sql::{Arg, Row, args};
use super::step::{Step, StepError, Tx};
use crate::api::StatusWord;
use crate::base::{Amount, Balance, Bin, OperationId, PaymentId};

/// How many events get their places in one transaction at most.
const PLACED: i64 = 1000;

/// The columns that [`event`] needs.
pub(super) const EVENT: &str = "position, at, bin, payment_id, operation, facts";

/// Tells that a payment was made.
pub(super) async fn created(
    tx: &mut Tx<'_>,
    operation: &OperationRecord,
    payment: PaymentId,
    kind: PaymentKind,
) -> Result<(), StepError> {
    let facts = EventFacts::PaymentCreated {
        kind: kind.as_str().to_owned(),
        amount: operation.amount.map(tenge),
    };
    let about = (operation.bin, Some(payment), Some(operation.id));
    write(tx, about, &facts).await
}

/// Tells that Kaspi says another status than before.
pub(super) async fn status_changed(
    tx: &mut Tx<'_>,
    payment: &PaymentRecord,
    from: Option<&StatusWord>,
    to: &StatusWord,
    late: bool,
) -> Result<(), StepError> {
    let facts = EventFacts::PaymentStatusChanged {
        from: from.map(|word| word.as_str().to_owned()),
        to: to.as_str().to_owned(),
        state: super::known::state_word(to.state()).to_owned(),
        amount: payment.amount.map(tenge),
        late,
    };
    let about = (payment.bin, Some(payment.payment_id), payment.operation_id);
    write(tx, about, &facts).await
}

/// Tells what the end of an operation means, where that is worth telling.
pub(super) async fn settled(
    tx: &mut Tx<'_>,
    operation: &OperationRecord,
    from: OperationState,
) -> Result<(), StepError> {
    let about = (operation.bin, operation.payment_id, Some(operation.id));
    let (kind, amount) = (operation.kind.as_str().to_owned(), operation.amount.map(tenge));
    if operation.state == OperationState::Unknown {
        let reason = operation.failure.as_ref().map(|failure| failure.kind.clone());
        let facts = EventFacts::OperationUnknown { kind, amount, reason };
        return write(tx, about, &facts).await;
    }
    if from == OperationState::Unknown {
        let facts = EventFacts::OperationResolved {
            kind,
            amount,
            outcome: operation.state.as_str().to_owned(),
            inferred: operation.inferred,
        };
        write(tx, about, &facts).await?;
    }
    if operation.state == OperationState::Accepted && operation.kind == OperationKind::Refund {
        let facts = EventFacts::PaymentRefunded {
            amount: operation.amount.map(tenge),
            rest: rest(operation).map(|rest| rest.to_string()),
            return_operation_id: operation.return_operation_id.map(|id| id.get()),
            inferred: operation.inferred,
        };
        write(tx, about, &facts).await?;
    }
    Ok(())
}

fn rest(refund: &OperationRecord) -> Option<Balance> {
    let (before, amount) = (refund.rest_before?, refund.amount?);
    Balance::from_tiyn(before.tiyn().checked_sub(amount.tiyn())?).ok()
}

fn tenge(amount: Amount) -> String {
    amount.to_string()
}

async fn write(
    tx: &mut Tx<'_>,
    (bin, payment, operation): (Bin, Option<PaymentId>, Option<OperationId>),
    facts: &EventFacts,
) -> Result<(), StepError> {
    let args = args![
        tx.now,
        facts.kind().as_str(),
        bin.to_string(),
        payment.map(PaymentId::get),
        operation.map(|id| id.to_string()),
        written(facts)?,
    ];
    tx.conn
        .run(
            "INSERT INTO events (at, kind, bin, payment_id, operation, facts) VALUES ($1, $2, $3, $4, $5, $6)",
            &args,
        )
        .await?;
    Ok(())
}

/// Writes an event down that the journal does not see by itself, unless it has been told.
pub(super) struct Tell(pub(super) NewEvent);

impl Step for Tell {
    type Output = bool;
    const TELLS: bool = true;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, StepError> {
        let NewEvent { bin, facts, mark } = &self.0;
        let kind = facts.kind().as_str();
        let args = args![
            tx.now,
            kind,
            bin.to_string(),
            format!("{kind}/{bin}/{mark}"),
            written(facts)?,
        ];
        let told = tx
            .conn
            .run(
                "INSERT INTO events (at, kind, bin, once, facts) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (once) DO NOTHING",
                &args,
            )
            .await?;
        Ok(told > 0)
    }
}

/// Whether committed events wait for their places. With SQLite none ever do: its only writer gives them.
pub(super) struct Unplaced;

impl Step for Unplaced {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, StepError> {
        let sql = "SELECT id FROM events WHERE position IS NULL LIMIT 1";
        Ok(!tx.conn.is_sqlite() && tx.conn.row(sql, &[]).await?.is_some())
    }
}

/// Gives committed events their places, one process at a time. Says whether some may be left.
pub(super) struct GivePlaces;

impl Step for GivePlaces {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, StepError> {
        // held until the commit; what is committed before that is seen by the statement after
        let Some(row) = tx
            .conn
            .row("SELECT last FROM event_places FOR UPDATE", &[])
            .await?
        else {
            return Err(StepError::Unreadable("`event_places` is empty".to_owned()));
        };
        let last = row.int("last")?;
        let placed = tx
            .conn
            .run(
                "UPDATE events SET position = placed.place FROM \
                 (SELECT id, $1 + ROW_NUMBER() OVER (ORDER BY id) AS place FROM \
                 (SELECT id FROM events WHERE position IS NULL ORDER BY id LIMIT $2) AS waiting) AS placed \
                 WHERE events.id = placed.id",
                &args![last, PLACED],
            )
            .await?;
        let placed = i64::try_from(placed).unwrap_or(i64::MAX);
        tx.conn
            .run(
                "UPDATE event_places SET last = $1",
                &args![last.saturating_add(placed)],
            )
            .await?;
        Ok(placed >= PLACED)
    }
}

/// Events, the earliest first.
pub(super) struct Events(pub(super) EventFilter);

impl Step for Events {
    type Output = Vec<Event>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Event>, StepError> {
        let filter = &self.0;
        let mut args: Vec<Arg> = args![filter.after].to_vec();
        let mut wanted = among(&mut args, "bin", filter.bins.iter().map(Bin::to_string));
        wanted += &among(
            &mut args,
            "kind",
            filter.kinds.iter().map(|kind| kind.as_str().to_owned()),
        );
        let limit = match filter.limit {
            0 => 100,
            limit => limit.min(1000),
        };
        let sql = format!(
            "SELECT {EVENT} FROM events WHERE position > $1{wanted} \
             ORDER BY position LIMIT {limit}"
        );
        let rows = tx.conn.rows(&sql, &args).await?;
        rows.iter().map(event).collect()
    }
}

/// The place of the last event; 0 where there is none.
pub(super) struct Newest;

impl Step for Newest {
    type Output = i64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<i64, StepError> {
        let row = tx
            .conn
            .row("SELECT MAX(position) AS newest FROM events", &[])
            .await?;
        let newest = row.map(|row| row.optional_int("newest")).transpose()?;
        Ok(newest.flatten().unwrap_or_default())
    }
}

pub(super) fn event(row: &Row) -> Result<Event, StepError> {
    Ok(Event {
        position: row.int("position")?,
        at: time_at(row.int("at")?)?,
        bin: super::row::parsed(row, "bin")?,
        payment_id: super::row::number(row, "payment_id", PaymentId::new)?,
        operation_id: row
            .optional_text("operation")?
            .map(|text| text.parse().map_err(super::row::unreadable("operation")))
            .transpose()?,
        facts: serde_json::from_str(&row.text("facts")?)
            .map_err(|error| StepError::Unreadable(format!("an event cannot be read: {error}")))?,
    })
}

fn written(facts: &EventFacts) -> Result<String, StepError> {
    serde_json::to_string(facts).map_err(|error| StepError::Unreadable(error.to_string()))
}
