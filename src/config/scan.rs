//! The folder of the merchants' folders.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::read::is_absence;
use super::variables::{self, IDENTITY_VARIABLE};
use super::{Config, ConfigError, ConfigWarning, Environment, IdentitySpec, MerchantSpec, merchant};
use crate::base::Bin;

/// What one sub-folder of `certs_dir`, or one `KASPI_IDENTITY_<BIN>`, turned out to be.
#[derive(Debug)]
pub struct MerchantFolder {
    /// The folder.
    pub folder: PathBuf,
    /// Its name, where that is a BIN.
    pub bin: Option<Bin>,
    /// What it describes, or why it cannot be used.
    pub merchant: Result<MerchantSpec, Arc<ConfigError>>,
    /// What is odd about it but stops nothing.
    pub warnings: Vec<ConfigWarning>,
}

/// Reads every merchant's folder, sorted by name, and every variable that stands for one. Cheap enough for every rescan: it opens no key.
///
/// A folder whose name starts with a dot, and a plain file, is passed over. A broken folder is one
/// entry that says why; it never stops the others.
///
/// # Errors
///
/// `certs_dir` itself cannot be listed. Nothing is known about the merchants then, which is not the
/// same as having none: whoever holds an earlier list should keep it.
pub fn scan(config: &Config, environment: &Environment) -> Result<Vec<MerchantFolder>, ConfigError> {
    read_all(config, environment, None)
}

/// The same, as it would be if the BIN that owns `candidate` had that identity: to try one out before
/// it is put in place.
///
/// # Errors
///
/// As [`scan()`]; a folder that cannot take an identity of its own is an entry that says why, or one
/// that borrows.
pub fn scan_with(
    config: &Config,
    environment: &Environment,
    candidate: &IdentitySpec,
) -> Result<Vec<MerchantFolder>, ConfigError> {
    read_all(config, environment, Some(candidate))
}

fn read_all(
    config: &Config,
    environment: &Environment,
    candidate: Option<&IdentitySpec>,
) -> Result<Vec<MerchantFolder>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        file: config.certs_dir.clone(),
        setting: None,
        source,
    };
    let mut folders = Vec::new();
    for entry in fs::read_dir(&config.certs_dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        // both may lie beside `kaspi.toml`
        if !is_hidden(&entry.file_name()) && entry.path() != config.state_dir {
            folders.push(entry.path());
        }
    }
    let mut odd = Vec::new();
    for (name, bin) in variables::identities(environment) {
        match bin {
            Ok(bin) => {
                let folder = config.certs_dir.join(bin.to_string());
                if !folders.contains(&folder) {
                    folders.push(folder);
                }
            }
            Err(error) => odd.push(MerchantFolder {
                folder: name.into(),
                bin: None,
                merchant: Err(Arc::new(error)),
                warnings: Vec::new(),
            }),
        }
    }
    folders.sort();
    let mut found = on_all_cores(folders, |folder| one(folder, config, environment, candidate));
    found.extend(odd);
    refuse_duplicates(&mut found);
    warn_of_shared_tokens(&mut found);
    Ok(found)
}

/// Looks at every folder, in order. With thousands of them all cores take part.
fn on_all_cores(
    folders: Vec<PathBuf>,
    look: impl Fn(PathBuf) -> Option<MerchantFolder> + Sync,
) -> Vec<MerchantFolder> {
    /// Fewer than that are looked at before a thread has started.
    const WORTH_A_THREAD: usize = 64;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = folders.len().div_ceil(cores);
    if share < WORTH_A_THREAD {
        return folders.into_iter().filter_map(look).collect();
    }
    let look = &look;
    thread::scope(|scope| {
        let parts: Vec<_> = folders
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().cloned().filter_map(look).collect::<Vec<_>>()))
            .collect();
        let mut found = Vec::with_capacity(folders.len());
        for part in parts {
            match part.join() {
                Ok(part) => found.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        found
    })
}

fn one(
    folder: PathBuf,
    config: &Config,
    environment: &Environment,
    candidate: Option<&IdentitySpec>,
) -> Option<MerchantFolder> {
    let mut warnings = Vec::new();
    // A link that leads nowhere may be a merchant whose disk is not mounted: it is reported, not passed over.
    match fs::metadata(&folder) {
        Ok(metadata) if !metadata.is_dir() => return None,
        _ => {}
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let (bin, merchant) = match Bin::parse(&name) {
        Ok(bin) => (
            Some(bin),
            reachable(&folder, bin, environment).and_then(|()| {
                let candidate = candidate.filter(|candidate| candidate.owner == bin);
                merchant::read(&folder, bin, config, environment, candidate, &mut warnings)
            }),
        ),
        Err(source) => (
            None,
            Err(ConfigError::FolderName {
                folder: folder.clone(),
                source,
            }),
        ),
    };
    Some(MerchantFolder {
        folder,
        bin,
        merchant: merchant.map_err(Arc::new),
        warnings,
    })
}

/// A BIN whose identity is in a variable needs no folder.
fn reachable(folder: &Path, bin: Bin, environment: &Environment) -> Result<(), ConfigError> {
    match fs::metadata(folder) {
        Ok(_) => Ok(()),
        Err(error)
            if is_absence(&error)
                && fs::symlink_metadata(folder).is_err()
                && environment.get(&format!("{IDENTITY_VARIABLE}{bin}")).is_some() =>
        {
            Ok(())
        }
        Err(source) => Err(ConfigError::Unreadable {
            file: folder.to_owned(),
            setting: None,
            source,
        }),
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Names are unique in a folder and have one spelling; should that ever change, neither folder may win.
fn refuse_duplicates(found: &mut [MerchantFolder]) {
    let mut folders: BTreeMap<Bin, Vec<PathBuf>> = BTreeMap::new();
    for entry in found.iter() {
        if let Some(bin) = entry.bin {
            folders.entry(bin).or_default().push(entry.folder.clone());
        }
    }
    for entry in found {
        let twins = entry.bin.and_then(|bin| Some((bin, folders.get(&bin)?)));
        if let Some((bin, [first, second, ..])) = twins.map(|(bin, folders)| (bin, folders.as_slice())) {
            entry.merchant = Err(Arc::new(ConfigError::DuplicateBin {
                bin,
                first: first.clone(),
                second: second.clone(),
            }));
        }
    }
}

/// A token belongs to one BIN. Which of them has the copy cannot be told here, so all go on.
fn warn_of_shared_tokens(found: &mut [MerchantFolder]) {
    /// So many others are named to each; a token that stands everywhere is no reason for a list of all.
    const NAMED: usize = 8;
    let mut holders: BTreeMap<&str, Vec<Bin>> = BTreeMap::new();
    for spec in found.iter().filter_map(|entry| entry.merchant.as_ref().ok()) {
        for token in spec
            .trade_points
            .iter()
            .filter_map(|point| point.point.device_token.as_ref())
        {
            let holders = holders.entry(token.expose()).or_default();
            // one merchant's come one after the other
            if holders.last() != Some(&spec.bin) {
                holders.push(spec.bin);
            }
        }
    }
    let mut others: BTreeMap<Bin, Vec<Bin>> = BTreeMap::new();
    for holders in holders.into_values().filter(|holders| holders.len() > 1) {
        for bin in &holders {
            let rest = holders.iter().filter(|other| *other != bin);
            others.entry(*bin).or_default().extend(rest.take(NAMED));
        }
    }
    for entry in found {
        let Some(bin) = entry.bin else { continue };
        for other in others.remove(&bin).unwrap_or_default() {
            entry
                .warnings
                .push(ConfigWarning::SharedDeviceToken { bin, other });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_in_order_however_many_cores_look_at_them() {
        let folders: Vec<PathBuf> = (0..1000).map(|number| format!("{number:04}").into()).collect();
        let found = on_all_cores(folders.clone(), |folder| {
            Some(MerchantFolder {
                merchant: Err(Arc::new(ConfigError::NoIdentity {
                    folder: folder.clone(),
                })),
                folder,
                bin: None,
                warnings: Vec::new(),
            })
        });
        let looked_at: Vec<PathBuf> = found.into_iter().map(|entry| entry.folder).collect();
        assert_eq!(looked_at, folders);
    }

    #[test]
    fn two_folders_for_one_bin_are_both_refused() {
        let bin = Bin::parse("891027350515").unwrap();
        let entry = |folder: &str| MerchantFolder {
            folder: PathBuf::from(folder),
            bin: Some(bin),
            merchant: Err(Arc::new(ConfigError::NoIdentity {
                folder: PathBuf::from(folder),
            })),
            warnings: Vec::new(),
        };
        let mut found = vec![entry("/x/a"), entry("/x/b")];
        refuse_duplicates(&mut found);
        for entry in found {
            assert_eq!(
                entry.merchant.unwrap_err().to_string(),
                "BIN `891027350515` has two folders, /x/a and /x/b"
            );
        }
    }
}
