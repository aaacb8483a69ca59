//! The processor's part: signing and encoding a request, parsing what discovery brings.

use std::collections::BTreeSet;
use std::time::Duration;

use egressctl::cloud::aliyun::bench::{parse, sign};
use egressctl::core::model::Secret;
use egressctl::ui::say;
use serde_json::{Value, json};

fn instance(n: usize) -> Value {
    let ip = format!("10.0.{}.{}", n / 200, n % 200 + 1);
    json!({
        "InstanceId": format!("i-{n:020}"), "InstanceName": "web", "Status": "Running", "ZoneId": "cn-beijing-h",
        "RegionId": "cn-beijing", "HostName": "web", "Description": "", "ImageId": "aliyun_3_x64_20G_alibase.vhd",
        "VpcAttributes": {"VpcId": "vpc-1", "VSwitchId": "vsw-1", "NatIpAddress": "",
            "PrivateIpAddress": {"IpAddress": [ip]}},
        "InstanceType": "ecs.g7.large", "InstanceChargeType": "PostPaid", "InternetChargeType": "PayByTraffic",
        "InternetMaxBandwidthOut": 5, "InternetMaxBandwidthIn": 100, "ExpiredTime": "2099-12-31T15:59Z",
        "CreationTime": "2026-01-01T00:00Z", "StartTime": "2026-01-01T00:00Z", "Cpu": 2, "Memory": 8192,
        "OSType": "linux", "OSName": "Alibaba Cloud Linux 3", "InstanceNetworkType": "vpc", "IoOptimized": true,
        "PublicIpAddress": {"IpAddress": [format!("203.0.{}.{}", n / 200, n % 200 + 1)]},
        "EipAddress": {"AllocationId": "", "IpAddress": "", "InternetChargeType": ""},
        "SecurityGroupIds": {"SecurityGroupId": ["sg-1"]}, "OperationLocks": {"LockReason": []},
        "Tags": {"Tag": [{"TagKey": "team", "TagValue": "web"}, {"TagKey": "env", "TagValue": "prod"}]},
        "NetworkInterfaces": {"NetworkInterface": [{"NetworkInterfaceId": format!("eni-{n}"), "Type": "Primary",
            "PrimaryIpAddress": ip, "MacAddress": "00:16:3e:00:00:01"}]},
    })
}

fn eni(n: usize) -> Value {
    json!({
        "NetworkInterfaceId": format!("eni-{n}"), "NetworkInterfaceName": "", "Status": "InUse", "Type": "Primary",
        "MacAddress": "00:16:3e:00:00:02", "PrivateIpAddress": "10.0.0.9", "VSwitchId": "vsw-1",
        "ZoneId": "cn-beijing-h", "VpcId": "vpc-1", "InstanceId": format!("i-{n:020}"), "SourceDestCheck": false,
        "SecurityGroupIds": {"SecurityGroupId": ["sg-2", "sg-1"]}, "CreationTime": "2026-01-01T00:00Z",
    })
}

fn eip(n: usize) -> Value {
    json!({
        "AllocationId": format!("eip-{n}"), "IpAddress": format!("203.0.{}.{}", n / 200, n % 200 + 1),
        "Status": "InUse", "InstanceType": "EcsInstance", "InstanceId": format!("i-{n:020}"),
        "PrivateIpAddress": "", "Bandwidth": "5", "BusinessStatus": "Normal", "ChargeType": "PostPaid",
        "OperationLocks": {"LockReason": []}, "RegionId": "cn-beijing", "InternetChargeType": "PayByTraffic",
    })
}

fn pages(size: usize, wrap: impl Fn(Vec<Value>) -> Value, of: impl Fn(usize) -> Value) -> Vec<String> {
    let page = |first: usize| wrap((first..first + size).map(&of).collect()).to_string();
    (0..1_000).step_by(size).map(page).collect()
}

/// What this process has had of the processor: a busy machine must not count as our work.
fn processor() -> Duration {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(clock).unwrap_or_default()
}

/// Measures and says what came of it.
pub(crate) fn measure() {
    let secret = Secret::new("0123456789abcdefghijklmnopqrst".to_owned());
    let ids: BTreeSet<_> = ["i-bp0123456789abcdefgh".parse()].into_iter().flatten().collect();
    let rounds = 20_000u32;
    let start = processor();
    let length: usize = (0..rounds).map(|_| sign(&ids, &secret)).sum();
    let each = (processor() - start) / rounds;
    assert!(length > 0, "signing gives something");
    say(&format!("signing and encoding one request: {:.1} µs of CPU\n", each.as_secs_f64() * 1e6));

    let instances = pages(100, |list| json!({"Instances": {"Instance": list}}), instance);
    let enis = pages(100, |list| json!({"NetworkInterfaceSets": {"NetworkInterfaceSet": list}}), eni);
    let eips = pages(50, |list| json!({"EipAddresses": {"EipAddress": list}}), eip);
    let rounds = 10u32;
    let start = processor();
    for _ in 0..rounds {
        assert_eq!(parse(&instances, &enis, &eips), 3_000, "every record is read");
    }
    let each = (processor() - start) / rounds;
    say(&format!("parsing what discovery brings of 1000 hosts: {:.1} ms of CPU\n", each.as_secs_f64() * 1e3));
}
