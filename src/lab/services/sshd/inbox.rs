//! What a client sends to a command or a forwarded connection, on its way there.
//!
//! The protocol library hands every packet over from the connection's only loop and reopens the channel's window by itself.
//! So a full inbox must slow that loop down but never stop it: the loop also carries the output whose delivery lets the
//! command read on. The first bytes wait for free; then every packet costs the loop a pause, a short one if the command's
//! output waits for the client, whose permission to send more comes behind its own data; when even those are too many the
//! channel is given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// How much may wait, and what it costs.
#[derive(Clone, Copy)]
struct Limits {
    /// Bytes that wait for free.
    soft: usize,
    /// Bytes that wait beyond those.
    hard: usize,
    /// Added to the size of each packet, so that many small ones cannot take more memory than they count.
    overhead: usize,
    /// What each packet beyond `soft` costs the loop, at most.
    pause: Duration,
    /// The same while output waits.
    glance: Duration,
}

const LIMITS: Limits = Limits {
    soft: 1 << 20,
    hard: 64 << 20,
    overhead: 128,
    pause: Duration::from_millis(100),
    glance: Duration::from_millis(2),
};

struct Chunk {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// The connection's end.
pub(super) struct Inbox {
    chunks: Option<mpsc::UnboundedSender<Chunk>>,
    soft: Arc<Semaphore>,
    hard: Arc<Semaphore>,
    limits: Limits,
    output: Output,
}

/// The reader's end.
pub(super) struct Outlet {
    chunks: mpsc::UnboundedReceiver<Chunk>,
    output: Output,
}

/// Whether the other direction waits for the client to take something.
#[derive(Clone, Default)]
pub(super) struct Output(Arc<AtomicUsize>);

impl Output {
    /// Does `sending`, and counts as waiting meanwhile.
    pub(super) async fn wait_for<T>(&self, sending: impl Future<Output = T>) -> T {
        self.0.fetch_add(1, Ordering::Relaxed);
        let sent = sending.await;
        self.0.fetch_sub(1, Ordering::Relaxed);
        sent
    }

    fn waits(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// The reader has left too much unread.
#[derive(Debug)]
pub(super) struct Overfull;

/// Both ends of an empty inbox.
pub(super) fn inbox() -> (Inbox, Outlet) {
    limited(LIMITS)
}

fn limited(limits: Limits) -> (Inbox, Outlet) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (soft, hard) = (Arc::new(Semaphore::new(limits.soft)), Arc::new(Semaphore::new(limits.hard)));
    let output = Output::default();
    let inbox = Inbox { chunks: Some(sender), soft, hard, limits, output: output.clone() };
    (inbox, Outlet { chunks: receiver, output })
}

impl Inbox {
    /// Takes what the client sent, after a pause if much is waiting. After EOF, or if nobody reads any more, it is dropped.
    pub(super) async fn push(&self, bytes: &[u8]) -> Result<(), Overfull> {
        let Some(chunks) = self.chunks.as_ref().filter(|chunks| !chunks.is_closed()) else {
            return Ok(());
        };
        let size = u32::try_from(bytes.len() + self.limits.overhead).map_err(|_| Overfull)?;
        let room = match self.room(size).await {
            Some(room) => room,
            None => Arc::clone(&self.hard).try_acquire_many_owned(size).map_err(|_| Overfull)?,
        };
        // If the reader has left meanwhile, the bytes have nowhere to go.
        let _ = chunks.send(Chunk { bytes: bytes.to_vec(), _room: room });
        Ok(())
    }

    /// Waits for room among the free bytes, in vain if it takes too long.
    async fn room(&self, size: u32) -> Option<OwnedSemaphorePermit> {
        let room = Arc::clone(&self.soft).acquire_many_owned(size);
        tokio::pin!(room);
        let Limits { pause, glance, .. } = self.limits;
        match tokio::time::timeout(glance, &mut room).await {
            Ok(room) => room.ok(),
            Err(_) if self.output.waits() => None,
            Err(_) => tokio::time::timeout(pause.saturating_sub(glance), room).await.ok()?.ok(),
        }
    }

    /// The client has sent EOF.
    pub(super) fn finish(&mut self) {
        self.chunks = None;
    }
}

impl Outlet {
    /// The other direction, to tell when it waits.
    pub(super) fn output(&self) -> Output {
        self.output.clone()
    }

    /// Writes everything to `target` and closes it after EOF, or stops as soon as it takes no more.
    pub(super) async fn pour_into(mut self, mut target: impl AsyncWrite + Unpin) {
        while let Some(chunk) = self.chunks.recv().await {
            if target.write_all(&chunk.bytes).await.is_err() {
                return;
            }
        }
        // Whoever does not take an EOF has gone already.
        let _ = target.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never gives up waiting for room within a test, unless output waits.
    const PATIENT: Limits = Limits {
        soft: 10,
        hard: 10,
        overhead: 0,
        pause: Duration::from_secs(600),
        glance: Duration::from_millis(1),
    };

    #[tokio::test]
    async fn a_flood_of_empty_packets_is_counted_too() {
        let glance = Duration::ZERO;
        let (inbox, _outlet) = limited(Limits { overhead: 5, pause: glance, glance, ..PATIENT });
        for _ in 0..4 {
            inbox.push(b"").await.unwrap();
        }
        inbox.push(b"").await.unwrap_err();
    }

    #[tokio::test]
    async fn while_output_waits_for_the_client_its_input_is_taken_at_once() {
        let (inbox, outlet) = limited(PATIENT);
        inbox.push(&[0; 10]).await.unwrap();
        let push = async { inbox.push(&[0; 10]).await.unwrap() };
        tokio::time::timeout(PATIENT.pause / 2, outlet.output().wait_for(push)).await.unwrap();
    }

    #[tokio::test]
    async fn a_reader_that_never_reads_slows_the_client_and_ends_in_overfull() {
        let (pause, glance) = (Duration::from_millis(4), Duration::from_millis(1));
        let (inbox, _outlet) = limited(Limits { soft: 20, hard: 30, overhead: 0, pause, glance });
        inbox.push(&[0; 10]).await.unwrap();
        inbox.push(&[0; 10]).await.unwrap();
        let begun = tokio::time::Instant::now();
        for _ in 0..3 {
            inbox.push(&[0; 10]).await.unwrap();
        }
        assert!(begun.elapsed() >= 3 * pause);
        inbox.push(&[0; 10]).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_packet_waits_for_room_and_goes_on_when_there_is_some() {
        let (mut inbox, outlet) = limited(Limits { soft: 10, hard: 0, ..PATIENT });
        let (near, mut far) = tokio::io::duplex(64);
        let push = async {
            for _ in 0..5 {
                inbox.push(&[1; 10]).await.unwrap();
            }
            inbox.finish();
        };
        tokio::join!(push, outlet.pour_into(near));
        let mut bytes = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut far, &mut bytes).await.unwrap();
        assert_eq!(bytes, [1; 50]);
    }

    #[tokio::test]
    async fn order_is_kept_and_eof_closes_the_target() {
        let (mut inbox, outlet) = inbox();
        inbox.push(b"one ").await.unwrap();
        inbox.push(b"two").await.unwrap();
        inbox.finish();
        inbox.push(b"after EOF").await.unwrap();
        let (near, mut far) = tokio::io::duplex(64);
        outlet.pour_into(near).await;
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut far, &mut text).await.unwrap();
        assert_eq!(text, "one two");
    }

    #[tokio::test]
    async fn what_nobody_reads_is_dropped() {
        let (inbox, outlet) = inbox();
        drop(outlet);
        inbox.push(&vec![0; LIMITS.soft + LIMITS.hard + 1]).await.unwrap();
    }
}
