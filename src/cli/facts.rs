//! `egressctl facts`: what hosts are like.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use super::adhoc::AdhocArgs;
use super::problem::Problem;
use crate::core::adhoc::{Answer, outcome_words, to_json};
use crate::core::observed::Facts;
use crate::core::report::for_terminal;
use crate::engine::adhoc::facts;
use crate::ui::table;

/// Limit for looking, in seconds.
const USUAL: u64 = 30;

/// Show what hosts are like: system, network, routes; changes nothing
#[derive(Debug, Args)]
pub(super) struct FactsArgs {
    #[command(flatten)]
    adhoc: AdhocArgs,
}

pub(super) async fn run(args: FactsArgs) -> Result<ExitCode, Problem> {
    let templates = args.adhoc.fleet.load_templates()?;
    let script = templates.facts_script().map_err(|error| Problem::failed(error.to_string()))?;
    let ground =
        args.adhoc.open_for(|visit| visit.host.becomes.is_some() || visit.host.ssh.user != "root").await?;
    let wall = args.adhoc.wall(USUAL);
    let work = facts(&ground.field, ground.visits.clone(), script, ground.privilege.clone(), wall);
    let code = ground.conclude(work, |ui, answers| {
        ui.out(&if args.adhoc.fleet.show.json {
            to_json("facts", answers, |_, facts| fields(facts))
        } else {
            text(answers)
        });
    });
    Ok(code.await)
}

fn fields(facts: &Facts) -> Map<String, Value> {
    // Plain data; it cannot fail.
    let facts = serde_json::to_value(facts).unwrap_or_default();
    Map::from_iter([("facts".to_owned(), facts)])
}

fn text(answers: &[Answer<Facts>]) -> String {
    let row = |answer: &Answer<Facts>| {
        let mut row = vec![answer.host.to_string()];
        match &answer.value {
            Some(facts) => {
                let addresses: Vec<String> = facts
                    .addresses
                    .iter()
                    .map(|address| format!("{} {}", address.dev, address.net))
                    .collect();
                let instance = facts.instance.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
                row.extend([
                    for_terminal(&facts.os),
                    for_terminal(&facts.kernel),
                    instance,
                    addresses.join(", "),
                ]);
            }
            None => row.extend([outcome_words(&answer.outcome)]),
        }
        row
    };
    let rows: Vec<Vec<String>> = answers.iter().map(row).collect();
    table::render(&["host", "system", "kernel", "instance", "addresses"].map(str::to_owned), &rows)
}
