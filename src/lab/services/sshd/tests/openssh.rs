//! OpenSSH's client must be content with this server. `/usr/bin/ssh` (package openssh-client) is required for the tests.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::*;

const SSH: &str = "/usr/bin/ssh";

/// `ssh` with nothing of the machine's or the user's configuration.
fn ssh(lab: &Lab, user: u8) -> Command {
    assert!(std::path::Path::new(SSH).exists(), "{SSH} is missing: install openssh-client to run the tests");
    let (identity, known_hosts) = (lab.file("identity"), lab.file("known_hosts"));
    std::fs::write(&identity, &*key(user).to_openssh(LineEnding::LF).unwrap()).unwrap();
    std::fs::set_permissions(&identity, PermissionsExt::from_mode(0o600)).unwrap();
    let host = key(HOST).public_key().to_openssh().unwrap();
    let port = lab.address.port();
    std::fs::write(&known_hosts, format!("[127.0.0.1]:{port} {host}\n")).unwrap();
    let mut ssh = Command::new(SSH);
    ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"])
        .args(["-o", "GlobalKnownHostsFile=none", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known_hosts.display()))
        .arg("-i")
        .arg(identity)
        .args(["-p", &port.to_string(), "root@127.0.0.1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    ssh
}

async fn outcome(mut command: Command, input: &[u8]) -> (Option<i32>, Vec<u8>, String) {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = tokio::spawn(async move { stdin.write_all(&input).await });
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
    // A command that does not read closes its input early.
    let _ = writer.await.unwrap();
    (output.status.code(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn streams_and_status_arrive_and_strict_key_exchange_is_agreed() {
    let lab = Lab::start().await;
    let mut command = ssh(&lab, USER);
    command.args(["-vvv", "cat; echo err >&2; exit 5"]);
    let sent: Vec<u8> = (0..1_000_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let (status, stdout, stderr) = outcome(command, &sent).await;
    assert_eq!(status, Some(5), "{stderr}");
    assert!(stdout == sent, "{} bytes came back", stdout.len());
    assert!(stderr.lines().any(|line| line == "err"), "{stderr}");
    assert!(stderr.contains("will use strict KEX ordering"), "{stderr}");
}

#[tokio::test]
async fn keys_are_exchanged_again_in_the_middle_of_a_stream() {
    let lab = Lab::start().await;
    let mut command = ssh(&lab, USER);
    command.args(["-o", "RekeyLimit=256K", "cat"]);
    let sent = vec![b'x'; 3_000_000];
    let (status, stdout, stderr) = outcome(command, &sent).await;
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout == sent, "{} bytes came back", stdout.len());
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let lab = Lab::start().await;
    let mut command = ssh(&lab, STRANGER);
    command.arg("true");
    let (status, _, stderr) = outcome(command, b"").await;
    assert_eq!(status, Some(255), "{stderr}");
    assert!(stderr.contains("Permission denied (publickey)"), "{stderr}");
}

#[tokio::test]
async fn a_terminal_is_refused_cleanly_and_a_shell_without_one_reads_its_input() {
    let lab = Lab::start().await;
    let mut command = ssh(&lab, USER);
    command.arg("-tt");
    let (status, _, stderr) = outcome(command, b"").await;
    assert_eq!(status, Some(255), "{stderr}");
    assert!(stderr.contains("PTY allocation request failed on channel 0"), "{stderr}");

    let mut command = ssh(&lab, USER);
    command.arg("-T");
    let (status, stdout, stderr) = outcome(command, b"echo one\nexit 6\n").await;
    assert_eq!((status, &*stdout), (Some(6), &b"one\n"[..]), "{stderr}");
}

#[tokio::test]
async fn the_client_can_use_the_host_as_a_way_to_another() {
    let (bastion, host) = (Lab::start().await, Lab::start().await);
    let mut command = ssh(&bastion, USER);
    command.args(["-W", &host.address.to_string()]);
    let (status, stdout, stderr) = outcome(command, b"").await;
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout.starts_with(b"SSH-2.0-"), "{:?}", String::from_utf8_lossy(&stdout));
}
