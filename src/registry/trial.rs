//! The trial: a new identity is proved to Kaspi by a harmless call before any other call leaves over it.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Pinned;
use crate::base::{Bin, Delivery, Explain, Fault};

/// Trials under way at one time. A trial is a full handshake, which costs both sides.
const AT_ONCE: usize = 16;
/// The longest that one question may take, its repeats included.
const ONE_QUESTION: Duration = Duration::from_secs(15);

/// Asks Kaspi whether it takes an identity. Given by a room to the right, which knows Kaspi's calls.
pub trait Canary<K>: Send + Sync {
    /// Makes one harmless call for this merchant over this generation, and over no other.
    fn ask(&self, pinned: Pinned<K>) -> Pin<Box<dyn Future<Output = TrialAnswer> + Send + '_>>;
}

/// What came of one harmless call.
#[derive(Debug)]
pub enum TrialAnswer {
    /// Kaspi answered 0.
    Accepted,
    /// Kaspi, or the TLS of its server, does not take the certificate.
    Refused(TrialError),
    /// Kaspi took the certificate and then said no to the BIN, such as "no trade points".
    SaidNo(TrialError),
    /// Nothing is known: no answer, or one that says nothing about the certificate.
    NoAnswer(TrialError),
}

impl TrialAnswer {
    /// What it says beside the answer that the identity of now gets to the same question.
    ///
    /// A no to the BIN speaks against the new identity only if the present one gets a yes: then the bank
    /// has not declared the new certificate for this BIN. Otherwise it has nothing to do with the change.
    #[must_use]
    pub fn beside(self, present: Self) -> Self {
        match (present, self) {
            (Self::Accepted, Self::SaidNo(error)) => Self::Refused(error),
            (Self::NoAnswer(_), Self::SaidNo(error)) => Self::NoAnswer(error),
            (_, answer) => answer,
        }
    }
}

/// Why a trial did not end well.
pub struct TrialError(Box<dyn Explain + Send + Sync>);

impl TrialError {
    /// Takes whatever error the call gave.
    pub fn new(error: impl Explain + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for TrialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TrialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Error for TrialError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl Explain for TrialError {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn fault(&self) -> Fault {
        self.0.fault()
    }

    fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    fn delivery(&self) -> Option<Delivery> {
        self.0.delivery()
    }

    fn code(&self) -> Option<i64> {
        self.0.code()
    }
}

/// Why a question has no answer although no call said so.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unasked {
    #[error("no answer within {} s", .0.as_secs())]
    TooLate(Duration),
    #[error("it has not been asked yet")]
    NotYet,
    #[error("the question could not be asked: the program failed on the way")]
    Defect,
}

impl Explain for Unasked {
    fn kind(&self) -> &'static str {
        match self {
            Self::TooLate(_) | Self::NotYet => "timeout",
            Self::Defect => "defect",
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::TooLate(_) | Self::NotYet => Fault::Network,
            Self::Defect => Fault::Us,
        }
    }
}

/// One BIN that a trial asks for.
pub(super) struct Question<K> {
    /// The BIN's merchant with the generation under trial.
    pub(super) candidate: Pinned<K>,
    /// What the BIN's calls leave over now, if any do.
    pub(super) current: Option<Pinned<K>>,
}

/// What a trial came to.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Publish. What is odd all the same stands in the list.
    Accepted(Vec<(Bin, TrialError)>),
    /// Do not publish.
    Refused(Bin, TrialError),
    /// Nobody can tell.
    Unknown(Bin, TrialError),
}

/// How many questions may be asked at one time.
pub(super) fn permits() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(AT_ONCE))
}

/// Asks for every BIN. One refusal refuses the identity: it must serve all of them.
pub(super) async fn run<K: Send + Sync + 'static>(
    questions: Vec<Question<K>>,
    canary: Arc<dyn Canary<K>>,
    permits: Arc<Semaphore>,
) -> Verdict {
    let mut asked = JoinSet::new();
    let mut bins = HashMap::new();
    for question in questions {
        let (canary, permits) = (Arc::clone(&canary), Arc::clone(&permits));
        let bin = question.candidate.merchant.bin;
        let task = asked.spawn(async move { judge(question, canary.as_ref(), &permits).await });
        bins.insert(task.id(), bin);
    }
    let mut odd = Vec::new();
    let mut unknown = None;
    while let Some(ended) = asked.join_next_with_id().await {
        let (id, answer) = match ended {
            Ok((id, answer)) => (id, answer),
            Err(error) => (
                error.id(),
                TrialAnswer::NoAnswer(TrialError::new(Unasked::Defect)),
            ),
        };
        let Some(bin) = bins.get(&id).copied() else {
            continue;
        };
        match answer {
            TrialAnswer::Accepted => {}
            TrialAnswer::SaidNo(error) => odd.push((bin, error)),
            TrialAnswer::Refused(error) => return Verdict::Refused(bin, error),
            TrialAnswer::NoAnswer(error) => unknown = Some((bin, error)),
        }
    }
    match unknown {
        Some((bin, error)) => Verdict::Unknown(bin, error),
        None => Verdict::Accepted(odd),
    }
}

/// Where Kaspi says no to the BIN, the present identity is asked too.
async fn judge<K: Send + Sync + 'static>(
    question: Question<K>,
    canary: &dyn Canary<K>,
    permits: &Semaphore,
) -> TrialAnswer {
    let answer = ask(question.candidate, canary, permits).await;
    let (TrialAnswer::SaidNo(error), Some(current)) = (&answer, question.current) else {
        return answer;
    };
    tracing::debug!(%error, "the present certificate is asked for comparison");
    answer.beside(ask(current, canary, permits).await)
}

async fn ask<K>(pinned: Pinned<K>, canary: &dyn Canary<K>, permits: &Semaphore) -> TrialAnswer {
    let _permit = permits.acquire().await;
    match timeout(ONE_QUESTION, canary.ask(pinned)).await {
        Ok(answer) => answer,
        Err(_) => TrialAnswer::NoAnswer(TrialError::new(Unasked::TooLate(ONE_QUESTION))),
    }
}
