//! `egressctl lock`: who holds what, and letting go of it.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::change::{held_by, path};
use super::fleet::{ShowArgs, StateArgs};
use super::problem::Problem;
use crate::journal::RunLock;

/// Show or release what keeps runs from each other
#[derive(Debug, Args)]
pub(super) struct LockArgs {
    #[command(subcommand)]
    verb: LockVerb,
}

#[derive(Debug, Subcommand)]
enum LockVerb {
    /// Who holds the lock of the state folder
    List(Options),
    /// Let go of the lock of a process that is gone; a living one keeps it
    Release(Options),
}

#[derive(Debug, Args)]
struct Options {
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    show: ShowArgs,
}

pub(super) fn run(args: &LockArgs) -> Result<ExitCode, Problem> {
    let (LockVerb::List(options) | LockVerb::Release(options)) = &args.verb;
    let ui = options.show.ui()?;
    let held = RunLock::holder(&path(&options.state.folder()?));
    match (held.map_err(|error| Problem::failed(error.to_string()))?, &args.verb) {
        // The kernel has let go of it when its process ended.
        (None, _) => ui.out("Nobody holds the lock of the state folder.\n"),
        (Some(owner), LockVerb::List(_)) => ui.out(&format!("{}\n", held_by(owner.as_ref()))),
        (Some(owner), LockVerb::Release(_)) => {
            let held = held_by(owner.as_ref());
            return Err(Problem::locked(format!("{held}; it is alive: interrupt it, or wait for its end")));
        }
    }
    Ok(ExitCode::SUCCESS)
}
