//! `kaspi journal import`: payments that were made elsewhere. The whole file is read before any of it is
//! put in.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::json;

use crate::api::KaspiTime;
use crate::app::App;
use crate::base::{Amount, Bin, Explain, Fault, PaymentId, TradePointId};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::payments::ImportedPayment;

/// A line that cannot be taken in.
#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error("`{}` line {line}, column `{column}`: {problem}", file.display())]
    Cell {
        file: PathBuf,
        line: u64,
        column: &'static str,
        problem: String,
    },
    #[error("`{}` is no list of payments: {problem}", file.display())]
    Table { file: PathBuf, problem: String },
    #[error("`{}`: BIN `{bin}` is configured nowhere and its control digit is wrong, so it is mistyped", file.display())]
    Mistyped { file: PathBuf, bin: Bin },
}

impl Explain for ImportError {
    fn kind(&self) -> &'static str {
        "bad_import"
    }

    fn fault(&self) -> Fault {
        Fault::Caller
    }

    fn hint(&self) -> Option<String> {
        if matches!(self, Self::Mistyped { .. }) {
            return Some("correct it in the file; nothing of it was taken in".to_owned());
        }
        Some("the first line names the columns: payment_id,bin,trade_point_id,amount,created_at; the last three may be missing or empty".to_owned())
    }
}

pub(super) async fn run(app: &App, file: &Path, context: &Context<'_>) -> Result<(), Failure> {
    let text =
        fs::read_to_string(file).map_err(|error| Failure::from_io(format!("`{}`", file.display()), error))?;
    let payments = read(file, &text)?;
    let configured = app.transport().registry().bins();
    for payment in &payments {
        if !configured.contains(&payment.bin) && !payment.bin.has_valid_control_digit() {
            return Err(ImportError::Mistyped {
                file: file.to_owned(),
                bin: payment.bin,
            }
            .into());
        }
    }
    let import = app.payments().import(&payments).await?;
    for known in &import.contradicted {
        context.report.warning(format!(
            "payment {} is BIN `{}`'s in the journal, and stays so",
            known.payment_id, known.bin
        ));
    }
    let contradicted: Vec<_> = import.contradicted.iter().map(|known| known.payment_id).collect();
    context.report.result(
        |paint| {
            format!(
                "{} {} payments; {} were known already",
                paint.good("took in"),
                import.added,
                import.known
            )
        },
        &json!({ "added": import.added, "known": import.known, "contradicted": contradicted }),
    );
    if contradicted.is_empty() {
        Ok(())
    } else {
        Err(Failure::said_no(
            "the journal knows some of the payments as another BIN's",
        ))
    }
}

/// Spreadsheets put semicolons where the decimal comma is used, and a mark at the beginning.
fn read(file: &Path, text: &str) -> Result<Vec<ImportedPayment>, ImportError> {
    let table = |problem: String| ImportError::Table {
        file: file.to_owned(),
        problem,
    };
    let text = text.trim_start_matches('\u{feff}');
    let head = text.lines().next().unwrap_or_default();
    let delimiter = if head.contains(';') && !head.contains(',') {
        b';'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let names = reader
        .headers()
        .map_err(|error| table(error.to_string()))?
        .clone();
    let column = |wanted: &[&str]| {
        names
            .iter()
            .position(|name| wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted)))
    };
    let missing = |name: &str| table(format!("its first line names no column `{name}`"));
    let payment =
        column(&["payment_id", "external_id", "externalid"]).ok_or_else(|| missing("payment_id"))?;
    let bin = column(&["bin", "organization_bin", "organizationbin"]).ok_or_else(|| missing("bin"))?;
    let point = column(&["trade_point_id", "trade_point"]);
    let amount = column(&["amount"]);
    let created = column(&["created_at"]);
    let mut payments = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| table(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let wrong = |column, problem: &dyn Display| ImportError::Cell {
            file: file.to_owned(),
            line,
            column,
            problem: problem.to_string(),
        };
        let created_at = match created.map(cell).filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => match KaspiTime::new(text).at() {
                Some(at) => Some(at),
                None => {
                    return Err(wrong(
                        "created_at",
                        &format!("`{text}` is no date such as 2026-11-23T10:00:00+05:00"),
                    ));
                }
            },
        };
        payments.push(ImportedPayment {
            payment_id: cell(payment)
                .parse::<PaymentId>()
                .map_err(|error| wrong("payment_id", &error))?,
            bin: cell(bin).parse::<Bin>().map_err(|error| wrong("bin", &error))?,
            trade_point: optional::<TradePointId>(point.map(cell))
                .map_err(|error| wrong("trade_point_id", &error))?,
            amount: optional::<Amount>(amount.map(cell)).map_err(|error| wrong("amount", &error))?,
            created_at,
        });
    }
    Ok(payments)
}

fn optional<T: FromStr>(cell: Option<&str>) -> Result<Option<T>, T::Err> {
    cell.filter(|text| !text.is_empty()).map(str::parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        read(Path::new("old.csv"), text).unwrap_err().to_string()
    }

    #[test]
    fn spreadsheets_are_read_as_they_come() {
        let text =
            "\u{feff}BIN;payment_id;amount\r\n891027350515; 12800000774 ;1500.5\r\n210440028324;15;\r\n";
        let payments = read(Path::new("old.csv"), text).unwrap();
        assert_eq!(payments.len(), 2);
        assert_eq!(payments[0].payment_id.get(), 12_800_000_774);
        assert_eq!(payments[0].amount.unwrap().to_string(), "1500.50");
        assert_eq!(payments[1].bin.to_string(), "210440028324");
        assert!(payments[1].amount.is_none() && payments[1].created_at.is_none());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        assert_eq!(
            told("payment_id,amount\n15,1\n"),
            "`old.csv` is no list of payments: its first line names no column `bin`"
        );
        assert_eq!(
            told("payment_id,bin\n15,891027350515\nx,891027350515\n"),
            "`old.csv` line 3, column `payment_id`: a payment id is a whole number above zero of at most 19 digits, `x` is not"
        );
        assert!(
            told("payment_id,bin,created_at\n15,891027350515,yesterday\n").contains("`yesterday` is no date")
        );
        assert!(told("payment_id,bin,amount\n15,891027350515,1.005\n").contains("line 2, column `amount`"));
        assert!(told("payment_id,bin\n15\n").contains("is no list of payments"));
    }
}
