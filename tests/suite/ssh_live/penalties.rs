//! Many hosts behind one address whose sshd punishes failures, as OpenSSH does from 9.8 on unless it is told otherwise:
//! nothing that a run does wrong at one address may shut the others out of it.
//!
//! Older versions know no penalties, so a server of our own keeps the book by their rules (sshd_config(5),
//! `PerSourcePenalties`): so many seconds for a failed login or for none at all, forgiven second by second, and nobody is let
//! in once there are more than fifteen. What OpenSSH's own sshd has counted is read from its log.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use egressctl::ports::{Keepalive, SshErrorKind, Target, Transport as _};
use russh::server::{self, Auth, PublicKeyOffer, VerifiedPublicKey};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::rig::{Keys, LOCAL, PATIENCE, Sshd, client, key, login, pinned};

const AUTHFAIL: f64 = 5.0;
const NOAUTH: f64 = 1.0;
const MIN: f64 = 15.0;

/// What one source has been charged with.
struct Book {
    /// Seconds left at a moment.
    left: f64,
    at: Instant,
    worst: f64,
    connections: usize,
    refused: usize,
}

impl Book {
    fn charge(&mut self, seconds: f64) {
        self.left = (self.left - self.at.elapsed().as_secs_f64()).max(0.0) + seconds;
        self.at = Instant::now();
        self.worst = self.worst.max(self.left);
    }
}

#[derive(Clone)]
struct Punishing {
    admits: &'static str,
    book: Arc<Mutex<Book>>,
    has_tried: bool,
    is_in: bool,
}

impl server::Handler for Punishing {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        _: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        self.has_tried = true;
        Ok(if user == self.admits { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, user: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        self.has_tried = true;
        self.is_in = user == self.admits;
        Ok(if self.is_in { Auth::Accept } else { Auth::reject() })
    }
}

impl Drop for Punishing {
    fn drop(&mut self) {
        let mut book = self.book.lock().unwrap();
        match (self.is_in, self.has_tried) {
            (true, _) => {}
            (false, true) => book.charge(AUTHFAIL),
            (false, false) => book.charge(NOAUTH),
        }
    }
}

/// A server that keeps such a book, and a target that logs in there as `admitted`.
async fn punishing(keys: &Keys) -> (Target, Arc<Mutex<Book>>) {
    let book = Book { left: 0.0, at: Instant::now(), worst: 0.0, connections: 0, refused: 0 };
    let book = Arc::new(Mutex::new(book));
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    keys.make("host", &["-t", "ed25519"]);
    let host_key = russh::keys::load_secret_key(keys.path("host"), None).unwrap();
    let config = Arc::new(server::Config {
        keys: vec![host_key],
        auth_rejection_time: Duration::from_millis(1),
        ..server::Config::default()
    });
    let kept = Arc::clone(&book);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            {
                let mut book = kept.lock().unwrap();
                book.connections += 1;
                book.charge(0.0);
                if book.left > MIN {
                    book.refused += 1;
                    continue;
                }
            }
            let one =
                Punishing { admits: "admitted", book: Arc::clone(&kept), has_tried: false, is_in: false };
            if let Ok(running) = server::run_stream(Arc::clone(&config), stream, one).await {
                tokio::spawn(running);
            }
        }
    });
    let target = Target {
        address: LOCAL,
        port,
        user: "admitted".to_owned(),
        auth: key(keys.path("id")),
        host_key: pinned(&keys.public("host")),
        jumps: vec![],
        connect_within: PATIENCE,
        keepalive: Keepalive::default(),
        algorithms: Default::default(),
    };
    (target, book)
}

/// Connects to all at once, and gives how many of them went wrong in which way.
async fn all(targets: impl Iterator<Item = Target>) -> Vec<Option<SshErrorKind>> {
    let ssh = Arc::new(client());
    let mut tasks = JoinSet::new();
    for target in targets {
        let ssh = Arc::clone(&ssh);
        tasks.spawn(async move {
            match ssh.connect(&target).await {
                Ok(session) => {
                    session.close().await;
                    None
                }
                Err(error) => Some(error.kind),
            }
        });
    }
    tasks.join_all().await
}

fn count(results: &[Option<SshErrorKind>], what: Option<SshErrorKind>) -> usize {
    results.iter().filter(|result| **result == what).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_targets_behind_one_address_are_never_punished() {
    let keys = Keys::new();
    let (target, book) = punishing(&keys).await;
    // All with the right login.
    let results = all((0..200).map(|_| target.clone())).await;
    assert_eq!(count(&results, None), 200, "{results:?}");
    // All with a wrong one: it is tried once.
    let results = all((0..200).map(|_| Target { user: "stranger".to_owned(), ..target.clone() })).await;
    assert_eq!(count(&results, Some(SshErrorKind::Auth)), 200, "{results:?}");
    let book = book.lock().unwrap();
    assert_eq!((book.connections, book.refused), (201, 0));
    assert!(book.worst <= AUTHFAIL + 0.5, "{}", book.worst);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_host_keys_and_several_wrong_logins_keep_their_distance() {
    let keys = Keys::new();
    let (target, book) = punishing(&keys).await;
    keys.make("other", &["-t", "ed25519"]);
    let other = pinned(&keys.public("other"));
    let wrong_keys = (0..8).map(|_| Target { host_key: other.clone(), ..target.clone() });
    let wrong_logins = (0..2).map(|n| Target { user: format!("stranger-{n}"), ..target.clone() });
    let right = (0..100).map(|_| target.clone());
    let mixed: Vec<Target> = wrong_keys.chain(wrong_logins).chain(right).collect();
    let results = all(mixed.into_iter()).await;
    assert_eq!(count(&results, None), 100, "{results:?}");
    assert_eq!(count(&results, Some(SshErrorKind::HostKeyChanged)), 8, "{results:?}");
    assert_eq!(count(&results, Some(SshErrorKind::Auth)), 2, "{results:?}");
    let book = book.lock().unwrap();
    assert!(book.refused == 0 && book.worst < MIN - 1.0, "{} {}", book.refused, book.worst);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordinary_sshd_sees_one_failure_of_two_hundred_targets() {
    let keys = Keys::new();
    keys.make("stranger", &["-t", "ed25519"]);
    let host = Sshd::start(&keys, "MaxStartups 10:30:100\nMaxAuthTries 6");
    let target = Target { auth: key(keys.path("stranger")), ..host.target(&keys) };
    let results = all((0..200).map(|_| target.clone())).await;
    assert_eq!(count(&results, Some(SshErrorKind::Auth)), 200, "{results:?}");
    let results = all((0..200).map(|_| host.target(&keys))).await;
    assert_eq!(count(&results, None), 200, "{results:?}");
    let log = host.log();
    assert_eq!(log.matches("Failed publickey").count(), 1, "{log}");
    assert_eq!(log.matches(&format!("Accepted publickey for {}", login())).count(), 200);
    assert!(!log.contains("penalty") && !log.contains("MaxStartups"), "{log}");
}
