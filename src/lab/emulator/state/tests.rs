//! Transitions and their preconditions, without time or network.

use super::super::errors::ApiError;
use super::*;
use crate::lab::spec::{LabSpec, SNAT_ADDRESS, Sshd};

const DONE: &str = "i-lab0000070001";
const FRESH: &str = "i-lab0000070002";
const PREPAID: &str = "i-lab0000070004";
const DARK: &str = "i-lab0000070005";

pub(crate) fn lab() -> Cloud {
    Cloud::new(&LabSpec::new(7, Sshd::Builtin, 6, None).unwrap(), 0)
}

fn code<T>(result: Result<T, ApiError>) -> &'static str {
    result.err().map_or("ok", |error| error.code)
}

fn wish(address: Option<&str>) -> NewEni {
    NewEni {
        vswitch: "vsw-lab-a".into(),
        security_groups: vec!["sg-lab".into()],
        address: address.map(|text| text.parse().unwrap()),
        ..NewEni::default()
    }
}

fn create(cloud: &mut Cloud) -> String {
    cloud.create_eni(wish(None), 100).unwrap().id.to_string()
}

fn attached(cloud: &mut Cloud, instance: &str) -> EniId {
    let id = create(cloud);
    let eni = cloud.start_attach(&id, instance).unwrap();
    cloud.finish_attach(&eni, true);
    eni
}

fn convert(cloud: &mut Cloud, instance: &str) -> String {
    let id = cloud.start_convert(instance, 100, 0).unwrap();
    cloud.finish_convert(&id, true);
    cloud.eip_of(&Holder::Instance(id)).unwrap().id.to_string()
}

const fn at<'a>(kind: Option<&'a str>, id: Option<&'a str>) -> Target<'a> {
    Target { kind, id, private: None, mode: None }
}

#[test]
fn the_beginning_is_what_the_blueprint_says() {
    let cloud = lab();
    assert_eq!(cloud.instances.len(), 7);
    let done = cloud.instance(DONE).unwrap();
    assert_eq!((done.public, done.bandwidth), (None, 0));
    let eip = cloud.eip("eip-labdone0000").unwrap();
    assert_eq!(eip.holder, Some(Holder::Eni("eni-labdone0000".parse().unwrap())));
    let eni = cloud.eni("eni-labdone0000").unwrap();
    assert_eq!((eni.name.as_str(), eni.tags["egressctl:instance"].as_str()), ("egress-done-1", DONE));
    assert_eq!((eip.private, eni.mac.to_string().as_str()), (Some(eni.address), "00:16:3f:00:07:0a"));
    let prepaid = cloud.instance(PREPAID).unwrap();
    assert_eq!((prepaid.charge, prepaid.traffic), (ChargeType::PrePaid, TrafficCharge::PayByBandwidth));
    assert_eq!(cloud.snat.len(), 3);
    assert!(cloud.snat.values().all(|entry| entry.address == SNAT_ADDRESS));
    assert!(!cloud.snat.values().any(|entry| entry.vswitch == cloud.instance(DARK).unwrap().vswitch));
}

#[test]
fn conversion_keeps_the_address_and_happens_once() {
    let mut cloud = lab();
    let address = cloud.instance(FRESH).unwrap().public;
    let id = cloud.start_convert(FRESH, 100, 0).unwrap();
    assert_eq!(code(cloud.start_convert(FRESH, 100, 0)), "IncorrectInstanceStatus");
    assert_eq!(cloud.instance(FRESH).unwrap().public, address);
    cloud.finish_convert(&id, true);
    let eip = cloud.eip_of(&Holder::Instance(id)).unwrap();
    assert_eq!((Some(eip.address), eip.status), (address, EipStatus::InUse));
    assert_eq!(cloud.instance(FRESH).unwrap().public, None);
    assert_eq!(code(cloud.start_convert(FRESH, 100, 0)), "InvalidInstance.IpAddressMissing");
}

#[test]
fn conversion_has_its_preconditions() {
    let mut cloud = lab();
    assert_eq!(code(cloud.start_convert("i-none", 100, 0)), "InvalidInstanceId.NotFound");
    assert_eq!(code(cloud.start_convert("not an id", 100, 0)), "InvalidInstanceId.NotFound");
    assert_eq!(code(cloud.start_convert(FRESH, cloud.eips.len(), 0)), "MaxEIPQuotaExceeded");
    assert_eq!(code(cloud.start_convert(PREPAID, 100, 0)), "InvalidInternetChargeType.ValueNotSupported");
    cloud.instance_mut(PREPAID).unwrap().traffic = TrafficCharge::PayByTraffic;
    let late = 299 * 24 * 60 * 60 * 1000 + 1;
    assert_eq!(code(cloud.start_convert(PREPAID, 100, late)), "InvalidEndTime.OperateNotSupport");
    assert_eq!(code(cloud.start_convert(PREPAID, 100, late - 1)), "ok");
    cloud.instance_mut(FRESH).unwrap().bandwidth = 0;
    assert_eq!(code(cloud.start_convert(FRESH, 100, 0)), "InvalidInstance.ZeroBandwidth");
}

#[test]
fn a_subscription_becomes_pay_as_you_go_and_then_converts() {
    let mut cloud = lab();
    let ids = |id: &str| vec![id.to_owned()];
    assert_eq!(code(cloud.check_post_paid(&ids("i-none"))), "InvalidInstanceId.NotFound");
    assert_eq!(code(cloud.check_post_paid(&ids(FRESH))), "InvalidStatus.ValueNotSupported");
    let changing = cloud.check_post_paid(&ids(PREPAID)).unwrap();
    cloud.start_post_paid(&changing);
    assert_eq!(code(cloud.check_post_paid(&ids(PREPAID))), "InstanceHasProcessingConvertOrder");
    cloud.finish_post_paid(&changing, true);
    assert_eq!(cloud.instance(PREPAID).unwrap().charge, ChargeType::PostPaid);
    assert_eq!(code(cloud.start_convert(PREPAID, 100, 0)), "ok");
}

#[test]
fn new_interfaces_get_free_addresses_of_their_own() {
    let mut cloud = lab();
    let first = cloud.create_eni(wish(None), 100).unwrap();
    let second = cloud.create_eni(wish(None), 100).unwrap();
    assert_eq!(first.address.to_string(), "172.16.1.16");
    assert_eq!(second.address.to_string(), "172.16.1.17");
    assert_ne!((&first.id, first.mac), (&second.id, second.mac));
    let asked = cloud.create_eni(wish(Some("172.16.1.200")), 100).unwrap();
    assert_eq!(asked.address.to_string(), "172.16.1.200");
}

#[test]
fn creation_has_its_preconditions() {
    let mut cloud = lab();
    let before = serde_json::to_value(&cloud).unwrap();
    for address in ["172.16.0.0", "172.16.3.253", "172.16.3.254", "172.16.3.255", "172.16.4.1", "8.8.8.8"] {
        assert_eq!(
            code(cloud.create_eni(wish(Some(address)), 100)),
            "InvalidVSwitchId.IpInvalid",
            "{address}"
        );
    }
    assert_eq!(code(cloud.create_eni(wish(Some("172.16.0.11")), 100)), "InvalidIp.IpAssigned");
    let vswitch = NewEni { vswitch: "vsw-none".into(), ..wish(None) };
    assert_eq!(code(cloud.create_eni(vswitch, 100)), "InvalidVSwitchId.NotFound");
    let group = NewEni { security_groups: vec!["sg-none".into()], ..wish(None) };
    assert_eq!(code(cloud.create_eni(group, 100)), "InvalidSecurityGroupId.NotFound");
    assert_eq!(code(cloud.create_eni(wish(None), 1)), "MaxEniCountExceeded");
    assert_eq!(serde_json::to_value(&cloud).unwrap(), before);
    cloud.security_groups.get_mut("sg-lab").unwrap().vpc = "vpc-other".into();
    assert_eq!(code(cloud.create_eni(wish(None), 100)), "InvalidOperation.VpcMismatch");
}

#[test]
fn a_full_vswitch_is_refused() {
    let mut cloud = lab();
    let small = NewEni { vswitch: "vsw-lab-b".into(), ..wish(None) };
    let vswitch = cloud.vswitch("vsw-lab-b").unwrap().clone();
    assert_eq!(cloud.free_addresses(&vswitch), 252);
    for _ in 100..=252 {
        cloud.create_eni(small.clone(), 1000).unwrap();
    }
    assert_eq!(code(cloud.create_eni(small, 1000)), "InvalidVSwitchId.IpNotEnough");
    assert_eq!(cloud.free_addresses(&vswitch), 252 - 153);
}

#[test]
fn an_attachment_goes_its_way_or_falls_back() {
    let mut cloud = lab();
    let id = create(&mut cloud);
    let eni = cloud.start_attach(&id, FRESH).unwrap();
    assert_eq!(code(cloud.start_attach(&id, FRESH)), "InvalidOperation.InvalidEniState");
    assert_eq!(code(cloud.start_detach(&id, FRESH)), "InvalidOperation.InvalidEniState");
    assert_eq!(code(cloud.start_delete(&id)), "InvalidOperation.InvalidEniState");
    let (instance, port) = cloud.port(&eni, true).unwrap();
    assert_eq!((instance.as_str(), port.source_check), (FRESH, true));
    assert!(!cloud.port(&eni, false).unwrap().1.source_check);
    cloud.finish_attach(&eni, false);
    assert_eq!((cloud.enis[&eni].status, &cloud.enis[&eni].instance), (EniStatus::Available, &None));
    cloud.start_attach(&id, FRESH).unwrap();
    cloud.finish_attach(&eni, true);
    assert_eq!(cloud.enis[&eni].status, EniStatus::InUse);
}

#[test]
fn attaching_has_its_preconditions() {
    let mut cloud = lab();
    let id = create(&mut cloud);
    assert_eq!(code(cloud.start_attach("eni-none", FRESH)), "InvalidEniId.NotFound");
    assert_eq!(code(cloud.start_attach(&id, "i-none")), "InvalidEcsId.NotFound");
    assert_eq!(code(cloud.start_attach("eni-labprim0002", FRESH)), "InvalidOperation.InvalidEniType");
    assert_eq!(code(cloud.start_attach(&id, "i-lab-bastion")), "InvalidOperation.HotPlugNotSupport");
    cloud.start_convert(FRESH, 100, 0).unwrap();
    assert_eq!(code(cloud.start_attach(&id, FRESH)), "InvalidOperation.InvalidEcsState");
    cloud.finish_convert(&FRESH.parse().unwrap(), true);
    attached(&mut cloud, FRESH);
    attached(&mut cloud, FRESH);
    assert_eq!(code(cloud.start_attach(&id, FRESH)), "EniPerInstanceLimitExceeded");
    let own = cloud.eni(&id).unwrap().vswitch.clone();
    let fields = |vpc: &str, zone: &str, cloud: &mut Cloud| {
        let other = cloud.vswitches.get_mut(&cloud.instance(DARK).unwrap().vswitch.clone()).unwrap();
        (other.vpc, other.zone) = (vpc.to_owned(), zone.to_owned());
    };
    assert_eq!(own.as_str(), "vsw-lab-a");
    fields("vpc-other", "cn-lab-1a", &mut cloud);
    assert_eq!(code(cloud.start_attach(&id, DARK)), "InvalidOperation.VpcMismatch");
    fields("vpc-lab", "cn-lab-1b", &mut cloud);
    assert_eq!(code(cloud.start_attach(&id, DARK)), "InvalidOperation.AvailabilityZoneMismatch");
}

#[test]
fn detaching_and_deleting_have_theirs() {
    let mut cloud = lab();
    let eni = attached(&mut cloud, FRESH);
    let id = eni.to_string();
    assert_eq!(code(cloud.start_delete(&id)), "InvalidOperation.InvalidEniState");
    assert_eq!(code(cloud.start_detach(&id, DONE)), "InvalidParameter.EniNotBelongEcs");
    assert_eq!(code(cloud.start_detach("eni-none", FRESH)), "InvalidEniId.NotFound");
    let primary = cloud.instance(FRESH).unwrap().primary_eni.to_string();
    assert_eq!(code(cloud.start_detach(&primary, FRESH)), "InvalidOperation.DetachPrimaryEniNotAllowed");
    assert_eq!(cloud.start_detach(&id, FRESH).unwrap(), Some(eni.clone()));
    assert_eq!(cloud.start_detach(&id, FRESH).unwrap(), None);
    cloud.finish_detach(&eni, false);
    assert_eq!(cloud.enis[&eni].status, EniStatus::InUse);
    cloud.start_detach(&id, FRESH).unwrap();
    cloud.finish_detach(&eni, true);
    assert_eq!(code(cloud.start_detach(&id, FRESH)), "InvalidParameter.EniNotBelongEcs");
    assert_eq!(cloud.start_delete(&id).unwrap(), Some(eni.clone()));
    assert_eq!(cloud.start_delete(&id).unwrap(), None);
    cloud.finish_delete(&eni, true);
    assert_eq!(code(cloud.start_delete(&id)), "InvalidEniId.NotFound");
}

#[test]
fn an_eip_moves_from_the_instance_to_the_interface_and_back() {
    let mut cloud = lab();
    let eip = convert(&mut cloud, FRESH);
    let eni = attached(&mut cloud, FRESH);
    let id: AllocationId = eip.parse().unwrap();
    let on_eni = Target {
        private: Some(cloud.enis[&eni].address),
        ..at(Some("NetworkInterface"), Some(eni.as_str()))
    };
    cloud.start_unassociate(&eip, at(None, Some(FRESH))).unwrap();
    assert_eq!(code(cloud.start_unassociate(&eip, at(None, Some(FRESH)))), "IncorrectEipStatus");
    assert_eq!(code(cloud.start_associate(&eip, on_eni)), "IncorrectEipStatus");
    cloud.finish_unassociate(&id, true);
    assert_eq!((&cloud.eips[&id].holder, cloud.eips[&id].private), (&None, None));
    cloud.start_associate(&eip, on_eni).unwrap();
    assert_eq!(cloud.eips[&id].status, EipStatus::Associating);
    cloud.finish_associate(&id, true);
    assert_eq!(code(cloud.start_unassociate(&eip, at(None, Some(FRESH)))), "InvalidBindInstance.NotFound");
    assert_eq!(code(cloud.start_unassociate(&eip, at(None, None))), "InvalidBindInstance.NotFound");
    let wrong = Target { private: Some(SNAT_ADDRESS), ..on_eni };
    assert_eq!(code(cloud.start_unassociate(&eip, wrong)), "InvalidBindInstance.NotFound");
    cloud.start_unassociate(&eip, on_eni).unwrap();
    cloud.finish_unassociate(&id, false);
    assert_eq!(cloud.eips[&id].status, EipStatus::InUse);
    cloud.start_unassociate(&eip, on_eni).unwrap();
    cloud.finish_unassociate(&id, true);
    cloud.start_associate(&eip, at(Some("EcsInstance"), Some(FRESH))).unwrap();
    cloud.finish_associate(&id, false);
    assert_eq!((cloud.eips[&id].status, &cloud.eips[&id].holder), (EipStatus::Available, &None));
}

#[test]
fn associating_has_its_preconditions() {
    let mut cloud = lab();
    let (one, two) = (convert(&mut cloud, FRESH), convert(&mut cloud, DARK));
    cloud.start_unassociate(&one, at(None, Some(FRESH))).unwrap();
    cloud.finish_unassociate(&one.parse().unwrap(), true);
    let refusal = |cloud: &mut Cloud, target: Target<'_>| code(cloud.start_associate(&one, target));
    assert_eq!(
        code(cloud.start_associate("eip-none", at(None, Some(FRESH)))),
        "InvalidAllocationId.NotFound"
    );
    assert_eq!(code(cloud.start_associate(&two, at(None, Some(FRESH)))), "IncorrectEipStatus");
    assert_eq!(refusal(&mut cloud, at(None, None)), "MissingParameter");
    assert_eq!(refusal(&mut cloud, at(Some("Car"), Some(FRESH))), "InvalidInstanceType.ValueNotSupported");
    assert_eq!(refusal(&mut cloud, at(None, Some("i-none"))), "InvalidInstanId.NotFound");
    assert_eq!(refusal(&mut cloud, at(None, Some(DARK))), "InvalidAssociation.Duplicated");
    assert_eq!(refusal(&mut cloud, at(None, Some(PREPAID))), "EIP_CAN_NOT_ASSOCIATE_WITH_PUBLIC_IP");
    cloud.instance_mut(PREPAID).unwrap().public = None;
    assert_eq!(refusal(&mut cloud, at(None, Some(PREPAID))), "Forbidden.InstanceBandwidthNotZero");
    cloud.start_unassociate(&two, at(None, Some(DARK))).unwrap();
    assert_eq!(refusal(&mut cloud, at(None, Some(DARK))), "TaskConflict");

    let eni = attached(&mut cloud, FRESH);
    let address = cloud.enis[&eni].address;
    let good = Target { private: Some(address), ..at(Some("NetworkInterface"), Some(eni.as_str())) };
    assert_eq!(refusal(&mut cloud, Target { id: Some("x"), ..good }), "InvalidParameter.EniInstanceId");
    assert_eq!(refusal(&mut cloud, Target { id: Some("eni-none"), ..good }), "InvalidInstanId.NotFound");
    assert_eq!(
        refusal(&mut cloud, Target { id: Some("eni-labprim0001"), ..good }),
        "InvalidParameter.EniInstanceId"
    );
    assert_eq!(refusal(&mut cloud, Target { private: None, ..good }), "MissingParameter");
    assert_eq!(refusal(&mut cloud, Target { private: Some(SNAT_ADDRESS), ..good }), "InvalidParameter");
    assert_eq!(refusal(&mut cloud, Target { mode: Some("BINDED"), ..good }), "Eni.Attached");
    assert_eq!(refusal(&mut cloud, Target { mode: Some("MULTI_BINDED"), ..good }), "InvalidParameter");
    let entry = ForwardEntry { id: "fwd-1".into(), external: SNAT_ADDRESS, internal: address };
    cloud.forwards.insert(entry.id.clone(), entry);
    assert_eq!(refusal(&mut cloud, good), "BIND_INSTANCE_HAVE_PORTMAP_OR_BIND_EIP");
    cloud.forwards.clear();
    cloud.start_detach(eni.as_str(), FRESH).unwrap();
    assert_eq!(refusal(&mut cloud, good), "InvalidStatus.EniStatusNotSupport");
    cloud.finish_detach(&eni, true);
    assert_eq!(refusal(&mut cloud, Target { mode: Some("NAT"), ..good }), "ok");
}

#[test]
fn an_eip_that_others_need_stays() {
    let mut cloud = lab();
    assert_eq!(
        code(cloud.start_unassociate("eip-lab-nat", at(Some("Nat"), None))),
        "InvalidIpStatus.HasBeenUsedBySnatTable"
    );
    assert_eq!(code(cloud.start_unassociate("eip-none", at(None, None))), "InvalidAllocationId.NotFound");
    assert_eq!(
        code(cloud.start_unassociate("eip-lab-bastion", at(Some("Car"), None))),
        "InvalidInstanceType.ValueNotSupported"
    );
    let eni = "eni-labdone0000";
    cloud.start_detach(eni, DONE).unwrap();
    assert_eq!(
        code(cloud.start_unassociate("eip-labdone0000", at(Some("NetworkInterface"), Some(eni)))),
        "InvalidStatus.EniStatusNotSupport"
    );
    cloud.finish_detach(&eni.parse().unwrap(), true);
    assert_eq!(code(cloud.start_delete(eni)), "InvalidOperation.InvalidEniState");
}

#[test]
fn one_plugging_at_a_time_and_no_malformed_ids() {
    let mut cloud = lab();
    let (one, other) = (create(&mut cloud), create(&mut cloud));
    let eni = cloud.start_attach(&one, FRESH).unwrap();
    assert_eq!(code(cloud.start_attach(&other, FRESH)), "OperationConflict");
    cloud.finish_attach(&eni, true);
    let second = cloud.start_attach(&other, FRESH).unwrap();
    assert_eq!(code(cloud.start_detach(&one, FRESH)), "OperationConflict");
    cloud.finish_attach(&second, true);
    assert_eq!(code(cloud.start_detach(&one, FRESH)), "ok");
    assert_eq!(code(cloud.start_attach("interface-1", FRESH)), "InvalidParams.EniId");
    assert_eq!(code(cloud.start_attach("eni-none", FRESH)), "InvalidEniId.NotFound");
    assert_eq!(code(cloud.start_detach(&one, "host-1")), "InvalidInstanceID.Malformed");
    assert_eq!(code(cloud.start_detach(&one, "i-none")), "InvalidEcsId.NotFound");
    assert_eq!(code(cloud.start_delete("x")), "InvalidParams.EniId");
}

#[test]
fn an_eip_stays_while_its_instance_is_being_changed() {
    let mut cloud = lab();
    let eip = convert(&mut cloud, FRESH);
    let ids = [FRESH.parse().unwrap()];
    cloud.start_post_paid(&ids);
    let from = at(Some("EcsInstance"), Some(FRESH));
    assert_eq!(code(cloud.start_unassociate(&eip, from)), "IncorrectInstanceStatus");
    cloud.finish_post_paid(&ids, true);
    assert_eq!(code(cloud.start_unassociate(&eip, from)), "ok");
}
