//! Connecting: keys, host keys, and hosts that are no hosts.

use std::fs;
use std::time::Duration;

use egressctl::ports::{HostKeyPolicy, Keepalive, SshErrorKind, Target, Transport as _};
use egressctl::ssh::Russh;

use super::rig::{
    Keys, LOCAL, PATIENCE, Sshd, chmod, client, connect, fake, key, login, pinned, refusal, run,
};

#[tokio::test]
async fn keys_of_every_type_log_in() {
    let keys = Keys::new();
    keys.make("rsa", &["-t", "rsa", "-b", "2048"]);
    keys.make("ecdsa", &["-t", "ecdsa"]);
    let sshd = Sshd::start(&keys, "");
    for name in ["id", "rsa", "ecdsa"] {
        let target = Target { auth: key(keys.path(name)), ..sshd.target(&keys) };
        let session = connect(&target).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(run(&*session, "echo $USER").await.stdout, format!("{}\n", login()).as_bytes(), "{name}");
        session.close().await;
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_once_and_explained() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    keys.make("stranger", &["-t", "ed25519"]);
    let target = Target { auth: key(keys.path("stranger")), ..sshd.target(&keys) };
    let message = refusal(&target, SshErrorKind::Auth).await;
    for part in [&*format!("refused {}", login()), "stranger", "SHA256:", "it offers: publickey"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(sshd.log().matches("Failed publickey").count(), 1, "{}", sshd.log());
}

#[tokio::test]
async fn a_host_that_admits_nobody() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, &format!("DenyUsers {}", login()));
    refusal(&sshd.target(&keys), SshErrorKind::Auth).await;
}

#[tokio::test]
async fn a_host_that_takes_no_keys() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "PubkeyAuthentication no");
    refusal(&sshd.target(&keys), SshErrorKind::Auth).await;
}

#[tokio::test]
async fn a_host_that_wants_more_than_a_key() {
    let keys = Keys::new();
    let extra = "PasswordAuthentication yes\nAuthenticationMethods publickey,password";
    let sshd = Sshd::start(&keys, extra);
    let message = refusal(&sshd.target(&keys), SshErrorKind::Auth).await;
    assert!(message.contains("more than a key (password)"), "{message}");
}

#[tokio::test]
async fn each_type_of_host_key_is_asked_for_when_it_is_the_one_on_record() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    for kind in ["ed25519", "ecdsa", "rsa"] {
        for host_key in [sshd.knows(kind), pinned(&sshd.keys.public(kind))] {
            let session = connect(&Target { host_key, ..sshd.target(&keys) }).await.unwrap();
            assert_eq!(session.host_key().openssh, sshd.keys.public(kind));
        }
    }
}

#[tokio::test]
async fn host_keys_that_must_not_pass() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "HostKeyAlgorithms ssh-ed25519");
    let with = |host_key| Target { host_key, ..sshd.target(&keys) };
    let name = sshd.line("ed25519").split(' ').next().unwrap().to_owned();
    let other = keys.public("id");

    let message = refusal(&with(sshd.policy("")), SshErrorKind::HostKeyUnknown).await;
    assert!(
        message.contains(&name) && message.contains("known_hosts.") && message.contains("SHA256:"),
        "{message}"
    );
    let message = refusal(&with(sshd.policy(&format!("{name} {other}"))), SshErrorKind::HostKeyChanged).await;
    assert!(message.matches("SHA256:").count() == 2 && message.contains(":1)"), "{message}");
    let message = refusal(&with(sshd.knows("rsa")), SshErrorKind::HostKeyChanged).await;
    assert!(message.contains("it only has keys of type \"ssh-ed25519\""), "{message}");
    let revoked = format!("{0}\n@revoked {0}", sshd.line("ed25519"));
    let message = refusal(&with(sshd.policy(&revoked)), SshErrorKind::HostKeyChanged).await;
    assert!(message.contains("revoked at") && message.contains(":2"), "{message}");
    let authority = format!("@cert-authority {name} {other}");
    let message = refusal(&with(sshd.policy(&authority)), SshErrorKind::HostKeyUnknown).await;
    assert!(message.contains("it shows no certificate"), "{message}");
    refusal(&with(pinned(&other)), SshErrorKind::HostKeyChanged).await;
    refusal(&with(pinned("ssh-ed25519 AAAA")), SshErrorKind::Local).await;
    assert!(!sshd.log().contains("Accepted"), "nothing was revealed to a host that was not known");
}

#[tokio::test]
async fn known_hosts_files_must_be_there_and_are_read_once() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let mut target = sshd.target(&keys);
    let HostKeyPolicy::KnownHosts { files, .. } = &mut target.host_key else { panic!() };
    let file = files[0].clone();
    fs::write(&file, format!("nonsense\n{}\n", sshd.line("ed25519"))).unwrap();
    let ssh: Russh = client();
    for _ in 0..2 {
        ssh.connect(&target).await.unwrap().close().await;
    }
    let warnings = ssh.take_warnings();
    assert!(warnings.len() == 1 && warnings[0].contains(":1: line ignored"), "{warnings:?}");
    let HostKeyPolicy::KnownHosts { files, .. } = &mut target.host_key else { panic!() };
    files.push(keys.path("missing"));
    assert!(refusal(&target, SshErrorKind::Local).await.contains("missing"));
}

#[tokio::test]
async fn private_keys_that_cannot_be_used() {
    let keys = Keys::new();
    let locked = keys.make("locked", &["-t", "ed25519", "-N", "secret"]);
    let open = keys.make("open", &["-t", "ed25519"]);
    chmod(&open, 0o644);
    let junk = keys.write("junk", "no key");
    chmod(&junk, 0o600);
    let public = keys.write("public", &keys.public("id"));
    chmod(&public, 0o600);
    let pem = keys.make("pem", &["-t", "rsa", "-m", "PEM", "-N", "secret"]);
    let table = [
        (keys.path("missing"), "cannot be read"),
        (locked, "nobody is there to answer Passphrase"),
        (pem, "nobody is there to answer Passphrase"),
        (open, "chmod 600"),
        (junk, "no private key"),
        (public, "without .pub"),
        (keys.dir.path().to_owned(), "not a file"),
    ];
    for (file, part) in table {
        let target = Target {
            address: LOCAL,
            port: 1,
            user: login(),
            auth: key(file),
            host_key: pinned(&keys.public("id")),
            jumps: vec![],
            connect_within: PATIENCE,
            keepalive: Keepalive::default(),
            algorithms: Default::default(),
        };
        let message = refusal(&target, SshErrorKind::Local).await;
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[tokio::test]
async fn hosts_that_are_no_ssh_hosts() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let table: [(&'static [u8], bool, SshErrorKind, &str); 6] = [
        (b"", false, SshErrorKind::Unreachable, "says nothing within"),
        (b"", true, SshErrorKind::Unreachable, "without a word"),
        (b"SSH-2.0-x\r\n", false, SshErrorKind::Unreachable, "key exchange within"),
        (
            b"Not allowed at this time\x1b[31m\r\n",
            true,
            SshErrorKind::Unreachable,
            "\"Not allowed at this time\\u{1b}[31m\"",
        ),
        (&[b'x'; 4096], false, SshErrorKind::Protocol, "does not speak SSH"),
        (b"SSH-2.0-x\r\n\xff\xff\xff\xff\x00\x14", false, SshErrorKind::Protocol, "SSH failed"),
    ];
    for (says, then_close, kind, part) in table {
        let address = fake(says, then_close).await;
        let within = Duration::from_secs(2);
        let target = Target { port: address.port(), connect_within: within, ..sshd.target(&keys) };
        let message = refusal(&target, kind).await;
        assert!(message.contains(part), "{part}: {message}");
        assert!(message.contains(&address.to_string()), "{message}");
    }
    let free = fake(b"", true).await.port();
    drop(sshd);
    let refused = std::net::TcpListener::bind((LOCAL, 0)).unwrap().local_addr().unwrap().port();
    assert_ne!(free, refused);
    let target = Target {
        address: LOCAL,
        port: refused,
        user: login(),
        auth: key(keys.path("id")),
        host_key: pinned(&keys.public("id")),
        jumps: vec![],
        connect_within: PATIENCE,
        keepalive: Keepalive::default(),
        algorithms: Default::default(),
    };
    assert!(refusal(&target, SshErrorKind::Unreachable).await.contains("refused the connection"));
}
