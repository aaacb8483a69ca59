//! Doing and undoing one step, and telling truthfully what came of it: done, refused, or unknown.
//!
//! Every step looks before it repeats anything: an answer that got lost is settled by the state of the world.

mod cloud;
mod configure;
mod eip;
mod guard;
mod settle;

use std::sync::Arc;

use super::lease::Hold;
use crate::core::inventory::HostDesired;
use crate::core::model::InstanceId;
use crate::core::observed::Facts;
use crate::core::plan::{Known, Op, Other};
use crate::core::saga::Effect;
use crate::engine::World;
use crate::ports::HostKey;

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is so, and this is what it brought.
    Done(Effect),
    /// It had no effect and will not have one.
    Refused(String),
    /// It may or may not have had its effect.
    Unknown(String),
}

/// One host's part of a run.
#[derive(Clone)]
pub(super) struct HostTask {
    pub(super) world: World,
    /// Shared, as what was seen of it is: a task is copied often, for its lease among others.
    pub(super) host: Arc<HostDesired>,
    /// The run's id, which seeds the tokens of API calls.
    pub(super) run: String,
    /// The host as it was looked at; it refuses to write `rc.local` if that is not so any more.
    pub(super) facts: Option<Arc<Facts>>,
    /// The key the host has shown on its management address.
    pub(super) key: Option<HostKey>,
    /// Its primary private address.
    pub(super) primary_ip: std::net::Ipv4Addr,
    /// The address it is managed by.
    pub(super) address: std::net::Ipv4Addr,
    /// Whether what is asked for may have been sent before, by a process that is gone and took the answer with it.
    pub(super) again: bool,
    /// How often somebody has asked to try again what a human was needed for.
    pub(super) retries: u32,
    /// The addresses its own traffic must leave from afterwards.
    pub(super) egress: Vec<std::net::Ipv4Addr>,
    /// The lease under which it is changed, once it is claimed.
    pub(super) lease: Option<Arc<Hold>>,
}

impl HostTask {
    /// Does a step other than the probes.
    pub(super) async fn perform(&self, op: &Op, known: &Known) -> Answer {
        if let Some(reason) = self.world.cutovers.closed().filter(|_| !self.again && begins_something(op)) {
            return Answer::Refused(format!("not begun, because {reason}"));
        }
        match op {
            Op::MakePostPaid { instance } => self.make_post_paid(instance).await,
            Op::ConvertPublicIp { instance, address } => self.convert(instance, *address).await,
            Op::CreateEni { .. } => self.create_eni(op).await,
            Op::AttachEni { instance } => self.attach_eni(instance, known).await,
            Op::Configure { route, other } => self.configure(route, other.as_ref()).await,
            Op::UnassociateEip { from, private_ip } => match self.lease.as_ref().and_then(|hold| hold.lost())
            {
                // Whoever has the host now may build on what was done: it stays, and the EIP where it is.
                Some(reason) => Answer::Unknown(format!("the lease on the host was lost ({reason})")),
                None => self.unassociate(known, from, *private_ip).await,
            },
            Op::AssociateEip => self.associate(known).await,
            Op::Verify => Answer::Done(Effect::Nothing),
        }
    }

    /// Takes a step back. `Ok` carries what cannot be taken back, for people.
    pub(super) async fn undo(
        &self,
        op: &Op,
        effect: &Effect,
        known: &Known,
    ) -> Result<Option<String>, String> {
        match op {
            Op::MakePostPaid { .. } => Ok(Some("it stays pay-as-you-go".to_owned())),
            Op::ConvertPublicIp { address, .. } => {
                Ok(Some(format!("{address} stays an EIP: there is no way back to a static public address")))
            }
            Op::CreateEni { instance, .. } => self.delete_eni(instance, known).await,
            Op::AttachEni { instance } => self.detach_eni(instance, known).await,
            Op::Configure { route, .. } => self.revert(route, effect).await,
            Op::UnassociateEip { from, private_ip } => self.give_back(known, from, *private_ip).await,
            Op::AssociateEip => self.take_off(known).await,
            Op::Verify => Ok(None),
        }
    }

    /// A token for what is tried anew: the cloud may answer the old one with its old success and do nothing. Only where the
    /// world was looked at and a request that arrives twice is refused.
    fn fresh_token(&self, step: &str) -> String {
        if self.retries == 0 { self.token(step) } else { self.token(&format!("{step} {}", self.retries)) }
    }

    fn token(&self, step: &str) -> String {
        token(&self.run, &self.host.instance, step)
    }
}

/// The step that a host's guard is named by: each route of a host has a guard of its own.
pub(super) fn guard_of(other: Option<&Other>) -> String {
    other.map_or_else(|| "guard".to_owned(), |other| format!("guard {}", other.eni))
}

/// A `ClientToken`: the same for the same step of the same host in the same run, and at most 64 ASCII characters.
pub(super) fn token(run: &str, instance: &InstanceId, step: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{run}|{instance}|{step}"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the step brings a host closer to being cut off, or cuts it off. What binds an EIP again is none of these.
const fn begins_something(op: &Op) -> bool {
    matches!(
        op,
        Op::MakePostPaid { .. }
            | Op::ConvertPublicIp { .. }
            | Op::CreateEni { .. }
            | Op::AttachEni { .. }
            | Op::UnassociateEip { .. }
    )
}
