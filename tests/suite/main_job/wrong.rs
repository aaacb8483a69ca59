//! What is wrong with one host stays with that host, and what is wrong with everything changes nothing.

use serde_json::json;

use super::rig::{Stage, holders, secondary_enis};
use crate::support::lab::{User, is_root};

fn reason(stage: &Stage, name: &str, host: &str) -> String {
    stage.outcomes(name)[host].1.clone()
}

#[test]
fn a_changed_host_key_stops_that_host_alone() {
    let script = r#"
        known="$EGRESSCTL_LAB/known_hosts"
        cp "$known" "$KEPT/known_hosts"
        mine=$(address_of web-1) other=$(address_of web-2)
        key=$(grep "^$other " "$KEPT/known_hosts" | cut -d' ' -f2-)
        sed "s|^$mine .*|$mine $key|" "$KEPT/known_hosts" >"$known"
        look before web-1
        keep apply eg apply --yes --json
        look after web-1; world after
        cat "$KEPT/known_hosts" >"$known"
        keep apply-again eg apply --yes --json
    "#;
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "3"], script);
    stage.ended("apply", 4);
    assert_eq!(stage.outcome_words("apply"), "done-1=ok web-1=unreachable web-2=changed");
    let told = reason(&stage, "apply", "web-1");
    assert!(told.contains("host key") && told.contains("known_hosts"), "{told}");
    stage.same("before", "after", "web-1", &["main", "rules", "routes", "links", "files", "stamps"]);
    // One host's writes: convert, create, attach, unassociate, associate.
    assert_eq!(stage.writes("after"), 5);
    stage.ended("apply-again", 0);
    assert_eq!(stage.outcome_words("apply-again"), "done-1=ok web-1=changed web-2=ok");
}

#[test]
fn a_dead_ssh_server_is_one_hosts_trouble() {
    for sshd in if is_root() { ["builtin", "openssh"].as_slice() } else { &["builtin"] } {
        let script = r#"
            # Without its key it cannot be started again.
            on web-1 rm /etc/ssh/ssh_host_ed25519_key
            on web-1 bash -c 'for process in /proc/[0-9]*; do
                pid=${process#/proc/}
                [ "$pid" = 1 ] || [ "$pid" = $$ ] && continue
                case $(tr "\0" " " <"$process/cmdline") in (*host-ssh* | *sshd*) kill -9 "$pid" ;; esac
            done'
            keep plan eg plan --json
            keep apply eg apply --yes --json
            world after
        "#;
        let stage = Stage::new(User::Same);
        stage.run(&["--hosts", "3", "--sshd", sshd], script);
        assert!(stage.ended("plan", 0).out("plan").contains("unreachable"));
        stage.ended("apply", 4);
        assert_eq!(stage.outcome_words("apply"), "done-1=ok web-1=unreachable web-2=changed");
        assert_eq!(stage.writes("after"), 5, "{sshd}");
    }
}

#[test]
fn a_wrong_secret_is_one_clear_error() {
    let script = r#"
        export ALIBABA_CLOUD_ACCESS_KEY_SECRET=canary-that-must-not-be-shown
        look before web-1
        keep plan eg plan
        keep apply eg apply --yes
        keep runs eg runs
        look after web-1; world after
    "#;
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "3"], script);
    for verb in ["plan", "apply"] {
        let error = stage.ended(verb, 1).err(verb);
        let lines: Vec<&str> = error.lines().filter(|line| !line.starts_with("discover:")).collect();
        assert!(matches!(lines.as_slice(), [only] if only.contains("SignatureDoesNotMatch")), "{error}");
        assert_eq!(stage.out(verb), "");
    }
    assert_eq!(stage.out("runs").lines().count(), 1, "no run was begun");
    assert_eq!(stage.writes("after"), 0);
    stage.same("before", "after", "web-1", &["rules", "routes", "links", "files", "stamps"]);
    stage.never_says("canary-that-must-not-be-shown");
}

/// A host on which `rc.local` cannot be written is taken back whole, and is done once it can.
fn unwritable(obstacle: &str, removal: &str) {
    let script = format!(
        r#"
        look before web-1
        on web-1 bash -c '{obstacle}'
        keep apply eg apply --yes --json
        on web-1 bash -c '{removal}'
        look after web-1; world after
        keep egress egress web-1
        keep apply-again eg apply --yes --json
        "#
    );
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "3"], &script);
    stage.ended("apply", 2);
    assert_eq!(
        stage.outcome_words("apply"),
        "done-1=ok web-1=reverted web-2=changed",
        "{}",
        stage.err("apply")
    );
    let told = reason(&stage, "apply", "web-1");
    assert!(told.starts_with("configure host: "), "{told}");
    stage.same("before", "after", "web-1", &["main", "rules", "routes", "addresses", "links", "files"]);
    let state = stage.json("after.state");
    let instance = "i-lab0000010002";
    assert_eq!(holders(&state, "203.0.113.11"), json!({ "Instance": instance }));
    assert_eq!(secondary_enis(&state, instance), Vec::<String>::new());
    assert_eq!(stage.out("egress").trim(), "ip: 203.0.113.11");
    stage.ended("apply-again", 0);
    assert_eq!(stage.outcome_words("apply-again"), "done-1=ok web-1=changed web-2=ok");
}

#[test]
fn a_full_disk_takes_the_host_back() {
    // A file system of its own: the lab's hosts share one.
    unwritable(
        "cp -a /etc/rc.d /tmp/rc.d; mount -t tmpfs -o size=64k,mode=755 small /etc/rc.d; \
         cp -a /tmp/rc.d/. /etc/rc.d; ! cat /dev/zero >/etc/rc.d/filler 2>/dev/null",
        "rm /etc/rc.d/filler",
    );
}

#[test]
fn a_file_that_cannot_be_replaced_takes_the_host_back() {
    // A mount on the file itself is as stubborn as chattr +i, which memory file systems do not know.
    unwritable("mount --bind /etc/rc.d/rc.local /etc/rc.d/rc.local", "umount /etc/rc.d/rc.local");
}

#[test]
fn an_edit_between_plan_and_apply_is_never_overwritten() {
    let script = r#"
        "$EGRESSCTL" apply --yes --json --limit web-1 --events "$KEPT/events" \
            >"$KEPT/apply.out" 2>"$KEPT/apply.err" &
        apply=$!
        # Seen already, and not written yet.
        until grep -q '"convert"' "$KEPT/events" 2>/dev/null; do sleep 0.02; done
        on web-1 bash -c 'echo \#by-hand >>/etc/rc.d/rc.local'
        look edited web-1
        code=0; wait "$apply" || code=$?
        echo "$code" >"$KEPT/apply.rc"
        look after web-1; world after
        keep apply-again eg apply --yes --json --limit web-1
        on web-1 cat /etc/rc.d/rc.local
    "#;
    let stage = Stage::new(User::Same);
    let file = stage.run(&["--hosts", "2"], script);
    stage.ended("apply", 2);
    let told = reason(&stage, "apply", "web-1");
    assert!(told.contains("file-changed"), "{told}");
    stage.same("edited", "after", "web-1", &["main", "rules", "files"]);
    assert_eq!(secondary_enis(&stage.json("after.state"), "i-lab0000010002"), Vec::<String>::new());
    stage.ended("apply-again", 0);
    assert!(file.contains("#by-hand\n") && file.contains("# BEGIN egressctl"), "{file}");
}
