//! What is accepted, what is refused and in which words.

mod documents;
mod folders;
mod main_file;
mod variables;
mod webhooks;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::{Config, ConfigError, Environment, MerchantFolder, MerchantSpec, load, scan};
use crate::base::{Explain, chain_text};

const KASPI: &str = "[kaspi]\nbase_url = \"https://kaspi.example/r3\"\n";
const BIN: &str = "891027350515";
const OTHER: &str = "210440028324";

/// A configuration in a folder of its own.
struct Place {
    root: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            root: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        };
        place.put("kaspi.toml", KASPI);
        fs::create_dir(place.path("certs")).unwrap();
        place
    }

    /// With one merchant that has a certificate and a key; nobody opens them here.
    fn with_merchant() -> Self {
        let place = Self::new();
        place.identity(BIN);
        place
    }

    fn identity(&self, bin: &str) {
        self.put(&format!("certs/{bin}/certificate.cer"), "");
        self.put(&format!("certs/{bin}/private.key"), "");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn put(&self, name: &str, contents: impl AsRef<[u8]>) {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, contents).unwrap();
        self.mode(name, 0o600);
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    fn environment(&self) -> Environment {
        Environment::from_pairs(self.variables.clone())
    }

    fn load(&self) -> Result<Config, ConfigError> {
        load(&self.path("kaspi.toml"), &self.environment())
    }

    fn scan(&self) -> Vec<MerchantFolder> {
        scan(&self.load().unwrap(), &self.environment()).unwrap()
    }

    fn one(&self) -> MerchantFolder {
        let mut found = self.scan();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    fn merchant(&self) -> MerchantSpec {
        self.one().merchant.unwrap()
    }

    /// Message and hint of an error, with the folder's name taken out.
    fn words(&self, error: &ConfigError) -> String {
        let mut text = chain_text(error);
        if let Some(hint) = error.hint() {
            text.push_str("\n  hint: ");
            text.push_str(&hint);
        }
        self.plain(&text)
    }

    fn plain(&self, text: &str) -> String {
        text.replace(&self.root.path().display().to_string(), "/x")
    }

    /// The refusal of `kaspi.toml` with this text.
    fn refused(text: &str) -> String {
        let place = Self::new();
        place.put("kaspi.toml", text);
        place.words(&place.load().unwrap_err())
    }

    /// The refusal of a merchant with this merchant.toml and usual identity files.
    fn merchant_refused(text: &str) -> String {
        let place = Self::with_merchant();
        place.put(&format!("certs/{BIN}/merchant.toml"), text);
        place.words(&place.one().merchant.unwrap_err())
    }
}
