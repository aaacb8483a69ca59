//! What the gateway refuses before any action runs, and malformed parameters.

use std::sync::Arc;

use super::client::{ECS, Lab, ROLE, USER, VPC, Who, quick};
use crate::ports::Clock;

#[tokio::test]
async fn strangers_are_refused_and_logged() {
    let lab = Lab::new(1, quick()).await;
    let region = [("RegionId", "cn-lab-1")];
    for (who, status, code) in [
        (Who { id: "nobody", ..USER }, 404, "InvalidAccessKeyId.NotFound"),
        (Who { secret: "wrong", ..USER }, 400, "SignatureDoesNotMatch"),
        (Who { token: Some("x"), ..USER }, 403, "InvalidSecurityToken.MismatchWithAccessKey"),
        (Who { token: Some("x"), ..ROLE }, 403, "InvalidSecurityToken.MismatchWithAccessKey"),
        (Who { token: None, ..ROLE }, 404, "InvalidAccessKeyId.NotFound"),
    ] {
        let (got, body) = lab.send(who, ECS, "DescribeInstances", &region).await;
        assert_eq!((got, body["Code"].as_str().unwrap()), (status, code));
        let text = body.to_string();
        assert!(!text.contains(USER.secret) && !text.contains(ROLE.secret), "{text}");
    }
    let (status, body) = lab.unsigned("GET /?Action=DescribeRegions&Version=2014-05-26 HTTP/1.1").await;
    assert_eq!((status, body["Code"].as_str()), (400, Some("IncompleteSignature")));
    let (status, body) = lab.unsigned("GET /?a=%zz HTTP/1.1").await;
    assert_eq!((status, body["Code"].as_str()), (400, Some("InvalidParameter")));
    let calls = lab.emulator.calls();
    assert_eq!(calls.len(), 7);
    assert!(calls.iter().all(|call| call.code.is_some() && !call.write));
    assert_eq!(calls[5].action, "DescribeRegions");
}

struct Ahead(i64);

impl Clock for Ahead {
    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond() + self.0
    }
}

#[tokio::test]
async fn a_clock_too_far_off_is_refused() {
    let minute = 60_000;
    for (off, answer) in
        [(0, 200), (14 * minute, 200), (-14 * minute, 200), (16 * minute, 400), (-16 * minute, 400)]
    {
        let lab = Lab::build(1, quick(), |emulator| emulator.with_clock(Arc::new(Ahead(off)))).await;
        let (status, body) = lab.call(ECS, "DescribeRegions", &[]).await;
        assert_eq!(status, answer, "{off} ms: {body}");
        if status == 400 {
            assert_eq!(body["Code"], "InvalidTimeStamp.Expired");
        }
    }
}

#[tokio::test]
async fn unknown_actions_versions_and_regions_are_refused() {
    let lab = Lab::new(1, quick()).await;
    assert_eq!(lab.code(ECS, "DestroyEverything", &[]).await, "InvalidAction.NotFound");
    assert_eq!(lab.code(ECS, "AssociateEipAddress", &[]).await, "InvalidAction.NotFound");
    assert_eq!(lab.code("1999-01-01", "DescribeInstances", &[]).await, "InvalidVersion");
    for (version, action, region, code) in [
        (ECS, "DescribeInstances", "cn-none", "InvalidRegionId.NotFound"),
        (VPC, "DescribeNatGateways", "cn-none", "Forbidden.RegionNotFound"),
        (ECS, "DescribeInstances", "", "MissingParameter"),
    ] {
        let (_, body) = lab.send(USER, version, action, &[("RegionId", region)]).await;
        assert_eq!(body["Code"], code, "{action} in {region:?}");
    }
}

/// Version, action, parameters, code.
type Refusal<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

#[tokio::test]
async fn malformed_parameters_are_refused_without_effect() {
    let lab = Lab::new(1, quick()).await;
    let before = lab.emulator.snapshot();
    let group = ("SecurityGroupId", "sg-lab");
    let vswitch = ("VSwitchId", "vsw-lab-a");
    let many: Vec<(String, String)> =
        (1..=6).map(|n| (format!("SecurityGroupIds.{n}"), "sg-lab".into())).collect();
    let mut groups: Vec<(&str, &str)> = many.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    groups.push(vswitch);
    let cases: [Refusal<'_>; 14] = [
        (ECS, "CreateNetworkInterface", &[group], "MissingParameter"),
        (ECS, "CreateNetworkInterface", &[vswitch], "MissingParameter"),
        (
            ECS,
            "CreateNetworkInterface",
            &[vswitch, group, ("SecurityGroupIds.1", "sg-lab")],
            "InvalidParameter.Conflict",
        ),
        (ECS, "CreateNetworkInterface", &groups, "InvalidParameter"),
        (ECS, "CreateNetworkInterface", &[vswitch, group, ("PrimaryIpAddress", "x")], "InvalidParameter"),
        (ECS, "CreateNetworkInterface", &[vswitch, group, ("SourceDestCheck", "x")], "InvalidParameter"),
        (ECS, "CreateNetworkInterface", &[vswitch, group, ("InstanceType", "Trunk")], "InvalidParameter"),
        (ECS, "DescribeInstances", &[("InstanceIds", "i-1")], "InvalidParameter"),
        (ECS, "ModifyInstanceChargeType", &[("InstanceChargeType", "PostPaid")], "MissingParameter"),
        (
            ECS,
            "ModifyInstanceChargeType",
            &[("InstanceIds", "[]"), ("InstanceChargeType", "PostPaid")],
            "MissingParameter",
        ),
        (ECS, "AttachNetworkInterface", &[], "MissingParameter"),
        (ECS, "TagResources", &[("ResourceType", "eni")], "MissingParameter"),
        (ECS, "UntagResources", &[("ResourceType", "eni")], "MissingParameter"),
        (VPC, "AssociateEipAddress", &[], "MissingParameter"),
    ];
    for (version, action, params, code) in cases {
        assert_eq!(lab.code(version, action, params).await, code, "{action} {params:?}");
    }
    let ids: Vec<String> = (0..21).map(|n| format!("i-{n}")).collect();
    let ids = serde_json::to_string(&ids).unwrap();
    let params = [("InstanceIds", ids.as_str()), ("InstanceChargeType", "PostPaid")];
    assert_eq!(lab.code(ECS, "ModifyInstanceChargeType", &params).await, "InstancesIdQuotaExceed");
    assert_eq!(lab.code(ECS, "DescribeInstances", &[("DryRun", "true")]).await, "DryRunOperation");
    assert_eq!(lab.emulator.snapshot(), before);
}
