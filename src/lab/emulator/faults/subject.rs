//! What a call is about: the ids it names, those they belong to, and the hosts behind them.

use std::collections::BTreeSet;

use super::super::params::Params;
use super::super::state::{Cloud, Holder};
use crate::core::model::{EniId, InstanceId};
use crate::core::plan::OWNER_TAG;

/// Parameters that name resources, alone or with `.N`.
const NAMING: [&str; 8] = [
    "InstanceId",
    "InstanceIds",
    "NetworkInterfaceId",
    "AllocationId",
    "ResourceId",
    "VSwitchId",
    "EipAddress",
    "Tag",
];

/// The subjects of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Subjects {
    /// Ids that the call names itself.
    pub(in super::super) named: Vec<String>,
    /// These, and the instances, interfaces and EIPs that belong to them.
    pub(in super::super) ids: Vec<String>,
    /// Names of the hosts.
    pub(in super::super) hosts: Vec<String>,
}

impl Subjects {
    /// Those of a call with these parameters.
    pub(in super::super) fn of(params: &Params, cloud: &Cloud) -> Self {
        let mut named = BTreeSet::new();
        for (key, value) in params.iter() {
            let first = key.split('.').next().unwrap_or_default();
            if NAMING.contains(&first) && !key.ends_with(".Key") {
                let clean = value.trim_matches(['[', ']']);
                let parts = clean.split(',').map(|part| part.trim().trim_matches('"'));
                named.extend(parts.filter(|part| !part.is_empty()).map(str::to_owned));
            }
        }
        let mut ids = named.clone();
        let mut instances: BTreeSet<InstanceId> = BTreeSet::new();
        for id in &named {
            instances.extend(cloud.instance(id).map(|instance| instance.id.clone()));
            instances.extend(id.parse().ok().and_then(|eni| owner(cloud, &eni)));
            instances.extend(holder_of(cloud, id));
        }
        let mut hosts = Vec::new();
        for id in &instances {
            ids.insert(id.to_string());
            hosts.extend(cloud.instances.get(id).map(|instance| instance.name.clone()));
            let enis = cloud.enis.keys().filter(|eni| owner(cloud, eni).as_ref() == Some(id));
            ids.extend(enis.map(ToString::to_string));
        }
        Self { named: named.into_iter().collect(), ids: ids.into_iter().collect(), hosts }
    }
}

/// The instance that an interface is at, or was made for.
fn owner(cloud: &Cloud, eni: &EniId) -> Option<InstanceId> {
    let eni = cloud.enis.get(eni)?;
    eni.instance.clone().or_else(|| eni.tags.get(OWNER_TAG)?.parse().ok())
}

/// The instance behind an EIP that is named by its id or its address.
fn holder_of(cloud: &Cloud, id: &str) -> Option<InstanceId> {
    let eip = cloud.eip(id).or_else(|| cloud.eips.values().find(|eip| eip.address.to_string() == id))?;
    match eip.holder.as_ref()? {
        Holder::Instance(id) => Some(id.clone()),
        Holder::Eni(id) => owner(cloud, id),
        Holder::Nat(_) => None,
    }
}
