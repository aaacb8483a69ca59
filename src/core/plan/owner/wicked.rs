//! wicked of SUSE: `ifcfg-`, `ifroute-` and `ifrule-` files, named by the device.

use super::{OwnFile, Wanted};

const FOLDER: &str = "/etc/sysconfig/network";

pub(super) fn files(wanted: &Wanted<'_>) -> Vec<OwnFile> {
    let Wanted { target, dev, address, net, beside, .. } = wanted;
    let (head, gateway, table, priority) = (wanted.head(), target.gateway, target.table, target.priority);
    let main = beside
        .as_ref()
        .map_or_else(String::new, |main| format!("default {gateway} - {dev} metric {}\n", main.metric));
    let ifcfg = format!(
        "{head}BOOTPROTO='static'\nSTARTMODE='hotplug'\nIPADDR='{net}'\n\
        DHCLIENT_SET_DEFAULT_ROUTE='no'\n"
    );
    vec![
        OwnFile::new(format!("{FOLDER}/ifcfg-{dev}"), ifcfg, 0o644),
        OwnFile::new(
            format!("{FOLDER}/ifroute-{dev}"),
            format!("{head}default {gateway} - {dev} table {table} onlink\n{main}"),
            0o644,
        ),
        OwnFile::new(
            format!("{FOLDER}/ifrule-{dev}"),
            format!("{head}ipv4 from {address} table {table} pref {priority}\n"),
            0o644,
        ),
    ]
}
