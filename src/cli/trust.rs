//! `egressctl trust`: first contact with new hosts, as one list that is reviewed once.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::adhoc::meet;
use super::apply::confirm;
use super::clock::SystemClock;
use super::fleet::{FleetArgs, ssh};
use super::problem::Problem;
use crate::core::contact::{Fingerprints, Newcomer, Opinion, twins};
use crate::core::plan::hosts;
use crate::core::report::for_terminal;
use crate::engine::{Contacts, first_contact};
use crate::ports::{Clock, KeyRecord, Stranger, Transport};
use crate::ui::{Ui, table};

/// Review the keys of hosts that nothing is on record about, all in one list, and record them
#[derive(Debug, Args)]
pub(super) struct TrustArgs {
    #[command(flatten)]
    fleet: FleetArgs,
    /// Lines of `host SHA256:...`, got where nobody can stand between: only these are recorded
    #[arg(long, value_name = "FILE")]
    fingerprints: Option<PathBuf>,
    /// Do not ask; needs --fingerprints, since nobody has looked at the list
    #[arg(short, long, requires = "fingerprints")]
    yes: bool,
    /// Only show the list
    #[arg(short = 'C', long)]
    check: bool,
}

pub(super) async fn run(args: TrustArgs) -> Result<ExitCode, Problem> {
    let list = args.fingerprints.as_ref().map(read).transpose()?;
    let (mut field, visits, mut client, ui) = meet(&args.fleet).await?;
    let hashed = visits.iter().any(|visit| visit.host.ssh.hash_known_hosts);
    let mut refused = 0;
    // Hosts behind a new jump host can be seen only once it is trusted: one list more for each hop.
    loop {
        let record: Arc<dyn KeyRecord> = client;
        let contacts = first_contact(&field, Arc::clone(&record), &visits).await;
        show(&ui, &contacts, list.as_ref(), args.fleet.show.json);
        let (approved, others): (Vec<_>, Vec<_>) = contacts.newcomers.iter().partition(|(newcomer, _)| {
            opinion(list.as_ref(), newcomer).is_none_or(|o| o == Opinion::Approved)
        });
        refused += others.len();
        if !approved.is_empty() && !args.check {
            if !args.yes {
                let question = format!("Record the keys of {} as shown?", hosts(approved.len()));
                confirm(&ui, &question, "compare the list, then give --fingerprints FILE and --yes")?;
            }
            let strangers: Vec<Stranger> = approved.iter().map(|(_, stranger)| stranger.clone()).collect();
            record.record(&strangers, hashed).await.map_err(|error| Problem::failed(error.message))?;
            ui.err(&format!("recorded: {}\n", hosts(strangers.len())));
            if contacts.behind > 0 {
                // A client does not ask a jump host again that it has refused; a fresh one does.
                let clock: Arc<dyn Clock> = Arc::new(SystemClock);
                client = ssh(&ui, &clock);
                field.transport = Arc::clone(&client) as Arc<dyn Transport>;
                continue;
            }
        }
        return Ok(ExitCode::from(match () {
            () if refused > 0 || !contacts.changed.is_empty() => 2,
            () if !contacts.failed.is_empty() || contacts.behind > 0 => 4,
            () => 0,
        }));
    }
}

fn read(path: &PathBuf) -> Result<Fingerprints, Problem> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Problem::failed(format!("{name}: {error}")))?;
    Fingerprints::parse(&name, &text).map_err(Problem::failed)
}

fn opinion(list: Option<&Fingerprints>, newcomer: &Newcomer) -> Option<Opinion> {
    list.map(|list| list.opinion(newcomer))
}

const fn words(opinion: Opinion) -> &'static str {
    match opinion {
        Opinion::Approved => "as listed",
        Opinion::Contradicted => "NOT THE LISTED KEY, refused",
        Opinion::Missing => "not listed, refused",
    }
}

fn show(ui: &Ui, contacts: &Contacts, list: Option<&Fingerprints>, json: bool) {
    let newcomers: Vec<Newcomer> = contacts.newcomers.iter().map(|(newcomer, _)| newcomer.clone()).collect();
    if json {
        ui.out(&as_json(contacts, list));
    } else if newcomers.is_empty() {
        ui.out(&format!("nobody new: {} on record\n", hosts(contacts.known)));
    } else {
        let row = |one: &Newcomer| {
            let cells = [&one.name, &one.at, &one.algorithm, &one.fingerprint].map(|cell| for_terminal(cell));
            cells.into_iter().chain(list.map(|list| words(list.opinion(one)).to_owned())).collect()
        };
        let rows: Vec<Vec<String>> = newcomers.iter().map(row).collect();
        ui.out(&table::render(&["host", "address", "type", "fingerprint"].map(str::to_owned), &rows));
    }
    for names in twins(&newcomers) {
        ui.err(&for_terminal(&format!(
            "warning: {} show one and the same key: copies of one image? Whoever has one of them can pass for all; \
             give each a key of its own",
            names.join(", ")
        )));
        ui.err("\n");
    }
    for (host, why) in contacts.failed.iter().chain(&contacts.changed) {
        ui.err(&format!("{host}: {}\n", for_terminal(why)));
    }
    if contacts.behind > 0 {
        ui.err(&format!("{} can be seen only through new jump hosts\n", hosts(contacts.behind)));
    }
}

fn as_json(contacts: &Contacts, list: Option<&Fingerprints>) -> String {
    let newcomer = |(one, _): &(Newcomer, Stranger)| {
        serde_json::json!({
            "host": one.name, "address": one.at, "type": one.algorithm, "fingerprint": one.fingerprint,
            "refused": opinion(list, one).is_some_and(|opinion| opinion != Opinion::Approved),
        })
    };
    let reasons = |all: &[(crate::core::model::HostName, String)]| {
        let one = |(host, why): &(_, String)| serde_json::json!({"host": host, "why": why});
        all.iter().map(one).collect::<Vec<_>>()
    };
    let document = serde_json::json!({
        "new": contacts.newcomers.iter().map(newcomer).collect::<Vec<_>>(),
        "known": contacts.known,
        "behind_new_jump_hosts": contacts.behind,
        "failed": reasons(&contacts.failed),
        "changed": reasons(&contacts.changed),
    });
    format!("{document}\n")
}
