//! Who holds which host, and taking a lease off a host whose holder is dead.

use std::net::Ipv4Addr;

use super::lease::{connect_and_ask, params};
use super::{EngineError, World, discover, fleet};
use crate::core::inventory::HostDesired;
use crate::core::model::RunId;
use crate::core::observed::lease::{LeaseEnd, LeaseHolder};
use crate::core::template::LeaseVerb;

/// Who holds a host (`None`: nobody), or why that cannot be told.
pub type HeldBy = Result<Option<LeaseHolder>, String>;

/// Asks every host who holds it, in the order given.
///
/// # Errors
/// If the cloud or the journal cannot be read. What is wrong with one host is its answer.
pub async fn leases(world: &World, hosts: &[&HostDesired]) -> Result<Vec<HeldBy>, EngineError> {
    let nobody: RunId = "nobody".parse().map_err(|error| EngineError::Run(format!("{error}")))?;
    let items = addressed(world, hosts).await?;
    let answers = fleet::each(world.settings.forks, items, |(host, address)| {
        let (world, nobody) = (world.clone(), nobody.clone());
        async move {
            let params = params(LeaseVerb::Show, &nobody, &world.claims.operator, "");
            let report = connect_and_ask(&world, &host, address?, &params).await?;
            match report.end {
                LeaseEnd::Refused(why) => Err(why),
                _ => Ok(report.holder),
            }
        }
    })
    .await;
    Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(unexpected()))).collect())
}

/// Takes exactly these leases off their hosts; one that has changed hands since stays, and the answer says whose it is.
///
/// # Errors
/// If the cloud or the journal cannot be read. What is wrong with one host is its answer.
pub async fn release_leases(
    world: &World,
    held: &[(&HostDesired, LeaseHolder)],
) -> Result<Vec<Result<(), String>>, EngineError> {
    let hosts: Vec<&HostDesired> = held.iter().map(|(host, _)| *host).collect();
    let items = addressed(world, &hosts).await?;
    let items = items.into_iter().zip(held.iter().map(|(_, holder)| holder.clone())).collect();
    let answers = fleet::each(world.settings.forks, items, |((host, address), holder)| {
        let world = world.clone();
        async move {
            let params = params(LeaseVerb::Release, &holder.run, &holder.owner, &holder.nonce);
            let report = connect_and_ask(&world, &host, address?, &params).await?;
            match (report.end, report.holder) {
                (LeaseEnd::Released, _) => Ok(()),
                (LeaseEnd::Lost, Some(now)) => {
                    Err(format!("run {} of {} holds it by now; it stays", now.run, now.owner))
                }
                (end, _) => Err(format!("the lease script answered {end:?}")),
            }
        }
    })
    .await;
    Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(unexpected()))).collect())
}

/// The hosts with the addresses they are managed by.
async fn addressed(
    world: &World,
    hosts: &[&HostDesired],
) -> Result<Vec<(HostDesired, Result<Ipv4Addr, String>)>, EngineError> {
    let (cloud, _) = discover::view(world, hosts, None).await?;
    let address = |host: &HostDesired| {
        let primary = cloud.instances.get(&host.instance).map(|instance| instance.primary_ip);
        host.address.or(primary).ok_or_else(|| discover::NO_ADDRESS.to_owned())
    };
    Ok(hosts.iter().map(|host| ((*host).clone(), address(host))).collect())
}

fn unexpected() -> String {
    "asking it failed unexpectedly".to_owned()
}
