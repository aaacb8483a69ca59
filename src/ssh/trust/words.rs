//! How verdicts on host keys are said.

use crate::core::ssh_config::Place;
use crate::ports::{HostKey, SshError, SshErrorKind};
use crate::ssh::failure::failure;
use crate::ssh::known_hosts::KeyBlob;

/// A key as people compare it.
pub(super) fn shown(key: &KeyBlob) -> String {
    format!("{} {}", key.algorithm, key.fingerprint())
}

/// A key as the ports have it.
pub(super) fn host_key(key: &KeyBlob) -> HostKey {
    HostKey { openssh: key.openssh(), fingerprint: key.fingerprint() }
}

/// Another key than the one on record.
pub(super) fn changed(at: &str, shown: &str, recorded: &str) -> SshError {
    failure(
        SshErrorKind::HostKeyChanged,
        format!(
            "{at}: its host key is not the one on record: {shown}, {recorded}. Another host has this address, or \
             somebody stands between; find out which before the record is changed"
        ),
    )
}

/// A key that must not be used any more.
pub(super) fn revoked(at: &str, offered: &KeyBlob, place: &Place) -> SshError {
    failure(
        SshErrorKind::HostKeyChanged,
        format!(
            "{at}: its host key {} is revoked at {place}; somebody may hold a stolen key. \
             Give the host a new key before connecting",
            shown(offered)
        ),
    )
}

/// No certificate that counts, where one is asked for.
pub(super) fn no_certificate(at: &str, offered: &KeyBlob, why: &str) -> SshError {
    failure(
        SshErrorKind::HostKeyUnknown,
        format!(
            "{at}: only hosts with a certificate are accepted (ca): {why}; its key is {}",
            shown(offered)
        ),
    )
}

/// Nothing on record.
pub(super) fn unknown(
    at: &str,
    offered: &KeyBlob,
    searched: &str,
    void: Option<&str>,
    authority: Option<&Place>,
) -> SshError {
    let hint = match (void, authority) {
        (Some(why), _) => why.to_owned(),
        (None, Some(place)) => {
            format!("{place} names a certificate authority for it, and it shows no certificate")
        }
        (None, None) => {
            "review the keys of all new hosts at once with `egressctl trust`; compare the fingerprints with \
                         what the console or the cloud assistant shows"
                .to_owned()
        }
    };
    failure(
        SshErrorKind::HostKeyUnknown,
        format!("{at}: its host key {} is not on record: {searched}; {hint}", shown(offered)),
    )
}
