//! A host's own view of the file system: its private folders over the machine's, everything else read-only.
//!
//! Must run in a mount namespace of the host's own, and hides the lab's state as its last step.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::mount::{MountFlags, mount, mount_bind, mount_move, mount_remount};

use super::{Boot, image};
use crate::lab::paths;
use crate::lab::spec::Flavour;

/// Where the new `/run` is made before it takes its place and so hides the lab's state.
const NEW_RUN: &str = "/tmp/run";

pub(super) fn prepare(boot: &Boot) -> Result<(), String> {
    protect_machine()?;
    let kept = paths::host(boot.host.name.as_str());
    for folder in ["etc", "root", "var"] {
        let at = Path::new("/").join(folder);
        mount_bind(kept.join(folder), &at).map_err(|error| format!("{}: {error}", at.display()))?;
    }
    fresh("proc", "/proc", "")?;
    fresh("sysfs", "/sys", "")?;
    fresh("tmpfs", "/tmp", "mode=1777")?;
    if Path::new("/dev/shm").is_dir() {
        fresh("tmpfs", "/dev/shm", "mode=1777")?;
    }
    folder(NEW_RUN, 0o755)?;
    fresh("tmpfs", NEW_RUN, "mode=755")?;
    folder("/tmp/run/sshd", 0o755)?;
    folder("/tmp/run/lock", 0o1777)?;
    if boot.host.flavour == Flavour::Minimal {
        image::put_on(Path::new(NEW_RUN))?;
    }
    mount_move(NEW_RUN, "/run").map_err(|error| format!("cannot hide the lab's /run: {error}"))?;
    fs::remove_dir(NEW_RUN).map_err(|error| format!("{NEW_RUN}: {error}"))
}

fn folder(path: &str, mode: u32) -> Result<(), String> {
    fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, PermissionsExt::from_mode(mode)))
        .map_err(|error| format!("{path}: {error}"))
}

fn fresh(kind: &str, at: &str, options: &str) -> Result<(), String> {
    let options = std::ffi::CString::new(options).map_err(|error| error.to_string())?;
    mount(kind, at, kind, MountFlags::empty(), Some(options.as_c_str()))
        .map_err(|error| format!("cannot mount {kind} on {at}: {error}"))
}

/// Makes every mount of the machine read-only for the host: a broken script on a host must not reach the machine's files.
/// Not `/run`, which is the lab's, nor the kernel's own file systems, which a container may have locked.
fn protect_machine() -> Result<(), String> {
    let table = fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
    for (at, flags) in machine_mounts(&table) {
        let remount = mount_remount(&at, MountFlags::BIND | MountFlags::RDONLY | flags, "");
        // A mount that lies hidden under another one cannot be reached, neither by us nor by the host.
        if let Err(error) = remount
            && at == "/"
        {
            return Err(format!("cannot make {at} read-only: {error}"));
        }
    }
    Ok(())
}

/// Mount points in a `mountinfo` text that belong to the machine, with the flags that must be kept.
fn machine_mounts(table: &str) -> Vec<(String, MountFlags)> {
    const OTHERS: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];
    let known = [
        ("nosuid", MountFlags::NOSUID),
        ("nodev", MountFlags::NODEV),
        ("noexec", MountFlags::NOEXEC),
        ("noatime", MountFlags::NOATIME),
        ("nodiratime", MountFlags::NODIRATIME),
        ("relatime", MountFlags::RELATIME),
    ];
    table
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let at = words.nth(4)?.replace("\\040", " ");
            let options = words.next()?;
            let flags = options
                .split(',')
                .filter_map(|option| known.iter().find(|(name, _)| *name == option))
                .fold(MountFlags::empty(), |flags, (_, flag)| flags | *flag);
            let other = OTHERS.iter().any(|other| Path::new(&at).starts_with(other));
            (!other).then_some((at, flags))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_of_the_machine_are_protected_and_their_flags_kept() {
        let table = "21 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n22 21 0:5 / /dev rw,nosuid - devtmpfs d rw\n\
                     23 21 0:20 / /run rw - tmpfs t rw\n24 21 0:21 / /home rw,nosuid,nodev,noatime - ext4 h rw\n";
        let mounts = machine_mounts(table);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0], ("/".into(), MountFlags::RELATIME));
        assert_eq!(mounts[1].1, MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME);
    }
}
