//! The lists that `--limit` can name: hosts by how they ended in the last run on this inventory, and files of names.

use std::collections::BTreeSet;
use std::path::Path;

use super::fleet::FleetArgs;
use super::problem::Problem;
use super::runs::read;
use crate::core::inventory::{self, Lists};
use crate::core::model::HostName;
use crate::core::report::OutcomeKind;
use crate::core::rollout::Progress;
use crate::ports::Journal;

/// The outcomes that a list of the last run is about; `None` for a file.
fn outcomes(list: &str) -> Option<&'static [OutcomeKind]> {
    match list {
        "failed" => Some(&[OutcomeKind::Failed, OutcomeKind::Reverted]),
        "unreachable" => Some(&[OutcomeKind::Unreachable]),
        "skipped" => Some(&[OutcomeKind::Skipped]),
        "unknown" => Some(&[OutcomeKind::Unknown]),
        _ => None,
    }
}

/// The lists that a pattern names.
pub(super) fn lists(pattern: &str, args: &FleetArgs) -> Result<Lists, Problem> {
    let names = inventory::lists(pattern).map_err(|error| Problem::failed(error.to_string()))?;
    let mut last = None;
    let mut lists = Lists::new();
    for name in names {
        let hosts = match outcomes(&name) {
            Some(kinds) => {
                let progress = match &mut last {
                    Some(progress) => progress,
                    None => last.insert(last_run(args)?),
                };
                let ended = progress.ended.iter();
                ended
                    .filter(|(_, end)| kinds.contains(&OutcomeKind::of(end)))
                    .map(|(host, _)| host.clone())
                    .collect()
            }
            None => from_file(&name)?,
        };
        lists.insert(name, hosts);
    }
    Ok(lists)
}

/// Host names, one per line; white space around them, empty lines and lines that begin with `#` do not count.
fn from_file(name: &str) -> Result<BTreeSet<HostName>, Problem> {
    let text = std::fs::read_to_string(name)
        .map_err(|error| Problem::failed(format!("--limit @{name}: {error}")))?;
    let lines = text.lines().map(str::trim).enumerate();
    let names = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let read = |(at, line): (usize, &str)| {
        line.parse().map_err(|error| Problem::failed(format!("--limit @{name}:{}: {error}", at + 1)))
    };
    names.map(read).collect()
}

/// Where the newest run on this inventory has come to.
fn last_run(args: &FleetArgs) -> Result<Progress, Problem> {
    let wanted = args.inventory()?;
    // A command that is async already cannot wait here in its own runtime.
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            super::blocking(async {
                let journal = args.state.journal()?;
                for run in journal.runs().await.map_err(Problem::journal)? {
                    if !same_file(Path::new(&run.inventory), wanted) {
                        continue;
                    }
                    let progress = read(&journal, &run.id).await?;
                    if progress.planned.is_some() {
                        return Ok(progress);
                    }
                }
                Err(Problem::failed(format!(
                    "--limit: there is no run on inventory {} in the journal, so nothing ended in any way",
                    wanted.display()
                )))
            })
        });
        reading.join().unwrap_or_else(|_| Err(Problem::failed("reading the journal failed unexpectedly")))
    })
}

/// Runs keep the path as it was given, which may have been relative.
fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
