//! Everything a person or a program sees: progress and messages on stderr, results on stdout, events as JSON lines.
//!
//! The only module that prints, and the only one that looks at the terminal. Must never decide anything about the work,
//! never print what a host said without escaping it, and never end the program because nobody reads its output.

mod ask;
mod bars;
mod colour;
mod json;
mod lines;
mod output;
pub mod table;
mod thread;
mod view;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use async_trait::async_trait;
pub use colour::{Color, Painter, Role};
use tokio::sync::oneshot;

use crate::core::event::Event;
use crate::core::model::Secret;
use crate::core::text::clean;
use crate::ports::{Asker, EventSink, Question, Unanswered};
use output::Output;
use thread::{Message, Screen};

/// How to show things.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UiOptions {
    /// `--color`
    pub color: Color,
    /// How progress is shown on stderr.
    pub progress: Progress,
    /// `--events`: a file for the events as JSON lines, `-` for stdout. Results then go to stderr.
    pub events: Option<PathBuf>,
}

/// How progress is shown on stderr.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Progress {
    /// Bars on a terminal, lines elsewhere
    #[default]
    Auto,
    /// One line per event that matters
    Lines,
    /// Nothing
    Never,
}

/// Why the user interface cannot begin or did not end well.
#[derive(Debug, thiserror::Error)]
#[error("events to {path}: {error}; name a file that can be written, or - for stdout")]
pub struct UiError {
    /// Where the events should go.
    pub path: String,
    /// What happened.
    pub error: io::Error,
}

/// The user interface of one command.
#[derive(Debug)]
pub struct Ui {
    sender: Sender<Message>,
    thread: Option<JoinHandle<Result<(), UiError>>>,
    out: Painter,
    err: Painter,
}

/// The way to a [`Ui`]; clones are cheap. Events that come after its end are dropped.
#[derive(Debug, Clone)]
pub struct UiSink(Sender<Message>);

impl EventSink for UiSink {
    fn emit(&self, event: Event) {
        // Nobody is left to be told if the receiver is gone.
        let _ = self.0.send(Message::Event(event));
    }
}

impl UiSink {
    /// Writes a message to stderr, like [`Ui::err`].
    pub fn err(&self, text: &str) {
        write(&self.0, text, Message::Err);
    }
}

/// Has a text written by the thread, and returns when that is done.
fn write(sender: &Sender<Message>, text: &str, message: impl FnOnce(String, Sender<()>) -> Message) {
    let (done, written) = channel();
    // If the thread is gone there is nothing to wait for; `finish` tells why.
    if sender.send(message(text.to_owned(), done)).is_ok() {
        let _ = written.recv();
    }
}

#[async_trait]
impl Asker for UiSink {
    async fn secret(&self, question: &Question) -> Result<Secret<String>, Unanswered> {
        let (answer, given) = oneshot::channel();
        let gone = || Unanswered("nobody can be asked any more".to_owned());
        self.0.send(Message::Ask(question.clone(), answer)).map_err(|_| gone())?;
        given.await.map_err(|_| gone())?
    }
}

impl Ui {
    /// Begins to show what is sent to it.
    ///
    /// # Errors
    /// The events' file cannot be opened, or the thread cannot be started.
    pub fn new(options: &UiOptions) -> Result<Self, UiError> {
        let variables = colour::Variables::read();
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let out = Painter::new(colour::wanted(options.color, &variables, stdout.is_terminal()));
        let err = Painter::new(colour::wanted(options.color, &variables, stderr.is_terminal()));
        let to_stdout = options.events.as_deref() == Some(Path::new("-"));
        // Lines of events that scroll through the same terminal would tear bars apart.
        let bars = stderr.is_terminal() && !variables.dumb && !(to_stdout && stdout.is_terminal());
        let screen = match options.progress {
            Progress::Never => Screen::None,
            Progress::Auto if bars => Screen::Bars(bars::Bars::on_stderr(err)),
            Progress::Auto | Progress::Lines => Screen::Lines(lines::Lines::new(err)),
        };
        let output = Output::new(Box::new(stdout), Box::new(stderr), to_stdout);
        let events = match &options.events {
            None => None,
            Some(_) if to_stdout => Some(json::Stream::new("-", None)),
            Some(path) => Some(json::Stream::new(&path.display().to_string(), Some(open(path)?))),
        };
        Self::start(screen, output, events, if to_stdout { err } else { out }, err)
    }

    fn start(
        screen: Screen,
        output: Output,
        events: Option<json::Stream>,
        out: Painter,
        err: Painter,
    ) -> Result<Self, UiError> {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("ui".to_owned())
            .spawn(move || thread::run(screen, output, events, &ask::Means::read(), &receiver))
            .map_err(|error| UiError { path: "the terminal".to_owned(), error })?;
        Ok(Self { sender, thread: Some(thread), out, err })
    }

    /// Where producers send their events.
    #[must_use]
    pub fn sink(&self) -> UiSink {
        UiSink(self.sender.clone())
    }

    /// Writes a result to stdout (to stderr if stdout is the event stream), after everything that was sent before.
    /// Returns when it is written. The text is written as it is: what hosts said must have been escaped.
    pub fn out(&self, text: &str) {
        write(&self.sender, text, Message::Out);
    }

    /// Writes a message to stderr, like [`Ui::out`].
    pub fn err(&self, text: &str) {
        write(&self.sender, text, Message::Err);
    }

    /// Colours for texts that go to [`Ui::out`].
    #[must_use]
    pub const fn out_painter(&self) -> Painter {
        self.out
    }

    /// Colours for texts that go to [`Ui::err`].
    #[must_use]
    pub const fn err_painter(&self) -> Painter {
        self.err
    }

    /// Shows what is still waiting, takes the bars away and ends.
    ///
    /// # Errors
    /// An event could not be written. A reader that went away is no error.
    pub fn finish(mut self) -> Result<(), UiError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), UiError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let _ = self.sender.send(Message::Finish);
        thread.join().unwrap_or_else(|_| {
            Err(UiError { path: "the terminal".to_owned(), error: io::Error::other("its thread panicked") })
        })
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        // Whoever wants to know calls `finish`.
        let _ = self.end();
    }
}

/// Writes a result to stdout where there is no [`Ui`]. A reader that went away is no error.
pub fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Most characters of one complaint.
const COMPLAINT: usize = 64 * 1024;

/// Writes a message and a line break to stderr where there is no [`Ui`]. A reader that went away is no error.
pub fn complain(text: &str) {
    let _ = io::stderr().write_all(format!("{}\n", clean(text.as_bytes(), COMPLAINT)).as_bytes());
}

fn open(path: &Path) -> Result<Box<dyn Write + Send>, UiError> {
    match File::create(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(UiError { path: path.display().to_string(), error }),
    }
}
