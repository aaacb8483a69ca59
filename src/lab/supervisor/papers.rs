//! What the lab hands to people and programs in it: the inventory, known host keys, credentials, variables.
//!
//! The credentials open nothing but this lab's emulator.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;

use data_encoding::HEXLOWER;

use crate::core::model::Secret;
use crate::lab::emulator::{AccessKey, Tuning};
use crate::lab::spec::{API_ADDRESS, Case, ECHO_JSON_ADDRESS, ECHO_TEXT_ADDRESS, LabSpec, REGION, other_eni};
use crate::lab::{paths, tool};

/// Port of the emulator's ECS API.
pub(super) const ECS_PORT: u16 = 8080;
/// Port of the emulator's VPC API.
pub(super) const VPC_PORT: u16 = 8081;

/// The account's keys.
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// The one in the environment of commands.
    pub(super) key: AccessKey,
    /// The one that the RAM role hands out; good together with the token only.
    pub(super) session: AccessKey,
    /// That token.
    pub(super) token: Secret<String>,
}

impl Access {
    pub(super) fn new() -> Result<Self, String> {
        let key = |prefix: &str| -> Result<AccessKey, String> {
            Ok(AccessKey { id: format!("{prefix}{}", random()?), secret: Secret::new(random()?) })
        };
        Ok(Self { key: key("LTAILAB")?, session: key("STS.LAB")?, token: Secret::new(random()?) })
    }
}

/// 128 random bits as text.
fn random() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(HEXLOWER.encode(&bytes))
}

fn endpoint(port: u16) -> String {
    format!("http://{API_ADDRESS}:{port}")
}

fn echo_urls() -> [String; 2] {
    [format!("http://{ECHO_TEXT_ADDRESS}/"), format!("http://{ECHO_JSON_ADDRESS}/")]
}

/// Variables for every command in the lab.
pub(super) fn variables(access: &Access) -> BTreeMap<String, String> {
    [
        ("EGRESSCTL_LAB", paths::STATE.to_owned()),
        ("EGRESSCTL_INVENTORY", paths::inventory().display().to_string()),
        ("EGRESSCTL_ECS_ENDPOINT", endpoint(ECS_PORT)),
        ("EGRESSCTL_VPC_ENDPOINT", endpoint(VPC_PORT)),
        // Every port answers every product.
        ("EGRESSCTL_STS_ENDPOINT", endpoint(ECS_PORT)),
        ("EGRESSCTL_ECHO", echo_urls().join(",")),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", access.key.id.clone()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", access.key.secret.expose().clone()),
        ("ALIBABA_CLOUD_REGION_ID", REGION.to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// Writes the inventory and the host keys; the latter under private addresses only, because which host answers at a
/// public address is for the user to find out.
pub(super) fn write(spec: &LabSpec, keys: &[(Ipv4Addr, String)]) -> Result<(), String> {
    tool::write(&paths::inventory(), 0o644, &inventory(spec))?;
    tool::write(&paths::known_hosts(), 0o644, &known_hosts(keys))
}

fn known_hosts(keys: &[(Ipv4Addr, String)]) -> String {
    keys.iter().fold(String::new(), |mut text, (address, key)| {
        let mut words = key.split(' ');
        let (kind, base64) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let _ = writeln!(text, "{address} {kind} {base64}");
        text
    })
}

fn inventory(spec: &LabSpec) -> String {
    let [text_echo, json_echo] = echo_urls();
    let mut text = format!(
        "# The hosts of this lab. It is as temporary as the lab.\n\
         cloud:\n  provider: aliyun\n  region: {REGION}\n  credentials: environment\n  quota_share: 100\n  limits: {{eips: {}}}\n  \
         endpoints:\n    ecs: {}\n    vpc: {}\n    sts: {}\n\
         defaults:\n  ssh:\n    user: root\n    key: {}\n    known_hosts: [{}]\n  \
         verify:\n    echo:\n      - {text_echo}\n      - {json_echo}\n\
         hosts:\n",
        Tuning::default().eip_quota,
        endpoint(ECS_PORT),
        endpoint(VPC_PORT),
        endpoint(ECS_PORT),
        paths::key().display(),
        paths::known_hosts().display(),
    );
    for host in &spec.hosts {
        let _ = write!(text, "  - name: {}\n    instance: {}\n", host.name, host.instance);
        if spec.others {
            let _ = writeln!(text, "    route: {{others: [{{eni: {}}}]}}", other_eni(host).id);
        }
        if host.case == Case::PrePaid {
            text.push_str("    allow:\n      charge_type_change: true\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::inventory::{Context, parse};
    use crate::lab::spec::Sshd;

    #[test]
    fn only_the_host_that_must_change_its_billing_consents_to_it() {
        let text = inventory(&LabSpec::new(7, Sshd::Builtin, 6, None).unwrap());
        assert_eq!(text.matches("charge_type_change: true").count(), 1);
        let (before, _) = text.split_once("charge_type_change").unwrap();
        assert!(before.contains("name: prepaid-1") && !before.contains("name: dark-1"), "{text}");
    }

    #[test]
    fn the_inventory_is_one() {
        let lab = LabSpec::new(7, Sshd::Builtin, 6, None).unwrap();
        let desired = parse("inventory.yaml", &inventory(&lab), &Context::default()).unwrap();
        assert_eq!(desired.hosts.len(), 6);
        let host = &desired.hosts[3];
        assert!(host.allow.charge_type_change);
        assert_eq!(host.instance, lab.hosts[3].instance);
        assert_eq!(host.ssh.keys[0].file, paths::key());
        assert_eq!(host.ssh.known_hosts, [paths::known_hosts()]);
        assert_eq!(host.verify.echo, echo_urls());
        assert_eq!(desired.cloud.vpc_endpoint.as_deref(), Some("http://100.100.0.10:8081"));
    }

    #[test]
    fn known_hosts_carry_no_comment_and_no_public_address() {
        let line = known_hosts(&[(Ipv4Addr::new(172, 16, 0, 10), "ssh-ed25519 AAAA done-1".into())]);
        assert_eq!(line, "172.16.0.10 ssh-ed25519 AAAA\n");
    }

    #[test]
    fn every_promised_variable_is_there() {
        let access = Access::new().unwrap();
        let variables = variables(&access);
        assert_eq!(variables["EGRESSCTL_ECS_ENDPOINT"], "http://100.100.0.10:8080");
        assert_eq!(variables["EGRESSCTL_ECHO"], "http://198.51.100.20/,http://198.51.100.21/");
        assert_eq!(variables["ALIBABA_CLOUD_ACCESS_KEY_ID"], access.key.id);
        assert_ne!(Access::new().unwrap().key.id, access.key.id);
    }
}
