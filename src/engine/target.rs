//! From the inventory's words to a connection's parameters.

use std::net::Ipv4Addr;

use crate::core::inventory::{HostDesired, JumpDesired, SshDesired};
use crate::core::model::HostName;
use crate::ports::{
    AuthMethod, Hop, HostKey, HostKeyPolicy, Jump, Keepalive, SshError, SshErrorKind, Target,
};

/// The host at its management address, its key checked against `known_hosts` under that address and its name.
pub(super) fn managed(host: &HostDesired, address: Ipv4Addr) -> Result<Target, SshError> {
    named(&host.name, &host.ssh, address)
}

/// The same for a host of which only the login is known.
pub(super) fn named(name: &HostName, ssh: &SshDesired, address: Ipv4Addr) -> Result<Target, SshError> {
    let policy = HostKeyPolicy::KnownHosts {
        files: ssh.known_hosts.clone(),
        names: vec![address.to_string(), name.to_string()],
    };
    target(ssh, address, ssh.port, policy)
}

/// The host by its public address, proven by the key it has shown before.
pub(super) fn inbound(host: &HostDesired, address: Ipv4Addr, key: HostKey) -> Result<Target, SshError> {
    // No jump: the point is whether the internet's side reaches it.
    let mut target = target(&host.ssh, address, host.verify.inbound_port, HostKeyPolicy::Pinned(vec![key]))?;
    target.jumps.clear();
    Ok(target)
}

fn target(
    ssh: &SshDesired,
    address: Ipv4Addr,
    port: u16,
    host_key: HostKeyPolicy,
) -> Result<Target, SshError> {
    let file = ssh.key.clone().ok_or_else(|| SshError {
        kind: SshErrorKind::Local,
        message: "no private key: set ssh.key in the inventory, or --key-file".to_owned(),
    })?;
    let auth = vec![AuthMethod::Key { file }];
    Ok(Target {
        address: address.into(),
        port,
        user: ssh.user.clone(),
        host_key,
        jumps: jumps(ssh, &auth),
        auth,
        connect_within: ssh.connect_timeout,
        keepalive: Keepalive::default(),
    })
}

fn jumps(ssh: &SshDesired, auth: &[AuthMethod]) -> Vec<Hop> {
    let hop = |jump: &JumpDesired| {
        Hop::from(Jump {
            host: jump.host.clone(),
            port: jump.port,
            user: jump.user.clone(),
            auth: auth.to_vec(),
            host_key: HostKeyPolicy::KnownHosts {
                files: ssh.known_hosts.clone(),
                names: vec![jump.host.clone()],
            },
        })
    };
    ssh.jump.iter().map(hop).collect()
}
