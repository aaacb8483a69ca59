//! NetworkManager: a keyfile. Not `never-default`, which would drop our default route, too, whatever its table.

use super::{OwnFile, Wanted, obstacle};
use crate::core::plan::route::HostObstacle;

/// Since this version a profile can have rules.
pub(super) const OLDEST: (u32, u32) = (1, 18);
/// Since this version IPv6 can be switched off for a profile.
const SWITCHES_IPV6_OFF: (u32, u32) = (1, 20);

pub(super) fn files(wanted: &Wanted<'_>) -> Vec<OwnFile> {
    let Wanted { target, mac, address, net, beside, .. } = wanted;
    let newer = wanted.facts.system.network_manager.is_none_or(|version| version >= SWITCHES_IPV6_OFF);
    let ipv6 = if newer { "disabled" } else { "ignore" };
    let (name, gateway, table, priority) = (wanted.name(), target.gateway, target.table, target.priority);
    let shim = wanted.mark_rule().map_or_else(String::new, |(mark, below)| {
        format!("routing-rule2=priority {below} from 0.0.0.0/0 fwmark {mark} table {table}\n")
    });
    // Its own route to the subnet gets the metric, too.
    let main =
        beside.as_ref().map_or_else(String::new, |main| format!(",{gateway}\nroute-metric={}", main.metric));
    let text = format!(
        "{}\
        [connection]\nid={name}\ntype=ethernet\nautoconnect=true\nautoconnect-priority=100\n{}\n\
        [ethernet]\nmac-address={mac}\n\n\
        [ipv4]\nmethod=manual\naddress1={net}{main}\nignore-auto-dns=true\n\
        route1=0.0.0.0/0,{gateway},0\nroute1_options=table={table},onlink=true\n\
        routing-rule1=priority {priority} from {address} table {table}\n{shim}\n\
        [ipv6]\nmethod={ipv6}\n\n\
        [user]\norg.freedesktop.nm-cloud-setup.skip=yes\n",
        wanted.head(),
        zone(wanted),
    );
    let path = format!("/etc/NetworkManager/system-connections/{name}.nmconnection");
    vec![OwnFile::new(path, text, 0o600)]
}

/// The new interface belongs into the zone of the primary: what may come in stays as it is.
fn zone(wanted: &Wanted<'_>) -> String {
    let facts = wanted.facts;
    let primary = facts.addresses.iter().find(|a| a.net.addr() == wanted.target.primary_ip);
    let zone = primary.and_then(|primary| {
        let devices = |devices: &[String]| devices.iter().any(|dev| dev == primary.dev.as_str());
        facts.system.zones.iter().find(|(_, list)| devices(list)).map(|(zone, _)| zone)
    });
    zone.map_or_else(String::new, |zone| format!("zone={zone}\n"))
}

pub(super) fn obstacles(wanted: &Wanted<'_>) -> Vec<HostObstacle> {
    match wanted.facts.system.network_manager {
        Some(version) if version < OLDEST => vec![obstacle(
            "network-manager-too-old",
            format!("NetworkManager {}.{} cannot keep rules", version.0, version.1),
            "rules are part of a profile since 1.18",
            "let route.persist be auto or unit",
        )],
        _ => Vec::new(),
    }
}
