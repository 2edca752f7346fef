//! Other people's servers as processes, and a look at them with one identity.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use http::HeaderMap;
use kaspi_direct::base::SystemClock;
use kaspi_direct::config::{self, Environment, IdentitySource};
use kaspi_direct::identity::{self, Identity};
use kaspi_direct::sandbox::pki::Issued;
use kaspi_direct::transport::probe::{Exchange, Handshake, Kept, Lookup, Outdated, Probe, Reach, SecondLook};

use socket2::{Domain, SockAddr, Socket, Type};

use super::kit::{FLOWERS, Operator, PATIENCE, bin, in_time};

/// What is asked for in a look: the call that moves nothing.
pub const PING: &str = "/v01/health/ping";

/// A server of somebody else's, which ends with the test.
pub struct Process {
    child: Child,
    said: Arc<Said>,
    stdin: Option<ChildStdin>,
}

#[derive(Default)]
struct Said {
    text: Mutex<String>,
    more: Condvar,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::<Said>::default();
        for output in [
            Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>,
            Box::new(child.stderr.take().unwrap()),
        ] {
            let said = Arc::clone(&said);
            std::thread::spawn(move || {
                let mut lines = BufReader::new(output);
                let mut line = Vec::new();
                while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                    said.text
                        .lock()
                        .unwrap()
                        .push_str(&String::from_utf8_lossy(&line));
                    said.more.notify_all();
                    line.clear();
                }
            });
        }
        Self {
            stdin: child.stdin.take(),
            child,
            said,
        }
    }

    /// Waits until it has said something; gives the rest of that line.
    pub fn until(&self, words: &str) -> String {
        until(&self.said, words)
    }

    pub fn said(&self) -> String {
        self.said.text.lock().unwrap().clone()
    }

    /// Types a line once the server has said something, from a thread of its own.
    pub fn type_after(&mut self, words: &'static str, line: &'static str) {
        let said = Arc::clone(&self.said);
        let mut stdin = self.stdin.take().unwrap();
        std::thread::spawn(move || {
            until(&said, words);
            let _ = stdin.write_all(line.as_bytes());
            // an end of its input would end the server
            until(&said, "the test never says this");
        });
    }
}

fn until(said: &Said, words: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    let mut text = said.text.lock().unwrap();
    loop {
        if let Some((_, rest)) = text.split_once(words)
            && let Some((line, _)) = rest.split_once('\n')
        {
            return line.to_owned();
        }
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "`{words}` was never said, only: {text}");
        text = said.more.wait_timeout(text, left).unwrap().0;
    }
}

/// `openssl s_server` with a certificate of the operator's bank, and what else it is told.
pub fn s_server(operator: &Operator, options: &[&str]) -> (Process, SocketAddr) {
    s_server_as(operator, &operator.authority.server().unwrap(), options)
}

/// The same with another certificate; its chain is sent where it is long enough to have one.
pub fn s_server_as(operator: &Operator, server: &Issued, options: &[&str]) -> (Process, SocketAddr) {
    let folder = operator.path("server");
    let _ = std::fs::create_dir(&folder);
    std::fs::write(folder.join("leaf.pem"), server.certificate_pem()).unwrap();
    std::fs::write(folder.join("server.key"), server.key_pem()).unwrap();
    let issuing = server.chain_pem().replacen(&server.certificate_pem(), "", 1);
    std::fs::write(folder.join("issuing.pem"), issuing).unwrap();
    let [root, _] = operator.authority.anchors();
    std::fs::write(folder.join("root.pem"), pem_of(&root)).unwrap();
    std::fs::write(folder.join("clients.pem"), operator.authority.chain_pem()).unwrap();
    answer_file(&folder, r#"{"StatusCode":0,"Message":"OK","Data":null}"#);
    let mut command = Command::new("openssl");
    command
        .current_dir(&folder)
        .args(["s_server", "-accept", "127.0.0.1:0"]);
    // the last word on an option counts in most cases, not in that of the certificate
    if !options.contains(&"-cert") {
        command.args(["-cert", "leaf.pem", "-cert_chain", "issuing.pem"]);
    }
    command.args(["-key", "server.key"]).args(options);
    let process = Process::start(&mut command);
    let address = process.until("ACCEPT ").trim().parse().unwrap();
    (process, address)
}

pub fn pem_of(certificate: &[u8]) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", certificate))
}

/// What `s_server -HTTP` answers the ping with: head and body from a file.
fn answer_file(folder: &Path, body: &str) {
    let path = folder.join("r3/v01/health");
    std::fs::create_dir_all(&path).unwrap();
    let answer = format!(
        "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    std::fs::write(path.join("ping"), answer).unwrap();
}

/// nginx with a certificate of the operator's bank, these lines in its `server` block, and a location
/// that answers the ping as Kaspi does. HTTP/2 where a comment in the lines says so.
pub fn nginx(operator: &Operator, lines: &str) -> (Process, SocketAddr) {
    nginx_with(operator, lines, "")
}

/// The same with further lines beside its `server` block.
pub fn nginx_with(operator: &Operator, lines: &str, beside: &str) -> (Process, SocketAddr) {
    let folder = operator.path("nginx");
    for name in ["", "logs"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let server = operator.authority.server().unwrap();
    std::fs::write(folder.join("server.pem"), server.chain_pem()).unwrap();
    std::fs::write(folder.join("server.key"), server.key_pem()).unwrap();
    std::fs::write(folder.join("clients.pem"), operator.authority.chain_pem()).unwrap();
    for _ in 0..20 {
        // nginx cannot tell which port it was given, so it is given one that was free a moment ago
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        std::fs::write(
            folder.join("nginx.conf"),
            nginx_conf(&folder, address, lines, beside),
        )
        .unwrap();
        let mut process = Process::start(
            Command::new("nginx")
                .arg("-p")
                .arg(&folder)
                .arg("-c")
                .arg(folder.join("nginx.conf"))
                .args(["-e", "stderr"]),
        );
        if listens(&mut process, address) {
            return (process, address);
        }
    }
    panic!("nginx never got a port");
}

fn nginx_conf(folder: &Path, address: SocketAddr, lines: &str, beside: &str) -> String {
    let folder = folder.display();
    let http2 = if lines.contains("#http2") { "http2" } else { "" };
    format!(
        r#"
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr info;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {beside}
    server {{
        listen {address} ssl {http2};
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        location /r3/v01/health/ping {{
            default_type application/json;
            return 200 '{{"StatusCode":0,"Message":"OK","Data":null}}';
        }}
        {lines}
    }}
}}
"#
    )
}

fn listens(process: &mut Process, address: SocketAddr) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if TcpStream::connect(address).is_ok() {
            return process.child.try_wait().unwrap().is_none();
        }
        if process.child.try_wait().unwrap().is_some() {
            assert!(process.said().contains("bind()"), "{}", process.said());
            return false;
        }
        std::thread::yield_now();
    }
    panic!("nginx neither listens nor ends: {}", process.said());
}

/// Everything that one look found.
#[derive(Debug)]
pub struct Look {
    pub lookup: Lookup,
    pub reach: Reach,
    pub handshake: Option<Handshake>,
    pub exchange: Option<Exchange>,
    /// Whether the connection is kept, and whether the session is.
    pub kept: Option<(Kept, Kept)>,
    pub second: Option<SecondLook>,
    pub outdated: Option<Outdated>,
}

impl Look {
    pub fn handshake(&self) -> &Handshake {
        self.handshake.as_ref().unwrap_or_else(|| panic!("{self:#?}"))
    }

    pub fn exchange(&self) -> &Exchange {
        self.exchange.as_ref().unwrap_or_else(|| panic!("{self:#?}"))
    }
}

/// A look at a server as the operator's one BIN sees it.
pub async fn look(operator: &Operator, server: SocketAddr, more: &str) -> Look {
    look_at(operator, operator.configure(server, more)).await
}

pub async fn look_at(operator: &Operator, file: PathBuf) -> Look {
    let environment = Environment::default();
    let config = config::load(&file, &environment).unwrap();
    let identity = own_identity(&config, &environment);
    let roots = identity::trust_roots(&config.kaspi.trust).unwrap().roots;
    let probe = Probe::new(&config.kaspi, roots, Arc::new(SystemClock));
    assert!(operator.path("certs").exists());
    in_time(steps(&probe, &identity)).await
}

fn own_identity(config: &config::Config, environment: &Environment) -> Identity {
    for folder in config::scan(config, environment).unwrap() {
        if folder.bin == Some(bin(FLOWERS)) {
            match &folder.merchant.unwrap().identity {
                IdentitySource::Own(spec) => return identity::load(spec, &SystemClock).unwrap(),
                IdentitySource::Of(_) => panic!("a borrowed identity"),
            }
        }
    }
    panic!("no folder of {FLOWERS}")
}

async fn steps(probe: &Probe, identity: &Identity) -> Look {
    let headers = HeaderMap::new();
    let lookup = probe.look_up().await;
    let (reach, reached) = probe.reach(&lookup).await;
    let mut look = Look {
        lookup,
        reach,
        handshake: None,
        exchange: None,
        kept: None,
        second: None,
        outdated: None,
    };
    let Some(reached) = reached else { return look };
    let (handshake, session) = probe.shake_hands(reached, identity).await.unwrap();
    if let Some(mut session) = session {
        let exchange = session.get(PING, &headers).await;
        if exchange.outcome.is_ok() {
            look.kept = Some(probe.keeps(session, PING, &headers).await);
        }
        look.exchange = Some(exchange);
    }
    look.second = probe
        .second_look(&handshake, identity, PING, &headers)
        .await
        .unwrap();
    look.outdated = probe.outdated(&handshake).await;
    look.handshake = Some(handshake);
    look
}

/// A listener whose queue is full: what else comes is dropped, as a filter drops it.
pub fn full_listener() -> ((Socket, Vec<Socket>), SocketAddr) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener
        .bind(&SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0))))
        .unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    loop {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let connected = client.connect_timeout(&address, Duration::from_millis(300));
        waiting.push(client);
        if connected.is_err() {
            return ((listener, waiting), address.as_socket().unwrap());
        }
        assert!(waiting.len() < 64, "the queue is never full");
    }
}
