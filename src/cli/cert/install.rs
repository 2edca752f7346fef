//! `kaspi cert install`: a new identity, checked, proved, and put in use in one step.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use time::OffsetDateTime;

use super::args::Install;
use super::error::{CertError, Left};
use super::prove::{Proof, prove};
use super::published::{self, NotPublished, Published, Wanted};
use super::{merchant, secret};
use crate::base::{Bin, Clock, Password, SystemClock};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::gateway;
use crate::config::{
    self, CERTIFICATE_FILE, CONTAINER_FILES, Config, Environment, IdentityFiles, IdentitySource,
    IdentitySpec, PASSWORD_FILE, PRIVATE_KEY_FILE, PasswordOrigin, PasswordSource, read_password_file,
};
use crate::identity::{self, Form, Identity, IdentityError, SetFile, SetStore, inspect};
use crate::registry::RegistryError;

pub(super) async fn run(wanted: Install, context: &Context<'_>) -> Result<(), Failure> {
    let bin = merchant::named(context)?;
    let (config, environment) = context.configuration()?;
    let mut given = IdentitySpec {
        owner: bin,
        files: files(&wanted),
        passwords: passwords(&wanted, bin, &config, &environment)?,
    };
    let folders = config::scan_with(&config, &environment, &given)?;
    let folder = merchant::owner(bin, &config, &folders)?;
    if let Err(error) = &folder.merchant {
        return Err(RegistryError::Folder {
            bin,
            source: Arc::clone(error),
        }
        .into());
    }
    let new = load(&mut given)?;
    let bins = merchant::served_by(bin, &folders);
    check_bins(&new, &bins, &wanted, context)?;
    // one that cannot be asked ends this before anything changes
    let gateway = published::gateway_at_work(&config, wanted.no_wait).await?;

    let store = SetStore::open(&folder.folder)?;
    let staged = store.stage(&set_files(&given, &new)?, wanted.discard_previous)?;
    // what counts is what lies there now, read as every start will read it
    let candidate = config::candidate(bin, staged.folder(), &environment)?;
    let new = identity::load(&candidate, &SystemClock)?;
    for warning in new.warnings() {
        context.report.warning(warning);
    }
    let proved = match wanted.no_canary {
        true => Vec::new(),
        false => {
            let present = present(bin, &config, &environment)?;
            let present = present.as_ref();
            match prove(&config, &environment, &candidate, present, context.report).await? {
                Proof::Taken(bins) => bins,
                Proof::Unanswered(error) => accept_unproved(error, present, context)?,
            }
        }
    };
    let previous_set = staged.previous();
    let switched = store.publish(staged)?;
    for leftover in &switched.leftovers {
        context.report.warning(leftover);
    }
    let gateway = match gateway {
        Some(_) => {
            let wanted = Wanted {
                bins: &bins,
                sha256: new.fingerprint(),
            };
            match published::wait(&wanted, &config, context).await {
                Ok(published) => published,
                Err(reason) => return Err(undone(reason, bin, previous_set, &store, &config, context).await),
            }
        }
        None => None,
    };
    let installed = Installed {
        bin,
        set: switched.number,
        previous_set,
        certificate_sha256: new.fingerprint(),
        not_after: new.facts().not_after,
        days_left: new.facts().days_left(SystemClock.now()),
        bins,
        proved,
        gateway,
    };
    context.report.result(|paint| installed.text(paint), &installed);
    Ok(())
}

/// The result; the names are relied upon.
#[derive(Serialize)]
struct Installed<'a> {
    bin: Bin,
    set: u64,
    previous_set: Option<u64>,
    certificate_sha256: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    not_after: OffsetDateTime,
    days_left: i64,
    bins: Vec<Bin>,
    proved: Vec<Bin>,
    gateway: Option<Published>,
}

impl Installed<'_> {
    fn text(&self, paint: &crate::cli::report::Paint) -> String {
        let listed = |bins: &[Bin]| bins.iter().map(Bin::to_string).collect::<Vec<_>>().join(", ");
        let proof = match self.proved.as_slice() {
            [] => "not proved to Kaspi".to_owned(),
            proved => format!("Kaspi takes it for {}", listed(proved)),
        };
        let back = match self.previous_set {
            Some(number) => format!("set {number} is kept: `kaspi cert rollback --bin {}`", self.bin),
            None => "no earlier set is kept".to_owned(),
        };
        format!(
            "{} set {} for BIN {}\n  sha256  {}\n  valid   to {} ({} days left)\n  serves  {}\n  proof   {proof}\n  gateway {}\n  back    {back}",
            paint.good("installed"),
            self.set,
            self.bin,
            self.certificate_sha256,
            self.not_after.date(),
            self.days_left,
            listed(&self.bins),
            Published::text(self.gateway.as_ref()),
        )
    }
}

/// A set that the gateway has judged and refused must not lie in wait for its next start, which asks
/// nobody: the set before is put back. Where nothing is decided the new one stays.
async fn undone(
    reason: NotPublished,
    owner: Bin,
    previous: Option<u64>,
    store: &SetStore,
    config: &Config,
    context: &Context<'_>,
) -> Failure {
    let refusal = match reason {
        NotPublished::Refused(refusal) => refusal,
        NotPublished::Unclear(failure) => {
            context
                .report
                .warning("the new set lies there; whether the gateway serves it is not known");
            return failure;
        }
    };
    let left = match previous {
        None => Left::Only,
        Some(_) if !refusal.is_final() => Left::New { owner },
        Some(set) => match store.return_to(set) {
            Ok(_) => {
                // its state is to show what lies there now; what it serves has not changed
                let _ = gateway::rescanned(config).await;
                Left::Returned { set }
            }
            Err(error) => {
                context
                    .report
                    .warning(format!("the set before cannot be put back: {error}"));
                Left::New { owner }
            }
        },
    };
    CertError::NotPublished { refusal, left }.into()
}

fn files(wanted: &Install) -> IdentityFiles {
    match &wanted.key {
        Some(key) => IdentityFiles::Pair {
            certificate: wanted.cert.clone(),
            private_key: key.clone(),
        },
        None => IdentityFiles::Single(wanted.cert.clone()),
    }
}

/// The one from the command line; without it those that the BIN has now, since a renewed certificate
/// may come to the same key.
fn passwords(
    wanted: &Install,
    bin: Bin,
    config: &Config,
    environment: &Environment,
) -> Result<Vec<PasswordSource>, Failure> {
    if let Some(file) = &wanted.password_file {
        return Ok(vec![read_password_file(file)?]);
    }
    Ok(present(bin, config, environment)?.map_or_else(Vec::new, |spec| spec.passwords))
}

/// The identity that the BIN has now, if that is one of its own.
fn present(bin: Bin, config: &Config, environment: &Environment) -> Result<Option<IdentitySpec>, Failure> {
    let folders = config::scan(config, environment)?;
    let spec = folders
        .into_iter()
        .find(|folder| folder.bin == Some(bin))
        .and_then(|folder| folder.merchant.ok());
    Ok(match spec.map(|spec| spec.identity) {
        Some(IdentitySource::Own(spec)) => Some(spec),
        _ => None,
    })
}

/// Loads the files where the operator has them, so that what is wrong names them there.
fn load(given: &mut IdentitySpec) -> Result<Identity, Failure> {
    match identity::load(given, &SystemClock) {
        Err(IdentityError::NoPassword { path, .. }) if secret::can_ask() => {
            let prompt = format!("password of {}: ", path.display());
            let typed = secret::ask_present(&prompt, "name a file with `--password-file`")?;
            given.passwords.push(typed);
            Ok(identity::load(given, &SystemClock)?)
        }
        other => Ok(other?),
    }
}

/// The bank's certificates need not name a BIN; one that names others only is a mix-up.
fn check_bins(
    new: &Identity,
    served: &[Bin],
    wanted: &Install,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let named = &new.facts().bins;
    if named.is_empty() {
        return Ok(());
    }
    let owner = new.owner();
    if !named.contains(&owner) && !wanted.allow_other_bin {
        return Err(CertError::OtherBin {
            bin: owner,
            named: named.clone(),
            file: wanted.cert.clone(),
        }
        .into());
    }
    for bin in served.iter().filter(|bin| !named.contains(bin)) {
        context.report.warning(format!(
            "BIN `{bin}` acts with this identity, and `{}` does not name it",
            wanted.cert.display()
        ));
    }
    Ok(())
}

fn set_files(given: &IdentitySpec, new: &Identity) -> Result<Vec<SetFile>, Failure> {
    let mut files = match &given.files {
        IdentityFiles::Pair {
            certificate,
            private_key,
        } => vec![
            SetFile::read(CERTIFICATE_FILE, certificate)?,
            SetFile::read(PRIVATE_KEY_FILE, private_key)?,
        ],
        IdentityFiles::Single(file) => vec![SetFile::read(single_name(file)?, file)?],
        // nothing on the command line is one
        IdentityFiles::Variable(_) => Vec::new(),
    };
    files.extend(password_to_keep(given, new).map(|password| SetFile {
        name: PASSWORD_FILE,
        bytes: secret::line(password),
    }));
    Ok(files)
}

fn single_name(file: &Path) -> Result<&'static str, Failure> {
    let found = inspect(file, &[], SystemClock.now())?;
    let [container, _] = CONTAINER_FILES;
    Ok(match found.first().map(|item| item.kind) {
        Some(Form::Pkcs12) => container,
        _ => CERTIFICATE_FILE,
    })
}

/// A password that came from a file or a person belongs to the set; one that comes from a credential or
/// the environment comes from there again.
fn password_to_keep<'a>(given: &'a IdentitySpec, new: &Identity) -> Option<&'a Password> {
    let origin = new.opened_with()?;
    match origin {
        PasswordOrigin::Credential(_) | PasswordOrigin::Environment(_) => None,
        PasswordOrigin::File(_) | PasswordOrigin::Typed => given
            .passwords
            .iter()
            .find(|source| source.origin == *origin)
            .map(|source| &source.password),
    }
}

/// Without an answer the old identity stays while it works; where nothing works, there is nothing to lose.
fn accept_unproved(
    error: CertError,
    present: Option<&IdentitySpec>,
    context: &Context<'_>,
) -> Result<Vec<Bin>, Failure> {
    let works = present.is_some_and(|spec| identity::load(spec, &SystemClock).is_ok());
    if works {
        return Err(error.into());
    }
    context.report.warning(format!(
        "{error}; it is installed all the same, since the BIN has no other that works"
    ));
    Ok(Vec::new())
}
