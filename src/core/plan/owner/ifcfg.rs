//! The network-scripts of CentOS 7 and its relatives: `ifcfg-`, `route-` and `rule-` files, named by the device.
//!
//! The scripts give every line of the last two to `ip route add` and `ip rule add`; the explicit priority makes a repeated
//! line harmless.

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
    vec![
        OwnFile::new(format!("{FOLDER}/ifcfg-{dev}"), ifcfg, 0o644),
        OwnFile::new(
            format!("{FOLDER}/route-{dev}"),
            format!("{head}default via {gateway} dev {dev} table {table} onlink\n{main}"),
            0o644,
        ),
        OwnFile::new(
            format!("{FOLDER}/rule-{dev}"),
            format!("{head}from {address} lookup {table} pref {priority}\n"),
            0o644,
        ),
    ]
}
