//! The server against a real client over loopback; `openssh` against the client of OpenSSH.

use std::path::PathBuf;
use std::sync::Arc;

use russh::client::{self, AuthResult, Handle, Msg};
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Sig};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::super::testing::{DEADLINE, listener};
use super::*;

mod commands;
mod login;
mod openssh;
mod tunnels;

/// The same key for the same number.
pub(super) fn key(number: u8) -> PrivateKey {
    let pair = Ed25519Keypair::from_seed(&[number; 32]);
    PrivateKey::new(KeypairData::Ed25519(pair), "").unwrap()
}

const USER: u8 = 1;
const STRANGER: u8 = 2;
const HOST: u8 = 9;

/// A running server; user `root` may log in with the key [`USER`].
struct Lab {
    files: TempDir,
    address: SocketAddr,
    server: JoinHandle<io::Result<()>>,
}

impl Lab {
    async fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let (listener, address) = listener().await;
        let config = SshdConfig {
            listen: address,
            host_key: files.path().join("host_key"),
            authorized_keys: files.path().join("authorized_keys"),
            user: "root".to_owned(),
        };
        std::fs::write(&config.host_key, &*key(HOST).to_openssh(LineEnding::LF).unwrap()).unwrap();
        let lab = Self { files, address, server: tokio::spawn(serve_on(listener, config)) };
        lab.authorize(USER);
        lab
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn authorize(&self, number: u8) {
        let line = key(number).public_key().to_openssh().unwrap();
        std::fs::write(self.file("authorized_keys"), format!("# who may\n{line}\n")).unwrap();
    }

    async fn connect(&self) -> Handle<Checker> {
        client::connect(Arc::default(), self.address, Checker).await.unwrap()
    }

    async fn login(&self) -> Handle<Checker> {
        let mut client = self.connect().await;
        assert!(authenticate(&mut client, "root", USER).await.success());
        client
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A client that takes only our host's key.
struct Checker;

impl client::Handler for Checker {
    type Error = russh::Error;

    async fn check_server_key(&mut self, given: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key: given, .. } = given else {
            return Ok(false);
        };
        Ok(given.key_data() == key(HOST).public_key().key_data())
    }
}

async fn authenticate(client: &mut Handle<Checker>, user: &str, number: u8) -> AuthResult {
    let key = PrivateKeyWithHashAlg::new(Arc::new(key(number)), None);
    client.authenticate_publickey(user, key).await.unwrap()
}

/// What a client has seen of a session.
#[derive(Debug, Default)]
struct Seen {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    status: Option<u32>,
    signal: Option<Sig>,
    accepted: Option<bool>,
    /// In order, output left out.
    marks: Vec<&'static str>,
}

impl Seen {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    fn add(&mut self, message: ChannelMsg) {
        match message {
            ChannelMsg::Data { data } => self.stdout.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, ext: 1 } => self.stderr.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => {
                self.status = Some(exit_status);
                self.marks.push("exit");
            }
            ChannelMsg::ExitSignal { signal_name, .. } => {
                self.signal = Some(signal_name);
                self.marks.push("exit");
            }
            ChannelMsg::Success => self.accepted = Some(true),
            ChannelMsg::Failure => self.accepted = Some(false),
            ChannelMsg::Eof => self.marks.push("eof"),
            ChannelMsg::Close => self.marks.push("close"),
            _ => {}
        }
    }

    /// Everything up to CLOSE.
    async fn all(channel: &mut Channel<Msg>) -> Self {
        let mut seen = Self::default();
        let reading = async {
            while let Some(message) = channel.wait().await {
                seen.add(message);
            }
        };
        tokio::time::timeout(DEADLINE, reading).await.unwrap();
        seen
    }

    /// Until `line` has been printed.
    async fn until(channel: &mut Channel<Msg>, line: &str) -> Self {
        let mut seen = Self::default();
        let reading = async {
            while !seen.text().lines().any(|printed| printed == line) {
                seen.add(channel.wait().await.unwrap());
            }
        };
        tokio::time::timeout(DEADLINE, reading).await.unwrap();
        seen
    }
}

async fn begin(client: &Handle<Checker>, command: &str) -> Channel<Msg> {
    let channel = client.channel_open_session().await.unwrap();
    channel.exec(true, command).await.unwrap();
    channel
}

/// Runs a command with empty input.
async fn run(client: &Handle<Checker>, command: &str) -> Seen {
    let mut channel = begin(client, command).await;
    channel.eof().await.unwrap();
    Seen::all(&mut channel).await
}

/// Whether a process runs: one that is dead but not yet waited for does not.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X'])))
}

async fn dies(pid: &str) {
    let death = async {
        while lives(pid) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, death).await.expect("the process still runs");
}
