//! netplan: a file of our own that is read last, under the same id as an entry for the device that is there already, so
//! that the two become one.

use super::{OwnFile, Wanted};

pub(super) fn files(wanted: &Wanted<'_>) -> Vec<OwnFile> {
    let Wanted { target, mac, address, net, beside, .. } = wanted;
    let id = id(wanted);
    let (gateway, table, priority) = (target.gateway, target.table, target.priority);
    // It wants a source or a destination in every rule, and takes no mark but a decimal one.
    let shim = wanted.mark_rule().map_or_else(String::new, |(_, below)| {
        format!(", {{from: 0.0.0.0/0, mark: {table}, table: {table}, priority: {below}}}")
    });
    let main = beside.as_ref().map_or_else(String::new, |main| {
        format!("{{to: 0.0.0.0/0, via: {gateway}, metric: {}}}, ", main.metric)
    });
    let text = format!(
        "{}\
        network:\n  version: 2\n  ethernets:\n    {id}:\n      match: {{macaddress: \"{mac}\"}}\n\
        \x20     dhcp4: false\n      dhcp6: false\n      link-local: []\n      optional: true\n\
        \x20     addresses: [\"{net}\"]\n\
        \x20     routes: [{main}{{to: 0.0.0.0/0, via: {gateway}, on-link: true, table: {table}}}]\n\
        \x20     routing-policy: [{{from: {address}, table: {table}, priority: {priority}}}{shim}]\n",
        wanted.head()
    );
    // Whatever is readable by others netplan complains about.
    vec![OwnFile::new(path(wanted), text, 0o600)]
}

fn path(wanted: &Wanted<'_>) -> String {
    format!("/etc/netplan/90-{}.yaml", wanted.name())
}

/// The id under which another file matches the device by its hardware address; else the device's name, which is what
/// cloud-init takes. What is in the place of ours does not count: it will be gone.
fn id(wanted: &Wanted<'_>) -> String {
    let own = path(wanted);
    let others = wanted.facts.files.iter().filter(|(path, file)| {
        let ours = file.content.as_deref().is_some_and(|text| text.starts_with(&wanted.head()));
        path.starts_with("/etc/netplan/") && **path != own && !ours
    });
    let mut texts = others.filter_map(|(_, file)| file.content.as_deref());
    texts.find_map(|text| id_in(text, &wanted.mac)).unwrap_or_else(|| wanted.dev.clone())
}

/// The key two levels above `macaddress: MAC`, or one above where `match` is written in one line.
fn id_in(text: &str, mac: &str) -> Option<String> {
    let mut keys: Vec<(usize, &str)> = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let (indent, line) = (line.len() - line.trim_start().len(), line.trim());
        if line.is_empty() {
            continue;
        }
        keys.retain(|(depth, _)| *depth < indent);
        let lower = line.to_lowercase();
        if lower.contains("macaddress") && lower.contains(mac) {
            let id = keys.iter().rev().map(|(_, key)| *key).find(|key| *key != "match")?;
            let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            return (plain && !id.is_empty()).then(|| id.to_owned());
        }
        if let Some((key, _)) = line.split_once(':') {
            keys.push((indent, key.trim_matches(['"', '\''])));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_its_hardware_address() {
        let block = "network:\n    version: 2\n    ethernets:\n        eth0:\n            match:\n                macaddress: 00:16:3e:aa:bb:01\n            set-name: eth0\n        nic-2:\n            dhcp4: true\n            match:\n                macaddress: 00:16:3E:AA:BB:02\n";
        assert_eq!(id_in(block, "00:16:3e:aa:bb:02").as_deref(), Some("nic-2"));
        assert_eq!(id_in(block, "00:16:3e:aa:bb:03"), None);
        let flow = "network:\n ethernets:\n  \"eth1\":\n   match: {macaddress: '00:16:3e:aa:bb:02'}\n";
        assert_eq!(id_in(flow, "00:16:3e:aa:bb:02").as_deref(), Some("eth1"));
        assert_eq!(id_in("a: {b: {macaddress: 00:16:3e:aa:bb:02}}\n", "00:16:3e:aa:bb:02"), None);
    }
}
