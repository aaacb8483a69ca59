//! The byte stream of one connection, with a knife: when its owner lets go, or the peer takes nothing for too long, every
//! read and write fails, and russh's task ends whatever it was waiting for.
//!
//! Must never change a byte. Needed because a russh task that waits for the peer notices neither that its handle is gone
//! nor, while it is blocked in a write, that keepalives are due.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::vitals::Vitals;

/// Holding it keeps the connection; dropping it cuts the connection.
pub(super) struct Grip(#[expect(dead_code, reason = "held for its drop")] oneshot::Sender<()>);

/// A stream that can be cut.
pub(super) struct Cord<S> {
    stream: S,
    cut: oneshot::Receiver<()>,
    is_cut: bool,
    /// Runs while a write is pending.
    stalled: Option<Pin<Box<Sleep>>>,
    patience: Duration,
    vitals: Arc<Vitals>,
}

impl<S> Cord<S> {
    /// Wraps `stream`; a write that the peer does not take within `patience` cuts it.
    pub(super) fn new(stream: S, patience: Duration, vitals: Arc<Vitals>) -> (Self, Grip) {
        let (sender, cut) = oneshot::channel();
        (Self { stream, cut, is_cut: false, stalled: None, patience, vitals }, Grip(sender))
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.is_cut && Pin::new(&mut self.cut).poll(cx).is_ready() {
            self.is_cut = true;
        }
        if self.is_cut {
            Err(io::Error::new(io::ErrorKind::ConnectionAborted, "we closed it"))
        } else {
            Ok(())
        }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            return result;
        }
        let patience = self.patience;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.is_cut = true;
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer stopped taking data")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cord<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(new) = buf.filled().get(before..) {
            self.vitals.received(new);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cord<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_cut(cx)?;
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        let result = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test]
    async fn letting_go_wakes_a_waiting_reader() {
        let (near, _far) = duplex(64);
        let (mut cord, grip) = Cord::new(near, Duration::from_secs(60), Arc::default());
        let reading = tokio::spawn(async move { cord.read_u8().await.map_err(|e| e.kind()) });
        tokio::task::yield_now().await;
        drop(grip);
        assert_eq!(reading.await.unwrap(), Err(io::ErrorKind::ConnectionAborted));
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_cut() {
        let (near, _far) = duplex(16);
        let (mut cord, _grip) = Cord::new(near, Duration::from_millis(20), Arc::default());
        let error = cord.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(cord.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
}
