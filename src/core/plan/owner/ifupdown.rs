//! ifupdown of Debian and Ubuntu: a stanza of its own in `interfaces.d`.

use super::{OwnFile, Wanted, obstacle};
use crate::core::plan::route::HostObstacle;

const MAIN_FILE: &str = "/etc/network/interfaces";

pub(super) fn files(wanted: &Wanted<'_>) -> Vec<OwnFile> {
    let Wanted { target, dev, address, beside, .. } = wanted;
    let (gateway, table, priority) = (target.gateway, target.table, target.priority);
    let netmask = target.subnet().netmask();
    let main = beside.as_ref().map_or_else(String::new, |main| {
        // The kernel makes the route to the subnet without a metric.
        let (subnet, metric) = (target.subnet(), main.metric);
        format!(
            "    post-up ip -4 route del {subnet} dev {dev} proto kernel scope link || :\n\
            \x20   post-up ip -4 route append {subnet} dev {dev} proto kernel scope link src {address} metric {metric}\n\
            \x20   post-up ip -4 route replace default via {gateway} dev {dev} metric {metric}\n"
        )
    });
    let text = format!(
        "{}\
        auto {dev}\nallow-hotplug {dev}\niface {dev} inet static\n    address {address}\n    netmask {netmask}\n{main}\
        \x20   post-up ip -4 route replace default via {gateway} dev {dev} onlink table {table}\n\
        \x20   post-up while ip -4 rule del from {address} lookup {table} pref {priority} 2>/dev/null; do :; done\n\
        \x20   post-up ip -4 rule add from {address} lookup {table} pref {priority}\n\
        \x20   pre-down while ip -4 rule del from {address} lookup {table} pref {priority} 2>/dev/null; do :; done\n{}",
        wanted.head(),
        mark_rule(wanted),
    );
    vec![OwnFile::new(format!("/etc/network/interfaces.d/{}", wanted.name()), text, 0o644)]
}

fn mark_rule(wanted: &Wanted<'_>) -> String {
    let Some((mark, priority)) = wanted.mark_rule() else { return String::new() };
    let rule = format!("fwmark {mark} lookup {} pref {priority}", wanted.target.table);
    let gone = format!("while ip -4 rule del {rule} 2>/dev/null; do :; done");
    format!("    post-up {gone}\n    post-up ip -4 rule add {rule}\n    pre-down {gone}\n")
}

/// The main file must lead to ours, and nobody else may configure the device.
pub(super) fn obstacles(wanted: &Wanted<'_>) -> Vec<HostObstacle> {
    let mut found = Vec::new();
    let files = &wanted.facts.files;
    let main = files.get(MAIN_FILE).and_then(|file| file.content.as_deref()).unwrap_or_default();
    let leads = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["source", pattern, ..] => pattern.trim_start_matches(['.', '/']).ends_with("interfaces.d/*"),
            ["source-directory", folder, ..] => folder.trim_end_matches('/').ends_with("interfaces.d"),
            _ => false,
        }
    };
    if !main.lines().any(leads) {
        found.push(obstacle(
            "interfaces-not-read",
            format!("{MAIN_FILE} does not read the files in interfaces.d"),
            "the route would be missing after a reboot",
            "add the line \"source /etc/network/interfaces.d/*\" to it, then plan again",
        ));
    }
    let ours = format!("/etc/network/interfaces.d/{}", wanted.name());
    for (path, file) in files.iter().filter(|(path, _)| path.starts_with(MAIN_FILE) && **path != ours) {
        let text = file.content.as_deref().unwrap_or_default();
        let stanza = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        if stanza.into_iter().any(|words| words.get(..2) == Some(&["iface", &wanted.dev])) {
            found.push(obstacle(
                "interface-configured",
                format!("{path} configures {} already", wanted.dev),
                "two stanzas for one device are both brought up",
                "remove that stanza, then plan again",
            ));
        }
    }
    found
}
