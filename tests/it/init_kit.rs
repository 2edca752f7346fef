//! What the tests of `kaspi init` share: a bank that answers, and its letter in an empty place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use kaspi_direct::sandbox::pki::Authority;
use serde_json::Value;

use super::cli_kit::{Ran, Scene, run_in};
use super::kit::FLOWERS;

pub const PASSWORD: &str = "password from the letter";

/// A bank that answers, its letter, and an empty place.
pub struct Letter {
    pub scene: Scene,
    pub authority: Authority,
    pub folder: PathBuf,
    pub address: String,
}

impl Letter {
    pub async fn arrives() -> Self {
        let scene = Scene::start().await;
        let authority = Authority::load(&scene.path("sandbox")).unwrap();
        let issued = authority.client(&[FLOWERS]).unwrap();
        let folder = scene.path("place");
        fs::create_dir_all(folder.join("letter")).unwrap();
        let config = fs::read_to_string(scene.path("kaspi.toml")).unwrap();
        let address = config.split("base_url = \"").nth(1).unwrap();
        let address = address.split('"').next().unwrap().to_owned();
        let letter = Self {
            scene,
            authority,
            folder,
            address,
        };
        letter.put("bank.cer", issued.certificate_pem());
        letter.put("own.key", issued.encrypted_key_pem(PASSWORD).unwrap());
        letter.put("kbs_ca.crt", letter.authority.chain_pem());
        letter.put("notes.pem", "not a certificate at all");
        fs::write(letter.folder.join("own.password"), format!("{PASSWORD}\n")).unwrap();
        letter
    }

    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.join("letter").join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.folder.join("letter").join(name)).unwrap();
    }

    /// The words of a script, without `--bin`.
    pub fn words<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let fixed = [
            "init",
            "letter",
            "--yes",
            "--dir",
            "shop",
            "--base-url",
            &self.address,
        ];
        fixed.into_iter().chain(more.iter().copied()).collect()
    }

    pub async fn init(&self, more: &[&str]) -> Ran {
        run_in(
            &self.folder,
            &self.words(&[&["--bin", FLOWERS, "-o", "json"], more].concat()),
        )
        .await
    }

    pub fn written(&self) -> bool {
        self.folder.join("shop/kaspi.toml").exists() || self.folder.join("shop/certs").exists()
    }
}

/// All stages pass or warn only for the device token that is to come.
pub fn reached_the_bank(report: &Value) {
    assert_eq!(report["bin"], FLOWERS);
    let stages = report["stages"].as_array().unwrap();
    for stage in stages {
        assert_ne!(stage["verdict"], "fail", "{stage}");
    }
    let accepted = stages.iter().find(|stage| stage["id"] == "accepted").unwrap();
    assert_eq!(accepted["verdict"], "pass", "{accepted}");
}

pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// What a command says once `init` has written the configuration.
pub async fn after(letter: &Letter, words: &[&str]) -> Value {
    let ran = run_in(
        &letter.folder,
        &[&["--config", "shop/kaspi.toml"], words].concat(),
    )
    .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}
