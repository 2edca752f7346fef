//! The socket's listening side.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use time::OffsetDateTime;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::LiveError;
use super::place::{Address, Held, failed};
use super::shape::{
    Answer, Content, LiveState, MerchantReport, ProblemReport, Question, RotationReport, VERSION, in_words,
};
use crate::registry::Rotation;
use crate::transport::Transport;

/// The longest question, in bytes.
const LONGEST_QUESTION: u64 = 1024;
/// How long a question may take to come.
const READING: Duration = Duration::from_secs(2);
/// How long an answer may take to be fetched.
const WRITING: Duration = Duration::from_secs(10);
/// How long a rescan is waited for: two with all their trials.
const RESCANNING: Duration = Duration::from_secs(90);
/// Questions that are answered at one time.
const AT_ONCE: usize = 32;
/// How long nobody is let in after the system has refused to.
const AFTER_A_REFUSAL: Duration = Duration::from_millis(200);

/// Offers the live state as long as it is held. Dropping it closes the socket and frees the state folder.
#[derive(Debug)]
pub struct LiveServer {
    socket: PathBuf,
    task: JoinHandle<()>,
    _held: Held,
}

/// What can be seen from outside.
pub(in crate::app) struct Window {
    pub(in crate::app) transport: Arc<Transport>,
    pub(in crate::app) rotation: Arc<Rotation>,
    pub(in crate::app) config_file: PathBuf,
    pub(in crate::app) certs_dir: PathBuf,
    pub(in crate::app) listen: Vec<SocketAddr>,
    pub(in crate::app) started_at: OffsetDateTime,
}

impl LiveServer {
    /// Opens the socket in a state folder, which is made where it is missing.
    pub(in crate::app) fn start(state_dir: &Path, window: Window) -> Result<Self, LiveError> {
        let held = Held::take(state_dir)?;
        held.clear()?;
        let socket = held.socket();
        let address = Address::of(state_dir)?;
        let listener =
            UnixListener::bind(&address.path).map_err(|source| failed(&socket, "opened", source))?;
        // before anybody is let in
        fs::set_permissions(&socket, Permissions::from_mode(0o600))
            .map_err(|source| failed(&socket, "closed to others", source))?;
        Ok(Self {
            socket,
            task: tokio::spawn(listen(listener, Arc::new(window))),
            _held: held,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for LiveServer {
    fn drop(&mut self) {
        self.task.abort();
        // the folder is still held, so it is ours
        let _ = fs::remove_file(&self.socket);
    }
}

impl Window {
    fn state(&self) -> LiveState {
        let certs_dir = fs::canonicalize(&self.certs_dir);
        let rows = self.transport.registry().status();
        LiveState {
            process_id: std::process::id(),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            config_file: in_words(&self.config_file),
            certs_dir: in_words(certs_dir.as_ref().unwrap_or(&self.certs_dir)),
            listen: self.listen.iter().map(ToString::to_string).collect(),
            rotation: RotationReport::of(self.rotation.state()),
            merchants: rows.iter().map(MerchantReport::of).collect(),
        }
    }
}

async fn listen(listener: UnixListener, window: Arc<Window>) {
    let own_user = own_user();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    // they end with this task
    let mut visits = JoinSet::new();
    loop {
        while visits.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let window = Arc::clone(&window);
                visits.spawn(async move {
                    if let Err(error) = visit(stream, own_user, &window).await {
                        tracing::debug!("a question at the state socket was left unanswered: {error}");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("the state socket lets nobody in for now: {error}");
                sleep(AFTER_A_REFUSAL).await;
            }
        }
    }
}

/// The user of this process, as the system tells the other end of a connection.
fn own_user() -> Option<u32> {
    let (one, _other) = UnixStream::pair().ok()?;
    Some(one.peer_cred().ok()?.uid())
}

/// One question, one answer.
async fn visit(mut stream: UnixStream, own_user: Option<u32>, window: &Window) -> std::io::Result<()> {
    let user = stream.peer_cred()?.uid();
    let content = if user != 0 && Some(user) != own_user {
        refusal("not_allowed", format!("user {user} may not ask here"))
    } else {
        match question(&mut stream).await? {
            Ok(question) => answer(question, window).await,
            Err(message) => refusal("bad_question", message),
        }
    };
    let answer = Answer {
        version: VERSION,
        content,
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    timeout(WRITING, async {
        stream.write_all(&line).await?;
        stream.shutdown().await
    })
    .await?
}

/// The question, or what is wrong with it.
async fn question(stream: &mut UnixStream) -> std::io::Result<Result<Question, String>> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(LONGEST_QUESTION));
    timeout(READING, reader.read_until(b'\n', &mut line)).await??;
    Ok(match line.last() {
        Some(b'\n') => serde_json::from_slice(&line).map_err(|error| {
            let known = [Question::State, Question::Rescan].map(|known| json!(known).to_string());
            format!(
                "the question cannot be read ({error}); there are `{}`",
                known.join("` and `")
            )
        }),
        _ => Err(format!(
            "a question is one line of at most {LONGEST_QUESTION} bytes, and {} came without its end",
            line.len()
        )),
    })
}

async fn answer(question: Question, window: &Window) -> Content {
    if question == Question::Rescan && timeout(RESCANNING, window.rotation.rescan()).await.is_err() {
        return refusal(
            "timeout",
            format!(
                "the folders are being read for more than {} s",
                RESCANNING.as_secs()
            ),
        );
    }
    Content::State(Box::new(window.state()))
}

fn refusal(kind: &str, message: String) -> Content {
    Content::Error(ProblemReport {
        kind: kind.to_owned(),
        message,
        hint: None,
    })
}
