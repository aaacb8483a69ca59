//! Whether what was seen is what is waited for: pure judgement with a memory.
//!
//! Odd looks are not enough for a refusal, because answers may be a moment old: what they say has to stay so for a while.

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
    /// The reason the last looks gave for a refusal, and when the first of them did.
    doubt: Option<(String, Duration)>,
}

impl Memory {
    /// A refusal only if all looks have said the same for `grace`; `waited` is the time now.
    pub(super) fn confirm(&mut self, verdict: Verdict, waited: Duration, grace: Duration) -> Verdict {
        match verdict {
            Verdict::Missed(why) => match &self.doubt {
                Some((same, since)) if *same == why && waited >= *since + grace => Verdict::Missed(why),
                Some((same, _)) if *same == why => Verdict::Pending,
                _ => {
                    self.doubt = Some((why, waited));
                    Verdict::Pending
                }
            },
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
