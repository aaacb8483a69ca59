//! Folders that nobody may change, root included: `chattr +i` and `+a`. A file in one can be neither made, replaced nor removed, and
//! that is found out before the first change instead of after it.

use crate::core::model::Owner;
use crate::core::observed::Facts;
use crate::core::plan::route::{FileChange, HostObstacle, obstacle};

/// Where systemd hosts get, for the seconds of the second guard, what gives files back at a boot.
const GUARDS: [&str; 3] =
    ["/etc/systemd/system/sysinit.target.wants", "/etc/systemd/system", "/var/lib/egressctl"];

/// The folders in the way of these changes, each once.
pub(super) fn obstacles(facts: &Facts, owner: Option<Owner>, files: &[FileChange]) -> Vec<HostObstacle> {
    let rc_local = &facts.rc_local;
    // That something is in the way of that file is told without the reason, where the reason is its folder.
    let hindered = owner == Some(Owner::RcLocal) && rc_local.obstacle.is_some();
    let hindered = hindered.then(|| folder_of(&rc_local.path));
    let needed = files.iter().map(|file| folder_of(&file.path)).chain(hindered);
    let guards = GUARDS.into_iter().filter(|_| facts.system.init == "systemd" && !files.is_empty());
    let mut found: Vec<&str> = Vec::new();
    for folder in needed.chain(guards) {
        // A folder that is missing is made in the one above it, which must let it be.
        let locked = facts.system.locked.iter().find(|locked| {
            *locked == folder || (!facts.system.folders.contains(folder) && is_above(locked, folder))
        });
        if let Some(locked) = locked
            && !found.contains(&locked.as_str())
        {
            found.push(locked);
        }
    }
    let told = |folder: &str| {
        obstacle(
            "immutable",
            format!("{folder} has the attribute \"immutable\" or \"append only\""),
            "a file that keeps the route cannot be made there, nor given back, not even by root",
            &format!("find out who has locked it and why (hardening?), then: chattr -i -a {folder}"),
        )
    };
    found.into_iter().map(told).collect()
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder })
}

fn is_above(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}
