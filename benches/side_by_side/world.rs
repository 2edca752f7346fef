//! What an operator has on disk: certificates, keys, folders of merchants, `kaspi.toml`.

use std::fs;
use std::path::{Path, PathBuf};

use kaspi_direct::base::Bin;
use kaspi_direct::sandbox::pki::{Authority, Issued, KeyKind};
use pem::Pem;
use pkcs8::PrivateKeyInfoRef;
use pkcs8::pkcs5::pbes2;
use tempfile::TempDir;

use crate::server;

/// What opens every encrypted key here.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// What peers send that know no merchants. Made up.
pub(crate) const TOKEN: &str = "00000000-0000-4000-8000-000000000001";
/// Rounds of PBKDF2 that `openssl pkcs8` and `openssl pkey` take unasked.
const OPENSSL_ROUNDS: u32 = 2048;

/// A bank's certificates, and some of its customers.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) authority: Authority,
    /// Different identities; merchants beyond these share them file by file.
    identities: Vec<Issued>,
}

impl World {
    /// A bank, its server's files, and one client's: `client.pem`, `client.key`, `client-encrypted.key`.
    pub(crate) fn new(keys: KeyKind) -> Self {
        Self::with_identities(keys, 1)
    }

    pub(crate) fn with_identities(keys: KeyKind, count: usize) -> Self {
        let authority = Authority::generate(keys).unwrap();
        let identities: Vec<Issued> = bins(count)
            .iter()
            .map(|bin| authority.client(&[&bin.to_string()]).unwrap())
            .collect();
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            authority,
            identities,
        };
        let server = world.authority.server().unwrap();
        let client = &world.identities[0];
        world.write("chain.pem", &world.authority.chain_pem());
        world.write("server.pem", &server.chain_pem());
        world.write("server.key", &server.key_pem());
        world.write("client.pem", &client.chain_pem());
        world.write("client.key", &client.key_pem());
        world.write("client-encrypted.key", &encrypted(client, 0));
        world.write(
            "client-both.pem",
            &(client.key_pem().clone() + &client.chain_pem()),
        );
        world
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A server that keeps connections and sessions.
    pub(crate) fn server(&self, tls12: bool) -> server::Server {
        server::Server::start(&server::Job {
            folder: self.folder().to_owned(),
            tls12,
            keeps: true,
            resumes: true,
        })
    }

    /// A further certificate and its key for the first merchant, under names of their own.
    pub(crate) fn renew(&self, name: &str) {
        let issued = self.authority.client(&[&bins(1)[0].to_string()]).unwrap();
        self.write(&format!("{name}.cer"), &issued.certificate_pem());
        self.write(&format!("{name}.key"), &issued.key_pem());
    }

    /// A configuration with so many merchants, each in a folder of its own. Gives its file.
    pub(crate) fn configure(&self, name: &str, port: u16, merchants: usize, encrypt: bool) -> PathBuf {
        let folder = self.folder().join(name);
        for (number, bin) in bins(merchants).into_iter().enumerate() {
            let issued = &self.identities[number % self.identities.len()];
            let home = folder.join("certs").join(bin.to_string());
            fs::create_dir_all(&home).unwrap();
            write(&home.join("certificate.cer"), &issued.certificate_pem());
            let key = if encrypt {
                write(&home.join("password"), PASSWORD);
                encrypted(issued, number as u64)
            } else {
                issued.key_pem().clone()
            };
            write(&home.join("private.key"), &key);
            let about = format!(
                "name = \"Shop {number}\"\ntrade_point_id = {}\ndevice_token = \"00000000-0000-4000-8000-{bin}\"\n",
                number + 1
            );
            write(&home.join("merchant.toml"), &about);
        }
        self.point(name, port)
    }

    /// Makes a configuration call another port. Gives its file.
    pub(crate) fn point(&self, name: &str, port: u16) -> PathBuf {
        let file = self.folder().join(name).join("kaspi.toml");
        let text = format!(
            "[kaspi]\nbase_url = \"https://127.0.0.1:{port}/r3\"\nextra_ca_file = \"{}\"\nonly_extra_ca = true\n",
            self.folder().join("chain.pem").display()
        );
        write(&file, &text);
        file
    }

    /// Tells a configuration where its journal is. A relative path begins in the configuration's folder.
    pub(crate) fn keep_books(&self, config: &Path, url: &str) {
        let text = fs::read_to_string(config).unwrap();
        write(config, &format!("{text}\n[journal]\nurl = \"{url}\"\n"));
    }

    fn write(&self, name: &str, text: &str) {
        write(&self.folder().join(name), text);
    }
}

/// So many BINs with right control digits, always the same.
pub(crate) fn bins(count: usize) -> Vec<Bin> {
    (0..count)
        .map(|number| {
            (0..10)
                .filter_map(|digit| Bin::parse(&format!("8910{number:07}{digit}")).ok())
                .find(|bin| bin.has_valid_control_digit())
                .or_else(|| Bin::parse(&format!("8910{number:07}0")).ok())
                .unwrap()
        })
        .collect()
}

fn write(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;

    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
}

/// The key as `openssl pkcs8 -topk8 -v2 aes-256-cbc` writes it, with a salt of its own.
fn encrypted(issued: &Issued, number: u64) -> String {
    let salt = (number ^ 0x5eed_5eed_5eed_5eed).to_be_bytes();
    let mut iv = [7; 16];
    iv[..8].copy_from_slice(&number.to_be_bytes());
    let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(OPENSSL_ROUNDS, &salt, iv).unwrap();
    let key = issued.key();
    let encrypted = PrivateKeyInfoRef::try_from(key.secret_der())
        .unwrap()
        .encrypt_with_params(parameters, PASSWORD)
        .unwrap();
    pem::encode(&Pem::new("ENCRYPTED PRIVATE KEY", encrypted.as_bytes()))
}
