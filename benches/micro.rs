//! Small parts by themselves: `cargo bench --bench micro`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a measurement that goes wrong is to stop, loudly"
)]

use std::fs;

use bytes::Bytes;
use divan::{Bencher, black_box};
use kaspi_direct::app::App;
use kaspi_direct::base::{Amount, Bin, SystemClock};
use kaspi_direct::config::{self, Environment, IdentitySource, IdentitySpec, MerchantFolder};
use kaspi_direct::sandbox::pki::{Authority, Issued, KeyKind};
use pem::Pem;
use pkcs8::PrivateKeyInfoRef;
use pkcs8::pkcs5::pbes2;
use tempfile::TempDir;

fn main() {
    divan::main();
}

/// Folders of so many merchants with one identity among them, and a configuration.
fn folders(count: usize, keys: KeyKind, encrypt: bool) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::generate(keys).unwrap();
    let issued = authority.client(&["891027350515"]).unwrap();
    let (certificate, key) = (issued.certificate_pem(), key(&issued, encrypt));
    for number in 0..count {
        let home = folder.path().join(format!("certs/8910{number:08}"));
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("certificate.cer"), &certificate).unwrap();
        fs::write(home.join("private.key"), &key).unwrap();
        fs::write(home.join("password"), "secret").unwrap();
        fs::write(
            home.join("merchant.toml"),
            format!("name = \"Shop\"\ntrade_point_id = {}\n", number + 1),
        )
        .unwrap();
    }
    fs::write(
        folder.path().join("kaspi.toml"),
        "[kaspi]\nbase_url = \"https://127.0.0.1:9/r3\"\n",
    )
    .unwrap();
    folder
}

/// As `openssl pkcs8 -topk8 -v2 aes-256-cbc` writes it, or plain.
fn key(issued: &Issued, encrypt: bool) -> String {
    if !encrypt {
        return issued.key_pem().clone();
    }
    let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(2048, &[7; 8], [9; 16]).unwrap();
    let der = issued.key();
    let encrypted = PrivateKeyInfoRef::try_from(der.secret_der())
        .unwrap()
        .encrypt_with_params(parameters, "secret")
        .unwrap();
    pem::encode(&Pem::new("ENCRYPTED PRIVATE KEY", encrypted.as_bytes()))
}

fn open(folder: &TempDir) -> App {
    let app = App::open(&folder.path().join("kaspi.toml"), &Environment::default()).unwrap();
    app.transport().registry().open_all();
    app
}

/// Who is called for, with his identity: what every call begins with.
#[divan::bench(args = [1, 10_000])]
fn registry_lookup(bencher: Bencher<'_, '_>, bins: usize) {
    let folder = folders(bins, KeyKind::P256, false);
    let app = open(&folder);
    let registry = app.transport().registry();
    let all = registry.bins();
    let mut random = fastrand::Rng::with_seed(7);
    bencher
        .with_inputs(|| all[random.usize(..all.len())])
        .bench_local_values(|bin: Bin| registry.pin(black_box(bin)).unwrap());
}

/// An answer of Kaspi's, read as strictly as every call reads it.
#[divan::bench]
fn envelope(bencher: Bencher<'_, '_>) {
    let body = br#"{"StatusCode":0,"Message":"OK","Data":{"QrPaymentId":22345678901}}"#;
    let body = Bytes::from_static(body);
    bencher.bench_local(|| kaspi_direct::api::status_code(200, black_box(&body)).unwrap());
}

#[divan::bench]
fn amount_of_text() -> Amount {
    black_box("1500.50").parse().unwrap()
}

#[divan::bench]
fn bin_of_text() -> Bin {
    black_box("891027350515").parse().unwrap()
}

/// Files to an identity: certificate parsed and checked, key opened, the two compared.
mod identity_load {
    use super::*;

    #[divan::bench(args = ["P-256", "RSA-2048"])]
    fn plain_key(bencher: Bencher<'_, '_>, keys: &str) {
        load(bencher, keys, false);
    }

    /// The key is decrypted too: AES-256, PBKDF2 with 2,048 rounds.
    #[divan::bench(args = ["P-256", "RSA-2048"])]
    fn encrypted_key(bencher: Bencher<'_, '_>, keys: &str) {
        load(bencher, keys, true);
    }

    fn load(bencher: Bencher<'_, '_>, keys: &str, encrypt: bool) {
        let keys = if keys == "P-256" {
            KeyKind::P256
        } else {
            KeyKind::Rsa2048
        };
        let folder = folders(1, keys, encrypt);
        let spec = spec(&folder);
        bencher.bench_local(|| kaspi_direct::identity::load(&spec, &SystemClock).unwrap());
    }

    fn spec(folder: &TempDir) -> IdentitySpec {
        let environment = Environment::default();
        let config = config::load(&folder.path().join("kaspi.toml"), &environment).unwrap();
        let found: Vec<MerchantFolder> = config::scan(&config, &environment).unwrap();
        match &found.first().unwrap().merchant.as_ref().unwrap().identity {
            IdentitySource::Own(spec) => spec.clone(),
            IdentitySource::Of(owner) => panic!("borrowed from {owner}"),
        }
    }
}

/// Folders to what can be called for, keys not opened: what a rescan does each minute.
#[divan::bench(args = [1, 1_000])]
fn scan_of_folders(bencher: Bencher<'_, '_>, bins: usize) {
    let folder = folders(bins, KeyKind::P256, false);
    let environment = Environment::default();
    let config = config::load(&folder.path().join("kaspi.toml"), &environment).unwrap();
    bencher.bench_local(|| config::scan(&config, &environment).unwrap());
}
