//! The ten invariants, one function each, looked at after every event. A function says what is wrong, or nothing.
//!
//! Must only look.

use std::net::Ipv4Addr;
use std::time::Duration;

use egressctl::core::observed::{EipHolder, EipStatus};
use egressctl::core::plan::StepKind;
use egressctl::core::saga::Record;
use tokio::time::Instant;

use super::host::{MAIN, without_block};
use super::region::{Kept, Request};
use super::script::{Kind, Script};
use super::universe::{CANARY, Event, State};

/// What an invariant is.
pub(crate) type Check = fn(&State, Instant, &Event) -> Result<(), String>;

/// Longest time that an EIP may be bound to nothing while nothing goes wrong.
const WINDOW: Duration = Duration::from_secs(120);

/// All of them, by name.
pub(crate) const ALL: [(&str, Check); 10] = [
    ("I1", one_holder),
    ("I2", nobody_is_left_without_inbound),
    ("I3", unbound_only_when_persistent),
    ("I4", main_and_primary_untouched),
    ("I5", exactly_ours),
    ("I6", windows_are_few_and_short),
    ("I7", no_write_without_intent),
    ("I8", a_finished_fleet_is_left_alone),
    ("I9", hosts_are_apart),
    ("I10", no_secret_is_told),
];

/// The hosts that an event can have changed: one, or all where it is about all.
fn touched(state: &State, event: &Event) -> std::ops::Range<usize> {
    match event {
        Event::CarriedOut { host, .. }
        | Event::Finished { host, .. }
        | Event::Script { host, .. }
        | Event::Host { host, .. } => *host..*host + 1,
        Event::Ended { .. } | Event::Rest | Event::Again { .. } | Event::Killed => 0..state.hosts.len(),
        Event::Sent { .. } | Event::Append { .. } | Event::Told { .. } => 0..0,
    }
}

/// I1: at most one of instance and interface holds the EIP; it is never released, and its address never changes.
fn one_holder(state: &State, _: Instant, event: &Event) -> Result<(), String> {
    for index in touched(state, event) {
        let host = &state.hosts[index];
        let instance = state.region.instances.get(&host.instance).and_then(Kept::now);
        let instance = instance.ok_or_else(|| format!("host {index}: its instance is gone"))?;
        let with_address =
            || state.region.eips.values().filter_map(Kept::now).filter(|eip| eip.address == host.public);
        let eip = with_address().next();
        if with_address().count() > 1 {
            return Err(format!("host {index}: two EIPs have its address"));
        }
        match (instance.public_ip, eip) {
            (Some(address), None) if address == host.public => {}
            (None, Some(eip)) => {
                let by_instance = instance.eip.as_ref().is_some_and(|own| own.id == eip.id);
                let by_record = eip.holder == Some(EipHolder::Instance(host.instance.clone()));
                if by_instance && !by_record && eip.status != EipStatus::Associating {
                    return Err(format!("host {index}: instance and {:?} hold the EIP", eip.holder));
                }
            }
            _ if state.seen_eips.contains_key(&index) => {
                return Err(format!("host {index}: the EIP with its address is gone"));
            }
            _ => return Err(format!("host {index}: its inbound address {} is gone", host.public)),
        }
    }
    Ok(())
}

/// I2: when a run has ended, a host whose EIP is bound to nothing is one that a human was told of; at rest there is none.
fn nobody_is_left_without_inbound(state: &State, _: Instant, event: &Event) -> Result<(), String> {
    for (index, host) in state.hosts.iter().enumerate() {
        let unbound = || state.region.eip_of(host.public).is_some_and(|eip| eip.holder.is_none());
        let wrong = match event {
            Event::Ended { told } => unbound() && told.get(index) != Some(&true),
            Event::Rest => unbound(),
            _ => false,
        };
        if wrong {
            return Err(format!("host {index}: its EIP is bound to nothing"));
        }
    }
    Ok(())
}

/// I3: the EIP leaves the instance only when the host's part is done and confirmed, or was and comes back with the next boot.
fn unbound_only_when_persistent(state: &State, _: Instant, event: &Event) -> Result<(), String> {
    let Event::CarriedOut { host: index, request: Request::Unassociate(_, EipHolder::Instance(_)) } = event
    else {
        return Ok(());
    };
    let host = &state.hosts[*index];
    if host.guarded_until().is_some() {
        return Err(format!("host {index}: unbound, and it may still take its part back"));
    }
    let ours = state.region.ours(&host.instance);
    let persists = ours.iter().any(|eni| host.persists(eni.mac, eni.primary_ip));
    if persists { Ok(()) } else { Err(format!("host {index}: unbound, and its route is not persistent")) }
}

/// I4: main table and primary device of every host are what they were, but for what the host's own DHCP client did.
fn main_and_primary_untouched(state: &State, _: Instant, event: &Event) -> Result<(), String> {
    for index in touched(state, event) {
        let host = &state.hosts[index];
        if host.kernel.primary != host.base.primary {
            return Err(format!("host {index}: its primary device is not as it was"));
        }
        let main = host.kernel.routes.get(&MAIN);
        if main != host.base.routes.get(&MAIN) && !state.hijacked.contains(&index) {
            return Err(format!("host {index}: its main table is {main:?}"));
        }
    }
    Ok(())
}

/// I5: at most one rule and one route of ours, none where the plan was taken back; what is the owner's stays.
fn exactly_ours(state: &State, _: Instant, event: &Event) -> Result<(), String> {
    for index in touched(state, event) {
        let host = &state.hosts[index];
        let (rules, routes) = host.ours();
        if rules > 1 || routes > 1 {
            return Err(format!("host {index}: {rules} rules and {routes} routes of ours"));
        }
        let kept = |table: &u32| host.kernel.routes.get(table) == host.base.routes.get(table);
        let foreign = host.base.routes.keys().filter(|table| **table != MAIN).all(kept);
        if !foreign || !host.base.rules.iter().all(|rule| host.kernel.rules.contains(rule)) {
            return Err(format!("host {index}: a rule or a route of the owner's is gone"));
        }
        let text = without_block(host.rc_local.as_deref().unwrap_or_default());
        if !text.lines().eq(host.owners.iter().map(String::as_str).filter(|line| *line != "# edited"))
            && !text.lines().filter(|line| *line != "# edited").eq(host
                .owners
                .iter()
                .map(String::as_str)
                .filter(|line| *line != "# edited"))
        {
            return Err(format!("host {index}: the owner's lines in rc.local are {text:?}"));
        }
        if text.contains("# edited") != host.owners.iter().any(|line| line == "# edited") {
            return Err(format!("host {index}: the owner's edit of rc.local is lost"));
        }
    }
    Ok(())
}

/// I6: never more windows of one controller than the cap, and none longer than the limit; a window in which something went
/// wrong counts for neither, because it may be one that only a human can close.
fn windows_are_few_and_short(state: &State, at: Instant, _: &Event) -> Result<(), String> {
    let own = |window: &&super::universe::Window| Some(window.life) == state.alive && !window.excused;
    let own = state.windows.values().filter(own).count();
    if own > state.cap {
        return Err(format!("{own} cutovers are open, at most {}", state.cap));
    }
    let long = |window: &super::universe::Window| {
        !window.excused && at.saturating_duration_since(window.since) > WINDOW
    };
    match state.windows.iter().find(|(_, window)| long(window)) {
        Some((host, _)) => Err(format!("host {host}: unbound for more than {} s", WINDOW.as_secs())),
        None => Ok(()),
    }
}

/// I7: every write has its intent in the journal already, and no host has a second interface of ours.
fn no_write_without_intent(state: &State, _: Instant, event: &Event) -> Result<(), String> {
    for index in touched(state, event) {
        let count = state.region.ours(&state.hosts[index].instance).len();
        if count > 1 {
            return Err(format!("host {index}: {count} interfaces of ours"));
        }
    }
    let (host, forward, backward): (usize, Option<StepKind>, &[StepKind]) = match event {
        Event::Sent { host, request, .. } => match request {
            Request::PostPaid(_) => (*host, Some(StepKind::ChargeType), &[]),
            Request::Convert(_) => (*host, Some(StepKind::Convert), &[]),
            Request::Create(_) => (*host, Some(StepKind::CreateEni), &[]),
            Request::Attach(..) => (*host, Some(StepKind::AttachEni), &[]),
            Request::Delete(_) => (*host, None, &[StepKind::CreateEni]),
            Request::Detach(..) => (*host, None, &[StepKind::AttachEni]),
            Request::Unassociate(..) => (*host, Some(StepKind::Unassociate), &[StepKind::Associate]),
            Request::Associate(_, EipHolder::Eni(_), _) => (*host, Some(StepKind::Associate), &[]),
            Request::Associate(..) => (*host, None, &[StepKind::Unassociate, StepKind::Associate]),
        },
        Event::Script { host, text, .. } => match Script::read(text).map(|script| script.kind) {
            Some(Kind::Stage) => (*host, Some(StepKind::AttachEni), &[]),
            Some(Kind::Apply) => (*host, Some(StepKind::Configure), &[]),
            Some(Kind::Revert) => (*host, None, &[StepKind::Configure]),
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    let is_intent = |record: &&Record| matches!(record, Record::Intent(_) | Record::UndoIntent(_));
    let newest = match state.hosts.get(host).and_then(|_| state.last_record(host)) {
        // Trying again opens the step that was open before: its intent is on disk already.
        Some((run, Record::Retried)) => {
            let own = state.books[state.book].records(run);
            own.filter(|(name, ..)| **name == state.hosts[host].name)
                .map(|(.., record)| record)
                .filter(is_intent)
                .last()
        }
        newest => newest.map(|(_, record)| record),
    };
    let announced = match newest {
        Some(Record::Intent(op)) => forward == Some(op.kind()),
        Some(Record::UndoIntent(step)) => backward.contains(step),
        _ => false,
    };
    if announced { Ok(()) } else { Err(format!("host {host}: {event} without an intent")) }
}

/// I8: a finished fleet is planned and applied again without a request that has an effect and without a change of a host.
fn a_finished_fleet_is_left_alone(_: &State, _: Instant, event: &Event) -> Result<(), String> {
    match event {
        Event::Again { writes, changes } if writes + changes > 0 => {
            Err(format!("{writes} writes and {changes} changes of hosts that were finished"))
        }
        _ => Ok(()),
    }
}

/// I9: whatever is sent for one host names nothing of another.
fn hosts_are_apart(state: &State, _: Instant, event: &Event) -> Result<(), String> {
    match event {
        Event::Sent { host, request, .. } => {
            let own = *host < state.hosts.len() && state.names_only(*host, request);
            if own { Ok(()) } else { Err(format!("host {host}: {request:?} names another host's")) }
        }
        Event::Script { host: index, text, .. } => {
            let host = &state.hosts[*index];
            let Some(script) = Script::read(text) else { return Ok(()) };
            let ours = state.region.ours(&host.instance);
            let foreign = |address: Ipv4Addr| !ours.iter().any(|eni| eni.primary_ip == address);
            let primary: Option<Ipv4Addr> = script.value("primary_ip").and_then(|text| text.parse().ok());
            if script.address().is_some_and(|address| !ours.is_empty() && foreign(address))
                || primary.is_some_and(|primary| primary != host.primary_ip)
            {
                return Err(format!("host {index}: a script with another host's addresses"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// I10: nothing that leaves the program by journal or event holds a secret.
fn no_secret_is_told(_: &State, _: Instant, event: &Event) -> Result<(), String> {
    let (Event::Append { json: text, .. } | Event::Told { text }) = event else { return Ok(()) };
    if text.contains(CANARY) { Err("a secret is in what is told".to_owned()) } else { Ok(()) }
}
