//! From how to log in to a connection's parameters. What has the last word is settled in `core::inventory`.

use std::net::Ipv4Addr;
use std::path::Path;

use crate::core::inventory::{HostDesired, HostKeyCheck, JumpDesired, SshDesired};
use crate::core::model::HostName;
use crate::core::ssh_config::lookup_name;
use crate::ports::{
    AgentKey, AuthMethod, Hop, HostKey, HostKeyPolicy, Jump, Keepalive, SshError, SshErrorKind, Target,
};

/// The host at its management address, its key checked as the inventory, ssh_config and flags say.
pub(super) fn managed(host: &HostDesired, address: Ipv4Addr) -> Result<Target, SshError> {
    named(&host.name, &host.ssh, address)
}

/// The same for a host of which only the login is known.
pub(super) fn named(name: &HostName, ssh: &SshDesired, address: Ipv4Addr) -> Result<Target, SshError> {
    let mut names: Vec<&str> = ssh.host_name.iter().map(String::as_str).collect();
    let written = address.to_string();
    names.extend([written.as_str(), name.as_str()]);
    target(ssh, address, ssh.port, policy(ssh, &names))
}

/// The host by its public address, proven by the key it has shown before.
pub(super) fn inbound(host: &HostDesired, address: Ipv4Addr, key: HostKey) -> Result<Target, SshError> {
    // No jump: the point is whether the internet's side reaches it.
    let pinned = HostKeyPolicy::Pinned(vec![key]);
    let mut target = target(&host.ssh, address, host.verify.inbound_port, pinned)?;
    target.jumps.clear();
    Ok(target)
}

fn target(
    ssh: &SshDesired,
    address: Ipv4Addr,
    port: u16,
    host_key: HostKeyPolicy,
) -> Result<Target, SshError> {
    let misses = usize::try_from(ssh.alive_count).unwrap_or(usize::MAX);
    Ok(Target {
        address: address.into(),
        port,
        user: ssh.user.clone(),
        auth: auth(ssh)?,
        host_key,
        jumps: ssh.jumps.iter().map(|hop| self::hop(hop)).collect::<Result<_, _>>()?,
        connect_within: ssh.connect_timeout,
        keepalive: Keepalive { every: ssh.alive_interval, misses },
        algorithms: ssh.algorithms.clone(),
    })
}

fn hop(any_of: &[JumpDesired]) -> Result<Hop, SshError> {
    let jump = |jump: &JumpDesired| {
        // A person sits before a jump host's questions, and they are asked once.
        let mut auth = auth(&jump.ssh).unwrap_or_default();
        auth.extend([AuthMethod::KeyboardInteractive, AuthMethod::Password]);
        Jump {
            host: jump.host.clone(),
            port: jump.ssh.port,
            user: jump.ssh.user.clone(),
            auth,
            host_key: policy(&jump.ssh, &[&jump.host, &jump.name]),
            algorithms: jump.ssh.algorithms.clone(),
        }
    };
    Ok(Hop { any_of: any_of.iter().map(jump).collect() })
}

/// Ways to log in, the first of which that is there is used.
fn auth(ssh: &SshDesired) -> Result<Vec<AuthMethod>, SshError> {
    if ssh.ask_password {
        return Ok(vec![AuthMethod::Password, AuthMethod::KeyboardInteractive]);
    }
    let mut ways = Vec::new();
    for key in &ssh.keys {
        let certificate = key.certificate.iter().chain(&ssh.certificates);
        ways.extend(certificate.map(|certificate| AuthMethod::Certificate {
            key_file: key.file.clone(),
            certificate_file: certificate.clone(),
        }));
        if let (Some(socket), Some(public)) = (&ssh.agent, &key.public) {
            ways.push(agent(socket, Some(AgentKey::PublicFile(public.clone()))));
        }
        ways.push(AuthMethod::Key { file: key.file.clone() });
    }
    match &ssh.agent {
        Some(socket) if ways.is_empty() && !ssh.identities_only => ways.push(agent(socket, None)),
        Some(_) | None => {}
    }
    if ways.is_empty() {
        return Err(SshError {
            kind: SshErrorKind::Local,
            message:
                "no private key: set ssh.key in the inventory, IdentityFile in ssh_config, or --key-file; \
                      -k asks for a password instead"
                    .to_owned(),
        });
    }
    Ok(ways)
}

fn agent(socket: &Path, key: Option<AgentKey>) -> AuthMethod {
    AuthMethod::Agent { socket: socket.to_owned(), key }
}

/// `names` are the host's, most specific first.
fn policy(ssh: &SshDesired, names: &[&str]) -> HostKeyPolicy {
    let names = match &ssh.host_key_alias {
        Some(alias) => vec![alias.clone()],
        None => {
            let mut all: Vec<String> = names.iter().map(|name| lookup_name(name, ssh.port)).collect();
            // Where nothing is recorded with the port, what is recorded without one counts, as in OpenSSH.
            all.extend(names.iter().map(|name| (*name).to_owned()));
            let mut seen = std::collections::BTreeSet::new();
            all.retain(|name| seen.insert(name.clone()));
            all
        }
    };
    let (files, hashed) = (ssh.known_hosts.clone(), ssh.hash_known_hosts);
    match ssh.host_key_check {
        HostKeyCheck::Strict => HostKeyPolicy::KnownHosts { files, names },
        HostKeyCheck::AcceptNew => HostKeyPolicy::AcceptNew { files, names, hashed },
        HostKeyCheck::Ca => HostKeyPolicy::Authority { files, names },
        HostKeyCheck::Pinned => {
            let key = |openssh: &String| HostKey { openssh: openssh.clone(), fingerprint: String::new() };
            HostKeyPolicy::Pinned(ssh.host_keys.iter().map(key).collect())
        }
    }
}
