//! The thin binary: hand the arguments to the command line, return its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    egressctl::cli::run(std::env::args_os())
}
