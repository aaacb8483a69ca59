//! Faults on demand: which of them hit a call, by the rules of a fault file and the lab's dice.
//!
//! Decides only; what is decided is carried out where the call is answered and where its transition runs. The same file,
//! seed and order of calls give the same faults.

mod amount;
mod codes;
mod file;
mod subject;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use amount::{Chance, Nth, Span, Time};
pub use file::{
    ActionGlob, Code, Delays, Effect, FailedTokens, FaultFile, Garbage, GarbageBody, Kind, Quota, Quotas,
    Refusal, Rule, Slow, Stuck,
};
pub(super) use subject::Subjects;

use super::errors::ApiError;
use super::tuning::dice;
use crate::core::inventory::glob::glob_matches;

/// How a call ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Ending {
    /// As the cloud has it.
    #[default]
    Honest,
    /// With this error, without effect.
    Refused(ApiError),
    /// Without effect and without an answer.
    LostRequest,
    /// Without an answer.
    LostAnswer,
    /// Without effect, by a reset of the connection.
    Reset,
    /// With something that is no answer.
    Garbage(Garbage),
}

/// How the transition goes that a call begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Course {
    /// It lasts so long.
    pub(super) takes: Option<Duration>,
    /// It hangs.
    pub(super) stuck: Option<Hold>,
    /// It ends where it began.
    pub(super) fails: bool,
    /// What is created is not found for so long.
    pub(super) hidden: Option<Duration>,
}

/// How a transition hangs: for good if nothing ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    /// Until a call was repeated so often.
    pub(super) repeats: Option<u32>,
    /// For so long.
    pub(super) time: Option<Duration>,
}

/// All that happens to one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// Waits before its effect.
    pub(super) before: Duration,
    /// Waits after it.
    pub(super) after: Duration,
    /// How it ends.
    pub(super) ending: Ending,
    /// A read sees what was so then.
    pub(super) stale: Option<Duration>,
    /// A list is shuffled by this number.
    pub(super) shuffle: Option<u64>,
    /// It is delivered again so much later.
    pub(super) again: Option<Duration>,
    /// The transition it begins.
    pub(super) course: Course,
    /// The rules that made it so, for the log.
    pub(super) names: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    matched: u32,
    fired: u32,
    window: (u128, u32),
}

/// A fault file at work.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) file: FaultFile,
    seed: u64,
    since: Instant,
    counts: Mutex<(Vec<Count>, u64)>,
}

/// A call as the rules see it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) action: &'a str,
    pub(super) write: bool,
    pub(super) subjects: &'a Subjects,
}

impl Faults {
    /// Begins now.
    pub(super) fn new(file: FaultFile, seed: u64) -> Self {
        let seed = file.seed.unwrap_or(seed) ^ 0xfa_u64.rotate_right(8);
        let counts = Mutex::new((vec![Count::default(); file.rules.len()], 0));
        Self { file, seed, since: Instant::now(), counts }
    }

    /// The longest that a read may look back.
    pub(super) fn memory(&self) -> Option<Duration> {
        let by = self.file.rules.iter().filter_map(|rule| match &rule.effect {
            Effect::Stale { by } => Some(by.most),
            _ => None,
        });
        by.max()
    }

    /// What happens to this call; it is counted by every rule that it matches.
    pub(super) fn fate(&self, call: &Call<'_>) -> Fate {
        let mut fate = Fate::default();
        let elapsed = self.since.elapsed();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (counts, rolls) = &mut *counts;
        for (number, rule) in self.file.rules.iter().enumerate() {
            let Some(count) = counts.get_mut(number) else { continue };
            if !rule.is_about(call) {
                continue;
            }
            count.matched = count.matched.saturating_add(1);
            let mut roll = || {
                *rolls += 1;
                dice(self.seed, *rolls)
            };
            let due = rule.nth.is_none_or(|nth| nth.holds(count.matched))
                && rule.from.is_none_or(|from| elapsed >= from.0)
                && rule.until.is_none_or(|until| elapsed <= until.0)
                && rule.times.is_none_or(|times| count.fired < times)
                && rule.chance.is_none_or(|chance| chance.hits(roll()));
            if due && fate.take(rule, call, count, elapsed, roll) {
                count.fired += 1;
                let what = || format!("rule {} ({})", number + 1, rule.effect.word());
                fate.names.push(rule.name.clone().unwrap_or_else(what));
            }
        }
        fate
    }
}

impl Rule {
    fn is_about(&self, call: &Call<'_>) -> bool {
        let among = |glob: &Option<String>, names: &[String]| {
            glob.as_ref().is_none_or(|glob| names.iter().any(|name| glob_matches(glob, name)))
        };
        glob_matches(&self.action.0, call.action)
            && self.kind.is_none_or(|kind| (kind == Kind::Writes) == call.write)
            && among(&self.host, &call.subjects.hosts)
            && among(&self.resource, &call.subjects.ids)
    }
}

impl Effect {
    const fn word(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::Quota(_) => "quota",
            Self::LostRequest => "lost_request",
            Self::LostAnswer => "lost_answer",
            Self::Reset => "reset",
            Self::Garbage(_) => "garbage",
            Self::Slow(_) => "slow",
            Self::Stale { .. } => "stale",
            Self::Takes { .. } => "takes",
            Self::Stuck(_) => "stuck",
            Self::FallsBack => "falls_back",
            Self::Hidden { .. } => "hidden",
            Self::Twice { .. } => "twice",
            Self::Shuffled => "shuffled",
        }
    }
}

impl Fate {
    /// Takes a rule's effect in; `false` if it has none on this call, or an earlier rule has decided that already.
    fn take(
        &mut self,
        rule: &Rule,
        call: &Call<'_>,
        count: &mut Count,
        elapsed: Duration,
        mut roll: impl FnMut() -> u64,
    ) -> bool {
        match &rule.effect {
            Effect::Error(refusal) => self.end(Ending::Refused(refusal.error(call.action))),
            Effect::Quota(quota) => {
                let window = elapsed.as_millis() / quota.per.0.as_millis().max(1);
                if count.window.0 != window {
                    count.window = (window, 0);
                }
                count.window.1 = count.window.1.saturating_add(1);
                count.window.1 > quota.calls && self.end(Ending::Refused(quota.error(call.action)))
            }
            Effect::LostRequest => self.end(Ending::LostRequest),
            Effect::LostAnswer => self.end(Ending::LostAnswer),
            Effect::Reset => self.end(Ending::Reset),
            Effect::Garbage(garbage) => self.end(Ending::Garbage(garbage.clone())),
            Effect::Slow(slow) => {
                self.before += slow.request.map_or(Duration::ZERO, |span| span.draw(roll()));
                self.after += slow.answer.map_or(Duration::ZERO, |span| span.draw(roll()));
                true
            }
            Effect::Stale { by } => !call.write && set(&mut self.stale, by.draw(roll())),
            Effect::Shuffled => !call.write && set(&mut self.shuffle, roll()),
            Effect::Twice { after } => call.write && set(&mut self.again, after.draw(roll())),
            Effect::Takes { time } => call.write && set(&mut self.course.takes, time.draw(roll())),
            Effect::Hidden { time } => call.write && set(&mut self.course.hidden, time.draw(roll())),
            Effect::FallsBack => call.write && !std::mem::replace(&mut self.course.fails, true),
            Effect::Stuck(stuck) => {
                let time = stuck.time.map(|span| span.draw(roll()));
                call.write && set(&mut self.course.stuck, Hold { repeats: stuck.repeats, time })
            }
        }
    }

    fn end(&mut self, ending: Ending) -> bool {
        let first = self.ending == Ending::Honest;
        if first {
            self.ending = ending;
        }
        first
    }
}

fn set<T>(slot: &mut Option<T>, value: T) -> bool {
    let first = slot.is_none();
    slot.get_or_insert(value);
    first
}

impl Refusal {
    fn error(&self, action: &str) -> ApiError {
        let status = self.status.or_else(|| codes::status(action, self.code.0)).unwrap_or(400);
        let message = self.message.clone().unwrap_or_else(|| "Refused by the lab's fault file.".to_owned());
        ApiError { status, code: self.code.0, message, retry_after: self.retry_after.map(|time| time.0) }
    }
}

impl Quota {
    fn error(&self, action: &str) -> ApiError {
        let usual = Refusal {
            code: Code("Throttling.User"),
            status: None,
            message: Some("Request was denied due to user flow control.".to_owned()),
            retry_after: None,
        };
        self.error.as_ref().unwrap_or(&usual).error(action)
    }
}
