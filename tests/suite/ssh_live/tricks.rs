//! Hosts and agents that play tricks with logins: questions without end, questions meant for somebody else, answers that are
//! none.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use egressctl::ports::{AuthMethod, Hop, Jump, Keepalive, Question, SshErrorKind, Target, Transport as _};
use russh::MethodKind;
use russh::keys::Algorithm;
use russh::server::{self, Auth, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

use super::rig::{Keys, LOCAL, PATIENCE, Person, client_of, pinned};

/// How a host asks.
#[derive(Debug, Clone, Copy)]
enum Asks {
    /// For a password, and then for a code.
    TwoThings,
    /// This, on and on.
    OnAndOn(&'static str),
    /// Many things at once.
    Much,
    /// Nothing, again and again.
    Nothing,
    /// For a password, and is never content.
    NeverContent,
}

/// A host that asks; what it is told goes to the list.
#[derive(Clone)]
struct Asking {
    asks: Asks,
    heard: Arc<Mutex<Vec<String>>>,
    round: usize,
}

fn ask(instructions: &str, prompts: &[(&str, bool)]) -> Auth {
    let prompts: Vec<_> = prompts.iter().map(|(text, echo)| (text.to_string().into(), *echo)).collect();
    Auth::Partial { name: "".into(), instructions: instructions.to_owned().into(), prompts: prompts.into() }
}

impl server::Handler for Asking {
    type Error = russh::Error;

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let answers: Vec<_> = response
            .into_iter()
            .flatten()
            .map(|answer| String::from_utf8_lossy(&answer).into_owned())
            .collect();
        self.heard.lock().unwrap().extend(answers.iter().cloned());
        self.round += 1;
        Ok(match (self.asks, self.round) {
            (Asks::TwoThings, 1) => ask("", &[("Password: ", false)]),
            (Asks::TwoThings, 2) => ask("\x1b[2Jfrom your\nphone", &[("Code: ", true)]),
            (Asks::TwoThings, _) if answers == ["42"] => Auth::Accept,
            (Asks::OnAndOn(text), _) => ask("", &[(text, true)]),
            (Asks::Much, _) => ask("", &[("Again: ", false); 200]),
            (Asks::Nothing, _) => ask("", &[]),
            (Asks::NeverContent, round) if round % 2 == 1 => ask("", &[("Password: ", false)]),
            _ => Auth::reject(),
        })
    }
}

/// Starts a host that asks, and gives a target that logs in by answers.
async fn host(keys: &Keys, asks: Asks) -> (Target, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::default());
    let asking = Asking { asks, heard: Arc::clone(&heard), round: 0 };
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    if !keys.path("host").exists() {
        keys.make("host", &["-t", "ed25519"]);
    }
    let host_key = russh::keys::load_secret_key(keys.path("host"), None).unwrap();
    assert_eq!(host_key.algorithm(), Algorithm::Ed25519);
    let config = Arc::new(server::Config {
        keys: vec![host_key],
        methods: (&[MethodKind::KeyboardInteractive][..]).into(),
        auth_rejection_time: Duration::from_millis(1),
        max_auth_attempts: 100,
        ..server::Config::default()
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(running) = server::run_stream(Arc::clone(&config), stream, asking.clone()).await {
                tokio::spawn(running);
            }
        }
    });
    let target = Target {
        address: LOCAL,
        port,
        user: "root".to_owned(),
        auth: vec![AuthMethod::KeyboardInteractive],
        host_key: pinned(&keys.public("host")),
        jumps: vec![],
        connect_within: PATIENCE,
        keepalive: Keepalive::default(),
        algorithms: Default::default(),
    };
    (target, heard)
}

async fn refusal(person: &Arc<Person>, target: &Target, kind: SshErrorKind) -> String {
    let connecting = client_of(person);
    let result = tokio::time::timeout(PATIENCE * 2, connecting.connect(target)).await.expect("it hangs");
    let Err(error) = result else { panic!("connected") };
    assert_eq!(error.kind, kind, "{error}");
    assert!(!error.message.contains(['\x1b', '\n']), "{error}");
    error.message
}

#[tokio::test]
async fn a_host_of_the_fleet_hears_the_password_once_and_nobody_sees_its_words() {
    let table = [
        (Asks::TwoThings, "more than a password", 1),
        (Asks::OnAndOn("Passphrase of /root/.ssh/id: "), "more than a password", 0),
        (Asks::Much, "one question after the other", 0),
        (Asks::Nothing, "one question after the other", 0),
        (Asks::NeverContent, "not tried again", 1),
    ];
    for (asks, part, given) in table {
        let keys = Keys::new();
        let (target, heard) = host(&keys, asks).await;
        let person = Person::new(|_| Some("fleet password"));
        let message = refusal(&person, &target, SshErrorKind::Auth).await;
        assert!(message.contains(part), "{asks:?}: {message}");
        assert_eq!(*heard.lock().unwrap(), vec!["fleet password"; given], "{asks:?}");
        let password = Question::Password { user: "root".to_owned(), jump: None };
        assert_eq!(person.asked(), vec![password; given], "{asks:?}");
    }
}

#[tokio::test]
async fn a_jump_host_may_ask_for_more_and_is_named_when_it_does() {
    let keys = Keys::new();
    let (target, heard) = host(&keys, Asks::TwoThings).await;
    let Target { port, auth, host_key, .. } = target.clone();
    let jump = Jump {
        host: "127.0.0.1".to_owned(),
        port,
        user: "root".to_owned(),
        auth,
        host_key,
        algorithms: Default::default(),
    };
    let target = Target { jumps: vec![Hop::from(jump)], ..target };
    let person = Person::new(|question| match question {
        Question::Prompt { echo: true, text, .. } if text == "\\u{1b}[2Jfrom your phone Code:" => Some("42"),
        Question::Prompt { echo: false, text, .. } if text == "Password:" => Some("jump password"),
        _ => None,
    });
    // The server forwards nothing; what counts is how far it comes.
    let message = refusal(&person, &target, SshErrorKind::Unreachable).await;
    assert!(message.contains("the jump host"), "{message}");
    assert_eq!(*heard.lock().unwrap(), ["jump password", "42"]);
    let jumps: Vec<_> = person
        .asked()
        .into_iter()
        .map(|question| match question {
            Question::Prompt { jump, .. } => jump,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(jumps, vec![format!("127.0.0.1:{port}"); 2]);
}

#[tokio::test]
async fn an_agent_that_answers_rubbish_is_our_trouble_and_not_waited_for() {
    let table: [(&'static [u8], &str); 5] = [
        (b"\xff\xff\xff\xff", "cannot be read"),
        (b"\x00\x00\x00\x05\x0c\xff\xff\xff\xff", "cannot be read"),
        (b"\x00\x00\x00\x0d\x0c\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00", "cannot be read"),
        (b"\x00\x00\x00\x01\x05", "does not hold the key"),
        (b"\x00\x00", "does not say within 5s"),
    ];
    for (words, part) in table {
        let keys = Keys::new();
        let socket: PathBuf = keys.path("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 64]).await;
                let _ = stream.write_all(words).await;
                open.push(stream);
            }
        });
        let (target, _) = host(&keys, Asks::Nothing).await;
        let target = Target { auth: vec![AuthMethod::Agent { socket, key: None }], ..target };
        let begun = Instant::now();
        let message = refusal(&Person::new(|_| None), &target, SshErrorKind::Local).await;
        assert!(message.contains(part), "{part}: {message}");
        assert!(begun.elapsed() < PATIENCE);
    }
}
