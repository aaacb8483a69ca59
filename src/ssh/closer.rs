//! Ends a channel on every way out. Dropping a russh channel sends nothing, so the host would keep its end, and after ten
//! of them (`MaxSessions`) refuse the next.

use std::sync::Arc;
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelWriteHalf, Sig};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long ending a channel may take; it is only a write.
const CLOSING: Duration = Duration::from_secs(1);

/// How long a host may take to open a channel at all.
const OPENING: Duration = Duration::from_secs(60);

/// Begins to open a channel, to be waited for. One that opens after the caller has stopped waiting is closed at once.
pub(super) fn opened<F>(opening: F) -> impl Future<Output = Result<Channel<Msg>, russh::Error>> + use<F>
where
    F: Future<Output = Result<Channel<Msg>, russh::Error>> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        let channel = timeout(OPENING, opening).await.unwrap_or(Err(russh::Error::ConnectionTimeout));
        if let Err(Ok(late)) = sender.send(channel) {
            // If that fails, the connection is gone, and the channel with it.
            let _ = timeout(CLOSING, late.close()).await;
        }
    });
    async { receiver.await.unwrap_or(Err(russh::Error::Disconnect)) }
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
