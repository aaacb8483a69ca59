//! Groups and hosts: reading them, laying their settings over each other, and completing every host.
//!
//! The order is fixed: built-in values, `defaults`, the host's groups in the host's own order, the host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::layer::{Layer, SECTIONS};
use super::mistake::Pos;
use super::name::{self, NameTemplate, is_interface_name};
use super::node::{Node, Value};
use super::others::Other;
use super::read::{Fields, Found, Reader};
use super::words::{shown, suggest};
use super::{
    AllowDesired, EniDesired, Form, HostDesired, HostLogin, Need, RouteDesired, SshDesired, VerifyDesired,
    value,
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
    /// How to log in, if the host's name is known and nothing is wrong with it.
    pub(super) ssh: Option<SshDesired>,
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
        const KNOWN: [&str; 11] = [
            "name", "instance", "address", "groups", "ssh", "eni", "eip", "route", "verify", "allow", "vars",
        ];
        let fields = self.fields(node, &format!("hosts[{index}]"), &KNOWN)?;
        let name =
            self.found(&fields, "name", |reader, node| reader.text(node, "name", "a host name", host_name));
        let instance = self.found(&fields, "instance", |reader, node| {
            reader.text(node, "instance", "an instance id", |text| value::id(text, "i-"))
        });
        let lookup = self.lookup(&fields);
        let address = if lookup.is_some() { None } else { self.address(&fields) };
        let names = self.found(&fields, "groups", |reader, node| reader.memberships(node, groups));
        let groups_of_host = names.map(|found| found.value).unwrap_or_default();
        let own = self.layer(&fields);
        let settings = groups_of_host
            .iter()
            .filter_map(|group| groups.get(group))
            .fold(defaults.clone(), |below, group| below.under(&group.value))
            .under(&own);
        let ssh = name.as_ref().and_then(|name| {
            let written = address.as_ref().map(|found| found.value.to_string()).or(lookup.clone());
            let settled = self.context.login.settle(name.value.as_str(), written.as_deref(), &settings);
            let wrong = |message| self.collector.add(name.at, message, "expected a way to log in");
            let mut ssh = settled.map_err(wrong).ok()?;
            // Where Ansible names no address, the host's name is one to look up.
            let by_name = || Some(name.value.to_string()).filter(|_| self.by_name && written.is_none());
            ssh.host_name = ssh.host_name.or(lookup).or_else(by_name);
            Some(ssh)
        });
        // An address in ssh_config is as good as one in the inventory.
        let configured = ssh.as_ref().and_then(|ssh| ssh.host_name.as_ref()?.parse().ok());
        let address = configured.map(|value| Found { at: fields.at, value }).or(address);
        let placed =
            fields.get("address").is_some() || ssh.as_ref().is_some_and(|ssh| ssh.host_name.is_some());
        for (key, what, needed) in [
            ("name", "the name of the host", true),
            ("instance", "the id of its instance, such as i-2ze…", self.need == Need::Everything || !placed),
        ] {
            if needed && fields.get(key).is_none() {
                let message = format!("hosts[{index}] has no {key}");
                self.collector.add(fields.at, message, format!("expected {key}: {what}"));
            }
        }
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
        Some(Host { at: fields.at, name, instance, address, groups: groups_of_host, settings, ssh, eni_name })
    }

    fn address(&mut self, fields: &Fields<'_>) -> Option<Found<Ipv4Addr>> {
        self.found(fields, "address", |reader, node| {
            let check = match reader.need {
                Need::Everything => value::address,
                Need::Logins => value::login_address,
            };
            reader.text(node, "address", "an IPv4 address", check)
        })
    }

    /// An address that is a name, to be looked up when it is needed.
    fn lookup(&self, fields: &Fields<'_>) -> Option<String> {
        match fields.get("address").map(|node| &node.value) {
            Some(Value::Text(text)) if text.contains(|c: char| c.is_ascii_alphabetic()) => {
                value::network_name(text).ok()
            }
            _ => None,
        }
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

    /// Records every metric that no route would have, once per place.
    pub(super) fn check_metrics(&mut self, hosts: &[Host]) {
        let mut reported = BTreeSet::new();
        for Host { settings, .. } in hosts {
            let Some(found) = settings.metric.as_ref().filter(|_| form(settings) == Form::Slash32) else {
                continue;
            };
            if reported.insert(found.at) {
                let message = format!("route.metric is the number {}", found.value);
                let expected = "expected route.form: documented with it; the /32 form has no route that a metric could be of";
                self.collector.add(found.at, message, expected);
            }
        }
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

/// What the inventory says of the interface in the main table.
fn form(settings: &Layer) -> Form {
    match &settings.documented {
        Some(Found { value: true, .. }) => {
            Form::Documented { metric: settings.metric.as_ref().map_or(Form::METRIC, |found| found.value) }
        }
        _ => Form::Slash32,
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
            ssh: self.ssh?,
            becomes: self.settings.becomes.and_then(|found| found.value),
            vars: self.settings.vars,
        })
    }

    /// The host with every setting filled in; `None` if a mistake was found in what it cannot do without.
    pub(super) fn complete(self, echo: Option<&Vec<String>>) -> Option<HostDesired> {
        let settings = self.settings;
        let form = form(&settings);
        let ssh = self.ssh?;
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
                resource_group: settings.resource_group.map(|found| found.value),
            },
            route: RouteDesired {
                is_written: (settings.table.is_some(), settings.priority.is_some()),
                table: settings.table.map_or(101, |found| found.value),
                priority: settings.priority.map_or(4101, |found| found.value),
                persist: settings.persist.map(|found| found.value).unwrap_or_default(),
                shim: settings.shim.is_some_and(|found| found.value),
                form,
                others: settings.others.iter().flat_map(|found| &found.value).map(Other::desired).collect(),
            },
            verify: VerifyDesired {
                echo: echo.cloned().or(settings.echo.map(|found| found.value))?,
                inbound_port: settings.inbound_port.map_or(port, |found| found.value),
                source: settings.source.map(|found| found.value),
            },
            allow: AllowDesired {
                charge_type_change: settings.charge_type_change.is_some_and(|found| found.value),
            },
        })
    }
}
