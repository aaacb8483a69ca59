//! Asking at the terminal between two waves.

use std::io::BufRead;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::core::model::RunId;
use crate::ports::{Approval, Gate};
use crate::ui::UiSink;

/// Whoever sits at the terminal.
pub(super) struct Terminal {
    ui: UiSink,
    /// Lines as they are typed, once anybody was asked. A thread of its own reads them: it may wait for ever.
    typed: Mutex<Option<UnboundedReceiver<String>>>,
}

impl Terminal {
    pub(super) fn new(ui: UiSink) -> Arc<Self> {
        Arc::new(Self { ui, typed: Mutex::new(None) })
    }
}

fn lines() -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[async_trait]
impl Gate for Terminal {
    async fn ask(&self, run: &RunId, wave: usize) -> Approval {
        let mut typed = self.typed.lock().await;
        let typed = typed.get_or_insert_with(lines);
        // What was typed before the question is no answer to it.
        while typed.try_recv().is_ok() {}
        self.ui.err(&format!("Begin wave {wave} of run {run}? Type yes, or no to begin nothing more:\n"));
        loop {
            match typed.recv().await.as_deref().map(str::trim) {
                Some("yes") => return Approval::Given,
                Some("no") => return Approval::Denied,
                Some(_) => self.ui.err("Type yes or no in full:\n"),
                // The terminal is gone; others can still approve through the journal.
                None => return std::future::pending().await,
            }
        }
    }
}
