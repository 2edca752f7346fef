//! What the books add up to, by BIN and time: for the accountant's day and for charts.
//!
//! Days are those of Almaty, UTC+5, where Kaspi's clock stands since 1 March 2024. An operation counts on
//! the day on which it was asked for, whatever became of it later. A payment counts as paid on the day on
//! which the journal heard of it: Kaspi's answer to a question about a status does not say when the customer
//! paid, and who asks late hears late. One that was paid after it had failed counts on the day on which it
//! failed, since the journal keeps no other.

use std::collections::BTreeMap;

use serde::Serialize;
use time::macros::{offset, time};
use time::{Date, Duration, OffsetDateTime, UtcOffset};

use super::journal::{Heap, OperationHeap, Tallies, Window};
use super::{Error, OperationKind, OperationState, Payments};
use crate::base::Bin;

/// The zone in which days begin and end here.
pub const ALMATY: UtcOffset = offset!(+5);

/// Several operations or payments together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Their money, in whole tiyn.
    pub tiyn: u64,
    /// How many of them have no amount in the journal, so that theirs is missing in `tiyn`.
    pub unpriced: u64,
}

/// One BIN on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DayBook {
    /// The organisation.
    pub bin: Bin,
    /// The day in Almaty, UTC+5.
    pub day: Date,
    /// Invoices to phone numbers that Kaspi took.
    pub invoices: Tally,
    /// QR codes that Kaspi made.
    pub qr: Tally,
    /// Links that Kaspi made.
    pub links: Tally,
    /// Payments that were found paid; late ones among them.
    pub paid: Tally,
    /// Of these, the ones that had been given up before.
    pub late: Tally,
    /// Refunds that Kaspi made.
    pub refunded: Tally,
    /// Invoices that were taken back.
    pub canceled: Tally,
    /// What is at stake: operations of that day whose outcome is unknown now.
    pub unknown: Tally,
    /// What Kaspi refused.
    pub refused: Tally,
    /// What Kaspi never got.
    pub not_sent: Tally,
    /// What was unknown, and found not to have happened.
    pub not_made: Tally,
}

/// How long each stretch of a [`Series`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesStep {
    /// An hour.
    Hour,
    /// A day in Almaty, UTC+5.
    Day,
}

/// Figures over time.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Series {
    /// By BIN, then by time. Stretches in which nothing happened are left out.
    pub points: Vec<Point>,
    /// How long Kaspi, or the old wrapper, took to answer; all BINs together, by time.
    pub speeds: Vec<Speed>,
}

/// One BIN in one stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Point {
    /// The organisation.
    pub bin: Bin,
    /// When the stretch begins, in Almaty.
    pub start: OffsetDateTime,
    /// Invoices, QR codes and links that Kaspi made.
    pub made: Tally,
    /// Payments that were found paid.
    pub paid: Tally,
    /// Refunds that Kaspi made.
    pub refunded: Tally,
    /// How many operations of each state; those that are still under way are left out.
    pub outcomes: BTreeMap<&'static str, u64>,
}

/// How long answers to operations took, from when they were about to be sent until their outcome was
/// written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Speed {
    /// When the stretch begins, in Almaty.
    pub start: OffsetDateTime,
    /// How many answers.
    pub answers: u64,
    /// In milliseconds: half of them took no longer.
    pub median_ms: u64,
    /// In milliseconds: 95 of 100 took no longer.
    pub p95_ms: u64,
}

impl Payments {
    /// The books of each BIN and day, by BIN, then by day; days on which nothing happened are left out. From
    /// the first day to the last, both included. Without BINs all of them, which reads the whole journal.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn daily_books(&self, bins: &[Bin], first: Date, last: Date) -> Result<Vec<DayBook>, Error> {
        let tallies = self.tallies(bins, first, last, SeriesStep::Day).await?;
        let mut books: BTreeMap<(Bin, Date), DayBook> = BTreeMap::new();
        let mut book = |bin: Bin, start: OffsetDateTime, heap: Heap, into: &[Place]| {
            let day = start.date();
            let book = books
                .entry((bin, day))
                .or_insert_with(|| DayBook::empty(bin, day));
            for place in into {
                place(book).add(heap);
            }
        };
        for one in &tallies.operations {
            if let Some(place) = place_of(one) {
                book(one.bin, one.start, one.heap, &[place]);
            }
        }
        for one in &tallies.paid {
            let paid: Place = |book| &mut book.paid;
            let late: Place = |book| &mut book.late;
            let places: &[Place] = if one.late { &[paid, late] } else { &[paid] };
            book(one.bin, one.start, one.heap, places);
        }
        Ok(books.into_values().collect())
    }

    /// Figures over time for charts. From the first day to the last, both included. Without BINs all of
    /// them, which reads the whole journal.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn series(
        &self,
        bins: &[Bin],
        first: Date,
        last: Date,
        step: SeriesStep,
    ) -> Result<Series, Error> {
        let tallies = self.tallies(bins, first, last, step).await?;
        let mut points: BTreeMap<(Bin, OffsetDateTime), Point> = BTreeMap::new();
        for one in &tallies.operations {
            let point = point(&mut points, one.bin, one.start);
            if one.state == OperationState::Accepted && one.kind.makes_payment() {
                point.made.add(one.heap);
            }
            if one.state == OperationState::Accepted && one.kind == OperationKind::Refund {
                point.refunded.add(one.heap);
            }
            if !one.state.is_running() {
                *point.outcomes.entry(one.state.as_str()).or_default() += one.heap.count;
            }
        }
        for one in &tallies.paid {
            point(&mut points, one.bin, one.start).paid.add(one.heap);
        }
        let speeds = tallies.paces.iter().map(|pace| Speed {
            start: pace.start,
            answers: pace.answers,
            median_ms: millis(pace.median),
            p95_ms: millis(pace.p95),
        });
        Ok(Series {
            points: points.into_values().collect(),
            speeds: speeds.collect(),
        })
    }

    async fn tallies(
        &self,
        bins: &[Bin],
        first: Date,
        last: Date,
        step: SeriesStep,
    ) -> Result<Tallies, Error> {
        if !self.journal.exists() {
            return Ok(Tallies::default());
        }
        let (from, until) = day_bounds(first, last);
        let window = Window {
            bins: bins.to_vec(),
            from,
            until,
            stretch: match step {
                SeriesStep::Hour => Duration::HOUR,
                SeriesStep::Day => Duration::DAY,
            },
            zone: ALMATY,
        };
        self.journal.tallies(window).await.map_err(Error::books)
    }
}

/// The moment at which the first day begins in Almaty, and the one at which the last ends.
#[must_use]
pub fn day_bounds(first: Date, last: Date) -> (OffsetDateTime, OffsetDateTime) {
    let from = first.with_time(time!(00:00)).assume_offset(ALMATY);
    let until = last.with_time(time!(00:00)).assume_offset(ALMATY);
    (from, until.saturating_add(Duration::DAY))
}

type Place = fn(&mut DayBook) -> &mut Tally;

/// Where operations of one kind and state stand in a day's book; those under way stand nowhere yet.
fn place_of(one: &OperationHeap) -> Option<Place> {
    Some(match one.state {
        OperationState::Accepted => match one.kind {
            OperationKind::Create => |book| &mut book.invoices,
            OperationKind::Qr => |book| &mut book.qr,
            OperationKind::Link => |book| &mut book.links,
            OperationKind::Refund => |book| &mut book.refunded,
            OperationKind::Cancel => |book| &mut book.canceled,
        },
        OperationState::Unknown => |book| &mut book.unknown,
        OperationState::Refused => |book| &mut book.refused,
        OperationState::NotSent => |book| &mut book.not_sent,
        OperationState::NotMade => |book| &mut book.not_made,
        OperationState::Recorded | OperationState::Sent => return None,
    })
}

fn point(points: &mut BTreeMap<(Bin, OffsetDateTime), Point>, bin: Bin, start: OffsetDateTime) -> &mut Point {
    points.entry((bin, start)).or_insert_with(|| Point {
        bin,
        start,
        made: Tally::default(),
        paid: Tally::default(),
        refunded: Tally::default(),
        outcomes: BTreeMap::new(),
    })
}

impl DayBook {
    /// Invoices, QR codes and links together.
    #[must_use]
    pub fn made(&self) -> Tally {
        self.invoices.and(self.qr).and(self.links)
    }

    fn empty(bin: Bin, day: Date) -> Self {
        let none = Tally::default();
        Self {
            bin,
            day,
            invoices: none,
            qr: none,
            links: none,
            paid: none,
            late: none,
            refunded: none,
            canceled: none,
            unknown: none,
            refused: none,
            not_sent: none,
            not_made: none,
        }
    }
}

impl Tally {
    fn add(&mut self, heap: Heap) {
        self.count = self.count.saturating_add(heap.count);
        self.tiyn = self.tiyn.saturating_add(heap.tiyn);
        self.unpriced = self.unpriced.saturating_add(heap.unpriced);
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            tiyn: self.tiyn.saturating_add(other.tiyn),
            unpriced: self.unpriced.saturating_add(other.unpriced),
        }
    }

    /// The money in tenge, with two decimals.
    #[must_use]
    pub fn tenge(&self) -> String {
        format!("{}.{:02}", self.tiyn / 100, self.tiyn % 100)
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.whole_milliseconds()).unwrap_or_default()
}
