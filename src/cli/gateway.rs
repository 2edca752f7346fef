//! The running gateway of a configuration, if there is one that can be asked.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::failure::Failure;
use super::report::Report;
use crate::app::live::{self, LiveError, LiveState};
use crate::base::{Explain, Fault};
use crate::config::Config;

/// How long a gateway may take to end after it has broken an answer off.
const ENDING: Duration = Duration::from_secs(5);
const BETWEEN: Duration = Duration::from_millis(50);

/// What the gateway of this configuration serves. One that cannot be asked is a warning: the files can.
pub(super) async fn seen(config: &Config, report: &Report) -> Option<LiveState> {
    let found = match live::ask_for_state(&config.state_dir).await {
        Ok(found) => found.ok_or(None),
        Err(error) => Err(Some(error)),
    };
    let told = match found.map(|state| whose(state, config)) {
        Ok(Ok(state)) => return Some(state),
        Ok(Err(other)) => other.to_string(),
        Err(Some(error)) => error.to_string(),
        Err(None) => return None,
    };
    report.warning(format!("{told}; what follows is from files only"));
    None
}

/// The gateway that is to take up a change in the folders; nothing where none runs.
pub(super) async fn to_be_told(config: &Config) -> Result<Option<LiveState>, Failure> {
    match live::ask_for_state(&config.state_dir).await.map_err(Unasked)? {
        Some(state) => Ok(Some(whose(state, config)?)),
        None => Ok(None),
    }
}

/// The state again after its gateway has read the folders; nothing where it has ended meanwhile.
pub(super) async fn rescanned(config: &Config) -> Result<Option<LiveState>, Failure> {
    let answer = match live::ask_for_rescan(&config.state_dir).await {
        // one that ends, or is restarted, breaks its answers off
        Err(LiveError::NoAnswer { .. }) => asked_again(config).await,
        answer => answer,
    };
    match answer.map_err(Unasked)? {
        Some(state) => Ok(Some(whose(state, config)?)),
        None => Ok(None),
    }
}

/// The state, or that nobody is there any more: a process that ends closes its connections before its door.
async fn asked_again(config: &Config) -> Result<Option<LiveState>, LiveError> {
    let deadline = Instant::now() + ENDING;
    loop {
        match live::ask_for_state(&config.state_dir).await {
            Err(LiveError::NoAnswer { .. }) if Instant::now() < deadline => sleep(BETWEEN).await,
            answer => return answer,
        }
    }
}

/// A gateway serves these folders or others, whatever file says so.
fn whose(state: LiveState, config: &Config) -> Result<LiveState, OtherGateway> {
    let real = std::fs::canonicalize(&config.certs_dir);
    let own = in_words(real.as_deref().unwrap_or(&config.certs_dir));
    if state.certs_dir == own {
        return Ok(state);
    }
    Err(OtherGateway {
        process_id: state.process_id,
        their_file: state.config_file,
        their_certs: state.certs_dir,
        own_file: in_words(&config.file),
        own_certs: own,
    })
}

fn in_words(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A gateway of another configuration has the state folder.
#[derive(Debug, thiserror::Error)]
#[error(
    "the gateway with this state folder (process {process_id}) is of `{their_file}` and serves `{their_certs}`; \
     this command is of `{own_file}` and works on `{own_certs}`"
)]
struct OtherGateway {
    process_id: u32,
    their_file: String,
    their_certs: String,
    own_file: String,
    own_certs: String,
}

impl Explain for OtherGateway {
    fn kind(&self) -> &'static str {
        "other_gateway"
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        Some(
            "give each configuration a `state_dir` of its own, or name the other one with `--config`"
                .to_owned(),
        )
    }
}

/// A gateway that should be told of a change and cannot be.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Unasked(LiveError);

impl Explain for Unasked {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn fault(&self) -> Fault {
        self.0.fault()
    }

    fn hint(&self) -> Option<String> {
        let hint = self.0.hint()?;
        Some(format!("{hint}; `--no-wait` does not ask it"))
    }
}
