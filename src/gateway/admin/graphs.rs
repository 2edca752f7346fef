//! Which charts there are, and what stands in them.

use std::collections::BTreeMap;

use time::{Date, Duration, OffsetDateTime};

use super::chart::{Chart, Row, Shape};
use super::report_words::ReportWords;
use crate::base::Bin;
use crate::payments::{ALMATY, OperationState, Point, Series, SeriesStep, Tally, day_bounds};

/// As many BINs have a colour of their own; the rest share one.
const COLOURS: usize = 7;

/// What the charts are of.
pub(super) struct Graphs<'a> {
    pub(super) words: &'static ReportWords,
    pub(super) series: &'a Series,
    pub(super) first: Date,
    pub(super) last: Date,
    pub(super) step: SeriesStep,
    /// What each BIN is called.
    pub(super) name: &'a dyn Fn(Bin) -> String,
    /// Tenge in full.
    pub(super) tenge: &'a dyn Fn(u64) -> String,
    /// A whole number with its thousands apart.
    pub(super) whole: &'a dyn Fn(u64) -> String,
}

/// Hours for one day, days for more.
pub(super) fn step(first: Date, last: Date) -> SeriesStep {
    if first == last {
        SeriesStep::Hour
    } else {
        SeriesStep::Day
    }
}

impl Graphs<'_> {
    /// All of them, one after the other.
    pub(super) fn html(&self) -> String {
        let (starts, labels) = self.moments();
        let mut html = String::from("<div class=\"charts\">\n");
        let paid = self.by_bin(&starts, |point| point.paid, |tally| tally.tiyn);
        html += &self.money("paid", self.words.paid_tenge, &labels, &paid);
        let count = self.by_bin(&starts, |point| point.paid, |tally| tally.count);
        html += &self.count("paid-count", self.words.paid_count, &labels, &count);
        let refunded = self.by_bin(&starts, |point| point.refunded, |tally| tally.tiyn);
        html += &self.money("refunded", self.words.refunded_tenge, &labels, &refunded);
        html += &self.count("outcomes", self.words.outcomes, &labels, &self.outcomes(&starts));
        html += &self.chart(
            "speed",
            self.words.speed,
            Shape::Lines,
            &labels,
            &self.speeds(&starts),
            None,
        );
        html.push_str("</div>\n");
        html
    }

    fn money(&self, id: &str, title: &str, labels: &[String], rows: &[Row]) -> String {
        let total = (self.tenge)(total(rows));
        self.chart(id, title, Shape::Bars, labels, rows, Some(total))
    }

    fn count(&self, id: &str, title: &str, labels: &[String], rows: &[Row]) -> String {
        let total = (self.whole)(total(rows));
        self.chart(id, title, Shape::Bars, labels, rows, Some(total))
    }

    fn chart(
        &self,
        id: &str,
        title: &str,
        shape: Shape,
        labels: &[String],
        rows: &[Row],
        total: Option<String>,
    ) -> String {
        let words = self.words;
        let money = matches!(id, "paid" | "refunded");
        let mut summary = format!("{title}, {} – {}", self.first, self.last);
        if let Some(total) = total {
            summary.push_str(&format!(". {}: {total}", words.total));
        }
        let short = |value: u64| (self.whole)(if money { value / 100 } else { value });
        Chart {
            id,
            title,
            summary: &summary,
            shape,
            moments: labels,
            moment: match self.step {
                SeriesStep::Hour => words.hour,
                SeriesStep::Day => words.day,
            },
            figures: words.figures,
            nothing: words.nothing,
            rows,
            unit: if money { 100 } else { 1 },
            full: if money { self.tenge } else { self.whole },
            short: &short,
        }
        .html()
    }

    /// Every stretch of the days asked for, and its label: what did not happen is seen too.
    fn moments(&self) -> (Vec<OffsetDateTime>, Vec<String>) {
        let (mut at, until) = day_bounds(self.first, self.last);
        let length = match self.step {
            SeriesStep::Hour => Duration::HOUR,
            SeriesStep::Day => Duration::DAY,
        };
        let (mut starts, mut labels) = (Vec::new(), Vec::new());
        while at < until {
            starts.push(at);
            labels.push(match self.step {
                SeriesStep::Hour => format!("{:02}:00", at.hour()),
                SeriesStep::Day => format!("{:02}.{:02}", at.day(), u8::from(at.month())),
            });
            at = at.saturating_add(length);
        }
        (starts, labels)
    }

    /// A row for each BIN, the one with the most first, since its bars are the easiest to compare.
    fn by_bin(
        &self,
        starts: &[OffsetDateTime],
        tally: impl Fn(&Point) -> Tally,
        figure: impl Fn(Tally) -> u64,
    ) -> Vec<Row> {
        let mut by_bin: BTreeMap<Bin, BTreeMap<OffsetDateTime, u64>> = BTreeMap::new();
        for point in &self.series.points {
            let value = figure(tally(point));
            by_bin.entry(point.bin).or_default().insert(point.start, value);
        }
        let mut ranked: Vec<(u64, Bin)> = by_bin
            .iter()
            .map(|(bin, values)| (values.values().sum(), *bin))
            .collect();
        ranked.sort_by(|one, other| other.cmp(one));
        let mut rows: Vec<Row> = Vec::new();
        for (_, bin) in ranked {
            let values = by_bin.remove(&bin).unwrap_or_default();
            let figures = starts
                .iter()
                .map(|start| values.get(start).copied().unwrap_or_default());
            match rows.get_mut(COLOURS) {
                Some(others) => add(&mut others.values, figures),
                None => rows.push(Row {
                    name: if rows.len() == COLOURS {
                        self.words.other_bins.to_owned()
                    } else {
                        (self.name)(bin)
                    },
                    class: format!("c{}", rows.len()),
                    values: figures.map(Some).collect(),
                }),
            }
        }
        rows
    }

    fn outcomes(&self, starts: &[OffsetDateTime]) -> Vec<Row> {
        [
            (OperationState::Accepted, "c2"),
            (OperationState::Refused, "c7"),
            (OperationState::NotSent, "c6"),
            (OperationState::NotMade, "c3"),
            (OperationState::Unknown, "c4"),
        ]
        .into_iter()
        .map(|(state, class)| {
            let mut values: BTreeMap<OffsetDateTime, u64> = BTreeMap::new();
            for point in &self.series.points {
                let count = point.outcomes.get(state.as_str()).copied().unwrap_or_default();
                *values.entry(point.start).or_default() += count;
            }
            Row {
                name: self.words.outcome(state).to_owned(),
                class: class.to_owned(),
                values: starts
                    .iter()
                    .map(|start| Some(values.get(start).copied().unwrap_or_default()))
                    .collect(),
            }
        })
        .collect()
    }

    fn speeds(&self, starts: &[OffsetDateTime]) -> Vec<Row> {
        let speeds: BTreeMap<OffsetDateTime, (u64, u64)> = self
            .series
            .speeds
            .iter()
            .map(|speed| (speed.start, (speed.median_ms, speed.p95_ms)))
            .collect();
        let at = |start: &OffsetDateTime| speeds.get(start).copied();
        vec![
            Row {
                name: self.words.median.to_owned(),
                class: "c0".to_owned(),
                values: starts.iter().map(|start| Some(at(start)?.0)).collect(),
            },
            Row {
                name: self.words.p95.to_owned(),
                class: "c1".to_owned(),
                values: starts.iter().map(|start| Some(at(start)?.1)).collect(),
            },
        ]
    }
}

fn total(rows: &[Row]) -> u64 {
    let values = rows.iter().flat_map(|row| row.values.iter().flatten());
    values.fold(0, |sum, value| sum.saturating_add(*value))
}

fn add(values: &mut [Option<u64>], more: impl Iterator<Item = u64>) {
    for (value, more) in values.iter_mut().zip(more) {
        *value = Some(value.unwrap_or_default().saturating_add(more));
    }
}

/// Today in Almaty.
pub(super) fn today(now: OffsetDateTime) -> Date {
    now.to_offset(ALMATY).date()
}
