//! Asking a host what the internet sees of it. Read-only.

use std::net::Ipv4Addr;

use super::ops::HostTask;
use super::{MAX_OUTPUT, target};
use crate::core::observed::probed::{ProbeReport, parse_probe};
use crate::core::report::Egress;
use crate::core::template::ProbeParams;
use crate::ports::{Exec, ExitStatus, Session, Target};

/// Limit for one question to an echo service, in seconds.
const ECHO_SECONDS: u32 = 5;

/// Runs the probe script over a fresh connection.
pub(super) async fn ask(
    task: &HostTask,
    target: &Target,
    eni: Option<Ipv4Addr>,
) -> Result<ProbeReport, String> {
    let session = task.world.transport.connect(target).await.map_err(|error| error.to_string())?;
    let report = ask_on(task, session.as_ref(), eni).await;
    session.close().await;
    report
}

async fn ask_on(
    task: &HostTask,
    session: &dyn Session,
    eni: Option<Ipv4Addr>,
) -> Result<ProbeReport, String> {
    let params = ProbeParams { echo: task.host.verify.echo.clone(), address: eni, seconds: ECHO_SECONDS };
    let script = task.world.templates.probe_script(&params).map_err(|error| error.to_string())?;
    let exec = Exec::script_as_root(script, &task.host.ssh.user, task.world.settings.look, MAX_OUTPUT);
    let output = session.exec(&exec).await.map_err(|error| error.to_string())?;
    match output.status {
        ExitStatus::Code(0) => parse_probe(&output.stdout, &params).map_err(|error| error.to_string()),
        ExitStatus::Code(code) => Err(format!("the probe script ended with exit code {code}")),
        ExitStatus::Signal(name) => Err(format!("the probe script was ended by signal {name}")),
    }
}

/// The addresses the host's own traffic leaves from now, one per echo service that answered; empty if it cannot be asked.
pub(super) async fn egress(task: &HostTask) -> Vec<Egress> {
    let Ok(target) = target::managed(&task.host, task.address) else { return Vec::new() };
    ask(task, &target, None).await.map(|report| answered(&report)).unwrap_or_default()
}

/// The answers of the echo services that answered.
pub(super) fn answered(report: &ProbeReport) -> Vec<Egress> {
    let answers = report.default.iter();
    answers
        .filter_map(|(url, answer)| answer.as_ref().ok().map(|ip| Egress { echo: url.clone(), address: *ip }))
        .collect()
}
