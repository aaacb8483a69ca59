//! The eight writes with the parameters the API prescribes, each with the look that settles an ambiguous answer.
//!
//! Must never act on anything but the ids it is given: every write names its target, and the fences where there are any.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::client::{Api, Call, error};
use super::endpoints::Product;
use super::settle::Look;
use crate::core::model::{AllocationId, EniId, InstanceId};
use crate::core::observed::EipHolder;
use crate::ports::{CloudError, CloudErrorKind, EniSpec};

/// How often an accepted `CreateNetworkInterface` without an id is asked again for it, with the same token.
const CREATE_ASKS: u32 = 3;

impl Api {
    /// `ModifyInstanceChargeType`. Data disks stay as they are.
    pub(super) async fn make_post_paid(&self, instance: &InstanceId, token: &str) -> Result<(), CloudError> {
        let call = Call::write(Product::Ecs, "ModifyInstanceChargeType", Some(token))
            .with_json("InstanceIds", [instance])
            .with("InstanceChargeType", "PostPaid")
            .with("AutoPay", &true);
        self.write(&call, &Look::PostPaid(instance.clone())).await.map(drop)
    }

    /// `ConvertNatPublicIpToEip`.
    pub(super) async fn convert_public_ip(&self, instance: &InstanceId) -> Result<(), CloudError> {
        let call = Call::write(Product::Ecs, "ConvertNatPublicIpToEip", None).with("InstanceId", instance);
        self.write(&call, &Look::Converted(instance.clone())).await.map(drop)
    }

    /// `CreateNetworkInterface`.
    pub(super) async fn create_eni(&self, spec: &EniSpec, token: &str) -> Result<EniId, CloudError> {
        let mut call = Call::write(Product::Ecs, "CreateNetworkInterface", Some(token))
            .with("VSwitchId", &spec.vswitch)
            .with("NetworkInterfaceName", &spec.name)
            .with("DeleteOnRelease", &true)
            .with_some("PrimaryIpAddress", spec.primary_ip)
            .with_some("ResourceGroupId", spec.resource_group.as_ref())
            .with_list("SecurityGroupIds", &spec.security_groups);
        for (n, (key, value)) in spec.tags.iter().enumerate() {
            let n = n + 1;
            call = call.with(&format!("Tag.{n}.Key"), key).with(&format!("Tag.{n}.Value"), value);
        }
        for _ in 0..CREATE_ASKS {
            let (answer, token) = self.write(&call, &Look::Nowhere).await?;
            call.token = token;
            let id = answer.get("NetworkInterfaceId").and_then(Value::as_str).filter(|id| !id.is_empty());
            match id.map(str::parse) {
                Some(Ok(id)) => {
                    let id: EniId = id;
                    self.young.add(id.as_str());
                    return Ok(id);
                }
                Some(Err(why)) => {
                    let message = format!("NetworkInterfaceId: {why}");
                    return Err(error(CloudErrorKind::Unknown, call.action, message));
                }
                None => {}
            }
        }
        let message = "accepted, but the answer names no NetworkInterfaceId";
        Err(error(CloudErrorKind::Unknown, call.action, message))
    }

    /// `DeleteNetworkInterface`.
    pub(super) async fn delete_eni(&self, eni: &EniId) -> Result<(), CloudError> {
        let call = Call::write(Product::Ecs, "DeleteNetworkInterface", None).with("NetworkInterfaceId", eni);
        self.write(&call, &Look::Gone(eni.clone())).await.map(drop)
    }

    /// `AttachNetworkInterface`.
    pub(super) async fn attach_eni(&self, eni: &EniId, instance: &InstanceId) -> Result<(), CloudError> {
        let call = Call::write(Product::Ecs, "AttachNetworkInterface", None)
            .with("NetworkInterfaceId", eni)
            .with("InstanceId", instance);
        self.write(&call, &Look::Attached(eni.clone(), instance.clone())).await.map(drop)
    }

    /// `DetachNetworkInterface`.
    pub(super) async fn detach_eni(&self, eni: &EniId, instance: &InstanceId) -> Result<(), CloudError> {
        let call = Call::write(Product::Ecs, "DetachNetworkInterface", None)
            .with("NetworkInterfaceId", eni)
            .with("InstanceId", instance);
        self.write(&call, &Look::Detached(eni.clone(), instance.clone())).await.map(drop)
    }

    /// `AssociateEipAddress`.
    pub(super) async fn associate_eip(
        &self,
        eip: &AllocationId,
        to: &EipHolder,
        private_ip: Option<Ipv4Addr>,
        token: &str,
    ) -> Result<(), CloudError> {
        let interface = matches!(to, EipHolder::Eni(_));
        let call = Call::write(Product::Vpc, "AssociateEipAddress", Some(token))
            .with("AllocationId", eip)
            .with_some("Mode", interface.then_some("NAT"))
            .with_some("PrivateIpAddress", private_ip.filter(|_| interface));
        self.write(&holder(call, to), &Look::Bound(eip.clone(), to.clone())).await.map(drop)
    }

    /// `UnassociateEipAddress`, which the cloud refuses if the EIP is not at `from`.
    pub(super) async fn unassociate_eip(
        &self,
        eip: &AllocationId,
        from: &EipHolder,
        private_ip: Option<Ipv4Addr>,
        token: &str,
    ) -> Result<(), CloudError> {
        let call = Call::write(Product::Vpc, "UnassociateEipAddress", Some(token))
            .with("AllocationId", eip)
            .with_some("PrivateIpAddress", private_ip);
        self.write(&holder(call, from), &Look::Unbound(eip.clone(), from.clone())).await.map(drop)
    }
}

fn holder(call: Call, holder: &EipHolder) -> Call {
    match holder {
        EipHolder::Instance(id) => call.with("InstanceType", "EcsInstance").with("InstanceId", id),
        EipHolder::Eni(id) => call.with("InstanceType", "NetworkInterface").with("InstanceId", id),
        EipHolder::Other(kind, id) => call.with("InstanceType", kind).with("InstanceId", id),
    }
}
