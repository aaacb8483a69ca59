//! The second guard: files are written under it, and taken back only where they still are what was written.

use super::{
    CHANGE, DEBIAN, FIRST, FOLDER, SECOND, armed, debian, nothing_left, on_every_shell, phase, reverted,
    taken_back, taken_back_as, written,
};
use egressctl::core::observed::ApplyEnd;
use egressctl::core::observed::guarded::GuardState;
use egressctl::core::template::Phase;

use crate::support::lab::is_root;

#[test]
fn files_that_nobody_confirms_are_what_they_were_to_the_byte() {
    let shapes: [(Option<&str>, u32); 4] =
        [(Some(DEBIAN), 0o755), (Some("#!/bin/sh\n:"), 0o644), (Some("\n"), 0o700), (None, 0)];
    on_every_shell(|shell| {
        let host = debian(shell);
        for (text, mode) in shapes {
            match text {
                Some(text) => host.write("rc.local", text, mode),
                None => std::fs::remove_file(host.etc.path().join("rc.local")).unwrap(),
            }
            let (network, before) = (host.network(), host.facts());
            let file = host.changes();
            assert_eq!(armed(&phase(&host, &file, CHANGE, 60)), 1, "{shell:?} {text:?}");
            assert_eq!(armed(&phase(&host, &file, FIRST, 5)), 2, "{shell:?} {text:?}");
            assert!(taken_back(&host, 2) >= 0, "{shell:?}: too early");
            assert_eq!(host.network(), network, "{shell:?} {text:?}");
            assert_eq!(reverted(&phase(&host, &file, SECOND, 1)), "rolled-back");
            nothing_left(&host);
            let mut after = host.facts();
            // Others on this machine write files too.
            after.system.space.clone_from(&before.system.space);
            assert_eq!(after, before, "{shell:?} {text:?}");
        }
    });
}

#[test]
fn a_file_keeps_its_owner_and_what_somebody_is_pushing_stays() {
    // Without root there is nobody else whom a file could belong to.
    let owner = if is_root() { "1:2" } else { "0:0" };
    on_every_shell(|shell| {
        let host = debian(shell);
        host.ok(&format!(
            "chown {owner} /etc/rc.local; chmod 751 /etc/rc.local; echo pushed >/etc/.egressctl.4242.new"
        ));
        let seen = || host.ok("stat -c '%u:%g %a' /etc/rc.local");
        let before = format!("{owner} 751\n");
        let file = host.changes();
        phase(&host, &file, CHANGE, 60);
        assert_eq!(armed(&phase(&host, &file, FIRST, 5)), 2, "{shell:?}");
        assert!(seen().starts_with(owner), "{shell:?}: {}", seen());
        taken_back(&host, 2);
        assert_eq!((host.read("rc.local").as_str(), seen()), (DEBIAN, before.clone()), "{shell:?}");
        phase(&host, &file, SECOND, 60);

        assert_eq!(host.apply(&super::target(), &file).end, ApplyEnd::Ok, "{shell:?}");
        assert!(seen().starts_with(owner), "{shell:?}: {}", seen());
        assert_eq!(host.revert(&file).end, ApplyEnd::Ok, "{shell:?}");
        assert_eq!((host.read("rc.local").as_str(), seen()), (DEBIAN, before), "{shell:?}");
        assert_eq!(
            host.ok("cat /etc/.egressctl.4242.new; rm /etc/.egressctl.4242.new"),
            "pushed\n",
            "{shell:?}"
        );
        nothing_left(&host);
    });
}

#[test]
fn a_label_that_cannot_be_set_is_told_where_there_are_labels() {
    on_every_shell(|shell| {
        let host = debian(shell);
        host.ok("mount -t tmpfs none /usr/local/sbin; mount -t tmpfs none /sys/fs; mkdir /sys/fs/selinux
            printf '#!/bin/sh\\necho \"$1\" >>/run/labels; echo no context for it >&2; exit 1\\n' >/usr/local/sbin/restorecon
            chmod 755 /usr/local/sbin/restorecon");
        let file = host.changes();
        let report = host.apply(&super::target(), &file);
        assert_eq!((report.end, report.kept.as_slice()), (ApplyEnd::Ok, [].as_slice()), "{shell:?}");
        assert_eq!(
            (host.revert(&file).end, host.ok("cat /run/labels 2>/dev/null || :").as_str()),
            (ApplyEnd::Ok, "")
        );

        host.ok(": >/sys/fs/selinux/enforce");
        phase(&host, &file, CHANGE, 60);
        let report = phase(&host, &file, FIRST, 5);
        assert!(report.kept.iter().any(|why| why.contains("no context for it")), "{shell:?}: {report:?}");
        taken_back_as(&host, 2, "not-reverted");
        assert!(host.ok(&format!("cat {FOLDER}/result")).contains("no context for it"), "{shell:?}");
        assert_eq!(host.read("rc.local"), DEBIAN, "{shell:?}: it is given back nevertheless");
        assert_eq!(host.ok("cat /run/labels"), "/etc/rc.local\n/etc/rc.local\n", "{shell:?}");
    });
}

#[test]
fn a_file_that_was_edited_in_the_window_is_left_alone_and_told() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let network = host.network();
        let file = host.changes();
        phase(&host, &file, CHANGE, 60);
        assert_eq!(armed(&phase(&host, &file, FIRST, 5)), 2, "{shell:?}");
        host.ok("echo '# mine' >>/etc/rc.local");
        taken_back_as(&host, 2, "not-reverted");
        let report = phase(&host, &file, Phase::Look, 2);
        assert!(
            matches!(&report.end, ApplyEnd::NotReverted { detail, .. } if detail.contains("edited since")),
            "{shell:?} {report:?}"
        );
        assert_eq!(host.read("rc.local"), format!("{}# mine\n", written(&file)), "{shell:?}");
        assert_eq!(host.network(), network, "{shell:?}");
        // The controller's own way back cuts out what is ours.
        assert_eq!(host.revert(&file).end, ApplyEnd::Ok, "{shell:?}");
        assert_eq!(host.read("rc.local"), format!("{DEBIAN}# mine\n"), "{shell:?}");
        nothing_left(&host);
    });
}

#[test]
fn a_file_that_changed_in_the_first_window_takes_everything_back() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let network = host.network();
        let file = host.changes();
        phase(&host, &file, CHANGE, 60);
        host.ok("echo '# mine' >>/etc/rc.local");
        assert_eq!(reverted(&phase(&host, &file, FIRST, 60)), "file-changed", "{shell:?}");
        assert_eq!(host.network(), network, "{shell:?}");
        assert_eq!(host.read("rc.local"), format!("{DEBIAN}# mine\n"), "{shell:?}");
        nothing_left(&host);
    });
}

#[test]
fn where_only_a_file_is_missing_there_is_only_the_second_guard() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let file = host.changes();
        host.apply(&super::target(), &file);
        host.write("rc.local", DEBIAN, 0o755);
        let network = host.network();
        assert_eq!(armed(&phase(&host, &file, CHANGE, 5)), 2, "{shell:?}");
        taken_back(&host, 2);
        assert_eq!((host.network(), host.read("rc.local").as_str()), (network, DEBIAN), "{shell:?}");
        assert_eq!(reverted(&phase(&host, &file, Phase::Look, 1)), "rolled-back");
        assert_eq!(armed(&phase(&host, &file, CHANGE, 60)), 2, "{shell:?}");
        assert_eq!(phase(&host, &file, SECOND, 60).guard, Some(GuardState::Confirmed), "{shell:?}");
        assert!(host.changes().is_empty(), "{shell:?}");
        nothing_left(&host);
    });
}

#[test]
fn files_that_were_edited_before_the_second_confirmation_are_not_confirmed() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let network = host.network();
        let file = host.changes();
        phase(&host, &file, CHANGE, 60);
        assert_eq!(armed(&phase(&host, &file, FIRST, 60)), 2, "{shell:?}");
        host.write("rc.local", DEBIAN, 0o755);
        assert_eq!(reverted(&phase(&host, &file, SECOND, 60)), "file-changed", "{shell:?}");
        assert_eq!((host.network(), host.read("rc.local")), (network, DEBIAN.to_owned()), "{shell:?}");
        nothing_left(&host);
    });
}
