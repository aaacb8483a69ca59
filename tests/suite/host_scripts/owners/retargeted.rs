//! A route that gets another priority, and its first one back: taking the later run back gives what the earlier one had made, at
//! once and not at the next boot only.

use egressctl::core::model::Owner;
use egressctl::core::observed::applied::ApplyEnd;
use egressctl::core::plan::route::host_changes;
use egressctl::core::plan::{RouteForm, RouteTarget};

use super::{LIVE, Owned, templates};

fn there_and_back(owner: Owner) {
    let it = Owned::new(owner, RouteForm::Slash32, false);
    let (network, files) = (it.host.network(), it.files());
    let first = it.changes();
    assert_eq!(it.host.apply(&it.target(), &first).end, ApplyEnd::Ok, "{owner:?}");
    it.wait_for("as desired", Owned::is_as_desired);
    let (with_first, files_of_first) = (it.host.network(), it.files());

    let other = RouteTarget { priority: 4090, ..it.target() };
    let changes = host_changes(&it.host.facts(), &other, &templates()).unwrap();
    assert_eq!(it.host.apply(&other, &changes).end, ApplyEnd::Ok, "{owner:?} {}", it.log());
    let rules = || it.host.ok("ip -4 rule show | grep -o '.*from 172.16.0.20 lookup [0-9]*'");
    it.wait_for("its other priority", |_| rules() == "4090:\tfrom 172.16.0.20 lookup 101\n");

    let report = it.host.revert_of(&other, &changes);
    assert_eq!((&report.end, report.kept.as_slice()), (&ApplyEnd::Ok, [].as_slice()), "{owner:?}");
    it.wait_for("its first priority", Owned::is_as_desired);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&it.host.network()), sorted(&with_first), "{owner:?}");
    assert_eq!(it.files(), files_of_first, "{owner:?}");

    assert_eq!(it.host.revert_of(&it.target(), &first).end, ApplyEnd::Ok, "{owner:?}");
    it.wait_for("the network is as before", |it| it.host.network() == network);
    assert_eq!(it.files(), files, "{owner:?}");
}

#[test]
fn every_owner_gives_the_earlier_route_back() {
    std::thread::scope(|scope| {
        for owner in LIVE {
            scope.spawn(move || there_and_back(owner));
        }
    });
}
