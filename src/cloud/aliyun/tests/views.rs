//! The one read: what it covers and how many calls it takes.

use super::*;
use crate::core::model::VSwitchId;
use crate::core::observed::{DefaultRoute, InternetChargeType, Observation};

const TAG: &str = "egressctl:instance";

/// A cloud of `fleet` instances, every one with its primary interface; the first has an EIP on an interface of ours.
fn fleet_cloud(seen: &Seen, fleet: usize) -> Reply {
    let page = |items: Vec<Value>, size: usize, wrap: &dyn Fn(&[Value]) -> Value| {
        let number: usize = seen.param("PageNumber").parse().unwrap();
        let asked: usize = seen.param("PageSize").parse().unwrap();
        assert!(asked <= size, "{seen:?}");
        let from = ((number - 1) * asked).min(items.len());
        let mut body = wrap(&items[from..(from + asked).min(items.len())]);
        body["TotalCount"] = json!(items.len());
        ok(body)
    };
    match seen.action() {
        "DescribeInstances" => {
            let ids: Vec<String> = serde_json::from_str(seen.param("InstanceIds")).unwrap();
            assert!((1..=100).contains(&ids.len()));
            // Two pages, so that tokens are followed.
            let half = ids.len().div_ceil(2);
            let (ids, next) =
                if seen.param("NextToken").is_empty() { (&ids[..half], "more") } else { (&ids[half..], "") };
            let n = |id: &String| id.trim_start_matches("i-").parse::<usize>().unwrap();
            let known = ids.iter().map(n).filter(|n| *n < fleet);
            let list: Vec<Value> = known.map(|n| instance_json(n, n == 1)).collect();
            ok(json!({"Instances": {"Instance": list}, "NextToken": next}))
        }
        "DescribeNetworkInterfaces" if seen.param("Tag.1.Key") == TAG => {
            let tagged = |id: &str, status: &str, at: &str, owner: &str| {
                let mut eni = eni_json(id, status, at);
                eni["Tags"] =
                    json!({"Tag": [{"TagKey": "a", "TagValue": "b"}, {"TagKey": TAG, "TagValue": owner}]});
                eni
            };
            let mut ours = tagged("eni-ours", "InUse", "i-0", "i-0");
            ours["AssociatedPublicIp"] =
                json!({"AllocationId": "eip-ours", "PublicIpAddress": "203.0.113.7"});
            let mut foreign = tagged("eni-foreign", "InUse", "i-x", "i-x");
            foreign["MacAddress"] = json!("odd, but not ours");
            enis_json(vec![ours, tagged("eni-free", "Available", "", "i-2"), foreign])
        }
        "DescribeNetworkInterfaces" => {
            let ids = seen.list("NetworkInterfaceId");
            assert!((1..=100).contains(&ids.len()));
            enis_json(ids.iter().map(|id| eni_json(id, "InUse", &id.replace("eni", "i"))).collect())
        }
        "DescribeEipAddresses" => {
            let ids = seen.param("AllocationId").split(',').filter(|id| !id.is_empty());
            let list: Vec<Value> =
                ids.map(|id| eip_json(id, "InUse", "NetworkInterface", "eni-ours")).collect();
            let lost =
                seen.param("EipAddress").split(',').filter(|address| !address.is_empty()).map(|address| {
                    let mut eip = eip_json("eip-lost", "Available", "", "");
                    eip["IpAddress"] = json!(address);
                    eip
                });
            let list: Vec<Value> = list.into_iter().chain(lost).collect();
            page(list, 100, &|items| json!({"EipAddresses": {"EipAddress": items}}))
        }
        "DescribeVSwitchAttributes" => match seen.param("VSwitchId") {
            "vsw-none" => ok(json!({"VSwitchId": "", "RequestId": "R"})),
            "vsw-gone" => fail(404, "InvalidVSwitchId.NotFound"),
            id => ok(vswitch_json(id)),
        },
        "DescribeVSwitches" => {
            let all = (0..120).map(|n| vswitch_json(&format!("vsw-{n}"))).collect();
            page(all, 50, &|items| json!({"VSwitches": {"VSwitch": items}}))
        }
        "DescribeNatGateways" => {
            assert_eq!((seen.param("VpcId"), seen.param("NetworkType")), ("vpc-1", "internet"));
            let gateway = |id: &str, kind: &str| json!({"NatGatewayId": id, "NetworkType": kind});
            let all = vec![gateway("ngw-1", "internet"), gateway("ngw-2", "intranet")];
            page(all, 50, &|items| json!({"NatGateways": {"NatGateway": items}}))
        }
        "DescribeSnatTableEntries" => {
            assert_eq!(seen.param("NatGatewayId"), "ngw-1");
            let entry = |n: usize, source: &str| {
                json!({"SnatEntryId": format!("snat-{n:02}"), "SourceCIDR": source,
                    "SnatIp": "198.51.100.1, 198.51.100.2", "Status": if n == 1 { "Pending" } else { "Available" }})
            };
            let mut all = vec![entry(0, "10.0.0.0/16"), entry(1, "10.0.0.9"), entry(2, "")];
            all.extend((3..60).map(|n| entry(n, &format!("10.{n}.0.0/24"))));
            page(all, 50, &|items| json!({"SnatTableEntries": {"SnatTableEntry": items}}))
        }
        "DescribeForwardTableEntries" => {
            let entry = |id: &str, port: &str| {
                json!({"ForwardEntryId": id, "ExternalIp": "198.51.100.3", "InternalIp": "10.0.0.7",
                    "ExternalPort": port, "InternalPort": port, "IpProtocol": if port == "Any" { "any" } else { "tcp" }})
            };
            let all = vec![entry("fwd-1", "Any"), entry("fwd-2", "80")];
            page(all, 50, &|items| json!({"ForwardTableEntries": {"ForwardTableEntry": items}}))
        }
        "DescribeRouteEntryList" => {
            assert_eq!((seen.param("MaxResult"), seen.param("RouteTableId")), ("100", "vtb-1"));
            let entry = |block: &str, kind: &str, id: &str| {
                json!({"DestinationCidrBlock": block,
                    "NextHops": {"NextHop": [{"NextHopType": kind, "NextHopId": id}]}})
            };
            ok(json!({"RouteEntrys": {"RouteEntry": [
                entry("10.9.0.0/16", "Instance", "i-9"), entry("0.0.0.0/0", "NatGateway", "ngw-1")]}}))
        }
        "DescribeInstanceTypes" => {
            let types = seen.list("InstanceTypes");
            let list: Vec<Value> =
                types.iter().map(|name| json!({"InstanceTypeId": name, "EniQuantity": 3})).collect();
            ok(json!({"InstanceTypes": {"InstanceType": list}, "NextToken": ""}))
        }
        other => panic!("unexpected {other}"),
    }
}

fn vswitch_json(id: &str) -> Value {
    json!({"VSwitchId": id, "VpcId": "vpc-1", "ZoneId": "cn-beijing-h", "CidrBlock": "10.0.0.0/20",
        "AvailableIpAddressCount": 4000, "RouteTable": {"RouteTableId": "vtb-1", "RouteTableType": "System"}})
}

fn scope(instances: usize) -> ViewScope {
    ViewScope {
        instances: (0..instances).map(|n| id(&format!("i-{n}"))).collect(),
        owner_tag: TAG.to_owned(),
        ..ViewScope::default()
    }
}

fn counts(cloud: &Aliyun) -> Vec<(String, u64)> {
    cloud.calls().into_iter().collect()
}

#[tokio::test]
async fn one_view_covers_everything() {
    let stub = Stub::start(|seen, _| fleet_cloud(seen, 3)).await;
    let cloud = client(&stub);
    let scope = ViewScope {
        // i-9 does not exist; the first two addresses need no search.
        instances: ["i-0", "i-1", "i-2", "i-9"].map(id).to_vec(),
        addresses: ["203.0.0.1", "203.0.113.7", "192.0.2.9"].map(|a| a.parse().unwrap()).to_vec(),
        vswitches: ["vsw-none", "vsw-gone", "vsw-7"].map(id).to_vec(),
        owner_tag: TAG.to_owned(),
        checks: None,
    };
    let view = cloud.view(&scope).await.unwrap();
    assert_eq!(view.instances.len(), 3);
    let first = &view.instances[&id("i-0")];
    assert_eq!(first.public_ip, Some("203.0.0.1".parse().unwrap()));
    assert_eq!(first.eip, None);
    assert_eq!(first.primary_ip, "10.0.0.1".parse::<Ipv4Addr>().unwrap());
    assert_eq!(first.bandwidth_out_mbps, 5);
    assert_eq!(first.internet_charge_type, InternetChargeType::PayByTraffic);
    assert_eq!(view.instances[&id("i-1")].eip.as_ref().unwrap().id, id("eip-1"));

    let enis: Vec<&str> = view.enis.keys().map(EniId::as_str).collect();
    assert_eq!(enis, ["eni-0", "eni-1", "eni-2", "eni-free", "eni-ours"]);
    let ours = &view.enis[&id("eni-ours")];
    assert_eq!(ours.tags[TAG], "i-0");
    assert_eq!(ours.security_groups, [id("sg-1"), id("sg-2")]);
    assert_eq!(ours.source_dest_check, Some(false));
    assert_eq!(view.enis[&id("eni-free")].instance, None);

    let eips: Vec<&str> = view.eips.keys().map(AllocationId::as_str).collect();
    assert_eq!(eips, ["eip-1", "eip-lost", "eip-ours"]);
    assert_eq!(view.eips[&id("eip-ours")].holder, Some(EipHolder::Eni(id("eni-ours"))));
    assert_eq!(view.eips[&id("eip-lost")].address, "192.0.2.9".parse::<Ipv4Addr>().unwrap());
    assert_eq!(stub.of("DescribeEipAddresses")[1].param("EipAddress"), "192.0.2.9");

    let vswitches: Vec<&str> = view.vswitches.keys().map(VSwitchId::as_str).collect();
    assert_eq!(vswitches, ["vsw-1", "vsw-7"]);
    assert_eq!(
        view.default_routes,
        BTreeMap::from([("vtb-1".to_owned(), DefaultRoute::NatGateway(id("ngw-1")))])
    );
    assert_eq!(view.eni_quantity, BTreeMap::from([("ecs.g7.large".to_owned(), Observation::Seen(3))]));
    assert_eq!(view.snat.len(), 59, "the entry of a single interface is not a network's");
    assert!(view.snat.is_sorted_by_key(|entry| &entry.id));
    assert_eq!(view.snat[1].source.to_string(), "10.0.0.9/32");
    assert_eq!(view.snat[1].addresses.len(), 2);
    assert_eq!((view.snat[0].available, view.snat[1].available), (true, false));
    let any: Vec<bool> = view.forwards.iter().map(|entry| entry.any_port).collect();
    assert_eq!(any, [true, false]);
    stub.check_signatures("ak", SECRET);
}

#[tokio::test]
async fn a_large_fleet_takes_few_calls() {
    let stub = Stub::start(|seen, _| fleet_cloud(seen, 250)).await;
    let cloud = client(&stub);
    let view = cloud.view(&scope(250)).await.unwrap();
    assert_eq!(view.instances.len(), 250);
    assert_eq!(view.enis.len(), 252);
    let want = [
        ("DescribeEipAddresses", 1),
        ("DescribeForwardTableEntries", 1),
        // Three batches of two pages each.
        ("DescribeInstances", 6),
        ("DescribeInstanceTypes", 1),
        ("DescribeNatGateways", 1),
        // Three batches and the search by tag.
        ("DescribeNetworkInterfaces", 4),
        ("DescribeRouteEntryList", 1),
        ("DescribeSnatTableEntries", 2),
        ("DescribeVSwitchAttributes", 1),
    ];
    let mut want: Vec<(String, u64)> = want.map(|(action, n)| (action.to_owned(), n)).to_vec();
    want.sort();
    assert_eq!(counts(&cloud), want);
}

#[tokio::test]
async fn addresses_are_searched_in_batches() {
    let stub = Stub::start(|seen, _| fleet_cloud(seen, 3)).await;
    let cloud = client(&stub);
    let addresses = (0..120u8).map(|n| Ipv4Addr::new(192, 0, 2, n)).collect();
    cloud.view(&ViewScope { addresses, ..scope(1) }).await.unwrap();
    let sizes =
        stub.of("DescribeEipAddresses").into_iter().map(|seen| seen.param("EipAddress").split(',').count());
    let mut sizes: Vec<usize> = sizes.collect();
    sizes.sort_unstable();
    // The first is the one by allocation.
    assert_eq!(sizes, [1, 20, 50, 50]);
}

#[tokio::test]
async fn an_empty_scope_asks_for_nothing() {
    let stub = Stub::start(|seen, _| fleet_cloud(seen, 3)).await;
    let cloud = client(&stub);
    assert_eq!(cloud.view(&scope(0)).await.unwrap(), CloudView::default());
    assert!(stub.seen().is_empty(), "an empty list of ids would mean all");
}

#[tokio::test]
async fn what_only_informs_may_stay_unseen_and_the_rest_must_not() {
    let without = |action: &'static str, reply: Reply| {
        Stub::start(move |seen, _| if seen.action() == action { reply.clone() } else { fleet_cloud(seen, 3) })
    };
    let stub = without("DescribeInstanceTypes", fail(403, "Forbidden.RAM")).await;
    let view = client(&stub).view(&scope(1)).await.unwrap();
    let Observation::Unseen(why) = &view.eni_quantity["ecs.g7.large"] else { panic!("{view:?}") };
    assert!(why.contains("Forbidden.RAM"), "{why}");
    let stub = without("DescribeInstanceTypes", ok(json!({"InstanceTypes": {}}))).await;
    let view = client(&stub).view(&scope(1)).await.unwrap();
    assert!(matches!(view.eni_quantity["ecs.g7.large"], Observation::Unseen(_)));
    let stub = without("DescribeRouteEntryList", fail(403, "Forbidden.RAM")).await;
    let view = client(&stub).view(&scope(1)).await.unwrap();
    assert!(matches!(view.default_routes["vtb-1"], DefaultRoute::Unseen(_)));

    for action in [
        "DescribeInstances",
        "DescribeNetworkInterfaces",
        "DescribeEipAddresses",
        "DescribeNatGateways",
        "DescribeSnatTableEntries",
        "DescribeForwardTableEntries",
        "DescribeVSwitchAttributes",
    ] {
        let stub = without(action, fail(403, "Forbidden.RAM")).await;
        let error = client(&stub).view(&scope(1)).await.unwrap_err();
        assert_eq!((error.kind, error.action.as_str()), (CloudErrorKind::Account, action));
    }
}

#[tokio::test]
async fn absent_wrappers_are_empty_and_odd_values_are_named() {
    let stub = Stub::start(|seen, _| match seen.action() {
        "DescribeInstances" => {
            let mut it = instance_json(0, false);
            for field in
                ["PublicIpAddress", "EipAddress", "NetworkInterfaces", "OperationLocks", "ExpiredTime"]
            {
                it.as_object_mut().unwrap().remove(field);
            }
            it["InternetMaxBandwidthOut"] = json!("10");
            it["Status"] = json!("Hibernating");
            instances_json(vec![it])
        }
        "DescribeVSwitchAttributes" => fleet_cloud(seen, 1),
        _ => ok(json!({"RequestId": "R"})),
    })
    .await;
    let view = client(&stub).view(&scope(1)).await.unwrap();
    let it = &view.instances[&id("i-0")];
    assert_eq!((it.public_ip, &it.eip, &it.expires, it.bandwidth_out_mbps), (None, &None, &None, 10));
    assert_eq!(it.status, crate::core::observed::InstanceStatus::Other("Hibernating".to_owned()));
    assert_eq!(view.default_routes["vtb-1"], DefaultRoute::Absent);

    for (field, value) in
        [("ZoneId", json!("")), ("InternetMaxBandwidthOut", json!("-1")), ("Status", Value::Null)]
    {
        let stub = Stub::start(move |_, _| {
            let mut it = instance_json(0, false);
            it[field] = value.clone();
            instances_json(vec![it])
        })
        .await;
        let scope = ViewScope { owner_tag: String::new(), ..scope(1) };
        let error = client(&stub).view(&scope).await.unwrap_err();
        assert_eq!((error.kind, error.action.as_str()), (CloudErrorKind::Protocol, "DescribeInstances"));
        assert!(error.message.contains(field) && error.message.contains("i-0"), "{error}");
    }
}

#[tokio::test]
async fn a_list_that_turns_in_circles_is_refused() {
    let stub = Stub::start(|_, _| ok(json!({"NextToken": "again"}))).await;
    let scope = ViewScope { owner_tag: String::new(), ..scope(1) };
    let error = client(&stub).view(&scope).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Protocol);
    assert_eq!(stub.seen().len(), 2);
}

#[tokio::test]
async fn vswitches_come_as_a_list_when_that_is_cheaper() {
    let stub = Stub::start(|seen, _| fleet_cloud(seen, 3)).await;
    let cloud = client(&stub);
    let vswitches = ["vsw-2", "vsw-3", "vsw-119", "vsw-elsewhere"].map(id).to_vec();
    let view = cloud.view(&ViewScope { vswitches, ..scope(1) }).await.unwrap();
    assert_eq!(view.vswitches.len(), 5);
    assert_eq!((cloud.calls()["DescribeVSwitches"], cloud.calls()["DescribeVSwitchAttributes"]), (3, 1));
    assert_eq!(cloud.calls()["DescribeRouteEntryList"], 1);
}
