//! The files of a folder that may be the bank's, told by what is in them.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::error::{InitError, Missing};
use crate::cli::failure::Failure;
use crate::identity::{Form, Inspected, inspect};

/// Only which files are opened: what they are is in them.
const ENDINGS: [&str; 7] = ["cer", "crt", "pem", "der", "key", "p12", "pfx"];

/// What lies in a folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    folder: PathBuf,
    /// Each file with certificate and key together.
    containers: Vec<PathBuf>,
    certificates: Vec<PathBuf>,
    keys: Vec<PathBuf>,
    /// Files with certificates of authorities and nothing else.
    pub(super) authorities: Vec<PathBuf>,
    /// Every file that was opened, with what it is.
    pub(super) told: Vec<String>,
}

/// Files that make one identity.
pub(super) type Files = Vec<PathBuf>;

/// Opens each file of the folder whose ending says that it may be one of the bank's.
pub(super) fn look(folder: &Path, now: OffsetDateTime) -> Result<Found, Failure> {
    let failed = |error| Failure::from_io(format!("`{}` cannot be listed", folder.display()), error);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() && has_ending(&path) {
            paths.push(tidy(&path));
        }
    }
    paths.sort();
    let mut found = Found {
        folder: folder.to_owned(),
        ..Found::default()
    };
    for path in paths {
        found.add(path, now);
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, path: PathBuf, now: OffsetDateTime) {
        let items = match inspect(&path, &[], now) {
            Ok(items) => items,
            // it may be none of the bank's files at all
            Err(error) => {
                self.told.push(error.to_string());
                return;
            }
        };
        self.told.push(told(&path, &items));
        let is_own = |item: &Inspected| item.certificate.as_ref().is_some_and(|facts| !facts.ca);
        let has_key = items.iter().any(|item| item.kind.is_private_key());
        let has_own = items.iter().any(is_own);
        let place = if items.iter().any(|item| item.kind == Form::Pkcs12) || has_key && has_own {
            &mut self.containers
        } else if has_key {
            &mut self.keys
        } else if has_own {
            &mut self.certificates
        } else if items.iter().any(|item| item.certificate.is_some()) {
            &mut self.authorities
        } else {
            return;
        };
        place.push(path);
    }

    /// Every way to put an identity together, those that a person named first of all.
    pub(super) fn identities(&self, cert: Option<&PathBuf>, key: Option<&PathBuf>) -> Vec<Files> {
        let named = |file: Option<&PathBuf>, found: &[PathBuf]| {
            file.map_or_else(|| found.to_vec(), |file| vec![file.clone()])
        };
        if let (Some(cert), None) = (cert, key)
            && (self.containers.contains(cert) || self.keys.is_empty())
        {
            return vec![vec![cert.clone()]];
        }
        let keys = named(key, &self.keys);
        let mut all: Vec<Files> = Vec::new();
        if cert.is_none() && key.is_none() {
            all.extend(self.containers.iter().map(|file| vec![file.clone()]));
        }
        for certificate in named(cert, &self.certificates) {
            all.extend(keys.iter().map(|key| vec![certificate.clone(), key.clone()]));
        }
        all
    }

    /// Why there is nothing to choose from.
    pub(super) fn nothing(&self) -> InitError {
        InitError::NothingFound {
            folder: self.folder.clone(),
            found: self.told.clone(),
            missing: match (self.certificates.is_empty(), self.keys.is_empty()) {
                (true, false) => Missing::Certificate,
                (false, true) => Missing::Key,
                _ => Missing::Both,
            },
        }
    }

    /// Why nobody but a person can choose.
    pub(super) fn several(&self) -> InitError {
        InitError::SeveralFound {
            folder: self.folder.clone(),
            found: self.told.clone(),
        }
    }
}

/// A file's name and what is in it, in one line.
fn told(path: &Path, items: &[Inspected]) -> String {
    let parts: Vec<String> = items.iter().map(part).collect();
    format!("`{}`: {}", path.display(), parts.join(" and "))
}

fn part(item: &Inspected) -> String {
    let name = item.kind.name();
    match &item.certificate {
        Some(facts) if facts.ca => format!("a certificate authority ({})", facts.subject),
        Some(facts) => format!("{name} ({}), until {}", facts.subject, facts.not_after.date()),
        None => name.to_owned(),
    }
}

fn has_ending(path: &Path) -> bool {
    path.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}

/// Without the `./` of the folder that was not named.
fn tidy(path: &Path) -> PathBuf {
    path.strip_prefix(".").unwrap_or(path).to_owned()
}
