//! `egressctl show FILE`: a saved plan, as it will be followed. Talks to nobody.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::{Value, json};

use super::fleet::ShowArgs;
use super::plan::detail;
use super::problem::Problem;
use super::saved::{self, Saved};
use crate::core::model::HostName;
use crate::core::plan::{Plan, calls, plan_json, plan_text};
use crate::engine::Settings;

/// Show a plan that `egressctl plan --out` saved
#[derive(Debug, Args)]
pub(super) struct ShowPlanArgs {
    /// The file
    file: PathBuf,
    /// Only this host
    #[arg(long, value_name = "HOST")]
    host: Option<HostName>,
    /// Show every line of every diff
    #[arg(short = 'D', long, env = "EGRESSCTL_DIFF", value_parser = BoolishValueParser::new())]
    diff: bool,
    #[command(flatten)]
    show: ShowArgs,
}

pub(super) fn run(args: &ShowPlanArgs) -> Result<ExitCode, Problem> {
    let saved = saved::read(&args.file)?;
    let ui = args.show.ui()?;
    let mut plan = saved.plan.plan();
    if let Some(name) = &args.host {
        plan.hosts.retain(|host| host.host == *name);
        if plan.hosts.is_empty() {
            return Err(Problem::failed(format!("plan {}: it has no host {name}", args.file.display())));
        }
    }
    let text = if args.show.json { as_json(&saved, &plan)? } else { as_text(&saved, &plan, args.diff) };
    ui.out(&text);
    Ok(ExitCode::SUCCESS)
}

fn as_text(saved: &Saved, plan: &Plan, diff: bool) -> String {
    let made = jiff::Timestamp::from_millisecond(saved.plan.made_ms).unwrap_or_default();
    let head = &saved.plan;
    format!(
        "Made {} UTC by {} with egressctl {}, from {}.\n{}",
        made.strftime("%F %T"),
        head.by,
        crate::core::text::clean_line(head.tool.as_bytes(), 40),
        crate::core::text::clean_line(head.inventory.as_bytes(), 400),
        plan_text(plan, detail(diff)) + &calls(plan, Settings::default().forks).text()
    )
}

fn as_json(saved: &Saved, plan: &Plan) -> Result<String, Problem> {
    let plan: Value =
        serde_json::from_str(&plan_json(plan)).map_err(|error| Problem::failed(error.to_string()))?;
    let head = &saved.plan;
    let document = json!({
        "hash": saved.hash,
        "made_ms": head.made_ms,
        "by": head.by,
        "tool": head.tool,
        "inventory": head.inventory,
        "templates": head.templates,
        "plan": plan,
    });
    Ok(format!("{document:#}\n"))
}
