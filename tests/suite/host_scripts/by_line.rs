//! The files of the network-scripts, read as `ifup-eth` and `ifup-routes` of initscripts read them: the first as assignments of a shell, the
//! other two line by line for `ip(8)`. The programs themselves are not in Debian; what they do with a line is all that is taken from them.

use egressctl::core::model::Owner;
use egressctl::core::plan::RouteTarget;
use egressctl::core::plan::route::host_changes;

use super::host::{SHELLS, debian, target, templates};

/// `handle_ip_file` of ifup-routes, and of ifup-eth only that it adds the address that the first file names.
const IFUP: &str = r#"
    set -e
    . ./ifcfg-eth1
    ip link set dev "$DEVICE" up
    ip -4 -o addr show dev "$DEVICE" | grep -q " $IPADDR/$PREFIX " || ip -4 addr add "$IPADDR/$PREFIX" dev "$DEVICE"
    for file in route rule; do
        { cat "$file-eth1"; echo; } | while read -r line; do
            case $line in '' | '#'*) continue ;; esac
            if ! ip -4 "$file" add $line 2>/dev/null && [ "$file" = route ]; then ip -4 route replace $line; fi
        done
    done
"#;

#[test]
fn files_of_the_network_scripts_bring_back_what_was_asked_for_and_no_more() {
    let host = debian(SHELLS[0]);
    let target = RouteTarget { owner: Some(Owner::Ifcfg), ..target() };
    // A file of somebody else's in the place of ours, whose lines must not be read any more.
    host.ok("mkdir -p /etc/sysconfig/network-scripts");
    host.write("sysconfig/network-scripts/rule-eth1", "from 172.16.0.20 lookup 55 pref 55", 0o644);
    let changes = host_changes(&host.facts(), &target, &templates()).unwrap();
    assert_eq!(changes.files.len(), 3, "{changes:?}");
    for file in &changes.files {
        host.write(file.path.strip_prefix("/etc/").unwrap(), file.after.as_deref().unwrap(), 0o644);
    }
    // At a boot, and once more by hand.
    for _ in 0..2 {
        host.ok(&format!("cd /etc/sysconfig/network-scripts; {IFUP}"));
        let left = host_changes(&host.facts(), &target, &templates()).unwrap();
        assert!(left.is_empty(), "{left:?}");
    }
}
