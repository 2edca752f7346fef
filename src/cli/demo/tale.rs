//! The demo's steps as they are told: a line each for people, one document for programs.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::report::Report;
use super::seen::Seen;
use crate::base::Explain;

/// The steps told so far.
pub(super) struct Tale<'a> {
    report: &'a Report,
    steps: Vec<Value>,
    failed: bool,
}

/// A step that did not hold; the tale ends with it.
pub(super) struct Broken {
    message: String,
    hint: Option<String>,
}

impl Broken {
    pub(super) fn because(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }
}

impl<E: Explain> From<E> for Broken {
    fn from(error: E) -> Self {
        Self {
            message: error.to_string(),
            hint: error.hint(),
        }
    }
}

/// What a step that held has to tell: a line for people, fields for programs.
pub(super) struct Held {
    pub(super) text: String,
    pub(super) facts: Value,
}

impl<'a> Tale<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        report.line("kaspi demo: two organisations, two certificates, one program, one simulated Kaspi\n");
        Self {
            report,
            steps: Vec::new(),
            failed: false,
        }
    }

    /// Tells how a step ended. None where it did not hold.
    pub(super) fn tell<T>(&mut self, id: &'static str, outcome: Result<(T, Held), Broken>) -> Option<T> {
        let mut step = Map::new();
        step.insert("id".to_owned(), json!(id));
        match outcome {
            Ok((value, held)) => {
                self.report.step(true, &held.text);
                step.insert("ok".to_owned(), json!(true));
                if let Value::Object(facts) = held.facts {
                    step.extend(facts);
                }
                self.steps.push(Value::Object(step));
                Some(value)
            }
            Err(broken) => {
                self.report
                    .step(false, &format!("step `{id}` did not hold: {}", broken.message));
                if let Some(hint) = &broken.hint {
                    self.report.line(&format!("    hint: {hint}"));
                    step.insert("hint".to_owned(), json!(hint));
                }
                step.insert("ok".to_owned(), json!(false));
                step.insert("error".to_owned(), json!(broken.message));
                self.steps.push(Value::Object(step));
                self.failed = true;
                None
            }
        }
    }

    pub(super) fn went_well(&self) -> bool {
        !self.failed
    }

    /// Prints what is left to print.
    pub(super) fn end(&self, seen: &[Seen], kept: Option<&Path>) {
        let well = self.went_well();
        let document = json!({ "ok": well, "steps": self.steps, "seen": seen });
        self.report.result(
            |paint| {
                let mut lines = vec![String::new(), paint.strong("What the server saw")];
                lines.push(paint.faint(format!(
                    "{:<12}  {:<64}  {:>8}  {:<9}  TLS",
                    "BIN", "client certificate (sha256)", "requests", "handshake"
                )));
                lines.extend(seen.iter().map(Seen::row));
                lines.push(String::new());
                lines.push(if well {
                    paint.good(
                        "every step held: each BIN was served over its own certificates, and over no other",
                    )
                } else {
                    paint.bad("the demo stopped at the step above")
                });
                if let Some(folder) = kept {
                    lines.push(format!(
                        "the files are in {}; to go on with them: kaspi sandbox run --dir {}",
                        folder.display(),
                        folder.display()
                    ));
                }
                lines.join("\n")
            },
            &document,
        );
    }
}
