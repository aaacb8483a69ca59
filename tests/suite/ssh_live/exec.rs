//! Running scripts: output, ends, limits, lost connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egressctl::ports::{
    Command, Exec, ExitStatus, Hearing, Keepalive, Session, SshErrorKind, Stdin, Target, Transport as _,
};

use super::rig::{Cable, Keys, PATIENCE, SSHD, Sshd, client, connect, ends, run, script};

#[tokio::test]
async fn output_is_kept_apart_and_ends_are_told() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let got = run(&*session, "echo out; echo err >&2; exit 7").await;
    assert_eq!((&got.stdout[..], &got.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!((got.status, got.truncated), (ExitStatus::Code(7), false));
    assert_eq!(run(&*session, "kill -TERM $$").await.status, ExitStatus::Signal("TERM".into()));
    assert_eq!(run(&*session, "").await.status, ExitStatus::Code(0));
    let got = run(&*session, "printf 'a\\000\\377b'").await;
    assert_eq!(got.stdout, b"a\0\xffb");
    session.close().await;
}

#[tokio::test]
async fn a_script_of_a_megabyte_goes_through_stdin() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let body = "0123456789abcde\n".repeat(64 * 1024);
    let got = run(&*session, &format!("wc -c <<'END'\n{body}END\n")).await;
    assert_eq!(String::from_utf8_lossy(&got.stdout).trim(), body.len().to_string());
    // A command that reads little of it.
    let got = run(&*session, &format!("exit 3\n{body}")).await;
    assert_eq!(got.status, ExitStatus::Code(3));
}

#[tokio::test]
async fn output_over_the_limit_is_dropped_and_a_flood_is_cut_off() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let small = |text: &str| Exec { max_output: 1000, ..script(text) };
    let got = session.exec(&small("head -c 50000 /dev/zero; echo no >&2; exit 4")).await.unwrap();
    assert_eq!((got.stdout.len(), got.truncated, got.status), (1000, true, ExitStatus::Code(4)));
    assert_eq!(got.stderr, b"no\n");
    let got = session.exec(&small("head -c 1000 /dev/zero")).await.unwrap();
    assert_eq!((got.stdout.len(), got.truncated), (1000, false));
    let error = session.exec(&small("yes")).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Protocol, "{error}");
    assert_eq!(run(&*session, "echo still").await.stdout, b"still\n");
}

#[tokio::test]
async fn the_wall_deadline_ends_the_command_there_too() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let note = keys.path("pid");
    let text = format!("echo $$ > {}; sleep 600; echo late", note.display());
    let begun = Instant::now();
    let error = session.exec(&Exec { wall: Duration::from_secs(3), ..script(text) }).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Timeout, "{error}");
    assert!(begun.elapsed() < PATIENCE);
    ends(std::fs::read_to_string(note).unwrap().trim()).await;
    assert_eq!(run(&*session, "echo still").await.stdout, b"still\n");
}

#[tokio::test]
async fn a_known_status_is_told_although_the_output_never_ends() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let text = "(i=0; while [ $i -lt 60 ]; do echo $i; sleep 0.2; i=$((i + 1)); done) & exit 7";
    let output = session.exec(&Exec { wall: Duration::from_secs(3), ..script(text) }).await.unwrap();
    assert_eq!(output.status, ExitStatus::Code(7));
}

#[tokio::test]
async fn who_says_goodbye_ends_what_was_cut_off_first() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let note = keys.path("pid");
    let sleeper = script(format!("echo $$ > {}; exec sleep 600", note.display()));
    let left = tokio::time::timeout(Duration::from_secs(2), session.exec(&sleeper)).await;
    assert!(left.is_err());
    session.close().await;
    ends(std::fs::read_to_string(note).unwrap().trim()).await;
}

/// The sshd of a supervisor, which reads the output of whom it starts and starts others too.
#[tokio::test]
async fn only_what_the_connection_began_is_ended() {
    let keys = Keys::new();
    let sshd = Sshd::start_by(&keys, "", || {
        let mut command = std::process::Command::new("setsid");
        command.args(["sh", "-c", "\"$@\"; exit", "sh", "setpriv", "--pdeathsig", "KILL", SSHD]);
        command
    });
    let mut other = std::process::Command::new("setsid")
        .args(["sleep", "600"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let note = keys.path("pid");
    let text = format!("echo $$ > {}; sleep 600", note.display());
    let error = session.exec(&Exec { wall: Duration::from_secs(2), ..script(text) }).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Timeout, "{error}");
    let others_end = other.try_wait().unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(others_end, None);
    ends(std::fs::read_to_string(note).unwrap().trim()).await;
}

#[tokio::test]
async fn a_caller_who_walks_away_ends_the_command() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let note = keys.path("pid");
    // Written whole under another name, so that what is there can be read.
    let (part, whole) = (keys.path("part"), note.display());
    let exec = script(format!("echo $$ > {0}; mv {0} {whole}; sleep 600", part.display()));
    let started = async {
        while !note.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        ended = session.exec(&exec) => panic!("{ended:?}"),
        () = started => {}
    }
    ends(std::fs::read_to_string(note).unwrap().trim()).await;
}

#[tokio::test]
async fn what_a_script_leaves_in_the_background_does_not_hold_it_up() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let begun = Instant::now();
    let got = run(&*session, "sleep 30 & echo $!").await;
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(got.status, ExitStatus::Code(0));
    let pid = String::from_utf8(got.stdout).unwrap();
    let alive = run(&*session, &format!("kill {pid}")).await;
    assert_eq!(alive.status, ExitStatus::Code(0), "it was left alone");
}

#[tokio::test]
async fn many_scripts_share_a_connection_and_leave_no_channel_behind() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "MaxSessions 5");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    for round in 0..12 {
        let wall = Duration::from_millis(300);
        let late = Exec { wall, ..script("sleep 600") };
        let (a, b, c) = tokio::join!(
            run(&*session, "echo a; sleep 0.05"),
            run(&*session, "cat /proc/self/comm"),
            session.exec(&late),
        );
        assert_eq!((&a.stdout[..], &b.stdout[..]), (&b"a\n"[..], &b"cat\n"[..]), "{round}");
        assert_eq!(c.unwrap_err().kind, SshErrorKind::Timeout, "{round}");
    }
}

#[tokio::test]
async fn what_is_refused_while_a_command_is_being_ended_waits_for_its_end() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "MaxSessions 2");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    for round in 0..5 {
        let sleeper = script("sleep 600");
        let left = tokio::time::timeout(Duration::from_millis(300), session.exec(&sleeper)).await;
        assert!(left.is_err(), "{round}");
        let (a, b) = tokio::join!(run(&*session, "echo a; sleep 0.3"), run(&*session, "echo b; sleep 0.3"));
        assert_eq!((&a.stdout[..], &b.stdout[..]), (&b"a\n"[..], &b"b\n"[..]), "{round}");
    }
}

#[tokio::test]
async fn one_command_after_the_other_needs_one_session() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "MaxSessions 1");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    for round in 0..40 {
        let got = run(&*session, &format!("echo {round}")).await;
        assert_eq!(String::from_utf8(got.stdout).unwrap(), format!("{round}\n"));
    }
}

#[tokio::test]
async fn more_at_once_than_the_host_admits_is_said_so() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "MaxSessions 1");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let long = script("sleep 3");
    let (first, second) = tokio::join!(session.exec(&long), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        session.exec(&script("true")).await
    });
    assert!(first.is_ok());
    let error = second.unwrap_err();
    assert!(error.kind == SshErrorKind::Protocol && error.message.contains("MaxSessions"), "{error}");
}

async fn midway(session: &dyn Session, then: impl FnOnce()) -> egressctl::ports::SshError {
    let exec = script("sleep 30");
    let running = session.exec(&exec);
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => panic!("{ended:?}"),
        () = tokio::time::sleep(Duration::from_millis(500)) => then(),
    }
    tokio::time::timeout(PATIENCE, running).await.expect("it hangs").unwrap_err()
}

#[tokio::test]
async fn a_connection_cut_midway_is_lost_not_failed() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let cable = Cable::to(sshd.port).await;
    let session = client().connect(&Target { port: cable.port, ..sshd.target(&keys) }).await.unwrap();
    let error = midway(&*session, || cable.cut()).await;
    assert_eq!(error.kind, SshErrorKind::Lost, "{error}");
    assert_eq!(session.exec(&script("true")).await.unwrap_err().kind, SshErrorKind::Lost);
}

#[tokio::test]
async fn a_host_gone_silent_midway_is_found_out_by_keepalives() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let cable = Cable::to(sshd.port).await;
    let keepalive = Keepalive { every: Duration::from_millis(200), ..Keepalive::default() };
    let session = connect(&Target { port: cable.port, keepalive, ..sshd.target(&keys) }).await.unwrap();
    let error = midway(&*session, || cable.freeze()).await;
    assert!(error.kind == SshErrorKind::Lost && error.message.contains("keepalives"), "{error}");
    session.close().await;
}

fn argv(words: &[&str]) -> Exec {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Exec::new(Command::Argv(words), PATIENCE, 64 * 1024)
}

#[tokio::test]
async fn words_arrive_as_they_are_and_input_is_the_commands() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let words = ["", " ", "$HOME", "a'b", "\"", "\\", "*", "-n", "a\nb", "ä", "!x", "~"];
    let got = session.exec(&argv(&[&["printf", "%s|"], &words[..]].concat())).await.unwrap();
    assert_eq!(String::from_utf8(got.stdout).unwrap(), words.map(|word| word.to_owned() + "|").concat());
    let got = session.exec(&argv(&["cat"])).await.unwrap();
    assert_eq!((got.stdout.len(), got.status), (0, ExitStatus::Code(0)));
    let fed = Exec { stdin: Stdin::Bytes(b"a\0b"[..].into()), ..argv(&["cat"]) };
    assert_eq!(session.exec(&fed).await.unwrap().stdout, b"a\0b");
    let missing = session.exec(&argv(&["no-such-command"])).await.unwrap();
    assert_eq!(missing.status, ExitStatus::Code(127));
}

#[tokio::test]
async fn one_file_feeds_many_commands_at_once() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let path = keys.path("input");
    std::fs::write(&path, &bytes).unwrap();
    let file = Arc::new(std::fs::File::open(&path).unwrap());
    let fed = || Exec { stdin: Stdin::File(Arc::clone(&file)), ..argv(&["sha256sum"]) };
    let (one, two) = (fed(), fed());
    let (one, two) = tokio::join!(session.exec(&one), session.exec(&two));
    let local = std::process::Command::new("sha256sum").stdin(std::fs::File::open(&path).unwrap()).output();
    let local = local.unwrap().stdout;
    assert_eq!((one.unwrap().stdout, two.unwrap().stdout), (local.clone(), local));
    // Much more than a window, and nobody reads it.
    let unread = Exec { stdin: Stdin::File(Arc::clone(&file)), ..argv(&["true"]) };
    assert_eq!(session.exec(&unread).await.unwrap().status, ExitStatus::Code(0));
    let folder = Exec { stdin: Stdin::File(Arc::new(std::fs::File::open("/").unwrap())), ..argv(&["cat"]) };
    assert_eq!(session.exec(&folder).await.unwrap_err().kind, SshErrorKind::Local);
}

#[tokio::test]
async fn silence_is_limited_and_talking_is_not_silence() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let quiet = |text: &str| Exec { idle: Some(Duration::from_secs(3)), ..script(text) };
    let got = session.exec(&quiet("for n in 1 2 3 4 5 6 7 8; do echo $n; sleep 0.5; done")).await.unwrap();
    assert_eq!(got.status, ExitStatus::Code(0));
    let note = keys.path("pid");
    let error = session.exec(&quiet(&format!("echo $$ > {}; sleep 600", note.display()))).await.unwrap_err();
    assert!(error.kind == SshErrorKind::Timeout && error.message.contains("silent for 3 s"), "{error}");
    ends(std::fs::read_to_string(note).unwrap().trim()).await;
}

#[tokio::test]
async fn a_wish_to_end_it_ends_everything_it_began() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    let session = connect(&sshd.target(&keys)).await.unwrap();
    let note = keys.path("pids");
    let (wish, wished) = tokio::sync::watch::channel(false);
    let text = format!(
        "exec 9>{}; sleep 600 & echo $$ $! >&9; sh -c 'echo $$ >&9; echo ready; sleep 601'; echo late",
        note.display()
    );
    let hearing = Hearing::new(move |_, piece| {
        if piece.starts_with(b"ready") {
            wish.send(true).unwrap();
        }
    });
    let exec = Exec { cancel: Some(wished), hearing: Some(hearing), ..script(text) };
    let error = session.exec(&exec).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Cancelled, "{error}");
    for pid in std::fs::read_to_string(note).unwrap().split_whitespace() {
        ends(pid).await;
    }
    assert_eq!(run(&*session, "echo still").await.stdout, b"still\n");
}
