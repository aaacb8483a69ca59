//! The `ssh` section: how to log in.
//!
//! Must never hold a secret: keys are named by their files, and passwords have no key.

use std::path::PathBuf;

use super::desired::{BecomeDesired, BecomeMethod, HostKeyCheck};
use super::layer::Layer;
use super::login::JumpsWritten;
use super::node::{Node, Value};
use super::read::{Fields, Reader};
use super::value;
use crate::core::ssh_config::{JumpSpec, jump_chain};

impl Reader<'_, '_> {
    /// Reads the section into `layer`.
    pub(super) fn ssh(&mut self, ssh: &Fields<'_>, layer: &mut Layer) {
        layer.user = self
            .found(ssh, "user", |reader, node| reader.text(node, "ssh.user", "a login name", value::user));
        layer.becomes = self.found(ssh, "become", Self::becomes);
        layer.port = self.found(ssh, "port", |reader, node| reader.port(node, "ssh.port"));
        layer.key = self.found(ssh, "key", |reader, node| reader.path(node, "ssh.key"));
        layer.known_hosts = self.found(ssh, "known_hosts", |reader, node| {
            let files = reader.list(node, "ssh.known_hosts", "a list of files", Self::path)?;
            reader.refuse_repeats(&files, "ssh.known_hosts");
            Some(files.into_iter().map(|file| file.value).collect())
        });
        layer.jump = self.found(ssh, "jump", Self::jump);
        layer.host_keys = self.found(ssh, "host_keys", Self::host_keys);
        layer.host_key_check = self.found(ssh, "host_key_policy", |reader, node| {
            let choices = [
                ("strict", HostKeyCheck::Strict),
                ("accept-new", HostKeyCheck::AcceptNew),
                ("pinned", HostKeyCheck::Pinned),
                ("ca", HostKeyCheck::Ca),
            ];
            reader.choice(node, "ssh.host_key_policy", &choices)
        });
        layer.connect_timeout = self.found(ssh, "connect_timeout", |reader, node| {
            reader.text(node, "ssh.connect_timeout", "a time with its unit such as 10s", value::duration)
        });
    }

    /// `true`, `false`, or who and how.
    fn becomes(&mut self, node: &Node) -> Option<Option<BecomeDesired>> {
        let root = || BecomeDesired { method: BecomeMethod::Sudo, user: "root".to_owned() };
        if !matches!(node.value, Value::Map(_)) {
            return self.boolean(node, "ssh.become").map(|wanted| wanted.then(root));
        }
        let fields = self.fields(node, "ssh.become", &["user", "method"])?;
        let user = self.found(&fields, "user", |reader, node| {
            reader.text(node, "ssh.become.user", "a login name", value::user)
        });
        let method = self.found(&fields, "method", |reader, node| {
            let choices = [("sudo", BecomeMethod::Sudo), ("doas", BecomeMethod::Doas)];
            reader.choice(node, "ssh.become.method", &choices)
        });
        let method = method.map_or(BecomeMethod::Sudo, |method| method.value);
        Some(Some(BecomeDesired { method, user: user.map_or_else(|| root().user, |user| user.value) }))
    }

    fn path(&mut self, node: &Node, label: &str) -> Option<PathBuf> {
        let (folder, home) = (&self.context.folder, self.context.variable("HOME"));
        self.text(node, label, "a file's path", |text| value::path(text, folder, home))
    }

    /// A chain in one text, or one jump host as a mapping, or several that share the load.
    fn jump(&mut self, node: &Node) -> Option<JumpsWritten> {
        const EXPECTED: &str = "jump hosts as user@host:port, in a chain separated by commas from us to the host, none, \
                                or a mapping with user, host, port, or with any_of";
        if !matches!(node.value, Value::Map(_)) {
            let chain = self
                .text(node, "ssh.jump", EXPECTED, |text| jump_chain(text).map_err(|_| EXPECTED.to_owned()));
            return chain.map(|chain| chain.into_iter().map(|spec| vec![spec]).collect());
        }
        let fields = self.fields(node, "ssh.jump", &["user", "host", "port", "any_of"])?;
        if let Some(several) = fields.get("any_of") {
            let expected = "a list of jump hosts that share the load, each as user@host:port";
            let hosts = self.list(several, "ssh.jump.any_of", expected, |reader, node, label| {
                let one = |text: &str| jump_chain(text).ok().filter(|chain| chain.len() == 1);
                let chain = reader
                    .text(node, label, expected, |text| one(text).ok_or_else(|| expected.to_owned()))?;
                chain.into_iter().next()
            })?;
            if hosts.is_empty() {
                self.wrong(several, "ssh.jump.any_of", expected);
            }
            return Some(vec![hosts.into_iter().map(|host| host.value).collect()]);
        }
        let user = self.found(&fields, "user", |reader, node| {
            reader.text(node, "ssh.jump.user", "a login name", value::user)
        });
        let port = self.found(&fields, "port", |reader, node| reader.port(node, "ssh.jump.port"));
        let Some(host) = fields.get("host") else {
            self.collector.add(
                fields.at,
                "ssh.jump has no host",
                "expected host: the jump host's name or address",
            );
            return None;
        };
        let host = self.text(host, "ssh.jump.host", "a host name or an IPv4 address", value::network_name)?;
        Some(vec![vec![JumpSpec {
            user: user.map(|user| user.value),
            host,
            port: port.map(|port| port.value),
        }]])
    }

    fn host_keys(&mut self, node: &Node) -> Option<Vec<String>> {
        let expected = "a list of host keys as known_hosts has them, ssh-ed25519 AAAA…";
        let keys = self.list(node, "ssh.host_keys", expected, |reader, node, label| {
            reader.text(node, label, expected, |text| host_key(text).ok_or_else(|| expected.to_owned()))
        })?;
        self.refuse_repeats(&keys, "ssh.host_keys");
        Some(keys.into_iter().map(|key| key.value).collect())
    }
}

/// The first two words of `ssh-ed25519 AAAA… comment`, if they can be a key. Whether they are one is found out by whoever
/// can check it.
fn host_key(text: &str) -> Option<String> {
    let mut words = text.split_ascii_whitespace();
    let (algorithm, key) = (words.next()?, words.next()?);
    let fine = algorithm.chars().all(|c| c.is_ascii_alphanumeric() || "-@.".contains(c));
    let blob = data_encoding::BASE64.decode(key.as_bytes()).ok()?;
    let named = blob.get(4..4 + algorithm.len()) == Some(algorithm.as_bytes());
    (fine && named).then(|| format!("{algorithm} {key}"))
}
