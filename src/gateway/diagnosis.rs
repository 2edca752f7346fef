//! What a diagnosis says, in words of the gateway's own: it knows neither who diagnoses nor how.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A stage of a diagnosis that has ended.
#[derive(Clone, Debug)]
pub struct DiagnosisStage {
    /// Its stable word, such as `tls`.
    pub id: &'static str,
    /// How it ended.
    pub verdict: StageVerdict,
    /// How long it took.
    pub duration: Duration,
    /// One line: what is well, the first finding, or why it was not checked.
    pub summary: String,
    /// What is not well, the worst first.
    pub findings: Vec<StageFinding>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug)]
pub struct StageFinding {
    /// Its stable word, as in `docs/troubleshooting.md`.
    pub cause: &'static str,
    /// What was found, with the values that were compared.
    pub message: String,
    /// One thing to do next.
    pub hint: String,
}

/// How a stage ended. Ordered: the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StageVerdict {
    /// Not checked.
    Skip,
    /// In order.
    Pass,
    /// It works; somebody should look at it.
    Warn,
    /// It stands in the way.
    Fail,
}

impl StageVerdict {
    /// The word as it stands in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// Is told of each stage as it ends.
pub type OnStage<'a> = &'a (dyn Fn(DiagnosisStage) + Send + Sync);

/// A diagnosis under way. In the end it says whether it came to its last stage.
pub type Diagnosis<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
