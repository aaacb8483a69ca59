//! `egressctl push SRC DEST`: a file on many hosts.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::adhoc::{AdhocArgs, Ground};
use super::problem::Problem;
use super::values::ValueArgs;
use crate::core::adhoc::{Answer, Destination, difference, fold, push_block, push_fields, to_json};
use crate::core::model::HostName;
use crate::core::observed::pushed::{PushEnd, PushReport};
use crate::core::template::{FileTemplate, PushParams};
use crate::engine::adhoc::{Content, PushOrder, Visit, push};
use crate::ui::Ui;

/// Limit for writing a file, in seconds.
const USUAL: u64 = 600;

/// Write a file to hosts, each as a whole or not at all; hosts that have it stay as they are
#[derive(Debug, Args)]
pub(super) struct PushArgs {
    /// The file here
    #[arg(group = "source")]
    src: PathBuf,
    /// The file there: an absolute path; symbolic links are not followed, but for root's and the login's own on the way
    dest: Destination,
    #[command(flatten)]
    adhoc: AdhocArgs,
    /// Permission bits, octal; the old file's, or SRC's without the right to write for others than its owner
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<u32>,
    /// Name or number of the owner; the old file's, or whoever writes it
    #[arg(long, value_name = "USER", value_parser = account)]
    owner: Option<String>,
    /// Name or number of the group; the old file's, or that of whoever writes it
    #[arg(long, value_name = "GROUP", value_parser = account)]
    group: Option<String>,
    /// Keep the old file beside the new one, as DEST.TIME.bak
    #[arg(long)]
    backup: bool,
    #[command(flatten)]
    values: ValueArgs,
    /// Only show what would change
    #[arg(short = 'C', long)]
    check: bool,
}

pub(super) async fn run(args: PushArgs) -> Result<ExitCode, Problem> {
    let templates = args.adhoc.fleet.load_templates()?;
    let ground = args.adhoc.open().await?;
    let (contents, source_mode) = args.contents(&ground.visits)?;
    let order = PushOrder {
        params: args.params(&ground, source_mode)?,
        contents: contents.clone(),
        privilege: ground.privilege.clone(),
        wall: args.adhoc.wall(USUAL),
    };
    let delivery = push(&ground.field, ground.visits.clone(), order, &templates)
        .map_err(|error| Problem::failed(error.to_string()))?;
    Ok(ground.conclude(delivery, |ui, answers| args.show(ui, answers, &contents)).await)
}

impl PushArgs {
    /// What each host gets, and the permission bits of the source.
    fn contents(&self, visits: &[Visit]) -> Result<(BTreeMap<HostName, Content>, u32), Problem> {
        let name = self.src.display().to_string();
        let failed = |error: std::io::Error| Problem::failed(format!("source {name}: {error}"));
        let file = File::open(&self.src).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(Problem::failed(format!("source {name}: it is not a file")));
        }
        let mode = meta.permissions().mode() & 0o755;
        if !self.values.is_template {
            let content = Content::file(file).map_err(failed)?;
            return Ok((
                visits.iter().map(|visit| (visit.host.name.clone(), content.clone())).collect(),
                mode,
            ));
        }
        let text = std::io::read_to_string(file).map_err(failed)?;
        let template = FileTemplate::new(&name, &text).map_err(|error| Problem::failed(error.to_string()))?;
        let rendered = self.values.render(&template, visits)?;
        let contents =
            rendered.into_iter().map(|(host, text)| (host, Content::bytes(text.into_bytes()))).collect();
        Ok((contents, mode))
    }

    fn params(&self, ground: &Ground, source_mode: u32) -> Result<PushParams, Problem> {
        let octal = |mode: u32| format!("{mode:o}");
        let backup = if self.backup {
            let now = jiff::Timestamp::from_millisecond(ground.clock.now_ms())
                .map_err(|error| Problem::failed(error.to_string()))?;
            format!(".{}.bak", now.strftime("%Y%m%dT%H%M%SZ"))
        } else {
            String::new()
        };
        Ok(PushParams {
            dest: self.dest.as_str().to_owned(),
            size: 0,
            sha256: String::new(),
            mode: self.mode.map(octal).unwrap_or_default(),
            mode_if_new: octal(source_mode),
            owner: self.owner.clone().unwrap_or_default(),
            group: self.group.clone().unwrap_or_default(),
            backup,
            check: if self.check { "yes" } else { "no" },
        })
    }

    fn show(&self, ui: &Ui, answers: &[Answer<PushReport>], contents: &BTreeMap<HostName, Content>) {
        let diffs: BTreeMap<&HostName, String> = answers
            .iter()
            .filter_map(|answer| {
                let report = answer.value.as_ref().filter(|report| report.end == PushEnd::WouldChange)?;
                Some((&answer.host, difference(report, contents.get(&answer.host)?.head(), &self.dest)))
            })
            .collect();
        let diff = |host: &HostName| diffs.get(host).map(String::as_str);
        ui.out(&if self.adhoc.fleet.show.json {
            to_json("push", answers, |host, report| push_fields(report, diff(host)))
        } else {
            fold(answers.iter().map(|answer| (&answer.host, push_block(answer, diff(&answer.host)))))
        });
    }
}

fn mode(text: &str) -> Result<u32, String> {
    let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o7777 && !text.starts_with('+'));
    bits.ok_or_else(|| "expected octal permission bits such as 644 or 0755".to_owned())
}

fn account(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !text.is_empty() && text.len() <= 64 && text.chars().all(plain) && !text.starts_with('-') {
        Ok(text.to_owned())
    } else {
        Err("expected a name or a number".to_owned())
    }
}
