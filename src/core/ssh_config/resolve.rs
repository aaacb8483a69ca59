//! What a configuration comes to for one host: a walk over its blocks, a second one if `Match final` asks for it, and the
//! tokens replaced.

use std::collections::BTreeSet;

use super::criteria::Facts;
use super::parse::{Line, SshConfig};
use super::settings::{Proxy, Settings, Strictness, Text};
use super::token::Tokens;
use super::{ConfigError, Note, Place};

/// For which host a configuration is asked, and what is settled already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// The name as it was asked for.
    pub name: String,
    /// The name or address to connect to, if something with precedence has settled it.
    pub host: Option<String>,
    /// Login name, if something with precedence has settled it.
    pub user: Option<String>,
    /// Port, if something with precedence has settled it.
    pub port: Option<u16>,
    /// Login name if nothing sets one.
    pub default_user: String,
    /// Our own login name.
    pub local_user: String,
    /// Our own user id, home, host and environment, for tokens. Its other fields are filled in here.
    pub tokens: Tokens,
}

/// What holds for a host. Paths are expanded, as far as the configuration tells: relative ones stay relative.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// What is set besides names and paths; user and port also if they were settled before.
    pub settings: Settings,
    /// `HostName`, expanded, or what was settled before; absent if nothing sets it.
    pub host: Option<String>,
    /// `IdentityFile`; `none` among them says that there are no others.
    pub identity_files: Option<Vec<String>>,
    /// `CertificateFile`
    pub certificate_files: Vec<String>,
    /// `IdentityAgent`; the inner value is absent for `none`.
    pub identity_agent: Option<Option<String>>,
    /// `UserKnownHostsFile`; empty for `none`.
    pub user_known_hosts: Option<Vec<String>>,
    /// `GlobalKnownHostsFile`; empty for `none`.
    pub global_known_hosts: Option<Vec<String>>,
    /// What applies to the host and is not obeyed.
    pub notes: BTreeSet<Note>,
}

/// Resolves `config` for a host.
///
/// # Errors
/// A value that cannot be expanded, or a line that must not be left out and is not supported.
pub fn resolve(config: &SshConfig, query: &Query) -> Result<Resolved, ConfigError> {
    let mut walk = Walk {
        query,
        name: &query.name,
        is_final: false,
        settings: Settings::default(),
        notes: BTreeSet::new(),
    };
    walk.file(config, true, false)?;
    let first_host = walk.host();
    if config.wants_final {
        walk.name = &first_host;
        walk.is_final = true;
        walk.file(config, true, false)?;
    }
    walk.end()
}

struct Walk<'w> {
    query: &'w Query,
    /// What `Host` lines are held against.
    name: &'w str,
    is_final: bool,
    settings: Settings,
    notes: BTreeSet<Note>,
}

impl Walk<'_> {
    fn file(&mut self, config: &SshConfig, mut active: bool, never: bool) -> Result<(), ConfigError> {
        for line in &config.lines {
            match line {
                Line::Block(condition) => {
                    let host = self.host();
                    let user = self.query.user.as_ref().or(self.settings.user.as_ref());
                    active = !never
                        && condition.holds(Facts {
                            name: self.name,
                            host: &host,
                            original: &self.query.name,
                            user: user.unwrap_or(&self.query.default_user),
                            local_user: &self.query.local_user,
                            is_final: self.is_final,
                        });
                }
                Line::Include(files) => {
                    for file in files {
                        self.file(file, active, never || !active)?;
                    }
                }
                Line::Set(setting) if active => self.settings.take(setting),
                Line::Told(note) if active => {
                    self.notes.insert(note.clone());
                }
                Line::Refused(error) if active => return Err(error.clone()),
                Line::Set(_) | Line::Told(_) | Line::Refused(_) => {}
            }
        }
        Ok(())
    }

    /// What the name has come to so far.
    fn host(&self) -> String {
        if let Some(host) = &self.query.host {
            return host.clone();
        }
        match &self.settings.host_name {
            Some(text) => Tokens { host: self.query.name.clone(), ..Tokens::default() }.percent(&text.raw),
            None => self.query.name.clone(),
        }
    }

    fn end(mut self) -> Result<Resolved, ConfigError> {
        let host = self.host().to_lowercase();
        let given = self.query;
        self.settings.user = given.user.clone().or(self.settings.user);
        self.settings.port = given.port.or(self.settings.port);
        let settings = &self.settings;
        let tokens = Tokens {
            key_name: settings.host_key_alias.clone().unwrap_or_else(|| given.name.clone()),
            host: host.clone(),
            original: given.name.clone(),
            port: settings.port.unwrap_or(22),
            user: settings.user.clone().unwrap_or_else(|| given.default_user.clone()),
            local_user: given.local_user.clone(),
            ..given.tokens.clone()
        };
        let path = |text: &Text| {
            tokens.path(&text.raw).map_err(|message| ConfigError::new(text.place.clone(), &message))
        };
        let paths = |texts: &[Text]| {
            texts.iter().filter(|text| !is_none(&text.raw)).map(path).collect::<Result<Vec<_>, _>>()
        };
        let identities = &settings.identity_files;
        let identity_files = (!identities.is_empty()).then(|| paths(identities)).transpose()?;
        let certificate_files = paths(&settings.certificate_files)?;
        let identity_agent =
            settings.identity_agent.as_ref().map(|text| agent(text, &tokens, path)).transpose()?;
        let user_known_hosts = settings.user_known_hosts.as_deref().map(paths).transpose()?;
        let global_known_hosts = settings.global_known_hosts.as_deref().map(paths).transpose()?;
        let told = |what: &str, place: &Place| Note { what: what.to_owned(), place: place.clone() };
        match &settings.proxy {
            Some(Proxy::Command(place)) => drop(self.notes.insert(told("ProxyCommand", place))),
            Some(Proxy::Jumps(_)) | None => {}
        }
        if let Some(Strictness::Off(place)) = &settings.strictness {
            self.notes.insert(told("StrictHostKeyChecking no", place));
        }
        Ok(Resolved {
            host: (given.host.is_some() || settings.host_name.is_some()).then_some(host),
            identity_files,
            certificate_files,
            identity_agent,
            user_known_hosts,
            global_known_hosts,
            settings: self.settings,
            notes: self.notes,
        })
    }
}

fn is_none(text: &str) -> bool {
    text.eq_ignore_ascii_case("none")
}

/// `none`, the name of a variable, or a path.
fn agent(
    text: &Text,
    tokens: &Tokens,
    path: impl Fn(&Text) -> Result<String, ConfigError>,
) -> Result<Option<String>, ConfigError> {
    let variable = match text.raw.strip_prefix('$') {
        Some(name) if !name.starts_with('{') => Some(name),
        _ => (text.raw == "SSH_AUTH_SOCK").then_some("SSH_AUTH_SOCK"),
    };
    match variable {
        Some(name) => Ok(tokens.environment.get(name).cloned()),
        None if is_none(&text.raw) => Ok(None),
        None => path(text).map(Some),
    }
}
