//! `kaspi cert inspect`: what is in a file, whoever's it is.

use std::path::PathBuf;

use super::args::Inspect;
use crate::base::{Clock, SystemClock};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::report::Paint;
use crate::config::read_password_file;
use crate::identity::{Inspected, inspect};

pub(super) fn run(command: Inspect, context: &Context<'_>) -> Result<(), Failure> {
    let Inspect { files, password_file } = command;
    let passwords = match password_file {
        Some(file) => vec![read_password_file(&file)?],
        None => Vec::new(),
    };
    let now = SystemClock.now();
    let mut all: Vec<Inspected> = Vec::new();
    for file in &files {
        all.extend(inspect(file, &passwords, now)?);
    }
    context.report.result(|paint| text(&files, &all, paint), &all);
    Ok(())
}

fn text(files: &[PathBuf], all: &[Inspected], paint: &Paint) -> String {
    let mut lines = Vec::new();
    for file in files {
        lines.push(paint.strong(file.display()));
        for item in all.iter().filter(|item| &item.file == file) {
            lines.push(format!("  {}", item.kind.name()));
            lines.extend(
                fields(item)
                    .into_iter()
                    .map(|(name, value)| format!("    {name:<12} {value}")),
            );
            if let Some(hint) = &item.hint {
                lines.push(format!("    {} {hint}", paint.hint("hint:")));
            }
        }
    }
    lines.join("\n")
}

fn fields(item: &Inspected) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(facts) = &item.certificate {
        let days = match item.days_left {
            Some(days) if days < 0 => format!("expired {} days ago", -days),
            Some(days) => format!("{days} days left"),
            None => String::new(),
        };
        fields.extend([
            ("subject", facts.subject.clone()),
            ("issuer", facts.issuer.clone()),
            ("serial", facts.serial.clone()),
            ("sha256", facts.sha256.clone()),
            (
                "valid",
                format!(
                    "{} to {} ({days})",
                    facts.not_before.date(),
                    facts.not_after.date()
                ),
            ),
            ("key", facts.key.clone()),
            ("public key", facts.public_key_sha256.clone()),
        ]);
        if let Some(usages) = &facts.extended_key_usage {
            fields.push(("for", usages.join(", ")));
        }
        if !facts.bins.is_empty() {
            let bins: Vec<String> = facts.bins.iter().map(ToString::to_string).collect();
            fields.push(("BINs", bins.join(", ")));
        }
    }
    if let Some(key) = &item.private_key {
        fields.push(("key", key.key.clone()));
        if let Some(public) = &key.public_key_sha256 {
            fields.push(("public key", public.clone()));
        }
    }
    if let Some(encryption) = &item.encryption {
        fields.push(("encryption", encryption.clone()));
    }
    fields
}
