//! The files a host is born with, by flavour. They live in the lab's tmpfs; the host sees them as its `/etc`, `/root`, `/var`.
//!
//! Must never write outside the host's folder, and copies from the machine only what programs need to start at all.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::core::model::gateway_of;
use crate::lab::paths;
use crate::lab::spec::{Flavour, HostSpec};
use crate::lab::tool::write;

/// Parts of the machine's `/etc` without which its programs do not run as they should.
const BORROWED: [&str; 11] = [
    "alternatives",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "iproute2",
    "services",
    "protocols",
    "localtime",
    "ssl/openssl.cnf",
    "pki/tls/openssl.cnf",
    "crypto-policies",
];

const RHEL_RC_LOCAL: &str = "#!/bin/bash\n# Commands to run at the end of the boot.\n\
    # Make this file executable, or it is not run.\n\ntouch /var/lock/subsys/local\n";
const DEBIAN_RC_LOCAL: &str =
    "#!/bin/sh -e\n#\n# Runs at the end of the boot; must end with status 0.\n\nexit 0\n";

/// The boot script as this flavour ships it, if it does.
pub(crate) const fn shipped_rc_local(flavour: Flavour) -> Option<&'static str> {
    match flavour {
        Flavour::Rhel => Some(RHEL_RC_LOCAL),
        Flavour::Debian => Some(DEBIAN_RC_LOCAL),
        Flavour::Minimal => None,
    }
}

/// The keys a host is given.
#[derive(Debug)]
pub struct Keys {
    /// Its host key, OpenSSH's private format.
    pub host_private: String,
    /// Its host key, one line.
    pub host_public: String,
    /// The lab's key, one line of `authorized_keys`.
    pub lab_public: String,
}

/// Lays out what the host keeps over reboots. `rc_local` replaces the shipped boot script and makes it executable;
/// `sshd_config` is for OpenSSH.
///
/// # Errors
/// The file that could not be written, and why.
pub fn prepare(
    host: &HostSpec,
    keys: &Keys,
    sshd_config: &str,
    rc_local: Option<&str>,
) -> Result<(), String> {
    let root = paths::host(host.name.as_str());
    let etc = root.join("etc");
    borrow(&etc)?;
    for (name, mode, text) in common(host).into_iter().chain(flavoured(host)) {
        write(&etc.join(name), mode, &text)?;
    }
    write(&etc.join("ssh/ssh_host_ed25519_key"), 0o600, &keys.host_private)?;
    write(&etc.join("ssh/ssh_host_ed25519_key.pub"), 0o644, &keys.host_public)?;
    write(&etc.join("ssh/sshd_config"), 0o600, sshd_config)?;
    if host.flavour == Flavour::Rhel {
        link("rc.d/rc.local", &etc.join("rc.local"))?;
    }
    if let Some(text) = rc_local {
        let path = super::rc_local(host.flavour);
        write(&root.join(path.strip_prefix("/").unwrap_or(path)), 0o755, text)?;
    }
    write(&root.join("root/.ssh/authorized_keys"), 0o600, &format!("{}\n", keys.lab_public))?;
    mode(&root.join("root/.ssh"), 0o700)?;
    mode(&root.join("root"), 0o700)?;
    write(&root.join("var/lib/cloud/data/instance-id"), 0o644, &format!("{}\n", host.instance))?;
    for folder in ["log", "cache", "lock/subsys", "empty/sshd", "spool"] {
        folder_in(&root.join("var").join(folder))?;
    }
    folder_in(&root.join("var/tmp"))?;
    mode(&root.join("var/tmp"), 0o1777)?;
    link("/run", &root.join("var/run"))
}

fn common(host: &HostSpec) -> Vec<(&'static str, u32, String)> {
    let shell = if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
    let (name, address) = (&host.name, host.address);
    vec![
        (
            "passwd",
            0o644,
            format!(
                "root:x:0:0:root:/root:{shell}\nsshd:x:74:74:sshd:/run/sshd:/usr/sbin/nologin\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            ),
        ),
        ("shadow", 0o600, "root:*:19000:0:99999:7:::\nsshd:*:19000::::::\n".into()),
        ("group", 0o644, "root:x:0:\nsshd:x:74:\ntty:x:5:\nnogroup:x:65534:\n".into()),
        ("nsswitch.conf", 0o644, "passwd: files\ngroup: files\nshadow: files\nhosts: files\n".into()),
        ("hosts", 0o644, format!("127.0.0.1 localhost\n{address} {name}\n")),
        ("hostname", 0o644, format!("{name}\n")),
        ("resolv.conf", 0o644, String::new()),
        ("profile", 0o644, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n".into()),
        ("shells", 0o644, "/bin/sh\n/bin/bash\n".into()),
    ]
}

fn flavoured(host: &HostSpec) -> Vec<(&'static str, u32, String)> {
    let (address, prefix) = (host.address, host.cidr.prefix_len());
    let gateway = gateway_of(host.cidr).map(|gateway| gateway.to_string()).unwrap_or_default();
    match host.flavour {
        Flavour::Rhel => vec![
            (
                "os-release",
                0o644,
                "NAME=\"Alibaba Cloud Linux\"\nVERSION=\"3 (OpenAnolis Edition)\"\nID=\"alinux\"\n\
                 ID_LIKE=\"rhel fedora centos anolis\"\nVERSION_ID=\"3\"\n\
                 PRETTY_NAME=\"Alibaba Cloud Linux 3 (OpenAnolis Edition)\"\n"
                    .into(),
            ),
            (
                "sysconfig/network-scripts/ifcfg-eth0",
                0o644,
                format!(
                    "DEVICE=eth0\nTYPE=Ethernet\nBOOTPROTO=none\nONBOOT=yes\nHWADDR={}\nIPADDR={address}\n\
                     PREFIX={prefix}\nGATEWAY={gateway}\nDEFROUTE=yes\nIPV6INIT=no\n",
                    host.mac
                ),
            ),
            ("rc.d/rc.local", 0o644, RHEL_RC_LOCAL.into()),
        ],
        Flavour::Debian => vec![
            (
                "os-release",
                0o644,
                "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\n\
                 VERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n"
                    .into(),
            ),
            (
                "network/interfaces",
                0o644,
                format!(
                    "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n\nauto eth0\n\
                     iface eth0 inet static\n    address {address}/{prefix}\n    gateway {gateway}\n"
                ),
            ),
            ("network/interfaces.d/README", 0o644, "# One file for each further interface.\n".into()),
            ("rc.local", 0o755, DEBIAN_RC_LOCAL.into()),
        ],
        Flavour::Minimal => vec![(
            "os-release",
            0o644,
            "NAME=\"Lab Minimal\"\nID=lab-minimal\nVERSION_ID=\"1\"\nPRETTY_NAME=\"Lab Minimal 1\"\n".into(),
        )],
    }
}

/// Copies what there is and may be read; a program that misses something will say so itself.
fn borrow(etc: &Path) -> Result<(), String> {
    folder_in(etc)?;
    for name in BORROWED {
        let from = Path::new("/etc").join(name);
        if from.exists() {
            let to = etc.join(name);
            if let Some(folder) = to.parent() {
                folder_in(folder)?;
            }
            copy(&from, &to)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", to.display());
    let Ok(meta) = fs::symlink_metadata(from) else { return Ok(()) };
    if meta.is_symlink() {
        let target = fs::read_link(from).map_err(failed)?;
        symlink(target, to).map_err(failed)
    } else if meta.is_dir() {
        folder_in(to)?;
        let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
        entries.flatten().try_for_each(|entry| copy(&entry.path(), &to.join(entry.file_name())))
    } else {
        let Ok(bytes) = fs::read(from) else { return Ok(()) };
        fs::write(to, bytes).map_err(failed)?;
        mode(to, meta.permissions().mode() & 0o777)
    }
}

fn link(target: &str, at: &Path) -> Result<(), String> {
    symlink(target, at).map_err(|error| format!("{}: {error}", at.display()))
}

fn folder_in(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn mode(path: &Path, mode: u32) -> Result<(), String> {
    fs::set_permissions(path, PermissionsExt::from_mode(mode))
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::spec::{LabSpec, Sshd};

    fn files(flavour: Flavour) -> Vec<(&'static str, u32, String)> {
        let lab = LabSpec::new(7, Sshd::Builtin, 2, Some(flavour)).unwrap();
        flavoured(&lab.hosts[1])
    }

    fn mode_of(flavour: Flavour, name: &str) -> Option<u32> {
        files(flavour).into_iter().find(|file| file.0 == name).map(|file| file.1)
    }

    #[test]
    fn rc_local_is_as_each_family_ships_it() {
        assert_eq!(mode_of(Flavour::Rhel, "rc.d/rc.local"), Some(0o644));
        assert_eq!(mode_of(Flavour::Debian, "rc.local"), Some(0o755));
        assert_eq!(mode_of(Flavour::Minimal, "rc.local"), None);
        let debian = files(Flavour::Debian).into_iter().find(|file| file.0 == "rc.local").unwrap().2;
        assert!(debian.starts_with("#!/bin/sh -e\n") && debian.ends_with("exit 0\n"));
    }

    #[test]
    fn owners_know_address_and_gateway() {
        for (flavour, name) in
            [(Flavour::Rhel, "sysconfig/network-scripts/ifcfg-eth0"), (Flavour::Debian, "network/interfaces")]
        {
            let text = files(flavour).into_iter().find(|file| file.0 == name).unwrap().2;
            assert!(text.contains("172.16.0.11") && text.contains("172.16.3.253"), "{text}");
        }
    }
}
