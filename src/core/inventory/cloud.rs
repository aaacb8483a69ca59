//! The `cloud` section and what the environment says about it.
//!
//! Must never read a secret: credentials are named here, not held.

use super::mistake::Pos;
use super::node::Node;
use super::read::{Fields, Reader};
use super::words::shown;
use super::{CallLimits, CloudDesired, CredentialSource, Need, Network, Provider, url};
use crate::core::model::{ModelError, RegionId};

/// Overrides `cloud.endpoints.ecs`.
pub(super) const ECS_ENDPOINT: &str = "EGRESSCTL_ECS_ENDPOINT";
/// Overrides `cloud.endpoints.vpc`.
pub(super) const VPC_ENDPOINT: &str = "EGRESSCTL_VPC_ENDPOINT";
/// Overrides `cloud.endpoints.sts`.
pub(super) const STS_ENDPOINT: &str = "EGRESSCTL_STS_ENDPOINT";
/// Overrides `cloud.region`.
pub(super) const REGION: &str = "ALIBABA_CLOUD_REGION_ID";
/// Overrides `verify.echo` of all hosts: URLs, separated by commas or white space.
pub(super) const ECHO: &str = "EGRESSCTL_ECHO";

impl Reader<'_, '_> {
    /// The cloud's side; `None` if the region is missing or wrong.
    pub(super) fn cloud(&mut self, node: Option<&Node>, document: Pos) -> Option<CloudDesired> {
        const KNOWN: [&str; 9] = [
            "provider",
            "region",
            "network",
            "credentials",
            "profile",
            "endpoints",
            "limits",
            "quota_share",
            "calls_per_day",
        ];
        let overridden = self.variable(REGION, region_id);
        let mut endpoints =
            [ECS_ENDPOINT, VPC_ENDPOINT, STS_ENDPOINT].map(|name| self.variable(name, url::endpoint));
        let fields = node.and_then(|node| self.fields(node, "cloud", &KNOWN));
        let mut desired = None;
        if let Some(fields) = &fields {
            let provider = self.found(fields, "provider", |reader, node| {
                reader.choice(node, "cloud.provider", &[("aliyun", Provider::Aliyun)])
            });
            let region = self.found(fields, "region", |reader, node| {
                reader.text(node, "cloud.region", "a region id", region_id)
            });
            let network = self.found(fields, "network", |reader, node| {
                let choices = [("auto", Network::Auto), ("vpc", Network::Vpc), ("public", Network::Public)];
                reader.choice(node, "cloud.network", &choices)
            });
            let credentials = self.found(fields, "credentials", |reader, node| {
                reader.choice(node, "cloud.credentials", &CredentialSource::ALL)
            });
            let profile = self.profile(fields, credentials.as_ref().map(|found| found.value));
            if let Some(node) = fields.get("endpoints") {
                self.endpoints(node, &mut endpoints);
            }
            desired = Some((provider, region, network, credentials, profile));
        }
        let calls = fields.as_ref().map(|fields| self.call_limits(fields)).unwrap_or_default();
        let absent = match (node, &fields) {
            (None, _) if self.need == Need::Logins => None,
            (None, _) => Some((document, "the inventory has no cloud")),
            (_, Some(fields)) if fields.get("region").is_none() => Some((fields.at, "cloud has no region")),
            _ => None,
        };
        if let Some((at, message)) = absent
            && self.context.variable(REGION).is_none()
        {
            self.collector.add(at, message, "expected region: the hosts' region, such as cn-beijing");
        }
        let (provider, region, network, credentials, profile) = desired.unwrap_or_default();
        let [ecs_endpoint, vpc_endpoint, sts_endpoint] = endpoints;
        Some(CloudDesired {
            provider: provider.map_or(Provider::Aliyun, |found| found.value),
            region: overridden.or(region.map(|found| found.value))?,
            ecs_endpoint,
            vpc_endpoint,
            sts_endpoint,
            network: network.map(|found| found.value).unwrap_or_default(),
            credentials: credentials.map(|found| found.value).unwrap_or_default(),
            limits: self.limits(fields.as_ref().and_then(|fields| fields.get("limits"))),
            profile,
            calls,
        })
    }

    /// A profile is of one file: beside any other source something else could win over it.
    fn profile(&mut self, fields: &Fields<'_>, source: Option<CredentialSource>) -> Option<String> {
        let profile = self.found(fields, "profile", |reader, node| {
            reader.text(node, "cloud.profile", "the name of a profile", profile_name)
        })?;
        if !matches!(source, Some(CredentialSource::CliProfile | CredentialSource::IniFile)) {
            let message = "cloud.profile is given without the file that it is in";
            self.collector.add(
                profile.at,
                message,
                "expected credentials: cli-profile or ini-file beside it",
            );
        }
        Some(profile.value)
    }

    /// The inventory's endpoints, where no variable has won over them.
    fn endpoints(&mut self, node: &Node, endpoints: &mut [Option<String>; 3]) {
        const KEYS: [&str; 3] = ["ecs", "vpc", "sts"];
        let Some(fields) = self.fields(node, "cloud.endpoints", &KEYS) else { return };
        for (key, endpoint) in KEYS.iter().zip(endpoints) {
            let label = format!("cloud.endpoints.{key}");
            let found = self.found(&fields, key, |reader, node| reader.endpoint(node, &label));
            *endpoint = endpoint.take().or(found.map(|found| found.value));
        }
    }

    fn call_limits(&mut self, fields: &Fields<'_>) -> CallLimits {
        let share = self.found(fields, "quota_share", |reader, node| {
            reader.number(
                node,
                "cloud.quota_share",
                1..=100,
                "a share of the account's quota in percent, 1 to 100",
            )
        });
        let budget = self.found(fields, "calls_per_day", |reader, node| {
            reader.number(node, "cloud.calls_per_day", 1..=u32::MAX, "a number of calls, from 1")
        });
        let usual = CallLimits::default();
        CallLimits {
            quota_share: share.map_or(usual.quota_share, |found| found.value),
            calls_per_day: budget.map(|found| found.value),
        }
    }

    /// The echo services from the environment, which replace those of all hosts.
    pub(super) fn echo_override(&mut self) -> Option<Vec<String>> {
        self.variable(ECHO, |text| {
            let urls = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|url| !url.is_empty());
            let urls = urls.map(url::echo).collect::<Result<Vec<_>, _>>()?;
            if urls.is_empty() { Err("one URL or more, separated by commas".to_owned()) } else { Ok(urls) }
        })
    }

    fn endpoint(&mut self, node: &Node, label: &str) -> Option<String> {
        self.text(node, label, "an endpoint such as https://ecs.cn-beijing.aliyuncs.com", url::endpoint)
    }

    fn variable<T>(&mut self, name: &str, check: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.context.variable(name)?;
        match check(text) {
            Ok(value) => Some(value),
            Err(expected) => {
                let message = format!("the environment variable is {}", shown(text));
                self.collector.add_variable(name, message, format!("expected {expected}"));
                None
            }
        }
    }
}

fn region_id(text: &str) -> Result<RegionId, String> {
    text.parse().map_err(|error: ModelError| error.expected.to_owned())
}

/// A name in a file of credentials. It is shown in messages.
fn profile_name(text: &str) -> Result<String, String> {
    let fine = (1..=128).contains(&text.len()) && !text.chars().any(|c| c.is_control() || "[]".contains(c));
    if fine { Ok(text.to_owned()) } else { Err("the name of a profile".to_owned()) }
}
