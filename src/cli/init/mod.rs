//! `kaspi init`: from the bank's files to a configuration that the doctor has looked at.

pub(super) mod args;
mod ask;
mod error;
mod layout;
mod next;
mod search;

use std::path::{Path, PathBuf};

use serde_json::json;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::args::{FailOn, Global};
use super::cert::secret;
use super::context::Context;
use super::doctor;
use super::failure::Failure;
use super::report::Report;
use crate::base::{Bin, Clock, DeviceToken, Password, SystemClock};
use crate::config::{self, ConfigError, PasswordSource, read_password_file};
use crate::identity::{Gathered, IdentityError, authorities_pem, gather, generate_password};
use args::Init;
use ask::Asker;
use error::InitError;
use layout::Layout;
use search::{Files, Found};

/// The address that integrators report for production, scheme r3. The bank's letter has the last word.
const DOCUMENTED_ADDRESS: &str = "https://qrapi-cert-ip.kaspi.kz/r3";
/// So often a person may mistype a password.
const ATTEMPTS: usize = 3;

pub(super) async fn run(wanted: Init, global: &Global, report: &Report) -> Result<(), Failure> {
    if global.config.is_some() {
        return Err(InitError::ConfigGiven.into());
    }
    let asked_bin = global.bins.first().copied();
    layout::refuse_existing(&wanted.dir, asked_bin)?;
    let asker = Asker::new(wanted.yes, report)?;
    let desk = Desk {
        wanted: &wanted,
        asker: &asker,
        report,
        now: SystemClock.now(),
    };
    let found = desk.look()?;
    let (gathered, password) = desk.identity(&found)?;
    let bin = desk.bin(asked_bin, &gathered)?;
    layout::refuse_existing(&wanted.dir, Some(bin))?;
    let base_url = desk.base_url()?;
    let authorities = desk.authorities(&found)?;
    let (trade_point, device_token) = desk.trade_point()?;
    let layout = Layout {
        dir: &wanted.dir,
        bin,
        gathered: &gathered,
        password: &password,
        name: desk.name()?,
        base_url,
        authorities,
        trade_point,
        device_token,
    };
    layout.write()?;
    finish(&wanted, &layout, global, report).await
}

/// Tells what was written, asks the doctor, and says what comes next.
async fn finish(wanted: &Init, layout: &Layout<'_>, global: &Global, report: &Report) -> Result<(), Failure> {
    let config = layout::config_file(&wanted.dir);
    let folder = layout::bin_folder(&wanted.dir, layout.bin);
    let paint = report.paint();
    report.line(&format!(
        "{} {} and {}\n",
        paint.good("written"),
        config.display(),
        folder.display()
    ));
    let diagnosis = if wanted.no_doctor {
        None
    } else {
        let global = Global {
            config: Some(config.clone()),
            bins: vec![layout.bin],
            ..global.clone()
        };
        Some(doctor::first_look(&Context::new(&global, report)).await?)
    };
    let steps = next::steps(layout, &config, diagnosis.as_ref());
    report.line(&next::text(&steps, &paint));
    if report.is_json() {
        report.json_line(&json!({
            "config": config,
            "folder": folder,
            "bin": layout.bin,
            "certificate_sha256": layout.gathered.facts().sha256,
            "doctor": diagnosis,
            "next": steps,
        }));
    }
    match diagnosis {
        Some(diagnosis) => doctor::verdict(&[diagnosis], FailOn::Fail),
        None => Ok(()),
    }
}

/// What is asked for, in this order.
struct Desk<'a> {
    wanted: &'a Init,
    asker: &'a Asker<'a>,
    report: &'a Report,
    now: OffsetDateTime,
}

impl Desk<'_> {
    /// The folder is opened only for what no option names.
    fn look(&self) -> Result<Found, Failure> {
        let wanted = self.wanted;
        let named = wanted.p12.is_some() || wanted.cert.is_some() && wanted.key.is_some();
        if named && !self.asker.asks() && !wanted.folder.is_dir() {
            return Ok(Found::default());
        }
        let found = search::look(&wanted.folder, self.now)?;
        for line in &found.told {
            self.report.progress(format!("found {line}"));
        }
        Ok(found)
    }

    /// Certificate and key, opened, and the password that the key is kept under.
    fn identity(&self, found: &Found) -> Result<(Gathered, Password), Failure> {
        let files = self.files(found)?;
        let passwords = match &self.wanted.password_file {
            Some(file) => vec![read_password_file(file)?],
            None => Vec::new(),
        };
        let (gathered, passwords) = self.open(&files, passwords)?;
        for warning in gathered.warnings() {
            self.report.warning(warning);
        }
        let days_left = gathered.facts().days_left(self.now);
        if days_left < 0 {
            self.report
                .warning(format!("the certificate expired {} days ago", -days_left));
        }
        let opened_with = gathered.opened_with().cloned();
        let given = passwords
            .into_iter()
            .find(|source| opened_with.is_none() || opened_with.as_ref() == Some(&source.origin));
        let password = match given {
            Some(source) if opened_with.is_none() => secret::long_enough(source.password)?,
            Some(source) => source.password,
            None => {
                self.report
                    .progress("the key had no password; it is kept under a new one, in the file `password`");
                generate_password()?
            }
        };
        Ok((gathered, password))
    }

    fn files(&self, found: &Found) -> Result<Files, Failure> {
        if let Some(file) = &self.wanted.p12 {
            return Ok(vec![file.clone()]);
        }
        let mut ways = found.identities(self.wanted.cert.as_ref(), self.wanted.key.as_ref());
        match (ways.len(), self.asker.asks()) {
            (0, _) => Err(found.nothing().into()),
            (1, _) => Ok(ways.swap_remove(0)),
            (_, true) => self.asker.choice("which of them", ways, |files| joined(files)),
            (_, false) => Err(found.several().into()),
        }
    }

    /// Opens the files; asks for the password where one is needed and somebody is there.
    fn open(
        &self,
        files: &[PathBuf],
        mut passwords: Vec<PasswordSource>,
    ) -> Result<(Gathered, Vec<PasswordSource>), Failure> {
        for attempt in 1.. {
            let error = match gather(files, &passwords) {
                Ok(gathered) => return Ok((gathered, passwords)),
                Err(error) => error,
            };
            let path = match &error {
                IdentityError::NoPassword { path, .. } | IdentityError::WrongPassword { path, .. } => {
                    path.clone()
                }
                _ => return Err(error.into()),
            };
            if !self.asker.asks() || self.wanted.password_file.is_some() || attempt > ATTEMPTS {
                return Err(without_places(error));
            }
            if attempt > 1 {
                self.report.warning("that is not the password");
            }
            let prompt = format!("password of {} (not shown): ", path.display());
            passwords = vec![secret::ask_present(
                &prompt,
                "name a file with `--password-file`",
            )?];
        }
        Err(InitError::NoAnswer.into())
    }

    fn bin(&self, given: Option<Bin>, gathered: &Gathered) -> Result<Bin, Failure> {
        let named = &gathered.facts().bins;
        let bin = match (given, self.asker.asks()) {
            (Some(bin), _) => bin,
            (None, false) => return Err(InitError::NoBin.into()),
            (None, true) => {
                let default = match named.as_slice() {
                    [only] => Some(only.to_string()),
                    _ => None,
                };
                self.asker
                    .needed("BIN, 12 digits", default.as_deref(), Bin::parse)?
            }
        };
        if !bin.has_valid_control_digit() {
            self.report.warning(format!(
                "the control digit of BIN `{bin}` is wrong: compare it with the bank's letter, digit by digit"
            ));
        }
        if !named.is_empty() && !named.contains(&bin) {
            let named: Vec<String> = named.iter().map(|bin| format!("`{bin}`")).collect();
            self.report.warning(format!(
                "the certificate names BIN {}, not `{bin}`: right only if the bank has declared it for both",
                named.join(", ")
            ));
        }
        Ok(bin)
    }

    fn base_url(&self) -> Result<String, Failure> {
        if let Some(url) = &self.wanted.base_url {
            config::check_base_url(url)?;
            return Ok(url.clone());
        }
        if !self.asker.asks() {
            self.report.warning(format!(
                "no `--base-url`: taking {DOCUMENTED_ADDRESS}; compare it with the bank's letter"
            ));
            return Ok(DOCUMENTED_ADDRESS.to_owned());
        }
        self.asker.needed(
            "Kaspi's address, as the bank's letter has it",
            Some(DOCUMENTED_ADDRESS),
            |url| match config::check_base_url(url) {
                Ok(()) => Ok(url.to_owned()),
                // it was typed here and stands in no setting yet
                Err(ConfigError::Invalid { problem, .. }) => Err(problem),
                Err(error) => Err(error.to_string()),
            },
        )
    }

    fn authorities(&self, found: &Found) -> Result<Option<String>, Failure> {
        if !self.wanted.ca.is_empty() {
            return Ok(Some(authorities_pem(&self.wanted.ca)?));
        }
        if found.authorities.is_empty() {
            return Ok(None);
        }
        let files = joined(&found.authorities);
        if !self.asker.agreed(&format!(
            "trust {files} for Kaspi's server, beside the public authorities?"
        ))? {
            return Ok(None);
        }
        self.report
            .progress(format!("Kaspi's server may show a certificate of {files}"));
        Ok(Some(authorities_pem(&found.authorities)?))
    }

    fn name(&self) -> Result<Option<String>, Failure> {
        match &self.wanted.name {
            Some(name) => Ok(Some(name.clone())),
            None => self.asker.optional("name for people", "the BIN"),
        }
    }

    fn trade_point(&self) -> Result<(Option<crate::base::TradePointId>, Option<DeviceToken>), Failure> {
        let trade_point = match self.wanted.trade_point {
            Some(id) => Some(id),
            None => self.asker.optional(
                "trade point, if you know its number",
                "later, `kaspi tradepoints` lists them",
            )?,
        };
        if let Some(file) = &self.wanted.device_token_file {
            return Ok((trade_point, Some(read_token(file)?)));
        }
        if trade_point.is_none() || !self.asker.asks() {
            return Ok((trade_point, None));
        }
        let typed =
            secret::ask_or_nothing("device token, not shown [later, `kaspi device register` gets one]: ")?;
        let token = match typed {
            Some(typed) => Some(DeviceToken::parse(&typed).map_err(|error| Failure::wrong_use(&error))?),
            None => None,
        };
        Ok((trade_point, token))
    }
}

fn read_token(file: &Path) -> Result<DeviceToken, Failure> {
    let text = std::fs::read_to_string(file)
        .map(Zeroizing::new)
        .map_err(|error| {
            Failure::from_io(
                format!("the device token in `{}` cannot be read", file.display()),
                error,
            )
        })?;
    DeviceToken::parse(&text).map_err(|error| Failure::wrong_use(&error))
}

/// The places of a configuration do not help where there is none yet.
fn without_places(error: IdentityError) -> Failure {
    match error {
        IdentityError::NoPassword { path, scheme, .. } => InitError::NoPassword { path, scheme }.into(),
        other => other.into(),
    }
}

fn joined(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    names.join(" and ")
}
