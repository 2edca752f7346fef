//! What a command works with: the configuration, opened when it is first needed.

use std::path::Path;

use super::args::Global;
use super::failure::Failure;
use super::report::Report;
use crate::app::App;
use crate::base::Bin;
use crate::config::{self, Config, Environment};

/// What a command works with.
pub(super) struct Context<'a> {
    global: &'a Global,
    pub(super) report: &'a Report,
}

impl<'a> Context<'a> {
    pub(super) fn new(global: &'a Global, report: &'a Report) -> Self {
        Self { global, report }
    }

    /// The BIN named on the command line.
    pub(super) fn bin(&self) -> Option<Bin> {
        self.global.bins.first().copied()
    }

    /// The configuration file named on the command line.
    pub(super) fn config_file(&self) -> Option<&'a Path> {
        self.global.config.as_deref()
    }

    /// Finds and reads the configuration, and loads nothing.
    pub(super) fn configuration(&self) -> Result<(Config, Environment), Failure> {
        let environment = Environment::of_process();
        let file = config::find(self.global.config.as_deref(), &environment)?;
        let config = config::load(&file, &environment)?;
        for warning in &config.warnings {
            self.report.warning(warning);
        }
        Ok((config, environment))
    }

    /// Finds and reads the configuration and loads every identity.
    pub(super) fn open(&self) -> Result<App, Failure> {
        let environment = Environment::of_process();
        let file = config::find(self.global.config.as_deref(), &environment)?;
        self.open_file(&file, &environment)
    }

    /// The same for one configuration.
    pub(super) fn open_file(&self, file: &Path, environment: &Environment) -> Result<App, Failure> {
        let app = App::open(file, environment)?;
        for warning in &app.config().warnings {
            self.report.warning(warning);
        }
        Ok(app)
    }
}
