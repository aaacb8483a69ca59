//! Connections that end in every way they can.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{self, Auth, VerifiedPublicKey};
use tokio::io::{DuplexStream, ReadBuf, duplex};

use super::*;
use crate::core::model::Secret;
use crate::core::ssh_config::Algorithms;
use crate::ports::{Asker, AuthMethod, Question, Unanswered};
use crate::ssh::auth::Custody;
use crate::ssh::known_hosts::KeyBlob;

/// A stream in which reading panics once it is armed, as a bug in the library would.
struct Bomb {
    stream: DuplexStream,
    armed: Arc<AtomicBool>,
}

impl AsyncRead for Bomb {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        assert!(result.is_pending() || !self.armed.load(Ordering::SeqCst), "on purpose");
        result
    }
}

impl AsyncWrite for Bomb {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

struct Welcoming;

impl server::Handler for Welcoming {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }
}

fn key() -> PrivateKey {
    Ed25519Keypair::from_seed(&[7; 32]).into()
}

struct Nobody;

#[async_trait::async_trait]
impl Asker for Nobody {
    async fn secret(&self, _: &Question) -> Result<Secret<String>, Unanswered> {
        panic!("a key without a passphrase asks nothing");
    }
}

async fn open(stream: Bomb) -> Result<Link, Setback> {
    let public = key().public_key().to_openssh().unwrap();
    let (algorithm, base64) = public.split_once(' ').unwrap();
    let trust = Trust::Pinned(vec![KeyBlob::parse(algorithm, base64).unwrap()]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("id");
    key().write_openssh_file(&file, russh::keys::ssh_key::LineEnding::LF).unwrap();
    let custody = Custody::new(Arc::new(Nobody));
    let who = Arc::new(custody.prepare("root", None, &[AuthMethod::Key { file }]).await.unwrap());
    let patience = Arc::new(Patience::new(Duration::from_secs(20)));
    let (keepalive, algorithms) = (Keepalive::default(), Algorithms::default());
    let login = Login { who: &who, trust: &trust, patience: &patience, keepalive, algorithms: &algorithms };
    Link::open("the host".to_owned(), stream, &login, &Settings::default()).await
}

fn host() -> (Bomb, Arc<AtomicBool>) {
    let (stream, far) = duplex(1 << 16);
    let config = server::Config { keys: vec![key()], ..server::Config::default() };
    tokio::spawn(async move {
        if let Ok(running) = server::run_stream(Arc::new(config), far, Welcoming).await {
            let _ = running.await;
        }
    });
    let armed = Arc::new(AtomicBool::new(false));
    (Bomb { stream, armed: Arc::clone(&armed) }, armed)
}

#[tokio::test]
async fn a_panic_during_the_handshake_is_an_error() {
    let (stream, armed) = host();
    armed.store(true, Ordering::SeqCst);
    let error = open(stream).await.err().unwrap().error;
    assert!(error.kind == SshErrorKind::Protocol && error.message.contains("panicked"), "{error}");
}

#[tokio::test]
async fn a_panic_afterwards_is_an_error_too() {
    let (stream, armed) = host();
    let link = open(stream).await.unwrap();
    armed.store(true, Ordering::SeqCst);
    assert!(link.handle.channel_open_session().await.is_err());
    let error = link.lost("a test ran");
    assert!(error.kind == SshErrorKind::Protocol && error.message.contains("panicked"), "{error}");
    assert!(link.is_dead());
    link.close().await;
}

#[tokio::test]
async fn a_goodbye_is_written_before_the_link_is_dropped() {
    let (stream, _) = host();
    let link = open(stream).await.unwrap();
    link.close().await;
    assert!(link.is_dead());
}
