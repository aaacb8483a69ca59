//! A server in this process that does what no sshd does.

use std::sync::Arc;
use std::time::Duration;

use egressctl::ports::{Exec, ExitStatus, Keepalive, Output, SshError, SshErrorKind, Target};
use russh::keys::Algorithm;
use russh::server::{self, Auth, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Sig};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::rig::{Keys, LOCAL, PATIENCE, connect, key, login, pinned, refusal, script};

/// What the server does when asked to run something.
#[derive(Debug, Clone, Copy)]
enum Trick {
    EndWithoutStatus,
    SignalWithEscapes,
    RefuseToRun,
    OpenAChannelToUs,
    SayGoodbye,
    Panic,
    Hang,
}

/// A server; what it is told about a hanging command goes to the sender.
struct Trickster(Trick, mpsc::UnboundedSender<String>);

impl server::Handler for Trickster {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: server::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        line: &[u8],
        it: &mut Session,
    ) -> Result<(), russh::Error> {
        assert_eq!(line, b"exec /bin/sh -s");
        match self.0 {
            Trick::EndWithoutStatus => {
                it.data(id, &b"half"[..])?;
                it.close(id)
            }
            Trick::SignalWithEscapes => {
                it.exit_signal_request(id, Sig::Custom("\x1b[2JX".into()), false, "", "")?;
                it.close(id)
            }
            Trick::RefuseToRun => {
                it.channel_failure(id)?;
                it.close(id)
            }
            Trick::OpenAChannelToUs => it.channel_open_agent().map(drop),
            Trick::SayGoodbye => it.disconnect(russh::Disconnect::ByApplication, "\x1b[31mbye\r\n", ""),
            Trick::Panic => panic!("on purpose"),
            Trick::Hang => Ok(()),
        }
    }

    async fn signal(&mut self, _: ChannelId, signal: Sig, _: &mut Session) -> Result<(), russh::Error> {
        let _ = self.1.send(format!("{signal:?}"));
        Ok(())
    }

    async fn channel_close(&mut self, _: ChannelId, _: &mut Session) -> Result<(), russh::Error> {
        let _ = self.1.send("close".to_owned());
        Ok(())
    }
}

/// Starts a server that plays `trick` once, and gives a target for it.
async fn server(
    keys: &Keys,
    trick: Trick,
    preferred: russh::Preferred,
) -> (Target, mpsc::UnboundedReceiver<String>) {
    let (told, hears) = mpsc::unbounded_channel();
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let host_key = russh::keys::load_secret_key(keys.make("host", &["-t", "ed25519"]), None).unwrap();
    let config = server::Config { keys: vec![host_key], preferred, ..server::Config::default() };
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(running) = server::run_stream(Arc::new(config), stream, Trickster(trick, told)).await {
            let _ = running.await;
        }
    });
    let target = Target {
        address: LOCAL,
        port,
        user: login(),
        auth: key(keys.path("id")),
        host_key: pinned(&keys.public("host")),
        jumps: vec![],
        connect_within: PATIENCE,
        keepalive: Keepalive::default(),
    };
    (target, hears)
}

async fn play(trick: Trick) -> Result<Output, SshError> {
    let keys = Keys::new();
    let session = connect(&server(&keys, trick, russh::Preferred::DEFAULT).await.0).await.unwrap();
    tokio::time::timeout(PATIENCE * 2, session.exec(&script("echo x"))).await.expect("it hangs")
}

#[tokio::test]
async fn a_hanging_command_is_killed_and_its_channel_closed() {
    let keys = Keys::new();
    let (target, mut hears) = server(&keys, Trick::Hang, russh::Preferred::DEFAULT).await;
    let session = connect(&Target { user: "somebody".into(), ..target }).await.unwrap();
    let exec = Exec { wall: Duration::from_millis(300), ..script("sleep 600") };
    assert_eq!(session.exec(&exec).await.unwrap_err().kind, SshErrorKind::Timeout);
    for expected in ["KILL", "close"] {
        let heard = tokio::time::timeout(PATIENCE, hears.recv()).await.expect("it hangs");
        assert_eq!(heard.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn rsa_keys_never_sign_with_sha1() {
    let keys = Keys::new();
    let rsa = keys.make("rsa", &["-t", "rsa", "-b", "2048"]);
    let sha1 = vec![Algorithm::Ed25519, Algorithm::Rsa { hash: None }];
    let preferred = russh::Preferred { key: sha1.into(), ..russh::Preferred::DEFAULT };
    let target = Target { auth: key(rsa), ..server(&keys, Trick::Panic, preferred).await.0 };
    let message = refusal(&target, SshErrorKind::Auth).await;
    assert!(message.contains("SHA-1"), "{message}");
}

#[tokio::test]
async fn every_trick_ends_with_a_typed_answer() {
    let table = [
        (Trick::EndWithoutStatus, SshErrorKind::Protocol, "without an exit status"),
        (Trick::RefuseToRun, SshErrorKind::Protocol, "refuses to run commands"),
        (Trick::OpenAChannelToUs, SshErrorKind::Protocol, "open a channel to us (agent)"),
        (Trick::SayGoodbye, SshErrorKind::Lost, "\"\\u{1b}[31mbye\""),
        (Trick::Panic, SshErrorKind::Lost, "connection lost"),
    ];
    for (trick, kind, part) in table {
        let error = play(trick).await.unwrap_err();
        assert_eq!(error.kind, kind, "{trick:?}: {error}");
        assert!(error.message.contains(part), "{trick:?}: {error}");
    }
    let output = play(Trick::SignalWithEscapes).await.unwrap();
    assert_eq!(output.status, ExitStatus::Signal("\\u{1b}[2JX".into()));
}
