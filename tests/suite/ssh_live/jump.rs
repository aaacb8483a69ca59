//! Going through a jump host.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use egressctl::ports::{Hop, Jump, SshErrorKind, Target, Transport as _};
use egressctl::ssh::{Russh, Settings};
use tokio::sync::Semaphore;

use super::rig::{Cable, Keys, Person, Sshd, client, key, refusal, run, through};

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

#[tokio::test]
async fn jump_hosts_may_be_behind_one_another() {
    let keys = Keys::new();
    let bastions = [Sshd::start(&keys, ""), Sshd::start(&keys, ""), Sshd::start(&keys, "")];
    let host = Sshd::start(&keys, "");
    let jumps = || bastions.iter().map(|bastion| bastion.jump(&keys));
    let target = Target { jumps: through(jumps()), ..host.target(&keys) };
    let ssh = client();
    for _ in 0..3 {
        let session = ssh.connect(&target).await.unwrap();
        assert_eq!(run(&*session, "head -c 300000 /dev/zero | wc -c").await.stdout, b"300000\n");
    }
    for bastion in &bastions {
        assert_eq!(bastion.log().matches("Accepted publickey").count(), 1);
    }
    // The second is asked to connect to the third, and names are theirs.
    let lost = Jump { port: 1, ..bastions[2].jump(&keys) };
    let target = Target { jumps: through(jumps().take(2).chain([lost])), ..host.target(&keys) };
    let message = refusal(&target, SshErrorKind::Unreachable).await;
    let way: Vec<_> = bastions
        .iter()
        .take(2)
        .rev()
        .map(|bastion| format!("jump host 127.0.0.1:{}", bastion.port))
        .collect();
    assert!(message.contains(&format!("127.0.0.1 port 1 through {}", way.join(" through "))), "{message}");
}

#[tokio::test]
async fn jump_hosts_that_are_as_good_as_each_other_share_the_load() {
    let keys = Keys::new();
    let bastions = [Sshd::start(&keys, ""), Sshd::start(&keys, "")];
    let host = Sshd::start(&keys, "");
    let mut any_of: Vec<_> = bastions.iter().map(|bastion| bastion.jump(&keys)).collect();
    // One that is down is passed over.
    any_of.insert(0, Jump { port: 1, ..bastions[0].jump(&keys) });
    let target = Target { jumps: vec![Hop { any_of }], ..host.target(&keys) };
    let ssh = client();
    let mut sessions = Vec::new();
    for _ in 0..10 {
        sessions.push(ssh.connect(&target).await.unwrap());
    }
    let forwards = bastions.each_ref().map(|bastion| bastion.log().matches("Accepted publickey").count());
    assert_eq!(forwards, [1, 1]);
    let [first, second] = bastions;
    drop(first);
    for session in &sessions {
        // Half of them went through it; those are lost, and come back over the other one.
        if session.exec(&super::rig::script("true")).await.is_err() {
            ssh.connect(&target).await.unwrap().close().await;
        }
    }
    assert_eq!(second.log().matches("Accepted publickey").count(), 1);
}

#[tokio::test]
async fn a_full_connection_is_joined_by_another() {
    let keys = Keys::new();
    let (bastion, host) = (Sshd::start(&keys, ""), Sshd::start(&keys, ""));
    let target = Target { jumps: through([bastion.jump(&keys)]), ..host.target(&keys) };
    let ssh = Russh::new(Settings { jump_tunnels: 3, ..Settings::default() }, Person::new(|_| None));
    let mut sessions = Vec::new();
    for _ in 0..7 {
        sessions.push(ssh.connect(&target).await.unwrap());
    }
    assert_eq!(bastion.log().matches("Accepted publickey").count(), 3);
    sessions.clear();
    tokio::time::sleep(Duration::from_millis(100)).await;
    for _ in 0..3 {
        sessions.push(ssh.connect(&target).await.unwrap());
    }
    assert_eq!(
        bastion.log().matches("Accepted publickey").count(),
        3,
        "seats that were left are taken again"
    );
}

/// What sshd does unless it is told otherwise.
const DEFAULT_LIMITS: &str = "MaxStartups 10:30:100\nMaxSessions 10\nMaxAuthTries 6\nLoginGraceTime 120";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_targets_behind_one_default_jump_host_lose_nobody() {
    let keys = Keys::new();
    let bastion = Sshd::start(&keys, DEFAULT_LIMITS);
    // One sshd under many addresses, as sshd allows no more to listen on.
    let addresses: Vec<_> = (1..16).map(|n| IpAddr::from([127, 0, 1, n])).collect();
    let listen: String = addresses.iter().map(|address| format!("ListenAddress {address}\n")).collect();
    let host = Sshd::start(&keys, &format!("MaxStartups 1000\n{listen}"));
    let ssh = Arc::new(client());
    let target = Target { jumps: through([bastion.jump(&keys)]), ..host.target(&keys) };
    let forks = Arc::new(Semaphore::new(100));
    let mut all = tokio::task::JoinSet::new();
    for n in 0..500 {
        let target = Target { address: addresses[n % addresses.len()], ..target.clone() };
        let (ssh, forks) = (Arc::clone(&ssh), Arc::clone(&forks));
        all.spawn(async move {
            let _turn = forks.acquire().await.unwrap();
            let session = ssh.connect(&target).await.map_err(|error| error.to_string())?;
            let output = session.exec(&super::rig::script(format!("echo {n}"))).await;
            session.close().await;
            match output {
                Ok(output) if output.stdout == format!("{n}\n").as_bytes() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }
    let results = all.join_all().await;
    let failed: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed.first());
    let logins = bastion.log().matches("Accepted publickey").count();
    assert!(logins <= 2, "{logins} logins at the jump host");
    assert!(!bastion.log().contains("MaxStartups"), "{}", bastion.log());
}

#[tokio::test]
async fn many_targets_at_one_default_sshd_are_paced() {
    let keys = Keys::new();
    let host = Sshd::start(&keys, DEFAULT_LIMITS);
    let (ssh, target) = (Arc::new(client()), host.target(&keys));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let (ssh, target) = (Arc::clone(&ssh), target.clone());
        all.spawn(async move { ssh.connect(&target).await.map(drop) });
    }
    while let Some(ended) = all.join_next().await {
        ended.unwrap().unwrap();
    }
    assert!(!host.log().contains("MaxStartups"), "{}", host.log());
}
