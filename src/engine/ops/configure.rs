//! The step on the host: scripts that are run once, each over a connection of its own, and their typed answers.

use std::time::Duration;

use super::guard::{self, Ending};
use super::{Answer, HostTask, guard_of};
use crate::core::inventory::Form;
use crate::core::model::{MacAddr, Owner};
use crate::core::observed::applied::{parse_revert, parse_stage};
use crate::core::observed::guards::parse_guards;
use crate::core::observed::{ApplyEnd, ApplyReport, Facts, Guards, HostTextError};
use crate::core::plan::owner::FileChanges;
use crate::core::plan::route::{FileChange, HostChanges, HostObstacle, host_changes};
use crate::core::plan::{Other, RouteTarget, owner};
use crate::core::saga::Effect;
use crate::core::template::{
    APPLY_WAIT_SECONDS, ApplyParams, GuardParams, ONCE_FOLDER, OnceParams, Phase, RevertParams, StageParams,
};
use crate::engine::{MAX_OUTPUT, discover, script, target};
use crate::ports::{Exec, ExitStatus, Session, SshErrorKind};

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

    /// A new connection to the host that showed its key before.
    async fn connect(&self) -> Result<Box<dyn Session>, String> {
        let target = target::managed(&self.host, self.address).map_err(|error| error.to_string())?;
        let session = self.world.transport.connect(&target).await.map_err(|error| error.to_string())?;
        if self.key.as_ref().is_some_and(|key| key != session.host_key()) {
            session.close().await;
            return Err("another host key than before was shown".to_owned());
        }
        Ok(session)
    }

    /// One execution over a connection of its own, which nothing else has used or will use, to the host that showed its key
    /// before; also whether it gave the answer of an earlier execution.
    pub(super) async fn ask(
        &self,
        script: &str,
        parse: impl Fn(&[u8]) -> Result<ApplyReport, HostTextError>,
    ) -> Result<(ApplyReport, bool), NoReport> {
        let session = self.connect().await.map_err(NoReport::NotRun)?;
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
        let metric = match self.host.route.form {
            Form::Documented { metric } => metric,
            Form::Slash32 => 0,
        };
        let params = StageParams { mac, primary_ip: self.primary_ip, metric, seconds: STAGE_SECONDS };
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
    /// the files must still be as they were planned on.
    pub(super) async fn configure(&self, route: &RouteTarget, other: Option<&Other>) -> Answer {
        self.guarded(route, other, false).await
    }

    /// Only confirms what the host's guard waits for. Begins nothing, and changes nothing where nothing waits.
    pub(in crate::engine) async fn confirm(&self, route: &RouteTarget, other: Option<&Other>) -> Answer {
        self.guarded(route, other, true).await
    }

    /// The host's guards as they are.
    pub(super) async fn guards(&self) -> Result<Guards, String> {
        let script = self.world.templates.guards_script().map_err(|error| error.to_string())?;
        let session = self.connect().await.map_err(|error| error.to_string())?;
        let answer = script::run(&self.world, &self.host, session.as_ref(), "guards", script).await;
        session.close().await;
        parse_guards(&answer?).map_err(|error| error.to_string())
    }

    async fn guarded(&self, route: &RouteTarget, other: Option<&Other>, only_confirm: bool) -> Answer {
        let Some(facts) = &self.facts else {
            return Answer::Refused("the host was not looked at".to_owned());
        };
        // A first run of the script may have written files: then what was before is what they are without ours.
        let written = if self.again { owner::without_ours(facts, route).ok() } else { None };
        let changes = match self.changes(facts, route).await {
            Ok(changes) => changes,
            Err(obstacles) => {
                let reasons: Vec<String> = obstacles.into_iter().map(|obstacle| obstacle.what).collect();
                return Answer::Refused(reasons.join("; "));
            }
        };
        let HostChanges { files, reload, .. } = changes;
        // What an earlier run has written is looked at as well: a guard may have taken it back since the host was looked at.
        let (files, reload) = merged(written, files, reload);
        let (tx, seconds) = (self.token(&guard_of(other)), self.world.settings.confirm.as_secs());
        let guard = GuardParams { tx: &tx, seconds: u32::try_from(seconds).unwrap_or(u32::MAX) };
        let params = ApplyParams {
            route,
            files: &files,
            reload: &reload,
            wait_seconds: APPLY_WAIT_SECONDS,
            guard,
            phase: Phase::Look,
        };
        let ending =
            if only_confirm { guard::confirm(self, params).await } else { guard::run(self, params).await };
        match ending {
            Ending::Done => {
                // What a first try found nobody knows any more; an interface that was not there was not up.
                let link_was_up =
                    !self.again && facts.links.iter().any(|link| Some(link.mac) == route.mac && link.up);
                Answer::Done(Effect::Persisted { files, reload, link_was_up })
            }
            Ending::Refused(reason) => Answer::Refused(reason),
            Ending::Unknown(reason) => Answer::Unknown(reason),
        }
    }

    /// What has to change. Some owners' files have the device's name in them, which is not known before it is there: then it
    /// is waited for and looked at again. Files must still be as they were planned on.
    async fn changes(&self, facts: &Facts, route: &RouteTarget) -> Result<HostChanges, Vec<HostObstacle>> {
        let templates = &self.world.templates;
        let changes = host_changes(facts, route, templates)?;
        if !owner::is_preview(&changes.files) {
            return Ok(changes);
        }
        let end = tokio::time::Instant::now() + Duration::from_secs(u64::from(APPLY_WAIT_SECONDS));
        loop {
            let now = discover::look_again(&self.world, &self.host, self.address).await;
            if let Ok(mut now) = now {
                now.files.extend(facts.files.clone());
                now.rc_local = facts.rc_local.clone();
                let changes = host_changes(&now, route, templates)?;
                if !owner::is_preview(&changes.files) {
                    return Ok(changes);
                }
            }
            if tokio::time::Instant::now() >= end {
                return Err(vec![HostObstacle {
                    code: "no-device".to_owned(),
                    what: "the interface's device did not appear on the host".to_owned(),
                    why: "files that keep the route are named by it".to_owned(),
                    fix: "see whether the interface is attached".to_owned(),
                }]);
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    /// Takes the host's part back, also after a step of unknown outcome.
    pub(super) async fn revert(
        &self,
        route: &RouteTarget,
        effect: &Effect,
    ) -> Result<Option<String>, String> {
        let (files, reload) = match (effect.files(), &self.facts) {
            (Some(files), _) => files,
            (None, Some(facts)) => taken_back(owner::without_ours(facts, route)?),
            _ => return Err("the host was not looked at, and what the step did is not known".to_owned()),
        };
        let link_was_up = matches!(effect, Effect::Persisted { link_was_up: true, .. });
        let params = RevertParams { route, files: &files, reload: &reload, link_was_up };
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

/// What a step has changed in all, if an earlier run of it may have done some of it: what was before is what the earlier run
/// found.
fn merged(
    written: Option<FileChanges>,
    mut files: Vec<FileChange>,
    mut reload: Vec<Owner>,
) -> (Vec<FileChange>, Vec<Owner>) {
    let (earlier, owners) = written.map(taken_back).unwrap_or_default();
    for old in earlier {
        match files.iter_mut().find(|file| file.path == old.path) {
            Some(file) => (file.before, file.mode_before) = (old.before, old.mode_before),
            None => files.push(old),
        }
    }
    reload.extend(owners);
    reload.sort();
    reload.dedup();
    (files, reload)
}

/// Taking ours away, seen as what wrote it: for the revert, which takes back.
fn taken_back(changes: FileChanges) -> (Vec<FileChange>, Vec<Owner>) {
    let turned = |file: FileChange| FileChange {
        path: file.path,
        before: file.after,
        after: file.before,
        mode_before: file.mode_after,
        mode_after: file.mode_before,
    };
    (changes.files.into_iter().rev().map(turned).collect(), changes.reload)
}
