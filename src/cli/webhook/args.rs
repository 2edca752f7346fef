//! The words of `kaspi webhook`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::base::PaymentId;
use crate::payments::{Cursor, DeliveryState};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Webhook {
    /// Receive webhooks, check their signatures and print them, for developers
    #[command(
        after_help = "Examples:\n  kaspi webhook listen --listen 127.0.0.1:9000 --secret-file webhook.secret\n\nA line for each request; one with a wrong signature is told as such and answered with 401. Ctrl-C ends it."
    )]
    Listen {
        /// Where requests come; port 0 takes a free one
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9000")]
        listen: SocketAddr,
        #[command(flatten)]
        secrets: Secrets,
    },
    /// Check the signature of one request, whose body comes on standard input
    #[command(
        after_help = "Examples:\n  kaspi webhook verify --secret-file webhook.secret --id msg_0193 --timestamp 1764250000 --signature 'v1,...' < body.json\n\nExit code 0 where it fits, 1 where not, and then why. The body must be byte for byte as it came."
    )]
    Verify {
        #[command(flatten)]
        secrets: Secrets,
        /// The header `webhook-id`
        #[arg(long, value_name = "ID")]
        id: String,
        /// The header `webhook-timestamp`
        #[arg(long, value_name = "SECONDS")]
        timestamp: String,
        /// The header `webhook-signature`, whole
        #[arg(long, value_name = "SIGNATURES")]
        signature: String,
    },
    /// The secrets that webhooks are signed with
    #[command(
        subcommand,
        after_help = "Examples:\n  kaspi webhook secret new > webhook.secret"
    )]
    Secret(Secret),
    /// The webhooks and how each has been served
    #[command(after_help = "Examples:\n  kaspi webhook list --bin 891027350515")]
    List,
    /// What was sent, the latest first, with every attempt
    #[command(after_help = "Examples:\n  kaspi webhook log --bin 891027350515 --state dead")]
    Log(Log),
    /// Send again what was given up, or one that was delivered
    #[command(
        after_help = "Examples:\n  kaspi webhook resend --all-dead --bin 891027350515\n\nThe running gateway sends it, under the same `webhook-id`."
    )]
    Resend {
        /// What is sent again: the `webhook-id` that `kaspi webhook log` shows
        #[arg(
            value_name = "ID",
            required_unless_present = "all_dead",
            conflicts_with = "all_dead"
        )]
        id: Option<String>,
        /// Everything of one BIN that was given up
        #[arg(long, requires = "bin")]
        all_dead: bool,
        /// Only at the webhook of this name
        #[arg(long, value_name = "NAME", requires = "all_dead")]
        name: Option<String>,
    },
    /// Send a signed `webhook.test` event now, and show the answer
    #[command(after_help = "Examples:\n  kaspi webhook test --bin 891027350515")]
    Test {
        /// Only to the webhook of this name
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Secret {
    /// Make a secret, 256 bits from the system
    #[command(
        after_help = "Examples:\n  kaspi webhook secret new > webhook.secret\n\nWith `umask 077` before it the file is for its owner alone."
    )]
    New,
}

/// The secrets that a request may be signed with.
#[derive(Args, Debug)]
pub(in crate::cli) struct Secrets {
    /// The file with the secret (`whsec_...`); several times while it is being changed
    #[arg(long = "secret-file", value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
    /// How many seconds its time may be from now
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(super) tolerance: u64,
}

/// Which deliveries are shown.
#[derive(Args, Debug)]
pub(in crate::cli) struct Log {
    /// In this state: waiting, delivered or dead; may be given several times
    #[arg(long = "state", value_name = "STATE", value_parser = state)]
    pub(super) states: Vec<DeliveryState>,
    /// At the webhook of this name
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// About this payment
    #[arg(long, value_name = "ID")]
    pub(super) payment: Option<PaymentId>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    pub(super) limit: usize,
    /// Go on where the page before ended
    #[arg(long, value_name = "CURSOR")]
    pub(super) cursor: Option<Cursor>,
}

fn state(text: &str) -> Result<DeliveryState, String> {
    DeliveryState::of_word(text).ok_or_else(|| {
        let words: Vec<&str> = DeliveryState::ALL.iter().map(|state| state.as_str()).collect();
        format!("known are: {}", words.join(", "))
    })
}
