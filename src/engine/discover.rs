//! Looking: one view of the cloud for all hosts, one connection and one script for each host. Changes nothing.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::time::Instant;

use super::{EngineError, World, fleet, script, target};
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::inventory::HostDesired;
use crate::core::model::{HostName, InstanceId};
use crate::core::observed::facts::parse_facts;
use crate::core::observed::{CloudView, EipStatus, EniStatus, Facts, Observation};
use crate::core::plan::{OWNER_TAG, Observed};
use crate::core::saga::Record;
use crate::ports::{Checks, HostKey, ViewScope};

/// How long a change that is under way may take before it is taken as what is; a run that was killed leaves such changes.
pub(super) const TRANSITION: Duration = Duration::from_secs(30);
/// Pause before the cloud is looked at once more.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// What is said of a host whose address neither the inventory nor the cloud tells.
pub(super) const NO_ADDRESS: &str = "its address is not known, because the cloud does not know the instance";

/// What looking brought.
#[derive(Debug, Clone, Default)]
pub struct Discovered {
    /// Cloud and hosts.
    pub observed: Observed,
    /// The key each host has proven to hold.
    pub keys: BTreeMap<HostName, HostKey>,
}

/// Looks at the cloud and at every host.
///
/// # Errors
/// If the cloud or the journal cannot be read. A host that cannot be looked at is [`Observation::Unseen`].
pub async fn discover(world: &World, hosts: &[&HostDesired]) -> Result<Discovered, EngineError> {
    world.events.emit(Event::StageStarted { stage: Stage::Discover, hosts: hosts.len() });
    let (cloud, former) = view_at_rest(world, hosts).await?;
    let script = world.templates.facts_script().map_err(|error| EngineError::Template(error.to_string()))?;
    let items: Vec<(HostDesired, Option<Ipv4Addr>)> = hosts
        .iter()
        .map(|host| {
            (
                (*host).clone(),
                host.address.or_else(|| cloud.instances.get(&host.instance).map(|i| i.primary_ip)),
            )
        })
        .collect();
    let looks = fleet::each(world.settings.forks, items, |(host, address)| {
        let (world, script) = (world.clone(), script.clone());
        async move {
            let seen = look(&world, &host, address, script).await;
            let outcome = match &seen {
                Ok(_) => HostOutcome::Ok,
                Err(reason) => HostOutcome::Unreachable(reason.clone()),
            };
            world.events.emit(Event::HostDone { stage: Stage::Discover, host: host.name.clone(), outcome });
            seen
        }
    })
    .await;
    world.events.emit(Event::StageFinished { stage: Stage::Discover });
    let (mut facts, mut keys) = (BTreeMap::new(), BTreeMap::new());
    for (host, look) in hosts.iter().zip(looks) {
        let observation = match look.unwrap_or_else(|| Err("looking at it failed unexpectedly".to_owned())) {
            Ok((seen, key)) => {
                keys.insert(host.name.clone(), key);
                Observation::Seen(seen)
            }
            Err(reason) => Observation::Unseen(reason),
        };
        facts.insert(host.name.clone(), observation);
    }
    Ok(Discovered { observed: Observed { cloud, facts, former }, keys })
}

/// Looks at the cloud alone; says nothing of the hosts.
///
/// # Errors
/// If the cloud or the journal cannot be read.
pub async fn discover_cloud(world: &World, hosts: &[&HostDesired]) -> Result<Observed, EngineError> {
    let (cloud, former) = view_at_rest(world, hosts).await?;
    Ok(Observed { cloud, facts: BTreeMap::new(), former })
}

/// The cloud's side, once no change of these hosts' interfaces and addresses is under way any more, or after a while.
async fn view_at_rest(
    world: &World,
    hosts: &[&HostDesired],
) -> Result<(CloudView, BTreeMap<InstanceId, Ipv4Addr>), EngineError> {
    let end = Instant::now() + TRANSITION;
    // What is only checked does not change while others are waited for.
    let mut checked: Option<CloudView> = None;
    loop {
        let asked = if checked.is_none() { Some(checks(hosts)) } else { None };
        let (cloud, former) = view(world, hosts, asked).await?;
        let cloud = match checked.take() {
            Some(before) => cloud.with_checks_of(before),
            None => cloud,
        };
        let moving =
            hosts.iter().any(|host| in_transition(&cloud, &host.instance, former.get(&host.instance)));
        if !moving || Instant::now() + PAUSE >= end {
            return Ok((cloud, former));
        }
        checked = Some(cloud);
        tokio::time::sleep(PAUSE).await;
    }
}

/// What is looked at only before a plan is made.
fn checks(hosts: &[&HostDesired]) -> Checks {
    let copying = hosts.iter().filter(|host| host.eni.security_groups.is_empty());
    let consenting = hosts.iter().filter(|host| host.allow.charge_type_change);
    Checks {
        groups: hosts.iter().flat_map(|host| host.eni.security_groups.iter().cloned()).collect(),
        copied: copying.map(|host| host.instance.clone()).collect(),
        charge_changes: consenting.map(|host| host.instance.clone()).collect(),
    }
}

/// Whether a change of this host's own interface or EIP is under way.
pub(super) fn in_transition(view: &CloudView, instance: &InstanceId, former: Option<&Ipv4Addr>) -> bool {
    let mut eips =
        view.eips.values().filter(|eip| held_by(view, eip, instance) || Some(&eip.address) == former);
    let mut enis = view
        .enis
        .values()
        .filter(|eni| !eni.primary && eni.tags.get(OWNER_TAG).map(String::as_str) == Some(instance.as_str()));
    eips.any(|eip| matches!(eip.status, EipStatus::Associating | EipStatus::Unassociating))
        || enis.any(|eni| matches!(eni.status, EniStatus::Attaching | EniStatus::Detaching))
}

/// The cloud's side. Hosts without any public address are looked up in the journal, and their former address's EIP is
/// looked for: the run that moved it may have been killed half way.
pub(super) async fn view(
    world: &World,
    hosts: &[&HostDesired],
    checks: Option<Checks>,
) -> Result<(CloudView, BTreeMap<InstanceId, Ipv4Addr>), EngineError> {
    let mut scope = ViewScope {
        checks,
        instances: hosts.iter().map(|host| host.instance.clone()).collect(),
        addresses: Vec::new(),
        vswitches: hosts.iter().filter_map(|host| host.eni.vswitch.clone()).collect(),
        owner_tag: OWNER_TAG.to_owned(),
    };
    scope.vswitches.sort();
    scope.vswitches.dedup();
    let view = world.cloud.view(&scope).await?;
    let lost: Vec<&InstanceId> = view
        .instances
        .values()
        .filter(|instance| instance.public_ip.is_none() && instance.eip.is_none())
        .map(|instance| &instance.id)
        .filter(|id| !view.eips.values().any(|eip| held_by(&view, eip, id)))
        .collect();
    if lost.is_empty() {
        return Ok((view, BTreeMap::new()));
    }
    let former = former_addresses(world, &lost).await?;
    if former.is_empty() {
        return Ok((view, former));
    }
    scope.addresses = former.values().copied().collect();
    scope.checks = None;
    Ok((world.cloud.view(&scope).await?.with_checks_of(view), former))
}

fn held_by(view: &CloudView, eip: &crate::core::observed::Eip, instance: &InstanceId) -> bool {
    use crate::core::observed::EipHolder;
    match &eip.holder {
        Some(EipHolder::Instance(id)) => id == instance,
        Some(EipHolder::Eni(id)) => view.enis.get(id).and_then(|eni| eni.instance.as_ref()) == Some(instance),
        Some(EipHolder::Other(..)) | None => false,
    }
}

async fn former_addresses(
    world: &World,
    instances: &[&InstanceId],
) -> Result<BTreeMap<InstanceId, Ipv4Addr>, EngineError> {
    let mut former = BTreeMap::new();
    for run in world.journal.runs().await? {
        for (_, _, record) in world.journal.records(&run.id).await? {
            if let Record::Began(began) = record
                && let Some(address) = began.known.inbound
                && instances.contains(&&began.instance)
            {
                former.entry(began.instance).or_insert(address);
            }
        }
        if former.len() == instances.len() {
            break;
        }
    }
    Ok(former)
}

async fn look(
    world: &World,
    host: &HostDesired,
    address: Option<Ipv4Addr>,
    text: String,
) -> Result<(Facts, HostKey), String> {
    let address = address.ok_or(NO_ADDRESS)?;
    let target = target::managed(host, address).map_err(|error| error.to_string())?;
    let session = world.transport.connect(&target).await.map_err(|error| error.to_string())?;
    let key = session.host_key().clone();
    let answer = script::run(world, host, session.as_ref(), "facts", text).await;
    session.close().await;
    let facts = parse_facts(&answer?).map_err(|error| error.to_string())?;
    Ok((facts, key))
}
