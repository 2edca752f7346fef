//! Everything that is printed: results on standard output, the rest on standard error.
#![expect(clippy::print_stderr, reason = "this is the one file that prints")]

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::{fmt, layer};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::args::{Color, Global, Output};
use super::exit::Exit;
use super::failure::Failure;
use crate::base::{TRACE, chain_text};
use crate::config::{Environment, LogFormat};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

impl Format {
    /// What the arguments ask for, although they could not be read.
    pub(super) fn wanted_by(arguments: &[OsString]) -> Self {
        let words: Vec<_> = arguments
            .iter()
            .map(|argument| argument.to_string_lossy())
            .collect();
        let joined = words
            .iter()
            .any(|word| matches!(word.as_ref(), "-ojson" | "-o=json" | "--output=json"));
        let apart = words
            .windows(2)
            .any(|pair| matches!(pair, [option, value] if (option == "-o" || option == "--output") && value == "json"));
        if joined || apart { Self::Json } else { Self::Text }
    }
}

/// Where a command reports to.
#[derive(Debug)]
pub(super) struct Report {
    format: Format,
    verbose: u8,
    quiet: bool,
    color: Color,
}

impl Report {
    pub(super) fn new(global: &Global) -> Self {
        Self {
            format: match global.output {
                Output::Text => Format::Text,
                Output::Json => Format::Json,
            },
            verbose: global.verbose,
            quiet: global.quiet,
            color: global.color,
        }
    }

    /// The log goes to standard error: warnings, and more with `-v`.
    pub(super) fn start_log(&self) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::ERROR,
            (false, 0) => LevelFilter::WARN,
            (false, 1) => LevelFilter::INFO,
            (false, _) => LevelFilter::DEBUG,
        };
        let _ = fmt()
            .with_writer(std::io::stderr)
            .with_ansi(self.colors(&std::io::stderr()))
            .with_max_level(level)
            .without_time()
            .with_target(false)
            .try_init();
    }

    /// The log of a program that runs for long: a line for each call, and the time.
    /// Spans go to `spans`, and into no line.
    pub(super) fn start_service_log(
        &self,
        format: LogFormat,
        spans: Option<Box<dyn Layer<Registry> + Send + Sync>>,
    ) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::WARN,
            (false, 0) => LevelFilter::INFO,
            (false, _) => LevelFilter::DEBUG,
        };
        let lines = layer().with_writer(std::io::stderr).with_target(false);
        let lines = if self.format == Format::Json || format == LogFormat::Json {
            lines.json().flatten_event(true).boxed()
        } else {
            lines.with_ansi(self.colors(&std::io::stderr())).boxed()
        };
        let lines = lines.with_filter(filter_fn(move |told| {
            told.target() != TRACE && *told.level() <= level
        }));
        let _ = tracing_subscriber::registry().with(spans).with(lines).try_init();
    }

    /// The result of a command.
    pub(super) fn result(&self, text: impl FnOnce(&Paint) -> String, json: &impl Serialize) {
        match self.format {
            Format::Text => self.line(&text(&self.paint())),
            Format::Json => print_json(json),
        }
    }

    /// A line of text for people; nothing where the result is JSON.
    pub(super) fn line(&self, text: &str) {
        if self.format == Format::Text {
            print(&harmless(text.trim_end()));
        }
    }

    /// A line of progress that is part of the result.
    #[cfg_attr(
        not(feature = "sandbox"),
        expect(dead_code, reason = "only the demo has steps so far")
    )]
    pub(super) fn step(&self, held: bool, text: &str) {
        let paint = self.paint();
        let mark = if held {
            paint.good("ok  ")
        } else {
            paint.bad("FAIL")
        };
        self.line(&format!("{mark}  {text}"));
    }

    /// A line of JSON, whatever the format, at once.
    pub(super) fn json_line(&self, json: &impl Serialize) {
        print_json(json);
    }

    /// Whether a program reads the results.
    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Bytes as they are.
    pub(super) fn raw(&self, bytes: &[u8]) {
        let _ = std::io::stdout().lock().write_all(bytes);
    }

    /// How far long work has come.
    pub(super) fn progress(&self, text: impl Display) {
        if !self.quiet {
            let paint = Paint(self.colors(&std::io::stderr()));
            eprintln!("{}", harmless(&paint.faint(text)));
        }
    }

    /// A question, whose answer is typed behind it.
    pub(super) fn prompt(&self, text: &str) {
        let mut stream = std::io::stderr().lock();
        let _ = write!(stream, "{}", harmless(text)).and_then(|()| stream.flush());
    }

    /// What an operator should look at although the command goes on.
    pub(super) fn warning(&self, text: impl Display) {
        if !self.quiet {
            let paint = Paint(self.colors(&std::io::stderr()));
            let text = text.to_string();
            eprintln!("{} {}", paint.warning("warning:"), harmless(&text));
        }
    }

    /// Why the command did not end well.
    pub(super) fn failure(&self, failure: &Failure) -> ExitCode {
        if !failure.told {
            match self.format {
                Format::Text => self.failure_text(failure),
                Format::Json => print_json(&failure_json(failure)),
            }
        }
        ExitCode::from(failure.exit as u8)
    }

    fn failure_text(&self, failure: &Failure) {
        let paint = Paint(self.colors(&std::io::stderr()));
        let error = failure.error.as_ref();
        eprintln!("{} {}", paint.bad("error:"), harmless(&error.to_string()));
        if failure.exit == Exit::Unknown {
            eprintln!(
                "  {}",
                paint.bad("the outcome is unknown: it may have happened, or not")
            );
        }
        if let Some(message) = error
            .code()
            .map(|code| format!("Kaspi's code {code}, kind `{}`", error.kind()))
        {
            eprintln!("  {message}");
        }
        if self.verbose > 0
            && let Some(causes) = chain_text(error).strip_prefix(&format!("{error}: "))
        {
            eprintln!("  because: {}", harmless(causes));
        }
        if let Some(hint) = error.hint() {
            eprintln!("  {} {hint}", paint.hint("hint:"));
        }
    }

    /// How results are written.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Whether more is to be said.
    pub(super) fn is_verbose(&self) -> bool {
        self.verbose > 0
    }

    /// The colours of results.
    pub(super) fn paint(&self) -> Paint {
        Paint(self.colors(&std::io::stdout()))
    }

    fn colors(&self, stream: &impl IsTerminal) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => stream.is_terminal() && Environment::of_process().get("NO_COLOR").is_none(),
        }
    }
}

/// Text that the terminal only shows. What the server and files say may hold sequences that clear the
/// screen or turn the line round; of all of them, line breaks and colours alone get through.
fn harmless(text: &str) -> Cow<'_, str> {
    let obeyed = |character: char| {
        character.is_control() && character != '\n'
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(obeyed) {
        let (before, after) = rest.split_at(start);
        shown.push_str(before);
        let length = colour(after);
        let (obeyed, after) =
            after.split_at(length.unwrap_or_else(|| after.chars().next().map_or(0, char::len_utf8)));
        match length {
            Some(_) => shown.push_str(obeyed),
            None => shown.extend(obeyed.chars().flat_map(char::escape_unicode)),
        }
        rest = after;
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// The length of the sequence that sets colours, if the text begins with one.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|character: char| !character.is_ascii_digit() && character != ';')?;
    parameters.get(end..)?.starts_with('m').then_some(2 + end + 1)
}

fn failure_json(failure: &Failure) -> Value {
    let error = failure.error.as_ref();
    let mut inner = Map::new();
    inner.insert("kind".to_owned(), json!(error.kind()));
    inner.insert("message".to_owned(), json!(error.to_string()));
    if let Some(hint) = error.hint() {
        inner.insert("hint".to_owned(), json!(hint));
    }
    if let Some(delivery) = error.delivery() {
        inner.insert("delivery".to_owned(), json!(delivery));
    }
    if let Some(code) = error.code() {
        inner.insert("code".to_owned(), json!(code));
    }
    json!({ "error": inner })
}

fn print_json(json: &impl Serialize) {
    match serde_json::to_string(json) {
        Ok(text) => print(&text),
        Err(error) => eprintln!("error: the result cannot be written as JSON: {error}"),
    }
}

/// Writes a result. A reader that has gone away is no failure of the command. Where a result cannot be
/// kept, as on a full disk, it goes to standard error: it may be the number of a payment. The exit code
/// goes on to say what happened at Kaspi, since whoever reads a failure there asks again.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) else {
        return;
    };
    if error.kind() != std::io::ErrorKind::BrokenPipe {
        eprintln!("error: the result cannot be written to standard output: {error}; it is:");
        eprintln!("{text}");
    }
}

/// Help and version.
pub(super) fn clap_message(error: &clap::Error) {
    let _ = error.print();
}

/// Arguments that could not be read.
pub(super) fn usage_failure(error: &clap::Error, format: Format) -> ExitCode {
    match format {
        Format::Text => {
            let _ = error.print();
        }
        Format::Json => {
            let text = error.render().to_string();
            // the first paragraph: a line, and below it the arguments that it speaks of
            let mut lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
            let mut message = lines
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            let named: Vec<&str> = lines.collect();
            if !named.is_empty() {
                message = format!("{message} {}", named.join(", "));
            }
            print_json(
                &json!({ "error": { "kind": "usage", "message": message, "hint": "see `kaspi --help`" } }),
            );
        }
    }
    ExitCode::from(Exit::Usage as u8)
}

/// Colours, or none.
pub(super) struct Paint(bool);

impl Paint {
    /// No colours.
    pub(super) fn none() -> Self {
        Self(false)
    }

    /// Colours, wherever it goes.
    #[cfg(test)]
    pub(super) fn all() -> Self {
        Self(true)
    }

    pub(super) fn bad(&self, text: impl Display) -> String {
        self.styled(AnsiColor::Red.on_default().bold(), text)
    }

    pub(super) fn good(&self, text: impl Display) -> String {
        self.styled(AnsiColor::Green.on_default(), text)
    }

    pub(super) fn warning(&self, text: impl Display) -> String {
        self.styled(AnsiColor::Yellow.on_default().bold(), text)
    }

    pub(super) fn hint(&self, text: impl Display) -> String {
        self.styled(AnsiColor::Cyan.on_default(), text)
    }

    pub(super) fn strong(&self, text: impl Display) -> String {
        self.styled(Style::new().bold(), text)
    }

    /// Black on white, whatever the terminal's own colours.
    pub(super) fn paper(&self, text: impl Display) -> String {
        self.styled(
            Style::new()
                .fg_color(Some(AnsiColor::Black.into()))
                .bg_color(Some(AnsiColor::BrightWhite.into())),
            text,
        )
    }

    pub(super) fn faint(&self, text: impl Display) -> String {
        self.styled(Style::new().dimmed(), text)
    }

    fn styled(&self, style: Style, text: impl Display) -> String {
        if self.0 {
            format!("{}{text}{}", style.render(), style.render_reset())
        } else {
            text.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_is_told_nothing_but_colours() {
        let bold = Paint(true).strong("Цветы");
        for (text, shown) in [
            ("Flower shop\nline 2", "Flower shop\nline 2"),
            (bold.as_str(), bold.as_str()),
            ("\u{1b}[2Jx", "\\u{1b}[2Jx"),
            ("\u{1b}[31", "\\u{1b}[31"),
            ("a\u{1b}", "a\\u{1b}"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\rerror", "\\u{d}error"),
            ("\u{202e}x\u{9b}2J", "\\u{202e}x\\u{9b}2J"),
        ] {
            assert_eq!(harmless(text), shown, "{text:?}");
        }
    }
}
