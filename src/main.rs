//! The `kaspi` program; everything it does stands in the library's `cli` room.

use std::process::ExitCode;

fn main() -> ExitCode {
    kaspi_direct::cli::run(std::env::args_os())
}
