//! Hosts that stall, cut, falsify and flood at every point of the conversation: each ends with a typed error in time, within
//! bounded memory, while honest hosts are served.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use egressctl::ports::{Exec, SshError, SshErrorKind, Target, Transport as _};
use egressctl::ssh::Russh;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::rig::{Keys, LOCAL, PATIENCE, Sshd, client, script};

/// What a relay does to what the host says, once a number of bytes have passed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Harm {
    Nothing,
    /// No byte more, and no goodbye.
    Stall(u64),
    /// The connection ends.
    Cut(u64),
    /// One bit of this byte is another.
    Flip(u64),
}

/// A relay to a host; also what the host has said in honest conversations through it.
async fn relay(port: u16, harm: Harm) -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let (address, heard) = (listener.local_addr().unwrap(), Arc::new(Mutex::default()));
    let record = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let record = Arc::clone(&record);
            tokio::spawn(async move { spoil(near, port, harm, &record).await });
        }
    });
    (address, heard)
}

async fn spoil(near: TcpStream, port: u16, harm: Harm, record: &Mutex<Vec<u8>>) -> std::io::Result<()> {
    let far = TcpStream::connect((LOCAL, port)).await?;
    let ((mut from_us, mut to_us), (mut from_host, mut to_host)) = (near.into_split(), far.into_split());
    let upwards = tokio::spawn(async move { tokio::io::copy(&mut from_us, &mut to_host).await });
    let (mut part, mut before) = ([0; 4096], 0);
    loop {
        let room = match harm {
            Harm::Stall(at) | Harm::Cut(at) => usize::try_from(at - before).unwrap().min(part.len()),
            Harm::Nothing | Harm::Flip(_) => part.len(),
        };
        if room == 0 {
            break;
        }
        let size = from_host.read(&mut part[..room]).await?;
        if size == 0 {
            return Ok(());
        }
        if let Harm::Flip(at) = harm
            && let Some(place) = at.checked_sub(before).and_then(|at| part[..size].get_mut(at as usize))
        {
            *place ^= 1;
        }
        if harm == Harm::Nothing {
            record.lock().unwrap().extend_from_slice(&part[..size]);
        }
        before += size as u64;
        to_us.write_all(&part[..size]).await?;
    }
    if matches!(harm, Harm::Stall(_)) {
        let _ = upwards.await;
    }
    Ok(())
}

/// Time for a whole login, and time for a command, on a machine that does many at once.
const PART: Duration = Duration::from_secs(5);

async fn visit(ssh: &Russh, target: &Target) -> Result<Vec<u8>, SshError> {
    let target = Target { connect_within: PART, ..target.clone() };
    let session = ssh.connect(&target).await?;
    let output = session.exec(&Exec { wall: PART, ..script("echo in") }).await;
    session.close().await;
    Ok(output?.stdout)
}

/// Visits the host under every harm at once, with honest visits in between.
async fn every(harms: impl IntoIterator<Item = Harm>) -> Vec<(Harm, Result<Vec<u8>, SshError>)> {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let ssh = Arc::new(client());
    let mut all = JoinSet::new();
    for (n, harm) in harms.into_iter().enumerate() {
        let port = relay(sshd.port, harm).await.0.port();
        let (bad, good) = (Target { port, ..sshd.target(&keys) }, sshd.target(&keys));
        let ssh = Arc::clone(&ssh);
        all.spawn(async move {
            if n % 8 == 0 {
                assert_eq!(visit(&ssh, &good).await, Ok(b"in\n".to_vec()), "an honest host");
            }
            let begun = Instant::now();
            let result = visit(&ssh, &bad).await;
            // Waiting for a turn is not counted by the limits, so neither is it here; what hangs is cut off far later.
            assert!(begun.elapsed() < PATIENCE * 6, "{harm:?}");
            (harm, result)
        });
    }
    tokio::time::timeout(PATIENCE * 8, all.join_all()).await.expect("something hangs")
}

/// What a host says in an honest visit, as far as harm to it must be noticed: the last bytes close a channel whose outcome is
/// known by then.
async fn honest() -> Vec<u8> {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let (address, heard) = relay(sshd.port, Harm::Nothing).await;
    let target = Target { port: address.port(), ..sshd.target(&keys) };
    assert_eq!(visit(&client(), &target).await, Ok(b"in\n".to_vec()));
    let mut heard = std::mem::take(&mut *heard.lock().unwrap());
    heard.truncate(heard.len() - 200);
    heard
}

/// Where the packets before encryption have their padding, the only bytes that nothing vouches for (RFC 4253, section 6).
fn padding(heard: &[u8]) -> Vec<std::ops::Range<usize>> {
    const NEW_KEYS: u8 = 21;
    let mut at = heard.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut found = Vec::new();
    loop {
        let length = u32::from_be_bytes(heard[at..at + 4].try_into().unwrap()) as usize;
        let end = at + 4 + length;
        found.push(end - usize::from(heard[at + 4])..end);
        if heard[at + 5] == NEW_KEYS {
            return found;
        }
        at = end;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_at_any_point_ends_in_time() {
    let length = honest().await.len() as u64;
    let points = (0..24).map(|n| Harm::Stall(n * length / 24));
    for (harm, result) in every(points).await {
        let error = result.expect_err("something came of it");
        let kinds = [SshErrorKind::Unreachable, SshErrorKind::Timeout, SshErrorKind::Lost];
        assert!(kinds.contains(&error.kind), "{harm:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_at_any_point_is_told_as_one() {
    let length = honest().await.len() as u64;
    let points = (0..24).map(|n| Harm::Cut(n * length / 24));
    for (harm, result) in every(points).await {
        let error = result.expect_err("something came of it");
        let kinds = [SshErrorKind::Unreachable, SshErrorKind::Lost];
        assert!(kinds.contains(&error.kind), "{harm:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_can_be_falsified() {
    let heard = honest().await;
    let padding = padding(&heard);
    let is_padding = |at: usize| padding.iter().any(|range| range.contains(&at));
    let points = (0..48).map(|n| n * heard.len() / 48).filter(|at| !is_padding(*at));
    for (harm, result) in every(points.map(|at| Harm::Flip(at as u64))).await {
        // The exchange is signed by the host's key as a whole, and what follows is authenticated: a wrong signature, a wrong
        // key, a packet that is none. A length that grew is waited for.
        let error = result.expect_err("a falsified conversation was believed");
        assert!(!matches!(error.kind, SshErrorKind::Auth | SshErrorKind::Local), "{harm:?}: {error}");
    }
}

/// A host that says `first`, and then `rest` for as long as anybody listens; how many bytes it got rid of, and how often it
/// was called.
async fn flood(first: &'static [u8], rest: &'static [u8]) -> (SocketAddr, Arc<AtomicU64>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sent, calls) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, called) = (Arc::clone(&sent), Arc::clone(&calls));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            called.fetch_add(1, Ordering::SeqCst);
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                stream.write_all(first).await?;
                loop {
                    stream.write_all(rest).await?;
                    count.fetch_add(rest.len() as u64, Ordering::SeqCst);
                }
                #[expect(unreachable_code, reason = "says of what type the errors above are")]
                Ok::<(), std::io::Error>(())
            });
        }
    });
    (address, sent, calls)
}

#[tokio::test]
async fn words_without_end_before_ssh_are_not_listened_to() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let table: [(&[u8], &[u8]); 5] = [
        (b"", b"Welcome to this host, take a seat\r\n"),
        (b"", &[b'x'; 4096]),
        (b"", b"\x1b[2J\x1b[31m\x07"),
        (b"SSH-2.0-", &[b'y'; 4096]),
        (b"SSH-2.0-x\r\n\xff\xff\xff\xff\x00\x14", &[0; 4096]),
    ];
    for (first, rest) in table {
        let (address, sent, calls) = flood(first, rest).await;
        let target = Target { port: address.port(), connect_within: PART, ..sshd.target(&keys) };
        let begun = Instant::now();
        let Err(error) = client().connect(&target).await else { panic!("connected") };
        assert!(begun.elapsed() < PATIENCE, "{error}");
        let kinds = [SshErrorKind::Unreachable, SshErrorKind::Protocol];
        assert!(kinds.contains(&error.kind) && !error.message.contains('\x1b'), "{error}");
        assert!(error.message.len() < 1000, "{error}");
        // What the kernel holds for both ends, at most, for each call.
        let (sent, calls) = (sent.load(Ordering::SeqCst), calls.load(Ordering::SeqCst) as u64);
        assert!(sent < calls * 16 * 1024 * 1024, "{sent} bytes in {calls} calls: {error}");
    }
}
