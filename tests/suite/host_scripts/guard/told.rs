//! What the guards script tells of guards in every state, under every shell; and that looking neither changes nor ends one.

use egressctl::core::observed::guarded::GuardState;
use egressctl::core::observed::guards::{Guards, parse_guards};

use super::super::host::{Host, templates};
use super::super::{debian, on_every_shell};
use super::{CHANGE, FIRST, FOLDER, SECOND, armed, phase, taken_back};

fn told(host: &Host) -> Guards {
    let output = host.run(&templates().guards_script().unwrap());
    parse_guards(&output.stdout).unwrap_or_else(|error| panic!("{:?}: {error}\n{output:?}", host.shell))
}

#[test]
fn every_state_of_a_guard_is_told_and_looking_changes_nothing() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let file = host.changes();
        assert_eq!(told(&host), Guards::default(), "{shell:?}");
        host.ok("! ls -d /run/egressctl 2>/dev/null >&2");

        assert_eq!(armed(&phase(&host, &file, CHANGE, 120)), 1);
        let network = host.network();
        for _ in 0..2 {
            let guards = told(&host);
            let [guard] = guards.standing.as_slice() else { panic!("{shell:?}: {guards:?}") };
            assert_eq!(guard.tx, FOLDER.rsplit_once('/').unwrap().1);
            assert!(guard.whole && !guard.busy && guard.end.is_none(), "{shell:?}: {guard:?}");
            let GuardState::Armed { generation: 1, left } = guard.state else { panic!("{guard:?}") };
            assert!((60..=120).contains(&left.as_secs()), "{shell:?}: {left:?}");
            let route = guard.route.as_ref().unwrap();
            assert_eq!((route.dev.as_str(), route.table, route.priority), ("eth1", 101, 4101));
        }
        assert_eq!(host.network(), network, "{shell:?}");

        // A change that was cut off is not whole, and one that is under way has somebody at work.
        host.ok(&format!("mv {FOLDER}/ready.1 {FOLDER}/kept"));
        assert!(!told(&host).standing[0].whole, "{shell:?}");
        host.ok(&format!(
            "mv {FOLDER}/kept {FOLDER}/ready.1; sleep 60 </dev/null >/dev/null 2>&1 & set -- $! $(cat /proc/$!/stat); echo \"$1 $(shift; echo ${{22}})\" >{FOLDER}/worker"
        ));
        assert!(told(&host).standing[0].busy, "{shell:?}");
        host.ok(&format!("read -r pid born <{FOLDER}/worker; kill $pid"));

        assert_eq!(armed(&phase(&host, &file, FIRST, 4)), 2, "{shell:?}");
        let guards = told(&host);
        assert!(matches!(guards.standing[0].state, GuardState::Armed { generation: 2, .. }), "{guards:?}");
        taken_back(&host, 2);
        let guards = told(&host);
        assert_eq!(guards.standing[0].state, GuardState::RolledBack, "{shell:?}");
        assert!(guards.standing[0].end.as_ref().is_some_and(|end| end.complete), "{shell:?}: {guards:?}");
        phase(&host, &file, SECOND, 4);
        assert_eq!(told(&host), Guards::default(), "{shell:?}");

        // What a boot in the second window leaves on the disk.
        host.ok("mkdir -p /var/lib/egressctl/feedc0de00000000 2>/dev/null && : >/var/lib/egressctl/feedc0de00000000/rollback.sh");
        let guards = told(&host);
        assert_eq!((guards.standing.len(), guards.on_disk.len()), (0, 1), "{shell:?}: {guards:?}");
        host.ok("rm -r /var/lib/egressctl");
    });
}
