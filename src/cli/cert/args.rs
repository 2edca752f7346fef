//! Words of `kaspi cert`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Cert {
    /// Every finding about the certificates and keys of all BINs, or of one
    #[command(
        after_help = "Examples:\n  kaspi cert check --expires-within 60d\n\nExit code 1 if a BIN cannot be served or its certificate expires within the time. Warnings are shown and do not\ncount, unless --strict; neither do BINs with `active = false`. Sends nothing."
    )]
    Check(Check),
    /// Make a key and the request for its certificate, as the bank asks
    #[command(
        after_help = "Examples:\n  kaspi cert request --bin 891027350515 --common-name pay.example.kz --organization 'TOO Flowers' --state Almaty --locality Almaty --email it@example.kz --generate-password --out new\n\nNeeds no configuration. The key (RSA 2048) is only ever written under a password. Without\n--generate-password and --password-file the password is asked for."
    )]
    Request(Request),
    /// Check new files, prove them to Kaspi, and put them in use in one step
    #[command(
        after_help = "Examples:\n  kaspi cert install --bin 891027350515 --cert certificate.cer --key new/private.key --password-file new/password\n\nBefore anything changes, the trade points of every BIN that acts with this identity are read with the new one; if\nKaspi refuses, the old one stays. The set before is kept for `kaspi cert rollback`. A running gateway is\ntold, and the command ends when it serves the new set; if it refuses, the set before is put back."
    )]
    Install(Install),
    /// Put the set back in use that was before the last installation
    #[command(
        after_help = "Examples:\n  kaspi cert rollback --bin 891027350515\n\nA running gateway is told, and the command ends when it serves the set."
    )]
    Rollback(Rollback),
    /// Bring files of any form into the standard layout
    #[command(
        after_help = "Examples:\n  kaspi cert convert bank.pfx --password-file pfx.password --out converted\n\nNeeds no configuration. Writes certificate.cer (PEM, own certificate first), private.key (PKCS#8, AES-256) and password. The\nkey never lies on the disk in clear; its password stays the same unless --generate-password."
    )]
    Convert(Convert),
    /// What is in a file of certificates or keys; needs no configuration
    #[command(after_help = "Examples:\n  kaspi cert inspect certificate.cer private.key")]
    Inspect(Inspect),
}

#[derive(Args, Debug)]
pub(in crate::cli) struct Check {
    /// The least time that a certificate must still be valid, in days
    #[arg(long, value_name = "DAYS", value_parser = days, default_value = "30d")]
    pub(super) expires_within: i64,
    /// Count warnings too
    #[arg(long)]
    pub(super) strict: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct Request {
    /// The host that calls Kaspi: its DNS name or IP address
    #[arg(long, value_name = "HOST")]
    pub(super) common_name: String,
    /// The organisation's name, in Latin letters
    #[arg(long, value_name = "NAME")]
    pub(super) organization: String,
    /// Region, in Latin letters
    #[arg(long, value_name = "NAME")]
    pub(super) state: Option<String>,
    /// Town, in Latin letters
    #[arg(long, value_name = "NAME")]
    pub(super) locality: Option<String>,
    /// The address of mail that the bank's agreement names
    #[arg(long, value_name = "ADDRESS")]
    pub(super) email: Option<String>,
    /// Where private.key and request.csr are written; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Make a password and write it to DIR/password
    #[arg(long, conflicts_with = "password_file")]
    pub(super) generate_password: bool,
    /// A file with the password to use
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct Install {
    /// The certificate, with its chain if there is one; or one file with certificate and key (PKCS#12, PEM)
    #[arg(long, value_name = "FILE")]
    pub(super) cert: PathBuf,
    /// The private key [default: the one in the file of the certificate]
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    /// A file with the key's password [default: the passwords that the BIN has now; else it is asked for]
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// Keep no way back: remove the files in use so far, after a compromise
    #[arg(long)]
    pub(super) discard_previous: bool,
    /// Put the files in use without asking Kaspi, where it cannot be reached from here
    #[arg(long)]
    pub(super) no_canary: bool,
    /// Take a certificate whose subject names other BINs only
    #[arg(long)]
    pub(super) allow_other_bin: bool,
    /// Neither ask a running gateway nor wait until it serves the new files
    #[arg(long)]
    pub(super) no_wait: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct Rollback {
    /// Neither ask a running gateway nor wait until it serves the earlier files
    #[arg(long)]
    pub(super) no_wait: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct Convert {
    /// Files that hold one certificate and its key together: PKCS#12, PEM, DER, in any order
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Where certificate.cer, private.key and password are written; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// A file with the password that opens the key; a key without one gets this password
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// Give the key a new password
    #[arg(long)]
    pub(super) generate_password: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct Inspect {
    /// Files of any form: PEM, DER, PKCS#12
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// A file with the password, to look inside encrypted ones
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
}

fn days(text: &str) -> Result<i64, String> {
    const MOST: i64 = 3660;
    text.strip_suffix('d')
        .unwrap_or(text)
        .parse()
        .ok()
        .filter(|days| (0..=MOST).contains(days))
        .ok_or_else(|| format!("a number of days from 0 to {MOST}, as in `30d`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_an_optional_unit() {
        assert_eq!(days("30d"), Ok(30));
        assert_eq!(days("0"), Ok(0));
        for text in ["", "d", "-1", "30h", "1.5d", "3661d", "30 d"] {
            assert_eq!(
                days(text).unwrap_err(),
                "a number of days from 0 to 3660, as in `30d`"
            );
        }
    }
}
