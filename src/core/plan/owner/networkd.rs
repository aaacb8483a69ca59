//! systemd-networkd: one `.network` file, read before any that would take the device by a pattern.

use super::{OwnFile, Wanted, obstacle};
use crate::core::plan::route::HostObstacle;
use crate::core::plan::shim::{Shim, is_mark_rule};

/// Since this version rules and the routes' tables can be said in a file.
pub(super) const OLDEST: u32 = 235;
/// Since this version rules that others have made are removed when any link is configured.
pub(super) const REMOVES_RULES: u32 = 249;
/// Since this version the flag's name has its second capital; both are understood afterwards.
const ON_LINK_SPELLED: u32 = 246;

pub(super) fn files(wanted: &Wanted<'_>) -> Vec<OwnFile> {
    let Wanted { target, mac, address, net, beside, .. } = wanted;
    let old = wanted.facts.system.systemd.is_some_and(|version| version < ON_LINK_SPELLED);
    let on_link = if old { "GatewayOnlink" } else { "GatewayOnLink" };
    let (gateway, table, priority) = (target.gateway, target.table, target.priority);
    let main = beside
        .as_ref()
        .map_or_else(String::new, |main| format!("[Route]\nGateway={gateway}\nMetric={}\n\n", main.metric));
    let text = format!(
        "{}\
        [Match]\nMACAddress={mac}\n\n\
        [Link]\nRequiredForOnline=no\n\n\
        [Network]\nAddress={net}\nDHCP=no\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n\n\
        {main}[Route]\nGateway={gateway}\n{on_link}=yes\nTable={table}\n\n\
        [RoutingPolicyRule]\nFrom={address}\nTable={table}\nPriority={priority}\n{}",
        wanted.head(),
        mark_rule(wanted),
    );
    vec![OwnFile::new(format!("/etc/systemd/network/05-{}.network", wanted.name()), text, 0o644)]
}

/// The daemon removes rules that it did not make, so the shim's must be its own.
fn mark_rule(wanted: &Wanted<'_>) -> String {
    wanted.mark_rule().map_or_else(String::new, |(mark, priority)| {
        let table = wanted.target.table;
        format!(
            "\n[RoutingPolicyRule]\nFirewallMark={mark}\nTable={table}\nPriority={priority}\nFamily=ipv4\n"
        )
    })
}

/// A daemon that would remove what others have made must have been told not to, before it hears of a new device.
pub(super) fn obstacles(wanted: &Wanted<'_>) -> Vec<HostObstacle> {
    let facts = wanted.facts;
    if facts.system.systemd.is_none_or(|version| version < REMOVES_RULES) || leaves_rules(wanted) {
        return Vec::new();
    }
    let standard = [(0, Some(255)), (32766, Some(254)), (32767, Some(253))];
    let ours = |from: ipnet::Ipv4Net| Some(from.addr()) == wanted.target.address;
    let shim = Shim::of(wanted.target);
    // What it has made itself is "static", and the kernel's own rules it leaves alone.
    let foreign: Vec<&str> = facts
        .rules
        .iter()
        .filter(|rule| rule.more || !standard.contains(&(rule.priority, rule.table)))
        .filter(|rule| rule.more || !rule.from.is_some_and(ours))
        .filter(|rule| !is_mark_rule(rule, &shim))
        .map(|rule| rule.text.as_str())
        .filter(|text| !text.contains(" proto kernel") && !text.contains(" proto static"))
        .collect();
    let Some(first) = foreign.first() else { return Vec::new() };
    let what = format!(
        "systemd-networkd {} removes rules that it did not make, and the host has {} of them, such as {:?}",
        facts.system.systemd.unwrap_or_default(),
        foreign.len(),
        first.chars().take(100).collect::<String>()
    );
    vec![obstacle(
        "networkd-removes-rules",
        what,
        "it does so whenever it configures a link, the new interface among them",
        "write \"[Network]\", \"ManageForeignRoutingPolicyRules=no\" and \"ManageForeignRoutes=no\" as three lines to \
         /etc/systemd/networkd.conf.d/10-foreign.conf and restart systemd-networkd, then plan again",
    )]
}

fn leaves_rules(wanted: &Wanted<'_>) -> bool {
    let files = wanted.facts.files.iter().filter(|(path, _)| path.starts_with("/etc/systemd/networkd.conf"));
    let says_no = |line: &str| {
        let value = line.split_whitespace().collect::<String>();
        let value = value.strip_prefix("ManageForeignRoutingPolicyRules=");
        value.is_some_and(|value| ["no", "false", "off", "0"].contains(&value))
    };
    files.filter_map(|(_, file)| file.content.as_deref()).any(|text| text.lines().any(says_no))
}
