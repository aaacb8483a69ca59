//! The steps of the EIP, and their undo: the only ones that cut anybody's way to the host.
//!
//! Must never take the EIP away from a holder that is not the one the step names.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::settle::{LOOK, undone};
use super::{Answer, HostTask};
use crate::core::observed::EipHolder;
use crate::core::plan::{Known, KnownEip};
use crate::core::saga::Effect;
use crate::ports::EipGoal;

/// Longest wait, generous against what public logs show (7 to 8 s).
const EIP: Duration = Duration::from_secs(120);

impl HostTask {
    /// Where the EIP is that may have been told to move before: `true` at the goal, `false` where the move begins. What is
    /// under way is waited for.
    ///
    /// # Errors
    /// It is at neither: somebody else has moved it, and it is left alone.
    async fn has_moved(&self, eip: &KnownEip, goal: &EipGoal, premise: &EipGoal) -> Result<bool, Answer> {
        tokio::select! {
            // Where both hold at once, what is wanted counts; and the same happens every time.
            biased;
            Ok(_) = self.world.cloud.await_eip(&eip.id, goal, EIP) => Ok(true),
            Ok(_) = self.world.cloud.await_eip(&eip.id, premise, EIP) => Ok(false),
            else => Err(Answer::Unknown(format!(
                "{} is neither {} nor {}: it was moved by somebody else, and is left alone",
                eip.address, place(goal), place(premise)
            ))),
        }
    }

    pub(super) async fn unassociate(
        &self,
        known: &Known,
        from: &EipHolder,
        private_ip: Option<Ipv4Addr>,
    ) -> Answer {
        match self.unbind(known, from, private_ip, "unassociate").await {
            Ok(()) => Answer::Done(Effect::Nothing),
            Err(answer) => answer,
        }
    }

    pub(super) async fn associate(&self, known: &Known) -> Answer {
        let Some((holder, private_ip)) = eni_holder(known) else {
            return Answer::Refused("the interface to bind the EIP to is not known".to_owned());
        };
        match self.bind(known, &holder, private_ip, "associate").await {
            Ok(()) => Answer::Done(Effect::Nothing),
            Err(answer) => answer,
        }
    }

    /// Undo of the association: the EIP leaves the interface.
    pub(super) async fn take_off(&self, known: &Known) -> Result<Option<String>, String> {
        let Some((holder, private_ip)) = eni_holder(known) else { return Ok(None) };
        let taken = self.unbind(known, &holder, private_ip, "undo associate").await;
        let home = EipGoal::BoundTo(EipHolder::Instance(self.host.instance.clone()));
        match (taken, &known.eip) {
            // An earlier attempt to take the run back has come further than this.
            (Err(_), Some(eip)) if self.world.cloud.await_eip(&eip.id, &home, LOOK).await.is_ok() => Ok(None),
            (taken, _) => undone(taken),
        }
    }

    /// Undo of the unassociation: the EIP goes back to where it was.
    pub(in crate::engine) async fn give_back(
        &self,
        known: &Known,
        from: &EipHolder,
        private_ip: Option<Ipv4Addr>,
    ) -> Result<Option<String>, String> {
        undone(self.bind(known, from, private_ip, "undo unassociate").await)
    }

    async fn unbind(
        &self,
        known: &Known,
        from: &EipHolder,
        private_ip: Option<Ipv4Addr>,
        step: &str,
    ) -> Result<(), Answer> {
        let Some(eip) = &known.eip else { return Err(Answer::Refused("the EIP is not known".to_owned())) };
        let premise = EipGoal::BoundTo(from.clone());
        if self.again && self.has_moved(eip, &EipGoal::Available, &premise).await? {
            return Ok(());
        }
        let token = self.fresh_token(step);
        self.send(
            || self.world.cloud.unassociate_eip(&eip.id, from, private_ip, &token),
            |within| self.world.cloud.await_eip(&eip.id, &EipGoal::Available, within),
            EIP,
        )
        .await
        .map(|_| ())
    }

    async fn bind(
        &self,
        known: &Known,
        to: &EipHolder,
        private_ip: Option<Ipv4Addr>,
        step: &str,
    ) -> Result<(), Answer> {
        let Some(eip) = &known.eip else { return Err(Answer::Refused("the EIP is not known".to_owned())) };
        let goal = EipGoal::BoundTo(to.clone());
        if self.again && self.has_moved(eip, &goal, &EipGoal::Available).await? {
            return Ok(());
        }
        let token = self.fresh_token(step);
        self.send(
            || self.world.cloud.associate_eip(&eip.id, to, private_ip, &token),
            |within| self.world.cloud.await_eip(&eip.id, &goal, within),
            EIP,
        )
        .await
        .map(|_| ())
    }
}

fn place(goal: &EipGoal) -> String {
    match goal {
        EipGoal::Available => "bound to nothing".to_owned(),
        EipGoal::BoundTo(EipHolder::Instance(id)) => format!("on {id}"),
        EipGoal::BoundTo(EipHolder::Eni(id)) => format!("on {id}"),
        EipGoal::BoundTo(EipHolder::Other(kind, id)) => format!("on {kind} {id}"),
    }
}

fn eni_holder(known: &Known) -> Option<(EipHolder, Option<Ipv4Addr>)> {
    known.eni.as_ref().map(|eni| (EipHolder::Eni(eni.id.clone()), eni.address))
}
