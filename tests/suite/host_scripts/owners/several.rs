//! Two policy routes of one host: each has its own table, rule, files and block, and comes and goes without the other.

use egressctl::core::inventory::Form;
use egressctl::core::model::{MacAddr, Owner};
use egressctl::core::observed::applied::ApplyEnd;
use egressctl::core::plan::route::{HostChanges, after, host_changes};
use egressctl::core::plan::{RouteForm, RouteTarget};

use super::super::host::{DEBIAN, debian};
use super::super::on_every_shell;
use super::{Host, LIVE, Owned, target, templates};

const THIRD: MacAddr = MacAddr([0x00, 0x16, 0x3e, 0xaa, 0xbb, 0x03]);

fn second() -> RouteTarget {
    RouteTarget {
        mac: Some(THIRD),
        address: Some([172, 16, 0, 30].into()),
        table: 102,
        priority: 4102,
        ..target()
    }
}

/// Both routes are there, exactly one rule and one route each, and neither the main table nor the way out has changed.
fn both_hold(host: &Host, main: &str, form: Form) {
    assert!(host.ok("ip route get 1.1.1.1").contains("dev eth0 src 172.16.0.10"));
    for (address, dev, table) in [("172.16.0.20", "eth1", 101), ("172.16.0.30", "eth2", 102)] {
        let way = host.ok(&format!("ip route get 1.1.1.1 from {address}"));
        assert!(way.contains(&format!("via 172.16.0.253 dev {dev} table {table}")), "{way}");
        let rules = host.ok(&format!("ip -4 rule show | grep -c 'from {address} '"));
        let routes = host.ok(&format!("ip -4 route show table {table} | wc -l"));
        assert_eq!((rules.trim(), routes.trim()), ("1", "1"), "{address}");
    }
    let now = host.ok("ip -4 route show table main");
    let (ours, others): (Vec<&str>, Vec<&str>) = now
        .lines()
        .partition(|line| ["eth1", "eth2"].iter().any(|dev| line.contains(&format!(" dev {dev} "))));
    assert_eq!(others, main.lines().collect::<Vec<_>>());
    let defaults: Vec<&str> = ours.iter().filter(|line| line.starts_with("default")).copied().collect();
    match form {
        Form::Slash32 => assert_eq!(ours, [""; 0]),
        Form::Documented { metric } => {
            assert_eq!((ours.len(), defaults.len()), (4, 2), "{now}");
            for (line, (dev, metric)) in defaults.iter().zip([("eth1", metric), ("eth2", metric + 1)]) {
                assert!(
                    line.contains(&format!("dev {dev} ")) && line.contains(&format!("metric {metric}")),
                    "{now}"
                );
            }
        }
    }
}

fn forget(host: &Host) {
    host.ok("ip link set eth2 down; ip addr flush dev eth2; ip -4 route flush table 102 2>/dev/null || :
        while ip -4 rule del from 172.16.0.30 2>/dev/null; do :; done");
}

#[test]
fn two_blocks_of_rc_local_come_and_go_in_any_order() {
    on_every_shell(|shell| {
        let host = debian(shell);
        host.plug_third(THIRD);
        let (network, main) = (host.network(), host.ok("ip -4 route show table main"));
        // As they are planned: the second one on what the first one leaves.
        let facts = host.facts();
        let of_first = host.changes();
        let then = after(&facts, &target(), &of_first.files);
        let of_second = host_changes(&then, &second(), &templates()).unwrap();
        let apply = |route: &RouteTarget, changes: &HostChanges| {
            let report = host.apply(route, changes);
            assert_eq!(report.end, ApplyEnd::Ok, "{shell:?}");
            report.changed
        };
        let settled = || host.changes().is_empty() && host.changes_for(&second()).is_empty();
        apply(&target(), &of_first);
        apply(&second(), &of_second);
        both_hold(&host, &main, Form::Slash32);
        assert!(settled(), "{shell:?} {:?} {:?}", host.changes(), host.changes_for(&second()));
        assert_eq!(apply(&second(), &host.changes_for(&second())), [], "{shell:?}");
        assert_eq!(apply(&target(), &host.changes()), [], "{shell:?}");

        forget(&host);
        host.reboot();
        both_hold(&host, &main, Form::Slash32);
        assert!(settled(), "{shell:?} {:?} {:?}", host.changes(), host.changes_for(&second()));

        // The older one first, by what its run has written down: the other's block stays, and its route.
        assert_eq!(host.revert(&of_first).end, ApplyEnd::Ok, "{shell:?}");
        assert!(host.changes_for(&second()).is_empty(), "{shell:?} {:?}", host.changes_for(&second()));
        assert!(host.ok("ip route get 1.1.1.1 from 172.16.0.30").contains("dev eth2 table 102"));
        forget(&host);
        host.reboot();
        assert!(host.changes_for(&second()).is_empty(), "{shell:?} {:?}", host.changes_for(&second()));
        assert_eq!(host.ok("ip -4 rule show | grep -c 'from 172.16' || :").trim(), "1");
        assert_eq!(host.revert_of(&second(), &of_second).end, ApplyEnd::Ok, "{shell:?}");
        assert_eq!((host.network(), host.read("rc.local").as_str()), (network.clone(), DEBIAN), "{shell:?}");

        // And the newer one first, as a run takes its steps back.
        apply(&target(), &of_first);
        apply(&second(), &of_second);
        assert_eq!(host.revert_of(&second(), &of_second).end, ApplyEnd::Ok, "{shell:?}");
        assert_eq!(Some(host.read("rc.local")), of_first.files[0].after, "{shell:?}");
        assert!(host.changes().is_empty(), "{shell:?} {:?}", host.changes());
        assert_eq!(host.revert(&of_first).end, ApplyEnd::Ok, "{shell:?}");
        assert_eq!((host.network(), host.read("rc.local").as_str()), (network, DEBIAN), "{shell:?}");
    });
}

/// A block whose lines are still at work when they are taken out takes back what is its own, although another block stays.
#[test]
fn lines_that_wait_for_a_device_notice_that_they_are_gone() {
    on_every_shell(|shell| {
        let host = debian(shell);
        host.plug_third(THIRD);
        let of_first = host.changes();
        assert_eq!(host.apply(&target(), &of_first).end, ApplyEnd::Ok);
        let of_second = host.changes_for(&second());
        assert_eq!(host.apply(&second(), &of_second).end, ApplyEnd::Ok);
        forget(&host);
        host.reboot();
        assert_eq!(host.revert_of(&second(), &of_second).end, ApplyEnd::Ok, "{shell:?}");
        std::thread::sleep(std::time::Duration::from_secs(5));
        assert_eq!(host.ok("ip -4 rule show | grep -c 'from 172.16.0.30' || :").trim(), "0", "{shell:?}");
        assert!(host.changes().is_empty(), "{shell:?} {:?}", host.changes());
    });
}

fn every_event(owner: Owner, form: Form) {
    let it = Owned::new(owner, RouteForm::Slash32, false);
    it.host.plug_third(THIRD);
    // It takes a moment to have everything up that is plugged in, and that is what must come back.
    let up = |it: &Owned| it.host.ok("ip -o link show up").matches(": eth").count();
    it.wait_for("what is plugged in is up", |it| owner != Owner::NetworkManager || up(it) == 3);
    let (network, files) = (it.host.network(), it.files());
    let main = it.host.ok("ip -4 route show table main");
    let of_form = |route: RouteTarget, further| {
        let form = RouteForm::new(form.worse_by(further), 24);
        RouteTarget { form, ..route }.kept_by(Some(owner))
    };
    let routes = [of_form(target(), 0), of_form(second(), 1)];
    let changes_of = |route: &RouteTarget| {
        let facts = it.host.facts();
        host_changes(&facts, route, &templates()).unwrap_or_else(|all| panic!("{owner:?}: {all:#?}"))
    };
    let both = |_: &Owned| routes.iter().all(|route| changes_of(route).is_empty());
    let done = routes.clone().map(|route| {
        let changes = changes_of(&route);
        let report = it.host.apply(&route, &changes);
        assert_eq!(report.end, ApplyEnd::Ok, "{owner:?} {}", it.log());
        changes
    });
    it.wait_for("both are as desired", both);
    both_hold(&it.host, &main, form);
    for route in &routes {
        let again = it.host.apply(route, &changes_of(route));
        assert_eq!((&again.end, again.changed.as_slice()), (&ApplyEnd::Ok, [].as_slice()), "{owner:?}");
    }
    forget(&it.host);
    it.halt();
    it.boot();
    it.wait_for("both are as desired after a boot", both);
    both_hold(&it.host, &main, form);
    for (route, changes) in routes.iter().zip(&done).rev() {
        let report = it.host.revert_of(route, changes);
        assert_eq!(report.end, ApplyEnd::Ok, "{owner:?} {report:?} {}", it.log());
    }
    it.wait_for("the network is as before", |it| it.host.network() == network);
    assert_eq!(it.files(), files, "{owner:?}");
}

#[test]
fn every_owner_keeps_two_routes() {
    std::thread::scope(|scope| {
        for owner in LIVE {
            scope.spawn(move || every_event(owner, Form::Slash32));
        }
    });
}

#[test]
fn who_can_make_the_documented_form_keeps_two_routes_in_it() {
    std::thread::scope(|scope| {
        for owner in [Owner::NetworkManager, Owner::Ifupdown, Owner::RcLocal, Owner::Unit] {
            scope.spawn(move || every_event(owner, Form::Documented { metric: Form::METRIC }));
        }
    });
}
