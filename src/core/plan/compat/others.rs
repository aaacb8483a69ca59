//! Whoever else writes the host's network, and what the host lacks.

use super::{list, secondary};
use crate::core::model::{IfName, MacAddr, Owner};
use crate::core::observed::Facts;
use crate::core::observed::facts::MAIN_TABLE;
use crate::core::plan::{Finding, RouteTarget};

/// What is left at least, in KiB and inodes.
const LEAST_KIB: u64 = 1024;
const LEAST_INODES: u64 = 64;

/// Services that configure every interface they find.
pub(super) fn who_writes_the_network(facts: &Facts, target: &RouteTarget, found: &mut Vec<Finding>) {
    let system = &facts.system;
    if system.is_wanted("eni") {
        found.push(Finding::warning(
            "multi-nic-util (eni.service) configures every interface that is plugged in",
            "it gives the interface a second address and a default route, at every boot",
            "systemctl disable --now eni.service",
        ));
    }
    if ["nm-cloud-setup", "nm-cloud-setup.timer"].iter().any(|name| system.is_wanted(name)) {
        found.push(Finding::warning(
            "nm-cloud-setup rewrites addresses, routes and rules of all devices every five minutes",
            "ours are marked to be left alone, those of the primary are not",
            "systemctl disable --now nm-cloud-setup.timer, unless this host needs it",
        ));
    }
    let told_off = |text: &str| {
        let words = text.split_whitespace().collect::<String>();
        words.contains("network:{config:disabled}") || words.contains("config:disabled")
    };
    let configs = facts.files.iter().filter(|(path, _)| path.starts_with("/etc/cloud/"));
    let disabled = configs.filter_map(|(_, file)| file.content.as_deref()).any(told_off);
    if system.is_wanted("cloud-init") && !disabled && target.owner != Some(Owner::Netplan) {
        found.push(Finding::warning(
            "cloud-init writes the network's configuration anew at every boot",
            "it may give the interface DHCP and a default route of its own after the next one",
            "echo 'network: {config: disabled}' >/etc/cloud/cloud.cfg.d/99-network.cfg, if nothing else is to come from it",
        ));
    }
}

/// Settings and limits of the kernel.
pub(super) fn kernel(facts: &Facts, target: &RouteTarget, found: &mut Vec<Finding>) {
    let system = &facts.system;
    let forwards = system.sysctls.get("ip_forward") == Some(&1);
    let dev = secondary(facts, target).map_or("default", IfName::as_str);
    if forwards && system.effective("rp_filter", dev) == Some(1) {
        found.push(Finding::warning(
            "rp_filter is 1 (strict) and the host forwards packets",
            "what is forwarded to a container comes in by one interface and is answered by the other, and is dropped",
            "sysctl net.ipv4.conf.DEVICE.rp_filter=2 for the new interface; the host's own services need nothing",
        ));
    }
    if let Some((count, most)) = system.conntrack.filter(|(count, most)| *most > 0 && count * 10 >= most * 9)
    {
        found.push(Finding::warning(
            format!("the connection tracker has {count} of {most} entries"),
            "when it is full new connections are dropped, which looks like a route that is missing",
            "raise net.netfilter.nf_conntrack_max before the change",
        ));
    }
    if !system.routes6.is_empty() && secondary(facts, target).is_none() {
        found.push(Finding::note(
            "the host has a default route of IPv6",
            "the interface is configured without IPv6, so that route stays the only one",
        ));
    }
}

/// Files cannot be written, or a tool is missing.
pub(super) fn room(facts: &Facts, found: &mut Vec<Finding>) {
    let system = &facts.system;
    if let Some(point) = system.read_only.iter().find(|point| *point == "/etc" || *point == "/") {
        let etc_above = point == "/" && system.read_only.iter().all(|point| point != "/etc");
        let what = format!("{point} is mounted read-only");
        let fix =
            "make it writable (a file system with errors?), or use the image's own way of changing /etc";
        // An /etc of its own on a read-only root is what some images are made of.
        if point == "/etc" || (etc_above && system.space.is_none_or(|space| space.kib == 0)) {
            found.push(Finding::refusal(what, "nothing could be kept over a reboot", fix));
        } else {
            found.push(Finding::warning(what, "files in /etc may be gone after a reboot", fix));
        }
    }
    if let Some(space) = system.space {
        let full = space.kib < LEAST_KIB || space.inodes.is_some_and(|inodes| inodes < LEAST_INODES);
        if full {
            found.push(Finding::refusal(
                format!(
                    "the file system of /etc has {} KiB and {} inodes left",
                    space.kib,
                    space.inodes.map_or_else(|| "enough".to_owned(), |inodes| inodes.to_string())
                ),
                "a file could be written in part",
                "make room, then plan again",
            ));
        }
    }
    if !system.tools.is_empty() && !system.tools.contains("ping") && !system.tools.contains("curl") {
        found.push(Finding::note(
            "neither ping nor curl is on the host",
            "whether the gateway answers on the new interface cannot be tried before the EIP moves",
        ));
    }
}

/// Somebody but the primary has a default route in the main table. What the interfaces of ours have there is the plan's.
pub(super) fn second_way_out(
    facts: &Facts,
    dev: Option<&IfName>,
    ours: &[MacAddr],
    found: &mut Vec<Finding>,
) {
    let is_ours =
        |name: &IfName| facts.links.iter().any(|link| link.name == *name && ours.contains(&link.mac));
    let others: Vec<String> = facts
        .routes
        .iter()
        .filter(|route| route.table == MAIN_TABLE && route.destination.prefix_len() == 0)
        .filter_map(|route| route.dev.as_ref())
        .filter(|name| Some(*name) != dev && !is_ours(name))
        .map(ToString::to_string)
        .collect();
    if !others.is_empty() && dev.is_some() {
        found.push(Finding::warning(
            format!("there is a default route by {}, too", list(&others)),
            "if the primary's goes away, the host's egress address is another one",
            "give it a larger metric than the primary's, or remove it",
        ));
    }
}
