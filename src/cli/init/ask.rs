//! Questions at the terminal. Scripts get the answers that stand in brackets.

use std::fmt::Display;
use std::io::{BufRead, IsTerminal};
use std::str::FromStr;

use super::error::InitError;
use crate::cli::failure::Failure;
use crate::cli::report::Report;

/// Who answers.
pub(super) struct Asker<'a> {
    report: &'a Report,
    asks: bool,
}

impl<'a> Asker<'a> {
    /// # Errors
    ///
    /// Somebody is to be asked, and nobody is there.
    pub(super) fn new(yes: bool, report: &'a Report) -> Result<Self, InitError> {
        if !yes && !std::io::stdin().is_terminal() {
            return Err(InitError::NoTerminal);
        }
        Ok(Self { report, asks: !yes })
    }

    /// Whether there is a person.
    pub(super) fn asks(&self) -> bool {
        self.asks
    }

    /// What may be left out: an empty answer is none.
    pub(super) fn optional<T>(&self, question: &str, unless: &str) -> Result<Option<T>, Failure>
    where
        T: FromStr,
        T::Err: Display,
    {
        if !self.asks {
            return Ok(None);
        }
        loop {
            let answer = self.line(&format!("{question} [{unless}]: "))?;
            if answer.is_empty() {
                return Ok(None);
            }
            match answer.parse() {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) => self.report.warning(error),
            }
        }
    }

    /// What has to be there; asked again until `check` takes it.
    pub(super) fn needed<T, E: Display>(
        &self,
        question: &str,
        default: Option<&str>,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, Failure> {
        let shown = default.map(|answer| format!(" [{answer}]")).unwrap_or_default();
        loop {
            let typed = self.line(&format!("{question}{shown}: "))?;
            let answer = match (typed.as_str(), default) {
                ("", Some(default)) => default,
                (typed, _) => typed,
            };
            match check(answer) {
                Ok(answer) => return Ok(answer),
                Err(error) => self.report.warning(error),
            }
        }
    }

    /// Yes, unless a person says no.
    pub(super) fn agreed(&self, question: &str) -> Result<bool, Failure> {
        if !self.asks {
            return Ok(true);
        }
        let answer = self.line(&format!("{question} [Y/n]: "))?;
        Ok(!answer.to_lowercase().starts_with('n'))
    }

    /// One of several, by its number.
    pub(super) fn choice<T>(
        &self,
        question: &str,
        mut items: Vec<T>,
        tell: impl Fn(&T) -> String,
    ) -> Result<T, Failure> {
        for (number, item) in (1..).zip(&items) {
            self.report.prompt(&format!("  {number}  {}\n", tell(item)));
        }
        let count = items.len();
        let number = self.needed(question, None, |answer| match answer.parse::<usize>() {
            Ok(number) if (1..=count).contains(&number) => Ok(number),
            _ => Err(format!("a number from 1 to {count}")),
        })?;
        Ok(items.swap_remove(number - 1))
    }

    fn line(&self, question: &str) -> Result<String, Failure> {
        self.report.prompt(question);
        let mut answer = String::new();
        let read = std::io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|error| Failure::from_io("the answer cannot be read", error))?;
        if read == 0 {
            return Err(InitError::NoAnswer.into());
        }
        Ok(answer.trim().to_owned())
    }
}
