//! Ansible's hosts as an inventory of our own, value by value with its place, so that one reader checks both.
//!
//! Must never take a secret out of an inventory: passwords are asked for, and variables that hold them are not looked at.

use std::net::Ipv4Addr;
use std::rc::Rc;

use super::resolve::Host;
use super::{Given, Var, Vars};
use crate::core::inventory::mistake::{Collector, Pos};
use crate::core::inventory::node::{Entry, Node, Value};
use crate::core::inventory::vars::is_variable;
use crate::core::inventory::words::shown;
use crate::core::words::words as shell_words;

/// What Ansible calls the connection that we make.
const CONNECTIONS: [&str; 5] = ["ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh"];

/// The tree that our own reader takes: `cloud` if a variable names the region, `groups`, `hosts`.
pub(in super::super) fn translate(hosts: &[Host], file: &str, collector: &mut Collector<'_>) -> Rc<Node> {
    let mut translator = Translator { file, collector };
    let mut top = Vec::new();
    let region = hosts.iter().find_map(|host| translator.text(&host.vars, &["egressctl_region"], host.at));
    if let Some((at, region)) = region {
        let cloud = vec![text_entry("provider", at, "aliyun"), text_entry("region", at, &region)];
        top.push(entry("cloud", at, Value::Map(cloud)));
    }
    let mut groups: Vec<&str> = hosts.iter().flat_map(|host| &host.groups).map(String::as_str).collect();
    groups.sort_unstable();
    groups.dedup();
    let groups = groups.into_iter().filter(|name| *name != "ungrouped");
    let groups: Vec<Entry> = groups.map(|name| entry(name, Pos::START, Value::Map(Vec::new()))).collect();
    if !groups.is_empty() {
        top.push(entry("groups", Pos::START, Value::Map(groups)));
    }
    let hosts = hosts.iter().map(|host| Node::new(host.at, Value::Map(translator.host(host)))).collect();
    top.push(entry("hosts", Pos::START, Value::List(hosts)));
    Node::new(Pos::START, Value::Map(top))
}

struct Translator<'c, 't> {
    /// The inventory; what other files say is placed at the host that has it.
    file: &'c str,
    collector: &'c mut Collector<'t>,
}

impl Translator<'_, '_> {
    fn host(&mut self, host: &Host) -> Vec<Entry> {
        let mut out = vec![text_entry("name", host.at, &host.name)];
        if let Some((at, kind)) = self.text(&host.vars, &["ansible_connection"], host.at)
            && !CONNECTIONS.contains(&kind.as_str())
        {
            let message = format!("{} is connected to by {}", shown(&host.name), shown(&kind));
            self.collector.add(at, message, "expected a host that is connected to by ssh");
        }
        if let Some((at, instance)) = self.text(&host.vars, &["egressctl_instance"], host.at) {
            out.push(text_entry("instance", at, &instance));
        }
        // Without one, its name is an address or is looked up, unless ssh_config says where it is.
        let named =
            || Some((host.at, host.name.clone())).filter(|(_, name)| name.parse::<Ipv4Addr>().is_ok());
        let address = self.text(&host.vars, &["ansible_host", "ansible_ssh_host"], host.at).or_else(named);
        out.extend(address.map(|(at, address)| text_entry("address", at, &address)));
        let groups = host.groups.iter().filter(|name| *name != "ungrouped");
        let groups: Vec<Rc<Node>> =
            groups.map(|name| Node::new(host.at, Value::Text(name.clone()))).collect();
        if !groups.is_empty() {
            out.push(entry("groups", host.at, Value::List(groups)));
        }
        let vars = variables(host);
        if !vars.is_empty() {
            out.push(entry("vars", host.at, Value::Map(vars)));
        }
        let ssh = self.ssh(host);
        if !ssh.is_empty() {
            out.push(entry("ssh", host.at, Value::Map(ssh)));
        }
        if let Some((at, urls)) = self.text(&host.vars, &["egressctl_echo"], host.at) {
            let urls = urls.split(',').map(|url| Node::new(at, Value::Text(url.trim().to_owned())));
            let echo = entry("echo", at, Value::List(urls.collect()));
            out.push(entry("verify", at, Value::Map(vec![echo])));
        }
        out
    }

    fn ssh(&mut self, host: &Host) -> Vec<Entry> {
        let mut ssh = Vec::new();
        let named = [
            ("user", &["ansible_user", "ansible_ssh_user"][..]),
            ("port", &["ansible_port", "ansible_ssh_port"]),
            ("key", &["ansible_ssh_private_key_file", "ansible_private_key_file"]),
        ];
        for (key, names) in named {
            if let Some((at, text)) = self.text(&host.vars, names, host.at) {
                let number = key == "port" && text.bytes().all(|byte| byte.is_ascii_digit());
                let value = if number { Value::Number(text) } else { Value::Text(text) };
                ssh.push(entry(key, at, value));
            }
        }
        if let Some((at, wanted)) = self.text(&host.vars, &["ansible_become"], host.at) {
            match wanted.to_lowercase().as_str() {
                "true" | "yes" | "on" | "1" | "y" | "t" => {
                    let mut who = Vec::new();
                    for (key, name) in [("user", "ansible_become_user"), ("method", "ansible_become_method")]
                    {
                        let found = self.text(&host.vars, &[name], host.at);
                        who.extend(found.map(|(at, text)| text_entry(key, at, &text)));
                    }
                    ssh.push(entry("become", at, Value::Map(who)));
                }
                "false" | "no" | "off" | "0" | "n" | "f" => {}
                _ => {
                    let message = format!("ansible_become is {}", shown(&wanted));
                    self.collector.add(at, message, "expected true or false");
                }
            }
        }
        for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"] {
            if let Some((at, text)) = self.text(&host.vars, &[name], host.at)
                && let Some(jump) = self.jump(&text, name, at)
                && !ssh.iter().any(|entry| entry.key == "jump")
            {
                ssh.push(text_entry("jump", at, &jump));
            }
        }
        ssh
    }

    /// The jump host that arguments for ssh(1) name; what else they say is for another program.
    fn jump(&mut self, text: &str, name: &str, at: Pos) -> Option<String> {
        let words = match shell_words(text, Some('#')) {
            Ok(words) => words.into_iter().map(|(_, word)| word).collect::<Vec<_>>(),
            Err(wrong) => {
                self.collector.add(at, format!("in {name}: {wrong}"), "expected arguments for ssh");
                return None;
            }
        };
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let option = match word {
                "-J" => return words.next().map(str::to_owned),
                "-o" => words.next()?,
                _ => match word.strip_prefix("-J").or_else(|| word.strip_prefix("-o")) {
                    Some(jump) if word.starts_with("-J") => return Some(jump.to_owned()),
                    Some(option) => option,
                    None => continue,
                },
            };
            let (key, value) = option.split_once(['=', ' ']).unwrap_or((option, ""));
            match key.to_ascii_lowercase().as_str() {
                "proxyjump" => return Some(value.trim().to_owned()),
                "proxycommand" => {
                    let message = format!("{name} goes through another program (ProxyCommand)");
                    self.collector.add(at, message, "expected -J [user@]host[:port] or -o ProxyJump=…");
                    return None;
                }
                _ => {}
            }
        }
        None
    }

    /// The first of these variables that has a value, and where.
    fn text(&mut self, vars: &Vars, names: &[&str], host: Pos) -> Option<(Pos, String)> {
        let (name, var) = names.iter().find_map(|name| Some((name, vars.get(*name)?)))?;
        let at = self.place(var, host);
        let mut wrong = |what: &str, cure: &str| {
            let place = if &*var.file == self.file { String::new() } else { format!(" (in {})", var.file) };
            self.collector.add(at, format!("{name}{place} {what}"), cure);
        };
        match &var.value {
            Given::Nothing => None,
            Given::Text(text) if text.contains("{{") => {
                wrong("is a template of Ansible's, which is not evaluated", "expected a plain value");
                None
            }
            Given::Text(text) if text.starts_with("$ANSIBLE_VAULT") => {
                wrong("is encrypted by Ansible Vault", "expected a plain value");
                None
            }
            Given::Text(text) => Some((at, text.clone())),
            Given::Compound => {
                wrong("is a list or a mapping", "expected a plain value");
                None
            }
        }
    }

    fn place(&self, var: &Var, host: Pos) -> Pos {
        if &*var.file == self.file { var.at } else { host }
    }
}

/// What is plain of a host's variables, for templates of files. What would have to be evaluated or decrypted is not there, so
/// that a template which needs it says so.
fn variables(host: &Host) -> Vec<Entry> {
    let plain = host.vars.iter().filter_map(|(name, var)| match &var.value {
        Given::Text(text) if !text.contains("{{") && !text.starts_with("$ANSIBLE_VAULT") => {
            let is_secret = name.starts_with("ansible_") && name.contains("pass");
            (is_variable(name) && !is_secret).then(|| text_entry(name, host.at, text))
        }
        _ => None,
    });
    plain.collect()
}

fn entry(key: &str, at: Pos, value: Value) -> Entry {
    Entry { key: key.to_owned(), key_at: at, value: Node::new(at, value) }
}

fn text_entry(key: &str, at: Pos, text: &str) -> Entry {
    entry(key, at, Value::Text(text.to_owned()))
}
