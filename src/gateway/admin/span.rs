//! Which BINs and days a page of figures is about, as its address says, within what the token may see.

use std::collections::HashMap;

use time::macros::format_description;
use time::{Date, Duration};

use super::accountant::File;
use super::sheet::Dialect;
use crate::base::Bin;

/// So many days are added up at once.
const MOST: i64 = 366;

/// Which BINs and days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The one that was named.
    pub(super) bin: Option<Bin>,
    /// The ones to be shown: never none, and never one that the token may not see.
    pub(super) bins: Vec<Bin>,
    pub(super) first: Date,
    pub(super) last: Date,
}

/// Why an address is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadSpan {
    /// No BIN, or one that the token may not see; the two are told apart nowhere.
    Bin,
    /// No days, in the wrong order, or too many.
    Days,
}

impl Span {
    /// Reads `bin`, `from` and `to`. Without days, so many until today; without a BIN, every one of `own`.
    pub(super) fn of(
        fields: &HashMap<String, String>,
        own: &[Bin],
        today: Date,
        days: i64,
    ) -> Result<Self, BadSpan> {
        let bin = match field(fields, "bin") {
            None => None,
            Some(text) => Some(own_bin(text, own)?),
        };
        let last = day(fields, "to")?.unwrap_or(today);
        let first = day(fields, "from")?
            .unwrap_or_else(|| last.saturating_sub(Duration::days(days.saturating_sub(1))));
        if first > last || (last - first).whole_days() >= MOST {
            return Err(BadSpan::Days);
        }
        let bins = bin.map_or_else(|| own.to_vec(), |bin| vec![bin]);
        // an empty list would stand for every BIN of the journal
        if bins.is_empty() {
            return Err(BadSpan::Bin);
        }
        Ok(Self {
            bin,
            bins,
            first,
            last,
        })
    }

    /// The same as the query of an address.
    pub(super) fn query(&self) -> String {
        let bin = self.bin.map(|bin| format!("bin={bin}&")).unwrap_or_default();
        format!("{bin}from={}&to={}", self.first, self.last)
    }
}

/// One BIN and day that are to be compared with the bank: `bin` and `day`, both named.
pub(super) fn one_day(fields: &HashMap<String, String>, own: &[Bin]) -> Result<(Bin, Date), BadSpan> {
    let bin = field(fields, "bin").ok_or(BadSpan::Bin)?;
    let bin = own_bin(bin, own)?;
    Ok((bin, day(fields, "day")?.ok_or(BadSpan::Days)?))
}

/// Which of the accountant's files: `file` and `numbers`.
pub(super) fn file(fields: &HashMap<String, String>) -> Option<(File, Dialect)> {
    let dialect = match field(fields, "numbers") {
        Some("comma") => Dialect::Comma,
        Some("point") | None => Dialect::Point,
        Some(_) => return None,
    };
    Some((File::named(field(fields, "file")?)?, dialect))
}

/// An empty field of a form was left out.
fn field<'f>(fields: &'f HashMap<String, String>, name: &str) -> Option<&'f str> {
    fields
        .get(name)
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
}

fn own_bin(text: &str, own: &[Bin]) -> Result<Bin, BadSpan> {
    let bin = text.parse::<Bin>().map_err(|_| BadSpan::Bin)?;
    own.contains(&bin).then_some(bin).ok_or(BadSpan::Bin)
}

fn day(fields: &HashMap<String, String>, name: &str) -> Result<Option<Date>, BadSpan> {
    let form = format_description!("[year]-[month]-[day]");
    field(fields, name)
        .map(|text| Date::parse(text, form).map_err(|_| BadSpan::Days))
        .transpose()
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    const FLOWERS: &str = "891027350515";
    const GIFTS: &str = "210440028324";

    fn span(fields: &[(&str, &str)], own: &[&str]) -> Result<Span, BadSpan> {
        let own: Vec<Bin> = own.iter().map(|bin| bin.parse().unwrap()).collect();
        Span::of(&given(fields), &own, date!(2026 - 03 - 10), 7)
    }

    fn given(fields: &[(&str, &str)]) -> HashMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        fields.iter().map(owned).collect()
    }

    #[test]
    fn a_token_sees_its_own_bins_only() {
        let all = span(&[], &[FLOWERS, GIFTS]).unwrap();
        assert_eq!((all.bin, all.bins.len()), (None, 2));
        let one = span(&[("bin", GIFTS)], &[FLOWERS, GIFTS]).unwrap();
        assert_eq!(one.bins, [GIFTS.parse().unwrap()]);
        assert_eq!(span(&[("bin", GIFTS)], &[FLOWERS]), Err(BadSpan::Bin));
        assert_eq!(span(&[("bin", "1")], &[FLOWERS]), Err(BadSpan::Bin));
        // never "every BIN of the journal" for a token that has none
        assert_eq!(span(&[], &[]), Err(BadSpan::Bin));
        let own = [FLOWERS.parse().unwrap()];
        let day = ("day", "2026-03-10");
        assert_eq!(one_day(&given(&[("bin", GIFTS), day]), &own), Err(BadSpan::Bin));
        assert_eq!(one_day(&given(&[day]), &own), Err(BadSpan::Bin));
        assert!(one_day(&given(&[("bin", FLOWERS), day]), &own).is_ok());
    }

    #[test]
    fn days_are_in_order_and_not_too_many() {
        let read = |from, to| span(&[("from", from), ("to", to)], &[FLOWERS]);
        let week = read("", "").unwrap();
        assert_eq!(
            (week.first, week.last),
            (date!(2026 - 03 - 04), date!(2026 - 03 - 10))
        );
        assert_eq!(week.query(), "from=2026-03-04&to=2026-03-10");
        assert!(read("2025-03-10", "2026-03-10").is_ok());
        for (from, to) in [
            ("2026-03-11", "2026-03-10"),
            ("2025-03-09", "2026-03-10"),
            ("0001-01-01", "9999-12-31"),
            ("yesterday", ""),
            ("", "2026-02-30"),
        ] {
            assert_eq!(read(from, to), Err(BadSpan::Days), "{from} {to}");
        }
    }

    #[test]
    fn only_known_files_are_given() {
        for (fields, there) in [
            (&[("file", "paid"), ("numbers", "comma")][..], true),
            (&[("file", "daily")][..], true),
            (&[("file", "../kaspi.toml")][..], false),
            (&[("file", "paid"), ("numbers", "roman")][..], false),
            (&[][..], false),
        ] {
            assert_eq!(file(&given(fields)).is_some(), there, "{fields:?}");
        }
    }
}
