//! What is looked at only before a plan, the search for instances, and what is not permitted.

use super::*;
use crate::core::observed::{DryRun, IngressSource};
use crate::ports::{Checks, Search};

/// A cloud of three instances, two of them subscriptions that pay by bandwidth.
fn answers(seen: &Seen) -> Reply {
    match seen.action() {
        "DescribeInstances" => {
            let list: Vec<Value> = (0..3)
                .map(|n| {
                    let mut it = instance_json(n, false);
                    if n > 0 {
                        it["InstanceChargeType"] = json!("PrePaid");
                        it["InternetChargeType"] = json!("PayByBandwidth");
                    }
                    it
                })
                .collect();
            instances_json(list)
        }
        "DescribeNetworkInterfaces" if seen.param("Type") == "Secondary" => {
            assert_eq!((seen.param("PageNumber"), seen.param("PageSize")), ("1", "10"));
            ok(json!({"TotalCount": 77, "NetworkInterfaceSets": {"NetworkInterfaceSet": []}}))
        }
        "DescribeEipAddresses" if seen.param("AllocationId").is_empty() => {
            ok(json!({"TotalCount": 12, "EipAddresses": {"EipAddress": []}}))
        }
        "DescribeSecurityGroups" => {
            assert_eq!(
                (seen.param("SecurityGroupIds"), seen.param("IsQueryEcsCount"), seen.param("MaxResults")),
                (r#"["sg-1","sg-9"]"#, "true", "100")
            );
            ok(json!({"NextToken": "", "SecurityGroups": {"SecurityGroup": [
                {"SecurityGroupId": "sg-1", "VpcId": "vpc-1", "SecurityGroupType": "normal",
                    "AvailableInstanceAmount": 5990},
                {"SecurityGroupId": "sg-9", "VpcId": "vpc-1", "SecurityGroupType": "enterprise"}]}}))
        }
        "DescribeSecurityGroupAttribute" => {
            assert_eq!((seen.param("Direction"), seen.param("MaxResults")), ("ingress", "1000"));
            let rule = |policy: &str, protocol: &str, ports: &str, source: &str| {
                json!({"Direction": "ingress", "Policy": policy, "IpProtocol": protocol, "PortRange": ports,
                    "SourceCidrIp": source, "Priority": "7", "SourceGroupId": "", "Ipv6SourceCidrIp": ""})
            };
            let mut group = rule("Accept", "TCP", "22/22", "");
            group["SourceGroupId"] = json!("sg-office");
            let mut six = rule("Accept", "TCP", "22/22", "");
            six["Ipv6SourceCidrIp"] = json!("::/0");
            ok(json!({"Permissions": {"Permission": [
                rule("Drop", "ALL", "-1/-1", "10.0.0.7"), rule("Accept", "UDP", "53/53", "0.0.0.0/0"), group, six]}}))
        }
        "DescribeAccountAttributes" => {
            assert_eq!(seen.param("AttributeName.1"), "max-elastic-network-interfaces");
            ok(json!({"AccountAttributeItems": {"AccountAttributeItem": [
                {"AttributeName": "max-elastic-network-interfaces",
                    "AttributeValues": {"ValueItem": [{"Value": "100"}]}}]}}))
        }
        "DescribeVpcAttribute" => ok(json!({"VpcId": "vpc-1", "Ipv4GatewayId": "ipv4gw-1"})),
        "ModifyInstanceChargeType" => {
            assert_eq!((seen.param("DryRun"), seen.param("InstanceChargeType")), ("true", "PostPaid"));
            match seen.param("InstanceIds") {
                r#"["i-1"]"# => fail(400, "DryRunOperation"),
                _ => fail(400, "QuotaExceed.RufundVcpu"),
            }
        }
        "DescribeVSwitchAttributes" => ok(json!({"VSwitchId": seen.param("VSwitchId"), "VpcId": "vpc-1",
            "ZoneId": "cn-beijing-h", "CidrBlock": "10.0.0.0/20", "AvailableIpAddressCount": 4000,
            "NetworkAclId": "nacl-1", "RouteTable": {"RouteTableId": "vtb-1"}})),
        "DescribeNatGateways" => ok(json!({"TotalCount": 1, "NatGateways": {"NatGateway": [
            {"NatGatewayId": "ngw-1", "NetworkType": "internet", "BusinessStatus": "FinancialLocked"}]}})),
        _ => ok(json!({})),
    }
}

fn scope() -> ViewScope {
    let ids = |list: &[&str]| list.iter().map(|it| id(it)).collect();
    let checks = Checks {
        groups: vec![id("sg-9")],
        copied: ids(&["i-0"]),
        charge_changes: ids(&["i-0", "i-1", "i-2"]),
    };
    ViewScope { instances: ids(&["i-0", "i-1", "i-2"]), checks: Some(checks), ..ViewScope::default() }
}

#[tokio::test]
async fn what_only_a_plan_needs_is_read_with_the_view() {
    let stub = Stub::start(|seen, _| answers(seen)).await;
    let view = client(&stub).view(&scope()).await.unwrap();
    assert_eq!(
        (view.account.eips, view.account.enis, view.account.eni_limit),
        (Some(12), Some(77), Some(100))
    );
    assert_eq!(view.vpcs[&id("vpc-1")].ipv4_gateway.as_deref(), Some("ipv4gw-1"));
    let (basic, advanced) = (&view.security_groups[&id("sg-1")], &view.security_groups[&id("sg-9")]);
    assert_eq!((basic.kind.as_str(), basic.room, advanced.room), ("normal", Some(5990), None));
    let rules = basic.ingress.as_ref().unwrap();
    assert_eq!(rules.len(), 2, "UDP and IPv6 decide nothing: {rules:?}");
    assert_eq!((rules[0].accept, rules[0].first_port, rules[0].last_port), (false, 1, 65535));
    assert_eq!(rules[0].from, IngressSource::Range("10.0.0.7/32".parse().unwrap()));
    assert_eq!((rules[1].priority, &rules[1].from), (7, &IngressSource::Listed("sg-office".to_owned())));
    // Both at once are refused, then each is asked for alone.
    let refused = DryRun::Refused("QuotaExceed.RufundVcpu".to_owned(), "no".to_owned());
    assert_eq!(
        view.charge_changes,
        BTreeMap::from([(id("i-1"), DryRun::Passed), (id("i-2"), refused)]),
        "an instance that pays as it goes is not tried"
    );
    assert_eq!(stub.of("ModifyInstanceChargeType").len(), 3);
    assert_eq!(view.nat_gateways[&id("ngw-1")].business, "FinancialLocked");
    assert_eq!(view.vswitches[&id("vsw-1")].acl.as_deref(), Some("nacl-1"));
    assert!(view.unread.is_empty(), "{:?}", view.unread);
    stub.check_signatures("ak", SECRET);
}

#[tokio::test]
async fn what_is_not_permitted_is_named_and_fails_nothing() {
    let denied = [
        "DescribeSecurityGroups",
        "DescribeSecurityGroupAttribute",
        "DescribeAccountAttributes",
        "DescribeVpcAttribute",
    ];
    let stub =
        Stub::start(
            move |seen, _| {
                if denied.contains(&seen.action()) { fail(403, "Forbidden.RAM") } else { answers(seen) }
            },
        )
        .await;
    let view = client(&stub).view(&scope()).await.unwrap();
    let named: Vec<&str> = view.unread.keys().map(String::as_str).collect();
    assert_eq!(
        named,
        [
            "ecs:DescribeAccountAttributes",
            "ecs:DescribeSecurityGroupAttribute",
            "ecs:DescribeSecurityGroups",
            "vpc:DescribeVpcAttribute"
        ]
    );
    assert!(view.unread.values().all(|it| it.denied && it.reason == "no [Forbidden.RAM]"));
    assert!(view.security_groups.is_empty() && view.account.eni_limit.is_none());
}

#[tokio::test]
async fn all_missing_permissions_are_found_at_once() {
    let stub = Stub::start(|seen, _| match seen.action() {
        "DescribeNatGateways" => fail(403, "Forbidden.RAM"),
        "DescribeInstances" => fail(403, "NoPermission"),
        // What is asked for does not exist, which says that we may ask.
        "DescribeVSwitchAttributes" => fail(404, "InvalidVSwitchId.NotFound"),
        _ => ok(json!({})),
    })
    .await;
    let denied = client(&stub).denied_reads().await;
    let actions: Vec<&str> = denied.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(actions, ["ecs:DescribeInstances", "vpc:DescribeNatGateways"]);
    assert_eq!(denied[0].1, "no [NoPermission]");
}

#[tokio::test]
async fn a_search_sends_its_filters_and_leaves_nobody_out() {
    let stub = Stub::start(|seen, nth| {
        let page = |n: usize, next: &str| {
            let mut it = instance_json(n, false);
            it["InstanceName"] = json!(format!("web {n}"));
            it["Tags"] = json!({"Tag": [{"TagKey": "team", "TagValue": "web"}]});
            if n == 1 {
                it["VpcAttributes"] = json!({});
                it["NetworkInterfaces"] = json!({});
            }
            ok(json!({"Instances": {"Instance": [it]}, "NextToken": next}))
        };
        assert_eq!(seen.param("MaxResults"), "100");
        match nth {
            0 => page(2, "more"),
            _ => page(1, ""),
        }
    })
    .await;
    let search = Search {
        tags: vec![("team".to_owned(), Some("web".to_owned())), ("any".to_owned(), None)],
        vpc: Some(id("vpc-1")),
        vswitch: Some(id("vsw-1")),
        resource_group: Some(id("rg-1")),
        name: Some("web*".to_owned()),
        ..Search::default()
    };
    let found = client(&stub).search(&search).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["i-1", "i-2"], "in the order of the ids");
    assert!(found[0].record.as_ref().unwrap_err().contains("PrivateIpAddress"));
    assert_eq!((found[1].name.as_str(), found[1].tags["team"].as_str()), ("web 2", "web"));
    let seen = &stub.seen()[0];
    let sent =
        ["Tag.1.Key", "Tag.1.Value", "Tag.2.Key", "VpcId", "VSwitchId", "ResourceGroupId", "InstanceName"];
    assert_eq!(sent.map(|name| seen.param(name)), ["team", "web", "any", "vpc-1", "vsw-1", "rg-1", "web*"]);
    assert!(!seen.params.contains_key("Tag.2.Value") && !seen.params.contains_key("InstanceIds"));
}

/// The figure is wanted below 50 ms without the load of other tests; `--nocapture` shows it.
#[test]
fn a_thousand_instances_are_parsed_in_no_time() {
    let pages: Vec<String> = (0..10)
        .map(|page| {
            let list: Vec<Value> = (0..100).map(|n| instance_json(page * 100 + n, false)).collect();
            json!({"Instances": {"Instance": list}, "NextToken": "x"}).to_string()
        })
        .collect();
    let began = std::time::Instant::now();
    let mut count = 0;
    for page in &pages {
        let answer: Value = serde_json::from_str(page).unwrap();
        count += super::super::parse::instances(&answer).unwrap().len();
    }
    let took = began.elapsed();
    assert_eq!(count, 1000);
    assert!(took < Duration::from_secs(2), "{took:?}");
    crate::ui::complain(&format!("1,000 instances parsed in {took:?}"));
}
