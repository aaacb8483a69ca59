//! The inbound address: where it is now, and what it takes to have it on the secondary interface.

use std::net::Ipv4Addr;

use super::{Code, Finding, Known, KnownEip, Observed, Op, Policy, Step, charge};
use crate::core::inventory::HostDesired;
use crate::core::model::EniId;
use crate::core::observed::{CloudView, Eip, EipHolder, EipStatus, Instance};

/// Where the inbound address is now.
pub(super) enum Place<'a> {
    /// A static public address of the instance.
    Static(Ipv4Addr),
    /// An EIP, wherever it is bound.
    Eip(&'a Eip),
}

/// Finds the inbound address: the static one, else an EIP on the host's own interface, else one on the instance, else the
/// unbound EIP that an earlier run left behind.
pub(super) fn find<'a>(
    observed: &'a Observed,
    instance: &Instance,
    eni: Option<&EniId>,
) -> Result<Place<'a>, Finding> {
    let eips = &observed.cloud.eips;
    let on = |holder: &EipHolder| eips.values().find(|eip| eip.holder.as_ref() == Some(holder));
    let own = eni.and_then(|id| on(&EipHolder::Eni(id.clone())));
    let by_record = instance.eip.as_ref().and_then(|eip| eips.get(&eip.id));
    let on_instance = by_record.or_else(|| on(&EipHolder::Instance(instance.id.clone())));
    let second = instance.public_ip.or(on_instance.map(|eip| eip.address));
    if let (Some(own), Some(second)) = (own, second)
        && own.address != second
    {
        return Err(Finding::refusal(
            format!("the host has two public addresses: {} on its interface and {second}", own.address),
            "which of them is the inbound address is not known, and outbound packets leave from the other one",
            "unbind the one that nobody uses, then plan again",
        )
        .coded(Code::TwoPublicAddresses));
    }
    if let Some(address) = instance.public_ip {
        return Ok(Place::Static(address));
    }
    let former = observed.former.get(&instance.id);
    let unbound = || eips.values().find(|eip| eip.holder.is_none() && Some(&eip.address) == former);
    own.or(on_instance).or_else(unbound).map(Place::Eip).ok_or_else(|| {
        Finding::refusal(
            "the instance has neither a static public address nor an EIP",
            "there is no inbound address to keep",
            "bind an EIP to the instance, or take the host out of the inventory",
        )
        .coded(Code::NoPublicAddress)
    })
}

/// The steps that turn a static public address into an EIP, with the vendor's preconditions.
pub(super) fn convert(
    view: &CloudView,
    desired: &HostDesired,
    instance: &Instance,
    address: Ipv4Addr,
    policy: &Policy,
    findings: &mut Vec<Finding>,
) -> Vec<Step> {
    if instance.bandwidth_out_mbps < 1 {
        findings.push(
            Finding::refusal(
                "its public bandwidth is 0 Mbit/s",
                "the conversion needs at least 1 Mbit/s",
                "raise the instance's public bandwidth, then plan again",
            )
            .coded(Code::BandwidthZero),
        );
    }
    let mut steps: Vec<Step> =
        charge::change(view, desired, instance, policy, findings).into_iter().collect();
    steps.push(Step {
        op: Op::ConvertPublicIp { instance: instance.id.clone(), address },
        why: format!("{address} is a static public address; only an EIP can move"),
        diff: vec![
            format!("- public address {address} (static)"),
            format!("+ EIP {address} (known after apply)"),
        ],
    });
    steps
}

/// The steps that move the EIP to the interface. `eni` is its id if it exists already.
pub(super) fn cutover(
    eip: Option<&Eip>,
    instance: &Instance,
    eni: Option<&EniId>,
    findings: &mut Vec<Finding>,
) -> Vec<Step> {
    let target = eni.map_or_else(|| "the new interface (known after apply)".to_owned(), ToString::to_string);
    let associate = Step {
        op: Op::AssociateEip,
        why: "inbound connections must keep their address".to_owned(),
        diff: vec![format!("+ EIP on {target}")],
    };
    let unassociate = |from: EipHolder, private_ip: Option<Ipv4Addr>| Step {
        op: Op::UnassociateEip { from, private_ip },
        why: "as long as the instance holds the EIP its outbound traffic leaves from it".to_owned(),
        diff: vec![format!("- EIP on {}", instance.id)],
    };
    let Some(eip) = eip else {
        return vec![unassociate(EipHolder::Instance(instance.id.clone()), None), associate];
    };
    check_eip(eip, findings);
    match &eip.holder {
        Some(EipHolder::Eni(holder)) if Some(holder) == eni => Vec::new(),
        Some(from @ EipHolder::Instance(holder)) if *holder == instance.id => {
            vec![unassociate(from.clone(), None), associate]
        }
        None => vec![associate],
        Some(other) => {
            findings.push(
                Finding::refusal(
                    format!("EIP {} ({}) is bound to {}", eip.address, eip.id, holder_text(other)),
                    "somebody else uses it, and taking it away would cut them off",
                    "unbind it there by hand if it belongs to this host, then plan again",
                )
                .coded(Code::EipElsewhere),
            );
            Vec::new()
        }
    }
}

fn check_eip(eip: &Eip, findings: &mut Vec<Finding>) {
    if !eip.business_normal || !eip.locks.is_empty() {
        findings.push(
            Finding::refusal(
                format!("EIP {} is locked ({})", eip.id, eip.locks.join(", ")),
                "a locked EIP can be taken off but not bound again",
                "settle the account or the security lock, then plan again",
            )
            .coded(Code::EipLocked),
        );
    }
    if !matches!(eip.status, EipStatus::Available | EipStatus::InUse) {
        findings.push(
            Finding::refusal(
                format!("EIP {} is in transition ({:?})", eip.id, eip.status),
                "another change of it is under way",
                "wait until it is Available or InUse, then plan again",
            )
            .coded(Code::EipInTransition),
        );
    }
}

fn holder_text(holder: &EipHolder) -> String {
    match holder {
        EipHolder::Instance(id) => id.to_string(),
        EipHolder::Eni(id) => id.to_string(),
        EipHolder::Other(kind, id) => format!("{kind} {id}"),
    }
}

/// Records what is known of the address.
pub(super) fn remember(place: &Place<'_>, known: &mut Known) {
    match place {
        Place::Static(address) => known.inbound = Some(*address),
        Place::Eip(eip) => {
            known.inbound = Some(eip.address);
            known.eip = Some(KnownEip { id: eip.id.clone(), address: eip.address });
        }
    }
}
