//! The socket's asking side.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::LiveError;
use super::place::{Address, socket_in};
use super::shape::{Answer, Content, LiveState, Question, VERSION};

/// How long the state may take to come.
const FOR_THE_STATE: Duration = Duration::from_secs(5);
/// How long a rescan may take: longer than the other side waits for one.
const FOR_A_RESCAN: Duration = Duration::from_secs(100);
/// The longest answer, in bytes. A BIN takes about two thousand.
const LONGEST_ANSWER: u64 = 256 * 1024 * 1024;

/// What the program serves that runs with this state folder; nothing where none does.
///
/// # Errors
///
/// Something has the socket open, or may have, and cannot be asked: it belongs to another user, does not
/// answer, or answers something else.
pub async fn ask_for_state(state_dir: &Path) -> Result<Option<LiveState>, LiveError> {
    ask(state_dir, Question::State, FOR_THE_STATE).await
}

/// Lets it read the merchants' folders first: what is in them now is in use when the answer comes, or
/// refused, and then the answer says why.
///
/// # Errors
///
/// As [`ask_for_state`].
pub async fn ask_for_rescan(state_dir: &Path) -> Result<Option<LiveState>, LiveError> {
    ask(state_dir, Question::Rescan, FOR_A_RESCAN).await
}

async fn ask(
    state_dir: &Path,
    question: Question,
    patience: Duration,
) -> Result<Option<LiveState>, LiveError> {
    let socket = socket_in(state_dir);
    let silent = |why: String| LiveError::NoAnswer {
        socket: socket.clone(),
        why,
    };
    let address = match Address::of(state_dir) {
        Ok(address) => address,
        Err(LiveError::Folder { source, .. }) => return nobody(state_dir, source),
        Err(error) => return Err(error),
    };
    let mut stream = match timeout(FOR_THE_STATE, UnixStream::connect(&address.path)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return nobody(state_dir, error),
        Err(_) => return Err(silent("it lets nobody in".to_owned())),
    };
    let asked = timeout(patience, async {
        let mut line = serde_json::to_vec(&question)?;
        line.push(b'\n');
        // one who does not listen may have answered all the same
        let _ = stream.write_all(&line).await;
        let mut answer = Vec::new();
        let read = (&mut stream).take(LONGEST_ANSWER).read_to_end(&mut answer).await;
        match read {
            // one who answers without reading the question resets the connection behind his answer
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset && !answer.is_empty() => {}
            read => {
                read?;
            }
        }
        io::Result::Ok(answer)
    });
    match asked.await {
        Ok(Ok(answer)) if answer.is_empty() => Err(silent("it closed the connection".to_owned())),
        Ok(Ok(answer)) => read(&answer, state_dir).map(Some),
        Ok(Err(error)) => Err(silent(error.to_string())),
        Err(_) => Err(silent(format!("nothing came within {} s", patience.as_secs()))),
    }
}

/// Whether an error of connecting means that nobody is there.
fn nobody(state_dir: &Path, source: io::Error) -> Result<Option<LiveState>, LiveError> {
    let socket = socket_in(state_dir);
    match source.kind() {
        // never made, or left by a process that is dead
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => Ok(None),
        io::ErrorKind::PermissionDenied => Err(LiveError::Denied { socket, source }),
        _ => Err(LiveError::NoAnswer {
            socket,
            why: source.to_string(),
        }),
    }
}

fn read(answer: &[u8], state_dir: &Path) -> Result<LiveState, LiveError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }

    let socket = socket_in(state_dir);
    let unreadable = |why: String| LiveError::Unreadable {
        socket: socket.clone(),
        why,
    };
    let Versioned { version } =
        serde_json::from_slice(answer).map_err(|error| unreadable(error.to_string()))?;
    if version != VERSION {
        return Err(LiveError::OtherVersion {
            socket,
            theirs: version,
            ours: VERSION,
        });
    }
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| unreadable(error.to_string()))?;
    match answer.content {
        Content::State(state) => Ok(*state),
        Content::Error(problem) if problem.kind == "not_allowed" => Err(LiveError::Denied {
            socket,
            source: io::Error::new(io::ErrorKind::PermissionDenied, problem.message),
        }),
        Content::Error(problem) => Err(LiveError::NoAnswer {
            socket,
            why: problem.message,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Explain;
    use tokio::net::UnixListener;

    /// What is made of a server that answers this.
    async fn told(answer: &'static [u8]) -> String {
        told_by(answer, true).await
    }

    /// The same of one that may leave the question unread, which resets the connection behind its answer.
    async fn told_by(answer: &'static [u8], reads: bool) -> String {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(socket_in(folder.path())).unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            if reads {
                let mut question = [0; 64];
                let _ = stream.read(&mut question).await;
            } else {
                stream.readable().await.unwrap();
            }
            stream.write_all(answer).await.unwrap();
        });
        let outcome = ask_for_state(folder.path()).await;
        server.await.unwrap();
        let error = outcome.unwrap_err();
        let text = error
            .to_string()
            .replace(&folder.path().display().to_string(), "/x");
        format!("{}: {text}", error.kind())
    }

    #[tokio::test]
    async fn what_is_no_answer_is_told_apart() {
        assert_eq!(
            told(b"").await,
            "gateway_no_answer: the gateway at `/x/kaspi.sock` does not answer: it closed the connection"
        );
        assert_eq!(
            told(b"{\"version\":7,\"news\":true}\n").await,
            "gateway_other_version: the gateway at `/x/kaspi.sock` answers in version 7, this program reads version 1"
        );
        assert_eq!(
            told(b"{\"version\":1,\"error\":{\"kind\":\"bad_question\",\"message\":\"what?\"}}\n").await,
            "gateway_no_answer: the gateway at `/x/kaspi.sock` does not answer: what?"
        );
        assert_eq!(
            told(b"{\"version\":1,\"error\":{\"kind\":\"not_allowed\",\"message\":\"user 9 may not ask here\"}}\n").await,
            "gateway_denied: `/x/kaspi.sock` belongs to another user, so what a gateway there serves cannot be asked: \
             user 9 may not ask here"
        );
        for garbage in [
            &b"hello\n"[..],
            b"{\"version\":1}\n",
            b"{\"version\":1,\"state\":{\"process_id\":",
            b"\xff\xfe",
        ] {
            assert!(
                told(garbage).await.starts_with("gateway_unreadable: "),
                "{garbage:?}"
            );
        }
    }

    #[tokio::test]
    async fn an_answer_counts_though_the_question_was_left_unread() {
        let answer =
            b"{\"version\":1,\"error\":{\"kind\":\"not_allowed\",\"message\":\"user 9 may not ask here\"}}\n";
        let text = told_by(answer, false).await;
        assert!(text.starts_with("gateway_denied: "), "{text}");
        assert!(text.ends_with("user 9 may not ask here"), "{text}");
        let text = told_by(b"", false).await;
        assert!(text.starts_with("gateway_no_answer: "), "{text}");
    }

    #[tokio::test]
    async fn where_nobody_is_there_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for place in ["", "absent", &"long".repeat(50)] {
            assert_eq!(ask_for_state(&folder.path().join(place)).await.unwrap(), None);
        }
        drop(std::os::unix::net::UnixListener::bind(socket_in(folder.path())).unwrap());
        assert_eq!(ask_for_state(folder.path()).await.unwrap(), None);
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(ask_for_state(&folder.path().join("file")).await.unwrap(), None);
    }
}
