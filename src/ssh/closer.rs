//! Ends a channel on every way out. Dropping a russh channel sends nothing, so the host would keep its end, and after ten
//! of them (`MaxSessions`) refuse the next.

use std::sync::Arc;
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelOpenFailure, ChannelWriteHalf, Sig};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long ending a channel may take; it is only a write.
const CLOSING: Duration = Duration::from_secs(1);

/// How long a host may take to open a channel at all.
pub(super) const OPENING: Duration = Duration::from_secs(60);

/// Why there is no channel.
#[derive(Debug)]
pub(super) enum NotOpened {
    /// The host says no.
    Refused(ChannelOpenFailure),
    /// The host says nothing for [`OPENING`].
    Late,
    /// The connection is gone.
    Gone,
}

/// Begins to open a channel, to be waited for. One that opens after the wait is over, or after the caller has stopped waiting,
/// is closed at once.
pub(super) fn opened<F>(opening: F) -> impl Future<Output = Result<Channel<Msg>, NotOpened>> + use<F>
where
    F: Future<Output = Result<Channel<Msg>, russh::Error>> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    // It ends with the connection at the latest, which answers then.
    tokio::spawn(async move {
        if let Err(Ok(late)) = sender.send(opening.await) {
            // If that fails, the connection is gone, and the channel with it.
            let _ = timeout(CLOSING, late.close()).await;
        }
    });
    async {
        match timeout(OPENING, receiver).await {
            Ok(Ok(Ok(channel))) => Ok(channel),
            Ok(Ok(Err(russh::Error::ChannelOpenFailure(why)))) => Err(NotOpened::Refused(why)),
            Ok(Ok(Err(_)) | Err(_)) => Err(NotOpened::Gone),
            Err(_) => Err(NotOpened::Late),
        }
    }
}

/// Closes the channel when dropped, unless told that it is closed.
pub(super) struct Closer {
    write: Option<Arc<ChannelWriteHalf<Msg>>>,
    /// Whether the remote command is to be killed first.
    kill: bool,
}

impl Closer {
    pub(super) fn new(write: Arc<ChannelWriteHalf<Msg>>, kill: bool) -> Self {
        Self { write: Some(write), kill }
    }

    /// The command is done; what it left behind stays.
    pub(super) fn without_killing(mut self) -> Self {
        self.kill = false;
        self
    }

    /// Closes now and waits until that is sent.
    pub(super) async fn close(mut self) {
        if let Some(write) = self.write.take() {
            end(&write, self.kill).await;
        }
    }

    /// The peer has closed it.
    pub(super) fn disarm(mut self) {
        self.write = None;
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        if let (Some(write), Ok(runtime)) = (self.write.take(), tokio::runtime::Handle::try_current()) {
            let kill = self.kill;
            runtime.spawn(async move { end(&write, kill).await });
        }
    }
}

async fn end(write: &ChannelWriteHalf<Msg>, kill: bool) {
    let farewell = async {
        if kill {
            write.signal(Sig::KILL).await?;
        }
        write.close().await
    };
    // A connection that is gone has no channels left to close.
    let _ = timeout(CLOSING, farewell).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_that_says_nothing_is_not_taken_for_a_lost_connection() {
        assert!(matches!(opened(std::future::pending()).await, Err(NotOpened::Late)));
        assert!(matches!(opened(async { Err(russh::Error::Disconnect) }).await, Err(NotOpened::Gone)));
    }
}
