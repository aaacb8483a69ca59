//! A host's SSH server: OpenSSH of the machine or ours, kept running; and the keys of the lab.
//!
//! Must never listen outside the host's network namespace.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};

use super::boot;
use crate::lab::init::reap_until;
use crate::lab::services::sshd::{self, SshdConfig};
use crate::lab::spec::Sshd;
use crate::lab::tool;

const LOG: &str = "/var/log/sshd.log";

/// A new ed25519 key: OpenSSH's private format, and the public line.
///
/// # Errors
/// If the kernel gives no random bytes, or the key cannot be written down.
pub fn keypair(comment: &str) -> Result<(String, String), String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
    let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
    let key = PrivateKey::new(pair, comment).map_err(|error| error.to_string())?;
    let private = key.to_openssh(LineEnding::LF).map_err(|error| error.to_string())?;
    let public = key.public_key().to_openssh().map_err(|error| error.to_string())?;
    Ok((private.to_string(), public))
}

/// The configuration of OpenSSH on a host. `version` is what `sshd -V` prints; only newer servers know how to punish
/// addresses, and only they must be told not to, because a lab has one bastion and many logins.
pub(crate) fn sshd_config(version: &str) -> String {
    let mut text = String::from(
        "Port 22\nListenAddress 0.0.0.0\nHostKey /etc/ssh/ssh_host_ed25519_key\nPidFile /run/sshd.pid\n\
         AuthorizedKeysFile .ssh/authorized_keys\nPermitRootLogin prohibit-password\nStrictModes yes\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\n\
         MaxStartups 200\nMaxSessions 100\nSubsystem sftp internal-sftp\n",
    );
    if release_of(version).is_some_and(|release| release >= (9, 8)) {
        text.push_str("PerSourcePenalties no\n");
    }
    text
}

fn release_of(version: &str) -> Option<(u32, u32)> {
    let (_, rest) = version.split_once("OpenSSH_")?;
    let (major, rest) = rest.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Runs the SSH server, again if it ends, and reaps what the host leaves behind. Does not return while that works.
pub(super) fn keep_running(sshd: Sshd) -> Result<(), String> {
    loop {
        let log = OpenOptions::new().create(true).append(true).open(LOG);
        let log = log.map_err(|error| format!("{LOG}: {error}"))?;
        let mut command = match sshd {
            Sshd::Openssh => {
                let mut command = Command::new(tool::program("sshd"));
                command.args(["-D", "-e", "-f", "/etc/ssh/sshd_config"]);
                command
            }
            Sshd::Builtin => {
                let mut command = Command::new("/proc/self/exe");
                command.arg0("egressctl").args(["lab", "host-ssh"]);
                command
            }
        };
        let child = command
            .env_clear()
            .envs([("PATH", boot::PATH), ("HOME", "/root"), ("LANG", "C")])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("SSH server: {error}"))?;
        let status = reap_until(child.id());
        boot::log(&format!("the SSH server ended ({status:?}), starting it again"));
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Our own SSH server, on port 22 of the host.
///
/// # Errors
/// If the port or the host key cannot be used.
pub fn serve_builtin() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let config = SshdConfig {
        listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 22)),
        host_key: "/etc/ssh/ssh_host_ed25519_key".into(),
        authorized_keys: "/root/.ssh/authorized_keys".into(),
        user: "root".into(),
    };
    let served = runtime.and_then(|runtime| runtime.block_on(sshd::serve(config)));
    served.map_err(|error| format!("SSH server: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_distinct_and_readable() {
        let (private, public) = keypair("lab").unwrap();
        let parsed = PrivateKey::from_openssh(&private).unwrap();
        assert_eq!(parsed.public_key().to_openssh().unwrap(), public);
        assert!(public.starts_with("ssh-ed25519 ") && public.ends_with(" lab"));
        assert_ne!(public, keypair("lab").unwrap().1);
    }

    #[test]
    fn penalties_are_only_mentioned_to_servers_that_know_them() {
        assert!(!sshd_config("OpenSSH_9.2, OpenSSL 3.0.19").contains("PerSourcePenalties"));
        assert!(sshd_config("OpenSSH_9.8p1 Debian-1").contains("PerSourcePenalties no"));
        assert!(sshd_config("OpenSSH_10.0p2").contains("PerSourcePenalties no"));
        assert!(!sshd_config("unknown option").contains("PerSourcePenalties"));
    }
}
