//! Who gets in, and what a bad client can do.

use russh::MethodKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[tokio::test]
async fn the_right_key_of_the_right_user_gets_in() {
    let lab = Lab::start().await;
    assert_eq!(run(&lab.login().await, "echo hello").await.text(), "hello\n");
}

#[tokio::test]
async fn a_wrong_key_or_user_or_method_does_not() {
    let lab = Lab::start().await;
    let mut client = lab.connect().await;
    assert!(!authenticate(&mut client, "root", STRANGER).await.success());
    assert!(!authenticate(&mut client, "admin", USER).await.success());
    assert!(!client.authenticate_password("root", "").await.unwrap().success());
    let AuthResult::Failure { remaining_methods, .. } = client.authenticate_none("root").await.unwrap()
    else {
        panic!("let in without a key");
    };
    assert_eq!(&*remaining_methods, [MethodKind::PublicKey]);
    client.channel_open_session().await.unwrap_err();
}

#[tokio::test]
async fn a_changed_file_of_keys_counts_at_once() {
    let lab = Lab::start().await;
    lab.login().await;
    lab.authorize(STRANGER);
    let mut client = lab.connect().await;
    assert!(!authenticate(&mut client, "root", USER).await.success());
    assert!(authenticate(&mut client, "root", STRANGER).await.success());
    std::fs::remove_file(lab.file("authorized_keys")).unwrap();
    assert!(!authenticate(&mut lab.connect().await, "root", STRANGER).await.success());
}

#[tokio::test]
async fn a_client_that_talks_rubbish_harms_nobody() {
    let lab = Lab::start().await;
    let good = lab.login().await;
    for rubbish in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff", b"", b"\0"]
    {
        let mut stream = TcpStream::connect(lab.address).await.unwrap();
        stream.write_all(rubbish).await.unwrap();
        stream.shutdown().await.unwrap();
        // The server may close with what it had to say, or reset: that it ends is what counts.
        let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut Vec::new())).await.unwrap();
    }
    assert_eq!(run(&good, "echo still").await.text(), "still\n");
    assert_eq!(run(&lab.login().await, "echo here").await.text(), "here\n");
}

#[tokio::test]
async fn a_missing_host_key_is_an_error_that_names_it() {
    let files = tempfile::tempdir().unwrap();
    let config = SshdConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        host_key: files.path().join("no_such_key"),
        authorized_keys: files.path().join("authorized_keys"),
        user: "root".to_owned(),
    };
    assert!(serve(config).await.unwrap_err().to_string().contains("no_such_key"));
}
