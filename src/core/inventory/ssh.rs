//! The `ssh` section: how to log in.
//!
//! Must never hold a secret: keys are named by their files, and passwords have no key.

use std::path::PathBuf;

use super::layer::Layer;
use super::node::{Node, Value};
use super::read::{Fields, Reader};
use super::value;

/// A jump host as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Jump {
    /// The host's own login name if absent.
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) port: u16,
}

impl Reader<'_, '_> {
    /// Reads the section into `layer`.
    pub(super) fn ssh(&mut self, ssh: &Fields<'_>, layer: &mut Layer) {
        layer.user = self
            .found(ssh, "user", |reader, node| reader.text(node, "ssh.user", "a login name", value::user));
        layer.port = self.found(ssh, "port", |reader, node| reader.port(node, "ssh.port"));
        layer.key = self.found(ssh, "key", |reader, node| reader.path(node, "ssh.key"));
        layer.known_hosts = self.found(ssh, "known_hosts", |reader, node| {
            let files = reader.list(node, "ssh.known_hosts", "a list of files", Self::path)?;
            reader.refuse_repeats(&files, "ssh.known_hosts");
            Some(files.into_iter().map(|file| file.value).collect())
        });
        layer.jump = self.found(ssh, "jump", Self::jump);
        layer.connect_timeout = self.found(ssh, "connect_timeout", |reader, node| {
            reader.text(node, "ssh.connect_timeout", "a time with its unit such as 10s", value::duration)
        });
    }

    fn path(&mut self, node: &Node, label: &str) -> Option<PathBuf> {
        let (folder, home) = (&self.context.folder, self.context.variable("HOME"));
        self.text(node, label, "a file's path", |text| value::path(text, folder, home))
    }

    fn jump(&mut self, node: &Node) -> Option<Jump> {
        const EXPECTED: &str = "one jump host as user@host:port, or a mapping with user, host, port";
        if !matches!(node.value, Value::Map(_)) {
            return self
                .text(node, "ssh.jump", EXPECTED, |text| jump(text).ok_or_else(|| EXPECTED.to_owned()));
        }
        let fields = self.fields(node, "ssh.jump", &["user", "host", "port"])?;
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
        Some(Jump { user: user.map(|user| user.value), host, port: port.map_or(22, |port| port.value) })
    }
}

/// `[user@]host[:port]`.
fn jump(text: &str) -> Option<Jump> {
    let (user, rest) = match text.split_once('@') {
        Some((user, rest)) => (Some(value::user(user).ok()?), rest),
        None => (None, text),
    };
    let (host, port) = match rest.split_once(':') {
        Some((host, port)) => (host, value::port(port).ok()?),
        None => (rest, 22),
    };
    Some(Jump { user, host: value::network_name(host).ok()?, port })
}
