//! What a session is: streams, status, signals, limits, and its end.

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt;

use super::*;

#[tokio::test]
async fn output_errors_and_status_are_kept_apart_and_end_in_order() {
    let lab = Lab::start().await;
    let seen = run(&lab.login().await, "printf out; printf err >&2; exit 7").await;
    assert_eq!((&*seen.stdout, &*seen.stderr, seen.status), (&b"out"[..], &b"err"[..], Some(7)));
    assert_eq!((seen.accepted, &*seen.marks), (Some(true), &["exit", "eof", "close"][..]));
}

#[tokio::test]
async fn the_environment_is_sshds() {
    let lab = Lab::start().await;
    let client = lab.login().await;
    let seen = run(&client, "env; pwd -P").await;
    let home = if std::path::Path::new("/root/.").is_dir() { "/root" } else { "/" };
    for line in [
        &format!("HOME={home}"),
        "USER=root",
        "LOGNAME=root",
        "SHELL=/bin/sh",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        home,
    ] {
        assert!(seen.text().lines().any(|printed| printed == line), "{line} is not in {}", seen.text());
    }
    let port = lab.address.port();
    let connection =
        seen.text().lines().find_map(|line| line.strip_prefix("SSH_CONNECTION=127.0.0.1 ")).unwrap();
    assert!(connection.ends_with(&format!(" 127.0.0.1 {port}")), "{connection}");
    assert!(!seen.text().contains("CARGO"), "the server's own environment leaks: {}", seen.text());
}

#[tokio::test]
async fn five_megabytes_go_through_cat_and_come_back_equal() {
    let lab = Lab::start().await;
    let client = lab.login().await;
    let sent: Vec<u8> = (0..5_000_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let mut channel = begin(&client, "cat").await;
    let mut input = channel.make_writer();
    let data = sent.clone();
    let writer = tokio::spawn(async move {
        input.write_all(&data).await.unwrap();
        input.shutdown().await.unwrap();
    });
    let seen = Seen::all(&mut channel).await;
    writer.await.unwrap();
    assert_eq!(seen.status, Some(0));
    assert!(seen.stdout == sent, "{} bytes came back", seen.stdout.len());
}

#[tokio::test]
async fn a_command_waits_for_a_client_that_does_not_read() {
    let lab = Lab::start().await;
    let client = lab.login().await;
    let mark = lab.file("written");
    let command = format!("head -c 50000000 /dev/zero; touch {}", mark.display());
    let mut channel = begin(&client, &command).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!mark.exists(), "50 MB have been buffered for nobody");
    let seen = Seen::all(&mut channel).await;
    assert_eq!((seen.stdout.len(), seen.status), (50_000_000, Some(0)));
    assert!(mark.exists());
}

#[tokio::test]
async fn a_command_that_does_not_read_its_input_still_ends() {
    let lab = Lab::start().await;
    let client = lab.login().await;
    let mut channel = begin(&client, "exit 3").await;
    // Whether all of it is taken depends on who is faster.
    let _ = channel.data(&vec![0u8; 300_000][..]).await;
    assert_eq!(Seen::all(&mut channel).await.status, Some(3));
}

#[tokio::test]
async fn death_by_signal_is_told_as_such() {
    let lab = Lab::start().await;
    let client = lab.login().await;
    let seen = run(&client, "kill -TERM $$").await;
    assert!(matches!(seen.signal, Some(Sig::TERM)) && seen.status.is_none(), "{seen:?}");
    assert_eq!(seen.marks, ["exit", "eof", "close"]);

    let mut channel = begin(&client, "echo up; exec sleep 1000").await;
    Seen::until(&mut channel, "up").await;
    channel.signal(Sig::INT).await.unwrap();
    let seen = Seen::all(&mut channel).await;
    assert!(matches!(seen.signal, Some(Sig::INT)), "{seen:?}");
}

const FAMILY: &str = "sleep 1000 & echo $$ $!; echo up; wait";

async fn family(client: &Handle<Checker>) -> (Channel<Msg>, String, String) {
    let mut channel = begin(client, FAMILY).await;
    let seen = Seen::until(&mut channel, "up").await;
    let (leader, child) = seen.text().lines().next().unwrap().split_once(' ').unwrap();
    assert!(lives(leader) && lives(child));
    (channel, leader.to_owned(), child.to_owned())
}

#[tokio::test]
async fn the_process_group_dies_with_its_channel_or_connection_or_server() {
    let lab = Lab::start().await;
    let client = lab.login().await;
    let (first, leader, child) = family(&client).await;
    let (_second, other_leader, other_child) = family(&client).await;
    first.close().await.unwrap();
    dies(&leader).await;
    dies(&child).await;
    assert!(lives(&other_leader) && lives(&other_child), "another session of the connection was killed");

    client.disconnect(russh::Disconnect::ByApplication, "", "").await.unwrap();
    dies(&other_leader).await;
    dies(&other_child).await;

    let client = lab.login().await;
    let (_channel, leader, child) = family(&client).await;
    lab.server.abort();
    dies(&leader).await;
    dies(&child).await;
}

#[tokio::test]
async fn what_a_finished_command_left_in_the_background_lives_on() {
    let lab = Lab::start().await;
    let client = lab.login().await;
    let seen = run(&client, "sleep 1000 </dev/null >/dev/null 2>&1 & echo $!").await;
    let pid = seen.text().trim().to_owned();
    assert_eq!(seen.status, Some(0));
    drop(client);
    run(&lab.login().await, "true").await;
    let alive = lives(&pid);
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    assert!(alive);
}

#[tokio::test]
async fn ten_sessions_work_at_once_and_the_eleventh_is_refused() {
    let lab = Lab::start().await;
    let client = lab.login().await;
    let mut channels = Vec::new();
    for _ in 0..10 {
        channels.push(begin(&client, "echo up; cat").await);
    }
    for channel in &mut channels {
        Seen::until(channel, "up").await;
    }
    let refused = client.channel_open_session().await.unwrap_err();
    assert!(
        matches!(refused, russh::Error::ChannelOpenFailure(russh::ChannelOpenFailure::ConnectFailed)),
        "{refused:?}"
    );
    for (n, mut channel) in channels.into_iter().enumerate() {
        channel.data_bytes(format!("{n}")).await.unwrap();
        channel.eof().await.unwrap();
        assert_eq!(Seen::all(&mut channel).await.text(), n.to_string());
    }
    assert_eq!(run(&client, "echo again").await.text(), "again\n");
}

#[tokio::test]
async fn what_is_not_offered_is_refused_and_the_session_goes_on() {
    let lab = Lab::start().await;
    let client = lab.login().await;
    let mut channel = client.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    expect_failure(&mut channel, "pty").await;
    channel.set_env(true, "LD_PRELOAD", "/tmp/x.so").await.unwrap();
    expect_failure(&mut channel, "env").await;
    channel.request_x11(true, false, "MIT-MAGIC-COOKIE-1", "00", 0).await.unwrap();
    expect_failure(&mut channel, "x11").await;
    channel.agent_forward(true).await.unwrap();
    expect_failure(&mut channel, "agent").await;
    channel.request_subsystem(true, "sftp").await.unwrap();
    expect_failure(&mut channel, "subsystem").await;
    client.tcpip_forward("127.0.0.1", 0).await.unwrap_err();

    channel.exec(true, "echo \"[$LD_PRELOAD]\"").await.unwrap();
    assert_eq!(Seen::all(&mut channel).await.text(), "[]\n");
}

async fn expect_failure(channel: &mut Channel<Msg>, what: &str) {
    let answer = tokio::time::timeout(DEADLINE, channel.wait()).await.unwrap();
    assert!(matches!(answer, Some(ChannelMsg::Failure)), "{what}: {answer:?}");
}

#[tokio::test]
async fn a_second_command_in_a_session_is_refused() {
    let lab = Lab::start().await;
    let client = lab.login().await;
    let mut channel = begin(&client, "echo up; cat").await;
    Seen::until(&mut channel, "up").await;
    channel.exec(true, "echo second").await.unwrap();
    expect_failure(&mut channel, "exec").await;
    channel.eof().await.unwrap();
    assert_eq!(Seen::all(&mut channel).await.text(), "");
}

#[tokio::test]
async fn a_shell_takes_its_commands_from_the_input() {
    let lab = Lab::start().await;
    let client = lab.login().await;
    let mut channel = client.channel_open_session().await.unwrap();
    channel.request_shell(true).await.unwrap();
    channel.data(&b"echo one\nexit 4\n"[..]).await.unwrap();
    let seen = Seen::all(&mut channel).await;
    assert_eq!((seen.text(), seen.status), ("one\n", Some(4)));
}
