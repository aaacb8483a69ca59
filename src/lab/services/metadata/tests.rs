//! Every rule of the service, over real sockets.

use super::super::testing::{Answer, DEADLINE, http, listener};
use super::*;
use crate::core::model::Secret;

const CALLER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);

fn metadata() -> InstanceMetadata {
    let interface = |mac: &str, eni: &str, last: u8| InterfaceMetadata {
        mac: mac.parse().unwrap(),
        network_interface_id: eni.parse().unwrap(),
        primary_ip: Ipv4Addr::new(172, 16, 0, last),
        netmask: Ipv4Addr::new(255, 255, 252, 0),
        gateway: Ipv4Addr::new(172, 16, 3, 253),
        vswitch_id: "vsw-lab-a".parse().unwrap(),
        vswitch_cidr: "172.16.0.0/22".parse().unwrap(),
    };
    InstanceMetadata {
        instance_id: "i-lab1".parse().unwrap(),
        hostname: "web-1".parse().unwrap(),
        region_id: "cn-lab-1".parse().unwrap(),
        zone_id: "cn-lab-1a".parse().unwrap(),
        private_ipv4: Ipv4Addr::new(172, 16, 0, 11),
        eipv4: Some(Ipv4Addr::new(203, 0, 113, 11)),
        mac: "00:16:3e:00:07:0b".parse().unwrap(),
        vpc_id: "vpc-lab".parse().unwrap(),
        vswitch_id: "vsw-lab-a".parse().unwrap(),
        vswitch_cidr: "172.16.0.0/22".parse().unwrap(),
        interfaces: vec![
            interface("00:16:3e:00:07:0b", "eni-1", 11),
            interface("00:16:3e:00:07:99", "eni-2", 200),
        ],
        ram_role: Some(RamRole {
            name: "egressctl-lab".to_owned(),
            credentials: RoleCredentials {
                access_key_id: "STS.id".to_owned(),
                access_key_secret: Secret::new("secret".to_owned()),
                security_token: Secret::new("token".to_owned()),
                expiration: "2026-11-22T16:15:00.5Z".parse().unwrap(),
            },
        }),
    }
}

struct Book(Option<InstanceMetadata>);

impl MetadataBook for Book {
    fn instance_by_address(&self, caller: Ipv4Addr) -> Option<InstanceMetadata> {
        self.0.clone().filter(|_| caller == CALLER)
    }
}

async fn start(mode: Mode, instance: Option<InstanceMetadata>) -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(serve(listener, Arc::new(Book(instance)), mode));
    address
}

async fn get(to: SocketAddr, path: &str, token: Option<&str>) -> Answer {
    let headers: Vec<_> = token.map(|token| (TOKEN_HEADER, token)).into_iter().collect();
    http(to, "GET", path, &headers).await
}

async fn token(to: SocketAddr, ttl: &str) -> Answer {
    http(to, "PUT", "/latest/api/token", &[(TTL_HEADER, ttl)]).await
}

#[tokio::test]
async fn every_value_is_at_its_path() {
    let service = start(Mode::Normal, Some(metadata())).await;
    for (path, value) in [
        ("instance-id", "i-lab1"),
        ("hostname", "web-1"),
        ("region-id", "cn-lab-1"),
        ("zone-id", "cn-lab-1a"),
        ("private-ipv4", "172.16.0.11"),
        ("eipv4", "203.0.113.11"),
        ("mac", "00:16:3e:00:07:0b"),
        ("vpc-id", "vpc-lab"),
        ("vswitch-id", "vsw-lab-a"),
        ("vswitch-cidr-block", "172.16.0.0/22"),
        ("network/interfaces/macs/00:16:3e:00:07:99/network-interface-id", "eni-2"),
        ("network/interfaces/macs/00:16:3e:00:07:99/primary-ip-address", "172.16.0.200"),
        ("network/interfaces/macs/00:16:3e:00:07:99/netmask", "255.255.252.0"),
        ("network/interfaces/macs/00:16:3e:00:07:99/gateway", "172.16.3.253"),
        ("network/interfaces/macs/00:16:3e:00:07:99/vswitch-id", "vsw-lab-a"),
        ("network/interfaces/macs/00:16:3e:00:07:99/vswitch-cidr-block", "172.16.0.0/22"),
        ("network/interfaces/macs/", "00:16:3e:00:07:0b/\n00:16:3e:00:07:99/"),
        ("network/interfaces/macs", "00:16:3e:00:07:0b/\n00:16:3e:00:07:99/"),
        ("network/", "interfaces/"),
        ("ram/security-credentials/", "egressctl-lab"),
    ] {
        let answer = get(service, &format!("/latest/meta-data/{path}"), None).await;
        assert_eq!((answer.status, &*answer.body), (200, value), "{path}");
        assert_eq!(answer.header("content-type"), "text/plain", "{path}");
    }
    let all = get(service, "/latest/meta-data/", None).await.body;
    assert_eq!(
        all.lines().collect::<Vec<_>>(),
        [
            "instance-id",
            "hostname",
            "region-id",
            "zone-id",
            "private-ipv4",
            "mac",
            "vpc-id",
            "vswitch-id",
            "vswitch-cidr-block",
            "eipv4",
            "network/",
            "ram/"
        ]
    );
}

#[tokio::test]
async fn the_roles_credentials_are_the_documented_json() {
    let service = start(Mode::Normal, Some(metadata())).await;
    let answer = get(service, "/latest/meta-data/ram/security-credentials/egressctl-lab", None).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "Code": "Success",
            "AccessKeyId": "STS.id",
            "AccessKeySecret": "secret",
            "SecurityToken": "token",
            "Expiration": "2026-11-22T16:15:00Z",
        })
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_not_listed() {
    let bare = InstanceMetadata { eipv4: None, ram_role: None, ..metadata() };
    let service = start(Mode::Normal, Some(bare)).await;
    for path in [
        "/latest/meta-data/eipv4",
        "/latest/meta-data/ram/security-credentials/",
        "/latest/meta-data/nonsense",
        "/latest/meta-data/instance-id/",
        "/latest/meta-data/network/interfaces/macs/00:16:3e:00:00:00/gateway",
        "/latest/meta-dataX",
        "/",
    ] {
        assert_eq!(get(service, path, None).await.status, 404, "{path}");
    }
    let all = get(service, "/latest/meta-data/", None).await.body;
    assert!(!all.contains("eipv4\n") && !all.contains("ram/") && all.contains("private-ipv4"), "{all}");
    assert_eq!(http(service, "POST", "/latest/meta-data/", &[]).await.status, 405);
    assert_eq!(get(service, "/latest/api/token", None).await.status, 405);
}

#[tokio::test]
async fn hardened_mode_wants_a_valid_token() {
    let service = start(Mode::Hardened, Some(metadata())).await;
    assert_eq!(get(service, "/latest/meta-data/instance-id", None).await.status, 403);
    assert_eq!(get(service, "/latest/meta-data/instance-id", Some("wrong")).await.status, 403);
    let answer = token(service, "21600").await;
    assert_eq!((answer.status, answer.body.len()), (200, 64));
    assert_eq!(get(service, "/latest/meta-data/instance-id", Some(&answer.body)).await.body, "i-lab1");
    assert_ne!(token(service, "21600").await.body, answer.body);
}

#[tokio::test]
async fn a_token_ends_after_its_ttl() {
    let service = start(Mode::Hardened, Some(metadata())).await;
    let token = token(service, "1").await.body;
    let expired = async {
        while get(service, "/latest/meta-data/mac", Some(&token)).await.status != 403 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, expired).await.unwrap();
}

#[tokio::test]
async fn normal_mode_takes_both_but_no_wrong_token() {
    let service = start(Mode::Normal, Some(metadata())).await;
    let token = token(service, "60").await.body;
    assert_eq!(get(service, "/latest/meta-data/mac", None).await.status, 200);
    assert_eq!(get(service, "/latest/meta-data/mac", Some(&token)).await.status, 200);
    assert_eq!(get(service, "/latest/meta-data/mac", Some("wrong")).await.status, 403);
}

#[tokio::test]
async fn a_ttl_must_be_a_number_of_seconds_in_range() {
    let service = start(Mode::Hardened, Some(metadata())).await;
    for ttl in ["", "0", "21601", "-1", "1.5", "soon"] {
        assert_eq!(token(service, ttl).await.status, 400, "{ttl:?}");
    }
    assert_eq!(http(service, "PUT", "/latest/api/token", &[]).await.status, 400);
    for ttl in ["1", "21600"] {
        assert_eq!(token(service, ttl).await.status, 200, "{ttl}");
    }
}

#[tokio::test]
async fn a_caller_nobody_knows_gets_nothing_at_all() {
    let service = start(Mode::Normal, None).await;
    assert_eq!(get(service, "/latest/meta-data/instance-id", None).await.status, 404);
    assert_eq!(token(service, "60").await.status, 404);
}
