//! What goes to a command: the request itself, the password if it is asked for, and the input.
//!
//! Must never wait between the request and the input where nobody stands in between.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use russh::client::Msg;
use russh::{ChannelWriteHalf, Pty};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::super::cache::lock;
use super::gate::Ask;
use crate::core::model::Secret;
use crate::ports::Stdin;

/// Bytes of a file that are read at once.
const PIECE: usize = 128 * 1024;

/// When something was last heard of a command, or taken by it.
pub(super) struct Activity(Mutex<Instant>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    pub(super) fn note(&self) {
        *lock(&self.0) = Instant::now();
    }

    pub(super) fn last(&self) -> Instant {
        *lock(&self.0)
    }
}

/// Everything that goes to one command.
pub(super) struct Feed {
    /// The command line.
    pub(super) line: String,
    /// What it reads.
    pub(super) input: Stdin,
    /// What stands in between, and the password for it.
    pub(super) gate: Option<(UnboundedReceiver<Ask>, Option<Secret<String>>)>,
    /// It gets a terminal.
    pub(super) terminal: bool,
}

impl Feed {
    /// Sends it. The connection's errors do not matter here (a command may end without reading its input, and what
    /// matters then is what it says); what is returned is a file that could not be read.
    pub(super) async fn send(self, write: &ChannelWriteHalf<Msg>, activity: &Activity) -> io::Result<()> {
        if self.terminal {
            // No echo of what we type, and no carriage returns in what it says.
            let modes = [(Pty::ECHO, 0), (Pty::OPOST, 0)];
            if write.request_pty(false, "dumb", 80, 24, 0, 0, &modes).await.is_err() {
                return Ok(());
            }
        }
        // A reply is asked for, to tell a refusal, but not waited for: the input goes out behind the request.
        if write.exec(true, self.line).await.is_err() {
            return Ok(());
        }
        if let Some((mut asks, mut password)) = self.gate {
            loop {
                match asks.recv().await {
                    Some(Ask::Input) => break,
                    Some(Ask::Password) => match password.take() {
                        Some(password) => {
                            let line = format!("{}\n", password.expose());
                            if write.data_bytes(line.into_bytes()).await.is_err() {
                                return Ok(());
                            }
                        }
                        // It asks again, which means that the first answer was wrong: there is no second one.
                        None => {
                            let _ = write.eof().await;
                            return Ok(());
                        }
                    },
                    None => return Ok(()),
                }
            }
        }
        match self.input {
            Stdin::Empty => {}
            Stdin::Bytes(bytes) => {
                for piece in bytes.chunks(PIECE) {
                    if write.data_bytes(piece.to_vec()).await.is_err() {
                        return Ok(());
                    }
                    activity.note();
                }
            }
            Stdin::File(file) => {
                let mut offset = 0;
                loop {
                    let piece = piece(&file, offset).await?;
                    if piece.is_empty() {
                        break;
                    }
                    offset += u64::try_from(piece.len()).unwrap_or(u64::MAX);
                    if write.data_bytes(piece).await.is_err() {
                        return Ok(());
                    }
                    activity.note();
                }
            }
        }
        if !self.terminal {
            let _ = write.eof().await;
        }
        Ok(())
    }
}

/// The next piece of a file, empty at its end. By position, so that many may read it at once.
async fn piece(file: &Arc<File>, offset: u64) -> io::Result<Vec<u8>> {
    let file = Arc::clone(file);
    let reading = tokio::task::spawn_blocking(move || {
        let mut piece = vec![0; PIECE];
        let length = file.read_at(&mut piece, offset)?;
        piece.truncate(length);
        Ok(piece)
    });
    reading.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
