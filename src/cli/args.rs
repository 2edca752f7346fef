//! The command line, as clap reads it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::cert::args::Cert;
use super::init::args::Init;
use super::journal::args::JournalCommand;
use super::token::args::Token;
use super::webhook::args::Webhook;
use crate::base::{Amount, Bin, DeviceId, ExternalId, PaymentId, TradePointId};
use crate::payments::{Caller, KeyError, Origin, RequestKey};

/// Where to begin, and the exit codes of every command.
const FOOT: &str = "\
Examples:
  kaspi demo
  kaspi init letter --dir shop
  kaspi doctor --bin 891027350515

Exit codes: 0 done; 1 a check or operation said no; 2 wrong use; 3 configuration or identity unusable;
4 network or TLS; 5 Kaspi refused; 6 outcome unknown: look before asking again";

/// Take money with Kaspi Pay over mutual TLS, with the right certificate for each organisation.
#[derive(Debug, Parser)]
#[command(name = "kaspi", version, propagate_version = true, after_help = FOOT, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Cli {
    /// Reads a command line.
    ///
    /// Only the sandbox, when it is made and when it signs, and tokens take several BINs; anywhere else the second one is a
    /// slip, and to take either of them would be a guess about whose money it is.
    pub(super) fn read(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let cli = Self::try_parse_from(arguments)?;
        if cli.global.bins.len() > 1 && !cli.command.takes_several_bins() {
            let message = "`--bin` is given more than once, and this command works for one organisation";
            return Err(Self::command().error(ErrorKind::TooManyValues, message));
        }
        Ok(cli)
    }
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub(super) struct Global {
    /// Configuration file [default: $KASPI_CONFIG, ./kaspi.toml, ~/.config/kaspi/kaspi.toml, /etc/kaspi/kaspi.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(super) config: Option<PathBuf>,
    /// The organisation, 12 digits [default: `default_bin` of the configuration]
    #[arg(
        long = "bin",
        id = "bin",
        global = true,
        value_name = "BIN",
        help_heading = "Global options"
    )]
    pub(super) bins: Vec<Bin>,
    /// Text for people, JSON for programs
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    pub(super) output: Output,
    /// Say more on standard error; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(super) verbose: u8,
    /// Keep warnings and progress to yourself
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Global options"
    )]
    pub(super) quiet: bool,
    /// Whether text is coloured
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Global options"
    )]
    pub(super) color: Color,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The whole main job against a simulated Kaspi, in a temporary folder
    #[cfg(feature = "sandbox")]
    #[command(after_help = "Examples:\n  kaspi demo --keep /tmp/kaspi-demo")]
    Demo(Demo),
    /// From the bank's files to a configuration that the doctor has looked at
    #[command(
        after_help = "Examples:\n  kaspi init letter --dir shop\n  kaspi init --yes --bin 891027350515 --cert bank.cer --key own.key --password-file own.password --dir shop\n\nAsks for what it does not find; with --yes it asks nothing. The password is typed unseen or read from a file. Never\nwrites over a file, and the key never lies on the disk in clear.\nExit code 0 where the doctor finds nothing, 1 where it does: the files are written all the same."
    )]
    Init(Init),
    /// Invoices by phone number: create, look, refund
    #[command(
        subcommand,
        after_help = "Examples:\n  kaspi payment create --phone +77000000000 --amount 1500 --message 'Order 17'\n  kaspi payment status 12800000774"
    )]
    Payment(Payment),
    /// Payments by QR code
    #[command(subcommand, after_help = "Examples:\n  kaspi qr create --amount 1500")]
    Qr(Qr),
    /// Payments by link
    #[command(subcommand, after_help = "Examples:\n  kaspi link create --amount 1500")]
    Link(Link),
    /// Whether a phone number can get an invoice, and whose it is
    #[command(
        after_help = "Examples:\n  kaspi client-info --phone +77000000000\n\nThe bank allows 50 questions a minute for each device. The name is a person's: do not store it."
    )]
    ClientInfo {
        /// The customer: +7, 7 or 8 and ten digits
        #[arg(long)]
        phone: String,
        /// The trade point, where the merchant has several [default: the one marked `default`]
        #[arg(long, value_name = "ID")]
        trade_point: Option<TradePointId>,
    },
    /// Whether Kaspi takes the BIN's certificate
    #[command(after_help = "Examples:\n  kaspi ping --bin 891027350515")]
    Ping,
    /// Let the bank's emulated customer act on a QR or link payment, on a test server
    #[command(
        after_help = "Examples:\n  kaspi emulate scan 12800000774\n\nRefused unless `base_url` is the bank's test server or on this machine."
    )]
    Emulate {
        /// What the customer does
        #[arg(value_enum)]
        step: EmulatorStep,
        /// Kaspi's number of the payment
        #[arg(value_name = "ID")]
        payment: PaymentId,
    },
    /// The trade points that the bank knows for the BIN
    #[command(after_help = "Examples:\n  kaspi tradepoints --bin 891027350515 -o json")]
    Tradepoints,
    /// Devices, whose tokens payments need
    #[command(
        subcommand,
        after_help = "Examples:\n  kaspi device register --device-id till-1 --trade-point 385716 --token-file device.token"
    )]
    Device(Device),
    /// The configured organisations and how each stands
    #[command(
        subcommand,
        after_help = "Examples:\n  kaspi merchants list\n  kaspi merchants show --bin 891027350515"
    )]
    Merchants(Merchants),
    /// Certificates and keys
    #[command(
        subcommand,
        after_help = "Examples:\n  kaspi cert inspect certificate.cer private.key\n  kaspi cert check --expires-within 60d"
    )]
    Cert(Cert),
    /// The gateway: HTTP contracts for a backend, and every identity ready behind them
    #[command(
        after_help = "Examples:\n  kaspi serve --listen 127.0.0.1:8014\n\nTakes up changed certificates, merchants and tokens while it runs, and tells other commands what it serves through a\nsocket in `state_dir`. SIGHUP reads the folders again. SIGTERM and SIGINT end it: calls under way come to their end\nfirst, a second signal does not wait for them. One line says that it is ready."
    )]
    Serve(Serve),
    /// What happened to the money, and settling what is unknown
    #[command(
        subcommand,
        after_help = "Examples:\n  kaspi journal list --state unknown\n  kaspi journal reconcile"
    )]
    Journal(JournalCommand),
    /// Events told to a merchant's own systems: looking, checking, sending again
    #[command(
        subcommand,
        after_help = "Examples:\n  kaspi webhook list\n  kaspi webhook log --bin 891027350515 --state dead"
    )]
    Webhook(Webhook),
    /// What is wrong with a BIN, and what to do about it
    #[command(
        after_help = "Examples:\n  kaspi doctor --bin 891027350515\n\nLooks from the configuration file to the bank's answer. Only reads are made; no money moves.\nExit code 0 where all is well, 1 where something was found, 3 where no BIN could be examined."
    )]
    Doctor(DoctorArgs),
    /// A simulated Kaspi with a certificate authority of its own, for tests
    #[cfg(feature = "sandbox")]
    #[command(
        subcommand,
        after_help = "Examples:\n  kaspi sandbox init /tmp/kaspi\n  kaspi sandbox run --dir /tmp/kaspi"
    )]
    Sandbox(Sandbox),
    /// Tokens of the gateway's callers
    #[command(
        subcommand,
        after_help = "Examples:\n  kaspi token new --name shop-backend --bin 891027350515"
    )]
    Token(Token),
    /// The manual: the first page, or every page into a folder
    #[command(
        after_help = "Examples:\n  kaspi man --dir /usr/local/share/man/man1\n\nWithout --dir the first page goes to standard output: kaspi man | man -l -"
    )]
    Man {
        /// Where the pages go; made where it is missing
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// A completion script for a shell
    #[command(after_help = "Examples:\n  kaspi completions bash > /etc/bash_completion.d/kaspi")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// What is examined, and what comes of it.
#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// Every configured BIN, several at the same time
    #[arg(long, conflicts_with = "bin")]
    pub(super) all: bool,
    /// Only what needs no network: files, certificate, key
    #[arg(long)]
    pub(super) offline: bool,
    /// The least that makes the exit code 1
    #[arg(long, value_enum, default_value_t, value_name = "SEVERITY")]
    pub(super) fail_on: FailOn,
    /// Write a report too that can be pasted anywhere: no names, numbers, paths or secrets
    #[arg(long, value_name = "FILE")]
    pub(super) redact: Option<PathBuf>,
}

/// What makes a diagnosis end with exit code 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// A warning, too
    Warn,
    /// A failure
    #[default]
    Fail,
}

/// How `kaspi serve` is started.
#[derive(Args, Clone, Debug)]
pub(super) struct Serve {
    /// Where callers connect; port 0 takes a free one [default: `gateway.listen` of the configuration, or the port in the variable PORT]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) listen: Option<SocketAddr>,
    /// In front of a simulated Kaspi in a temporary folder, for trying the contracts out
    #[cfg(feature = "sandbox")]
    #[arg(long, conflicts_with = "config")]
    pub(super) sandbox: bool,
}

/// What the bank's emulated customer can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum EmulatorStep {
    /// Scan the code, or open the link
    Scan,
    /// Pay, after a scan
    Confirm,
    /// Fail to scan
    Scanerror,
    /// Fail to pay, after a scan
    Confirmerror,
}

impl Command {
    fn takes_several_bins(&self) -> bool {
        match self {
            #[cfg(feature = "sandbox")]
            Self::Sandbox(Sandbox::Init { .. } | Sandbox::Sign { .. }) => true,
            Self::Token(_) => true,
            _ => false,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Payment {
    /// Send a customer an invoice
    #[command(
        after_help = "Examples:\n  kaspi payment create --phone +77000000000 --amount 1500 --message 'Order 17'"
    )]
    Create {
        /// The customer: +7, 7 or 8 and ten digits
        // read later: clap's own error would repeat a wrong number, which is personal data too
        #[arg(long)]
        phone: String,
        /// In tenge, at most two decimals
        #[arg(long, allow_negative_numbers = true)]
        amount: Amount,
        /// What the customer reads
        #[arg(long)]
        message: String,
        /// The trade point, where the merchant has several [default: the one marked `default`]
        #[arg(long, value_name = "ID")]
        trade_point: Option<TradePointId>,
        #[command(flatten)]
        key: Key,
    },
    /// How a payment stands
    #[command(after_help = "Examples:\n  kaspi payment status 12800000774")]
    Status {
        /// Kaspi's number of the payment
        #[arg(value_name = "ID")]
        payment: PaymentId,
    },
    /// Watch a payment until it is paid, has failed, or has run out of time
    #[command(
        after_help = "Examples:\n  kaspi payment watch 12800000774\n\nExit code 0 if it was paid, 1 if not. QR and link payments are asked for every 5 seconds. The bank forbids to poll phone\ninvoices; with --sparse one is asked for in growing gaps from 15 seconds to 3 minutes."
    )]
    Watch {
        /// Kaspi's number of the payment
        #[arg(value_name = "ID")]
        payment: PaymentId,
        /// Watch a phone invoice, in growing gaps
        #[arg(long)]
        sparse: bool,
    },
    /// Take an unpaid invoice back
    #[command(after_help = "Examples:\n  kaspi payment cancel 12800000774 --bin 891027350515")]
    Cancel {
        /// Kaspi's number of the payment
        #[arg(value_name = "ID")]
        payment: PaymentId,
        /// The trade point that made it, where the merchant has several [default: the journal's, else the one marked `default`]
        #[arg(long, value_name = "ID")]
        trade_point: Option<TradePointId>,
        #[command(flatten)]
        key: Key,
    },
    /// What was paid and what is left to refund
    #[command(after_help = "Examples:\n  kaspi payment details 12800000774 --bin 891027350515")]
    Details {
        /// Kaspi's number of the payment
        #[arg(value_name = "ID")]
        payment: PaymentId,
        /// The trade point that made it, where the merchant has several [default: the one marked `default`]
        #[arg(long, value_name = "ID")]
        trade_point: Option<TradePointId>,
    },
    /// Pay money back, whole or in part
    #[command(after_help = "Examples:\n  kaspi payment refund 12800000774 --amount 500 --bin 891027350515")]
    Refund {
        /// Kaspi's number of the payment
        #[arg(value_name = "ID")]
        payment: PaymentId,
        /// In tenge, at most two decimals
        #[arg(long, allow_negative_numbers = true)]
        amount: Amount,
        /// The trade point that made it, where the merchant has several [default: the one marked `default`]
        #[arg(long, value_name = "ID")]
        trade_point: Option<TradePointId>,
        #[command(flatten)]
        key: Key,
    },
}

/// What QR and link payments are made from.
#[derive(Args, Debug)]
pub(super) struct Purchase {
    /// In tenge, at most two decimals
    #[arg(long, allow_negative_numbers = true)]
    pub(super) amount: Amount,
    /// Your own number of the order, which Kaspi keeps
    #[arg(long, value_name = "TEXT")]
    pub(super) external_id: Option<ExternalId>,
    /// The trade point, where the merchant has several [default: the one marked `default`]
    #[arg(long, value_name = "ID")]
    pub(super) trade_point: Option<TradePointId>,
    /// Watch it until it is paid, has failed, or has run out of time; exit code 1 if it was not paid
    #[arg(long)]
    pub(super) watch: bool,
    #[command(flatten)]
    pub(super) key: Key,
}

/// What makes a second run of a command the same operation.
#[derive(Args, Clone, Debug)]
pub(super) struct Key {
    /// Your own name for this operation: the same again gives the first outcome again, and sends nothing
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
}

impl Key {
    /// On behalf of whoever runs the command.
    pub(super) fn origin(&self) -> Result<Origin, KeyError> {
        let key = match &self.idempotency_key {
            Some(text) => RequestKey::Given(text.parse()?),
            None => RequestKey::None,
        };
        Ok(Origin {
            caller: Caller::cli(),
            key,
        })
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Qr {
    /// Make a QR code and draw it
    #[command(after_help = "Examples:\n  kaspi qr create --amount 1500 --external-id order-17 --watch")]
    Create {
        #[command(flatten)]
        purchase: Purchase,
        /// Draw it into a PNG file too
        #[arg(long, value_name = "FILE")]
        png: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Link {
    /// Make a link and print it
    #[command(after_help = "Examples:\n  kaspi link create --amount 1500 --external-id order-17")]
    Create {
        #[command(flatten)]
        purchase: Purchase,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Device {
    /// Register a device at a trade point and write its token to a file
    #[command(
        after_help = "Examples:\n  kaspi device register --device-id till-1 --trade-point 385716 --token-file certs/891027350515/device.token\n\nThe file is made readable to its owner only; name it in merchant.toml as `device_token_file`."
    )]
    Register {
        /// A name of your choice: Latin letters, digits, - and _; each belongs to one trade point
        #[arg(long, value_name = "NAME")]
        device_id: DeviceId,
        /// The trade point; `kaspi tradepoints` lists them
        #[arg(long, value_name = "ID")]
        trade_point: TradePointId,
        /// Where the token is written; it is a secret and is not printed otherwise
        #[arg(long, value_name = "FILE", required_unless_present = "print_token")]
        token_file: Option<PathBuf>,
        /// Print the token instead
        #[arg(long, conflicts_with = "token_file")]
        print_token: bool,
    },
    /// Delete the device whose token is configured; its token is dead afterwards
    #[command(after_help = "Examples:\n  kaspi device delete --bin 891027350515 --trade-point 385716")]
    Delete {
        /// The trade point whose device is deleted; it must stand in merchant.toml
        #[arg(long, value_name = "ID")]
        trade_point: TradePointId,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Merchants {
    /// All of them, a line each
    #[command(after_help = "Examples:\n  kaspi merchants list -o json")]
    List,
    /// One of them in full
    #[command(after_help = "Examples:\n  kaspi merchants show --bin 891027350515")]
    Show,
}

#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Keep the demo's files in this folder, to look at them afterwards
    #[arg(long, value_name = "DIR")]
    pub(super) keep: Option<PathBuf>,
}

#[cfg(feature = "sandbox")]
#[derive(Debug, Subcommand)]
pub(super) enum Sandbox {
    /// Write a configuration with freshly made test certificates
    #[command(
        after_help = "Examples:\n  kaspi sandbox init /tmp/kaspi --bin 891027350515 --bin 210440028324\n\n`--bin` may be given several times; without it, two example organisations are made."
    )]
    Init {
        /// A folder that is not there yet, or empty
        dir: PathBuf,
        /// Issue the certificates from the authority of an earlier sandbox
        #[arg(long, value_name = "DIR")]
        ca: Option<PathBuf>,
    },
    /// Sign a certificate request, as the bank does, and print the certificate
    #[command(
        after_help = "Examples:\n  kaspi sandbox sign --dir /tmp/kaspi --bin 891027350515 request.csr > certificate.cer\n\n`--bin` may be given several times: the certificate is declared for all of them."
    )]
    Sign {
        /// A folder that `kaspi sandbox init` has written
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The request, PEM
        #[arg(value_name = "CSR")]
        request: PathBuf,
    },
    /// Run the simulated Kaspi for such a folder until interrupted
    #[command(
        after_help = "Examples:\n  kaspi sandbox run --dir /tmp/kaspi\n\nPrints one line of JSON on standard output when it is ready; by then the address stands in DIR/kaspi.toml."
    )]
    Run {
        /// A folder that `kaspi sandbox init` has written
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// Address and port of the simulated Kaspi; port 0 picks a free one
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Address and port of the control interface; loopback only
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
        control: SocketAddr,
        /// Refuse handshakes without a client certificate, rather than answering -10000
        #[arg(long)]
        strict: bool,
        /// Keep what the bank knows in this file, so that it survives the end of the process, `kill -9` too
        #[arg(long, value_name = "FILE")]
        state: Option<PathBuf>,
    },
}

/// Every command, each with the name it is called by.
pub(super) fn whole() -> clap::Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

pub(super) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kaspi", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds() {
        Cli::command().debug_assert();
    }
}
