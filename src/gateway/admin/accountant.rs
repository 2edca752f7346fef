//! The accountant's files: a summary by day, and what it is the sum of. Payments are those that were found
//! paid in these days, operations those that were asked for in them, so that each file adds up to the summary.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use time::Date;

use super::report_words::ReportWords;
use super::sheet::{self, Cell, Dialect};
use crate::base::Bin;
use crate::payments::{
    Cursor, DayBook, Error, Filter, OperationRecord, PaymentFilter, PaymentRecord, Payments, Tally,
    day_bounds,
};

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    Daily,
    Paid,
    Operations,
}

impl File {
    pub(super) const ALL: [Self; 3] = [Self::Daily, Self::Paid, Self::Operations];

    /// Its name in addresses, and of what is saved.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Paid => "paid",
            Self::Operations => "operations",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|file| file.name() == name)
    }
}

/// What stands in a file.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) file: File,
    pub(super) dialect: Dialect,
    pub(super) bins: Vec<Bin>,
    pub(super) first: Date,
    pub(super) last: Date,
}

/// The file, page by page, so that a year of it needs no more room than a thousand rows.
///
/// # Errors
///
/// The journal cannot be read. Where that happens later, the file breaks off, and the browser says so.
pub(super) async fn body(
    payments: Payments,
    wanted: Wanted,
    words: &'static ReportWords,
) -> Result<Body, Error> {
    let (first, next) = page(&payments, &wanted, words, None).await?;
    let mut head = sheet::MARK.to_vec();
    head.extend(written(&wanted, &[headings(wanted.file, words)]).unwrap_or_default());
    let rest = stream::try_unfold(next, move |next| {
        let (payments, wanted) = (payments.clone(), wanted.clone());
        async move {
            let Some(cursor) = next else { return Ok(None) };
            let (rows, next) = page(&payments, &wanted, words, Some(cursor))
                .await
                .map_err(io::Error::other)?;
            Ok(Some((Bytes::from(rows), next)))
        }
    });
    head.extend(first);
    let head = stream::once(async move { Ok::<_, io::Error>(Bytes::from(head)) });
    Ok(Body::from_stream(stream::StreamExt::chain(head, rest)))
}

/// Some rows, and where the next begin.
async fn page(
    payments: &Payments,
    wanted: &Wanted,
    words: &ReportWords,
    cursor: Option<Cursor>,
) -> Result<(Vec<u8>, Option<Cursor>), Error> {
    let (from, until) = day_bounds(wanted.first, wanted.last);
    let (rows, next) = match wanted.file {
        File::Daily => {
            let books = payments
                .daily_books(&wanted.bins, wanted.first, wanted.last)
                .await?;
            (books.iter().map(daily).collect::<Vec<_>>(), None)
        }
        File::Paid => {
            let filter = PaymentFilter {
                bins: wanted.bins.clone(),
                paid_from: Some(from),
                paid_until: Some(until),
                limit: 1000,
                cursor,
                ..PaymentFilter::default()
            };
            let page = payments.known_payments(&filter).await?;
            let rows = page.items.iter().map(|payment| paid(payment, words));
            (rows.collect(), page.next)
        }
        File::Operations => {
            let filter = Filter {
                bins: wanted.bins.clone(),
                from: Some(from),
                until: Some(until),
                limit: 1000,
                cursor,
                ..Filter::default()
            };
            let page = payments.operations(&filter).await?;
            let rows = page.items.iter().map(|record| operation(record, words));
            (rows.collect(), page.next)
        }
    };
    Ok((written(wanted, &rows).unwrap_or_default(), next))
}

/// Rows of one length, into memory: nothing that could fail.
fn written(wanted: &Wanted, rows: &[Vec<Cell>]) -> Option<Vec<u8>> {
    sheet::rows(wanted.dialect, rows)
        .inspect_err(|error| tracing::error!(%error, "rows cannot be written as CSV"))
        .ok()
}

fn headings(file: File, words: &ReportWords) -> Vec<Cell> {
    let texts: Vec<String> = match file {
        File::Daily => {
            let sums = [
                words.invoices,
                words.qr,
                words.links,
                words.paid,
                words.late,
                words.refunded,
                words.unknown,
                words.refused,
                words.not_sent,
                words.not_made,
            ];
            let sums = sums.iter().flat_map(|name| {
                [
                    format!("{name}, {}", words.count_of),
                    format!("{name}, {}", words.sum_of),
                ]
            });
            [words.bin.to_owned(), words.day.to_owned()]
                .into_iter()
                .chain(sums)
                .chain([format!("{}, {}", words.canceled, words.count_of)])
                .collect()
        }
        File::Paid => [
            words.paid_at,
            words.made_at,
            words.bin,
            words.trade_point,
            words.payment,
            words.kind,
            words.amount,
            words.kaspi_word,
            words.late,
            words.operation_id,
        ]
        .map(str::to_owned)
        .to_vec(),
        File::Operations => [
            words.asked_at,
            words.bin,
            words.trade_point,
            words.kind,
            words.state,
            words.amount,
            words.payment,
            words.refund_id,
            words.phone,
            words.caller,
            words.mark,
            words.operation_id,
            words.failure,
            words.code,
        ]
        .map(str::to_owned)
        .to_vec(),
    };
    texts.into_iter().map(Cell::Text).collect()
}

fn daily(book: &DayBook) -> Vec<Cell> {
    let sums = [
        book.invoices,
        book.qr,
        book.links,
        book.paid,
        book.late,
        book.refunded,
        book.unknown,
        book.refused,
        book.not_sent,
        book.not_made,
    ];
    let pair = |tally: &Tally| [Cell::count(tally.count), Cell::Money(tally.tiyn)];
    let mut row = vec![Cell::Id(book.bin.to_string()), Cell::Day(book.day)];
    row.extend(sums.iter().flat_map(pair));
    row.push(Cell::count(book.canceled.count));
    row
}

fn paid(payment: &PaymentRecord, words: &ReportWords) -> Vec<Cell> {
    vec![
        payment.status_at.map_or(Cell::Empty, Cell::Moment),
        Cell::Moment(payment.created_at),
        Cell::Id(payment.bin.to_string()),
        Cell::id(payment.trade_point),
        Cell::Id(payment.payment_id.to_string()),
        Cell::Text(words.payment_kind(payment.kind).to_owned()),
        money(payment.amount),
        Cell::text(payment.status.as_ref().map(|status| status.as_str())),
        Cell::text(payment.late.then_some(words.yes)),
        Cell::text(payment.operation_id),
    ]
}

fn operation(record: &OperationRecord, words: &ReportWords) -> Vec<Cell> {
    let failure = record.failure.as_ref();
    vec![
        Cell::Moment(record.recorded_at),
        Cell::Id(record.bin.to_string()),
        Cell::id(record.trade_point),
        Cell::Text(words.operation(record.kind).to_owned()),
        Cell::Text(words.outcome(record.state).to_owned()),
        money(record.amount),
        Cell::id(record.payment_id),
        Cell::id(record.return_operation_id),
        Cell::text(record.phone.as_ref()),
        Cell::Text(record.caller.clone()),
        Cell::Text(format!("#{}", record.id.short())),
        Cell::Text(record.id.to_string()),
        Cell::text(failure.map(|failure| &failure.kind)),
        failure
            .and_then(|failure| failure.code)
            .map_or(Cell::Empty, Cell::Number),
    ]
}

fn money(amount: Option<crate::base::Amount>) -> Cell {
    amount.map_or(Cell::Empty, |amount| Cell::Money(amount.tiyn()))
}
