//! Rules that are there twice. Kernels before 4.x add the same rule again and again; this one does not, so a stand-in of `ip`
//! makes up for it: what is refused as being there is added with a protocol of its own, which is not shown.

use egressctl::core::observed::ApplyEnd;
use egressctl::core::template::Phase;

use super::super::host::{Host, debian, target};
use super::on_every_shell;

const OLD_IP: &str = r#"#!/bin/sh
case "$1 $2 $3" in
    "-4 rule show") @IP@ "$@" | sed 's/ proto 2[0-9][0-9] *$//'; exit ;;
    "-4 rule add")
        @IP@ "$@" 2>/dev/null && exit
        protocol=200
        while [ "$protocol" -lt 240 ]; do
            @IP@ "$@" protocol "$protocol" 2>/dev/null && exit
            protocol=$((protocol + 1))
        done
        exit 2 ;;
esac
exec @IP@ "$@"
"#;

/// A host whose kernel and `ip` are those of CentOS 7, as far as rules go.
fn old(shell: &'static [&'static str]) -> Host {
    let host = debian(shell);
    let ip = host.ok("command -v ip");
    host.write("stand-in/ip", &OLD_IP.replace("@IP@", ip.trim()), 0o755);
    host.ok(
        "mount -t tmpfs none /usr/local/sbin; cp /etc/stand-in/ip /usr/local/sbin/ip; ip link set eth1 up",
    );
    host
}

fn rules(host: &Host) -> String {
    host.ok("/usr/local/sbin/ip -4 rule show | grep 172.16.0.20 | sed 's/ $//' | sort || :")
}

const TWICE: &str = "rule=/usr/local/sbin/ip; $rule -4 rule add from 172.16.0.20 lookup 101 pref 4101";

#[test]
fn what_was_there_twice_is_there_twice_again_however_often_it_is_taken_back() {
    on_every_shell(|shell| {
        let host = old(shell);
        host.ok(&format!(
            "{TWICE}; {TWICE}; for n in 1 2; do $rule -4 rule add from 172.16.0.20 lookup 101 pref 500; done"
        ));
        let before = rules(&host);
        assert_eq!(before.lines().count(), 4, "{before}");
        let report = host.phase(&target(), &Default::default(), Phase::Change { again: false }, 60);
        assert_eq!(report.end, ApplyEnd::Ok, "{shell:?}");
        assert_eq!(rules(&host), "4101:\tfrom 172.16.0.20 lookup 101\n", "{shell:?}");
        // Somebody else's address is in the way of being as before for a while: it is taken back several times.
        let result = host.ok(
            "ip addr add 10.9.0.1/32 dev eth1; (sleep 0.5; ip addr del 10.9.0.1/32 dev eth1) </dev/null >/dev/null 2>&1 &
            sh /run/egressctl/guard/*/rollback.sh now; cat /run/egressctl/guard/*/result",
        );
        assert_eq!(rules(&host), before, "{shell:?}");
        assert!(result.starts_with("reverted "), "{shell:?}: {result}");
    });
}

#[test]
fn everything_that_removes_removes_all_of_ours() {
    on_every_shell(|shell| {
        let host = old(shell);
        let changes = host.changes();
        assert_eq!(host.apply(&target(), &changes).end, ApplyEnd::Ok, "{shell:?}");
        host.ok(&format!("{TWICE}; {TWICE}"));
        assert_eq!(rules(&host).lines().count(), 3, "{shell:?}");
        host.ok("/etc/rc.local");
        assert_eq!(rules(&host).lines().count(), 1, "{shell:?}: at a boot");
        host.ok(&format!("{TWICE}; {TWICE}"));
        assert_eq!(host.revert(&changes).end, ApplyEnd::Ok, "{shell:?}");
        assert_eq!(rules(&host), "", "{shell:?}");
    });
}
