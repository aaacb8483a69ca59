//! The cloud's records, reduced to what the procedure decides on. Field meanings follow the vendor's API of the same
//! names (ECS 2014-05-26, VPC 2016-04-28); states the vendor may add later are kept as `Other`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::Observation;
use super::account::{Account, DryRun, NatGateway, SecurityGroup, Unread, Vpc};
use crate::core::model::{
    AllocationId, EniId, InstanceId, MacAddr, NatGatewayId, SecurityGroupId, VSwitchId, VpcId, ZoneId,
};

/// All records read for a set of instances. What is missing from a map was looked for and does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudView {
    /// The instances asked for, by id.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Every interface attached to them, and unattached ones tagged as ours for them.
    pub enis: BTreeMap<EniId, Eni>,
    /// The EIPs bound to them or to those interfaces, and those that have their old addresses.
    pub eips: BTreeMap<AllocationId, Eip>,
    /// The vSwitches of the interfaces and those the inventory names.
    pub vswitches: BTreeMap<VSwitchId, VSwitch>,
    /// SNAT entries of the internet NAT gateways in the VPCs concerned.
    pub snat: Vec<SnatEntry>,
    /// DNAT entries of the same gateways.
    pub forwards: Vec<ForwardEntry>,
    /// Where 0.0.0.0/0 leads, by route table id.
    pub default_routes: BTreeMap<String, DefaultRoute>,
    /// How many interfaces, the primary included, an instance type takes (`EniQuantity`).
    pub eni_quantity: BTreeMap<String, Observation<u32>>,
    /// Internet NAT gateways of the VPCs concerned.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nat_gateways: BTreeMap<NatGatewayId, NatGateway>,
    /// The VPCs concerned, where they were asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vpcs: BTreeMap<VpcId, Vpc>,
    /// Security groups, where they were asked for. With any of them read, one that is missing does not exist.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub security_groups: BTreeMap<SecurityGroupId, SecurityGroup>,
    /// What the account has and may have, where it was asked for.
    #[serde(default)]
    pub account: Account,
    /// Dry runs of the change of the charge type, where the inventory consents to one and it is needed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub charge_changes: BTreeMap<InstanceId, DryRun>,
    /// Reads that only inform and got no answer, by action with its product, `ecs:DescribeSecurityGroups`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<String, Unread>,
}

impl CloudView {
    /// This view with what another one has only checked; for looks at the same instances in a row.
    #[must_use]
    pub fn with_checks_of(self, other: Self) -> Self {
        let Self { vpcs, security_groups, account, charge_changes, unread, .. } = other;
        Self { vpcs, security_groups, account, charge_changes, unread, ..self }
    }
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `InstanceId`.
    pub id: InstanceId,
    /// `Status`.
    pub status: InstanceStatus,
    /// `ZoneId`.
    pub zone: ZoneId,
    /// `VpcAttributes.VpcId`; absent for the classic network.
    pub vpc: Option<VpcId>,
    /// `VpcAttributes.VSwitchId`.
    pub vswitch: Option<VSwitchId>,
    /// `InstanceType`.
    pub instance_type: String,
    /// `ImageId`: the image its system disk was made from, where the answer has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `InstanceChargeType`.
    pub charge_type: ChargeType,
    /// `InternetChargeType`.
    pub internet_charge_type: InternetChargeType,
    /// `InternetMaxBandwidthOut`, Mbit/s.
    pub bandwidth_out_mbps: u32,
    /// `ExpiredTime`, RFC 3339 in UTC; meaningful for `PrePaid` only.
    pub expires: Option<String>,
    /// `PublicIpAddress`: the static public address.
    pub public_ip: Option<Ipv4Addr>,
    /// `EipAddress`: the EIP bound to the instance itself.
    pub eip: Option<InstanceEip>,
    /// Primary private address.
    pub primary_ip: Ipv4Addr,
    /// Security groups of the instance.
    pub security_groups: Vec<SecurityGroupId>,
    /// `OperationLocks`: the lock reasons.
    pub locks: Vec<String>,
    /// `StartTime`, RFC 3339 in UTC: when it was last started, where the answer has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// `IoOptimized`, where the answer has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_optimized: Option<bool>,
}

/// The EIP an instance record names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceEip {
    /// Allocation id.
    pub id: AllocationId,
    /// The public address.
    pub address: Ipv4Addr,
}

/// `Status` of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstanceStatus {
    /// Being created.
    Pending,
    /// On its way to `Running`.
    Starting,
    /// Up.
    Running,
    /// On its way to `Stopped`.
    Stopping,
    /// Down.
    Stopped,
    /// A state this version does not know.
    Other(String),
}

/// How an instance is paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChargeType {
    /// Subscription.
    PrePaid,
    /// Pay as you go.
    PostPaid,
    /// A type this version does not know.
    Other(String),
}

/// How an instance's traffic is paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InternetChargeType {
    /// By volume.
    PayByTraffic,
    /// By bandwidth.
    PayByBandwidth,
    /// A type this version does not know, or none.
    Other(String),
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eni {
    /// `NetworkInterfaceId`.
    pub id: EniId,
    /// `NetworkInterfaceName`.
    pub name: String,
    /// `Status`.
    pub status: EniStatus,
    /// `Type` is `Primary`.
    pub primary: bool,
    /// `MacAddress`.
    pub mac: MacAddr,
    /// `PrivateIpAddress`: its primary private address.
    pub primary_ip: Ipv4Addr,
    /// `VSwitchId`.
    pub vswitch: VSwitchId,
    /// `ZoneId`.
    pub zone: ZoneId,
    /// `SecurityGroupIds`, sorted.
    pub security_groups: Vec<SecurityGroupId>,
    /// `InstanceId` it is attached to.
    pub instance: Option<InstanceId>,
    /// `SourceDestCheck` where the answer has it.
    pub source_dest_check: Option<bool>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// `Status` of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EniStatus {
    /// Exists, not attached.
    Available,
    /// On its way to `InUse`.
    Attaching,
    /// Attached.
    InUse,
    /// On its way to `Available`.
    Detaching,
    /// On its way out of existence.
    Deleting,
    /// A state this version does not know.
    Other(String),
}

/// An elastic public address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eip {
    /// `AllocationId`.
    pub id: AllocationId,
    /// `IpAddress`.
    pub address: Ipv4Addr,
    /// `Status`.
    pub status: EipStatus,
    /// What it is bound to.
    pub holder: Option<EipHolder>,
    /// `PrivateIpAddress` it translates to, where the answer has it.
    pub private_ip: Option<Ipv4Addr>,
    /// `BusinessStatus` is `Normal`.
    pub business_normal: bool,
    /// `OperationLocks`: the lock reasons.
    pub locks: Vec<String>,
}

/// What an EIP is bound to, and equally what to bind it to (`InstanceType` and `InstanceId`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EipHolder {
    /// `EcsInstance`.
    Instance(InstanceId),
    /// `NetworkInterface`.
    Eni(EniId),
    /// Any other kind (NAT gateway, load balancer, …): kind and id as given.
    Other(String, String),
}

/// `Status` of an EIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EipStatus {
    /// Bound to nothing.
    Available,
    /// On its way to `InUse`.
    Associating,
    /// Bound.
    InUse,
    /// On its way to `Available`.
    Unassociating,
    /// A state this version does not know.
    Other(String),
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VSwitch {
    /// `VSwitchId`.
    pub id: VSwitchId,
    /// `VpcId`.
    pub vpc: VpcId,
    /// `ZoneId`.
    pub zone: ZoneId,
    /// `CidrBlock`.
    pub cidr: Ipv4Net,
    /// `AvailableIpAddressCount`.
    pub free_addresses: u32,
    /// `RouteTable.RouteTableId`.
    pub route_table: Option<String>,
    /// `NetworkAclId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acl: Option<String>,
}

/// A SNAT entry of a NAT gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnatEntry {
    /// `SnatEntryId`.
    pub id: String,
    /// The gateway whose table it is in.
    pub nat_gateway: NatGatewayId,
    /// `SourceCIDR`.
    pub source: Ipv4Net,
    /// `SnatIp`, split at commas.
    pub addresses: Vec<Ipv4Addr>,
    /// `Status` is `Available`.
    pub available: bool,
}

/// A DNAT entry of a NAT gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardEntry {
    /// `ForwardEntryId`.
    pub id: String,
    /// `ExternalIp`.
    pub external_ip: Ipv4Addr,
    /// `InternalIp`.
    pub internal_ip: Ipv4Addr,
    /// The gateway whose table it is in, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat_gateway: Option<NatGatewayId>,
    /// External port, internal port and protocol are all `any`: an IP mapping, which also decides the egress address.
    pub any_port: bool,
}

/// Where a route table sends 0.0.0.0/0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultRoute {
    /// There is none.
    Absent,
    /// To this NAT gateway.
    NatGateway(NatGatewayId),
    /// To something else: next hop type and id as given.
    Other(String, String),
    /// It could not be read, and why.
    Unseen(String),
}
