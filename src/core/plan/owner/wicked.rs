//! wicked of SUSE: `ifcfg-`, `ifroute-` and `ifrule-` files, named by the device.
//!
//! After ifcfg(5), ifroute(5) and ifrule(5) of <https://github.com/openSUSE/wicked>. Its nanny works by what `wicked ifreload` has made
//! of the files, and does not read them itself.

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
    let shim = wanted
        .mark_rule()
        .map_or_else(String::new, |(mark, below)| format!("ipv4 fwmark {mark} table {table} pref {below}\n"));
    vec![
        OwnFile::new(format!("{FOLDER}/ifcfg-{dev}"), ifcfg, 0o644),
        OwnFile::new(
            format!("{FOLDER}/ifroute-{dev}"),
            format!("{head}default {gateway} - {dev} table {table} onlink\n{main}"),
            0o644,
        ),
        OwnFile::new(
            format!("{FOLDER}/ifrule-{dev}"),
            format!("{head}ipv4 from {address} table {table} pref {priority}\n{shim}"),
            0o644,
        ),
    ]
}
