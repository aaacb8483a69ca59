//! The step on the host: scripts that are run once, each over a connection of its own, and their typed answers.

use std::time::Duration;

use super::guard::{self, Ending};
use super::{Answer, HostTask};
use crate::core::model::MacAddr;
use crate::core::observed::applied::{parse_revert, parse_stage};
use crate::core::observed::facts::RcLocal;
use crate::core::observed::{ApplyEnd, ApplyReport, HostTextError};
use crate::core::plan::route::{FileChange, host_changes};
use crate::core::plan::{RouteTarget, rc_local};
use crate::core::saga::Effect;
use crate::core::template::{
    APPLY_WAIT_SECONDS, ApplyParams, GuardParams, ONCE_FOLDER, OnceParams, Phase, RevertParams, StageParams,
};
use crate::engine::{MAX_OUTPUT, target};
use crate::ports::{Exec, ExitStatus, SshErrorKind};

/// How long the watcher stays: longer than attaching and the wait for the device may take together.
const STAGE_SECONDS: u32 = 240;

/// What the script says first if it gives an earlier execution's answer.
const READ: &[u8] = b"egressctl-once read";
/// After which pauses an answer that got lost is asked for again. A change of routes may take the network a moment.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15)];

/// Why a script that changes the host gave no report.
pub(super) enum NoReport {
    /// It did not run.
    NotRun(String),
    /// It may have run, in part or in whole.
    Unknown(String),
}

/// A report, and whether it tells of everything that was done: not if an earlier execution was cut off half-way.
pub(super) struct Told {
    pub(super) report: ApplyReport,
    pub(super) is_all: bool,
}

impl HostTask {
    /// Does a step on the host once. If the connection breaks, or the answer cannot be read, others ask for the answer.
    pub(super) async fn change(
        &self,
        step: &str,
        parse: impl Fn(&[u8]) -> Result<ApplyReport, HostTextError>,
    ) -> Result<Told, NoReport> {
        let script = self.once(step).map_err(NoReport::NotRun)?;
        let first = match self.ask(&script, &parse).await {
            Err(NoReport::Unknown(reason)) => reason,
            other => return other.map(|(report, _)| Told { report, is_all: true }),
        };
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            if let Ok((report, was_read)) = self.ask(&script, &parse).await {
                return Ok(Told { report, is_all: was_read });
            }
        }
        Err(NoReport::Unknown(first))
    }

    /// The script that does a step once, however often it is run.
    pub(super) fn once(&self, step: &str) -> Result<String, String> {
        let key = nonce().map_err(|error| format!("no random number: {error}"))?;
        let params = OnceParams { folder: ONCE_FOLDER, key: &key, step };
        self.world.templates.once_script(&params).map_err(|error| error.to_string())
    }

    /// One execution over a connection of its own, which nothing else has used or will use, to the host that showed its key
    /// before; also whether it gave the answer of an earlier execution.
    pub(super) async fn ask(
        &self,
        script: &str,
        parse: impl Fn(&[u8]) -> Result<ApplyReport, HostTextError>,
    ) -> Result<(ApplyReport, bool), NoReport> {
        let target =
            target::managed(&self.host, self.address).map_err(|error| NoReport::NotRun(error.to_string()))?;
        let session = self
            .world
            .transport
            .connect(&target)
            .await
            .map_err(|error| NoReport::NotRun(error.to_string()))?;
        if self.key.as_ref().is_some_and(|key| key != session.host_key()) {
            session.close().await;
            return Err(NoReport::NotRun("another host key than before was shown".to_owned()));
        }
        let exec = Exec::script_as_root(
            script.to_owned(),
            &self.host.ssh.user,
            self.world.settings.change,
            MAX_OUTPUT,
        );
        let output = session.exec(&exec).await;
        session.close().await;
        let output = output.map_err(|error| match error.kind {
            SshErrorKind::Lost | SshErrorKind::Timeout | SshErrorKind::Protocol => {
                NoReport::Unknown(error.to_string())
            }
            _ => NoReport::NotRun(error.to_string()),
        })?;
        let report = parse(&output.stdout).map_err(|error| {
            let ended = match &output.status {
                ExitStatus::Code(code) => format!("exit code {code}"),
                ExitStatus::Signal(name) => format!("signal {name}"),
            };
            NoReport::Unknown(format!("{error} ({ended})"))
        })?;
        Ok((report, output.stdout.split(|byte| *byte == b'\n').any(|line| line == READ)))
    }

    /// Leaves a watcher on the host that keeps the main table the primary's while the interface is plugged in.
    pub(super) async fn stage(&self, mac: MacAddr) -> Result<(), String> {
        let params = StageParams { mac, primary_ip: self.primary_ip, seconds: STAGE_SECONDS };
        let script = self.world.templates.stage_script(&params).map_err(|error| error.to_string())?;
        match self.change(&script, parse_stage).await.map(|told| told.report) {
            Ok(ApplyReport { end: ApplyEnd::Ok, .. }) => Ok(()),
            Ok(ApplyReport {
                end: ApplyEnd::Reverted { code, detail } | ApplyEnd::NotReverted { code, detail },
                ..
            }) => Err(format!("{code}: {detail}")),
            Err(NoReport::NotRun(reason) | NoReport::Unknown(reason)) => Err(reason),
        }
    }

    /// Brings the host to the target, under the host's own guard. The script looks at everything again and is idempotent;
    /// `rc.local` must still be as it was planned on.
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
        let file = change.clone().or_else(|| self.unchanged(&facts.rc_local, written.as_ref(), route));
        let (tx, seconds) = (self.token("guard"), self.world.settings.confirm.as_secs());
        let guard = GuardParams { tx: &tx, seconds: u32::try_from(seconds).unwrap_or(u32::MAX) };
        let params = ApplyParams {
            route,
            rc_local: file.as_ref(),
            wait_seconds: APPLY_WAIT_SECONDS,
            guard,
            phase: Phase::Look,
        };
        match guard::run(self, params).await {
            Ending::Done => {
                let (before, after) = match (written, change) {
                    (Some((before, Some(now))), change) => {
                        (before, Some(change.map_or(now, |change| change.after)))
                    }
                    (_, change) => (facts.rc_local.clone(), change.map(|change| change.after)),
                };
                Answer::Done(Effect::Configured { before, after })
            }
            Ending::Refused(reason) => Answer::Refused(reason),
            Ending::Unknown(reason) => Answer::Unknown(reason),
        }
    }

    /// A file that is as it should be, for the script to see that it still is: a guard may have taken it back since the host
    /// was looked at.
    fn unchanged(
        &self,
        now: &RcLocal,
        written: Option<&(RcLocal, Option<String>)>,
        route: &RouteTarget,
    ) -> Option<FileChange> {
        let content = now.content.clone().filter(|_| route.rc_local)?;
        let before = match written {
            Some((before, Some(_))) => before.content.clone(),
            _ => Some(content.clone()),
        };
        let (path, mode) = (now.path.clone(), now.mode);
        Some(FileChange { path, before, after: content, mode_before: mode, mode_after: mode })
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
        match self.change(&script, parse_revert).await.map(|told| told.report) {
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

/// What stands for one step on one host, and for no other.
fn nonce() -> Result<String, getrandom::Error> {
    Ok(format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?))
}

/// What `rc.local` should become again, and what it is, if what the step wrote is not on record: our block is cut out.
fn without_ours(now: &RcLocal) -> Result<(RcLocal, Option<String>), String> {
    if !now.content.as_deref().unwrap_or_default().contains(rc_local::BEGIN) {
        return Ok((now.clone(), None));
    }
    let text = rc_local::without_block(now).map_err(|obstacle| obstacle.what)?;
    Ok((RcLocal { content: Some(text), ..now.clone() }, now.content.clone()))
}
