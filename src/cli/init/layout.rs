//! What `kaspi init` writes: all of it, or nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::InitError;
use crate::base::{Bin, DeviceToken, Password, TradePointId};
use crate::cli::cert::secret;
use crate::cli::failure::Failure;
use crate::cli::token::quoted;
use crate::config::{self, CERTIFICATE_FILE, Environment, PASSWORD_FILE, PRIVATE_KEY_FILE};
use crate::identity::Gathered;

const CONFIG_FILE: &str = "kaspi.toml";
const CERTS_DIR: &str = "certs";
const MERCHANT_FILE: &str = "merchant.toml";
const CA_FILE: &str = "bank_ca.pem";
/// Where the device token is looked for; `kaspi device register` is told to write it there.
pub(super) const TOKEN_FILE: &str = "device.token";

/// Everything that is to be written.
pub(super) struct Layout<'a> {
    pub(super) dir: &'a Path,
    pub(super) bin: Bin,
    pub(super) gathered: &'a Gathered,
    pub(super) password: &'a Password,
    pub(super) name: Option<String>,
    pub(super) base_url: String,
    /// PEM of the bank's own authorities.
    pub(super) authorities: Option<String>,
    pub(super) trade_point: Option<TradePointId>,
    pub(super) device_token: Option<DeviceToken>,
}

/// The configuration file of a folder.
pub(super) fn config_file(dir: &Path) -> PathBuf {
    dir.join(CONFIG_FILE)
}

/// The folder of an organisation.
pub(super) fn bin_folder(dir: &Path, bin: Bin) -> PathBuf {
    dir.join(CERTS_DIR).join(bin.to_string())
}

/// Refuses what is there already, before a person is asked for anything.
pub(super) fn refuse_existing(dir: &Path, bin: Option<Bin>) -> Result<(), InitError> {
    let folder = bin.map(|bin| bin_folder(dir, bin));
    for path in [Some(dir.join(CONFIG_FILE)), folder, Some(dir.join(CA_FILE))]
        .into_iter()
        .flatten()
    {
        if fs::symlink_metadata(&path).is_ok() {
            return Err(InitError::exists(&path, dir));
        }
    }
    Ok(())
}

impl Layout<'_> {
    /// Writes everything into a folder of its own first, reads it as the program will, and puts it in
    /// place in three steps. `kaspi.toml` comes last: before it nothing else counts, so whoever is stopped in
    /// the middle has no half of a configuration.
    pub(super) fn write(&self) -> Result<(), Failure> {
        make_folder(self.dir, 0o755)?;
        let staging = tempfile::Builder::new()
            .prefix(".kaspi-init-")
            .tempdir_in(self.dir)
            .map_err(|error| failed("a folder cannot be made in", self.dir, error))?;
        self.fill(staging.path())?;
        self.read_back(staging.path())?;
        self.put_in_place(staging.path())
    }

    fn fill(&self, staging: &Path) -> Result<(), Failure> {
        let certs = staging.join(CERTS_DIR);
        make_folder(&certs, 0o700)?;
        let folder = bin_folder(staging, self.bin);
        make_folder(&folder, 0o700)?;
        let gathered = self.gathered;
        write(
            &folder.join(CERTIFICATE_FILE),
            0o644,
            gathered.certificate_pem().as_bytes(),
        )?;
        let key = gathered.encrypted_key_pem(self.password)?;
        write(&folder.join(PRIVATE_KEY_FILE), 0o600, key.as_bytes())?;
        write(&folder.join(PASSWORD_FILE), 0o600, &secret::line(self.password))?;
        if let Some(token) = &self.device_token {
            write(&folder.join(TOKEN_FILE), 0o600, token.expose().as_bytes())?;
        }
        write(&folder.join(MERCHANT_FILE), 0o644, self.merchant().as_bytes())?;
        if let Some(authorities) = &self.authorities {
            write(&staging.join(CA_FILE), 0o644, authorities.as_bytes())?;
        }
        write(&staging.join(CONFIG_FILE), 0o644, self.config().as_bytes())
    }

    fn config(&self) -> String {
        let mut text = format!(
            "# written by `kaspi init`\ndefault_bin = \"{}\"\ncerts_dir = \"{CERTS_DIR}\"\n\n[kaspi]\nbase_url = {}\n",
            self.bin,
            quoted(&self.base_url)
        );
        if self.authorities.is_some() {
            text.push_str(&format!("extra_ca_file = \"{CA_FILE}\"\n"));
        }
        text
    }

    fn merchant(&self) -> String {
        let mut text = "# written by `kaspi init`\n".to_owned();
        if let Some(name) = &self.name {
            text.push_str(&format!("name = {}\n", quoted(name)));
        }
        if let Some(id) = self.trade_point {
            text.push_str(&format!("trade_point_id = {id}\n"));
        }
        if self.device_token.is_some() {
            text.push_str(&format!("device_token_file = \"{TOKEN_FILE}\"\n"));
        }
        text
    }

    /// What the program would say of it.
    fn read_back(&self, staging: &Path) -> Result<(), Failure> {
        let none = Environment::default();
        let config = config::load(&staging.join(CONFIG_FILE), &none)?;
        for folder in config::scan(&config, &none)? {
            folder.merchant?;
        }
        Ok(())
    }

    fn put_in_place(&self, staging: &Path) -> Result<(), Failure> {
        let mut done = Undo::default();
        let certs = self.dir.join(CERTS_DIR);
        if fs::symlink_metadata(&certs).is_err() {
            make_folder(&certs, 0o700)?;
            done.0.push(certs.clone());
        }
        let folder = bin_folder(self.dir, self.bin);
        refuse_existing(self.dir, Some(self.bin))?;
        fs::rename(bin_folder(staging, self.bin), &folder)
            .map_err(|error| failed("the organisation's folder cannot be put at", &folder, error))?;
        done.0.push(folder);
        if self.authorities.is_some() {
            done.0.push(link(staging, self.dir, CA_FILE)?);
        }
        link(staging, self.dir, CONFIG_FILE)?;
        done.0.clear();
        for folder in [&certs, self.dir] {
            // the files themselves are on the disk; a folder that cannot be synced is no reason to fail
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

/// What is taken away again, the last first, if a later step fails.
#[derive(Default)]
struct Undo(Vec<PathBuf>);

impl Drop for Undo {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            let _ = if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
        }
    }
}

/// A link and no rename: it never takes the place of a file that somebody made meanwhile.
fn link(staging: &Path, dir: &Path, name: &str) -> Result<PathBuf, Failure> {
    let path = dir.join(name);
    fs::hard_link(staging.join(name), &path)
        .map_err(|error| failed("a file cannot be put at", &path, error))?;
    Ok(path)
}

fn make_folder(path: &Path, mode: u32) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|error| failed("a folder cannot be made at", path, error))
}

fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(|error| failed("a file cannot be written at", path, error))
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Failure {
    Failure::from_io(format!("{what} `{}`", path.display()), error)
}
