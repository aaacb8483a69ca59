//! Whether what was seen is what is waited for: pure judgement with a memory.
//!
//! One odd look is never enough, because answers may be some seconds old. A refusal takes looks that say the same for as long
//! as an answer may lag; that a goal is reached takes a second look only if the first one of all says so.

use std::time::Duration;

use super::settle::{is_converted, name};
use crate::core::observed::{ChargeType, Eip, EipStatus, Eni, EniStatus, Instance};
use crate::ports::{EipGoal, EniGoal, InstanceGoal};

/// What one look says about a goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is reached.
    Reached,
    /// It may still be reached.
    Pending,
    /// It will not be reached, for this reason.
    Missed(String),
}

/// What must be remembered between looks.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    /// It has been on its way.
    moving: bool,
    /// The reason that all looks since then have given for a refusal.
    doubt: Option<(String, Duration)>,
    /// Some look did not show the goal, or one did.
    looked: bool,
}

impl Memory {
    /// It was not there: whatever is seen from now on is new.
    pub(super) fn absent(&mut self) {
        self.looked = true;
        self.doubt = None;
    }

    /// What to believe: `waited` is how long it has been waited for, `span` how old an answer may be. A goal that can have
    /// held before what it waits for (`recurs`) is not believed from the first look alone.
    pub(super) fn confirm(
        &mut self,
        verdict: Verdict,
        recurs: bool,
        waited: Duration,
        span: Duration,
    ) -> Verdict {
        let first = !std::mem::replace(&mut self.looked, true);
        match verdict {
            Verdict::Missed(why) => {
                let since = match &self.doubt {
                    Some((same, since)) if *same == why => *since,
                    _ => waited,
                };
                let sure = self.doubt.is_some() && waited.saturating_sub(since) >= span;
                self.doubt = Some((why.clone(), since));
                if sure { Verdict::Missed(why) } else { Verdict::Pending }
            }
            Verdict::Reached if first && recurs => Verdict::Pending,
            other => {
                self.doubt = None;
                other
            }
        }
    }
}

/// Judges an instance.
pub(super) fn instance(goal: &InstanceGoal, it: &Instance) -> Verdict {
    let reached = match goal {
        InstanceGoal::PublicIpConverted => is_converted(it),
        InstanceGoal::PostPaid => it.charge_type == ChargeType::PostPaid,
    };
    if reached { Verdict::Reached } else { Verdict::Pending }
}

/// Judges an interface; `waited` is how long it has been waited for, `grace` how long it may take to begin to attach.
pub(super) fn eni(
    goal: &EniGoal,
    it: &Eni,
    memory: &mut Memory,
    waited: Duration,
    grace: Duration,
) -> Verdict {
    let here = |at| it.instance.as_ref() == Some(at);
    match (goal, &it.status) {
        (_, EniStatus::Deleting) => Verdict::Missed(format!("{} is being deleted", it.id)),
        (EniGoal::Available, EniStatus::Available) => Verdict::Reached,
        (EniGoal::Available, _) => Verdict::Pending,
        (EniGoal::InUse(at), EniStatus::InUse) if here(at) => Verdict::Reached,
        (EniGoal::InUse(_), EniStatus::InUse | EniStatus::Attaching | EniStatus::Detaching) => {
            memory.moving = true;
            match (&it.instance, goal) {
                (Some(other), EniGoal::InUse(at)) if other != at => {
                    Verdict::Missed(format!("{} is attached to {other}", it.id))
                }
                _ => Verdict::Pending,
            }
        }
        (EniGoal::InUse(at), EniStatus::Available) if memory.moving || waited > grace => {
            Verdict::Missed(format!("{} fell back to Available: it could not be attached to {at}", it.id))
        }
        (EniGoal::InUse(_), EniStatus::Available | EniStatus::Other(_)) => Verdict::Pending,
    }
}

/// Judges an EIP.
pub(super) fn eip(goal: &EipGoal, it: &Eip, memory: &mut Memory) -> Verdict {
    match (goal, &it.status, &it.holder) {
        (EipGoal::Available, EipStatus::Available, _) => Verdict::Reached,
        (EipGoal::BoundTo(at), EipStatus::InUse, Some(holder)) if holder == at => Verdict::Reached,
        (EipGoal::BoundTo(_), EipStatus::InUse, Some(holder)) => {
            Verdict::Missed(format!("{} is bound to {}", it.id, name(holder)))
        }
        (EipGoal::BoundTo(at), EipStatus::Available, _) if memory.moving => Verdict::Missed(format!(
            "{} fell back to Available: it could not be bound to {}",
            it.id,
            name(at)
        )),
        (EipGoal::BoundTo(_), EipStatus::Associating, _) => {
            memory.moving = true;
            Verdict::Pending
        }
        _ => Verdict::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(4);

    fn told(memory: &mut Memory, verdict: &Verdict, at_ms: u64) -> Verdict {
        memory.confirm(verdict.clone(), true, Duration::from_millis(at_ms), SPAN)
    }

    #[test]
    fn a_refusal_takes_looks_that_span_what_an_answer_may_lag() {
        let missed = Verdict::Missed("fell back".to_owned());
        let mut memory = Memory::default();
        for at in [100, 350, 600, 1600, 3000, 4099] {
            assert_eq!(told(&mut memory, &missed, at), Verdict::Pending, "{at}");
        }
        assert_eq!(told(&mut memory, &missed, 4100), missed);

        let mut memory = Memory::default();
        assert_eq!(told(&mut memory, &missed, 100), Verdict::Pending);
        assert_eq!(told(&mut memory, &Verdict::Pending, 3000), Verdict::Pending);
        assert_eq!(told(&mut memory, &missed, 5000), Verdict::Pending, "it begins anew");
        let other = Verdict::Missed("elsewhere".to_owned());
        assert_eq!(told(&mut memory, &other, 9500), Verdict::Pending, "so does another reason");
    }

    #[test]
    fn a_goal_is_believed_at_once_if_it_was_seen_to_come() {
        let mut memory = Memory::default();
        assert_eq!(told(&mut memory, &Verdict::Reached, 100), Verdict::Pending);
        assert_eq!(told(&mut memory, &Verdict::Reached, 350), Verdict::Reached);
        let mut memory = Memory::default();
        assert_eq!(told(&mut memory, &Verdict::Pending, 100), Verdict::Pending);
        assert_eq!(told(&mut memory, &Verdict::Reached, 350), Verdict::Reached);
        let first = Memory::default().confirm(Verdict::Reached, false, SPAN, SPAN);
        assert_eq!(first, Verdict::Reached, "nothing of the kind can have been before");
    }
}
