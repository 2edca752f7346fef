//! Sums of the books, added up by the database: what was asked for, paid and paid back in each stretch of
//! time, and how long Kaspi took to answer.

use time::{Duration, OffsetDateTime, UtcOffset};

use super::lease::among;
use super::record::{OperationKind, OperationState};
use super::row::micros;
use super::sql::{Arg, Row, args};
use super::step::{Step, StepError, Tx};
use crate::base::Bin;

/// What is to be added up.
#[derive(Clone, Debug)]
pub(in crate::payments) struct Window {
    /// Of these BINs; empty for all, which reads every row.
    pub(in crate::payments) bins: Vec<Bin>,
    pub(in crate::payments) from: OffsetDateTime,
    pub(in crate::payments) until: OffsetDateTime,
    /// How long each stretch is: an hour or a day.
    pub(in crate::payments) stretch: Duration,
    /// Where days begin.
    pub(in crate::payments) zone: UtcOffset,
}

/// Several things together, and their money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::payments) struct Heap {
    pub(in crate::payments) count: u64,
    pub(in crate::payments) tiyn: u64,
    pub(in crate::payments) unpriced: u64,
}

/// Operations of one kind that stand in one state.
#[derive(Clone, Debug)]
pub(in crate::payments) struct OperationHeap {
    pub(in crate::payments) bin: Bin,
    pub(in crate::payments) start: OffsetDateTime,
    pub(in crate::payments) kind: OperationKind,
    pub(in crate::payments) state: OperationState,
    pub(in crate::payments) heap: Heap,
}

/// Payments that were paid.
#[derive(Clone, Debug)]
pub(in crate::payments) struct PaidHeap {
    pub(in crate::payments) bin: Bin,
    pub(in crate::payments) start: OffsetDateTime,
    /// After they had been given up.
    pub(in crate::payments) late: bool,
    pub(in crate::payments) heap: Heap,
}

/// How long answers took.
#[derive(Clone, Debug)]
pub(in crate::payments) struct Pace {
    pub(in crate::payments) start: OffsetDateTime,
    pub(in crate::payments) answers: u64,
    pub(in crate::payments) median: Duration,
    pub(in crate::payments) p95: Duration,
}

/// All of it, as it stood at one moment.
#[derive(Clone, Debug, Default)]
pub(in crate::payments) struct Tallies {
    pub(in crate::payments) operations: Vec<OperationHeap>,
    pub(in crate::payments) paid: Vec<PaidHeap>,
    pub(in crate::payments) paces: Vec<Pace>,
}

/// Adds up. Wants a transaction that sees one state of the books.
pub(super) struct AddUp(pub(super) Window);

impl Step for AddUp {
    type Output = Tallies;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Tallies, StepError> {
        let window = &self.0;
        Ok(Tallies {
            operations: operations(tx, window).await?,
            paid: paid(tx, window).await?,
            paces: paces(tx, window).await?,
        })
    }
}

const HEAP: &str = "COUNT(*) AS number, COUNT(*) - COUNT(amount) AS unpriced, CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS tiyn";

/// An operation belongs to the moment at which it was written down, whatever became of it later.
async fn operations(tx: &mut Tx<'_>, window: &Window) -> Result<Vec<OperationHeap>, StepError> {
    let (mut args, bins) = window.args();
    let sql = format!(
        "SELECT bin, (recorded_at + $1) / $2 AS stretch, kind, state, {HEAP} FROM operations \
         WHERE recorded_at >= $3 AND recorded_at < $4{} GROUP BY bin, stretch, kind, state ORDER BY bin, stretch",
        bins(&mut args)
    );
    let rows = tx.conn.rows(&sql, &args).await?;
    rows.iter()
        .map(|row| {
            Ok(OperationHeap {
                bin: super::row::parsed(row, "bin")?,
                start: window.start(row)?,
                kind: super::row::word(row, "kind", OperationKind::of_word)?,
                state: super::row::word(row, "state", OperationState::of_word)?,
                heap: heap(row)?,
            })
        })
        .collect()
}

/// A payment was paid when Kaspi's last word about it was heard. The condition is that of the index.
async fn paid(tx: &mut Tx<'_>, window: &Window) -> Result<Vec<PaidHeap>, StepError> {
    let (mut args, bins) = window.args();
    let sql = format!(
        "SELECT bin, (status_at + $1) / $2 AS stretch, late, {HEAP} FROM payments \
         WHERE (state = 'paid' OR late = 1) AND status_at >= $3 AND status_at < $4{} \
         GROUP BY bin, stretch, late ORDER BY bin, stretch",
        bins(&mut args)
    );
    let rows = tx.conn.rows(&sql, &args).await?;
    rows.iter()
        .map(|row| {
            Ok(PaidHeap {
                bin: super::row::parsed(row, "bin")?,
                start: window.start(row)?,
                late: row.int("late")? != 0,
                heap: heap(row)?,
            })
        })
        .collect()
}

/// The nearest rank of what was answered at once: what was unknown first was settled by other means, and
/// its end says nothing about how long an answer takes.
async fn paces(tx: &mut Tx<'_>, window: &Window) -> Result<Vec<Pace>, StepError> {
    let (mut args, bins) = window.args();
    let sql = format!(
        "SELECT stretch, number, MAX(CASE WHEN place = (number + 1) / 2 THEN took END) AS median, \
         MAX(CASE WHEN place = (number * 95 + 99) / 100 THEN took END) AS p95 FROM \
         (SELECT stretch, took, ROW_NUMBER() OVER (PARTITION BY stretch ORDER BY took) AS place, \
         COUNT(*) OVER (PARTITION BY stretch) AS number FROM \
         (SELECT (recorded_at + $1) / $2 AS stretch, settled_at - sent_at AS took FROM operations \
         WHERE recorded_at >= $3 AND recorded_at < $4{} AND state IN ('accepted', 'refused') AND settled_at >= sent_at \
         AND NOT EXISTS (SELECT 1 FROM history WHERE history.operation = operations.id AND history.from_state = 'unknown')\
         ) AS answered) AS placed GROUP BY stretch, number ORDER BY stretch",
        bins(&mut args)
    );
    let rows = tx.conn.rows(&sql, &args).await?;
    rows.iter()
        .map(|row| {
            Ok(Pace {
                start: window.start(row)?,
                answers: unsigned(row.int("number")?),
                median: Duration::microseconds(row.int("median")?),
                p95: Duration::microseconds(row.int("p95")?),
            })
        })
        .collect()
}

impl Window {
    /// The first four parameters of every statement here, and what adds the BINs to them.
    fn args(&self) -> (Vec<Arg>, impl Fn(&mut Vec<Arg>) -> String + '_) {
        let args = args![self.shift(), self.length(), micros(self.from), micros(self.until)];
        (args.to_vec(), |args| {
            among(args, "bin", self.bins.iter().map(Bin::to_string))
        })
    }

    fn shift(&self) -> i64 {
        i64::from(self.zone.whole_seconds()) * 1_000_000
    }

    fn length(&self) -> i64 {
        i64::try_from(self.stretch.whole_microseconds())
            .unwrap_or(i64::MAX)
            .max(1)
    }

    fn start(&self, row: &Row) -> Result<OffsetDateTime, StepError> {
        let at = row
            .int("stretch")?
            .saturating_mul(self.length())
            .saturating_sub(self.shift());
        Ok(super::row::time_at(at)?.to_offset(self.zone))
    }
}

fn heap(row: &Row) -> Result<Heap, StepError> {
    Ok(Heap {
        count: unsigned(row.int("number")?),
        tiyn: unsigned(row.int("tiyn")?),
        unpriced: unsigned(row.int("unpriced")?),
    })
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
