//! A TCP stream whose first segments are acknowledged at once.
//!
//! sshd writes small packets and leaves Nagle's algorithm on until a command runs, so a packet of its waits for our
//! acknowledgement of the one before; a delayed one costs every login 40 ms. Must never change a byte.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Reads after which a login is over, and acknowledgements may take their time again.
const READS: u8 = 32;

/// The stream.
pub(super) struct Acked {
    stream: TcpStream,
    /// Reads that are still acknowledged at once.
    left: u8,
}

impl Acked {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, left: READS }
    }
}

impl AsyncRead for Acked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if result.is_ready() && self.left > 0 {
            self.left -= 1;
            // The kernel forgets it whenever we answer. Without it the stream is slower, not wrong.
            let _ = self.stream.set_quickack(true);
        }
        result
    }
}

impl AsyncWrite for Acked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
