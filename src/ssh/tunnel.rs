//! A byte stream through a jump host (`direct-tcpip`).
//!
//! Must never hold up the jump connection that many tunnels share: a target that is sent to faster than it is read is cut.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::closer::Closer;
use super::jump::Lease;

/// Unread bytes a tunnel may hold. russh gives a target 2 MiB of window, so an honest one cannot exceed this unless its
/// reader stands still.
const UNREAD: usize = 8 * 1024 * 1024;

/// One tunnel.
pub(super) struct Tunnel {
    inbox: Inbox,
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    pump: AbortHandle,
    _closer: Closer,
    _through: Lease,
}

impl Tunnel {
    /// Makes a stream of a channel; `through` is kept alive as long as it.
    pub(super) fn new(channel: Channel<Msg>, through: Lease) -> Self {
        let (read, write) = channel.split();
        let writer = Box::pin(write.make_writer());
        let (sender, incoming) = mpsc::unbounded_channel();
        let unread = Arc::new(AtomicUsize::new(0));
        let pump = tokio::spawn(pump(read, sender, Arc::clone(&unread))).abort_handle();
        let closer = Closer::new(Arc::new(write), false);
        let inbox = Inbox { incoming, current: vec![], taken: 0, unread };
        Self { inbox, writer, pump, _closer: closer, _through: through }
    }
}

/// What has come in and is not read yet.
struct Inbox {
    incoming: mpsc::UnboundedReceiver<Vec<u8>>,
    current: Vec<u8>,
    taken: usize,
    unread: Arc<AtomicUsize>,
}

impl Inbox {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // An empty piece is allowed (RFC 4254, 5.2), and to a reader it would be the end.
        while self.taken == self.current.len() {
            let Some(next) = ready!(self.incoming.poll_recv(cx)) else { return Poll::Ready(Ok(())) };
            self.unread.fetch_sub(next.len(), Ordering::Relaxed);
            (self.current, self.taken) = (next, 0);
        }
        let part = self.current.get(self.taken..).unwrap_or_default();
        let size = part.len().min(buf.remaining());
        buf.put_slice(part.get(..size).unwrap_or_default());
        self.taken += size;
        Poll::Ready(Ok(()))
    }
}

/// Takes what comes as fast as it comes, because russh serves all channels of a connection one after the other.
async fn pump(mut read: ChannelReadHalf, sender: mpsc::UnboundedSender<Vec<u8>>, unread: Arc<AtomicUsize>) {
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let waiting = unread.fetch_add(data.len(), Ordering::Relaxed) + data.len();
                if waiting > UNREAD || sender.send(data.to_vec()).is_err() {
                    return;
                }
            }
            ChannelMsg::Eof | ChannelMsg::Close => return,
            _ => {}
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inbox.poll_read(cx, buf)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writer.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn an_empty_piece_is_not_the_end() {
        let (sender, incoming) = mpsc::unbounded_channel();
        let pieces: [&[u8]; 4] = [b"", b"ab", b"", b"c"];
        for piece in pieces {
            sender.send(piece.to_vec()).unwrap();
        }
        drop(sender);
        let mut inbox = Inbox { incoming, current: vec![], taken: 0, unread: Arc::new(AtomicUsize::new(3)) };
        let mut got = Vec::new();
        loop {
            let mut part = [0];
            let mut buf = ReadBuf::new(&mut part);
            poll_fn(|cx| inbox.poll_read(cx, &mut buf)).await.unwrap();
            match buf.filled() {
                [] => break,
                filled => got.extend_from_slice(filled),
            }
        }
        assert_eq!((&got[..], inbox.unread.load(Ordering::Relaxed)), (&b"abc"[..], 0));
    }
}
