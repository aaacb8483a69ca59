//! `direct-tcpip`: a channel that is a TCP connection from this host, so that it can be a jump host.
//!
//! The connection's loop never waits for a target: everything happens in the channel's own task.

use std::time::Duration;

use russh::server::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelOpenFailure, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;

use super::inbox::{Outlet, Output};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes read from a command or target at a time: the protocol's usual packet.
const PIECE: usize = 32 << 10;

/// Connects, answers the request to open the channel, and carries both directions until both have ended.
pub(super) async fn carry(
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
    target: (String, u16),
    outlet: Outlet,
) {
    let Ok(Ok(stream)) = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(target)).await else {
        reply.reject(ChannelOpenFailure::ConnectFailed).await;
        return;
    };
    let (_, channel) = channel.split();
    reply.accept().await;
    // Without it forwarding works too, only slower.
    let _ = stream.set_nodelay(true);
    let (from, into) = stream.into_split();
    let output = outlet.output();
    let back = async {
        pump(from, &channel, None, &output).await;
        // An error means that the connection has ended, and this task with it.
        let _ = channel.eof().await;
    };
    tokio::join!(outlet.pour_into(into), back);
    let _ = channel.close().await;
}

/// Sends what `source` gives as data, or as extended data of type `kind`, no faster than the client takes it. Returns at
/// the source's end, or when the client takes no more.
pub(super) async fn pump(
    mut source: impl AsyncRead + Unpin,
    channel: &ChannelWriteHalf<Msg>,
    kind: Option<u32>,
    output: &Output,
) {
    let mut piece = vec![0; PIECE];
    while let Ok(length @ 1..) = source.read(&mut piece).await {
        let data = piece[..length].to_vec();
        let send = async {
            match kind {
                None => channel.data_bytes(data).await,
                Some(kind) => channel.extended_data_bytes(kind, data).await,
            }
        };
        let sent = output.wait_for(send).await;
        if sent.is_err() {
            return;
        }
    }
}
