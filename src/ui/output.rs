//! stdout and stderr as two writers that may be gone.
//!
//! Must never panic or fail because a reader went away (`egressctl plan | head`): what nobody reads need not be written.

use std::io::Write;

/// The two streams. After the first failure a stream is left alone.
pub(super) struct Output {
    stdout: Option<Box<dyn Write + Send>>,
    stderr: Option<Box<dyn Write + Send>>,
    stdout_is_events: bool,
}

impl Output {
    pub(super) fn new(
        stdout: Box<dyn Write + Send>,
        stderr: Box<dyn Write + Send>,
        stdout_is_events: bool,
    ) -> Self {
        Self { stdout: Some(stdout), stderr: Some(stderr), stdout_is_events }
    }

    /// A result.
    pub(super) fn result(&mut self, text: &str) {
        write(if self.stdout_is_events { &mut self.stderr } else { &mut self.stdout }, text);
    }

    /// A line of the event stream on stdout.
    pub(super) fn event(&mut self, line: &str) {
        write(&mut self.stdout, line);
    }

    /// A message.
    pub(super) fn message(&mut self, text: &str) {
        write(&mut self.stderr, text);
    }
}

fn write(stream: &mut Option<Box<dyn Write + Send>>, text: &str) {
    let failed = stream
        .as_mut()
        .is_some_and(|stream| stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).is_err());
    if failed {
        *stream = None;
    }
}
