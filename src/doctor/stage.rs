//! Stages, their verdicts, and the report that they make up.

use std::fmt;
use std::time::Duration;

use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Cause;
use crate::base::Bin;

/// The shape of the report as JSON.
const VERSION: u32 = 1;

/// A part of the way to the bank, in the order in which they are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageId {
    /// `kaspi.toml` and the merchant's folder.
    Config,
    /// The files of the identity: there, readable, private.
    Files,
    /// What the certificate says.
    Certificate,
    /// The private key: opens, and belongs to the certificate.
    Key,
    /// Whom we believe on the other side.
    Trust,
    /// Looking up the server's name.
    Dns,
    /// The TCP connection, or the proxy's.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// Whether the server takes the certificate: only an answer proves it.
    Accepted,
    /// Whether the bank knows the BIN and its device token.
    Bin,
}

impl StageId {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Config,
        Self::Files,
        Self::Certificate,
        Self::Key,
        Self::Trust,
        Self::Dns,
        Self::Tcp,
        Self::Tls,
        Self::Accepted,
        Self::Bin,
    ];

    /// The word as it stands in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Files => "files",
            Self::Certificate => "certificate",
            Self::Key => "key",
            Self::Trust => "trust",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Accepted => "accepted",
            Self::Bin => "bin",
        }
    }

    /// Whether it needs the network.
    #[must_use]
    pub fn is_online(self) -> bool {
        self >= Self::Dns
    }
}

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a stage ended. Ordered: the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Not checked; the summary says why.
    Skip,
    /// In order.
    Pass,
    /// It works; somebody should look at it.
    Warn,
    /// It stands in the way.
    Fail,
}

impl Verdict {
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

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a stage learnt, in the order of learning. Names are stable, values are shown as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(Vec<(&'static str, Value)>);

impl Facts {
    /// Adds one.
    pub fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push((name, value.into()));
    }

    /// Adds one where there is one.
    pub fn add_some(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which one of the table.
    pub cause: Cause,
    /// Whether it stands in the way: `warn` or `fail`.
    pub severity: Verdict,
    /// What was found, with the values that were compared.
    pub message: String,
    /// One thing to do next.
    pub hint: String,
}

/// A stage that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Which one.
    pub id: StageId,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took.
    pub duration: Duration,
    /// One line: what is well, the first finding, or why it was not checked.
    pub summary: String,
    /// What was learnt.
    pub facts: Facts,
    /// What is not well, the worst first.
    pub findings: Vec<Finding>,
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut stage = serializer.serialize_struct("Stage", 8)?;
        stage.serialize_field("id", &self.id)?;
        stage.serialize_field("verdict", &self.verdict)?;
        stage.serialize_field(
            "duration_ms",
            &u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX),
        )?;
        stage.serialize_field("summary", &self.summary)?;
        stage.serialize_field("facts", &self.facts)?;
        if let Some(first) = self.findings.first() {
            stage.serialize_field("cause", &first.cause)?;
            stage.serialize_field("hint", &first.hint)?;
            stage.serialize_field("findings", &self.findings)?;
        }
        stage.end()
    }
}

/// The diagnosis of one BIN. Whole, however it ended: every stage is in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    version: u32,
    /// The BIN; none where none is named and the configuration cannot be read.
    pub bin: Option<Bin>,
    /// The worst of the stages.
    pub verdict: Verdict,
    /// The stages, in order.
    pub stages: Vec<Stage>,
}

impl Report {
    pub(crate) fn new(bin: Option<Bin>, stages: Vec<Stage>) -> Self {
        Self {
            version: VERSION,
            bin,
            verdict: stages
                .iter()
                .map(|stage| stage.verdict)
                .max()
                .unwrap_or(Verdict::Skip),
            stages,
        }
    }

    /// The stage of a name.
    #[must_use]
    pub fn stage(&self, id: StageId) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.id == id)
    }

    /// Every finding, in the order of the stages.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.stages.iter().flat_map(|stage| &stage.findings)
    }
}
