//! `egressctl ping`: log in to hosts, and nothing more.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use super::adhoc::AdhocArgs;
use super::problem::Problem;
use crate::core::adhoc::{Answer, outcome_words, to_json};
use crate::core::report::duration;
use crate::engine::adhoc::{Pong, ping};
use crate::ui::table;

/// Limit for the greeting, in seconds.
const USUAL: u64 = 30;

/// Log in to hosts and nothing more: address, host key, login, and with -b the privilege
#[derive(Debug, Args)]
pub(super) struct PingArgs {
    #[command(flatten)]
    adhoc: AdhocArgs,
}

pub(super) async fn run(args: PingArgs) -> Result<ExitCode, Problem> {
    let ground = args.adhoc.open().await?;
    let work = ping(&ground.field, ground.visits.clone(), ground.privilege.clone(), args.adhoc.wall(USUAL));
    let code = ground.conclude(work, |ui, answers| {
        ui.out(&if args.adhoc.fleet.show.json {
            to_json("ping", answers, |_, pong| fields(pong))
        } else {
            text(answers)
        });
    });
    Ok(code.await)
}

fn fields(pong: &Pong) -> Map<String, Value> {
    Map::from_iter([("host_key".to_owned(), pong.key.fingerprint.as_str().into())])
}

fn text(answers: &[Answer<Pong>]) -> String {
    let rows: Vec<Vec<String>> = answers
        .iter()
        .map(|answer| {
            let key = answer.value.as_ref().map(|pong| pong.key.fingerprint.clone());
            let host = answer.host.to_string();
            vec![
                host,
                duration(answer.ms),
                key.unwrap_or_else(|| "-".to_owned()),
                outcome_words(&answer.outcome),
            ]
        })
        .collect();
    table::render(&["host", "time", "host key", "answer"].map(str::to_owned), &rows)
}
