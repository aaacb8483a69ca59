//! What the verbs that end with a report share: interrupts, the report's files, and the exit code.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::fleet::Fleet;
use super::problem::Problem;
use crate::core::model::RunId;
use crate::core::report::{
    HostReport, Report, Verb, before_after_table, exit_code, to_html, to_json, to_junit, to_text,
};
use crate::engine::Stop;
use crate::ui::{Ui, table};

/// Exit code after SIGINT; SIGTERM's is 143.
const INTERRUPTED: u8 = 130;
const TERMINATED: u8 = 143;

/// A run that is at work.
pub(super) struct Running<'a> {
    pub(super) run: &'a RunId,
    /// A second process binds what is cut off if this one leaves.
    pub(super) watched: bool,
}

/// Runs `work` and heeds signals: the first asks to begin nothing new, the second gives up waiting (`Err`). What is left is
/// gone on with by resuming the run.
pub(super) async fn heeding<T>(
    fleet: &Fleet,
    Running { run, watched }: Running<'_>,
    work: impl Future<Output = T>,
) -> Result<(T, Option<u8>), ExitCode> {
    let cut = if watched {
        "a watchdog binds the EIPs that are bound to nothing now"
    } else {
        "EIPs may be bound to nothing until then"
    };
    let interrupted = format!(
        "interrupted: finishing what is begun, beginning nothing new (again to leave at once); \
         `egressctl resume {run}` goes on with the rest\n"
    );
    let left = format!("left at once; {cut}; to go on: egressctl resume {run}\n");
    heeding_by(&fleet.ui, &fleet.world.stop, [&interrupted, &left], work).await
}

/// The same with `words` for the first and the second signal.
pub(super) async fn heeding_by<T>(
    ui: &Ui,
    stop: &Stop,
    words: [&str; 2],
    work: impl Future<Output = T>,
) -> Result<(T, Option<u8>), ExitCode> {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return Ok((work.await, None));
    };
    tokio::pin!(work);
    let mut asked = None;
    loop {
        let code = tokio::select! {
            done = &mut work => return Ok((done, asked)),
            _ = interrupt.recv() => INTERRUPTED,
            _ = terminate.recv() => TERMINATED,
        };
        if asked.is_some() {
            ui.err(words[1]);
            return Err(ExitCode::from(code));
        }
        asked = Some(code);
        stop.ask();
        ui.err(words[0]);
    }
}

/// The report of a run that has just ended.
pub(super) fn report(
    fleet: &Fleet,
    run: Option<RunId>,
    verb: Verb,
    started_ms: i64,
    hosts: Vec<HostReport>,
) -> Report {
    Report {
        run,
        inventory: Some(fleet.inventory.clone()),
        verb,
        started_ms,
        finished_ms: fleet.world.clock.now_ms(),
        hosts,
        api_calls: fleet.world.cloud.calls(),
    }
}

/// Shows the report, writes it next to the journal and to the file asked for, and gives the exit code.
pub(super) fn conclude(
    fleet: &Fleet,
    report: &Report,
    json: bool,
    file: Option<&Path>,
) -> Result<ExitCode, Problem> {
    // Shown first: a full disk must not keep what happened from the one who asked for it.
    if json {
        fleet.ui.out(&to_json(report));
    } else {
        let (headers, rows) = before_after_table(report);
        fleet.ui.out(&table::render(&headers, &rows));
        fleet.ui.out(&format!("\n{}", to_text(report)));
    }
    if let Some(run) = &report.run {
        fleet.ui.err(&format!("report: {}\n", keep(fleet, run, report)?.display()));
    }
    if let Some(path) = file {
        write_report(path, report)?;
    }
    Ok(ExitCode::from(exit_code(report)))
}

fn keep(fleet: &Fleet, run: &RunId, report: &Report) -> Result<PathBuf, Problem> {
    let folder = fleet.state.join("runs").join(run.as_str());
    std::fs::create_dir_all(&folder)
        .map_err(|error| Problem::failed(format!("report folder {}: {error}", folder.display())))?;
    write_report(&folder.join("report.json"), report)?;
    let page = folder.join("report.html");
    write_report(&page, report)?;
    Ok(page)
}

/// Writes a report in the format its file name asks for: `.html`, `.txt`, `.xml` (JUnit), else JSON.
pub(super) fn write_report(path: &Path, report: &Report) -> Result<(), Problem> {
    let text = match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => to_html(report),
        Some("txt") => to_text(report),
        Some("xml") => to_junit(report),
        _ => to_json(report),
    };
    std::fs::write(path, text).map_err(|error| Problem::failed(format!("report {}: {error}", path.display())))
}
