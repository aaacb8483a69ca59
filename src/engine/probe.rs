//! Asking a host what the internet sees of it. Read-only.

use std::net::Ipv4Addr;

use super::ops::HostTask;
use super::script;
use crate::core::observed::probed::{ProbeReport, parse_probe};
use crate::core::report::Egress;
use crate::core::template::ProbeParams;
use crate::ports::{Session, Target};

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

/// Runs the probe script over this connection.
pub(super) async fn ask_on(
    task: &HostTask,
    session: &dyn Session,
    eni: Option<Ipv4Addr>,
) -> Result<ProbeReport, String> {
    let params = ProbeParams { echo: task.host.verify.echo.clone(), address: eni, seconds: ECHO_SECONDS };
    let text = task.world.templates.probe_script(&params).map_err(|error| error.to_string())?;
    let answer = script::run(&task.world, &task.host, session, "probe", text).await?;
    parse_probe(&answer, &params).map_err(|error| error.to_string())
}

/// The answers of the echo services that answered.
pub(super) fn answered(report: &ProbeReport) -> Vec<Egress> {
    let answers = report.default.iter();
    answers
        .filter_map(|(url, answer)| answer.as_ref().ok().map(|ip| Egress { echo: url.clone(), address: *ip }))
        .collect()
}
