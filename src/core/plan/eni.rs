//! The secondary interface: which one is the host's, and what it takes to have it.

use super::{Code, Finding, KnownEni, OWNER_TAG, Op, Step, attach, group};
use crate::core::inventory::HostDesired;
use crate::core::model::VSwitchId;
use crate::core::observed::{CloudView, EipHolder, Eni, EniStatus, Instance, VSwitch};

/// The host's own secondary interface if it exists: the one with our tag, else an attached one that holds an EIP and has
/// the wanted name (the procedure done by hand). One that is being deleted, as after a rollback, is none any more.
pub(super) fn find<'a>(
    view: &'a CloudView,
    desired: &HostDesired,
    instance: &Instance,
    findings: &mut Vec<Finding>,
) -> Option<&'a Eni> {
    let tagged: Vec<&Eni> = view
        .enis
        .values()
        .filter(|eni| {
            !eni.primary
                && eni.status != EniStatus::Deleting
                && eni.tags.get(OWNER_TAG).map(String::as_str) == Some(instance.id.as_str())
        })
        .collect();
    if let [first, second, ..] = tagged.as_slice() {
        findings.push(
            Finding::refusal(
                format!("two interfaces are tagged as this host's: {} and {}", first.id, second.id),
                "which of them should carry the EIP is not known",
                format!("delete the one that is not used, or remove its tag {OWNER_TAG}, then plan again"),
            )
            .coded(Code::EniAmbiguous),
        );
    }
    let by_hand = || {
        view.eips.values().find_map(|eip| match &eip.holder {
            Some(EipHolder::Eni(id)) => view.enis.get(id).filter(|eni| {
                !eni.primary && eni.instance.as_ref() == Some(&instance.id) && eni.name == desired.eni.name
            }),
            _ => None,
        })
    };
    tagged.first().copied().or_else(by_hand)
}

/// The vSwitch the interface is or will be in.
pub(super) fn vswitch<'a>(
    view: &'a CloudView,
    desired: &HostDesired,
    instance: &Instance,
    eni: Option<&Eni>,
) -> Result<&'a VSwitch, Finding> {
    let wanted: Option<&VSwitchId> =
        eni.map(|eni| &eni.vswitch).or(desired.eni.vswitch.as_ref()).or(instance.vswitch.as_ref());
    let vswitch = wanted.and_then(|id| view.vswitches.get(id)).ok_or_else(|| {
        Finding::refusal(
            format!("vSwitch {} was not found", wanted.map_or("of the instance", VSwitchId::as_str)),
            "the interface needs a subnet",
            "correct eni.vswitch in the inventory",
        )
        .coded(Code::VswitchMissing)
    })?;
    if Some(&vswitch.vpc) != instance.vpc.as_ref() || vswitch.zone != instance.zone {
        return Err(Finding::refusal(
            format!("vSwitch {} is in {} {}, the instance elsewhere", vswitch.id, vswitch.vpc, vswitch.zone),
            "an interface must be in the VPC and zone of its instance",
            format!("choose a vSwitch in {} in eni.vswitch", instance.zone),
        )
        .coded(Code::VswitchElsewhere));
    }
    Ok(vswitch)
}

/// The steps that create and attach it, with the vendor's preconditions.
pub(super) fn steps(
    view: &CloudView,
    desired: &HostDesired,
    instance: &Instance,
    eni: Option<&Eni>,
    vswitch: &VSwitch,
    findings: &mut Vec<Finding>,
) -> Vec<Step> {
    let attach = || Step {
        op: Op::AttachEni { instance: instance.id.clone() },
        why: "the EIP needs an interface that is attached to the instance".to_owned(),
        diff: vec![format!("+ interface on {}", instance.id)],
    };
    if let Some(eni) = eni {
        return match (&eni.status, &eni.instance) {
            (EniStatus::InUse, Some(holder)) if *holder == instance.id => Vec::new(),
            (EniStatus::Available, _) => {
                attach::check(view, instance, findings);
                vec![attach()]
            }
            (status, holder) => {
                let holder = holder.as_ref().map_or("nothing".to_owned(), ToString::to_string);
                findings.push(
                    Finding::refusal(
                        format!("interface {} is {status:?} at {holder}", eni.id),
                        "another change of it is under way, or it belongs elsewhere",
                        "wait until it is Available or InUse at this instance, then plan again",
                    )
                    .coded(Code::EniBusy),
                );
                Vec::new()
            }
        };
    }
    attach::check(view, instance, findings);
    let security_groups = group::wanted(desired, instance);
    group::check(view, instance, &security_groups, findings);
    let groups = security_groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let address = desired.eni.primary_ip.map_or("(known after apply)".to_owned(), |ip| ip.to_string());
    let resource_group = &desired.eni.resource_group;
    let resource_group =
        resource_group.as_ref().map_or_else(String::new, |group| format!(", resource group {group}"));
    let create = Step {
        op: Op::CreateEni {
            instance: instance.id.clone(),
            name: desired.eni.name.clone(),
            vswitch: vswitch.id.clone(),
            security_groups,
            primary_ip: desired.eni.primary_ip,
            resource_group: desired.eni.resource_group.clone(),
        },
        why: "the instance has no secondary interface of ours".to_owned(),
        diff: vec![format!(
            "+ interface {} in {}, address {address}, groups {groups}{resource_group}",
            desired.eni.name, vswitch.id
        )],
    };
    vec![create, attach()]
}

/// What is known of an interface.
pub(super) fn remember(eni: &Eni) -> KnownEni {
    KnownEni { id: eni.id.clone(), mac: Some(eni.mac), address: Some(eni.primary_ip) }
}
