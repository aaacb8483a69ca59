//! The cloud as the engine needs it: one read of everything, eight writes, and waiting that is told the truth.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use async_trait::async_trait;

use crate::core::model::{
    AllocationId, EniId, InstanceId, ResourceGroupId, SecurityGroupId, VSwitchId, VpcId,
};
use crate::core::observed::{CloudView, Eip, EipHolder, Eni, FoundInstance, Instance};

/// What a [`Cloud::view`] must cover.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewScope {
    /// The instances.
    pub instances: Vec<InstanceId>,
    /// Public addresses these instances had according to an earlier run, to find their EIPs by.
    pub addresses: Vec<Ipv4Addr>,
    /// vSwitches that the inventory names for new interfaces.
    pub vswitches: Vec<VSwitchId>,
    /// Tag key whose value is an instance id: interfaces that carry it for one of the instances are ours.
    pub owner_tag: String,
    /// What only a plan needs to know, on top of what deciding does.
    pub checks: Option<Checks>,
}

/// What is looked at only before a plan is made. None of it may fail the view: what cannot be read is named in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checks {
    /// Security groups that the inventory names for new interfaces.
    pub groups: Vec<SecurityGroupId>,
    /// Instances whose own security groups new interfaces will have.
    pub copied: Vec<InstanceId>,
    /// Instances whose charge type may be changed where that is needed.
    pub charge_changes: Vec<InstanceId>,
}

/// Which instances to look for; all of it must hold. Without anything, all instances of the region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// These ids.
    pub ids: Vec<InstanceId>,
    /// `Tag.N`: key, and value where it matters.
    pub tags: Vec<(String, Option<String>)>,
    /// `VpcId`.
    pub vpc: Option<VpcId>,
    /// `VSwitchId`.
    pub vswitch: Option<VSwitchId>,
    /// `ResourceGroupId`.
    pub resource_group: Option<ResourceGroupId>,
    /// `InstanceName`, `*` standing for any text.
    pub name: Option<String>,
}

/// What is asked of the cloud without a plan.
#[async_trait]
pub trait CloudSearch: Send + Sync {
    /// Finds instances, in the order of their ids, in as few pages as the API allows.
    async fn search(&self, search: &Search) -> Result<Vec<FoundInstance>, CloudError>;

    /// Tries every action that a view needs, and returns those that are not permitted, as `product:Action` with the
    /// vendor's message. Other errors do not count: what is asked for need not exist.
    async fn denied_reads(&self) -> Vec<(String, String)>;
}

/// A network interface to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EniSpec {
    /// `NetworkInterfaceName`.
    pub name: String,
    /// `VSwitchId`.
    pub vswitch: VSwitchId,
    /// `SecurityGroupIds.N`, one to five.
    pub security_groups: Vec<SecurityGroupId>,
    /// `PrimaryIpAddress`; chosen by the cloud if absent.
    pub primary_ip: Option<Ipv4Addr>,
    /// `ResourceGroupId`; the account's default if absent.
    pub resource_group: Option<ResourceGroupId>,
    /// `Tag.N`.
    pub tags: BTreeMap<String, String>,
}

/// A state to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceGoal {
    /// It holds an EIP and no static public address any more.
    PublicIpConverted,
    /// It is paid for as you go.
    PostPaid,
}

/// A state to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EniGoal {
    /// `Available`.
    Available,
    /// `InUse` at this instance. Falling back to `Available` after `Attaching` is a refusal.
    InUse(InstanceId),
}

/// A state to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EipGoal {
    /// `Available`, bound to nothing.
    Available,
    /// `InUse` at this holder.
    BoundTo(EipHolder),
}

/// The cloud. Every method may retry what is safe to retry; what it returns is settled for the caller.
///
/// `token` is a `ClientToken` (at most 64 ASCII characters): the same token with the same parameters has its effect once.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// Reads everything that planning needs, in as few calls as the API allows.
    async fn view(&self, scope: &ViewScope) -> Result<CloudView, CloudError>;

    /// `ModifyInstanceChargeType` to `PostPaid`.
    async fn make_post_paid(&self, instance: &InstanceId, token: &str) -> Result<(), CloudError>;
    /// `ConvertNatPublicIpToEip`. Irreversible.
    async fn convert_public_ip(&self, instance: &InstanceId) -> Result<(), CloudError>;
    /// `CreateNetworkInterface`.
    async fn create_eni(&self, spec: &EniSpec, token: &str) -> Result<EniId, CloudError>;
    /// `DeleteNetworkInterface`. An interface that does not exist is success.
    async fn delete_eni(&self, eni: &EniId) -> Result<(), CloudError>;
    /// `AttachNetworkInterface`.
    async fn attach_eni(&self, eni: &EniId, instance: &InstanceId) -> Result<(), CloudError>;
    /// `DetachNetworkInterface`. An interface that is not attached there is success.
    async fn detach_eni(&self, eni: &EniId, instance: &InstanceId) -> Result<(), CloudError>;
    /// `AssociateEipAddress`; `private_ip` is sent for interfaces.
    async fn associate_eip(
        &self,
        eip: &AllocationId,
        to: &EipHolder,
        private_ip: Option<Ipv4Addr>,
        token: &str,
    ) -> Result<(), CloudError>;
    /// `UnassociateEipAddress`, fenced by the holder it is expected at.
    async fn unassociate_eip(
        &self,
        eip: &AllocationId,
        from: &EipHolder,
        private_ip: Option<Ipv4Addr>,
        token: &str,
    ) -> Result<(), CloudError>;

    /// Waits until the instance is there. All waiting callers share the polls.
    async fn await_instance(
        &self,
        id: &InstanceId,
        goal: &InstanceGoal,
        within: Duration,
    ) -> Result<Instance, CloudError>;
    /// Waits until the interface is there. All waiting callers share the polls.
    async fn await_eni(&self, id: &EniId, goal: &EniGoal, within: Duration) -> Result<Eni, CloudError>;
    /// Waits until the EIP is there. All waiting callers share the polls.
    async fn await_eip(&self, id: &AllocationId, goal: &EipGoal, within: Duration)
    -> Result<Eip, CloudError>;

    /// Calls sent so far, by action, retries included.
    fn calls(&self) -> BTreeMap<String, u64>;
}

/// Why a call to the cloud did not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{action}: {message}{}{}", code.as_ref().map(|c| format!(" [{c}]")).unwrap_or_default(),
    request_id.as_ref().map(|r| format!(" (request {r})")).unwrap_or_default())]
pub struct CloudError {
    /// What kind of failure it is, which decides what happens next.
    pub kind: CloudErrorKind,
    /// The API action.
    pub action: String,
    /// The vendor's error code.
    pub code: Option<String>,
    /// The vendor's message, or ours.
    pub message: String,
    /// The vendor's request id.
    pub request_id: Option<String>,
}

/// Kinds of cloud failures. Decided on the vendor's `Code`, never on the HTTP status alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudErrorKind {
    /// No effect, and the same call cannot succeed: this host stops here.
    Refused,
    /// No effect because of throttling or a passing state, and patience ran out.
    Busy,
    /// What it names does not exist.
    NotFound,
    /// The account, the credentials or the permissions are wrong: the whole run stops.
    Account,
    /// No answer, or none that tells: the effect may have happened. Look before anything else.
    Unknown,
    /// A state was not reached in time.
    Late,
    /// The answer could not be understood.
    Protocol,
}
