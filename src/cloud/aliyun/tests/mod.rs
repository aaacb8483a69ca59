//! Tests against a scripted cloud on the loopback interface, which checks every signature it is sent.

#![expect(clippy::needless_pass_by_value, reason = "a script reads better when it hands its answers over")]

mod calls;
mod checks;
mod roles;
mod views;
mod waits;
mod writes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::sign::{Signable, is_signed};
use super::*;
use crate::core::model::Secret;

/// A request as it arrived.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    path: String,
    params: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
}

impl Seen {
    fn action(&self) -> &str {
        self.headers.get("x-acs-action").map_or("", String::as_str)
    }

    fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// The values of `name.1`, `name.2`, …
    fn list(&self, name: &str) -> Vec<String> {
        (1..).map_while(|n| self.params.get(&format!("{name}.{n}")).cloned()).collect()
    }
}

/// An answer to send.
#[derive(Debug, Clone)]
struct Reply {
    status: u16,
    body: String,
    retry_after_ms: Option<u64>,
    delay: Duration,
}

fn ok(body: Value) -> Reply {
    Reply { status: 200, body: body.to_string(), retry_after_ms: None, delay: Duration::ZERO }
}

fn fail(status: u16, code: &str) -> Reply {
    let body = json!({"Code": code, "Message": "no", "RequestId": "R-1", "HostId": "h"});
    Reply { status, ..ok(body) }
}

/// No answer within any limit of the tests.
fn silence() -> Reply {
    Reply { delay: Duration::from_secs(30), ..ok(json!({})) }
}

/// A server that answers by a script: the request and how many of its action came before.
struct Stub {
    base: String,
    log: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn unpct(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

impl Stub {
    async fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let log = Arc::new(Mutex::new(Vec::<Seen>::new()));
        let (script, record) = (Arc::new(script), Arc::clone(&log));
        let answer = move |request: Request| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let params = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
                let (key, value) = pair.split_once('=').unwrap();
                (unpct(key), unpct(value))
            });
            let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
                (name.to_string(), value.to_str().unwrap().to_owned())
            };
            let seen = Seen {
                method: request.method().to_string(),
                path: request.uri().path().to_owned(),
                params: params.collect(),
                headers: request.headers().iter().map(header).collect(),
            };
            let nth = {
                let mut log = record.lock().unwrap();
                let nth = log.iter().filter(|s| s.action() == seen.action() && s.path == seen.path).count();
                log.push(seen.clone());
                nth
            };
            let reply = script(&seen, nth);
            async move {
                tokio::time::sleep(reply.delay).await;
                let mut response = Response::builder().status(reply.status);
                if let Some(ms) = reply.retry_after_ms {
                    response = response.header("x-acs-retry-after", ms);
                }
                response.body(Body::from(reply.body)).unwrap()
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { base, log, task }
    }

    fn seen(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }

    fn of(&self, action: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.action() == action).collect()
    }

    /// Every API request must have come signed with these keys, as the public rule wants it.
    fn check_signatures(&self, id: &str, secret: &str) {
        let host = self.base.trim_start_matches("http://");
        for seen in self.seen().iter().filter(|seen| !seen.action().is_empty()) {
            let headers = seen.headers.clone().into_iter().filter(|(name, _)| is_signed(name)).collect();
            let signable = Signable {
                method: &seen.method,
                path: &seen.path,
                params: &seen.params,
                headers: &headers,
                body: b"",
            };
            let want = signable.authorization(id, &Secret::new(secret.to_owned()));
            assert_eq!(seen.headers["authorization"], want, "{seen:?}");
            assert_eq!(seen.headers["host"], host);
            assert_eq!(seen.headers["accept"], "application/json");
            assert_eq!(seen.headers["user-agent"], concat!("egressctl/", env!("CARGO_PKG_VERSION")));
            assert_eq!(seen.headers["x-acs-date"], "2026-11-22T16:00:00Z");
            assert_eq!(seen.param("RegionId"), "cn-beijing");
        }
    }
}

/// 2026-11-22T16:00:00Z.
const NOW_MS: i64 = 1_795_363_200_000;

struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> i64 {
        NOW_MS
    }
}

const SECRET: &str = "canary-secret";

fn keys() -> Env {
    Env::of(&[("ALIBABA_CLOUD_ACCESS_KEY_ID", "ak"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", SECRET)])
}

fn hurry() -> Tuning {
    Tuning {
        metadata_timeout: Duration::from_secs(5),
        retry_base: Duration::from_millis(1),
        retry_cap: Duration::from_millis(20),
        retry_budget: Duration::from_secs(20),
        jitter: |step| step,
        poll_first: Duration::from_millis(20),
        poll_min: Duration::from_millis(20),
        poll_max: Duration::from_millis(40),
        absence_grace: Duration::from_millis(300),
        doubt_grace: Duration::from_millis(200),
        attach_grace: Duration::from_secs(60),
        ..Tuning::default()
    }
}

/// For scripts that fall silent.
fn impatient() -> Tuning {
    let limit = Duration::from_millis(700);
    Tuning { read_timeout: limit, metadata_timeout: limit, ..hurry() }
}

fn config(base: &str, tuning: Tuning) -> AliyunConfig {
    AliyunConfig {
        region: "cn-beijing".parse().unwrap(),
        ecs_endpoint: Some(base.to_owned()),
        vpc_endpoint: Some(base.to_owned()),
        credentials: CredentialSource::Auto,
        metadata_base: Some(base.to_owned()),
        tuning,
    }
}

fn client_with(stub: &Stub, tuning: Tuning) -> Aliyun {
    Aliyun::new(&config(&stub.base, tuning), &keys(), Arc::new(Stopped)).unwrap()
}

fn client(stub: &Stub) -> Aliyun {
    client_with(stub, hurry())
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// An instance with one interface, converted or not.
fn instance_json(n: usize, converted: bool) -> Value {
    let mut it = json!({
        "InstanceId": format!("i-{n}"), "Status": "Running", "ZoneId": "cn-beijing-h",
        "VpcAttributes": {"VpcId": "vpc-1", "VSwitchId": "vsw-1",
            "PrivateIpAddress": {"IpAddress": [format!("10.0.{}.{}", n / 200, n % 200 + 1)]}, "NatIpAddress": ""},
        "InstanceType": "ecs.g7.large", "InstanceChargeType": "PostPaid", "InternetChargeType": "PayByTraffic",
        "InternetMaxBandwidthOut": 5, "ExpiredTime": "2099-12-31T15:59Z", "Unknown": {"Field": 1},
        "PublicIpAddress": {"IpAddress": [format!("203.0.{}.{}", n / 200, n % 200 + 1)]},
        "EipAddress": {"AllocationId": "", "IpAddress": "", "InternetChargeType": ""},
        "SecurityGroupIds": {"SecurityGroupId": ["sg-1"]},
        "NetworkInterfaces": {"NetworkInterface": [{"NetworkInterfaceId": format!("eni-{n}"), "Type": "Primary",
            "PrimaryIpAddress": format!("10.0.{}.{}", n / 200, n % 200 + 1), "MacAddress": "00:16:3e:00:00:01"}]},
    });
    if converted {
        it["PublicIpAddress"] = json!({"IpAddress": []});
        it["EipAddress"] = json!({"AllocationId": format!("eip-{n}"),
            "IpAddress": format!("203.0.{}.{}", n / 200, n % 200 + 1)});
    }
    it
}

fn eni_json(id: &str, status: &str, instance: &str) -> Value {
    json!({
        "NetworkInterfaceId": id, "NetworkInterfaceName": "second", "Status": status, "Type": "Secondary",
        "MacAddress": "00:16:3e:00:00:02", "PrivateIpAddress": "10.0.0.9", "VSwitchId": "vsw-1",
        "ZoneId": "cn-beijing-h", "VpcId": "vpc-1", "InstanceId": instance, "SourceDestCheck": false,
        "SecurityGroupIds": {"SecurityGroupId": ["sg-2", "sg-1"]},
    })
}

fn eip_json(id: &str, status: &str, kind: &str, holder: &str) -> Value {
    json!({
        "AllocationId": id, "IpAddress": "203.0.113.7", "Status": status, "InstanceType": kind,
        "InstanceId": holder, "PrivateIpAddress": "", "Bandwidth": "5", "BusinessStatus": "Normal",
        "OperationLocks": {"LockReason": []},
    })
}

fn enis_json(list: Vec<Value>) -> Reply {
    ok(json!({"NetworkInterfaceSets": {"NetworkInterfaceSet": list}, "NextToken": ""}))
}

fn eips_json(list: Vec<Value>) -> Reply {
    ok(json!({"TotalCount": list.len(), "EipAddresses": {"EipAddress": list}}))
}

fn instances_json(list: Vec<Value>) -> Reply {
    ok(json!({"Instances": {"Instance": list}}))
}
