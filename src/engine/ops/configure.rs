//! The step on the host: one connection, one script, typed answer.

use super::{Answer, HostTask};
use crate::core::model::MacAddr;
use crate::core::observed::applied::{parse_apply, parse_revert, parse_stage};
use crate::core::observed::facts::RcLocal;
use crate::core::observed::{ApplyEnd, ApplyReport, HostTextError};
use crate::core::plan::route::host_changes;
use crate::core::plan::{RouteTarget, rc_local};
use crate::core::saga::Effect;
use crate::core::template::{APPLY_WAIT_SECONDS, ApplyParams, RevertParams, StageParams};
use crate::engine::{MAX_OUTPUT, target};
use crate::ports::{Exec, ExitStatus, SshErrorKind};

/// How long the watcher stays: longer than attaching and the wait for the device may take together.
const STAGE_SECONDS: u32 = 240;

/// Why a script that changes the host gave no report.
enum NoReport {
    /// It did not run.
    NotRun(String),
    /// It may have run, in part or in whole.
    Unknown(String),
}

impl HostTask {
    /// Runs a script that changes the host, over a connection of its own.
    async fn change(
        &self,
        script: String,
        parse: impl Fn(&[u8]) -> Result<ApplyReport, HostTextError>,
    ) -> Result<ApplyReport, NoReport> {
        let target =
            target::managed(&self.host, self.address).map_err(|error| NoReport::NotRun(error.to_string()))?;
        let session = self
            .world
            .transport
            .connect(&target)
            .await
            .map_err(|error| NoReport::NotRun(error.to_string()))?;
        let exec = Exec {
            script,
            sudo: self.host.ssh.user != "root",
            wall: self.world.settings.change,
            max_output: MAX_OUTPUT,
        };
        let output = session.exec(&exec).await;
        session.close().await;
        let output = output.map_err(|error| match error.kind {
            SshErrorKind::Lost | SshErrorKind::Timeout | SshErrorKind::Protocol => {
                NoReport::Unknown(error.to_string())
            }
            _ => NoReport::NotRun(error.to_string()),
        })?;
        parse(&output.stdout).map_err(|error| {
            let ended = match &output.status {
                ExitStatus::Code(code) => format!("exit code {code}"),
                ExitStatus::Signal(name) => format!("signal {name}"),
            };
            NoReport::Unknown(format!("{error} ({ended})"))
        })
    }

    /// Leaves a watcher on the host that keeps the main table the primary's while the interface is plugged in.
    pub(super) async fn stage(&self, mac: MacAddr) -> Result<(), String> {
        let params = StageParams { mac, primary_ip: self.primary_ip, seconds: STAGE_SECONDS };
        let script = self.world.templates.stage_script(&params).map_err(|error| error.to_string())?;
        match self.change(script, parse_stage).await {
            Ok(ApplyReport { end: ApplyEnd::Ok, .. }) => Ok(()),
            Ok(ApplyReport {
                end: ApplyEnd::Reverted { code, detail } | ApplyEnd::NotReverted { code, detail },
                ..
            }) => Err(format!("{code}: {detail}")),
            Err(NoReport::NotRun(reason) | NoReport::Unknown(reason)) => Err(reason),
        }
    }

    /// Brings the host to the target. The script looks at everything again and is idempotent, so an answer that got lost
    /// is settled by running it once more; `rc.local` must still be as it was planned on.
    pub(super) async fn configure(&self, route: &RouteTarget) -> Answer {
        let Some(facts) = &self.facts else {
            return Answer::Refused("the host was not looked at".to_owned());
        };
        // A first run of the script may have written the block: then what was before is the file without it.
        let written = if self.again { without_ours(&facts.rc_local).ok() } else { None };
        let change = match host_changes(facts, route, &self.world.templates) {
            Ok(changes) => changes.rc_local,
            Err(obstacles) => {
                let reasons: Vec<String> = obstacles.into_iter().map(|obstacle| obstacle.what).collect();
                return Answer::Refused(reasons.join("; "));
            }
        };
        let params = ApplyParams { route, rc_local: change.as_ref(), wait_seconds: APPLY_WAIT_SECONDS };
        let script = match self.world.templates.apply_script(&params) {
            Ok(script) => script,
            Err(error) => return Answer::Refused(error.to_string()),
        };
        let mut report = self.change(script.clone(), parse_apply).await;
        let lost = matches!(report, Err(NoReport::Unknown(_)));
        if lost {
            report = self.change(script, parse_apply).await;
        }
        let (reason, without_effect) = match report {
            Ok(ApplyReport { end: ApplyEnd::Ok, .. }) => {
                let (before, after) = match (written, change) {
                    (Some((before, Some(now))), change) => {
                        (before, Some(change.map_or(now, |change| change.after)))
                    }
                    (_, change) => (facts.rc_local.clone(), change.map(|change| change.after)),
                };
                return Answer::Done(Effect::Configured { before, after });
            }
            Ok(ApplyReport { end: ApplyEnd::Reverted { code, detail }, .. }) => {
                (format!("{code}: {detail}"), true)
            }
            Ok(ApplyReport { end: ApplyEnd::NotReverted { code, detail }, .. }) => {
                (format!("{code}: {detail}"), false)
            }
            Err(NoReport::NotRun(reason)) => (reason, true),
            Err(NoReport::Unknown(reason)) => (reason, false),
        };
        // A second copy that did nothing says nothing of the first, whose answer got lost.
        if without_effect && !lost { Answer::Refused(reason) } else { Answer::Unknown(reason) }
    }

    /// Takes the host's part back, also after a step of unknown outcome.
    pub(super) async fn revert(
        &self,
        route: &RouteTarget,
        effect: &Effect,
    ) -> Result<Option<String>, String> {
        let (before, after) = match (effect, &self.facts) {
            (Effect::Configured { before, after }, _) => (before.clone(), after.clone()),
            (_, Some(facts)) => without_ours(&facts.rc_local)?,
            _ => return Err("the host was not looked at, and what the step did is not known".to_owned()),
        };
        let params = RevertParams { route, before: &before, after: after.as_deref() };
        let script = self.world.templates.revert_script(&params).map_err(|error| error.to_string())?;
        let mut report = self.change(script.clone(), parse_revert).await;
        if matches!(report, Err(NoReport::Unknown(_))) {
            report = self.change(script, parse_revert).await;
        }
        match report {
            Ok(ApplyReport { end: ApplyEnd::Ok, kept, .. }) => {
                Ok((!kept.is_empty()).then(|| kept.join("; ")))
            }
            Ok(ApplyReport {
                end: ApplyEnd::Reverted { code, detail } | ApplyEnd::NotReverted { code, detail },
                ..
            }) => Err(format!("{code}: {detail}")),
            Err(NoReport::NotRun(reason) | NoReport::Unknown(reason)) => Err(reason),
        }
    }
}

/// What `rc.local` should become again, and what it is, if what the step wrote is not on record: our block is cut out.
fn without_ours(now: &RcLocal) -> Result<(RcLocal, Option<String>), String> {
    if !now.content.as_deref().unwrap_or_default().contains(rc_local::BEGIN) {
        return Ok((now.clone(), None));
    }
    let text = rc_local::without_block(now).map_err(|obstacle| obstacle.what)?;
    Ok((RcLocal { content: Some(text), ..now.clone() }, now.content.clone()))
}
