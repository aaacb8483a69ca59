//! The steps on the cloud's side, except those of the EIP. Each is a write, then a wait for the state it must lead to.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::time::Instant;

use super::settle::{LOOK, LOST, tells_nothing, undone};
use super::{Answer, HostTask};
use crate::core::model::{EniId, InstanceId};
use crate::core::observed::{Eni, EniStatus};
use crate::core::plan::{Known, KnownEni, OWNER_TAG, Op};
use crate::core::saga::Effect;
use crate::ports::{CloudError, CloudErrorKind, EniGoal, EniSpec, InstanceGoal, ViewScope};

/// Longest waits, generous against what public logs show (up to 2 minutes for attaching).
const CHARGE_TYPE: Duration = Duration::from_secs(300);
const CONVERT: Duration = Duration::from_secs(120);
const ENI: Duration = Duration::from_secs(180);

/// Pause between two looks for an interface that should be there, or gone.
const PAUSE: Duration = Duration::from_secs(2);

impl HostTask {
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
        let Op::CreateEni { instance, name, vswitch, security_groups, primary_ip, resource_group } = op
        else {
            return Answer::Refused("not a step that creates an interface".to_owned());
        };
        let spec = EniSpec {
            name: name.clone(),
            vswitch: vswitch.clone(),
            security_groups: security_groups.clone(),
            primary_ip: *primary_ip,
            resource_group: resource_group.clone(),
            tags: [(OWNER_TAG.to_owned(), instance.to_string())].into(),
        };
        // A token is forgotten after a while, the tag is not: whoever may have created it looks before creating it again.
        let made = if self.again { self.tagged_eni(instance).await } else { Ok(None) };
        let id = match made {
            Ok(Some(id)) => id,
            Ok(None) => {
                let made = self.new_eni(&spec, instance).await;
                self.count(made.as_ref().err());
                match made {
                    Ok(id) => id,
                    Err(answer) => return answer,
                }
            }
            Err(look) => return Answer::Unknown(look.to_string()),
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

    async fn new_eni(&self, spec: &EniSpec, instance: &InstanceId) -> Result<EniId, Answer> {
        let error = match self.world.cloud.create_eni(spec, &self.token("create ENI")).await {
            Ok(id) => return Ok(id),
            Err(error) => error,
        };
        self.heed(&error);
        let lost = tells_nothing(&error);
        if !lost && !self.again {
            return Err(Answer::Refused(error.to_string()));
        }
        let until = Instant::now() + if self.again { ENI } else { Duration::ZERO };
        loop {
            match self.tagged_eni(instance).await {
                Ok(Some(id)) => return Ok(id),
                Ok(None) if Instant::now() < until => tokio::time::sleep(PAUSE).await,
                Ok(None) if lost => {
                    return Err(Answer::Unknown(format!(
                        "{error}; no interface with our tag is visible yet"
                    )));
                }
                Ok(None) => return Err(Answer::Refused(error.to_string())),
                Err(look) => return Err(Answer::Unknown(format!("{error}; then: {look}"))),
            }
        }
    }

    /// The interface that carries our tag for this instance, attached or not, unless it is on its way out.
    async fn tagged_eni(&self, instance: &InstanceId) -> Result<Option<EniId>, CloudError> {
        let mut tagged = self.tagged_enis(instance).await?.into_iter();
        match (tagged.next(), tagged.next()) {
            (Some(one), Some(other)) => {
                let message =
                    format!("{one} and {other} both carry our tag for {instance}: delete or untag one");
                Err(look_error(CloudErrorKind::Refused, "DescribeNetworkInterfaces", message))
            }
            (one, _) => Ok(one),
        }
    }

    async fn tagged_enis(&self, instance: &InstanceId) -> Result<Vec<EniId>, CloudError> {
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
            .filter(|eni| eni.tags.get(OWNER_TAG).map(String::as_str) == Some(instance.as_str()));
        Ok(ours.map(|eni| eni.id).collect())
    }

    pub(super) async fn attach_eni(&self, instance: &InstanceId, known: &Known) -> Answer {
        let Some(KnownEni { id, mac: Some(mac), .. }) = &known.eni else {
            return Answer::Refused("there is no interface to attach".to_owned());
        };
        if self.again {
            let there = EniGoal::InUse(instance.clone());
            if let Ok(eni) = self.world.cloud.await_eni(id, &there, LOOK).await {
                return attached(eni);
            }
        }
        // The host must be ready for what its own DHCP client may do before it is reached again.
        if let Err(reason) = self.stage(*mac).await {
            return Answer::Refused(reason);
        }
        let done = self.send(
            || self.world.cloud.attach_eni(id, instance),
            |within| {
                let goal = EniGoal::InUse(instance.clone());
                async move { self.world.cloud.await_eni(id, &goal, within).await }
            },
            ENI,
        );
        done.await.map_or_else(|answer| answer, attached)
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
        while self.tagged_enis(instance).await?.contains(id) {
            if Instant::now() >= until {
                let message = format!("{id} is still there");
                return Err(look_error(CloudErrorKind::Late, "DeleteNetworkInterface", message));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}

fn look_error(kind: CloudErrorKind, action: &str, message: String) -> CloudError {
    CloudError { kind, action: action.to_owned(), code: None, message, request_id: None }
}

fn attached(eni: Eni) -> Answer {
    Answer::Done(Effect::EniAttached { eni: eni.id, mac: eni.mac, address: eni.primary_ip })
}
