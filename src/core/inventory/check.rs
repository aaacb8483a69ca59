//! What hosts must not share, and what all of them need: mistakes that show only when hosts are seen together.
//!
//! Must never repeat one mistake for every host of a fleet: what has one cause is one mistake.

use std::collections::BTreeMap;

use super::hosts::{Groups, Host};
use super::mistake::Pos;
use super::read::{Found, Reader};
use super::words::few;

impl Reader<'_, '_> {
    /// All checks over all hosts.
    pub(super) fn check_fleet(&mut self, hosts: &[Host], groups: &Groups, echo_is_given: bool) {
        self.unique(hosts, "host", |host| host.name.as_ref());
        self.unique(hosts, "instance", |host| host.instance.as_ref());
        self.check_addresses(hosts);
        self.check_interface_names(hosts);
        self.check_metrics(hosts);
        self.shared(hosts, "eni.name", "names of their own, for example with {{host}}", |host| {
            host.eni_name.as_ref()
        });
        self.shared(hosts, "eni.primary_ip", "addresses of their own", |host| {
            host.settings.primary_ip.as_ref()
        });
        for name in hosts.iter().filter_map(|host| host.name.as_ref()) {
            if let Some(group) = groups.get(name.value.as_str()) {
                let message =
                    format!("{} is the name of a host and, at {}, of a group", name.value, group.at);
                self.collector.add(name.at, message, "expected different names, since --limit takes both");
            }
        }
        self.check_others(hosts);
        if !echo_is_given {
            self.check_echo(hosts);
        }
    }

    /// Values of which each host must have its own and that are written at each host.
    fn unique<T: Ord + ToString>(
        &mut self,
        hosts: &[Host],
        what: &str,
        value: impl Fn(&Host) -> Option<&Found<T>>,
    ) {
        let mut first: BTreeMap<&T, Pos> = BTreeMap::new();
        for found in hosts.iter().filter_map(value) {
            if let Some(place) = first.get(&found.value) {
                let message = format!("{what} {} is there twice, first at {place}", found.value.to_string());
                self.collector.add(found.at, message, format!("expected each {what} once"));
            } else {
                first.insert(&found.value, found.at);
            }
        }
    }

    /// Values of which each host must have its own, but that may come from a group or the defaults.
    fn shared<T: Ord + ToString>(
        &mut self,
        hosts: &[Host],
        what: &str,
        expected: &str,
        value: impl Fn(&Host) -> Option<&Found<T>>,
    ) {
        let mut users: BTreeMap<&T, Vec<(Pos, &str)>> = BTreeMap::new();
        for host in hosts {
            if let (Some(name), Some(found)) = (&host.name, value(host)) {
                users.entry(&found.value).or_default().push((found.at, name.value.as_str()));
            }
        }
        for (value, users) in users {
            let names: Vec<&str> = users.iter().map(|(_, name)| *name).collect();
            // The same name twice is one host twice, which is reported as such.
            let several = names.iter().any(|name| *name != names[0]);
            if let Some((at, _)) = users.get(1).filter(|_| several) {
                let message = format!("{what} is {} for several hosts: {}", value.to_string(), few(&names));
                self.collector.add(*at, message, format!("expected {expected}"));
            }
        }
    }

    /// Two hosts at one address are a copy that was not finished, unless they are behind different jump hosts.
    fn check_addresses(&mut self, hosts: &[Host]) {
        let mut first = BTreeMap::new();
        for host in hosts {
            let Some(address) = &host.address else { continue };
            let jump = host.settings.jump.as_ref().map(|found| &found.value);
            let port = host.ssh.as_ref().map_or(22, |ssh| ssh.port);
            let key = (address.value, port, jump);
            if let Some(place) = first.get(&key) {
                let message = format!("address {} is there twice, first at {place}", address.value);
                self.collector.add(address.at, message, "expected each address once");
            } else {
                first.insert(key, address.at);
            }
        }
        let owners: BTreeMap<_, Pos> = hosts
            .iter()
            .filter_map(|host| host.address.as_ref())
            .map(|found| (found.value, found.at))
            .collect();
        for found in hosts.iter().filter_map(|host| host.settings.primary_ip.as_ref()) {
            if let Some(owner) = owners.get(&found.value) {
                let message = format!("eni.primary_ip {} is the address of a host, see {owner}", found.value);
                self.collector.add(found.at, message, "expected a free address of the vSwitch");
            }
        }
    }

    fn check_echo(&mut self, hosts: &[Host]) {
        let without: Vec<&Host> = hosts.iter().filter(|host| host.settings.echo.is_none()).collect();
        let Some(first) = without.first() else { return };
        let names: Vec<&str> =
            without.iter().filter_map(|host| host.name.as_ref()).map(|name| name.value.as_str()).collect();
        let whose = if without.len() == hosts.len() { "any host".to_owned() } else { few(&names) };
        self.collector.add(
            first.at,
            format!("no verify.echo for {whose}"),
            "expected one URL or better two that answer with the caller's address, best in defaults.verify.echo",
        );
    }
}
