//! A server in this process that does what no sshd does.

use std::sync::Arc;
use std::time::Duration;

use egressctl::ports::{Exec, ExitStatus, Keepalive, Output, SshError, SshErrorKind, Target};
use russh::keys::Algorithm;
use russh::server::{self, Auth, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Sig};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::agent::Agent;
use super::rig::{Keys, LOCAL, PATIENCE, connect, key, login, pinned, refusal, script};

/// What the server does when asked to run something.
#[derive(Debug, Clone, Copy)]
enum Trick {
    NeverDecide,
    /// Opens a channel after this time only.
    OpenLate(Duration),
    EndWithoutStatus,
    SignalWithEscapes,
    RefuseToRun,
    OpenChannelsToUs(&'static str),
    SayGoodbye,
    Panic,
    Hang,
    /// Says this without end, to both streams.
    Flood(&'static str),
}

/// A server; what it is told about a hanging command goes to the sender.
struct Trickster(Trick, mpsc::UnboundedSender<String>);

impl server::Handler for Trickster {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        match self.0 {
            Trick::NeverDecide => std::future::pending().await,
            _ => Ok(Auth::Accept),
        }
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: server::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        let Trick::OpenLate(after) = self.0 else {
            reply.accept().await;
            return Ok(());
        };
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            reply.accept().await;
        });
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
            Trick::NeverDecide | Trick::OpenLate(_) => Ok(()),
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
            Trick::OpenChannelsToUs(kind) => match kind {
                "agent" => it.channel_open_agent(),
                "session" => it.channel_open_session(),
                "x11" => it.channel_open_x11("127.0.0.1", 6000),
                "direct-tcpip" => it.channel_open_direct_tcpip("127.0.0.1", 22, "127.0.0.1", 1),
                "direct-streamlocal" => it.channel_open_direct_streamlocal("/run/x"),
                "forwarded-tcpip" => it.channel_open_forwarded_tcpip("127.0.0.1", 22, "127.0.0.1", 1),
                _ => it.channel_open_forwarded_streamlocal("/run/x"),
            }
            .map(drop),
            Trick::SayGoodbye => it.disconnect(russh::Disconnect::ByApplication, "\x1b[31mbye\r\n", ""),
            Trick::Panic => panic!("on purpose"),
            Trick::Hang => Ok(()),
            Trick::Flood(words) => {
                let (handle, told) = (it.handle(), self.1.clone());
                let part = bytes(words);
                tokio::spawn(async move {
                    while handle.data(id, part.clone()).await.is_ok()
                        && handle.extended_data(id, 1, part.clone()).await.is_ok()
                    {
                        let _ = told.send(String::new());
                    }
                });
                Ok(())
            }
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

/// A good part of these words, in one message.
fn bytes(words: &str) -> Vec<u8> {
    words.repeat(16 * 1024 / words.len()).into_bytes()
}

/// Starts a server that plays `trick` once, and gives a target for it.
async fn server(
    keys: &Keys,
    trick: Trick,
    config: server::Config,
) -> (Target, mpsc::UnboundedReceiver<String>) {
    let (told, hears) = mpsc::unbounded_channel();
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let host_key = russh::keys::load_secret_key(keys.make("host", &["-t", "ed25519"]), None).unwrap();
    let config = server::Config { keys: vec![host_key], ..config };
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
        algorithms: Default::default(),
    };
    (target, hears)
}

async fn play(trick: Trick) -> Result<Output, SshError> {
    let keys = Keys::new();
    let session = connect(&server(&keys, trick, server::Config::default()).await.0).await.unwrap();
    tokio::time::timeout(PATIENCE * 2, session.exec(&script("echo x"))).await.expect("it hangs")
}

#[tokio::test]
async fn a_hanging_command_is_killed_and_its_channel_closed() {
    let keys = Keys::new();
    let (target, mut hears) = server(&keys, Trick::Hang, server::Config::default()).await;
    let session = connect(&Target { user: "somebody".into(), ..target }).await.unwrap();
    let exec = Exec { wall: Duration::from_millis(300), ..script("sleep 600") };
    assert_eq!(session.exec(&exec).await.unwrap_err().kind, SshErrorKind::Timeout);
    for expected in ["KILL", "close"] {
        let heard = tokio::time::timeout(PATIENCE, hears.recv()).await.expect("it hangs");
        assert_eq!(heard.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_channel_that_opens_late_is_closed_and_nothing_is_begun_on_it() {
    let keys = Keys::new();
    let late = Trick::OpenLate(Duration::from_secs(1));
    let (target, mut hears) = server(&keys, late, server::Config::default()).await;
    let session = connect(&target).await.unwrap();
    let exec = Exec { wall: Duration::from_millis(100), ..script("echo x") };
    let error = session.exec(&exec).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Timeout, "{error}");
    assert!(error.message.contains("was not begun"), "{error}");
    let heard = tokio::time::timeout(PATIENCE, hears.recv()).await.expect("it hangs");
    assert_eq!(heard.as_deref(), Some("close"));
}

#[tokio::test]
async fn a_wish_to_stop_is_heard_while_a_channel_is_being_opened() {
    let keys = Keys::new();
    let never = Trick::OpenLate(PATIENCE * 10);
    let session = connect(&server(&keys, never, server::Config::default()).await.0).await.unwrap();
    let (wish, wished) = tokio::sync::watch::channel(false);
    let exec = Exec { cancel: Some(wished), ..script("echo x") };
    let running = session.exec(&exec);
    let wishing = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        wish.send_replace(true);
    };
    let both = async { tokio::join!(running, wishing).0 };
    let error = tokio::time::timeout(PATIENCE, both).await.expect("it is not heard").unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Cancelled, "{error}");
}

/// The time of the login stands still while a person touches a key, not while the host thinks.
#[tokio::test]
async fn a_host_that_never_decides_on_an_agents_key_is_left() {
    let keys = Keys::new();
    let agent = Agent::with(&keys, &["id"]);
    let (target, _hears) = server(&keys, Trick::NeverDecide, server::Config::default()).await;
    let begun = std::time::Instant::now();
    let within = Duration::from_secs(2);
    refusal(
        &Target { auth: vec![agent.method(None)], connect_within: within, ..target },
        SshErrorKind::Unreachable,
    )
    .await;
    assert!(begun.elapsed() < 5 * within, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn rsa_keys_never_sign_with_sha1() {
    let keys = Keys::new();
    let rsa = keys.make("rsa", &["-t", "rsa", "-b", "2048"]);
    let sha1 = vec![Algorithm::Ed25519, Algorithm::Rsa { hash: None }];
    let preferred = russh::Preferred { key: sha1.into(), ..russh::Preferred::DEFAULT };
    let config = server::Config { preferred, ..server::Config::default() };
    let target = Target { auth: key(rsa), ..server(&keys, Trick::Panic, config).await.0 };
    let message = refusal(&target, SshErrorKind::Auth).await;
    assert!(message.contains("SHA-1"), "{message}");
}

#[tokio::test]
async fn every_trick_ends_with_a_typed_answer() {
    let table = [
        (Trick::EndWithoutStatus, SshErrorKind::Protocol, "without an exit status"),
        (Trick::RefuseToRun, SshErrorKind::Protocol, "refuses to run commands"),
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

#[tokio::test]
async fn no_channel_is_opened_to_us() {
    let kinds = [
        "agent",
        "session",
        "x11",
        "direct-tcpip",
        "direct-streamlocal",
        "forwarded-tcpip",
        "forwarded-streamlocal",
    ];
    for kind in kinds {
        let error = play(Trick::OpenChannelsToUs(kind)).await.unwrap_err();
        assert_eq!(error.kind, SshErrorKind::Protocol, "{error}");
        assert!(error.message.contains(&format!("open a channel to us ({kind})")), "{error}");
    }
}

#[tokio::test]
async fn a_flood_is_cut_off_after_a_bounded_number_of_bytes() {
    for words in ["4 GiB of this", "\x1b[2J\x1b]0;x\x07", "\n"] {
        let keys = Keys::new();
        let (target, mut hears) = server(&keys, Trick::Flood(words), server::Config::default()).await;
        let session = connect(&Target { user: "somebody".into(), ..target }).await.unwrap();
        let exec = Exec { max_output: 10_000, ..script("echo x") };
        let error = tokio::time::timeout(PATIENCE, session.exec(&exec)).await.expect("it hangs").unwrap_err();
        assert_eq!(error.kind, SshErrorKind::Protocol, "{error}");
        assert!(error.message.contains("64 times its limit") && !error.message.contains('\x1b'), "{error}");
        session.close().await;
        session_is_gone(&mut hears).await;
    }
}

/// Waits until a flooding server can say no more; it must not have said much more than was listened to.
async fn session_is_gone(hears: &mut mpsc::UnboundedReceiver<String>) {
    let mut rounds = 0;
    let counting = async {
        while let Some(word) = hears.recv().await {
            rounds += usize::from(word.is_empty());
        }
    };
    tokio::time::timeout(PATIENCE, counting).await.expect("the server goes on");
    // What was taken, and russh's window for a channel, in messages of twice 16 KiB.
    let most = (64 * 10_000 + 2 * 2 * 1024 * 1024) / (32 * 1024) + 16;
    assert!(rounds <= most, "{rounds} rounds, of at most {most}");
}

#[tokio::test]
async fn a_host_that_takes_no_data_is_left() {
    for (window_size, maximum_packet_size) in
        [(0, 32 * 1024), (1024, 32 * 1024), (1024 * 1024, 0), (1024 * 1024, 1)]
    {
        let keys = Keys::new();
        let config = server::Config { window_size, maximum_packet_size, ..server::Config::default() };
        let (target, _hears) = server(&keys, Trick::Hang, config).await;
        let begun = std::time::Instant::now();
        let wall = Duration::from_secs(2);
        let visit = async {
            let session =
                connect(&Target { user: "somebody".into(), connect_within: wall, ..target }).await?;
            session.exec(&Exec { wall, ..script("x".repeat(1 << 20)) }).await
        };
        let error = tokio::time::timeout(PATIENCE, visit).await.expect("it hangs").unwrap_err();
        let kinds = [SshErrorKind::Timeout, SshErrorKind::Protocol, SshErrorKind::Lost];
        assert!(kinds.contains(&error.kind), "{window_size}, {maximum_packet_size}: {error}");
        assert!(begun.elapsed() < PATIENCE, "{error}");
    }
}
