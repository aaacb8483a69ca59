//! A host as a jump host.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[tokio::test]
async fn a_forwarded_connection_carries_both_directions_and_their_ends() {
    let lab = Lab::start().await;
    let client = lab.login().await;
    let (target, address) = listener().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = target.accept().await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        stream.write_all(&heard).await.unwrap();
    });
    let channel = forward(&client, address).await.unwrap();
    let mut stream = channel.into_stream();
    let sent = vec![7u8; 200_000];
    stream.write_all(&sent).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut back)).await.unwrap().unwrap();
    assert!(back == sent, "{} bytes came back", back.len());
    server.await.unwrap();
}

#[tokio::test]
async fn a_target_that_refuses_is_told_as_connect_failed_and_harms_nothing() {
    let lab = Lab::start().await;
    let client = lab.login().await;
    let (target, address) = listener().await;
    drop(target);
    let refused = forward(&client, address).await.unwrap_err();
    assert!(
        matches!(refused, russh::Error::ChannelOpenFailure(russh::ChannelOpenFailure::ConnectFailed)),
        "{refused:?}"
    );
    client.channel_open_direct_tcpip("127.0.0.1", 70_000, "127.0.0.1", 0).await.unwrap_err();
    assert_eq!(run(&client, "echo still").await.text(), "still\n");
}

#[tokio::test]
async fn a_host_is_reached_through_another() {
    let (bastion, host) = (Lab::start().await, Lab::start().await);
    let outer = bastion.login().await;
    let way = forward(&outer, host.address).await.unwrap().into_stream();
    let mut inner = client::connect_stream(Arc::default(), way, Checker).await.unwrap();
    assert!(authenticate(&mut inner, "root", USER).await.success());
    assert_eq!(run(&inner, "echo behind").await.text(), "behind\n");
}

async fn forward(client: &Handle<Checker>, to: SocketAddr) -> Result<Channel<Msg>, russh::Error> {
    client.channel_open_direct_tcpip(to.ip().to_string(), to.port().into(), "127.0.0.1", 0).await
}
