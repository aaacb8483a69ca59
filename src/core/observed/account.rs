//! What surrounds the instances and is only looked at before the first change: security groups, VPCs, NAT gateways, and what
//! the account may have. What could not be read is absent here and named in [`Unread`].

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::core::model::{SecurityGroupId, VpcId};

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// `SecurityGroupId`.
    pub id: SecurityGroupId,
    /// `VpcId`; absent for the classic network.
    pub vpc: Option<VpcId>,
    /// `SecurityGroupType`, `normal` or `enterprise`.
    pub kind: String,
    /// `AvailableInstanceAmount`: private addresses it still takes, where the answer has it.
    pub room: Option<u32>,
    /// What it lets in and what it keeps out, where it was asked for.
    pub ingress: Option<Vec<Ingress>>,
}

/// A rule for inbound TCP over IPv4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingress {
    /// `Policy` is `Accept`.
    pub accept: bool,
    /// `Priority`: the smaller wins, and among equals the one that drops.
    pub priority: u32,
    /// `PortRange`.
    pub first_port: u16,
    /// `PortRange`.
    pub last_port: u16,
    /// From where.
    pub from: IngressSource,
}

/// From where a rule's traffic comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IngressSource {
    /// `SourceCidrIp`.
    Range(Ipv4Net),
    /// Members of a group or of a list, by its id: who that is was not looked up.
    Listed(String),
}

/// Whether something gets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It does.
    Open,
    /// Only from these sources, which may or may not be the one in question.
    From(Vec<String>),
    /// Nothing gets in.
    Closed,
}

/// Whether these rules together let TCP connections to `port` in: those of `source`, or those of anybody if it is not known.
#[must_use]
pub fn admission<'a>(
    rules: impl IntoIterator<Item = &'a Ingress>,
    port: u16,
    source: Option<Ipv4Addr>,
) -> Admission {
    let mut rules: Vec<&Ingress> =
        rules.into_iter().filter(|rule| (rule.first_port..=rule.last_port).contains(&port)).collect();
    rules.sort_by_key(|rule| (rule.priority, rule.accept));
    let mut some = Vec::new();
    for rule in rules {
        let decides = match (&rule.from, source) {
            (IngressSource::Range(range), Some(source)) => range.contains(&source),
            (IngressSource::Range(range), None) => range.prefix_len() == 0,
            (IngressSource::Listed(_), _) => false,
        };
        let listed = matches!(rule.from, IngressSource::Listed(_));
        match (decides, rule.accept) {
            (true, true) => return Admission::Open,
            (true, false) => break,
            (false, true) if listed || source.is_none() => some.push(match &rule.from {
                IngressSource::Range(range) => range.to_string(),
                IngressSource::Listed(id) => id.clone(),
            }),
            (false, _) => {}
        }
    }
    some.dedup();
    if some.is_empty() { Admission::Closed } else { Admission::From(some) }
}

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// `Ipv4GatewayId`: with it, vSwitches reach the Internet by their default route only.
    pub ipv4_gateway: Option<String>,
}

/// A NAT gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatGateway {
    /// `BusinessStatus`, where the answer has it, else `Normal`.
    pub business: String,
}

/// What the account has and may have in this region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// EIPs there are.
    pub eips: Option<u32>,
    /// Secondary interfaces there are.
    pub enis: Option<u32>,
    /// Secondary interfaces there may be (`max-elastic-network-interfaces`).
    pub eni_limit: Option<u32>,
}

/// What the dry run of a change of the charge type said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DryRun {
    /// It would be accepted.
    Passed,
    /// It would be refused: code and message.
    Refused(String, String),
}

/// A read that only informs and got no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The vendor's message.
    pub reason: String,
    /// The account's policy does not permit it.
    pub denied: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(accept: bool, priority: u32, ports: (u16, u16), from: &str) -> Ingress {
        let from = match from.parse() {
            Ok(range) => IngressSource::Range(range),
            Err(_) => IngressSource::Listed(from.to_owned()),
        };
        Ingress { accept, priority, first_port: ports.0, last_port: ports.1, from }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let office: Ipv4Addr = [198, 51, 100, 7].into();
        let ssh = (22, 22);
        type Case<'a> = (&'a [Ingress], Option<Ipv4Addr>, Admission);
        let some = |sources: &[&str]| Admission::From(sources.iter().map(|s| (*s).to_owned()).collect());
        let cases: [Case<'_>; 10] = [
            (&[], None, Admission::Closed),
            (&[rule(true, 1, (1, 65535), "0.0.0.0/0")], None, Admission::Open),
            (&[rule(true, 1, (80, 443), "0.0.0.0/0")], None, Admission::Closed),
            (&[rule(true, 2, ssh, "0.0.0.0/0"), rule(false, 1, ssh, "0.0.0.0/0")], None, Admission::Closed),
            (&[rule(true, 1, ssh, "0.0.0.0/0"), rule(false, 1, ssh, "0.0.0.0/0")], None, Admission::Closed),
            (&[rule(true, 1, ssh, "198.51.100.0/24")], None, some(&["198.51.100.0/24"])),
            (&[rule(true, 1, ssh, "198.51.100.0/24")], Some(office), Admission::Open),
            (&[rule(true, 1, ssh, "10.0.0.0/8")], Some(office), Admission::Closed),
            (&[rule(true, 1, ssh, "sg-office")], Some(office), some(&["sg-office"])),
            (
                &[rule(false, 1, ssh, "198.51.100.7/32"), rule(true, 5, ssh, "0.0.0.0/0")],
                Some(office),
                Admission::Closed,
            ),
        ];
        for (rules, source, want) in cases {
            assert_eq!(admission(rules, 22, source), want, "{rules:?} from {source:?}");
        }
    }
}
