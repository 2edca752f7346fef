//! A PostgreSQL cluster of the tests' own: in a temporary folder, on a Unix socket, from the server
//! binaries that are installed. It ends with the test program, however that ends.

#![allow(dead_code, reason = "two test programs use it, each a part")]

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A running server.
pub struct Cluster {
    binaries: PathBuf,
    folder: PathBuf,
    account: Option<Account>,
    settings: String,
    /// Stops the server and removes the folder once its input ends: when this is dropped, and when the
    /// test program is killed, with its whole group or alone.
    _warden: Child,
}

/// Whom the server runs as where the tests run as root, which it refuses.
#[derive(Clone)]
struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

/// A new database in the cluster that all tests share; `None`, with a line that says so, where there is
/// no PostgreSQL.
pub fn database() -> Option<String> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Cluster::start("fsync=off"));
    Some(shared.as_ref()?.database())
}

impl Cluster {
    /// Starts a server with further settings, such as `max_connections=5`.
    pub fn start(settings: &str) -> Option<Self> {
        let Some(binaries) = binaries() else {
            assert!(
                std::env::var_os("KASPI_TESTS_NO_SKIP").is_none(),
                "PostgreSQL's server binaries are not installed, and KASPI_TESTS_NO_SKIP is set"
            );
            println!("skipped: PostgreSQL's server binaries (initdb, pg_ctl) are not installed");
            return None;
        };
        let account = other_account();
        // short: a socket's path has a hundred characters
        let folder = tempfile::Builder::new()
            .prefix("kaspi-pg")
            .tempdir_in("/tmp")
            .unwrap()
            .keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        if let Some(account) = &account {
            chown(&folder, Some(account.uid), Some(account.gid)).unwrap();
        }
        let stop = format!(
            "trap '' HUP INT TERM; cat >/dev/null; '{0}' -D '{1}/data' -m immediate -W stop; sleep 0.2; rm -rf '{1}'",
            binaries.join("pg_ctl").display(),
            folder.display()
        );
        let warden = become_account(account.as_ref(), Path::new("sh"))
            .args(["-c", &stop])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            // what ends the tests' group of processes must not end the one that clears up after them
            .process_group(0)
            .spawn()
            .unwrap();
        let cluster = Self {
            binaries,
            folder,
            account,
            settings: settings.to_owned(),
            _warden: warden,
        };
        let data = cluster.data();
        cluster.run(
            "initdb",
            &[
                "-D",
                &data,
                "-A",
                "trust",
                "-U",
                "kaspi",
                "-N",
                "-E",
                "UTF8",
                "--locale=C",
            ],
        );
        cluster.up();
        Some(cluster)
    }

    /// Stops the server as a power cut would, and starts it again.
    pub fn restart(&self) {
        self.down();
        self.up();
    }

    /// Stops the server as a power cut would.
    pub fn down(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }

    pub fn up(&self) {
        let mut options = format!(
            "-c listen_addresses= -c unix_socket_directories={}",
            self.folder.display()
        );
        for setting in self.settings.split_whitespace() {
            options.push_str(&format!(" -c {setting}"));
        }
        let log = self.folder.join("log").display().to_string();
        self.run(
            "pg_ctl",
            &[
                "-D",
                &self.data(),
                "-l",
                &log,
                "-o",
                &options,
                "-w",
                "-t",
                "60",
                "start",
            ],
        );
    }

    /// A new database; gives its URL.
    pub fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("journal_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://kaspi@localhost/{database}?host={}",
            self.folder.display()
        )
    }

    /// Runs a statement as a person would. Gives what `psql` printed, without headings.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let host = self.folder.display().to_string();
        self.run(
            "psql",
            &[
                "-h",
                &host,
                "-U",
                "kaspi",
                "-d",
                database,
                "-v",
                "ON_ERROR_STOP=1",
                "-Atqc",
                statement,
            ],
        )
    }

    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        // into a file: the server that `pg_ctl` starts would keep a pipe open
        let printed = tempfile::NamedTempFile::new().unwrap();
        let told = tempfile::NamedTempFile::new().unwrap();
        let status = become_account(self.account.as_ref(), &self.binaries.join(program))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(printed.reopen().unwrap())
            .stderr(told.reopen().unwrap())
            .current_dir("/")
            .status()
            .unwrap();
        let printed = std::fs::read_to_string(printed.path()).unwrap();
        let told = std::fs::read_to_string(told.path()).unwrap();
        assert!(
            status.success(),
            "{program} {arguments:?}: {status}\n{printed}{told}"
        );
        printed
    }
}

/// Runs a statement in the database of a URL that [`database`] gave.
pub fn sql(url: &str, statement: &str) -> String {
    let psql = binaries().unwrap().join("psql");
    let output = Command::new(psql)
        .args([url, "-v", "ON_ERROR_STOP=1", "-Atqc", statement])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{statement}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn binaries() -> Option<PathBuf> {
    let mut folders = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    folders.into_iter().find(|folder| {
        ["initdb", "pg_ctl", "psql"]
            .iter()
            .all(|name| folder.join(name).is_file())
    })
}

fn other_account() -> Option<Account> {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !root {
        return None;
    }
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap();
    let found = ["postgres", "nobody"].iter().find_map(|wanted| {
        accounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields[0] == *wanted).then(|| Account {
                name: fields[0].to_owned(),
                uid: fields[2].parse().unwrap(),
                gid: fields[3].parse().unwrap(),
            })
        })
    });
    Some(found.expect("root, and no account `postgres` or `nobody` to run the server as"))
}

fn become_account(account: Option<&Account>, program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some(account) = account {
        command
            .uid(account.uid)
            .gid(account.gid)
            .env("USER", &account.name)
            .env("HOME", "/");
    }
    command
}
