//! The steps on the cloud's side. Each is a write, then a wait for the state it must lead to.

use std::future::Future;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::time::Instant;

use super::{Answer, HostTask};
use crate::core::model::{EniId, InstanceId};
use crate::core::observed::{EipHolder, EniStatus};
use crate::core::plan::{Known, KnownEni, OWNER_TAG, Op};
use crate::core::saga::Effect;
use crate::ports::{CloudError, CloudErrorKind, EipGoal, EniGoal, EniSpec, InstanceGoal, ViewScope};

/// Longest waits, generous against what public logs show (7 to 8 s for an EIP, up to 2 minutes for attaching).
const CHARGE_TYPE: Duration = Duration::from_secs(300);
const CONVERT: Duration = Duration::from_secs(120);
const ENI: Duration = Duration::from_secs(180);
const EIP: Duration = Duration::from_secs(120);
/// How long a state is awaited after an answer that got lost, before the call is taken as never received.
const LOST: Duration = Duration::from_secs(20);

/// Pause between two looks for an interface that should be gone.
const PAUSE: Duration = Duration::from_secs(2);
/// How long it takes to see what is so already.
const LOOK: Duration = Duration::from_secs(5);

/// Whether the write may have had its effect.
const fn tells_nothing(error: &CloudError) -> bool {
    matches!(error.kind, CloudErrorKind::Unknown | CloudErrorKind::Late | CloudErrorKind::Protocol)
}

impl HostTask {
    /// Writes, then waits for the goal. An answer that got lost is settled by waiting for the goal; if it does not come, the
    /// write is sent once more, which every step here bears (token, or refused by the cloud because it is done already). A
    /// write of which one answer got lost never ends as refused unless a later copy was accepted and then failed.
    async fn settle<T, W, G>(
        &self,
        write: impl Fn() -> W,
        goal: impl Fn(Duration) -> G,
        patience: Duration,
    ) -> Result<T, Answer>
    where
        W: Future<Output = Result<(), CloudError>>,
        G: Future<Output = Result<T, CloudError>>,
    {
        let mut lost: Option<CloudError> = None;
        for _ in 0..2 {
            let refusal = match write().await {
                Ok(()) => {
                    return goal(patience).await.map_err(|error| match error.kind {
                        CloudErrorKind::Refused => Answer::Refused(error.to_string()),
                        // That it cannot be seen any more does not take an accepted write back.
                        _ => Answer::Unknown(error.to_string()),
                    });
                }
                Err(error) if tells_nothing(&error) => {
                    if let Ok(record) = goal(LOST).await {
                        return Ok(record);
                    }
                    lost = Some(error);
                    continue;
                }
                Err(error) => {
                    self.heed(&error);
                    error
                }
            };
            // Refused, but perhaps because it is so already, or because the first copy is still at work.
            let within = if lost.is_some() { patience } else { LOOK };
            return goal(within).await.map_err(|_| match &lost {
                None => Answer::Refused(refusal.to_string()),
                Some(first) => Answer::Unknown(format!("{first}; sent again: {refusal}")),
            });
        }
        Err(Answer::Unknown(lost.map_or_else(String::new, |error| error.to_string())))
    }

    /// What is wrong with the account is wrong for every host: no other one begins.
    fn heed(&self, error: &CloudError) {
        if error.kind == CloudErrorKind::Account {
            self.world.stop.because(format!("the account is refused ({error})"));
        }
    }

    pub(super) async fn make_post_paid(&self, instance: &InstanceId) -> Answer {
        let token = self.token("charge type");
        let done = self.settle(
            || self.world.cloud.make_post_paid(instance, &token),
            |within| self.world.cloud.await_instance(instance, &InstanceGoal::PostPaid, within),
            CHARGE_TYPE,
        );
        done.await.map_or_else(|answer| answer, |_| Answer::Done(Effect::Nothing))
    }

    pub(super) async fn convert(&self, instance: &InstanceId, address: Ipv4Addr) -> Answer {
        let converted = self
            .settle(
                || self.world.cloud.convert_public_ip(instance),
                |within| self.world.cloud.await_instance(instance, &InstanceGoal::PublicIpConverted, within),
                CONVERT,
            )
            .await;
        match converted.map(|instance| instance.eip) {
            Ok(Some(eip)) if eip.address == address => {
                Answer::Done(Effect::Converted { allocation: eip.id, address: eip.address })
            }
            Ok(Some(eip)) => {
                Answer::Unknown(format!("the EIP is {}, the public address was {address}", eip.address))
            }
            Ok(None) => Answer::Unknown("the instance shows no EIP after the conversion".to_owned()),
            Err(answer) => answer,
        }
    }

    pub(super) async fn create_eni(&self, op: &Op) -> Answer {
        let Op::CreateEni { instance, name, vswitch, security_groups, primary_ip } = op else {
            return Answer::Refused("not a step that creates an interface".to_owned());
        };
        let spec = EniSpec {
            name: name.clone(),
            vswitch: vswitch.clone(),
            security_groups: security_groups.clone(),
            primary_ip: *primary_ip,
            tags: [(OWNER_TAG.to_owned(), instance.to_string())].into(),
        };
        let id = match self.world.cloud.create_eni(&spec, &self.token("create ENI")).await {
            Ok(id) => id,
            Err(error) if tells_nothing(&error) => match self.tagged_eni(instance).await {
                Ok(Some(id)) => id,
                Ok(None) => {
                    return Answer::Unknown(format!("{error}; no interface with our tag is visible yet"));
                }
                Err(look) => return Answer::Unknown(format!("{error}; then: {look}")),
            },
            Err(error) => {
                self.heed(&error);
                return Answer::Refused(error.to_string());
            }
        };
        match self.world.cloud.await_eni(&id, &EniGoal::Available, ENI).await {
            Ok(eni) => Answer::Done(Effect::EniCreated {
                eni: eni.id,
                mac: Some(eni.mac),
                address: Some(eni.primary_ip),
            }),
            Err(error) => Answer::Unknown(format!("interface {id}: {error}")),
        }
    }

    /// The interface that carries our tag for this instance, attached or not, unless it is on its way out.
    async fn tagged_eni(&self, instance: &InstanceId) -> Result<Option<EniId>, CloudError> {
        let scope = ViewScope {
            instances: vec![instance.clone()],
            owner_tag: OWNER_TAG.to_owned(),
            ..ViewScope::default()
        };
        let view = self.world.cloud.view(&scope).await?;
        let ours = view
            .enis
            .into_values()
            .filter(|eni| eni.status != EniStatus::Deleting)
            .find(|eni| eni.tags.get(OWNER_TAG).map(String::as_str) == Some(instance.as_str()));
        Ok(ours.map(|eni| eni.id))
    }

    pub(super) async fn attach_eni(&self, instance: &InstanceId, known: &Known) -> Answer {
        let Some(KnownEni { id, mac: Some(mac), .. }) = &known.eni else {
            return Answer::Refused("there is no interface to attach".to_owned());
        };
        // The host must be ready for what its own DHCP client may do before it is reached again.
        if let Err(reason) = self.stage(*mac).await {
            return Answer::Refused(reason);
        }
        let attached = self.settle(
            || self.world.cloud.attach_eni(id, instance),
            |within| {
                let goal = EniGoal::InUse(instance.clone());
                async move { self.world.cloud.await_eni(id, &goal, within).await }
            },
            ENI,
        );
        attached.await.map_or_else(
            |answer| answer,
            |eni| Answer::Done(Effect::EniAttached { eni: eni.id, mac: eni.mac, address: eni.primary_ip }),
        )
    }

    pub(super) async fn detach_eni(
        &self,
        instance: &InstanceId,
        known: &Known,
    ) -> Result<Option<String>, String> {
        let Some(KnownEni { id, .. }) = &known.eni else { return Ok(None) };
        let gone = |error: &CloudError| error.kind == CloudErrorKind::NotFound;
        let detached = self.settle(
            || async {
                let answer = self.world.cloud.detach_eni(id, instance).await;
                answer.or_else(|error| if gone(&error) { Ok(()) } else { Err(error) })
            },
            |within| async move {
                let seen = self.world.cloud.await_eni(id, &EniGoal::Available, within).await;
                seen.map(drop).or_else(|error| if gone(&error) { Ok(()) } else { Err(error) })
            },
            ENI,
        );
        undone(detached.await)
    }

    pub(super) async fn delete_eni(
        &self,
        instance: &InstanceId,
        known: &Known,
    ) -> Result<Option<String>, String> {
        let id = match &known.eni {
            Some(eni) => Some(eni.id.clone()),
            None => self.tagged_eni(instance).await.map_err(|error| error.to_string())?,
        };
        let Some(id) = id else { return Ok(None) };
        let deleted =
            self.settle(|| self.world.cloud.delete_eni(&id), |within| self.gone(instance, &id, within), LOST);
        undone(deleted.await)
    }

    /// Waits until our interface is gone, or on its way out.
    async fn gone(&self, instance: &InstanceId, id: &EniId, within: Duration) -> Result<(), CloudError> {
        let until = Instant::now() + within;
        while self.tagged_eni(instance).await?.as_ref() == Some(id) {
            if Instant::now() >= until {
                return Err(CloudError {
                    kind: CloudErrorKind::Late,
                    action: "DeleteNetworkInterface".to_owned(),
                    code: None,
                    message: format!("{id} is still there"),
                    request_id: None,
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
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
        let token = self.token(step);
        self.settle(
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
        let token = self.token(step);
        self.settle(
            || self.world.cloud.associate_eip(&eip.id, to, private_ip, &token),
            |within| {
                let goal = EipGoal::BoundTo(to.clone());
                async move { self.world.cloud.await_eip(&eip.id, &goal, within).await }
            },
            EIP,
        )
        .await
        .map(|_| ())
    }
}

fn eni_holder(known: &Known) -> Option<(EipHolder, Option<Ipv4Addr>)> {
    known.eni.as_ref().map(|eni| (EipHolder::Eni(eni.id.clone()), eni.address))
}

fn undone<T>(result: Result<T, Answer>) -> Result<Option<String>, String> {
    match result {
        Ok(_) | Err(Answer::Done(_)) => Ok(None),
        Err(Answer::Refused(reason) | Answer::Unknown(reason)) => Err(reason),
    }
}
