//! The words of `kaspi journal`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use time::Date;

use crate::base::{OperationId, PaymentId, ReturnOperationId};
use crate::payments::{Cursor, OperationKind, OperationState};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum JournalCommand {
    /// Operations, the latest first
    #[command(after_help = "Examples:\n  kaspi journal list --state unknown --day 2026-11-23")]
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many
        #[arg(long, value_name = "NUMBER", default_value_t = 50)]
        limit: usize,
        /// Go on where the page before ended
        #[arg(long, value_name = "CURSOR")]
        cursor: Option<Cursor>,
    },
    /// One operation, with its history
    #[command(after_help = "Examples:\n  kaspi journal show 00000000-0000-7000-8000-000000000001")]
    Show {
        /// The operation
        #[arg(value_name = "OPERATION")]
        operation: OperationId,
    },
    /// Say what became of an operation whose outcome is unknown
    #[command(
        after_help = "Examples:\n  kaspi journal resolve 00000000-0000-7000-8000-000000000001 --accepted --payment-id 12800000774 --why 'found in the Kaspi Pay app'"
    )]
    Resolve(Resolve),
    /// Ask Kaspi about everything that is unknown, and settle what its answers settle
    #[command(after_help = "Examples:\n  kaspi journal reconcile")]
    Reconcile {
        /// After a backup was put back: compare every payment with Kaspi, then let money calls go on
        #[arg(long)]
        after_restore: bool,
    },
    /// All operations, for a spreadsheet or a program
    #[command(
        after_help = "Examples:\n  kaspi journal export --from 2026-11-01 --until 2026-11-30 > november.csv"
    )]
    Export {
        #[command(flatten)]
        which: Which,
        /// How they are written [default: csv, or json with `-o json`]
        #[arg(long, value_enum, value_name = "FORMAT")]
        format: Option<ExportFormat>,
    },
    /// Take in payments that were made elsewhere, so that they can be refunded here
    #[command(
        after_help = "Examples:\n  kaspi journal import payments.csv\n\nColumns: payment_id, bin, and optionally trade_point_id, amount, created_at."
    )]
    Import {
        /// A CSV file whose first line names the columns
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Copy the journal into a new file, while it is used
    #[command(after_help = "Examples:\n  kaspi journal backup /backup/kaspi-2026-11-23.db")]
    Backup {
        /// A file that is not there yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Check that nobody has changed the history
    #[command(after_help = "Examples:\n  kaspi journal verify")]
    Verify,
}

/// Which operations are meant.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Which {
    /// In this state; may be given several times
    #[arg(long = "state", value_name = "STATE", value_parser = state)]
    pub(super) states: Vec<OperationState>,
    /// Of this kind; may be given several times
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    pub(super) kinds: Vec<OperationKind>,
    /// About this payment
    #[arg(long, value_name = "ID")]
    pub(super) payment: Option<PaymentId>,
    /// On behalf of this caller: the name of a gateway token, `cli` or `library`
    #[arg(long, value_name = "NAME")]
    pub(super) caller: Option<String>,
    /// Recorded on this day, in Kazakhstan
    #[arg(long, value_name = "DATE", value_parser = date, conflicts_with_all = ["from", "until"])]
    pub(super) day: Option<Date>,
    /// Recorded on this day or later
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(super) from: Option<Date>,
    /// Recorded on this day or earlier
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(super) until: Option<Date>,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct Resolve {
    /// The operation
    #[arg(value_name = "OPERATION")]
    pub(super) operation: OperationId,
    /// It happened
    #[arg(long, required_unless_present = "not_made", conflicts_with = "not_made")]
    pub(super) accepted: bool,
    /// It did not happen
    #[arg(long)]
    pub(super) not_made: bool,
    /// The payment that it made
    #[arg(long, value_name = "ID", requires = "accepted")]
    pub(super) payment_id: Option<PaymentId>,
    /// Kaspi's number of the refund
    #[arg(long, value_name = "ID", requires = "accepted", conflicts_with = "payment_id")]
    pub(super) return_operation_id: Option<ReturnOperationId>,
    /// How you know; stands in the history, with your name
    #[arg(long, value_name = "TEXT")]
    pub(super) why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExportFormat {
    Csv,
    Json,
}

fn state(text: &str) -> Result<OperationState, String> {
    OperationState::of_word(text)
        .ok_or_else(|| one_of(OperationState::ALL.iter().map(|state| state.as_str())))
}

fn kind(text: &str) -> Result<OperationKind, String> {
    OperationKind::of_word(text).ok_or_else(|| one_of(OperationKind::ALL.iter().map(|kind| kind.as_str())))
}

fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    format!("known are: {}", words.join(", "))
}

fn date(text: &str) -> Result<Date, String> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    Date::parse(text, format).map_err(|_| "a date looks like 2026-11-23".to_owned())
}
