//! `egressctl lab …`

use std::process::ExitCode;

use clap::Args;

/// Arguments of `egressctl lab`.
#[derive(Debug, Args)]
pub(super) struct LabArgs {}

pub(super) fn run(_args: LabArgs) -> ExitCode {
    ExitCode::SUCCESS
}
