//! One BIN as it is shown: as the gateway serves it, or as its files would be used.

use serde::Serialize;
use time::OffsetDateTime;

use crate::app::live::{FilesReport, LiveState, MerchantReport, ProblemReport, TradePointReport};
use crate::base::Bin;
use crate::identity::Facts;
use crate::registry::MerchantStatus;

/// One BIN as it is shown.
pub(super) struct Row {
    pub(super) report: MerchantReport,
    source: Source,
    /// The certificate in the files, where the gateway serves another.
    files_sha256: Option<String>,
}

/// Where a row comes from.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    /// A running gateway.
    Live,
    /// The files alone.
    Files,
}

/// Every BIN that the files or the gateway know, in order.
pub(super) fn all(files: &[MerchantStatus], live: Option<&LiveState>) -> Vec<Row> {
    let mut rows: Vec<Row> = files
        .iter()
        .map(|status| {
            let files = MerchantReport::of(status);
            let Some(live) = live else {
                return Row::of_files(files);
            };
            match live.merchants.iter().find(|served| served.bin == files.bin) {
                Some(served) => Row::of_both(served.clone(), &files),
                None => Row::not_known(files, live.process_id),
            }
        })
        .collect();
    for served in live.map(|state| state.merchants.as_slice()).unwrap_or_default() {
        if !files.iter().any(|status| status.bin == served.bin) {
            rows.push(Row::gone(served.clone()));
        }
    }
    rows.sort_by_key(|row| row.report.bin);
    rows
}

impl Row {
    fn of_files(report: MerchantReport) -> Self {
        Self {
            report,
            source: Source::Files,
            files_sha256: None,
        }
    }

    /// What is served counts; what the files hold besides is told.
    fn of_both(served: MerchantReport, files: &MerchantReport) -> Self {
        let held = files
            .certificate_sha256()
            .filter(|held| Some(*held) != served.certificate_sha256());
        let mut row = Self {
            files_sha256: held.map(str::to_owned),
            report: served,
            source: Source::Live,
        };
        if let Some(held) = held {
            let serves = match (row.report.generation, row.report.certificate_sha256()) {
                (Some(number), Some(sha256)) => {
                    format!(
                        "the gateway serves generation {number}, certificate {}",
                        short(sha256)
                    )
                }
                _ => "the gateway serves none".to_owned(),
            };
            row.report
                .warnings
                .push(format!("files hold certificate {}, {serves}", short(held)));
        }
        row
    }

    fn not_known(mut report: MerchantReport, process_id: u32) -> Self {
        report.warnings.push(format!(
            "the gateway (process {process_id}) does not know this BIN yet"
        ));
        Self::of_files(report)
    }

    fn gone(mut report: MerchantReport) -> Self {
        report
            .warnings
            .push("its folder is gone, and the gateway still serves it".to_owned());
        Self {
            report,
            source: Source::Live,
            files_sha256: None,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.source == Source::Live
    }
}

pub(super) fn short(sha256: &str) -> &str {
    sha256.get(..16).unwrap_or(sha256)
}

/// One row of `merchants list`; the names are relied upon.
#[derive(Serialize)]
pub(super) struct RowJson<'a> {
    bin: Bin,
    name: &'a str,
    state: &'a str,
    identity: Option<Bin>,
    certificate_sha256: Option<&'a str>,
    #[serde(with = "time::serde::rfc3339::option")]
    not_after: Option<OffsetDateTime>,
    days_left: Option<i64>,
    generation: Option<u64>,
    route: Option<&'a str>,
    source: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a ProblemReport>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
}

impl<'a> RowJson<'a> {
    pub(super) fn of(row: &'a Row) -> Self {
        let report = &row.report;
        Self {
            bin: report.bin,
            name: &report.name,
            state: &report.state,
            identity: report.identity,
            certificate_sha256: report.certificate_sha256(),
            not_after: report.certificate.as_ref().map(|facts| facts.not_after),
            days_left: report.days_left,
            generation: report.generation,
            route: report.route.as_deref(),
            source: row.source,
            files_sha256: row.files_sha256.as_deref(),
            problem: report.problem.as_ref(),
            warnings: &report.warnings,
        }
    }
}

/// `merchants show`.
#[derive(Serialize)]
pub(super) struct SheetJson<'a> {
    #[serde(flatten)]
    row: RowJson<'a>,
    folder: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_variable: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a Facts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_opened_with: Option<&'a str>,
    #[serde(with = "time::serde::rfc3339::option")]
    loaded_at: Option<OffsetDateTime>,
    files: &'a FilesReport,
    trade_points: &'a [TradePointReport],
}

impl<'a> SheetJson<'a> {
    pub(super) fn of(row: &'a Row) -> Self {
        let report = &row.report;
        Self {
            row: RowJson::of(row),
            folder: &report.folder,
            identity_variable: report.identity_variable.as_deref(),
            certificate: report.certificate.as_ref(),
            key_opened_with: report.key_opened_with.as_deref(),
            loaded_at: report.loaded_at,
            files: &report.files,
            trade_points: &report.trade_points,
        }
    }
}
