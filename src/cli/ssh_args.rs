//! How to get in, as far as it is said on the command line, in the environment and in ssh_config.
//!
//! Must never take a secret from an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::problem::Problem;
use crate::core::inventory::{HostKeyCheck, LoginContext, SshDesired};
use crate::core::report::for_terminal;
use crate::core::ssh_config::{ConfigError, Included, JumpSpec, SshConfig, Tokens, jump_chain};
use crate::ui::Ui;

/// Options of every verb that connects to hosts. They win over the inventory, which wins over ssh_config.
#[derive(Debug, Args)]
pub(super) struct SshArgs {
    /// Login name on the hosts
    #[arg(id = "login", short = 'u', long = "user", value_name = "USER", env = "EGRESSCTL_USER")]
    user: Option<String>,
    /// TCP port of sshd on the hosts
    #[arg(short, long, value_name = "PORT", env = "EGRESSCTL_PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Private key
    #[arg(long, alias = "private-key", value_name = "FILE", env = "EGRESSCTL_KEY_FILE")]
    key_file: Option<PathBuf>,
    /// Log in by a password, asked for once
    #[arg(short = 'k', long, env = "EGRESSCTL_ASK_PASS", value_parser = BoolishValueParser::new())]
    ask_pass: bool,
    /// Go through jump hosts, `user@host:port,...` from here to the hosts; `none`: directly
    #[arg(short = 'J', long = "jump", value_name = "CHAIN", env = "EGRESSCTL_JUMP")]
    jump: Option<String>,
    /// This file instead of ~/.ssh/config and /etc/ssh/ssh_config; `none`: neither
    #[arg(short = 'F', long = "ssh-config", value_name = "FILE", env = "EGRESSCTL_SSH_CONFIG")]
    config: Option<PathBuf>,
    /// An option as in ssh_config; may be repeated (in the variable: one on each line)
    #[arg(
        short = 'o',
        long = "ssh-option",
        value_name = "KEY=VALUE",
        env = "EGRESSCTL_SSH_OPTIONS",
        value_delimiter = '\n'
    )]
    options: Vec<String>,
    /// Which host keys are accepted [default: strict]
    #[arg(long, value_enum, env = "EGRESSCTL_HOST_KEY_POLICY")]
    host_key_policy: Option<Policy>,
}

/// Which host keys are accepted. There is no way to accept any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Policy {
    /// Those on record
    Strict,
    /// Those on record; the key of a host that has none is recorded
    AcceptNew,
    /// Those that the inventory names
    Pinned,
    /// Certificates of the authorities on record
    Ca,
}

impl From<Policy> for HostKeyCheck {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Strict => Self::Strict,
            Policy::AcceptNew => Self::AcceptNew,
            Policy::Pinned => Self::Pinned,
            Policy::Ca => Self::Ca,
        }
    }
}

impl SshArgs {
    /// What these options, the environment and ssh_config have to say.
    pub(super) fn context(&self) -> Result<LoginContext, Problem> {
        let home = std::env::home_dir().unwrap_or_default();
        let jump = |text: &String| -> Result<Vec<JumpSpec>, Problem> {
            jump_chain(text).map_err(|expected| Problem::usage(format!("-J {text}: expected {expected}")))
        };
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let own_name = ["LOGNAME", "USER"].iter().find_map(|name| environment.get(*name));
        let uname = rustix::system::uname();
        let ssh = home.join(".ssh");
        let keys = ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| ssh.join(name));
        let system = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from);
        Ok(LoginContext {
            user: self.user.clone(),
            port: self.port,
            key: self.key_file.clone(),
            jump: self.jump.as_ref().map(jump).transpose()?,
            ask_password: self.ask_pass,
            host_key_check: self.host_key_policy.map(HostKeyCheck::from),
            options: self.options()?,
            config: self.config(&home)?,
            local_user: own_name.cloned().unwrap_or_default(),
            usual_keys: keys.into_iter().filter(|path| path.exists()).collect(),
            user_known_hosts: vec![ssh.join("known_hosts")],
            global_known_hosts: system.into_iter().filter(|path| path.exists()).collect(),
            agent: environment.get("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from),
            tokens: Tokens {
                uid: rustix::process::getuid().as_raw().to_string(),
                home: home.display().to_string(),
                local_host: uname.nodename().to_string_lossy().into_owned(),
                environment,
                ..Tokens::default()
            },
        })
    }

    fn options(&self) -> Result<SshConfig, Problem> {
        let mut all = SshConfig::default();
        for option in self.options.iter().filter(|option| !option.trim().is_empty()) {
            let read = SshConfig::option(&format!("-o {option}"), option);
            all = all.then(read.map_err(|error| Problem::usage(format!("-o {option}: {}", error.message)))?);
        }
        Ok(all)
    }

    fn config(&self, home: &Path) -> Result<SshConfig, Problem> {
        match &self.config {
            Some(path) if path.as_os_str() == "none" => Ok(SshConfig::default()),
            Some(path) => read(path, &home.join(".ssh"), home, false),
            None => {
                let mut both = SshConfig::default();
                for (folder, name, own) in
                    [(home.join(".ssh"), "config", true), ("/etc/ssh".into(), "ssh_config", false)]
                {
                    let path = folder.join(name);
                    if path.exists() {
                        both = both.then(read(&path, &folder, home, own)?);
                    }
                }
                Ok(both)
            }
        }
    }
}

/// Reads a configuration. `folder` is where relative names of `Include` begin; `own` asks for a file that nobody else can
/// write to.
fn read(path: &Path, folder: &Path, home: &Path, own: bool) -> Result<SshConfig, Problem> {
    let name = path.display().to_string();
    let text = text_of(path, own).map_err(Problem::failed)?;
    let mut include = |pattern: &str| included(pattern, folder, home, own);
    SshConfig::parse(&name, &text, &mut include).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ConfigError::to_string).collect();
        Problem::failed(lines.join("\n"))
    })
}

fn text_of(path: &Path, own: bool) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if own {
        let about = std::fs::metadata(path).map_err(failed)?;
        let me = rustix::process::getuid().as_raw();
        if ![0, me].contains(&about.uid()) || about.mode() & 0o022 != 0 {
            return Err(format!(
                "{}: others can write to it, and it says where connections go; chmod go-w it, and own it",
                path.display()
            ));
        }
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn included(pattern: &str, folder: &Path, home: &Path, own: bool) -> Result<Vec<Included>, String> {
    let full = match pattern.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None if pattern.starts_with('~') => {
            return Err("Include: only ~/ is supported; write the other home directory in full".to_owned());
        }
        None => folder.join(pattern),
    };
    let wrong = |why: &dyn std::fmt::Display| format!("Include {}: {why}", for_terminal(pattern));
    let mut files = Vec::new();
    for path in glob::glob(&full.display().to_string()).map_err(|error| wrong(&error))? {
        let path = path.map_err(|error| wrong(&error))?;
        if path.is_file() {
            files.push(Included { text: text_of(&path, own)?, file: path.display().to_string() });
        }
    }
    Ok(files)
}

/// Looks which of the files that a login may use are there.
pub(super) fn look(ssh: &mut SshDesired) {
    let beside = |file: &Path, end: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        Some(PathBuf::from(name)).filter(|path| path.exists())
    };
    if !ssh.known_hosts_named {
        // Keys are recorded in the first, so it stays.
        let first = ssh.known_hosts.first().cloned();
        ssh.known_hosts.retain(|path| path.exists() || Some(path) == first.as_ref());
    }
    ssh.agent = ssh.agent.take().filter(|socket| socket.exists());
    for key in &mut ssh.keys {
        key.public = beside(&key.file, ".pub");
        key.certificate = beside(&key.file, "-cert.pub");
    }
    for jump in ssh.jumps.iter_mut().flatten() {
        look(&mut jump.ssh);
    }
}

/// The address behind the `HostName` of ssh_config, for a host that has no other.
pub(super) fn address(host: &str, ssh: &SshDesired) -> Result<Option<std::net::Ipv4Addr>, Problem> {
    use std::net::{SocketAddr, ToSocketAddrs as _};
    let Some(name) = &ssh.host_name else { return Ok(None) };
    let found = (name.as_str(), ssh.port).to_socket_addrs();
    let found = found.map_err(|error| Problem::failed(format!("{host}: its HostName {name}: {error}")))?;
    let mut found = found.filter_map(|address| match address {
        SocketAddr::V4(address) => Some(*address.ip()),
        SocketAddr::V6(_) => None,
    });
    let none = || Problem::failed(format!("{host}: its HostName {name} has no IPv4 address"));
    found.next().ok_or_else(none).map(Some)
}

/// Says once what ssh_config asks for and does not get.
pub(super) fn say_told<'s>(ui: &Ui, logins: impl Iterator<Item = &'s SshDesired>) {
    let all: BTreeSet<_> = logins.flat_map(|ssh| &ssh.told).collect();
    let all: Vec<String> = all.into_iter().map(|note| format!("{} ({})", note.what, note.place)).collect();
    if !all.is_empty() {
        ui.err(&for_terminal(&format!("warning: ssh_config: not obeyed: {}", all.join(", "))));
        ui.err("\n");
    }
}
