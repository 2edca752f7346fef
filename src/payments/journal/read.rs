//! Reading the books.

use super::audit;
use super::filter::{Cursor, Filter, Page, PaymentFilter, page_size};
use super::lease::{among, elapsed};
use super::record::{HistoryStep, OperationRecord, PaymentRecord};
use super::row::{OPERATION, Operation, PAYMENT, micros, payment, time_at, tiyn};
use super::sql::{Arg, args};
use super::step::{Step, StepError, Tx};
use super::{BrokenLink, UnknownOperations, Verified};
use crate::base::{Bin, OperationId, PaymentId};

/// One operation.
pub(super) struct OneOperation(pub(super) OperationId);

impl Step for OneOperation {
    type Output = Option<OperationRecord>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<OperationRecord>, StepError> {
        let sql = format!("SELECT {OPERATION} FROM operations WHERE id = $1");
        let row = tx.conn.row(&sql, &args![self.0.to_string()]).await?;
        row.as_ref()
            .map(|row| Operation::read(row).map(|found| found.record))
            .transpose()
    }
}

/// The steps of one operation.
pub(super) struct History(pub(super) OperationId);

impl Step for History {
    type Output = Vec<HistoryStep>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<HistoryStep>, StepError> {
        let sql = format!(
            "SELECT {} FROM history WHERE operation = $1 ORDER BY step",
            audit::STEP
        );
        let rows = tx.conn.rows(&sql, &args![self.0.to_string()]).await?;
        rows.iter().map(audit::step).collect()
    }
}

/// The refunds of one payment.
pub(super) struct RefundsOf(pub(super) PaymentId);

impl Step for RefundsOf {
    type Output = Vec<OperationRecord>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<OperationRecord>, StepError> {
        let sql = format!(
            "SELECT {OPERATION} FROM operations WHERE payment_id = $1 AND kind = 'refund' ORDER BY seq"
        );
        let rows = tx.conn.rows(&sql, &args![self.0.get()]).await?;
        rows.iter()
            .map(|row| Operation::read(row).map(|found| found.record))
            .collect()
    }
}

/// Some operations, the latest first.
pub(super) struct Operations(pub(super) Filter);

impl Step for Operations {
    type Output = Page<OperationRecord>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Page<OperationRecord>, StepError> {
        let filter = &self.0;
        let mut args = Vec::new();
        let mut wanted = among(&mut args, "bin", filter.bins.iter().map(Bin::to_string));
        wanted += &among(
            &mut args,
            "kind",
            filter.kinds.iter().map(|kind| kind.as_str().to_owned()),
        );
        wanted += &among(
            &mut args,
            "state",
            filter.states.iter().map(|state| state.as_str().to_owned()),
        );
        wanted += &among(&mut args, "caller", filter.caller.iter().cloned());
        wanted += &among(&mut args, "key", filter.key.iter().cloned());
        wanted += &compared(&mut args, "payment_id =", filter.payment.map(PaymentId::get));
        wanted += &compared(&mut args, "recorded_at >=", filter.from.map(micros));
        wanted += &compared(&mut args, "recorded_at <", filter.until.map(micros));
        wanted += &compared(
            &mut args,
            "amount >=",
            filter.at_least.map(|amount| tiyn(amount.tiyn())),
        );
        wanted += &compared(
            &mut args,
            "amount <=",
            filter.at_most.map(|amount| tiyn(amount.tiyn())),
        );
        let size = page_size(filter.limit);
        let sql = paged("operations", OPERATION, wanted, &mut args, filter.cursor, size);
        let rows = tx.conn.rows(&sql, &args).await?;
        let read = |row| Operation::read(row).map(|found| (found.record.seq, found.record));
        page(rows.iter().map(read).collect::<Result<_, _>>()?, size)
    }
}

/// Some payments, the latest first.
pub(super) struct Payments(pub(super) PaymentFilter);

impl Step for Payments {
    type Output = Page<PaymentRecord>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Page<PaymentRecord>, StepError> {
        let filter = &self.0;
        let mut args = Vec::new();
        let mut wanted = among(&mut args, "bin", filter.bins.iter().map(Bin::to_string));
        wanted += &among(
            &mut args,
            "kind",
            filter.kinds.iter().map(|kind| kind.as_str().to_owned()),
        );
        wanted += &among(
            &mut args,
            "source",
            filter.sources.iter().map(|source| source.as_str().to_owned()),
        );
        let states = filter
            .states
            .iter()
            .map(|state| super::known::state_word(*state).to_owned());
        wanted += &among(&mut args, "state", states);
        wanted += &compared(&mut args, "created_at >=", filter.from.map(micros));
        wanted += &compared(&mut args, "created_at <", filter.until.map(micros));
        if filter.paid_from.is_some() || filter.paid_until.is_some() {
            wanted += " AND (state = 'paid' OR late = 1)";
        }
        wanted += &compared(&mut args, "status_at >=", filter.paid_from.map(micros));
        wanted += &compared(&mut args, "status_at <", filter.paid_until.map(micros));
        wanted += &compared(
            &mut args,
            "amount >=",
            filter.at_least.map(|amount| tiyn(amount.tiyn())),
        );
        wanted += &compared(
            &mut args,
            "amount <=",
            filter.at_most.map(|amount| tiyn(amount.tiyn())),
        );
        wanted += &compared(&mut args, "late =", filter.late.then_some(1));
        let size = page_size(filter.limit);
        let sql = paged("payments", PAYMENT, wanted, &mut args, filter.cursor, size);
        let rows = tx.conn.rows(&sql, &args).await?;
        let read = |row| payment(row).map(|found| (found.seq, found.record));
        page(rows.iter().map(read).collect::<Result<_, _>>()?, size)
    }
}

/// How much is unknown.
pub(super) struct Unknown(pub(super) Vec<Bin>);

impl Step for Unknown {
    type Output = UnknownOperations;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<UnknownOperations, StepError> {
        let mut args = Vec::new();
        let bins = among(&mut args, "bin", self.0.iter().map(Bin::to_string));
        let sql = format!(
            "SELECT COUNT(*) AS number, MIN(recorded_at) AS oldest FROM operations WHERE state = 'unknown'{bins}"
        );
        let Some(row) = tx.conn.row(&sql, &args).await? else {
            return Ok(UnknownOperations::default());
        };
        let oldest = row.optional_int("oldest")?.map(time_at).transpose()?;
        let now = time_at(tx.now)?;
        Ok(UnknownOperations {
            count: u64::try_from(row.int("number")?).unwrap_or_default(),
            oldest,
            oldest_age: oldest.map(|oldest| elapsed(oldest, now)),
        })
    }
}

/// Compares all operations with their histories. Wants a transaction that sees one state of the books.
pub(super) struct Verify;

impl Step for Verify {
    type Output = Verified;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Verified, StepError> {
        let mut verified = Verified {
            operations: 0,
            steps: 0,
            broken: Vec::new(),
        };
        let mut after = 0;
        loop {
            let sql = format!("SELECT {OPERATION} FROM operations WHERE seq > $1 ORDER BY seq LIMIT 500");
            let rows = tx.conn.rows(&sql, &args![after]).await?;
            let Some(last) = rows.last() else { break };
            let upto = last.int("seq")?;
            let sql = format!(
                "SELECT {} FROM history WHERE operation IN \
                 (SELECT id FROM operations WHERE seq > $1 AND seq <= $2) ORDER BY operation, step",
                audit::STEP
            );
            let mut histories = std::collections::HashMap::<String, Vec<HistoryStep>>::new();
            for row in tx.conn.rows(&sql, &args![after, upto]).await? {
                histories
                    .entry(row.text("operation")?)
                    .or_default()
                    .push(audit::step(&row)?);
            }
            for row in &rows {
                let operation = Operation::read(row)?;
                let history = histories
                    .remove(&operation.record.id.to_string())
                    .unwrap_or_default();
                verified.operations += 1;
                verified.steps += u64::try_from(history.len()).unwrap_or_default();
                if let Some((step, problem)) = audit::mismatch(&operation, &history) {
                    verified.broken.push(BrokenLink {
                        operation_id: Some(operation.record.id),
                        step,
                        problem,
                    });
                }
            }
            after = upto;
        }
        taken_out(tx, &mut verified).await?;
        Ok(verified)
    }
}

/// Operations that are no longer there leave a history, or a hole in their lane.
async fn taken_out(tx: &mut Tx<'_>, verified: &mut Verified) -> Result<(), StepError> {
    let orphans = "SELECT DISTINCT operation FROM history WHERE operation NOT IN (SELECT id FROM operations) ORDER BY operation";
    for row in tx.conn.rows(orphans, &[]).await? {
        let id = row.text("operation")?;
        verified.broken.push(BrokenLink {
            operation_id: id.parse().ok(),
            step: None,
            problem: "it has a history, and was taken out of the operations".to_owned(),
        });
    }
    let holes = "SELECT lanes.lane AS lane, lanes.last AS last, COUNT(operations.seq) AS there FROM lanes \
                 LEFT JOIN operations ON operations.lane = lanes.lane GROUP BY lanes.lane, lanes.last \
                 HAVING COUNT(operations.seq) <> lanes.last ORDER BY lanes.lane";
    for row in tx.conn.rows(holes, &[]).await? {
        let (lane, last, there) = (row.text("lane")?, row.int("last")?, row.int("there")?);
        verified.broken.push(BrokenLink {
            operation_id: None,
            step: None,
            problem: format!("lane `{lane}` was given {last} operations, and {there} are there"),
        });
    }
    let strays =
        "SELECT DISTINCT lane FROM operations WHERE lane NOT IN (SELECT lane FROM lanes) ORDER BY lane";
    for row in tx.conn.rows(strays, &[]).await? {
        let problem = format!(
            "lane `{}` has operations, and was taken out of the lanes",
            row.text("lane")?
        );
        verified.broken.push(BrokenLink {
            operation_id: None,
            step: None,
            problem,
        });
    }
    Ok(())
}

pub(super) fn compared(args: &mut Vec<Arg>, column: &str, value: Option<i64>) -> String {
    match value {
        None => String::new(),
        Some(value) => {
            args.push(Arg::from(value));
            format!(" AND {column} ${}", args.len())
        }
    }
}

/// One record more than a page has room for tells whether another page follows.
pub(super) fn paged(
    table: &str,
    columns: &str,
    mut wanted: String,
    args: &mut Vec<Arg>,
    cursor: Option<Cursor>,
    size: usize,
) -> String {
    wanted += &compared(args, "seq <", cursor.map(|cursor| cursor.0));
    format!(
        "SELECT {columns} FROM {table} WHERE 1 = 1{wanted} ORDER BY seq DESC LIMIT {}",
        size + 1
    )
}

pub(super) fn page<T>(found: Vec<(i64, T)>, size: usize) -> Result<Page<T>, StepError> {
    let more = found.len() > size;
    let next = found
        .get(size.saturating_sub(1))
        .filter(|_| more)
        .map(|(seq, _)| Cursor(*seq));
    let items = found.into_iter().take(size).map(|(_, item)| item).collect();
    Ok(Page { items, next })
}
