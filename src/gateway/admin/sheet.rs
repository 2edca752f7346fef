//! CSV as spreadsheets open it rightly: UTF-8 with its mark, CRLF, and no cell that a spreadsheet runs or
//! rounds.

use time::macros::format_description;
use time::{Date, OffsetDateTime};

use crate::base::no_formula;
use crate::payments::ALMATY;

/// What stands between cells, and between tenge and tiyn. A spreadsheet takes both from its country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `1500.00,next`: for programs, and for spreadsheets set to English.
    Point,
    /// `1500,00;next`: for spreadsheets set to Russian or Kazakh, which would read `12.05` as a day in May.
    Comma,
}

/// A cell.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Empty,
    /// A number to reckon with.
    Number(i64),
    /// Whole tiyn, shown as tenge.
    Money(u64),
    /// Digits that name something. An apostrophe stands before them, the spreadsheets' own sign for text,
    /// or twelve digits would turn into `8.91027E+11` and lose a zero that they begin with.
    Id(String),
    /// What the program itself says, or what others wrote.
    Text(String),
    Moment(OffsetDateTime),
    Day(Date),
}

/// What a file begins with, so that its letters are read as UTF-8.
pub(super) const MARK: &[u8] = "\u{feff}".as_bytes();

impl Cell {
    /// A text, where there is one.
    pub(super) fn text(text: Option<impl ToString>) -> Self {
        text.map_or(Self::Empty, |text| Self::Text(text.to_string()))
    }

    /// An id, where there is one.
    pub(super) fn id(id: Option<impl ToString>) -> Self {
        id.map_or(Self::Empty, |id| Self::Id(id.to_string()))
    }

    /// A count.
    pub(super) fn count(count: u64) -> Self {
        Self::Number(i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn written(&self, dialect: Dialect) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Number(number) => number.to_string(),
            Self::Money(tiyn) => {
                let point = match dialect {
                    Dialect::Point => '.',
                    Dialect::Comma => ',',
                };
                format!("{}{point}{:02}", tiyn / 100, tiyn % 100)
            }
            Self::Id(digits) => format!("'{digits}"),
            Self::Text(text) => no_formula(text).into_owned(),
            Self::Moment(at) => at
                .to_offset(ALMATY)
                .format(format_description!(
                    "[year]-[month]-[day] [hour]:[minute]:[second]"
                ))
                .unwrap_or_default(),
            Self::Day(day) => day.to_string(),
        }
    }
}

/// Rows as bytes.
///
/// # Errors
///
/// A row has more or fewer cells than the first.
pub(super) fn rows(dialect: Dialect, rows: &[Vec<Cell>]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(match dialect {
            Dialect::Point => b',',
            Dialect::Comma => b';',
        })
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for row in rows {
        writer.write_record(row.iter().map(|cell| cell.written(dialect)))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    fn written(dialect: Dialect, cells: Vec<Cell>) -> String {
        String::from_utf8(rows(dialect, &[cells]).unwrap()).unwrap()
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn each_country_reads_its_own_numbers() {
        let row = || {
            vec![
                Cell::Money(150_000),
                Cell::Money(5),
                Cell::Number(-1601),
                Cell::count(3),
                Cell::Moment(datetime!(2026-03-10 20:30:01.5 UTC)),
                Cell::Day(date!(2026 - 03 - 10)),
                Cell::id(Some("071027350515")),
                Cell::id(None::<String>),
            ]
        };
        assert_eq!(
            written(Dialect::Point, row()),
            "1500.00,0.05,-1601,3,2026-03-11 01:30:01,2026-03-10,'071027350515,\r\n"
        );
        assert_eq!(
            written(Dialect::Comma, row()),
            "1500,00;0,05;-1601;3;2026-03-11 01:30:01;2026-03-10;'071027350515;\r\n"
        );
    }

    #[test]
    fn a_text_is_never_a_formula() {
        for evil in [
            "=HYPERLINK(\"http://evil.example\")",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "＝1",
        ] {
            let line = written(Dialect::Comma, vec![text(evil), text("x")]);
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .delimiter(b';')
                .from_reader(line.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            assert_eq!(&record[0], format!("'{evil}"));
            assert_eq!(&record[1], "x");
        }
        assert_eq!(
            written(Dialect::Point, vec![text("Букет, \"роза\""), text("a;b")]),
            "\"Букет, \"\"роза\"\"\",a;b\r\n"
        );
        assert_eq!(written(Dialect::Comma, vec![text("a;b")]), "\"a;b\"\r\n");
    }
}
