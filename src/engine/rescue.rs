//! Gathering what is known of a host that somebody wants back: from the journal, the cloud, and the host if it answers.
//!
//! Changes nothing anywhere. What cannot be asked is said to be so, and stops nothing.

use std::net::Ipv4Addr;

use super::history::{meta, stories};
use super::{EngineError, World, discover, ops, script};
use crate::core::inventory::HostDesired;
use crate::core::observed::Guards;
use crate::core::observed::guards::parse_guards;
use crate::core::plan::Other;
use crate::core::rescue::{LastRun, Rescue, cloud_words};

/// What is known of this host. `region` is where its instance is.
///
/// # Errors
/// If the journal cannot be read.
pub async fn rescue(world: &World, host: &HostDesired, region: &str) -> Result<Rescue, EngineError> {
    let view = discover::view(world, &[host], None).await;
    let primary =
        view.as_ref().ok().and_then(|(view, _)| Some(view.instances.get(&host.instance)?.primary_ip));
    let address = host.address.or(primary);
    let reached = match address {
        Some(address) => guards(world, host, address).await,
        None => Err(discover::NO_ADDRESS.to_owned()),
    };
    Ok(Rescue {
        host: host.name.clone(),
        instance: host.instance.clone(),
        region: region.to_owned(),
        address,
        reached,
        run: last_run(world, host).await?,
        cloud: view.map(|(view, _)| cloud_words(&view, &host.instance)).map_err(|error| error.to_string()),
    })
}

async fn guards(world: &World, host: &HostDesired, address: Ipv4Addr) -> Result<Guards, String> {
    let text = world.templates.guards_script().map_err(|error| error.to_string())?;
    let answer = script::alone(world, host, address, "guards", text).await?;
    parse_guards(&answer).map_err(|error| error.to_string())
}

async fn last_run(world: &World, host: &HostDesired) -> Result<Option<LastRun>, EngineError> {
    let latest = world.journal.latest().await?.into_iter().find(|latest| latest.host == host.name);
    let Some(latest) = latest else { return Ok(None) };
    let meta = meta(world, &latest.run).await?;
    let story = stories(world, &meta).await?.into_iter().find(|story| story.host == host.name);
    let Some(story) = story else { return Ok(None) };
    let guard =
        |other: Option<&Other>| ops::token(latest.run.as_str(), &host.instance, &ops::guard_of(other));
    Ok(Some(match story.saga {
        Ok(saga) => LastRun::of(&latest.run, guard, &saga),
        Err(damage) => LastRun {
            guard: guard(None),
            run: latest.run,
            at: damage,
            open: true,
            cut: false,
            route: None,
            files: None,
            others: Vec::new(),
        },
    }))
}
