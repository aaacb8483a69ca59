//! A change of a host under the host's own guard: change, confirm over a new connection, and again for the files.
//!
//! The host's word is the truth: what it says it has confirmed stays, what it says it has taken back is not there. Must never
//! confirm over the connection that made the change.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::HostTask;
use super::configure::{NoReport, Told};
use crate::core::observed::applied::parse_apply;
use crate::core::observed::guarded::GuardState;
use crate::core::observed::{ApplyEnd, ApplyReport};
use crate::core::template::{ApplyParams, Phase};

/// A timeout for which the times below are meant; with a shorter one they shrink alike.
const USUAL: Duration = Duration::from_secs(180);
/// When a new connection is tried, in seconds after the change.
const TRIES: [u32; 9] = [1, 3, 7, 15, 30, 60, 120, 240, 480];
/// So many seconds before the host acts nobody tries any more, so that the two never race on purpose.
const MARGIN: u32 = 15;
/// The host is late by at most so much, and its answer may take a moment.
const LATE: Duration = Duration::from_secs(2);
/// Pauses between looks at a host that cannot be reached.
const LOOKS: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(30)];

/// What is said of a change that is not there any more. The reason follows, always.
const TAKEN_BACK: &str = "rolled-back: the host has taken the change back";
/// That reason where nobody knows a better one.
const NOT_IN_TIME: &str = "it was not confirmed in time";

/// What became of a change.
pub(super) enum Ending {
    /// Confirmed, and there for good.
    Done,
    /// The host is as it was.
    Refused(String),
    /// It could not be found out, or not all of it could be taken back.
    Unknown(String),
}

/// What to do next.
enum Turn {
    Ended(Ending),
    /// The host has taken the change back; whether everything is as it was, and what it says to that.
    TakenBack {
        whole: bool,
        told: String,
    },
    /// Confirm this guard, which waits still for so long from that moment on.
    Confirm(u8, Duration, Instant),
    /// The guard is gone with a boot: begin again.
    Gone(String),
    /// The host's answer is missing.
    Silent(String),
}

/// Makes a change and sees it through to the host's last word.
pub(super) async fn run(task: &HostTask, params: ApplyParams<'_>) -> Ending {
    let timeout = Duration::from_secs(params.guard.seconds.into());
    let change = Change { task, params, timeout };
    let mut reason = String::new();
    // A boot in the window, or an answer that got lost with the guard: twice is more than chance.
    for attempt in 0..3 {
        let mut turn = change.begin(task.again || attempt > 0).await;
        if attempt > 0 {
            // A boot may have brought back what the files of the attempt before say.
            turn = match turn {
                Turn::Ended(Ending::Refused(reason)) => Turn::Ended(Ending::Unknown(reason)),
                Turn::TakenBack { told, .. } => Turn::TakenBack { whole: false, told },
                turn => turn,
            };
        }
        match change.through(turn).await {
            Ok(ending) => return ending,
            Err(why) => reason = why,
        }
    }
    Ending::Unknown(reason)
}

/// Confirms what a process that is gone has left armed, by new connections, and sees that through. Refuses, and changes
/// nothing, where nothing waits to be confirmed or not everything of it has been brought about.
pub(super) async fn confirm(task: &HostTask, params: ApplyParams<'_>) -> Ending {
    let timeout = Duration::from_secs(params.guard.seconds.into());
    let change = Change { task, params, timeout };
    let guards = match task.guards().await {
        Ok(guards) => guards,
        Err(reason) => return Ending::Unknown(format!("its guard could not be looked at: {reason}")),
    };
    let Some(guard) = guards.standing.into_iter().find(|guard| guard.tx == params.guard.tx) else {
        return Ending::Refused(
            "the host has no guard of this run: it is confirmed, or taken back, or gone with a boot"
                .to_owned(),
        );
    };
    let turn = match (guard.state, guard.end) {
        (GuardState::Armed { .. }, _) if guard.busy => {
            return Ending::Refused("a process of the run is at work on the host".to_owned());
        }
        (GuardState::Armed { left, .. }, _) if !guard.whole => {
            let left = left.as_secs();
            let why = "the change was cut off half-way";
            return Ending::Refused(format!("{why}; the host takes it back by itself in {left} s"));
        }
        (GuardState::Armed { generation, left }, _) => Turn::Confirm(generation, left, Instant::now()),
        (GuardState::Confirmed, _) => Turn::Silent("the host has confirmed the change".to_owned()),
        (GuardState::RolledBack, Some(end)) => return taken_back(end.complete, &end.told, NOT_IN_TIME),
        (GuardState::RolledBack, None) => {
            return Ending::Refused("the host is taking the change back".to_owned());
        }
    };
    change.through(turn).await.unwrap_or_else(Ending::Refused)
}

struct Change<'a> {
    task: &'a HostTask,
    params: ApplyParams<'a>,
    timeout: Duration,
}

impl Change<'_> {
    fn script(&self, phase: Phase) -> Result<String, String> {
        let params = ApplyParams { phase, ..self.params };
        self.task.world.templates.apply_script(&params).map_err(|error| error.to_string())
    }

    /// Follows a change to its end.
    ///
    /// # Errors
    /// The guard is gone with a boot, and why that is thought.
    async fn through(&self, mut turn: Turn) -> Result<Ending, String> {
        loop {
            turn = match turn {
                Turn::Ended(ending) => return Ok(ending),
                Turn::TakenBack { whole, told } => return Ok(taken_back(whole, &told, NOT_IN_TIME)),
                Turn::Gone(why) => return Err(why),
                Turn::Confirm(generation, left, since) => self.confirm(generation, left, since).await,
                Turn::Silent(why) => match self.look().await {
                    Ok(turn) => because(turn, &why),
                    // Whatever it has begun, it takes back.
                    Err(_) => self.settle(why, Instant::now() + self.timeout).await,
                },
            };
        }
    }

    /// Arms the guard and makes the change that does not outlive a boot.
    async fn begin(&self, again: bool) -> Turn {
        let script = match self.script(Phase::Change { again }) {
            Ok(script) => script,
            Err(reason) => return Turn::Ended(Ending::Refused(reason)),
        };
        match self.task.change(&script, parse_apply).await {
            Ok(Told { report, is_all }) => match turn(report) {
                // An execution that was cut off half-way may have done more than this one tells of.
                Turn::Ended(Ending::Refused(reason)) if !is_all => Turn::Ended(Ending::Unknown(reason)),
                turn => turn,
            },
            Err(NoReport::NotRun(reason)) => Turn::Ended(Ending::Refused(reason)),
            Err(NoReport::Unknown(reason)) => Turn::Silent(reason),
        }
    }

    /// Tries to reach the host by a new connection, and says so to it over that connection.
    async fn confirm(&self, generation: u8, left: Duration, since: Instant) -> Turn {
        let script = self.script(Phase::Confirm { generation });
        let script = match script.and_then(|script| self.task.once(&script)) {
            Ok(script) => script,
            Err(reason) => return self.settle(reason, since + left).await,
        };
        let mut why = String::new();
        for after in tries(self.timeout, left) {
            sleep_until(since + after).await;
            match self.task.ask(&script, parse_apply).await {
                Ok((report, _)) => match settled(report) {
                    Ok(Turn::Confirm(armed, ..)) if armed == generation => {
                        "the host has not taken the confirmation".clone_into(&mut why);
                    }
                    Ok(turn) => {
                        if why.is_empty() && matches!(turn, Turn::TakenBack { .. }) {
                            why = late(Instant::now() - since);
                        }
                        return because(turn, &why);
                    }
                    Err(reason) => why = reason,
                },
                Err(NoReport::NotRun(reason) | NoReport::Unknown(reason)) => why = reason,
            }
        }
        if why.is_empty() {
            "there was no time left for one".clone_into(&mut why);
        }
        self.settle(format!("not confirmed by a new connection: {why}"), since + left).await
    }

    /// What has become of the change, by the host.
    async fn look(&self) -> Result<Turn, String> {
        let script = self.script(Phase::Look)?;
        match self.task.change(&script, parse_apply).await {
            Ok(told) => settled(told.report),
            Err(NoReport::NotRun(reason) | NoReport::Unknown(reason)) => Err(reason),
        }
    }

    /// Nobody confirms any more: the host takes the change back at that moment, and tells so afterwards.
    async fn settle(&self, why: String, until: Instant) -> Turn {
        let mut last = why.clone();
        sleep_until(until + LATE).await;
        for pause in LOOKS {
            sleep(pause).await;
            match self.look().await {
                Ok(Turn::Confirm(_, left, _)) => sleep(left + LATE).await,
                Ok(turn) => return because(turn, &why),
                Err(reason) => last = reason,
            }
        }
        Turn::Ended(Ending::Unknown(format!("{why}; then: {last}")))
    }
}

/// What the host's answer asks for.
fn turn(report: ApplyReport) -> Turn {
    match (report.end, report.guard) {
        (ApplyEnd::Ok, None | Some(GuardState::Confirmed)) => Turn::Ended(Ending::Done),
        (ApplyEnd::Ok, Some(GuardState::Armed { generation, left })) => {
            Turn::Confirm(generation, left, Instant::now())
        }
        (ApplyEnd::Ok, Some(GuardState::RolledBack)) => Turn::TakenBack { whole: true, told: String::new() },
        (ApplyEnd::Reverted { code, detail }, _) if code == "rolled-back" => {
            Turn::TakenBack { whole: true, told: told(&detail) }
        }
        (ApplyEnd::NotReverted { code, detail }, _) if code == "rolled-back" => {
            Turn::TakenBack { whole: false, told: told(&detail) }
        }
        (ApplyEnd::Reverted { code, detail } | ApplyEnd::NotReverted { code, detail }, _)
            if code == "gone" =>
        {
            Turn::Gone(format!("{code}: {detail}"))
        }
        (ApplyEnd::Reverted { code, detail }, _) => Turn::Ended(Ending::Refused(format!("{code}: {detail}"))),
        (ApplyEnd::NotReverted { code, detail }, _) => {
            Turn::Ended(Ending::Unknown(format!("{code}: {detail}")))
        }
    }
}

/// The same after a change that may be there: that a script has failed, and has itself changed nothing, does not say that the
/// change was taken back. Only the guard says so.
fn settled(report: ApplyReport) -> Result<Turn, String> {
    match (&report.end, report.guard) {
        (
            ApplyEnd::Reverted { code, detail },
            None | Some(GuardState::Armed { .. } | GuardState::Confirmed),
        ) if code != "gone" => Err(format!("{code}: {detail}")),
        _ => Ok(turn(report)),
    }
}

/// What the way back has told, behind the words that are said here as well.
fn told(detail: &str) -> String {
    detail.split_once(':').map(|(_, told)| told.trim().to_owned()).unwrap_or_default()
}

/// The end of a change that is not there any more, with the reason.
fn taken_back(whole: bool, told: &str, why: &str) -> Ending {
    let told = if told.is_empty() { String::new() } else { format!(" ({told})") };
    let reason = format!("{TAKEN_BACK}{told}; {why}");
    if whole { Ending::Refused(reason) } else { Ending::Unknown(reason) }
}

/// Why a host has taken its change back, as far as it is known here.
fn because(turn: Turn, why: &str) -> Turn {
    match turn {
        Turn::TakenBack { whole, told } if !why.is_empty() => Turn::Ended(taken_back(whole, &told, why)),
        Turn::Ended(Ending::Refused(reason)) if !why.is_empty() => {
            Turn::Ended(Ending::Refused(format!("{reason}; {why}")))
        }
        turn => turn,
    }
}

/// The reason where the first confirmation that was heard of has met the rollback.
fn late(after: Duration) -> String {
    let after = after.as_secs_f64();
    format!(
        "the first new connection that reached it had its answer {after:.1} s after the change, too late to confirm"
    )
}

/// When to try, counted from the moment at which the guard waits still for `left`.
fn tries(timeout: Duration, left: Duration) -> impl Iterator<Item = Duration> {
    let scaled = move |seconds: u32| {
        let usual = Duration::from_secs(seconds.into());
        if timeout < USUAL { usual.mul_f64(timeout.as_secs_f64() / USUAL.as_secs_f64()) } else { usual }
    };
    let end = left.saturating_sub(scaled(MARGIN));
    TRIES.into_iter().map(scaled).take_while(move |after| *after < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(timeout: u64, left: u64) -> Vec<f64> {
        let tries = tries(Duration::from_secs(timeout), Duration::from_secs(left));
        tries.map(|after| (after.as_secs_f64() * 100.0).round() / 100.0).collect()
    }

    #[test]
    fn a_new_connection_is_tried_early_and_never_at_the_last_moment() {
        assert_eq!(seconds(180, 180), [1.0, 3.0, 7.0, 15.0, 30.0, 60.0, 120.0]);
        assert_eq!(seconds(600, 600), [1.0, 3.0, 7.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0]);
        assert_eq!(seconds(180, 40), [1.0, 3.0, 7.0, 15.0]);
        assert_eq!(seconds(180, 10), [0.0; 0]);
        assert_eq!(seconds(3, 3), [0.02, 0.05, 0.12, 0.25, 0.5, 1.0, 2.0]);
    }
}
