//! What to do next, as commands to type: the worst first.

use super::data::{OutcomeKind, Report, Verb};
use super::escape::for_terminal;
use crate::core::template::sh_quote;

/// Most commands that are proposed.
const MOST: usize = 3;

/// Commands with what each is for.
pub(super) fn commands(report: &Report) -> Vec<String> {
    let first = |wanted: &[OutcomeKind]| {
        report.hosts.iter().find(|host| wanted.contains(&OutcomeKind::of(&host.outcome)))
    };
    let inventory = report.inventory.as_deref().map(|file| format!(" -i {}", word(file))).unwrap_or_default();
    let run = report.run.as_ref();
    let mut out = Vec::new();
    if let (Some(host), Some(run)) = (first(&[OutcomeKind::Unknown]), run) {
        out.push(format!(
            "egressctl explain {} --run {run}   # what happened to it, step by step",
            host.name
        ));
        out.push(format!("egressctl resume {run}   # once that is settled"));
    } else if let (Some(_), Some(run)) = (first(&[OutcomeKind::Skipped]), run) {
        out.push(format!("egressctl resume {run}   # begins the hosts that were not begun"));
    }
    if first(&[OutcomeKind::Failed, OutcomeKind::Reverted]).is_some() && report.verb != Verb::Verify {
        out.push(format!("egressctl plan{inventory} -l @failed   # what is left to do for them"));
    }
    if first(&[OutcomeKind::Unreachable]).is_some() && report.verb != Verb::Verify {
        out.push(format!("egressctl plan{inventory} -l @unreachable   # once they answer"));
    }
    if first(&[OutcomeKind::Stale]).is_some() {
        out.push(format!("egressctl plan{inventory}   # a new plan, of what is now"));
    }
    if first(&[OutcomeKind::Locked]).is_some() {
        out.push(format!("egressctl lock list{inventory}   # who holds them, and until when"));
    }
    out.truncate(MOST);
    out
}

/// A file name as it can be typed: quoted only if it has to be.
fn word(file: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    for_terminal(&if file.chars().all(plain) { file.to_owned() } else { sh_quote(file) })
}
