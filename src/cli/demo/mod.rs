//! `kaspi demo`: the whole main job against a simulated Kaspi, told step by step.

mod rotation;
mod scene;
mod seen;
mod tale;

use std::path::{Path, PathBuf};

use super::args::Demo;
use super::failure::Failure;
use super::report::Report;
use tale::Tale;

pub(super) async fn run(options: Demo, report: &Report) -> Result<(), Failure> {
    let folder = Folder::new(options.keep)?;
    let mut tale = Tale::new(report);
    let seen = scene::play(&mut tale, folder.path()).await;
    tale.end(&seen, folder.kept());
    if tale.went_well() {
        Ok(())
    } else {
        Err(Failure::said_no("a step of the demo did not hold"))
    }
}

/// Where the demo's files are: gone with it, unless they are to be kept.
enum Folder {
    Passing(tempfile::TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn new(keep: Option<PathBuf>) -> Result<Self, Failure> {
        match keep {
            Some(folder) => Ok(Self::Kept(folder)),
            None => tempfile::Builder::new()
                .prefix("kaspi-demo-")
                .tempdir()
                .map(Self::Passing)
                .map_err(|error| Failure::from_io("no temporary folder can be made", error)),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Passing(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }

    fn kept(&self) -> Option<&Path> {
        match self {
            Self::Passing(_) => None,
            Self::Kept(folder) => Some(folder),
        }
    }
}
