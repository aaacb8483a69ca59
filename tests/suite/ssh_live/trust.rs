//! Host keys that are learned, pinned, or vouched for by an authority, against OpenSSH's sshd and its own client.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use egressctl::ports::{Clock, HostKey, HostKeyPolicy, KeyRecord as _, SshErrorKind, Target, Transport as _};
use egressctl::ssh::known_hosts::lookup_name;

use super::rig::{Keys, PATIENCE, Sshd, client, connect, refusal};

/// The machine's clock, some days off.
struct DaysOff(i64);

impl Clock for DaysOff {
    fn now_ms(&self) -> i64 {
        let now = Command::new("date").arg("+%s").output().unwrap().stdout;
        let now: i64 = String::from_utf8(now).unwrap().trim().parse().unwrap();
        (now + self.0 * 86_400) * 1000
    }
}

fn learning(file: PathBuf, names: &[&str], hashed: bool) -> HostKeyPolicy {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    HostKeyPolicy::AcceptNew { files: vec![file], names, hashed }
}

/// Whether OpenSSH's own client finds the name in the file.
fn keygen_finds(file: &Path, name: &str) -> bool {
    let mut command = Command::new("ssh-keygen");
    command.args(["-F", name, "-f"]).arg(file).output().unwrap().status.success()
}

#[tokio::test]
async fn a_new_key_is_learned_once_and_then_held_to() {
    let keys = Keys::new();
    let (sshd, other) = (Sshd::start(&keys, ""), Sshd::start(&keys, ""));
    for hashed in [false, true] {
        let file = keys.path(&format!("new/folder.{hashed}/known_hosts"));
        let name = lookup_name("h", sshd.port);
        let host_key = learning(file.clone(), &[&name, "h", "web-1"], hashed);
        let ssh = client();
        for _ in 0..2 {
            let session = ssh.connect(&Target { host_key: host_key.clone(), ..sshd.target(&keys) }).await;
            session.unwrap().close().await;
        }
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), if hashed { 2 } else { 1 }, "{text}");
        assert_eq!(text.contains("web-1"), !hashed, "{text}");
        assert!(keygen_finds(&file, &name) && keygen_finds(&file, "web-1") && !keygen_finds(&file, "h"));
        // Another host at the name: refused by who learned it and by who reads it afresh.
        let swapped = Target { host_key, ..other.target(&keys) };
        let Err(error) = ssh.connect(&swapped).await else { panic!("a swapped host was let in") };
        assert_eq!(error.kind, SshErrorKind::HostKeyChanged, "{error}");
        refusal(&swapped, SshErrorKind::HostKeyChanged).await;
        assert_eq!(fs::read_to_string(&file).unwrap(), text, "nothing was added");
    }
}

#[tokio::test]
async fn many_that_learn_at_once_write_whole_lines_and_never_two_keys_for_a_name() {
    let keys = Keys::new();
    let (sshd, other) = (Sshd::start(&keys, ""), Sshd::start(&keys, ""));
    let file = keys.write("known_hosts", "# no line end");
    let mut tasks = tokio::task::JoinSet::new();
    // Two clients are as good as two processes: the lock is the file's.
    for ssh in [Arc::new(client()), Arc::new(client())] {
        for number in 0..8 {
            let which = if number % 2 == 0 { &sshd } else { &other };
            let own = format!("host-{number}");
            let names = [own.as_str(), "shared"];
            let names = if number < 4 { &names[..1] } else { &names[1..] };
            let host_key = learning(file.clone(), names, false);
            let target = Target { host_key, ..which.target(&keys) };
            let ssh = Arc::clone(&ssh);
            tasks.spawn(async move { (number, ssh.connect(&target).await.map(drop)) });
        }
    }
    let mut shared = [0, 0];
    while let Some(result) = tasks.join_next().await {
        match result.unwrap() {
            (number, Ok(())) if number >= 4 => shared[number % 2] += 1,
            (_, Ok(())) => {}
            (number, Err(error)) => {
                assert!(number >= 4 && error.kind == SshErrorKind::HostKeyChanged, "{number}: {error}");
            }
        }
    }
    assert!(shared == [4, 0] || shared == [0, 4], "one of the two hosts has the name: {shared:?}");
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 6, "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("shared ")).count(), 1, "{text}");
}

#[tokio::test]
async fn what_must_not_be_learned() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let name = lookup_name("h", sshd.port);
    let public = sshd.keys.public("ed25519");
    let authority = format!("@cert-authority {name} {}\n", keys.public("id"));
    for (what, text, kind) in [
        ("a revoked key", format!("@revoked * {public}\n"), SshErrorKind::HostKeyChanged),
        ("another type", format!("{name} {}\n", keys.public("id")), SshErrorKind::HostKeyChanged),
        ("where an authority speaks", authority, SshErrorKind::HostKeyUnknown),
    ] {
        let file = keys.write("known_hosts", &text);
        let host_key = learning(file.clone(), &[&name], false);
        refusal(&Target { host_key, ..sshd.target(&keys) }, kind).await;
        assert_eq!(fs::read_to_string(&file).unwrap(), text, "{what}");
    }
    for bad in ["a b", "a,b", "*", "!a", "@a", "|1|a", "a\nb"] {
        let host_key = learning(keys.path("none"), &[bad], false);
        let message = refusal(&Target { host_key, ..sshd.target(&keys) }, SshErrorKind::Local).await;
        assert!(message.contains("cannot be recorded"), "{bad}: {message}");
    }
    assert_eq!(fs::read_to_string(keys.path("none")).unwrap(), "");
    let folder = learning(keys.dir.path().to_owned(), &["h"], false);
    refusal(&Target { host_key: folder, ..sshd.target(&keys) }, SshErrorKind::Local).await;
}

/// An sshd whose ed25519 key has a certificate of the authority `ca`, made with these arguments of ssh-keygen.
fn certified(keys: &Keys, ca: &str, arguments: &[&str]) -> Sshd {
    let folder = keys.path(&format!("host-of-{ca}-{}", fs::read_dir(keys.dir.path()).unwrap().count()));
    fs::create_dir(&folder).unwrap();
    let key = folder.join("key");
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-s"]).arg(keys.path(ca)).args(["-I", "id\u{1b}[31m"]).args(arguments);
    assert!(sign.arg(folder.join("key.pub")).status().unwrap().success());
    let folder = folder.display();
    Sshd::start(keys, &format!("HostKey {folder}/key\nHostCertificate {folder}/key-cert.pub"))
}

/// `ssh` itself, with the same file, the same name and the same port.
fn openssh_accepts(keys: &Keys, sshd: &Sshd, file: &Path) -> bool {
    let mut ssh = Command::new("ssh");
    ssh.args([
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "GlobalKnownHostsFile=none",
    ])
    .args(["-o", "HostName=127.0.0.1", "-o", "HostKeyAlias=h", "-o", "StrictHostKeyChecking=yes"])
    .arg("-o")
    .arg(format!("UserKnownHostsFile={}", file.display()))
    .arg("-i")
    .arg(keys.path("id"))
    .args(["-p", &sshd.port.to_string(), "h", "true"]);
    ssh.output().unwrap().status.success()
}

#[tokio::test]
async fn certificates_of_hosts_are_judged_as_openssh_judges_them() {
    let keys = Keys::new();
    keys.make("ca", &["-t", "ed25519"]);
    keys.make("rsa-ca", &["-t", "rsa", "-b", "2048"]);
    keys.make("ecdsa-ca", &["-t", "ecdsa"]);
    keys.make("stranger", &["-t", "ed25519"]);
    let host = ["-h", "-n", "h,other", "-V", "-1d:+1d"];
    let fine = certified(&keys, "ca", &host);
    let no_certificate = Sshd::start(&keys, "");
    let line = |ca: &str| format!("@cert-authority h {}\n", keys.public(ca));
    let (good, stranger) = (line("ca"), line("stranger"));
    let revoked = format!("{good}@revoked * {}\n", keys.public("ca"));
    let others = format!("@cert-authority web,!h {}\n", keys.public("ca"));
    let table: Vec<(&str, Sshd, String, bool)> = vec![
        ("rsa authority", certified(&keys, "rsa-ca", &host), line("rsa-ca"), true),
        ("ecdsa authority", certified(&keys, "ecdsa-ca", &host), line("ecdsa-ca"), true),
        ("a pattern", certified(&keys, "ca", &["-h", "-n", "x,?"]), good.clone(), false),
        ("sha-1", certified(&keys, "rsa-ca", &["-h", "-n", "h", "-t", "ssh-rsa"]), line("rsa-ca"), false),
        ("another host", certified(&keys, "ca", &["-h", "-n", "db"]), good.clone(), false),
        ("over", certified(&keys, "ca", &["-h", "-n", "h", "-V", "-2d:-1d"]), good.clone(), false),
        ("not yet", certified(&keys, "ca", &["-h", "-n", "h", "-V", "+1d:+2d"]), good.clone(), false),
        ("no certificate", no_certificate, good.clone(), false),
    ];
    let check = async |what: &str, sshd: &Sshd, text: &str, accepted: bool| {
        let file = keys.write("known_hosts", text);
        assert_eq!(openssh_accepts(&keys, sshd, &file), accepted, "{what}: OpenSSH");
        let (files, names) = (vec![file], vec!["h".to_owned()]);
        for host_key in [
            HostKeyPolicy::KnownHosts { files: files.clone(), names: names.clone() },
            HostKeyPolicy::Authority { files, names },
        ] {
            let ssh = client().by_clock(Arc::new(DaysOff(0)));
            let result = ssh.connect(&Target { host_key, ..sshd.target(&keys) }).await.map(drop);
            match &result {
                Ok(()) => assert!(accepted, "{what}: let in"),
                Err(error) => {
                    assert!(!accepted, "{what}: {error}");
                    assert!(!error.message.contains('\u{1b}'), "{what}: {error}");
                }
            }
        }
    };
    for (what, sshd, text, accepted) in &table {
        check(what, sshd, text, *accepted).await;
    }
    check("fine", &fine, &good, true).await;
    check("an unknown authority", &fine, &stranger, false).await;
    check("a revoked authority", &fine, &revoked, false).await;
    check("an authority for others", &fine, &others, false).await;

    let policy = |text: &str| HostKeyPolicy::Authority {
        files: vec![keys.write("ca_hosts", text)],
        names: vec!["h".to_owned()],
    };
    // The key inside is what identity is bound to afterwards.
    let ssh = client().by_clock(Arc::new(DaysOff(0)));
    let target = Target { host_key: policy(&good), ..fine.target(&keys) };
    let key = ssh.connect(&target).await.unwrap().host_key().clone();
    let bound = Target { host_key: HostKeyPolicy::Pinned(vec![key.clone()]), ..fine.target(&keys) };
    assert_eq!(connect(&bound).await.unwrap().host_key(), &key);
    // A key on record is as good as a certificate, but not where certificates are asked for.
    let recorded = format!("{stranger}h {}\n", key.openssh);
    connect(&Target { host_key: fine.policy_for("h", &recorded), ..fine.target(&keys) }).await.unwrap();
    let message =
        refusal(&Target { host_key: policy(&recorded), ..fine.target(&keys) }, SshErrorKind::HostKeyUnknown)
            .await;
    assert!(message.contains("which is no authority for it on record"), "{message}");
    // The clock decides, and who has none accepts none.
    let target = Target { host_key: policy(&good), ..fine.target(&keys) };
    for (clock, part) in [(3, "not valid any more"), (-3, "not valid yet")] {
        let ssh = client().by_clock(Arc::new(DaysOff(clock)));
        let Err(error) = ssh.connect(&target).await else { panic!("let in {clock} days off") };
        assert!(error.message.contains(part), "{error}");
    }
    assert!(refusal(&target, SshErrorKind::HostKeyUnknown).await.contains("without a clock"));
}

#[tokio::test]
async fn a_certificate_without_names_is_good_for_nobody() {
    let keys = Keys::new();
    keys.make("ca", &["-t", "ed25519"]);
    let sshd = certified(&keys, "ca", &["-h"]);
    let file = keys.write("known_hosts", &format!("@cert-authority h {}\n", keys.public("ca")));
    let host_key = HostKeyPolicy::Authority { files: vec![file], names: vec!["h".to_owned()] };
    let ssh = client().by_clock(Arc::new(DaysOff(0)));
    let Err(error) = ssh.connect(&Target { host_key, ..sshd.target(&keys) }).await else { panic!("let in") };
    assert!(error.message.contains("is for \"\" and not for h"), "{error}");
}

#[tokio::test]
async fn several_pinned_keys() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "HostKeyAlgorithms rsa-sha2-512");
    let key = |public: String| HostKey { openssh: public, fingerprint: String::new() };
    let pinned = vec![key(keys.public("id")), key(sshd.keys.public("rsa"))];
    connect(&Target { host_key: HostKeyPolicy::Pinned(pinned), ..sshd.target(&keys) }).await.unwrap();
    let none = Target { host_key: HostKeyPolicy::Pinned(vec![]), ..sshd.target(&keys) };
    refusal(&none, SshErrorKind::Local).await;
}

#[tokio::test]
async fn strangers_are_remembered_and_recorded_together() {
    let keys = Keys::new();
    let (one, two) = (Sshd::start(&keys, ""), Sshd::start(&keys, ""));
    let file = keys.write("known_hosts", "");
    let policy =
        |name: &str| HostKeyPolicy::KnownHosts { files: vec![file.clone()], names: vec![name.to_owned()] };
    let ssh = client();
    let targets = [("one", &one), ("two", &two)]
        .map(|(name, sshd)| Target { host_key: policy(name), ..sshd.target(&keys) });
    for target in [&targets[0], &targets[1], &targets[1]] {
        assert!(!ssh.knows(&target.host_key).await.unwrap());
        let Err(error) = ssh.connect(target).await else { panic!("connected") };
        assert!(error.message.contains("egressctl trust"), "{error}");
    }
    let strangers = ssh.take_strangers();
    let met: Vec<_> = strangers.iter().map(|s| (s.names[0].as_str(), s.key.openssh.clone())).collect();
    assert_eq!(met, [("one", one.keys.public("ed25519")), ("two", two.keys.public("ed25519"))]);
    assert!(ssh.take_strangers().is_empty());
    ssh.record(&strangers, false).await.unwrap();
    for target in &targets {
        assert!(ssh.knows(&target.host_key).await.unwrap(), "known in the same run");
        tokio::time::timeout(PATIENCE, ssh.connect(target)).await.unwrap().unwrap().close().await;
    }
    // Meanwhile another key came on record for one of them: none is recorded.
    fs::write(&file, format!("two {}\n", keys.public("id"))).unwrap();
    let message = client().record(&strangers, false).await.unwrap_err().message;
    assert!(message.contains("another key for two by now"), "{message}");
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
}
