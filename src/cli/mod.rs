//! The command line: one file per verb; each turns arguments into one call and its end into an exit code.
//!
//! Must never hold logic that a library user would miss, and never print except through `ui`.

mod lab;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Give a fleet of cloud hosts one shared egress address without losing anybody's inbound address.
#[derive(Debug, Parser)]
#[command(name = "egressctl", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// A whole cloud on this machine, in network namespaces
    Lab(lab::LabArgs),
}

/// Exit code of a mistake on the command line; clap's own 2 would read as "changes present".
const USAGE: u8 = 64;

/// Parses `args` (the program's name first), runs the verb, and returns its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed stdout or stderr leaves nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match cli.verb {
        Verb::Lab(args) => lab::run(args),
    }
}
