//! From rows to records and back.

use std::str::FromStr;

use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use super::record::{
    KeyKind, OperationKind, OperationRecord, OperationRoute, OperationState, OwnerId, PaymentKind,
    PaymentRecord, PaymentSource,
};
use super::sql::Row;
use super::step::StepError;
use crate::api::StatusWord;
use crate::base::{Amount, Balance, PaymentId, ReturnOperationId, TradePointId};

/// The columns that [`Operation::read`] needs.
pub(super) const OPERATION: &str = "seq, id, kind, state, bin, trade_point, route, caller, key, key_kind, key_live, digest, amount, \
     payment_id, phone, answer, failure, owner, recorded_at, sent_at, settled_at, delivered_at, inferred, rest_before, \
     checks, first_checked_at, next_check_at, steps, head";

/// The columns that [`payment`] needs.
pub(super) const PAYMENT: &str = "seq, payment_id, bin, trade_point, kind, amount, status, status_at, source, operation, \
     created_at, expires_at, given_up_at, late, watch, next_look_at";

/// An operation with what only the journal needs of it.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) record: OperationRecord,
    pub(super) key_live: bool,
    pub(super) next_check_at: Option<i64>,
    /// How many steps its history has.
    pub(super) steps: i64,
    /// The hash of the last one.
    pub(super) head: String,
}

impl Operation {
    pub(super) fn read(row: &Row) -> Result<Self, StepError> {
        let answer = optional_json(row, "answer")?;
        let return_operation_id: Option<ReturnOperationId> =
            answer.as_ref().and_then(super::Answer::return_operation_id);
        let record = OperationRecord {
            id: parsed(row, "id")?,
            seq: row.int("seq")?,
            kind: word(row, "kind", OperationKind::of_word)?,
            state: word(row, "state", OperationState::of_word)?,
            bin: parsed(row, "bin")?,
            trade_point: number(row, "trade_point", TradePointId::new)?,
            route: word(row, "route", OperationRoute::of_word)?,
            caller: row.text("caller")?,
            key: row.optional_text("key")?,
            key_kind: optional_word(row, "key_kind", KeyKind::of_word)?,
            digest: row.text("digest")?,
            amount: number(row, "amount", amount)?,
            payment_id: number(row, "payment_id", PaymentId::new)?,
            phone: row.optional_text("phone")?,
            answer,
            return_operation_id,
            failure: optional_json(row, "failure")?,
            owner: OwnerId(parsed(row, "owner")?),
            recorded_at: time_at(row.int("recorded_at")?)?,
            sent_at: optional_time(row, "sent_at")?,
            settled_at: optional_time(row, "settled_at")?,
            delivered_at: optional_time(row, "delivered_at")?,
            inferred: row.int("inferred")? != 0,
            rest_before: number(row, "rest_before", balance)?,
            checks: u32::try_from(row.int("checks")?).unwrap_or(u32::MAX),
            first_checked_at: optional_time(row, "first_checked_at")?,
        };
        Ok(Self {
            record,
            key_live: row.int("key_live")? != 0,
            next_check_at: row.optional_int("next_check_at")?,
            steps: row.int("steps")?,
            head: row.text("head")?,
        })
    }
}

/// A payment with what only the journal needs of it.
#[derive(Clone, Debug)]
pub(super) struct Payment {
    pub(super) record: PaymentRecord,
    pub(super) seq: i64,
    pub(super) given_up: bool,
    pub(super) next_look_at: Option<i64>,
}

pub(super) fn payment(row: &Row) -> Result<Payment, StepError> {
    let record = PaymentRecord {
        payment_id: PaymentId::new(row.int("payment_id")?).map_err(unreadable("payment_id"))?,
        bin: parsed(row, "bin")?,
        trade_point: number(row, "trade_point", TradePointId::new)?,
        kind: word(row, "kind", PaymentKind::of_word)?,
        amount: number(row, "amount", amount)?,
        status: row.optional_text("status")?.map(StatusWord::new),
        status_at: optional_time(row, "status_at")?,
        source: word(row, "source", PaymentSource::of_word)?,
        operation_id: row
            .optional_text("operation")?
            .map(|text| text.parse().map_err(unreadable("operation")))
            .transpose()?,
        created_at: time_at(row.int("created_at")?)?,
        expires_at: optional_time(row, "expires_at")?,
        late: row.int("late")? != 0,
        watch: optional_json(row, "watch")?,
    };
    Ok(Payment {
        record,
        seq: row.int("seq")?,
        given_up: row.optional_int("given_up_at")?.is_some(),
        next_look_at: row.optional_int("next_look_at")?,
    })
}

/// Microseconds since the Unix epoch, as the journal keeps times.
pub(super) fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

pub(super) fn time_at(micros: i64) -> Result<OffsetDateTime, StepError> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).map_err(unreadable("a time"))
}

/// Money as the journal keeps it. An amount has at most 15 digits.
pub(super) fn tiyn(tiyn: u64) -> i64 {
    i64::try_from(tiyn).unwrap_or(i64::MAX)
}

fn amount(tiyn: i64) -> Result<Amount, String> {
    let tiyn = u64::try_from(tiyn).map_err(|error| error.to_string())?;
    Amount::from_tiyn(tiyn).map_err(|error| error.to_string())
}

fn balance(tiyn: i64) -> Result<Balance, String> {
    let tiyn = u64::try_from(tiyn).map_err(|error| error.to_string())?;
    Balance::from_tiyn(tiyn).map_err(|error| error.to_string())
}

pub(super) fn parsed<T: FromStr>(row: &Row, column: &'static str) -> Result<T, StepError>
where
    T::Err: std::fmt::Display,
{
    row.text(column)?.parse().map_err(unreadable(column))
}

pub(super) fn number<T, E: std::fmt::Display>(
    row: &Row,
    column: &'static str,
    make: impl Fn(i64) -> Result<T, E>,
) -> Result<Option<T>, StepError> {
    row.optional_int(column)?
        .map(|number| make(number).map_err(unreadable(column)))
        .transpose()
}

pub(super) fn word<T>(
    row: &Row,
    column: &'static str,
    of_word: impl Fn(&str) -> Option<T>,
) -> Result<T, StepError> {
    let text = row.text(column)?;
    of_word(&text).ok_or_else(|| StepError::Unreadable(format!("`{column}` is `{}`", text.escape_debug())))
}

fn optional_word<T>(
    row: &Row,
    column: &'static str,
    of_word: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, StepError> {
    match row.optional_text(column)? {
        Some(_) => word(row, column, of_word).map(Some),
        None => Ok(None),
    }
}

fn optional_json<T: DeserializeOwned>(row: &Row, column: &'static str) -> Result<Option<T>, StepError> {
    row.optional_text(column)?
        .map(|text| serde_json::from_str(&text).map_err(unreadable(column)))
        .transpose()
}

pub(super) fn optional_time(row: &Row, column: &'static str) -> Result<Option<OffsetDateTime>, StepError> {
    row.optional_int(column)?.map(time_at).transpose()
}

pub(super) fn unreadable<E: std::fmt::Display>(column: &'static str) -> impl Fn(E) -> StepError {
    move |error| StepError::Unreadable(format!("`{column}`: {error}"))
}
