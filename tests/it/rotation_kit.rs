//! What the tests of rotation share: exchanging files as operators and orchestrators do, and waiting.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::base::Explain;
use kaspi_direct::registry::MerchantStatus;
use kaspi_direct::sandbox::pki::Issued;

use super::kit::{Operator, PATIENCE, bin};

/// A third organisation. Its control digit is right.
pub const THIRD: &str = "991011000048";

impl Operator {
    /// Exchanges certificate and key at one moment: both are in one file, which is renamed into place.
    pub fn exchange(&self, bin: &str, issued: &Issued) {
        let both = issued.certificate_pem() + &issued.key_pem();
        let new = self.write_for(bin, ".new", both);
        fs::rename(new, self.path("certs").join(bin).join("certificate.cer")).unwrap();
    }

    /// A merchant whose certificate and key are in one file, for [`exchange`](Self::exchange).
    pub fn add_in_one_file(&self, bin: &str) -> Issued {
        let issued = self.authority.client(&[bin]).unwrap();
        self.describe(bin, "");
        self.exchange(bin, &issued);
        issued
    }

    /// Mounts a set of files as Kubernetes does: in a folder of its own, behind the link `..data`.
    pub fn mount(&self, bin: &str, set: usize, issued: &Issued) {
        let folder = self.path("certs").join(bin);
        let name = format!("..set_{set}");
        fs::create_dir_all(folder.join(&name)).unwrap();
        self.write_for(bin, &format!("{name}/tls.crt"), issued.certificate_pem());
        self.write_for(bin, &format!("{name}/tls.key"), issued.key_pem());
        let before = fs::read_link(folder.join("..data"));
        symlink(&name, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        match before {
            Ok(before) => fs::remove_dir_all(folder.join(before)).unwrap(),
            Err(_) => {
                for file in ["tls.crt", "tls.key"] {
                    symlink(Path::new("..data").join(file), folder.join(file)).unwrap();
                }
            }
        }
    }
}

/// Waits for something that comes about by itself.
pub async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("it never comes about");
}

/// How a BIN stands.
pub fn row(app: &App, of: &str) -> MerchantStatus {
    let rows = app.transport().registry().status();
    rows.into_iter().find(|row| row.bin == bin(of)).unwrap()
}

/// The certificate that calls of a BIN leave with now.
pub fn certificate(app: &App, of: &str) -> String {
    let channel = app.transport().channel(Some(bin(of))).unwrap();
    channel.certificate_sha256().to_owned()
}

/// Why the files of now are not in use, if they are not.
pub fn standing_error(app: &App, of: &str) -> Option<&'static str> {
    let row = row(app, of);
    row.attempts.standing_error().map(|failed| failed.error.kind())
}

/// Keeps the warnings that this thread logs while it is held.
pub struct Log {
    bytes: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    pub fn of_warnings() -> Self {
        let bytes: Arc<Mutex<Vec<u8>>> = Arc::default();
        let writer = Writer(Arc::clone(&bytes));
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self {
            bytes,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    pub fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
