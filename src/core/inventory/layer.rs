//! The settings that defaults, groups and hosts have in common, and how one lies over the other.
//!
//! Must never fill in a default: an absent setting stays absent, so that a lower layer shows through.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use super::login::JumpsWritten;
use super::name::NameTemplate;
use super::node::{Node, Value};
use super::others::Other;
use super::read::{Fields, Found, Reader};
use super::vars::Variables;
use super::words::{shown, suggest};
use super::{BecomeDesired, HostKeyCheck, Persist};
use super::{url, value};
use crate::core::model::{Owner, ResourceGroupId, SecurityGroupId, VSwitchId};

/// The keys under which settings are found.
pub(super) const SECTIONS: [&str; 7] = ["ssh", "eni", "eip", "route", "verify", "allow", "vars"];

/// The keys of the section `ssh`.
const SSH: [&str; 9] = [
    "user",
    "become",
    "port",
    "key",
    "known_hosts",
    "jump",
    "connect_timeout",
    "host_keys",
    "host_key_policy",
];

/// What one place in the inventory says; lists replace lists.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    pub(super) user: Option<Found<String>>,
    /// `Some(None)` is "nobody else", which a lower layer cannot undo.
    pub(super) becomes: Option<Found<Option<BecomeDesired>>>,
    pub(super) port: Option<Found<u16>>,
    pub(super) key: Option<Found<PathBuf>>,
    pub(super) known_hosts: Option<Found<Vec<PathBuf>>>,
    pub(super) jump: Option<Found<JumpsWritten>>,
    pub(super) host_keys: Option<Found<Vec<String>>>,
    pub(super) host_key_check: Option<Found<HostKeyCheck>>,
    pub(super) connect_timeout: Option<Found<Duration>>,
    pub(super) eni_name: Option<Found<NameTemplate>>,
    pub(super) vswitch: Option<Found<VSwitchId>>,
    pub(super) security_groups: Option<Found<Vec<SecurityGroupId>>>,
    pub(super) primary_ip: Option<Found<Ipv4Addr>>,
    pub(super) resource_group: Option<Found<ResourceGroupId>>,
    pub(super) table: Option<Found<u32>>,
    pub(super) priority: Option<Found<u32>>,
    pub(super) persist: Option<Found<Persist>>,
    pub(super) shim: Option<Found<bool>>,
    pub(super) documented: Option<Found<bool>>,
    pub(super) metric: Option<Found<u32>>,
    pub(super) others: Option<Found<Vec<Other>>>,
    pub(super) echo: Option<Found<Vec<String>>>,
    pub(super) inbound_port: Option<Found<u16>>,
    pub(super) source: Option<Found<Ipv4Addr>>,
    pub(super) charge_type_change: Option<Found<bool>>,
    /// Values for templates; one of an upper layer replaces that of the same name below.
    pub(super) vars: Variables,
}

impl Layer {
    /// What stands for settings that are there but could not be read.
    pub(super) fn unreadable(node: &Node) -> Self {
        Self { echo: unreadable_echo(Some(node)), ..Self::default() }
    }

    /// This layer with `upper` over it: what `upper` says wins.
    pub(super) fn under(self, upper: &Self) -> Self {
        fn pick<T: Clone>(upper: &Option<T>, lower: Option<T>) -> Option<T> {
            upper.clone().or(lower)
        }
        Self {
            user: pick(&upper.user, self.user),
            becomes: pick(&upper.becomes, self.becomes),
            port: pick(&upper.port, self.port),
            key: pick(&upper.key, self.key),
            known_hosts: pick(&upper.known_hosts, self.known_hosts),
            jump: pick(&upper.jump, self.jump),
            host_keys: pick(&upper.host_keys, self.host_keys),
            host_key_check: pick(&upper.host_key_check, self.host_key_check),
            connect_timeout: pick(&upper.connect_timeout, self.connect_timeout),
            eni_name: pick(&upper.eni_name, self.eni_name),
            vswitch: pick(&upper.vswitch, self.vswitch),
            security_groups: pick(&upper.security_groups, self.security_groups),
            primary_ip: pick(&upper.primary_ip, self.primary_ip),
            resource_group: pick(&upper.resource_group, self.resource_group),
            table: pick(&upper.table, self.table),
            priority: pick(&upper.priority, self.priority),
            persist: pick(&upper.persist, self.persist),
            shim: pick(&upper.shim, self.shim),
            documented: pick(&upper.documented, self.documented),
            metric: pick(&upper.metric, self.metric),
            others: pick(&upper.others, self.others),
            echo: pick(&upper.echo, self.echo),
            inbound_port: pick(&upper.inbound_port, self.inbound_port),
            source: pick(&upper.source, self.source),
            charge_type_change: pick(&upper.charge_type_change, self.charge_type_change),
            vars: self.vars.into_iter().chain(upper.vars.clone()).collect(),
        }
    }
}

impl Reader<'_, '_> {
    /// The sections of `fields` as a layer.
    pub(super) fn layer(&mut self, fields: &Fields<'_>) -> Layer {
        let mut layer = Layer::default();
        if let Some(ssh) = self.section(fields, "ssh", &SSH) {
            self.ssh(&ssh, &mut layer);
        }
        let eni = ["name", "vswitch", "security_groups", "primary_ip", "resource_group"];
        if let Some(eni) = self.section(fields, "eni", &eni) {
            self.eni(&eni, &mut layer);
        }
        if let Some(eip) = self.section(fields, "eip", &["mode"]) {
            self.eip_mode(eip.get("mode"));
        }
        let route = ["table", "priority", "persist", "shim", "form", "metric", "others"];
        if let Some(route) = self.section(fields, "route", &route) {
            self.route(&route, &mut layer);
        }
        if let Some(verify) = self.section(fields, "verify", &["echo", "inbound_port", "source"]) {
            layer.echo = self.found(&verify, "echo", Self::echo_urls).or(unreadable_echo(verify.get("echo")));
            layer.inbound_port =
                self.found(&verify, "inbound_port", |reader, node| reader.port(node, "verify.inbound_port"));
            layer.source = self.found(&verify, "source", |reader, node| {
                reader.text(node, "verify.source", "an IPv4 address", value::address)
            });
        } else {
            layer.echo = unreadable_echo(fields.get("verify"));
        }
        if let Some(allow) = self.section(fields, "allow", &["charge_type_change"]) {
            layer.charge_type_change = self.found(&allow, "charge_type_change", |reader, node| {
                reader.boolean(node, "allow.charge_type_change")
            });
        }
        if let Some(vars) = fields.get("vars") {
            layer.vars = self.variables(vars, "vars");
        }
        layer
    }

    fn section<'n>(&mut self, fields: &Fields<'n>, key: &str, known: &[&str]) -> Option<Fields<'n>> {
        self.fields(fields.get(key)?, key, known)
    }

    fn eni(&mut self, eni: &Fields<'_>, layer: &mut Layer) {
        layer.eni_name = self.found(eni, "name", |reader, node| {
            reader.text(node, "eni.name", "a name such as egress-{{host}}", NameTemplate::parse)
        });
        layer.vswitch = self.found(eni, "vswitch", |reader, node| {
            reader.text(node, "eni.vswitch", "a vSwitch id", |text| value::id(text, "vsw-"))
        });
        layer.security_groups = self.found(eni, "security_groups", |reader, node| {
            let groups = reader.list(
                node,
                "eni.security_groups",
                "a list of security group ids",
                |reader, node, label| {
                    reader.text(node, label, "a security group id", |text| value::id(text, "sg-"))
                },
            )?;
            reader.refuse_repeats(&groups, "eni.security_groups");
            Some(groups.into_iter().map(|group| group.value).collect())
        });
        layer.primary_ip = self.found(eni, "primary_ip", |reader, node| {
            reader.text(node, "eni.primary_ip", "an IPv4 address", value::private_address)
        });
        layer.resource_group = self.found(eni, "resource_group", |reader, node| {
            reader.text(node, "eni.resource_group", "a resource group id", |text| value::id(text, "rg-"))
        });
    }

    /// How the EIP is bound. Only one way leaves the host with the interface's private address, which its routes need.
    fn eip_mode(&mut self, node: Option<&Node>) {
        let Some(node) = node else { return };
        let refused = match &node.value {
            Value::Text(mode) if mode == "nat" => return,
            Value::Text(mode) if mode == "binded" => {
                "expected nat: in cut-through mode (BINDED) the EIP replaces the interface's private address, and can only \
                 be bound while the interface is detached, which would cut the host's other connections"
            }
            Value::Text(mode) if mode == "multi_binded" => {
                "expected nat: the mode with several visible EIPs (MULTI_BINDED) is closed to new users of the cloud, and \
                 needs addresses on the host that are not its own"
            }
            _ => return self.wrong(node, "eip.mode", "nat, the only mode that works here"),
        };
        let mode = if let Value::Text(mode) = &node.value { shown(mode) } else { String::new() };
        self.collector.add(node.at, format!("eip.mode is {mode}"), refused);
    }

    fn route(&mut self, route: &Fields<'_>, layer: &mut Layer) {
        layer.table = self.found(route, "table", |reader, node| reader.route_table(node, "route.table"));
        layer.priority =
            self.found(route, "priority", |reader, node| reader.route_priority(node, "route.priority"));
        layer.persist = self.found(route, "persist", |reader, node| {
            let owners = Owner::WORDS.map(|(word, owner)| (word, Persist::By(owner)));
            let choices =
                [[("auto", Persist::Auto)].as_slice(), &owners, &[("none", Persist::None)]].concat();
            reader.choice(node, "route.persist", &choices)
        });
        layer.shim = self.found(route, "shim", |reader, node| reader.boolean(node, "route.shim"));
        layer.documented = self.found(route, "form", |reader, node| {
            reader.choice(node, "route.form", &[("slash32", false), ("documented", true)])
        });
        layer.metric = self.found(route, "metric", |reader, node| {
            let expected = "a metric from 1 to 4294967295, larger than that of the primary's default route";
            reader.number(node, "route.metric", 1..=u32::MAX, expected)
        });
        layer.others = self.found(route, "others", Self::others);
    }

    fn echo_urls(&mut self, node: &Node) -> Option<Vec<String>> {
        let expected = "a list of one URL or more such as [http://ip.example.com]";
        let urls = self.list(node, "verify.echo", expected, |reader, node, label| {
            reader.text(node, label, "a URL", url::echo)
        })?;
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            self.collector.add(node.at, "verify.echo is an empty list", format!("expected {expected}"));
        }
        self.refuse_repeats(&urls, "verify.echo");
        Some(urls.into_iter().map(|url| url.value).collect())
    }

    /// A TCP port.
    pub(super) fn port(&mut self, node: &Node, label: &str) -> Option<u16> {
        let port = self.number(node, label, 1..=65535, "a port from 1 to 65535")?;
        u16::try_from(port).ok()
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, node: &Node, label: &str, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let Value::Text(text) = &node.value else {
            self.wrong(node, label, &format!("one of: {}", words.join(", ")));
            return None;
        };
        let choice = choices.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
        if choice.is_none() {
            let message = format!("{label} is {}", shown(text));
            self.collector.add(node.at, message, suggest(text, words));
        }
        choice
    }
}

/// What is there but could not be read counts as given, so that one mistake does not look like two.
fn unreadable_echo(node: Option<&Node>) -> Option<Found<Vec<String>>> {
    node.map(|node| Found { at: node.at, value: Vec::new() })
}
