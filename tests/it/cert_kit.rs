//! What the tests of `kaspi cert` share: a scene with the bank's authority at hand, and who is in use.

use std::path::{Path, PathBuf};

use kaspi_direct::sandbox::pki::{Authority, Issued};
use serde_json::Value;

use super::cli_kit::{Ran, Scene};
use super::kit::FLOWERS;

/// An operator's folder beside a running sandbox, and the sandbox's own authority.
pub struct Bank {
    pub scene: Scene,
    pub authority: Authority,
}

/// Files as they come from the bank, in a folder of their own.
pub struct Delivery {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub password: PathBuf,
    pub sha256: String,
}

impl Bank {
    pub async fn open() -> Self {
        let scene = Scene::start().await;
        let authority = Authority::load(&scene.path("sandbox")).unwrap();
        Self { scene, authority }
    }

    /// A new certificate for these BINs, its encrypted key and the password.
    pub fn delivers(&self, name: &str, bins: &[&str]) -> Delivery {
        self.hands_over(name, &self.authority.client(bins).unwrap())
    }

    /// This certificate, its encrypted key and the password.
    pub fn hands_over(&self, name: &str, issued: &Issued) -> Delivery {
        let folder = self.scene.path(name);
        std::fs::create_dir(&folder).unwrap();
        let put = |file: &str, text: &str| {
            let path = folder.join(file);
            std::fs::write(&path, text).unwrap();
            path
        };
        let password = format!("password of {name}");
        Delivery {
            certificate: put("bank.cer", &issued.certificate_pem()),
            key: put("own.key", &issued.encrypted_key_pem(&password).unwrap()),
            password: put("own.password", &format!("{password}\n")),
            sha256: issued.sha256(),
        }
    }

    pub async fn run(&self, arguments: &[&str]) -> Ran {
        self.scene.run(arguments).await
    }

    pub async fn install(&self, bin: &str, delivery: &Delivery, more: &[&str]) -> Ran {
        self.run(&install(bin, delivery, more)).await
    }

    pub fn folder_of(&self, bin: &str) -> PathBuf {
        self.scene.path("certs").join(bin)
    }

    /// The certificate that the program would use now; the BIN must be ready.
    pub async fn in_use(&self, bin: &str) -> String {
        let ran = self.run(&["merchants", "list", "-o", "json"]).await;
        let rows = ran.json();
        let row = rows
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["bin"] == bin)
            .unwrap();
        assert_eq!(row["state"], "ready", "{row}");
        row["certificate_sha256"].as_str().unwrap().to_owned()
    }

    /// The certificates that the bank has seen for a BIN, the last one last.
    pub fn seen(&self, bin: &str) -> Vec<String> {
        self.scene
            .sandbox
            .requests()
            .iter()
            .filter(|row| row.bin.as_deref() == Some(bin))
            .map(|row| row.client_cert_sha256.as_deref().unwrap().to_owned())
            .collect()
    }
}

pub fn install<'a>(bin: &'a str, delivery: &'a Delivery, more: &[&'a str]) -> Vec<&'a str> {
    let text = |path: &'a Path| path.to_str().unwrap();
    let mut words = vec!["cert", "install", "--bin", bin, "-o", "json"];
    words.extend([
        "--cert",
        text(&delivery.certificate),
        "--key",
        text(&delivery.key),
    ]);
    words.extend(["--password-file", text(&delivery.password)]);
    words.extend(more);
    words
}

/// The failure that a run with `-o json` tells, and its exit code.
pub fn refused(ran: &Ran) -> (i32, String, String) {
    let error: &Value = &ran.json()["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (ran.code, text("kind"), text("message"))
}

/// Everything below a folder: path, without the folder, and bytes of each file; links are not followed.
pub fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
            let name = path.strip_prefix(root).unwrap().to_owned();
            if kind.is_dir() {
                walk(root, &path, found);
            } else if kind.is_symlink() {
                let target = std::fs::read_link(&path).unwrap();
                found.push((name, target.to_str().unwrap().as_bytes().to_vec()));
            } else {
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// `merchant.toml` of the example shop, with a further line.
pub fn describe(bank: &Bank, bin: &str, line: &str) {
    let path = bank.folder_of(bin).join("merchant.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{line}\n{text}")).unwrap();
}

/// Takes the plain identity files of a BIN away.
pub fn strip(bank: &Bank, bin: &str) {
    for name in ["certificate.cer", "private.key", "password"] {
        std::fs::remove_file(bank.folder_of(bin).join(name)).unwrap();
    }
}

pub const OWNER: &str = FLOWERS;
