//! The network-scripts of CentOS 7 and its relatives: `ifcfg-`, `route-` and `rule-` files, named by the device.
//!
//! `ifup-routes` (<https://github.com/fedora-sysv/initscripts>) gives every line of the last two to `ip route add` and `ip rule
//! add`; the explicit priority makes a repeated line harmless. Nothing runs between two calls of it, so nobody is told of the files.

use super::{OwnFile, Wanted};

const FOLDER: &str = "/etc/sysconfig/network-scripts";

pub(super) fn files(wanted: &Wanted<'_>) -> Vec<OwnFile> {
    let Wanted { target, dev, mac, address, beside, .. } = wanted;
    let (head, gateway, table, priority) = (wanted.head(), target.gateway, target.table, target.priority);
    let prefix = target.prefix();
    let main = beside
        .as_ref()
        .map_or_else(String::new, |main| format!("default via {gateway} dev {dev} metric {}\n", main.metric));
    let ifcfg = format!(
        "{head}\
        DEVICE={dev}\nHWADDR={mac}\nTYPE=Ethernet\nBOOTPROTO=none\nONBOOT=yes\nIPADDR={address}\nPREFIX={prefix}\n\
        DEFROUTE=no\nPEERDNS=no\nIPV6INIT=no\nNM_CONTROLLED=no\n"
    );
    let shim = wanted
        .mark_rule()
        .map_or_else(String::new, |(mark, below)| format!("fwmark {mark} lookup {table} pref {below}\n"));
    vec![
        OwnFile::new(format!("{FOLDER}/ifcfg-{dev}"), ifcfg, 0o644),
        OwnFile::new(
            format!("{FOLDER}/route-{dev}"),
            format!("{head}default via {gateway} dev {dev} table {table} onlink\n{main}"),
            0o644,
        ),
        OwnFile::new(
            format!("{FOLDER}/rule-{dev}"),
            format!("{head}from {address} lookup {table} pref {priority}\n{shim}"),
            0o644,
        ),
    ]
}
