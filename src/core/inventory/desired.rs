//! The resolved inventory: every default, group and host setting merged, one complete record per host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::Limits;
use crate::core::model::{
    EniId, HostName, InstanceId, Owner, RegionId, ResourceGroupId, SecurityGroupId, VSwitchId,
};
use crate::core::ssh_config::{Algorithms, Note};

/// Everything an inventory asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Where the instances live and how to talk to the cloud.
    pub cloud: CloudDesired,
    /// The hosts in the order of the inventory, names unique.
    pub hosts: Vec<HostDesired>,
}

/// The hosts of an inventory as far as logging in to them needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// Where the instances live, if the inventory says so.
    pub cloud: Option<CloudDesired>,
    /// The hosts in the order of the inventory, names unique.
    pub hosts: Vec<HostLogin>,
}

/// One host as far as logging in to it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostLogin {
    /// The inventory name.
    pub name: HostName,
    /// The groups it belongs to, in the order of the inventory.
    pub groups: Vec<String>,
    /// The instance behind the name; there if there is no address.
    pub instance: Option<InstanceId>,
    /// The address to log in at; the instance's primary private address if absent.
    pub address: Option<Ipv4Addr>,
    /// How to log in.
    pub ssh: SshDesired,
    /// Who to be on the host for commands; the login itself if absent.
    pub becomes: Option<BecomeDesired>,
    /// Values for templates of files, by name.
    pub vars: BTreeMap<String, serde_json::Value>,
}

/// Being somebody else on a host, without a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BecomeDesired {
    /// By which program.
    pub method: BecomeMethod,
    /// Who to be; `root` by default.
    pub user: String,
}

/// Programs that make somebody else of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BecomeMethod {
    /// sudo(8)
    Sudo,
    /// doas(1)
    Doas,
}

/// The cloud account's side of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudDesired {
    /// Which cloud.
    pub provider: Provider,
    /// The region all hosts live in.
    pub region: RegionId,
    /// ECS endpoint as `http(s)://host[:port]`; the region's by `network` if absent.
    pub ecs_endpoint: Option<String>,
    /// VPC endpoint as `http(s)://host[:port]`; the region's by `network` if absent.
    pub vpc_endpoint: Option<String>,
    /// STS endpoint as `http(s)://host[:port]`; the vendor's by `network` if absent.
    pub sts_endpoint: Option<String>,
    /// Which of the region's endpoints are used where none is given.
    pub network: Network,
    /// Where the credentials come from.
    pub credentials: CredentialSource,
    /// How much of the API may be used.
    pub calls: CallLimits,
    /// What the account may have.
    pub limits: Limits,
    /// The profile or section in the file of credentials; there only with a source that is such a file.
    pub profile: Option<String>,
}

/// Which endpoints of a region are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// Those inside VPCs if `ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED` is `true`, else the public ones.
    #[default]
    Auto,
    /// Those that answer inside VPCs, for a bastion without a way to the internet.
    Vpc,
    /// Those on the internet.
    Public,
}

/// How much of the cloud's API may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Share of the account's quota of calls per minute, percent.
    pub quota_share: u32,
    /// Most calls that a plan may cost, with what was spent the same day; unlimited if absent.
    pub calls_per_day: Option<u32>,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { quota_share: 50, calls_per_day: None }
    }
}

/// The clouds that can be driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Alibaba Cloud, ECS 2014-05-26 and VPC 2016-04-28.
    Aliyun,
}

/// Where credentials are taken from. Secrets themselves are never part of an inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum CredentialSource {
    /// The first of the others, in their order here, that is there.
    #[default]
    Auto,
    /// `ALIBABA_CLOUD_ACCESS_KEY_ID`, `_SECRET` and optionally `ALIBABA_CLOUD_SECURITY_TOKEN`.
    Environment,
    /// A RAM role by the token of an identity provider, as the three `ALIBABA_CLOUD_…` variables for it say.
    Oidc,
    /// A profile of the vendor's command line, `~/.aliyun/config.json`.
    CliProfile,
    /// A section of the SDKs' file, `~/.alibabacloud/credentials.ini` or `~/.alibabacloud/credentials`.
    IniFile,
    /// The RAM role of the instance we run on, by the metadata service.
    EcsRamRole,
    /// What answers at `ALIBABA_CLOUD_CREDENTIALS_URI`.
    Uri,
}

impl CredentialSource {
    /// All of them, with the words that inventories have for them.
    pub const ALL: [(&'static str, Self); 7] = [
        ("auto", Self::Auto),
        ("environment", Self::Environment),
        ("oidc", Self::Oidc),
        ("cli-profile", Self::CliProfile),
        ("ini-file", Self::IniFile),
        ("ecs-ram-role", Self::EcsRamRole),
        ("uri", Self::Uri),
    ];

    /// Its word in inventories.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, source)| *source == self).map_or("auto", |(word, _)| word)
    }
}

/// One host with all its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostDesired {
    /// The inventory name.
    pub name: HostName,
    /// The groups it belongs to, in the order of the inventory.
    pub groups: Vec<String>,
    /// The instance behind the name.
    pub instance: InstanceId,
    /// The address to manage it by; the primary private address if absent.
    pub address: Option<Ipv4Addr>,
    /// How to log in.
    pub ssh: SshDesired,
    /// The secondary network interface to have.
    pub eni: EniDesired,
    /// The policy route to have on the host.
    pub route: RouteDesired,
    /// What to probe afterwards.
    pub verify: VerifyDesired,
    /// What may be done although it is costly or cannot be undone.
    pub allow: AllowDesired,
}

/// How to log in to a host: what flags, inventory and ssh_config together come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshDesired {
    /// Login name; `root` by default. Anybody else becomes root by `sudo -n`.
    pub user: String,
    /// TCP port; 22 by default.
    pub port: u16,
    /// `HostName` of ssh_config where nothing else names an address: a name or an address.
    pub host_name: Option<String>,
    /// Private keys; the first that is there is offered, and no other. Relative paths are relative to the inventory's
    /// folder.
    pub keys: Vec<KeyDesired>,
    /// User certificates without a key of their own name.
    pub certificates: Vec<PathBuf>,
    /// The agent's socket.
    pub agent: Option<PathBuf>,
    /// Only keys that are named may be offered, not whatever an agent holds.
    pub identities_only: bool,
    /// Log in by a password that is asked for, and by nothing else.
    pub ask_password: bool,
    /// What is accepted as a host's key.
    pub host_key_check: HostKeyCheck,
    /// The host's own keys as `known_hosts` has them, `ssh-ed25519 AAAA…`.
    pub host_keys: Vec<String>,
    /// The name under which the host's key is recorded, if not its own.
    pub host_key_alias: Option<String>,
    /// `known_hosts` files, all consulted; new keys are recorded in the first. Relative paths are relative to the
    /// inventory's folder.
    pub known_hosts: Vec<PathBuf>,
    /// Whether the inventory names them: then each has to be there.
    pub known_hosts_named: bool,
    /// Names of recorded hosts are hidden.
    pub hash_known_hosts: bool,
    /// The way there, hop by hop from us; the hosts of a hop share the load.
    pub jumps: Vec<Vec<JumpDesired>>,
    /// Limit for TCP connect, key exchange and authentication together.
    pub connect_timeout: Duration,
    /// Silence after which the host is asked whether it lives.
    pub alive_interval: Duration,
    /// Unanswered questions after which the connection is lost.
    pub alive_count: u32,
    /// Restrictions of what is negotiated.
    pub algorithms: Algorithms,
    /// What ssh_config says about the host and is not obeyed.
    pub told: BTreeSet<Note>,
}

/// A private key and what belongs to it, as far as it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDesired {
    /// The private key.
    pub file: PathBuf,
    /// Its public half, by which an agent's key is found.
    pub public: Option<PathBuf>,
    /// Its certificate.
    pub certificate: Option<PathBuf>,
}

/// What is accepted as a host's key. There is no way to accept any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostKeyCheck {
    /// What is on record.
    #[default]
    Strict,
    /// The same, and the key of a host that has none is recorded.
    AcceptNew,
    /// The keys that the inventory names.
    Pinned,
    /// Certificates of the authorities on record.
    Ca,
}

/// A jump host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JumpDesired {
    /// The name that it was asked for by, also a name looked up in `known_hosts`.
    pub name: String,
    /// Its name or address to connect to.
    pub host: String,
    /// How to log in there; its own jumps are part of the chain that it is in.
    pub ssh: SshDesired,
}

/// The secondary network interface to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EniDesired {
    /// Its name in the cloud, already rendered for this host.
    pub name: String,
    /// Where to create it; the primary interface's vSwitch if absent.
    pub vswitch: Option<VSwitchId>,
    /// Its security groups; the primary interface's if empty.
    pub security_groups: Vec<SecurityGroupId>,
    /// Its primary private address; chosen by the cloud if absent.
    pub primary_ip: Option<Ipv4Addr>,
    /// Its resource group; the account's default if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_group: Option<ResourceGroupId>,
}

/// The policy route to have on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteDesired {
    /// Whether the inventory writes table and priority: only what it does not write may give way to somebody else's.
    #[serde(skip)]
    pub is_written: (bool, bool),
    /// Routing table number, 1 to 4294967295 without 253, 254, 255; 101 by default.
    pub table: u32,
    /// Rule priority, 1 to 32765; 4101 by default.
    pub priority: u32,
    /// What makes it survive a reboot.
    pub persist: Persist,
    /// Put the compatibility shim on top of it; not by default.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shim: bool,
    /// How the interface stands in the main table.
    #[serde(skip_serializing_if = "Form::is_default")]
    pub form: Form,
    /// Further interfaces that are attached already, each with a route of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherDesired>,
}

/// How the secondary interface stands in the host's main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Form {
    /// With a `/32` address: the main table knows nothing of it.
    #[default]
    Slash32,
    /// As the vendor's procedure has it: with the vSwitch's prefix, and a default route that is worse than the primary's.
    Documented {
        /// Metric of that default route.
        metric: u32,
    },
}

impl Form {
    /// Metric of the documented form's default route in the main table where the inventory says nothing: worse than what
    /// any manager gives a primary, also while one of them holds its connection against it (NetworkManager adds 20000).
    pub const METRIC: u32 = 30_000;

    /// The form of a further interface: in the main table each is worse than the one before it.
    #[must_use]
    pub const fn worse_by(self, further: u32) -> Self {
        match self {
            Self::Slash32 => Self::Slash32,
            Self::Documented { metric } => Self::Documented { metric: metric.saturating_add(further) },
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::Slash32
    }
}

/// A further interface of a host and the numbers of its policy route. Its addresses in the cloud stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherDesired {
    /// The interface.
    pub eni: EniId,
    /// Routing table number; if absent, the next one that is free on the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// Rule priority; if absent, the next one that is free on the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
}

/// What makes the host's routes survive a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Persist {
    /// What owns the primary interface, as the host says.
    #[default]
    Auto,
    /// This one, whatever the host says.
    By(Owner),
    /// Nothing: the change is gone after a reboot.
    None,
}

/// What to probe afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyDesired {
    /// Services that answer with the caller's address, `http(s)://…`, as text or JSON.
    pub echo: Vec<String>,
    /// The TCP port on which SSH must answer through the EIP; the ssh port by default.
    pub inbound_port: u16,
    /// The public address that the bastion's connections come from, to judge inbound rules by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Ipv4Addr>,
}

/// Consent to what costs money or cannot be undone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct AllowDesired {
    /// `PrePaid` → `PostPaid` where the conversion needs it.
    pub charge_type_change: bool,
}
