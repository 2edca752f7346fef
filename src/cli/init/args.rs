//! Words of `kaspi init`.

use std::path::PathBuf;

use clap::Args;

use crate::base::TradePointId;

#[derive(Args, Debug)]
pub(in crate::cli) struct Init {
    /// Where the bank's files are
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(super) folder: PathBuf,
    /// Ask nothing: take what the options say and what is found
    #[arg(long)]
    pub(super) yes: bool,
    /// Where kaspi.toml and certs/ are written; made where it is missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) dir: PathBuf,
    /// The certificate from the bank [default: found in FOLDER]
    #[arg(long, value_name = "FILE")]
    pub(super) cert: Option<PathBuf>,
    /// The private key [default: found in FOLDER]
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    /// One file with certificate and key, .p12 or .pfx, in place of --cert and --key
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cert", "key"])]
    pub(super) p12: Option<PathBuf>,
    /// A file with the password of the key [default: it is asked for]
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// Kaspi's address from the bank's letter [default: the documented one]
    #[arg(long, value_name = "URL")]
    pub(super) base_url: Option<String>,
    /// The bank's own certificate authorities [default: found in FOLDER]
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Vec<PathBuf>,
    /// A name for people [default: the BIN]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// The trade point; `kaspi tradepoints` lists them, so it may wait
    #[arg(long, value_name = "ID")]
    pub(super) trade_point: Option<TradePointId>,
    /// A file with the device token of that trade point; `kaspi device register` gets one, so it may wait
    #[arg(long, value_name = "FILE", requires = "trade_point")]
    pub(super) device_token_file: Option<PathBuf>,
    /// Do not ask the bank at the end
    #[arg(long)]
    pub(super) no_doctor: bool,
}
