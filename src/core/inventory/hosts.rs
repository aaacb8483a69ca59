//! Groups and hosts: reading them, laying their settings over each other, and completing every host.
//!
//! The order is fixed: built-in values, `defaults`, the host's groups in the host's own order, the host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::layer::{Layer, SECTIONS};
use super::mistake::Pos;
use super::name::{self, NameTemplate, is_interface_name};
use super::node::{Node, Value};
use super::read::{Found, Reader};
use super::ssh::Jump;
use super::words::{shown, suggest};
use super::{
    AllowDesired, EniDesired, HostDesired, HostLogin, JumpDesired, Need, RouteDesired, SshDesired,
    VerifyDesired, value,
};
use crate::core::model::{HostName, InstanceId};

/// The groups of an inventory with their places.
pub(super) type Groups = BTreeMap<String, Found<Layer>>;

/// A host as far as it could be read.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) at: Pos,
    pub(super) name: Option<Found<HostName>>,
    pub(super) instance: Option<Found<InstanceId>>,
    pub(super) address: Option<Found<Ipv4Addr>>,
    groups: Vec<String>,
    pub(super) settings: Layer,
    /// The interface's name, if the host's own name and instance are known.
    pub(super) eni_name: Option<Found<String>>,
}

impl Reader<'_, '_> {
    /// The settings of all groups.
    pub(super) fn groups(&mut self, node: Option<&Node>) -> Groups {
        let mut groups = Groups::new();
        let Some(node) = node else { return groups };
        for entry in self.entries(node, "groups", "a mapping from the groups' names to their settings") {
            let layer = match &entry.value.value {
                // A group may exist for its name alone.
                Value::Null => Layer::default(),
                _ => match self.fields(&entry.value, &format!("group {}", shown(&entry.key)), &SECTIONS) {
                    Some(fields) => self.layer(&fields),
                    None => Layer::unreadable(&entry.value),
                },
            };
            match value::group_name(&entry.key) {
                Ok(name) => {
                    groups.insert(name, Found { at: entry.key_at, value: layer });
                }
                Err(expected) => {
                    let message = format!("a group is named {}", shown(&entry.key));
                    self.collector.add(entry.key_at, message, format!("expected {expected}"));
                }
            }
        }
        groups
    }

    /// All hosts of the list, in its order.
    pub(super) fn hosts(
        &mut self,
        node: Option<&Node>,
        document: Pos,
        defaults: &Layer,
        groups: &Groups,
    ) -> Vec<Host> {
        const EXPECTED: &str = "a list of hosts, each with a name and an instance";
        let Some(node) = node else {
            self.collector.add(document, "the inventory has no hosts", format!("expected hosts: {EXPECTED}"));
            return Vec::new();
        };
        match &node.value {
            Value::List(items) if items.is_empty() => {
                self.collector.add(node.at, "hosts is an empty list", format!("expected {EXPECTED}"));
                Vec::new()
            }
            Value::List(items) => {
                let items = items.iter().enumerate();
                items.filter_map(|(index, item)| self.host(item, index, defaults, groups)).collect()
            }
            _ => {
                self.wrong(node, "hosts", EXPECTED);
                Vec::new()
            }
        }
    }

    fn host(&mut self, node: &Node, index: usize, defaults: &Layer, groups: &Groups) -> Option<Host> {
        const KNOWN: [&str; 9] =
            ["name", "instance", "address", "groups", "ssh", "eni", "route", "verify", "allow"];
        let fields = self.fields(node, &format!("hosts[{index}]"), &KNOWN)?;
        let reachable = self.need == Need::Logins && fields.get("address").is_some();
        for (key, what, needed) in [
            ("name", "the name of the host", true),
            ("instance", "the id of its instance, such as i-2ze…", !reachable),
        ] {
            if needed && fields.get(key).is_none() {
                let message = format!("hosts[{index}] has no {key}");
                self.collector.add(fields.at, message, format!("expected {key}: {what}"));
            }
        }
        let name =
            self.found(&fields, "name", |reader, node| reader.text(node, "name", "a host name", host_name));
        let instance = self.found(&fields, "instance", |reader, node| {
            reader.text(node, "instance", "an instance id", |text| value::id(text, "i-"))
        });
        let address = self.found(&fields, "address", |reader, node| {
            reader.text(node, "address", "an IPv4 address", value::address)
        });
        let names = self.found(&fields, "groups", |reader, node| reader.memberships(node, groups));
        let groups_of_host = names.map(|found| found.value).unwrap_or_default();
        let own = self.layer(&fields);
        let settings = groups_of_host
            .iter()
            .filter_map(|group| groups.get(group))
            .fold(defaults.clone(), |below, group| below.under(&group.value))
            .under(&own);
        let eni_name =
            name.as_ref().zip(instance.as_ref()).and_then(|(name, instance)| match &settings.eni_name {
                Some(template) => Some(Found {
                    at: template.at,
                    value: template.value.render(&name.value, &instance.value),
                }),
                None => {
                    let template = NameTemplate::parse(name::DEFAULT).ok()?;
                    Some(Found { at: name.at, value: template.render(&name.value, &instance.value) })
                }
            });
        Some(Host { at: fields.at, name, instance, address, groups: groups_of_host, settings, eni_name })
    }

    fn memberships(&mut self, node: &Node, groups: &Groups) -> Option<Vec<String>> {
        let names = self.list(node, "groups", "a list of group names", |reader, node, label| {
            let name = reader.text(node, label, "a group name", value::group_name)?;
            if !groups.contains_key(&name) {
                let message = format!("{label} is {}, which is no group of this inventory", shown(&name));
                reader.collector.add(node.at, message, suggest(&name, groups.keys().map(String::as_str)));
            }
            Some(name)
        })?;
        self.refuse_repeats(&names, "groups");
        Some(names.into_iter().map(|name| name.value).collect())
    }

    /// Records every interface name that the cloud would not take, once per place.
    pub(super) fn check_interface_names(&mut self, hosts: &[Host]) {
        let mut reported = BTreeSet::new();
        for host in hosts {
            let (Some(name), Some(found)) = (&host.name, &host.eni_name) else { continue };
            if !is_interface_name(&found.value) && reported.insert(found.at) {
                let message = format!("eni.name becomes {} for {}", shown(&found.value), name.value);
                let expected = "expected 2 to 128 letters, digits and . : _ -, a letter first, and no URL";
                self.collector.add(found.at, message, expected);
            }
        }
    }
}

/// A host's name: `:` separates patterns of `--limit`, so it cannot be part of a name here.
fn host_name(text: &str) -> Result<HostName, String> {
    match text {
        "all" | "ungrouped" => Err("another host name (all and ungrouped are built in)".to_owned()),
        _ if text.contains(':') => {
            Err("a host name without a colon, which separates names in --limit".to_owned())
        }
        _ => text.parse().map_err(|_| {
            "a host name (a letter or digit, then letters, digits and . _ -, at most 253 characters)"
                .to_owned()
        }),
    }
}

impl Host {
    /// What logging in to it needs; `None` if a mistake was found in that.
    pub(super) fn login(self) -> Option<HostLogin> {
        Some(HostLogin {
            name: self.name?.value,
            groups: self.groups,
            instance: self.instance.map(|found| found.value),
            address: self.address.map(|found| found.value),
            ssh: ssh(&self.settings),
        })
    }

    /// The host with every setting filled in; `None` if a mistake was found in what it cannot do without.
    pub(super) fn complete(self, echo: Option<&Vec<String>>) -> Option<HostDesired> {
        let settings = self.settings;
        let ssh = ssh(&settings);
        let port = ssh.port;
        Some(HostDesired {
            name: self.name?.value,
            groups: self.groups,
            instance: self.instance?.value,
            address: self.address.map(|found| found.value),
            ssh,
            eni: EniDesired {
                name: self.eni_name?.value,
                vswitch: settings.vswitch.map(|found| found.value),
                security_groups: settings.security_groups.map(|found| found.value).unwrap_or_default(),
                primary_ip: settings.primary_ip.map(|found| found.value),
            },
            route: RouteDesired {
                table: settings.table.map_or(101, |found| found.value),
                priority: settings.priority.map_or(4101, |found| found.value),
                persist: settings.persist.map(|found| found.value).unwrap_or_default(),
            },
            verify: VerifyDesired {
                echo: echo.cloned().or(settings.echo.map(|found| found.value))?,
                inbound_port: settings.inbound_port.map_or(port, |found| found.value),
            },
            allow: AllowDesired {
                charge_type_change: settings.charge_type_change.is_some_and(|found| found.value),
            },
        })
    }
}

/// How to log in, by what all layers together say.
fn ssh(settings: &Layer) -> SshDesired {
    let user = settings.user.as_ref().map_or_else(|| "root".to_owned(), |found| found.value.clone());
    let jump = settings.jump.as_ref().map(|Found { value: Jump { user: own, host, port }, .. }| {
        JumpDesired { user: own.clone().unwrap_or_else(|| user.clone()), host: host.clone(), port: *port }
    });
    SshDesired {
        user,
        port: settings.port.as_ref().map_or(22, |found| found.value),
        key: settings.key.as_ref().map(|found| found.value.clone()),
        known_hosts: settings.known_hosts.as_ref().map(|found| found.value.clone()).unwrap_or_default(),
        jump,
        connect_timeout: settings
            .connect_timeout
            .as_ref()
            .map_or(Duration::from_secs(10), |found| found.value),
    }
}
