//! What a run came to, as JSON and as a table.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::figures::Figure;

/// A whole run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) version: u32,
    /// Nothing that names the machine: only what a reader needs to judge the figures.
    pub(crate) cores: usize,
    pub(crate) quick: bool,
    pub(crate) scenes: Vec<Scene>,
}

/// One scene of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Scene {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) targets: Vec<Target>,
    /// What was left out, and why.
    pub(crate) skipped: Vec<String>,
}

/// One figure.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) who: String,
    pub(crate) what: String,
    pub(crate) unit: String,
    pub(crate) figure: Figure,
}

/// A figure that has something to reach.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) figure: Figure,
    pub(crate) limit: Limit,
    pub(crate) met: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Scene {
    pub(crate) fn new(name: &str, title: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn row(&mut self, who: &str, what: &str, unit: &str, values: Vec<f64>) {
        self.rows.push(Row {
            who: who.to_owned(),
            what: what.to_owned(),
            unit: unit.to_owned(),
            figure: Figure::of(values),
        });
    }

    pub(crate) fn target(&mut self, what: &str, figure: Figure, limit: Limit) {
        let met = match limit {
            Limit::AtMost(most) => figure.median <= most,
            Limit::AtLeast(least) => figure.median >= least,
        };
        self.targets.push(Target {
            what: what.to_owned(),
            figure,
            limit,
            met,
        });
    }

    pub(crate) fn skip(&mut self, why: String) {
        println!("skipped: {why}");
        self.skipped.push(why);
    }
}

pub(crate) fn table(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} cores; the middle of several rounds, lowest and highest in brackets{}",
        report.cores,
        if report.quick {
            "; a QUICK run, whose figures mean nothing"
        } else {
            ""
        }
    );
    for scene in &report.scenes {
        let _ = writeln!(text, "\n### {}: {}\n", scene.name, scene.title);
        if !scene.rows.is_empty() {
            let _ = writeln!(text, "| Who | What | Figure |\n|---|---|---|");
        }
        for row in &scene.rows {
            let figure = shown(&row.figure, &row.unit);
            let _ = writeln!(text, "| {} | {} | {figure} |", row.who, row.what);
        }
        if !scene.targets.is_empty() {
            let _ = writeln!(text, "\n| Target | Wanted | Got | |\n|---|---|---|---|");
        }
        for target in &scene.targets {
            let wanted = match target.limit {
                Limit::AtMost(most) => format!("at most {}", number(most)),
                Limit::AtLeast(least) => format!("at least {}", number(least)),
            };
            let verdict = if target.met { "met" } else { "**missed**" };
            let got = shown(&target.figure, "");
            let _ = writeln!(text, "| {} | {wanted} | {got} | {verdict} |", target.what);
        }
        for why in &scene.skipped {
            let _ = writeln!(text, "\nLeft out: {why}.");
        }
    }
    text
}

/// Puts the table into the document, between its two marks.
pub(crate) fn document(report: &Report) {
    const MARKS: [&str; 2] = ["<!-- table -->\n", "<!-- end of the table -->\n"];
    assert!(!report.quick, "a quick run is no measurement");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let [begin, end] = MARKS.map(|mark| text.find(mark).expect("the document has its marks"));
    let text = format!(
        "{}{}\n{}",
        &text[..begin + MARKS[0].len()],
        table(report),
        &text[end..]
    );
    std::fs::write(&file, text).unwrap();
}

fn shown(figure: &Figure, unit: &str) -> String {
    let unit = if unit.is_empty() {
        String::new()
    } else {
        format!(" {unit}")
    };
    if figure.rounds < 2 {
        return format!("{}{unit}", number(figure.median));
    }
    format!(
        "{}{unit} ({} to {})",
        number(figure.median),
        number(figure.lowest),
        number(figure.highest)
    )
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

pub(crate) fn read(file: &Path) -> Report {
    let text = std::fs::read_to_string(file)
        .unwrap_or_else(|error| panic!("`{}` cannot be read: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("`{}` is no report: {error}", file.display()))
}

pub(crate) fn write(report: &Report) -> PathBuf {
    let folder = folder();
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("side_by_side.json");
    let text = serde_json::to_string_pretty(report).unwrap();
    std::fs::write(&file, text + "\n").unwrap();
    file
}

/// `target/bench`.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target")),
            PathBuf::from,
        )
        .join("bench")
}
