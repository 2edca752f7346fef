//! What the tests at the border share: an operator's folder, and a few words to call with.

use std::fmt::Debug;
use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::base::{Amount, Bin, Delivery, Explain, PhoneNumber};
use kaspi_direct::config::Environment;
use kaspi_direct::payments::{CreatedPayment, Error, NewPayment, Origin};
use kaspi_direct::sandbox::pki::{Authority, Issued, KeyKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;

pub const FLOWERS: &str = "891027350515";
pub const GIFTS: &str = "210440028324";

/// Longer than anything takes that ends at all.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An operator's folder: `kaspi.toml`, `certs`, and the authority that the certificates come from.
pub struct Operator {
    folder: TempDir,
    pub authority: Authority,
}

impl Operator {
    pub fn new() -> Self {
        let operator = Self {
            folder: tempfile::tempdir().unwrap(),
            authority: authority(),
        };
        operator.write("kbs_chain.pem", operator.authority.chain_pem());
        std::fs::create_dir(operator.path("certs")).unwrap();
        operator
    }

    /// One with the two example organisations, each with an identity of its own.
    pub fn of_two() -> Self {
        let operator = Self::new();
        operator.add(FLOWERS);
        operator.add(GIFTS);
        operator
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A file in the folder of a BIN, which is made where it is missing.
    pub fn write_for(&self, bin: &str, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        std::fs::create_dir_all(self.path("certs").join(bin)).unwrap();
        self.write(Path::new("certs").join(bin).join(name), text)
    }

    /// A merchant with an identity of its own. Gives the identity.
    pub fn add(&self, bin: &str) -> Issued {
        let issued = self.authority.client(&[bin]).unwrap();
        self.add_as(bin, &issued);
        issued
    }

    /// A merchant whose identity is declared for several BINs.
    pub fn add_for(&self, bins: &[&str], owner: &str) -> Issued {
        let issued = self.authority.client(bins).unwrap();
        self.add_as(owner, &issued);
        issued
    }

    /// A merchant with this identity.
    pub fn add_as(&self, bin: &str, issued: &Issued) {
        self.write_for(bin, "certificate.cer", issued.certificate_pem());
        self.write_for(bin, "private.key", issued.key_pem());
        self.describe(bin, "");
    }

    /// `merchant.toml` with a name, a trade point, a device token, and further lines.
    pub fn describe(&self, bin: &str, more: &str) {
        let text = format!(
            "name = \"Shop {bin}\"\ntrade_point_id = {}\ndevice_token = \"{}\"\n{more}\n",
            trade_point(bin),
            token(bin)
        );
        self.write_for(bin, "merchant.toml", text);
    }

    /// `kaspi.toml` for a server at an address, with further lines in `[kaspi]`.
    pub fn configure(&self, server: SocketAddr, more: &str) -> PathBuf {
        self.configure_url(&format!("https://{server}/r3"), more)
    }

    pub fn configure_url(&self, base_url: &str, more: &str) -> PathBuf {
        let text = format!(
            "[kaspi]\nbase_url = \"{base_url}\"\nextra_ca_file = \"kbs_chain.pem\"\nonly_extra_ca = true\n{more}\n"
        );
        self.write("kaspi.toml", text)
    }

    /// A working set for a server at an address, with a journal of its own: one for each server. Every
    /// identity has been opened: a test may put other files in place at once.
    pub fn open(&self, server: SocketAddr, more: &str) -> App {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let file = self.configure(
            server,
            &format!("{more}\n[journal]\nurl = \"sqlite://journal-{number}.db\"\n"),
        );
        let text = std::fs::read_to_string(&file).unwrap();
        self.write("kaspi.toml", format!("state_dir = \"state-{number}\"\n{text}"));
        let app = App::open(&file, &Environment::default()).unwrap();
        app.transport().registry().open_all();
        app
    }
}

pub fn authority() -> Authority {
    Authority::generate(KeyKind::P256).unwrap()
}

/// A certificate for `localhost` that signs itself, and its key: from no authority that anybody knows.
pub fn stranger() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    (made.cert.der().clone(), key.into())
}

/// Two authorities of one name with different keys: the first one's certificate as PEM, and a server
/// certificate for `127.0.0.1` from the second.
pub fn namesakes() -> (String, CertificateDer<'static>, PrivateKeyDer<'static>) {
    let mut params = rcgen::CertificateParams::default();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "one of two");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let first = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    let second = rcgen::Issuer::new(params, rcgen::KeyPair::generate().unwrap());
    let key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &second)
        .unwrap();
    let pem = pem::encode(&pem::Pem::new("CERTIFICATE", first.der().as_ref()));
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    (pem, server.der().clone(), key.into())
}

pub fn bin(text: &str) -> Bin {
    text.parse().unwrap()
}

/// The device token of a BIN: made up, and another for each.
pub fn token(bin: &str) -> String {
    format!("00000000-0000-4000-8000-{bin}")
}

pub fn trade_point(bin: &str) -> i64 {
    i64::from(bin.as_bytes()[0]) * 1000 + i64::from(bin.as_bytes()[11])
}

pub fn invoice(bin_text: &str) -> NewPayment {
    NewPayment {
        bin: Some(bin(bin_text)),
        trade_point: None,
        phone: "+7 700 000 00 01".parse::<PhoneNumber>().unwrap(),
        amount: "1500.50".parse::<Amount>().unwrap(),
        message: "Order 17".to_owned(),
        origin: Origin::default(),
    }
}

/// Sends an invoice. Fails the test where that never ends.
pub async fn create(app: &App, bin: &str) -> Result<CreatedPayment, Error> {
    in_time(app.payments().create(invoice(bin))).await
}

/// Waits for what must end.
pub async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it never ends")
}

/// What a failure says to a program: kind and delivery.
pub fn told<T: Debug>(outcome: Result<T, Error>) -> (&'static str, Delivery) {
    let error = outcome.unwrap_err();
    (error.kind(), error.delivery().expect("a write has a delivery"))
}

/// Whether a test that needs a program can run. Where it cannot, says so, or fails if nothing may skip.
pub fn has_program(name: &str) -> bool {
    let found = std::process::Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        assert!(
            std::env::var_os("KASPI_TESTS_NO_SKIP").is_none(),
            "`{name}` is not installed, and no test may be skipped"
        );
        println!("skipped: `{name}` is not installed");
    }
    found
}
