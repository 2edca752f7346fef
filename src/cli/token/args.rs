//! `kaspi token`, as clap reads it.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Token {
    /// Make a token for a caller of the gateway, print it this once, and the lines for kaspi.toml
    #[command(
        after_help = "Examples:\n  kaspi token new --name shop-backend --bin 891027350515\n\nThe first line of the output is the token, for the caller. The rest is for kaspi.toml and holds its hash alone.\n`--bin` may be given several times."
    )]
    New(Caller),
    /// Make the lines for kaspi.toml from the token that a caller has already
    #[command(
        after_help = "Examples:\n  kaspi token hash --name shop-backend --bin 891027350515 < shop.token\n\nThe token is read from standard input, or asked for at the terminal; never from the command line, which others can see.\n`--bin` may be given several times."
    )]
    Hash(Caller),
}

/// Who calls, and for whom.
#[derive(Args, Debug)]
pub(in crate::cli) struct Caller {
    /// What the log calls the caller
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(super) name: String,
    /// What it may do, as often as needed [default: create, refund, read]
    #[arg(long = "verb", value_name = "VERB", value_enum)]
    pub(super) verbs: Vec<Verb>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Verb {
    /// Ask for money, and take an unpaid invoice back
    Create,
    /// Pay money back
    Refund,
    /// Look at payments
    Read,
    /// Look at and change how the gateway runs
    Admin,
}

impl Verb {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Refund => "refund",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

/// As the configuration takes it, and short enough for a line of the log.
fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err("a name is not empty and has no control characters".to_owned());
    }
    match name.chars().count() {
        0..=100 => Ok(name.to_owned()),
        length => Err(format!(
            "a name has at most 100 characters, this one has {length}"
        )),
    }
}
