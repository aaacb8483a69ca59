//! How to log in, by everything that has a say: flags, then the inventory, then ssh_config, then what is usual.
//!
//! The one place where that order is written down: a flag (or an option of `-o`) wins over the inventory, the inventory over
//! ssh_config. Must never let any of them switch off the check of host keys.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::desired::{HostKeyCheck, JumpDesired, KeyDesired, SshDesired};
use super::layer::Layer;
use crate::core::ssh_config::{
    Algorithms, JumpSpec, Note, Proxy, Query, Resolved, SshConfig, Strictness, Tokens, resolve,
};

/// Jump hosts behind jump hosts, at most.
const MOST_HOPS: usize = 8;

/// What has a say besides the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoginContext {
    /// `-u`
    pub user: Option<String>,
    /// `-p`
    pub port: Option<u16>,
    /// `--key-file`
    pub key: Option<PathBuf>,
    /// `-J`: the chain; empty for none at all.
    pub jump: Option<Vec<JumpSpec>>,
    /// `-k`
    pub ask_password: bool,
    /// `--host-key-policy`
    pub host_key_check: Option<HostKeyCheck>,
    /// `-o`
    pub options: SshConfig,
    /// `-F`, or the user's and the system's ssh_config.
    pub config: SshConfig,
    /// Our own login name.
    pub local_user: String,
    /// What tokens in ssh_config stand for, as far as it is the same for all hosts.
    pub tokens: Tokens,
    /// Keys to try where none is named.
    pub usual_keys: Vec<PathBuf>,
    /// The user's `known_hosts` files where none is named.
    pub user_known_hosts: Vec<PathBuf>,
    /// The system's `known_hosts` files where none is named.
    pub global_known_hosts: Vec<PathBuf>,
    /// The agent's socket where none is named.
    pub agent: Option<PathBuf>,
}

/// A jump host or several as the inventory has them: hops in their order, each with hosts that share the load.
pub(super) type JumpsWritten = Vec<Vec<JumpSpec>>;

/// What the inventory says about logging in to a host.
#[derive(Debug, Clone, Default)]
struct Said {
    user: Option<String>,
    port: Option<u16>,
    key: Option<PathBuf>,
    known_hosts: Option<Vec<PathBuf>>,
    jump: Option<JumpsWritten>,
    connect_timeout: Option<Duration>,
    host_keys: Vec<String>,
    host_key_check: Option<HostKeyCheck>,
}

impl LoginContext {
    /// How to log in to a host of the inventory. `address` is what the inventory says where it is.
    ///
    /// # Errors
    /// One sentence that says what is wrong and how to mend it.
    pub(super) fn settle(
        &self,
        name: &str,
        address: Option<&str>,
        layer: &Layer,
    ) -> Result<SshDesired, String> {
        let said = Said {
            user: layer.user.as_ref().map(|found| found.value.clone()),
            port: layer.port.as_ref().map(|found| found.value),
            key: layer.key.as_ref().map(|found| found.value.clone()),
            known_hosts: layer.known_hosts.as_ref().map(|found| found.value.clone()),
            jump: layer.jump.as_ref().map(|found| found.value.clone()),
            connect_timeout: layer.connect_timeout.as_ref().map(|found| found.value),
            host_keys: layer.host_keys.as_ref().map(|found| found.value.clone()).unwrap_or_default(),
            host_key_check: layer.host_key_check.as_ref().map(|found| found.value),
        };
        let asked = Asked {
            user: self.user.clone(),
            port: self.port,
            key: self.key.clone(),
            options: &self.options,
            usual_keys: &self.usual_keys,
        };
        let (mut ssh, proxy) = self.merge(name, address, asked, &said)?;
        if ssh.host_key_check == HostKeyCheck::Pinned && ssh.host_keys.is_empty() {
            return Err(format!(
                "the host key of {name} is to be pinned, and no ssh.host_keys says which; \
                 add its keys as known_hosts has them"
            ));
        }
        let mut told = std::mem::take(&mut ssh.told);
        let jump = self.jump.as_ref().map(|chain| one_each(chain)).or(proxy.option);
        let jump = jump.or(said.jump.clone()).or(proxy.config).unwrap_or_default();
        let mut seen = vec![name.to_owned()];
        ssh.jumps = self.hops(&jump, &said, &mut told, &mut seen)?;
        ssh.told = told;
        Ok(ssh)
    }

    /// The hops of a chain, with what is before each by its own ssh_config. `seen` are the hosts that it leads to.
    fn hops(
        &self,
        chain: &[Vec<JumpSpec>],
        said: &Said,
        told: &mut BTreeSet<Note>,
        seen: &mut Vec<String>,
    ) -> Result<Vec<Vec<JumpDesired>>, String> {
        let own_key = self.key.clone().or(said.key.clone());
        let own_keys = own_key.map_or_else(|| self.usual_keys.clone(), |key| vec![key]);
        let about_jumps = Said {
            known_hosts: said.known_hosts.clone(),
            connect_timeout: said.connect_timeout,
            host_key_check: said.host_key_check,
            ..Said::default()
        };
        let mut hops = Vec::new();
        for (number, hop) in chain.iter().enumerate() {
            let mut any_of = Vec::new();
            for spec in hop {
                if seen.contains(&spec.host) {
                    return Err(format!(
                        "{} is a jump host on the way to itself; write `ProxyJump none` for it before other blocks",
                        spec.host
                    ));
                }
                if seen.len() > MOST_HOPS {
                    return Err(format!("more than {MOST_HOPS} jump hosts lead to {}", seen[0]));
                }
                let asked = Asked {
                    user: spec.user.clone(),
                    port: spec.port,
                    key: None,
                    // As in ssh, options are about the host. Keys of the host are tried where ssh_config names none.
                    options: &SshConfig::default(),
                    usual_keys: &own_keys,
                };
                let (mut ssh, proxy) = self.merge(&spec.host, None, asked, &about_jumps)?;
                told.append(&mut ssh.told);
                ssh.ask_password = false;
                // The keys that are pinned are the hosts'.
                if ssh.host_key_check == HostKeyCheck::Pinned {
                    ssh.host_key_check = HostKeyCheck::Strict;
                }
                if let (0, Some(before)) = (number, proxy.config.filter(|before| !before.is_empty())) {
                    seen.push(spec.host.clone());
                    let before = self.hops(&before, said, told, seen)?;
                    seen.pop();
                    if hop.len() > 1 {
                        return Err(format!(
                            "{} shares the load with other jump hosts and has a jump host of its own; write the chain out",
                            spec.host
                        ));
                    }
                    hops.extend(before);
                }
                let host = ssh.host_name.take().unwrap_or_else(|| spec.host.clone());
                any_of.push(JumpDesired { name: spec.host.clone(), host, ssh });
            }
            hops.push(any_of);
        }
        Ok(hops)
    }

    /// Everything but the jumps, and the jumps that options and ssh_config ask for.
    fn merge(
        &self,
        name: &str,
        address: Option<&str>,
        asked: Asked<'_>,
        said: &Said,
    ) -> Result<(SshDesired, Proxies), String> {
        let query = Query {
            name: name.to_owned(),
            user: asked.user,
            port: asked.port,
            default_user: "root".to_owned(),
            local_user: self.local_user.clone(),
            tokens: self.tokens.clone(),
            ..Query::default()
        };
        let resolved = |config, query: &Query| resolve(config, query).map_err(|error| error.to_string());
        let options = resolved(asked.options, &query)?;
        let below = Query {
            host: options.host.clone().or(address.map(str::to_owned)),
            user: options.settings.user.clone().or(said.user.clone()),
            port: options.settings.port.or(said.port),
            ..query
        };
        let config = resolved(&self.config, &below)?;
        // A name is only needed where the inventory knows no address, or where `-o` overrules it.
        let host_name = options.host.clone().or(if address.is_some() { None } else { config.host.clone() });
        let (known_hosts, known_hosts_named) = self.known_hosts(said, &options, &config);
        let keys = asked.key.map(|key| vec![key]);
        let keys = keys.or(paths(options.identity_files.as_ref()));
        let keys = keys.or(said.key.clone().map(|key| vec![key])).or(paths(config.identity_files.as_ref()));
        let keys = keys.unwrap_or_else(|| asked.usual_keys.to_vec()).into_iter();
        let agent = options.identity_agent.clone().or(config.identity_agent.clone());
        let mut certificates = options.certificate_files.clone();
        certificates.extend(config.certificate_files.iter().cloned());
        let (above, low) = (options.settings, config.settings);
        let proxies = Proxies { option: chain(above.proxy.as_ref()), config: chain(low.proxy.as_ref()) };
        let check = self.host_key_check.or(above.strictness.as_ref().map(check)).or(said.host_key_check);
        let pinned = (!said.host_keys.is_empty()).then_some(HostKeyCheck::Pinned);
        let mut told = options.notes;
        told.extend(config.notes);
        let alive = above.alive_interval.or(low.alive_interval).filter(|interval| !interval.is_zero());
        let ssh = SshDesired {
            user: low.user.unwrap_or(below.default_user),
            port: low.port.unwrap_or(22),
            host_name,
            keys: keys.map(|file| KeyDesired { file, public: None, certificate: None }).collect(),
            certificates: certificates.into_iter().map(PathBuf::from).collect(),
            agent: agent.map_or_else(|| self.agent.clone(), |socket| socket.map(PathBuf::from)),
            identities_only: above.identities_only.or(low.identities_only).unwrap_or(false),
            ask_password: self.ask_password,
            host_key_check: check.or(pinned).or(low.strictness.as_ref().map(self::check)).unwrap_or_default(),
            host_keys: said.host_keys.clone(),
            host_key_alias: above.host_key_alias.or(low.host_key_alias),
            known_hosts,
            known_hosts_named,
            hash_known_hosts: above.hash_known_hosts.or(low.hash_known_hosts).unwrap_or(false),
            jumps: Vec::new(),
            connect_timeout: above
                .connect_timeout
                .flatten()
                .or(said.connect_timeout)
                .or(low.connect_timeout.flatten())
                .filter(|limit| !limit.is_zero())
                .unwrap_or(Duration::from_secs(10)),
            alive_interval: alive.unwrap_or(Duration::from_secs(5)),
            alive_count: above.alive_count.or(low.alive_count).filter(|count| *count > 0).unwrap_or(3),
            algorithms: Algorithms {
                host_key: above.host_key_algorithms.or(low.host_key_algorithms),
                ciphers: above.ciphers.or(low.ciphers),
                kex: above.kex_algorithms.or(low.kex_algorithms),
                macs: above.macs.or(low.macs),
            },
            told,
        };
        Ok((ssh, proxies))
    }

    fn known_hosts(&self, said: &Said, options: &Resolved, config: &Resolved) -> (Vec<PathBuf>, bool) {
        let users = paths(options.user_known_hosts.as_ref());
        if users.is_none()
            && let Some(files) = &said.known_hosts
        {
            return (files.clone(), true);
        }
        let users = users.or(paths(config.user_known_hosts.as_ref()));
        let mut files = users.unwrap_or_else(|| self.user_known_hosts.clone());
        let global = options.global_known_hosts.as_ref().or(config.global_known_hosts.as_ref());
        files.extend(paths(global).unwrap_or_else(|| self.global_known_hosts.clone()));
        (files, false)
    }
}

/// What is asked for on the command line, or by a chain for a jump host.
struct Asked<'a> {
    user: Option<String>,
    port: Option<u16>,
    key: Option<PathBuf>,
    options: &'a SshConfig,
    /// Keys where none is named.
    usual_keys: &'a [PathBuf],
}

/// What asks for jump hosts.
struct Proxies {
    option: Option<JumpsWritten>,
    config: Option<JumpsWritten>,
}

fn one_each(chain: &[JumpSpec]) -> JumpsWritten {
    chain.iter().map(|spec| vec![spec.clone()]).collect()
}

fn chain(proxy: Option<&Proxy>) -> Option<JumpsWritten> {
    match proxy {
        Some(Proxy::Jumps(jumps)) => Some(one_each(jumps)),
        // It is told, and the next who has a say decides.
        Some(Proxy::Command(_)) | None => None,
    }
}

fn paths(texts: Option<&Vec<String>>) -> Option<Vec<PathBuf>> {
    texts.map(|texts| texts.iter().map(PathBuf::from).collect())
}

const fn check(strictness: &Strictness) -> HostKeyCheck {
    match strictness {
        Strictness::AcceptNew => HostKeyCheck::AcceptNew,
        // To switch the check off is told and not obeyed.
        Strictness::Strict | Strictness::Off(_) => HostKeyCheck::Strict,
    }
}

#[cfg(test)]
mod tests;
