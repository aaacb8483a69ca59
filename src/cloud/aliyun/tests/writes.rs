//! What each write sends, and how ambiguous answers are settled.

use super::*;

pub(super) fn spec() -> EniSpec {
    EniSpec {
        name: "web-1 second".to_owned(),
        vswitch: id("vsw-1"),
        security_groups: vec![id("sg-2"), id("sg-1")],
        primary_ip: Some("10.0.0.9".parse().unwrap()),
        resource_group: Some(id("rg-1")),
        tags: BTreeMap::from([("egressctl:instance".to_owned(), "i-1".to_owned())]),
    }
}

/// Action, version, parameters.
type Wanted = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

fn params(seen: &Seen) -> Vec<(&str, &str)> {
    seen.params.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

#[tokio::test]
async fn every_write_sends_exactly_the_documented_parameters() {
    let stub = Stub::start(|_, _| ok(json!({"NetworkInterfaceId": "eni-9"}))).await;
    let cloud = client(&stub);
    let (i, eni, eip) = (id("i-1"), id("eni-1"), id("eip-1"));
    let ip = Some("10.0.0.9".parse().unwrap());
    cloud.make_post_paid(&i, "t1").await.unwrap();
    cloud.convert_public_ip(&i).await.unwrap();
    assert_eq!(cloud.create_eni(&spec(), "t2").await.unwrap(), id("eni-9"));
    cloud.attach_eni(&eni, &i).await.unwrap();
    cloud.detach_eni(&eni, &i).await.unwrap();
    cloud.delete_eni(&eni).await.unwrap();
    cloud.associate_eip(&eip, &EipHolder::Eni(eni.clone()), ip, "t3").await.unwrap();
    cloud.associate_eip(&eip, &EipHolder::Instance(i.clone()), ip, "t4").await.unwrap();
    cloud.unassociate_eip(&eip, &EipHolder::Instance(i), ip, "t5").await.unwrap();
    cloud.unassociate_eip(&eip, &EipHolder::Eni(eni), None, "t6").await.unwrap();
    const R: (&str, &str) = ("RegionId", "cn-beijing");
    let want: [Wanted; 10] = [
        (
            "ModifyInstanceChargeType",
            "2014-05-26",
            &[
                ("AutoPay", "true"),
                ("ClientToken", "t1"),
                ("InstanceChargeType", "PostPaid"),
                ("InstanceIds", r#"["i-1"]"#),
                R,
            ],
        ),
        ("ConvertNatPublicIpToEip", "2014-05-26", &[("InstanceId", "i-1"), R]),
        (
            "CreateNetworkInterface",
            "2014-05-26",
            &[
                ("ClientToken", "t2"),
                ("DeleteOnRelease", "true"),
                ("NetworkInterfaceName", "web-1 second"),
                ("PrimaryIpAddress", "10.0.0.9"),
                R,
                ("ResourceGroupId", "rg-1"),
                ("SecurityGroupIds.1", "sg-2"),
                ("SecurityGroupIds.2", "sg-1"),
                ("Tag.1.Key", "egressctl:instance"),
                ("Tag.1.Value", "i-1"),
                ("VSwitchId", "vsw-1"),
            ],
        ),
        (
            "AttachNetworkInterface",
            "2014-05-26",
            &[("InstanceId", "i-1"), ("NetworkInterfaceId", "eni-1"), R],
        ),
        (
            "DetachNetworkInterface",
            "2014-05-26",
            &[("InstanceId", "i-1"), ("NetworkInterfaceId", "eni-1"), R],
        ),
        ("DeleteNetworkInterface", "2014-05-26", &[("NetworkInterfaceId", "eni-1"), R]),
        (
            "AssociateEipAddress",
            "2016-04-28",
            &[
                ("AllocationId", "eip-1"),
                ("ClientToken", "t3"),
                ("InstanceId", "eni-1"),
                ("InstanceType", "NetworkInterface"),
                ("Mode", "NAT"),
                ("PrivateIpAddress", "10.0.0.9"),
                R,
            ],
        ),
        (
            "AssociateEipAddress",
            "2016-04-28",
            &[
                ("AllocationId", "eip-1"),
                ("ClientToken", "t4"),
                ("InstanceId", "i-1"),
                ("InstanceType", "EcsInstance"),
                R,
            ],
        ),
        (
            "UnassociateEipAddress",
            "2016-04-28",
            &[
                ("AllocationId", "eip-1"),
                ("ClientToken", "t5"),
                ("InstanceId", "i-1"),
                ("InstanceType", "EcsInstance"),
                ("PrivateIpAddress", "10.0.0.9"),
                R,
            ],
        ),
        (
            "UnassociateEipAddress",
            "2016-04-28",
            &[
                ("AllocationId", "eip-1"),
                ("ClientToken", "t6"),
                ("InstanceId", "eni-1"),
                ("InstanceType", "NetworkInterface"),
                R,
            ],
        ),
    ];
    let seen = stub.seen();
    assert_eq!(seen.len(), want.len());
    for (seen, (action, version, wanted)) in seen.iter().zip(want) {
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/"));
        assert_eq!(seen.action(), action);
        assert_eq!(seen.headers["x-acs-version"], version);
        assert_eq!(params(seen), wanted, "{action}");
    }
    stub.check_signatures("ak", SECRET);
}

#[tokio::test]
async fn an_accepted_creation_without_an_id_is_asked_again_with_the_same_token() {
    let stub = Stub::start(|_, nth| match nth {
        0 => fail(400, "Operation.Conflict"),
        1 => ok(json!({"RequestId": "R"})),
        _ => ok(json!({"NetworkInterfaceId": "eni-9"})),
    })
    .await;
    assert_eq!(client(&stub).create_eni(&spec(), "t").await.unwrap(), id("eni-9"));
    let tokens: Vec<String> = stub.seen().iter().map(|seen| seen.param("ClientToken").to_owned()).collect();
    assert_eq!(tokens, ["t", "t-1", "t-1"]);

    let stub = Stub::start(|_, _| ok(json!({"NetworkInterfaceId": ""}))).await;
    let error = client(&stub).create_eni(&spec(), "t").await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Unknown);
}

/// Runs detach, delete and attach against a cloud that refuses them with the code and shows these interfaces.
async fn enis_with(code: &'static str, shown: Vec<Value>) -> [Result<(), CloudErrorKind>; 3] {
    let stub = Stub::start(move |seen, _| match seen.action() {
        "DescribeNetworkInterfaces" => enis_json(shown.clone()),
        _ => fail(400, code),
    })
    .await;
    let (retry_budget, refusal_span) = (Duration::from_millis(300), Duration::from_millis(10));
    let tuning = Tuning { retry_budget, refusal_span, ..hurry() };
    let cloud = client_with(&stub, tuning);
    let (eni, i) = (id("eni-1"), id("i-1"));
    [cloud.detach_eni(&eni, &i).await, cloud.delete_eni(&eni).await, cloud.attach_eni(&eni, &i).await]
        .map(|result| result.map_err(|error| error.kind))
}

#[tokio::test]
async fn what_is_already_so_is_success_after_a_look() {
    use CloudErrorKind::{Busy, NotFound, Refused};
    let eni = |status, at| vec![eni_json("eni-1", status, at)];
    assert_eq!(enis_with("InvalidEniId.NotFound", vec![]).await, [Ok(()), Ok(()), Err(NotFound)]);
    let odd = enis_with("InvalidParameter.EniNotBelongEcs", eni("InUse", "i-1")).await;
    assert_eq!(odd, [Err(NotFound), Err(NotFound), Ok(())]);
    let state = "InvalidOperation.InvalidEniState";
    assert_eq!(enis_with(state, eni("Available", "")).await, [Ok(()), Err(Busy), Err(Busy)]);
    assert_eq!(enis_with(state, eni("Deleting", "")).await, [Ok(()), Ok(()), Err(Busy)]);
    assert_eq!(enis_with(state, eni("InUse", "i-2")).await, [Ok(()), Err(Busy), Err(Refused)]);
    assert_eq!(enis_with(state, eni("Detaching", "i-1")).await, [Ok(()), Err(Busy), Err(Busy)]);
}

#[tokio::test]
async fn a_missing_address_is_a_finished_conversion_only_if_the_eip_is_there() {
    for (converted, want) in [(true, Ok(())), (false, Err(CloudErrorKind::Refused))] {
        let stub = Stub::start(move |seen, _| match seen.action() {
            "DescribeInstances" => instances_json(vec![instance_json(1, converted)]),
            _ => fail(404, "InvalidInstance.IpAddressMissing"),
        })
        .await;
        let result = client(&stub).convert_public_ip(&id("i-1")).await;
        assert_eq!(result.map_err(|error| error.kind), want);
    }
}

#[tokio::test]
async fn an_eip_in_a_wrong_state_is_looked_at() {
    use CloudErrorKind::{Busy, Refused};
    let run = async |status: &'static str, kind: &'static str, at: &'static str| {
        let stub = Stub::start(move |seen, _| match seen.action() {
            "DescribeEipAddresses" => eips_json(vec![eip_json("eip-1", status, kind, at)]),
            _ => fail(400, "IncorrectEipStatus"),
        })
        .await;
        let (retry_budget, refusal_span) = (Duration::from_millis(300), Duration::from_millis(10));
        let tuning = Tuning { retry_budget, refusal_span, ..hurry() };
        let cloud = client_with(&stub, tuning);
        let (eip, eni) = (id("eip-1"), EipHolder::Eni(id("eni-1")));
        let bind = cloud.associate_eip(&eip, &eni, None, "t").await.map_err(|error| error.kind);
        let free = cloud.unassociate_eip(&eip, &eni, None, "t").await.map_err(|error| error.kind);
        (bind, free)
    };
    assert_eq!(run("InUse", "NetworkInterface", "eni-1").await, (Ok(()), Err(Busy)));
    assert_eq!(run("Associating", "NetworkInterface", "eni-1").await, (Ok(()), Err(Busy)));
    assert_eq!(run("Available", "", "").await, (Err(Busy), Ok(())));
    assert_eq!(run("Unassociating", "NetworkInterface", "eni-1").await, (Err(Busy), Ok(())));
    assert_eq!(run("InUse", "EcsInstance", "i-7").await, (Err(Refused), Err(Refused)));
}

#[tokio::test]
async fn post_paid_is_recognised() {
    let stub = Stub::start(|seen, _| match seen.action() {
        "DescribeInstances" => instances_json(vec![instance_json(1, false)]),
        _ => silence(),
    })
    .await;
    client_with(&stub, impatient()).make_post_paid(&id("i-1"), "t").await.unwrap();
    assert_eq!(stub.of("ModifyInstanceChargeType").len(), 1);
}
