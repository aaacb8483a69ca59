//! Going through a jump host.

use std::sync::Arc;
use std::time::Duration;

use egressctl::ports::{Jump, SshErrorKind, Target, Transport as _};

use super::rig::{Cable, Keys, Sshd, client, key, refusal, run, through};

#[tokio::test]
async fn many_targets_share_one_jump_connection() {
    let keys = Keys::new();
    let (bastion, host) = (Sshd::start(&keys, "MaxSessions 1"), Sshd::start(&keys, ""));
    let target = Target { jumps: through([bastion.jump(&keys)]), ..host.target(&keys) };
    let ssh = Arc::new(client());
    let mut all = tokio::task::JoinSet::new();
    for n in 0..30 {
        let (ssh, target) = (Arc::clone(&ssh), target.clone());
        all.spawn(async move {
            let session = ssh.connect(&target).await.unwrap();
            let got = run(&*session, &format!("echo {n}; head -c 100000 /dev/zero | wc -c")).await;
            assert_eq!(String::from_utf8_lossy(&got.stdout), format!("{n}\n100000\n"));
            session.close().await;
        });
    }
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
    assert_eq!(bastion.log().matches("Accepted publickey").count(), 1);
    assert_eq!(host.log().matches("Accepted publickey").count(), 30);
}

#[tokio::test]
async fn a_dead_jump_connection_is_made_again() {
    let keys = Keys::new();
    let (bastion, host) = (Sshd::start(&keys, ""), Sshd::start(&keys, ""));
    let cable = Cable::to(bastion.port).await;
    let port = cable.port;
    let jump = Jump { port, ..bastion.jump(&keys) };
    let target = Target { jumps: through([jump]), ..host.target(&keys) };
    let ssh = client();
    let session = ssh.connect(&target).await.unwrap();
    cable.hang_up();
    let lost = session.exec(&super::rig::script("sleep 5")).await.unwrap_err();
    assert_eq!(lost.kind, SshErrorKind::Lost, "{lost}");
    for _ in 0..2 {
        let session = ssh.connect(&target).await.unwrap();
        assert_eq!(run(&*session, "echo back").await.stdout, b"back\n");
    }
    assert_eq!(bastion.log().matches("Accepted publickey").count(), 2);
    cable.cut();
    let Err(error) = client().connect(&target).await else { panic!("the cable is cut") };
    assert_eq!(error.kind, SshErrorKind::Unreachable, "{error}");
}

#[tokio::test]
async fn what_a_jump_host_can_refuse() {
    let keys = Keys::new();
    let host = Sshd::start(&keys, "");
    let closed = Sshd::start(&keys, "AllowTcpForwarding no");
    let target = Target { jumps: through([closed.jump(&keys)]), ..host.target(&keys) };
    let message = refusal(&target, SshErrorKind::Unreachable).await;
    assert!(message.contains("does not forward"), "{message}");

    let bastion = Sshd::start(&keys, "");
    let target = Target { jumps: through([bastion.jump(&keys)]), port: 1, ..host.target(&keys) };
    let message = refusal(&target, SshErrorKind::Unreachable).await;
    assert!(message.contains("gets no connection"), "{message}");

    let jump = Jump { host_key: host.knows("ed25519"), ..bastion.jump(&keys) };
    refusal(&Target { jumps: through([jump]), ..host.target(&keys) }, SshErrorKind::HostKeyChanged).await;

    // The target's own key counts, not the jump host's.
    let target = Target {
        jumps: through([bastion.jump(&keys)]),
        host_key: bastion.knows("ed25519"),
        ..host.target(&keys)
    };
    let message = refusal(&target, SshErrorKind::HostKeyChanged).await;
    assert!(message.contains("through jump host 127.0.0.1"), "{message}");
}

#[tokio::test]
async fn a_refused_jump_login_is_tried_once_for_all_targets() {
    let keys = Keys::new();
    let (bastion, host) = (Sshd::start(&keys, ""), Sshd::start(&keys, ""));
    keys.make("stranger", &["-t", "ed25519"]);
    let jump = Jump { auth: key(keys.path("stranger")), ..bastion.jump(&keys) };
    let target = Target { jumps: through([jump]), ..host.target(&keys) };
    let ssh = client();
    for _ in 0..3 {
        let (a, b) = tokio::join!(ssh.connect(&target), ssh.connect(&target));
        for result in [a, b] {
            let Err(error) = result else { panic!("connected") };
            assert!(error.kind == SshErrorKind::Auth && error.message.contains("jump host"), "{error}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(bastion.log().matches("Failed publickey").count(), 1, "{}", bastion.log());
}
