//! Getting in where it goes wrong at first, and finding out what came of a step whose connection broke.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use egressctl::core::template::{OnceParams, Templates};
use egressctl::ports::{SshErrorKind, Target, Transport as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::rig::{Cable, Keys, LOCAL, PATIENCE, Sshd, client, connect, refusal, run, script};

/// A relay that says `words` to the first connections and closes them, and lets the others through; counts them all.
async fn moody(port: u16, drops: usize, words: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            if seen.fetch_add(1, Ordering::SeqCst) < drops {
                let _ = near.write_all(words).await;
                continue;
            }
            tokio::spawn(async move {
                let mut far = TcpStream::connect((LOCAL, port)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (address, count)
}

#[tokio::test]
async fn connections_that_are_dropped_at_the_door_are_made_again() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    for words in [&b""[..], b"Exceeded MaxStartups\r\n"] {
        let (address, count) = moody(sshd.port, 3, words).await;
        let session = connect(&Target { port: address.port(), ..sshd.target(&keys) }).await.unwrap();
        assert_eq!(run(&*session, "echo in").await.stdout, b"in\n");
        assert_eq!(count.load(Ordering::SeqCst), 4);
    }
    // The jump host's own door, and the one behind it.
    let (door, _) = moody(sshd.port, 2, b"").await;
    let (behind, _) = moody(sshd.port, 2, b"").await;
    let jump = egressctl::ports::Jump { port: door.port(), ..sshd.jump(&keys) };
    let target = Target { port: behind.port(), jumps: vec![jump.into()], ..sshd.target(&keys) };
    connect(&target).await.unwrap().close().await;
}

#[tokio::test]
async fn what_will_not_pass_is_tried_once() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    for words in [&b"Not allowed at this time\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
        let (address, count) = moody(sshd.port, usize::MAX, words).await;
        let target = Target { port: address.port(), ..sshd.target(&keys) };
        refusal(&target, SshErrorKind::Unreachable).await;
        assert_eq!(count.load(Ordering::SeqCst), 1, "{}", String::from_utf8_lossy(words));
    }
    let (address, count) = moody(sshd.port, 0, b"").await;
    let unknown = Target { port: address.port(), host_key: sshd.policy(""), ..sshd.target(&keys) };
    refusal(&unknown, SshErrorKind::HostKeyUnknown).await;
    let refused =
        Target { port: address.port(), user: "nobody-of-that-name".to_owned(), ..sshd.target(&keys) };
    refusal(&refused, SshErrorKind::Auth).await;
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_sshd_that_comes_back_in_time_is_reached() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let free = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let target = Target { port, ..sshd.target(&keys) };
    let late = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let listener = TcpListener::bind((LOCAL, port)).await.unwrap();
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect((LOCAL, sshd.port)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    };
    tokio::select! {
        reached = connect(&target) => drop(reached.unwrap()),
        () = late => panic!("nobody came"),
    }
}

#[tokio::test]
async fn the_next_connection_reads_what_came_of_a_step() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let cable = Cable::to(sshd.port).await;
    let target = Target { port: cable.port, ..sshd.target(&keys) };
    let folder = keys.dir.path().join("steps");
    let (begun, effect) = (keys.path("begun"), keys.path("effect"));
    let step = format!("echo >{}; sleep 2; echo did >>{}; echo done", begun.display(), effect.display());
    let templates = Templates::builtin().unwrap();
    let params = OnceParams { folder: folder.to_str().unwrap(), key: "k", step: &step };
    let once = templates.once_script(&params).unwrap();
    let ssh = client();
    let session = ssh.connect(&target).await.unwrap();
    let exec = script(once.as_str());
    let cut = async {
        let since = Instant::now();
        while !begun.exists() {
            assert!(since.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cable.hang_up();
    };
    let (lost, ()) = tokio::join!(session.exec(&exec), cut);
    assert_eq!(lost.unwrap_err().kind, SshErrorKind::Lost);
    let session = ssh.connect(&target).await.unwrap();
    let output = session.exec(&exec).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "egressctl-once read\ndone\n");
    assert_eq!(std::fs::read_to_string(effect).unwrap(), "did\n");
}
