//! Files and folders that nobody may change (`chattr +i`, `+a`) are told before the first change, and nothing is changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use egressctl::core::plan::route::host_changes;

use super::host::{DEBIAN, Host, debian, target, templates};

/// Takes the attribute off again, so that the folder can be removed.
struct Locked(PathBuf);

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = Command::new("chattr").arg("-ia").arg(&self.0).output();
    }
}

/// Locks a path of the host's /etc. Only root may, and only on some file systems; elsewhere the host gets an `lsattr` that prints
/// what the real one does.
fn lock(host: &Host, attribute: char, name: &str) -> Locked {
    let path = host.etc.path().join(name);
    let done = Command::new("chattr").arg(format!("+{attribute}")).arg(&path).output();
    if !done.is_ok_and(|output| output.status.success()) {
        let shown = Path::new("/etc").join(name);
        let flags = if attribute == 'i' { "----i---------e-------" } else { "-----a--------e-------" };
        let script = format!(
            "#!/bin/sh\nif [ \"$2\" = {0} ]; then echo {flags} {0}; else echo --------------e------- \"$2\"; fi\n",
            shown.display().to_string().trim_end_matches('/')
        );
        host.write("lsattr", &script, 0o755);
        host.ok("mount --bind /etc/lsattr \"$(command -v lsattr)\"");
    }
    Locked(path)
}

#[test]
fn what_nobody_may_change_is_an_obstacle_and_nothing_is_changed() {
    for (attribute, name, words) in [
        ('i', "", "/etc has the attribute"),
        ('a', "", "/etc has the attribute"),
        ('i', "rc.local", "\"immutable\" or \"append only\""),
        ('a', "rc.local", "\"immutable\" or \"append only\""),
    ] {
        let host = debian(super::host::SHELLS[0]);
        let before = host.network();
        let locked = lock(&host, attribute, name);
        let facts = host.facts();
        let wrong = host_changes(&facts, &target(), &templates()).expect_err(name);
        assert!(wrong.iter().any(|wrong| wrong.what.contains(words)), "{attribute} {name}: {wrong:?}");
        assert!(wrong.iter().all(|wrong| !wrong.fix.is_empty()));
        assert_eq!(host.network(), before);
        drop(locked);
        assert_eq!(host.read("rc.local"), DEBIAN);
    }
    let free = debian(super::host::SHELLS[0]);
    assert!(host_changes(&free.facts(), &target(), &templates()).is_ok());
    assert!(free.facts().system.folders.contains("/etc"));
}
