//! `egressctl status`: what hosts say of themselves now. Changes nothing.

use std::process::ExitCode;

use clap::Args;

use super::adhoc::AdhocArgs;
use super::problem::Problem;
use crate::core::adhoc::{fold, to_json};
use crate::core::status::status_block;
use crate::engine::adhoc::{StatusOrder, status};

/// Limit for each look, in seconds.
const USUAL: u64 = 30;

/// Show what hosts say of themselves: policy route, what keeps it, guard over a change, lease; changes nothing
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Only these hosts, as by --limit
    #[arg(value_name = "HOSTS", conflicts_with = "limit")]
    hosts: Option<String>,
    #[command(flatten)]
    adhoc: AdhocArgs,
}

pub(super) async fn run(mut args: StatusArgs) -> Result<ExitCode, Problem> {
    args.adhoc.fleet.limit = args.hosts.take().or(args.adhoc.fleet.limit);
    let templates = args.adhoc.fleet.load_templates()?;
    let ground = args.adhoc.open().await?;
    let order = StatusOrder::new(&templates, ground.privilege.clone(), args.adhoc.wall(USUAL));
    let order = order.map_err(|error| Problem::failed(error.to_string()))?;
    let clock = ground.clock.clone();
    let work = status(&ground.field, ground.visits.clone(), order);
    let code = ground.conclude(work, |ui, answers| {
        ui.out(&if args.adhoc.fleet.show.json {
            to_json("status", answers, |_, status| status.fields())
        } else {
            let now = clock.now_ms();
            fold(answers.iter().map(|answer| (&answer.host, status_block(answer, now))))
        });
    });
    Ok(code.await)
}
