//! What the live tests stand on: a real sshd with its own keys and configuration, and a cable that can be cut.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use egressctl::core::model::Secret;
use egressctl::ports::{
    Asker, AuthMethod, Command as Remote, Exec, Hop, HostKey, HostKeyPolicy, Jump, Keepalive, Output,
    Question, Session, SshError, SshErrorKind, Target, Transport as _, Unanswered,
};
use egressctl::ssh::known_hosts::lookup_name;
use egressctl::ssh::{Russh, Settings};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(super) const SSHD: &str = "/usr/sbin/sshd";
/// Generous: nothing here takes a second on an idle machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
pub(super) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The login name of whoever runs the tests: the only one that an sshd of an ordinary user lets in.
pub(super) fn login() -> String {
    let output = Command::new("id").arg("-un").output().expect("id is needed");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A folder with a client key `id` (and others on demand).
pub(super) struct Keys {
    pub(super) dir: TempDir,
}

impl Keys {
    pub(super) fn new() -> Self {
        let keys = Self { dir: tempfile::tempdir().unwrap() };
        keys.make("id", &["-t", "ed25519"]);
        keys
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn make(&self, name: &str, kind: &[&str]) -> PathBuf {
        let path = self.path(name);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-C", "", "-f"]).arg(&path).args(kind);
        if !kind.contains(&"-N") {
            command.args(["-N", ""]);
        }
        assert!(command.status().expect("ssh-keygen is needed").success());
        path
    }

    pub(super) fn public(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap().trim().to_owned()
    }

    /// Writes a file and gives its path.
    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}

/// A running sshd of OpenSSH on 127.0.0.1. Ends with its value.
pub(super) struct Sshd {
    child: Child,
    pub(super) port: u16,
    pub(super) keys: Keys,
}

impl Sshd {
    /// Starts one with host keys of all three types and `extra` lines of configuration.
    pub(super) fn start(client: &Keys, extra: &str) -> Self {
        Self::start_by(client, extra, || Command::new(SSHD))
    }

    /// Starts one in whose eyes `pam` is the file `/etc/pam.d/sshd`: in a mount namespace of its own, in which whoever runs
    /// the tests may mount.
    pub(super) fn start_with(client: &Keys, extra: &str, pam: &Path) -> Self {
        Self::start_by(client, extra, || with_pam(pam))
    }

    /// Starts one by a command that becomes sshd.
    pub(super) fn start_by(client: &Keys, extra: &str, starter: impl Fn() -> Command) -> Self {
        assert!(
            Path::new(SSHD).exists(),
            "{SSHD} is missing; these tests need it (apt-get install openssh-server)"
        );
        let keys = Keys::new();
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").expect("an sshd of root needs /run/sshd");
        }
        for kind in ["ed25519", "ecdsa", "rsa"] {
            keys.make(kind, &["-t", kind]);
        }
        let authorized = ["id", "rsa", "ecdsa"].map(|name| client.path(&format!("{name}.pub")));
        let authorized = authorized.iter().filter_map(|path| fs::read_to_string(path).ok());
        keys.write("authorized", &authorized.collect::<String>());
        for _ in 0..5 {
            let port = free_port();
            let dir = keys.dir.path().display();
            // SHLVL keeps bash, if it is the login's shell, from reading .bashrc.
            let config = format!(
                "{extra}\nListenAddress 127.0.0.1\nPort {port}\nPidFile none\nUsePAM no\nStrictModes no\n\
                 HostKey {dir}/ed25519\nHostKey {dir}/ecdsa\nHostKey {dir}/rsa\nAuthorizedKeysFile {dir}/authorized\n\
                 PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
                 MaxStartups 200\nSetEnv SHLVL=9\nLogLevel VERBOSE\nPrintMotd no\n"
            );
            let config = keys.write("sshd_config", &config);
            let log = fs::File::create(keys.path("log")).unwrap();
            let mut command = starter();
            command.args(["-D", "-e", "-f"]).arg(config);
            let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
            for _ in 0..500 {
                if std::net::TcpStream::connect((LOCAL, port)).is_ok() {
                    return Self { child, port, keys };
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("sshd does not start: {}", fs::read_to_string(keys.path("log")).unwrap());
    }

    /// A `known_hosts` line for the name `h` at this sshd's port.
    pub(super) fn line(&self, kind: &str) -> String {
        format!("{} {}", lookup_name("h", self.port), self.keys.public(kind))
    }

    /// A policy that knows the key of one type.
    pub(super) fn knows(&self, kind: &str) -> HostKeyPolicy {
        self.policy(&self.line(kind))
    }

    /// A policy over a file with this text, for the name `h` at this sshd's port.
    pub(super) fn policy(&self, text: &str) -> HostKeyPolicy {
        self.policy_for(&lookup_name("h", self.port), text)
    }

    /// A policy over a file with this text.
    pub(super) fn policy_for(&self, name: &str, text: &str) -> HostKeyPolicy {
        let mut number = 0;
        let path = loop {
            let path = self.keys.path(&format!("known_hosts.{number}"));
            if !path.exists() {
                break path;
            }
            number += 1;
        };
        fs::write(&path, text).unwrap();
        HostKeyPolicy::KnownHosts { files: vec![path], names: vec![name.to_owned()] }
    }

    /// A target: our own login with the client's key `id`, host key on record.
    pub(super) fn target(&self, client: &Keys) -> Target {
        Target {
            address: LOCAL,
            port: self.port,
            user: login(),
            auth: key(client.path("id")),
            host_key: self.knows("ed25519"),
            jumps: vec![],
            connect_within: PATIENCE,
            keepalive: Keepalive::default(),
            algorithms: Default::default(),
        }
    }

    /// This sshd as a jump host.
    pub(super) fn jump(&self, client: &Keys) -> Jump {
        Jump {
            host: "127.0.0.1".into(),
            port: self.port,
            user: login(),
            auth: key(client.path("id")),
            host_key: self.knows("ed25519"),
            algorithms: Default::default(),
        }
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.keys.path("log")).unwrap()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn with_pam(pam: &Path) -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    let script = "mount --bind \"$0\" /etc/pam.d/sshd && exec \"$@\"";
    command.args(["--mount", "--", "/bin/sh", "-c", script]).arg(pam).arg(SSHD);
    command
}

fn free_port() -> u16 {
    std::net::TcpListener::bind((LOCAL, 0)).unwrap().local_addr().unwrap().port()
}

/// A TCP relay to `port`: a cable that can be cut or go dead.
pub(super) struct Cable {
    pub(super) port: u16,
    task: JoinHandle<()>,
    frozen: tokio::sync::watch::Sender<bool>,
    hang_up: Arc<tokio::sync::Notify>,
}

impl Cable {
    pub(super) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (frozen, watch) = tokio::sync::watch::channel(false);
        let hang_up = Arc::new(tokio::sync::Notify::new());
        let hung = Arc::clone(&hang_up);
        let task = tokio::spawn(async move {
            let mut pairs = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let (mut watch, hung) = (watch.clone(), Arc::clone(&hung));
                pairs.spawn(async move {
                    let mut far = TcpStream::connect((LOCAL, port)).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = hung.notified() => {}
                        () = freezing(&mut watch) => std::future::pending().await,
                    }
                });
            }
        });
        Self { port: own, task, frozen, hang_up }
    }

    /// Both sides see a closed connection; no new ones are taken.
    pub(super) fn cut(self) {
        self.task.abort();
    }

    /// All connections are closed; new ones work.
    pub(super) fn hang_up(&self) {
        self.hang_up.notify_waiters();
    }

    /// Nothing goes through any more, and nobody is told.
    pub(super) fn freeze(&self) {
        self.frozen.send(true).unwrap();
    }
}

async fn freezing(watch: &mut tokio::sync::watch::Receiver<bool>) {
    // An error means that nobody can freeze it any more.
    if watch.wait_for(|frozen| *frozen).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The one way to log in by a key file.
pub(super) fn key(file: PathBuf) -> Vec<AuthMethod> {
    vec![AuthMethod::Key { file }]
}

/// The way through jump hosts, one after the other.
pub(super) fn through(jumps: impl IntoIterator<Item = Jump>) -> Vec<Hop> {
    jumps.into_iter().map(Hop::from).collect()
}

/// A client with nobody to ask.
pub(super) fn client() -> Russh {
    client_of(&Person::new(|_| None))
}

pub(super) fn client_of(person: &Arc<Person>) -> Russh {
    Russh::new(Settings::default(), Arc::clone(person) as Arc<dyn Asker>)
}

/// Answers questions, and notes them.
pub(super) struct Person {
    answer: fn(&Question) -> Option<&'static str>,
    asked: Mutex<Vec<Question>>,
}

impl Person {
    pub(super) fn new(answer: fn(&Question) -> Option<&'static str>) -> Arc<Self> {
        Arc::new(Self { answer, asked: Mutex::default() })
    }

    pub(super) fn asked(&self) -> Vec<Question> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Asker for Person {
    async fn secret(&self, question: &Question) -> Result<Secret<String>, Unanswered> {
        self.asked.lock().unwrap().push(question.clone());
        let nobody = || Unanswered(format!("nobody is there to answer {question:?}"));
        (self.answer)(question).map(|answer| Secret::new(answer.to_owned())).ok_or_else(nobody)
    }
}

pub(super) async fn connect(target: &Target) -> Result<Box<dyn Session>, SshError> {
    client().connect(target).await
}

/// The error of a connection that must not succeed.
pub(super) async fn refusal(target: &Target, kind: SshErrorKind) -> String {
    let result = tokio::time::timeout(PATIENCE * 2, connect(target)).await.expect("it hangs");
    let Err(error) = result else { panic!("connected") };
    assert_eq!(error.kind, kind, "{error}");
    assert!(!error.message.ends_with('.') && !error.message.contains('\n'), "{error}");
    error.message
}

pub(super) fn script(text: impl Into<String>) -> Exec {
    Exec::new(Remote::Script(text.into()), PATIENCE, 64 * 1024)
}

pub(super) async fn run(session: &dyn Session, text: &str) -> Output {
    session.exec(&script(text)).await.unwrap()
}

pub(super) fn pinned(public: &str) -> HostKeyPolicy {
    HostKeyPolicy::Pinned(vec![HostKey { openssh: public.to_owned(), fingerprint: String::new() }])
}

pub(super) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A listener that does `what` with the first bytes of every connection, and nothing else.
pub(super) async fn fake(says: &'static [u8], then_close: bool) -> SocketAddr {
    use tokio::io::AsyncWriteExt as _;
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(says).await;
            if !then_close {
                open.push(stream);
            }
        }
    });
    address
}

/// Waits for the end of a process.
pub(super) async fn ends(pid: &str) {
    let begun = std::time::Instant::now();
    while lives(pid) {
        assert!(begun.elapsed() < PATIENCE, "process {pid} lives on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether a process runs. One that has ended stays on the list until its parent, which may be slow, has looked at it.
pub(super) fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    // Behind the name, which is in brackets and may hold anything, comes the state.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}
