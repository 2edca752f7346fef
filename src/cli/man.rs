//! `kaspi man`: the pages of the manual, from the same words as `--help`.

use std::path::Path;

use clap_mangen::Man;
use serde_json::json;

use super::args;
use super::failure::Failure;
use super::report::Report;

const MANUAL: &str = "Kaspi Pay";

/// The first page to standard output, or every page into a folder.
pub(super) fn run(dir: Option<&Path>, report: &Report) -> Result<(), Failure> {
    let command = args::whole();
    let Some(dir) = dir else {
        report.raw(&page(command)?.1);
        return Ok(());
    };
    let failed = |what: &Path| format!("the manual cannot be written to `{}`", what.display());
    std::fs::create_dir_all(dir).map_err(|error| Failure::from_io(failed(dir), error))?;
    let mut pages = Vec::new();
    write(command, &mut |name, text| {
        let file = dir.join(&name);
        std::fs::write(&file, text).map_err(|error| Failure::from_io(failed(&file), error))?;
        pages.push(name);
        Ok(())
    })?;
    pages.sort();
    report.result(
        |paint| {
            format!(
                "{} {} pages in {}",
                paint.good("written"),
                pages.len(),
                dir.display()
            )
        },
        &json!({ "dir": dir, "pages": pages }),
    );
    Ok(())
}

/// Takes a page, by its name.
type Put<'a> = dyn FnMut(String, &[u8]) -> Result<(), Failure> + 'a;

/// The page of a command, after those of the commands below it.
fn write(command: clap::Command, put: &mut Put<'_>) -> Result<(), Failure> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write(below.clone(), put)?;
    }
    let (name, text) = page(command)?;
    put(name, &text)
}

fn page(command: clap::Command) -> Result<(String, Vec<u8>), Failure> {
    let man = Man::new(command)
        .manual(MANUAL)
        .source(concat!("kaspi ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    man.render(&mut text)
        .map_err(|error| Failure::from_io("the manual cannot be made", error))?;
    Ok((man.get_filename(), text))
}
