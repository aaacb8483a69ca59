//! Every kind of guest with both SSH servers: migrated, rebooted, and still as it must be.

use super::rig::{SHARED, Stage};
use crate::support::lab::{User, openssh_or_refusal};

const SCRIPT: &str = r#"
    all=$(hosts)
    look begin $all
    keep apply eg apply --yes --json
    look applied $all
    reboot $all
    look rebooted $all
    for host in $all; do keep "egress.$host" egress "$host"; done
    keep verify eg verify --json
    keep plan eg plan --detailed-exitcode
"#;

fn migrated(sshd: &str, flavour: &str) {
    if sshd == "openssh" && !openssh_or_refusal() {
        return;
    }
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "3", "--sshd", sshd, "--flavour", flavour], SCRIPT);
    stage.ended("apply", 0);
    assert_eq!(stage.outcome_words("apply"), "done-1=ok web-1=changed web-2=changed");
    for host in ["done-1", "web-1", "web-2"] {
        stage.same("begin", "applied", host, &["main", "eth0"]);
        stage.same("applied", "rebooted", host, &["main", "rules", "addresses"]);
        // A guest that configures a hot-plugged interface by itself must not keep that interface's default route.
        for moment in ["applied", "rebooted"] {
            let main = stage.section(moment, host, "main");
            let defaults: Vec<&str> = main.lines().filter(|line| line.starts_with("default")).collect();
            assert!(
                matches!(defaults.as_slice(), [only] if only.contains("dev eth0")),
                "{host} {moment}: {main}"
            );
        }
        assert_eq!(stage.out(&format!("egress.{host}")).trim(), format!("ip: {SHARED}"), "{host}");
    }
    stage.ended("verify", 0).ended("plan", 0);
}

#[test]
fn rhel_with_the_built_in_server() {
    migrated("builtin", "rhel");
}

#[test]
fn rhel_with_openssh() {
    migrated("openssh", "rhel");
}

#[test]
fn debian_with_the_built_in_server() {
    migrated("builtin", "debian");
}

#[test]
fn debian_with_openssh() {
    migrated("openssh", "debian");
}

#[test]
fn minimal_with_the_built_in_server() {
    migrated("builtin", "minimal");
}

#[test]
fn minimal_with_openssh() {
    migrated("openssh", "minimal");
}
