//! Being somebody else: sudo and doas, with and without a password, and every way in which they say no.
//!
//! The real programs need root to be set up: they run in a mount namespace with an /etc of its own, where one user `ann`
//! exists. Who is not root sees a stand-in for sudo instead, which asks and refuses as sudo does.

use std::fs;
use std::path::Path;
use std::process::Command as Local;
use std::time::Duration;

use egressctl::core::model::Secret;
use egressctl::ports::{Command, Exec, ExitStatus, Method, Privilege, Session, SshErrorKind, Stdin, Target};
use tempfile::TempDir;

use super::rig::{Keys, PATIENCE, SSHD, Sshd, chmod, connect, ends, script};

const PASSWORD: &str = "correct horse";
/// Of [`PASSWORD`], by `openssl passwd -6`.
const HASH: &str =
    "$6$verbs$Dr7q/AMu.1vexx30bo8CFp85q7xzhoOPorGH6e4TOA/f.BOhbDQn2vtQ/S.sW4w1z3Qa0rU0zFRdvm4KH6NUf0";

/// A host where `ann` logs in, with these rules for sudo and doas.
struct Host {
    sshd: Sshd,
    keys: Keys,
    _etc: TempDir,
}

impl Host {
    fn new(sudoers: &str, doas: &str) -> Self {
        let (keys, etc) = (Keys::new(), tempfile::tempdir().unwrap());
        let copied = Local::new("cp").args(["-a", "/etc/."]).arg(etc.path()).status().unwrap();
        assert!(copied.success());
        let add = |name: &str, line: &str| {
            let path = etc.path().join(name);
            fs::write(&path, fs::read_to_string(&path).unwrap() + line).unwrap();
        };
        add("passwd", "ann:x:61001:61001::/:/bin/sh\nbob:x:61002:61002::/:/bin/sh\n");
        add("group", "ann:x:61001:\nbob:x:61002:\n");
        add("shadow", &format!("ann:{HASH}:19000:0:99999:7:::\n"));
        fs::write(etc.path().join("sudoers"), format!("root ALL=(ALL) ALL\n{sudoers}\n")).unwrap();
        chmod(&etc.path().join("sudoers"), 0o440);
        fs::write(etc.path().join("doas.conf"), format!("{doas}\n")).unwrap();
        chmod(&etc.path().join("doas.conf"), 0o400);
        chmod(etc.path(), 0o755);
        let enter = format!(
            "mount --bind {} /etc && mkdir -p /run/sudo && mount -t tmpfs -o mode=711 tmpfs /run/sudo && exec \"$@\"",
            etc.path().display()
        );
        let sshd = Sshd::start_by(&keys, "", || {
            let mut command = Local::new("unshare");
            command.args(["--mount", "sh", "-c", &enter, "sh", SSHD]);
            command
        });
        // sshd reads it as ann.
        chmod(sshd.keys.dir.path(), 0o755);
        chmod(&sshd.keys.path("authorized"), 0o644);
        Self { sshd, keys, _etc: etc }
    }

    async fn log_in(&self) -> Box<dyn Session> {
        self.log_in_as("ann").await
    }

    async fn log_in_as(&self, user: &str) -> Box<dyn Session> {
        connect(&Target { user: user.to_owned(), ..self.sshd.target(&self.keys) }).await.unwrap()
    }
}

fn by(method: Method, password: Option<&str>) -> Option<Privilege> {
    let password = password.map(|password| Secret::new(password.to_owned()));
    Some(Privilege { method, user: "root".to_owned(), password })
}

fn as_root(text: &str, privilege: Option<Privilege>) -> Exec {
    Exec { privilege, ..script(text) }
}

fn argv(words: &[&str]) -> Exec {
    Exec::new(Command::Argv(words.iter().map(|word| (*word).to_owned()).collect()), PATIENCE, 1 << 20)
}

/// Whether the real programs can be set up here; nobody but root can.
fn is_root() -> bool {
    crate::support::lab::is_root()
}

#[tokio::test]
async fn sudo_without_a_password_runs_scripts_and_commands_with_input() {
    if !is_root() {
        return stand_in().await;
    }
    let host = Host::new("ann ALL=(ALL) NOPASSWD: ALL", "");
    let session = host.log_in().await;
    // A password that nobody asks for reaches nobody.
    for privilege in [by(Method::Sudo, None), by(Method::Sudo, Some(PASSWORD))] {
        let got =
            session.exec(&as_root("id -u; echo err >&2; cat; exit 3", privilege.clone())).await.unwrap();
        assert_eq!((&got.stdout[..], &got.stderr[..]), (&b"0\n"[..], &b"err\n"[..]));
        assert_eq!(got.status, ExitStatus::Code(3));
        let fed = Exec { stdin: Stdin::Bytes(b"a\0b"[..].into()), privilege, ..argv(&["cat"]) };
        assert_eq!(session.exec(&fed).await.unwrap().stdout, b"a\0b");
    }
    let other = Privilege { user: "ann".to_owned(), ..Privilege::default() };
    assert_eq!(session.exec(&as_root("id -un", Some(other))).await.unwrap().stdout, b"ann\n");
    let nobody = Privilege { user: "no-such-user".to_owned(), ..Privilege::default() };
    let error = session.exec(&as_root("id", Some(nobody))).await.unwrap_err();
    assert!(
        error.kind == SshErrorKind::Privilege && error.message.contains("no user no-such-user"),
        "{error}"
    );
}

#[tokio::test]
async fn sudo_with_a_password_is_answered_once() {
    if !is_root() {
        return stand_in().await;
    }
    let host = Host::new("Defaults use_pty\nann ALL=(ALL) ALL", "");
    let session = host.log_in().await;
    let error = session.exec(&as_root("id", by(Method::Sudo, None))).await.unwrap_err();
    assert!(error.message.contains("--ask-become-pass"), "{error}");
    let error = session.exec(&as_root("id", by(Method::Sudo, Some("wrong")))).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Privilege, "{error}");
    assert!(error.message.contains("tried once") && !error.message.contains("wrong"), "{error}");
    for _ in 0..2 {
        let got = session.exec(&as_root("id -u; cat", by(Method::Sudo, Some(PASSWORD)))).await.unwrap();
        assert_eq!((&got.stdout[..], &got.stderr[..]), (&b"0\n"[..], &b""[..]));
    }
    let fed = Exec { stdin: Stdin::Bytes(b"a\0b"[..].into()), ..argv(&["cat"]) };
    let fed = Exec { privilege: by(Method::Sudo, Some(PASSWORD)), ..fed };
    assert_eq!(session.exec(&fed).await.unwrap().stdout, b"a\0b");
    // Neither of them sees it on a command line or in its environment.
    let look = "cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c 'correct[ ]horse'";
    let got = session.exec(&as_root(look, by(Method::Sudo, Some(PASSWORD)))).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&got.stdout).trim(), "0");
}

#[tokio::test]
async fn sudo_that_says_no_is_told_apart() {
    if !is_root() {
        return stand_in().await;
    }
    let cases = [
        ("", Some(PASSWORD), "does not let this login be root"),
        ("Defaults requiretty\nann ALL=(ALL) NOPASSWD: ALL", None, "requiretty"),
        ("ann ALL=(ALL) NOPASSWD: /bin/true", Some(PASSWORD), "does not let this login be root"),
        ("Defaults passwd_tries=1\nann ALL=(ALL) ALL", Some("wrong"), "tried once"),
    ];
    for (rules, password, expected) in cases {
        let host = Host::new(rules, "");
        let session = host.log_in().await;
        let error = session.exec(&as_root("id", by(Method::Sudo, password))).await.unwrap_err();
        assert_eq!(error.kind, SshErrorKind::Privilege, "{rules}: {error}");
        assert!(error.message.contains(expected), "{rules}: {error}");
    }
}

#[tokio::test]
async fn doas_asks_on_a_terminal() {
    if !is_root() {
        return stand_in().await;
    }
    let host = Host::new("", "permit nopass ann");
    let session = host.log_in().await;
    let fed =
        Exec { stdin: Stdin::Bytes(b"a\0b"[..].into()), privilege: by(Method::Doas, None), ..argv(&["cat"]) };
    assert_eq!(session.exec(&fed).await.unwrap().stdout, b"a\0b");
    let got = session.exec(&as_root("id -u; echo err >&2", by(Method::Doas, None))).await.unwrap();
    assert_eq!((&got.stdout[..], &got.stderr[..]), (&b"0\n"[..], &b"err\n"[..]));
    let host = Host::new("", "permit ann");
    let session = host.log_in().await;
    let error = session.exec(&as_root("id", by(Method::Doas, None))).await.unwrap_err();
    assert!(error.message.contains("--ask-become-pass"), "{error}");
    let got =
        session.exec(&as_root("id -u; printf 'a\\nb\\n'", by(Method::Doas, Some(PASSWORD)))).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&got.stdout).trim_start(), "0\na\nb\n");
    let error = session.exec(&as_root("id", by(Method::Doas, Some("wrong")))).await.unwrap_err();
    assert!(error.message.contains("tried once"), "{error}");
    let host = Host::new("", "permit root");
    let session = host.log_in().await;
    let error = session.exec(&as_root("id", by(Method::Doas, None))).await.unwrap_err();
    assert!(error.message.contains("does not let this login be root"), "{error}");
}

#[tokio::test]
async fn a_command_of_somebody_else_is_ended_too() {
    if !is_root() {
        return stand_in().await;
    }
    let (free, asking) = ("ann ALL=(ALL) NOPASSWD: ALL", "Defaults use_pty\nann ALL=(ALL) ALL");
    let cases = [
        (free, None, "ann", "root"),
        (asking, Some(PASSWORD), "ann", "root"),
        (free, None, "ann", "bob"),
        (asking, Some(PASSWORD), "ann", "bob"),
        (asking, None, "root", "bob"),
    ];
    for (rules, password, login, user) in cases {
        let host = Host::new(rules, "");
        let session = host.log_in_as(login).await;
        let by = |method, password| by(method, password).map(|by| Privilege { user: user.to_owned(), ..by });
        let note = host.keys.path("pids");
        fs::write(&note, "").unwrap();
        chmod(&note, 0o666);
        let text = format!(
            "exec 9>{}; sleep 600 & echo $$ $! >&9; setsid sh -c 'echo $$ >&9; sleep 601'; echo late",
            note.display()
        );
        let late = Exec { wall: Duration::from_secs(4), ..as_root(&text, by(Method::Sudo, password)) };
        let error = session.exec(&late).await.unwrap_err();
        assert_eq!(error.kind, SshErrorKind::Timeout, "{rules}: {login} as {user}: {error}");
        let pids = fs::read_to_string(&note).unwrap();
        assert_eq!(pids.split_whitespace().count(), 3, "{login} as {user}: {pids}");
        for pid in pids.split_whitespace() {
            ends(pid).await;
        }
        let after = session.exec(&as_root("echo still", by(Method::Sudo, password))).await.unwrap();
        assert_eq!(after.stdout, b"still\n");
    }
}

#[tokio::test]
async fn a_program_that_asks_as_sudo_does_is_answered_once() {
    stand_in().await;
}

/// The dialogue with such a program, for those who cannot set up the real one.
async fn stand_in() {
    let keys = Keys::new();
    let bin = keys.dir.path().join("bin");
    stand_in_for_sudo(&bin);
    let sshd = Sshd::start(&keys, &format!("SetEnv SHLVL=9 PATH={}:/usr/bin:/bin", bin.display()));
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let got =
        session.exec(&as_root("echo out; cat; exit 3", by(Method::Sudo, Some(PASSWORD)))).await.unwrap();
    assert_eq!((&got.stdout[..], got.status), (&b"out\n"[..], ExitStatus::Code(3)));
    let fed = Exec { stdin: Stdin::Bytes(b"a\0b"[..].into()), ..argv(&["cat"]) };
    let fed = Exec { privilege: by(Method::Sudo, Some(PASSWORD)), ..fed };
    assert_eq!(session.exec(&fed).await.unwrap().stdout, b"a\0b");
    let error = session.exec(&as_root("id", by(Method::Sudo, Some("wrong")))).await.unwrap_err();
    assert!(error.kind == SshErrorKind::Privilege && error.message.contains("tried once"), "{error}");
    let error = session.exec(&as_root("id", by(Method::Sudo, None))).await.unwrap_err();
    assert!(error.message.contains("--ask-become-pass"), "{error}");
    let error = session.exec(&as_root("id", by(Method::Doas, None))).await.unwrap_err();
    // Installed it may be, but this host's own list lets nobody use it.
    let says_why = ["there is no doas", "does not let"].iter().any(|why| error.message.contains(why));
    assert!(says_why || is_root(), "{error}");
}

/// Puts a program into a new folder that asks for [`PASSWORD`] as sudo does.
pub(super) fn stand_in_for_sudo(folder: &Path) {
    fs::create_dir(folder).unwrap();
    fs::write(folder.join("sudo"), STAND_IN).unwrap();
    chmod(&folder.join("sudo"), 0o755);
}

/// `sudo -H -n -u USER -- CMD` refuses, `sudo -H -S -p PROMPT -u USER -- CMD` asks up to three times.
const STAND_IN: &str = r#"#!/bin/sh
if [ "$2" = -n ]; then
    echo "sudo: a password is required" >&2
    exit 1
fi
prompt=$4
shift 7
for try in 1 2 3; do
    printf %s "$prompt" >&2
    IFS= read -r answer || { echo "sudo: no password was provided" >&2; exit 1; }
    if [ "$answer" = "correct horse" ]; then
        exec "$@"
    fi
    echo "Sorry, try again." >&2
done
exit 1
"#;
