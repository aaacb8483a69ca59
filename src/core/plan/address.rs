//! The inbound address: where it is now, and what it takes to have it on the secondary interface.

use std::net::Ipv4Addr;

use super::{Finding, Known, KnownEip, Observed, Op, Policy, Step};
use crate::core::inventory::HostDesired;
use crate::core::model::EniId;
use crate::core::observed::{ChargeType, Eip, EipHolder, EipStatus, Instance, InternetChargeType};

/// Milliseconds in a day; a subscription that ends sooner cannot be converted.
const DAY_MS: i64 = 24 * 3_600_000;

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
        ));
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
    })
}

/// The steps that turn a static public address into an EIP, with the vendor's preconditions.
pub(super) fn convert(
    desired: &HostDesired,
    instance: &Instance,
    address: Ipv4Addr,
    policy: &Policy,
    findings: &mut Vec<Finding>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    if instance.bandwidth_out_mbps < 1 {
        findings.push(Finding::refusal(
            "its public bandwidth is 0 Mbit/s",
            "the conversion needs at least 1 Mbit/s",
            "raise the instance's public bandwidth, then plan again",
        ));
    }
    if instance.charge_type == ChargeType::PrePaid {
        match instance.expires.as_deref().map(str::parse::<jiff::Timestamp>) {
            Some(Ok(end)) if end.as_millisecond() - policy.now_ms > DAY_MS => {}
            Some(Ok(end)) => findings.push(Finding::refusal(
                format!("its subscription ends at {end}"),
                "the conversion needs more than 24 hours left",
                "renew the subscription, then plan again",
            )),
            Some(Err(_)) | None => findings.push(Finding::warning(
                "the end of its subscription is not known",
                "the conversion is refused by the cloud within 24 hours of it",
                "check the expiry date in the console",
            )),
        }
        if instance.internet_charge_type != InternetChargeType::PayByTraffic {
            if desired.allow.charge_type_change {
                steps.push(Step {
                    op: Op::MakePostPaid { instance: instance.id.clone() },
                    why: "a subscription that pays by bandwidth cannot be converted; the inventory consents to \
                          pay-as-you-go"
                        .to_owned(),
                    diff: vec!["- charge type PrePaid".to_owned(), "+ charge type PostPaid".to_owned()],
                });
            } else {
                findings.push(Finding::refusal(
                    "it is a subscription (PrePaid) that pays by bandwidth",
                    "the cloud converts only subscriptions that pay by traffic",
                    "set allow.charge_type_change: true for this host to switch it to pay-as-you-go (it costs money and \
                     is not taken back), or change its traffic billing by hand",
                ));
            }
        }
    }
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
            findings.push(Finding::refusal(
                format!("EIP {} ({}) is bound to {}", eip.address, eip.id, holder_text(other)),
                "somebody else uses it, and taking it away would cut them off",
                "unbind it there by hand if it belongs to this host, then plan again",
            ));
            Vec::new()
        }
    }
}

fn check_eip(eip: &Eip, findings: &mut Vec<Finding>) {
    if !eip.business_normal || !eip.locks.is_empty() {
        findings.push(Finding::refusal(
            format!("EIP {} is locked ({})", eip.id, eip.locks.join(", ")),
            "a locked EIP can be taken off but not bound again",
            "settle the account or the security lock, then plan again",
        ));
    }
    if !matches!(eip.status, EipStatus::Available | EipStatus::InUse) {
        findings.push(Finding::refusal(
            format!("EIP {} is in transition ({:?})", eip.id, eip.status),
            "another change of it is under way",
            "wait until it is Available or InUse, then plan again",
        ));
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
