//! What a configuration sets for one host. The first value of a keyword wins; identities and certificates add up.

use std::time::Duration;

use super::Place;
use super::algorithms::AlgorithmList;
use super::value::JumpSpec;

/// What to do about unknown host keys, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strictness {
    /// `yes` and `ask`: only what is on record.
    Strict,
    /// Unknown keys are learned, changed ones refused.
    AcceptNew,
    /// `no` and `off`, written here: not obeyed.
    Off(Place),
}

/// How to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// Through these hosts, from us to the host; directly if there is none.
    Jumps(Vec<JumpSpec>),
    /// Through a command, written here; that is not supported and not obeyed.
    Command(Place),
}

/// A text and where it stands, for values that are expanded later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) raw: String,
    pub(super) place: Place,
}

/// One line's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setting {
    HostName(Text),
    Port(u16),
    User(String),
    IdentityFile(Text),
    CertificateFile(Text),
    IdentityAgent(Text),
    IdentitiesOnly(bool),
    UserKnownHostsFile(Vec<Text>),
    GlobalKnownHostsFile(Vec<Text>),
    HostKeyAlias(String),
    HashKnownHosts(bool),
    StrictHostKeyChecking(Strictness),
    Proxy(Proxy),
    ConnectTimeout(Option<Duration>),
    ServerAliveInterval(Duration),
    ServerAliveCountMax(u32),
    HostKeyAlgorithms(AlgorithmList),
    Ciphers(AlgorithmList),
    KexAlgorithms(AlgorithmList),
    Macs(AlgorithmList),
}

/// What is set; what is not set is absent. Paths may still begin with `~` and hold tokens: see
/// [`Resolved`](super::Resolved) for what they come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub(super) host_name: Option<Text>,
    pub(super) identity_files: Vec<Text>,
    pub(super) certificate_files: Vec<Text>,
    pub(super) identity_agent: Option<Text>,
    pub(super) user_known_hosts: Option<Vec<Text>>,
    pub(super) global_known_hosts: Option<Vec<Text>>,
    /// `Port`
    pub port: Option<u16>,
    /// `User`
    pub user: Option<String>,
    /// `IdentitiesOnly`
    pub identities_only: Option<bool>,
    /// `HostKeyAlias`
    pub host_key_alias: Option<String>,
    /// `HashKnownHosts`
    pub hash_known_hosts: Option<bool>,
    /// `StrictHostKeyChecking`
    pub strictness: Option<Strictness>,
    /// `ProxyJump` or `ProxyCommand`, whichever comes first.
    pub proxy: Option<Proxy>,
    /// `ConnectTimeout`; the inner value is absent for `none`.
    pub connect_timeout: Option<Option<Duration>>,
    /// `ServerAliveInterval`
    pub alive_interval: Option<Duration>,
    /// `ServerAliveCountMax`
    pub alive_count: Option<u32>,
    /// `HostKeyAlgorithms`
    pub host_key_algorithms: Option<AlgorithmList>,
    /// `Ciphers`
    pub ciphers: Option<AlgorithmList>,
    /// `KexAlgorithms`
    pub kex_algorithms: Option<AlgorithmList>,
    /// `MACs`
    pub macs: Option<AlgorithmList>,
}

impl Settings {
    /// Takes a value unless there is one already.
    pub(super) fn take(&mut self, setting: &Setting) {
        fn first<T: Clone>(slot: &mut Option<T>, value: &T) {
            slot.get_or_insert_with(|| value.clone());
        }
        fn add(all: &mut Vec<Text>, text: &Text) {
            if all.iter().all(|known| known.raw != text.raw) {
                all.push(text.clone());
            }
        }
        match setting {
            Setting::HostName(value) => first(&mut self.host_name, value),
            Setting::Port(value) => first(&mut self.port, value),
            Setting::User(value) => first(&mut self.user, value),
            Setting::IdentityFile(value) => add(&mut self.identity_files, value),
            Setting::CertificateFile(value) => add(&mut self.certificate_files, value),
            Setting::IdentityAgent(value) => first(&mut self.identity_agent, value),
            Setting::IdentitiesOnly(value) => first(&mut self.identities_only, value),
            Setting::UserKnownHostsFile(value) => first(&mut self.user_known_hosts, value),
            Setting::GlobalKnownHostsFile(value) => first(&mut self.global_known_hosts, value),
            Setting::HostKeyAlias(value) => first(&mut self.host_key_alias, value),
            Setting::HashKnownHosts(value) => first(&mut self.hash_known_hosts, value),
            Setting::StrictHostKeyChecking(value) => first(&mut self.strictness, value),
            Setting::Proxy(value) => first(&mut self.proxy, value),
            Setting::ConnectTimeout(value) => first(&mut self.connect_timeout, value),
            Setting::ServerAliveInterval(value) => first(&mut self.alive_interval, value),
            Setting::ServerAliveCountMax(value) => first(&mut self.alive_count, value),
            Setting::HostKeyAlgorithms(value) => first(&mut self.host_key_algorithms, value),
            Setting::Ciphers(value) => first(&mut self.ciphers, value),
            Setting::KexAlgorithms(value) => first(&mut self.kex_algorithms, value),
            Setting::Macs(value) => first(&mut self.macs, value),
        }
    }
}
