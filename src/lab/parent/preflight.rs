//! Whether this machine can have a lab, and if not, the one thing that is missing and its cure.

use std::process::{Command, Stdio};

use crate::lab::spec::Sshd;
use crate::lab::tool;

/// How the lab gets its namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As root.
    Root,
    /// As an ordinary user who is root in a user namespace.
    UserNamespace,
}

/// Programs, and the package that has them.
const PROGRAMS: [(&str, &str); 3] = [("ip", "iproute2"), ("nft", "nftables"), ("unshare", "util-linux")];

/// Kernel settings that forbid user namespaces: where, the forbidding value, the cure.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
];

pub(super) fn check(sshd: Sshd) -> Result<Way, String> {
    for (program, package) in PROGRAMS {
        if tool::find(program).is_none() {
            return Err(format!("a lab needs the program {program}: install the package {package}"));
        }
    }
    let root = rustix::process::geteuid().is_root();
    if sshd == Sshd::Openssh {
        if !root {
            return Err("--sshd openssh needs root; use --sshd builtin, or run as root".into());
        }
        if tool::find("sshd").is_none() {
            return Err("--sshd openssh needs the program sshd: install the package openssh-server".into());
        }
    }
    if root && works(&[]).is_ok() {
        return Ok(Way::Root);
    }
    let refused = match works(&["--user", "--map-root-user"]) {
        Ok(()) if sshd == Sshd::Openssh => {
            return Err("--sshd openssh needs root with the right to make namespaces; this is a container \
                        without it; use --sshd builtin"
                .into());
        }
        Ok(()) => return Ok(Way::UserNamespace),
        Err(refused) => refused,
    };
    Err(explain(&refused, |path| std::fs::read_to_string(path).ok()))
}

/// Tries the namespaces that a lab needs.
fn works(more: &[&str]) -> Result<(), String> {
    let mut command = Command::new(tool::program("unshare"));
    command.args(more).args([
        "--net",
        "--mount",
        "--pid",
        "--uts",
        "--ipc",
        "--fork",
        "--mount-proc",
        "true",
    ]);
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

fn explain(refused: &str, read: impl Fn(&str) -> Option<String>) -> String {
    let guilty = SETTINGS.iter().find(|(path, value, _)| read(path).is_some_and(|now| now.trim() == *value));
    match guilty {
        Some((path, value, cure)) => {
            format!(
                "a lab needs user namespaces, and {path} is {value}: run as root, or allow them with: {cure}"
            )
        }
        None => format!("a lab needs namespaces, and the kernel refuses them ({refused}): run as root"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guilty_setting_is_named_with_its_cure() {
        for (path, value, cure) in SETTINGS {
            let text = explain("no", |asked| (asked == path).then(|| format!("{value}\n")));
            assert!(text.contains(path) && text.contains(cure), "{text}");
        }
        assert!(explain("unshare failed: x", |_| None).contains("unshare failed: x"));
    }
}
