//! The thread that shows: it alone writes, so that bars, lines and results never run into each other.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::UiError;
use super::ask::Means;
use super::bars::{self, Bars};
use super::json::Stream;
use super::lines::Lines;
use super::output::Output;
use crate::core::event::Event;
use crate::core::model::Secret;
use crate::ports::{Question, Unanswered};

/// What can be sent to the thread.
pub(super) enum Message {
    /// Something happened.
    Event(Event),
    /// A result to write; answered when it is written.
    Out(String, Sender<()>),
    /// A message to write; answered when it is written.
    Err(String, Sender<()>),
    /// A question to a person; answered when there is an answer.
    Ask(Question, oneshot::Sender<Result<Secret<String>, Unanswered>>),
    /// Nothing more will come.
    Finish,
}

/// How progress is shown.
pub(super) enum Screen {
    /// As bars.
    Bars(Bars),
    /// As lines.
    Lines(Lines),
    /// Not at all.
    None,
}

/// How often lines look whether they have been silent for too long.
const LINES_PERIOD: Duration = Duration::from_secs(1);

/// Shows messages until [`Message::Finish`].
pub(super) fn run(
    mut screen: Screen,
    mut output: Output,
    mut events: Option<Stream>,
    means: &Means,
    messages: &Receiver<Message>,
) -> Result<(), UiError> {
    let began = Instant::now();
    let period = if matches!(screen, Screen::Bars(_)) { bars::PERIOD } else { LINES_PERIOD };
    loop {
        match messages.recv_timeout(period) {
            Ok(Message::Event(event)) => {
                let line = events.as_mut().and_then(|events| events.event(&event, began.elapsed()));
                // Not beside the bars: they are off where both would meet on one terminal.
                if let Some(line) = line {
                    output.event(&line);
                }
                match &event {
                    // What a host says is a result, however the progress is shown.
                    Event::HostSaid { host, stderr, line } => beside(&screen, || {
                        let text = format!("{host}: {line}\n");
                        if *stderr { output.message(&text) } else { output.result(&text) }
                    }),
                    _ => show(&mut screen, &mut output, &event),
                }
            }
            Ok(Message::Out(text, done)) => {
                beside(&screen, || output.result(&text));
                // Whoever no longer waits has no use for the answer.
                let _ = done.send(());
            }
            Ok(Message::Err(text, done)) => {
                beside(&screen, || output.message(&text));
                let _ = done.send(());
            }
            Ok(Message::Ask(question, answer)) => {
                // Nothing else is shown meanwhile; what happens waits in the channel.
                beside(&screen, || drop(answer.send(means.ask(&question))));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Message::Finish) | Err(RecvTimeoutError::Disconnected) => break,
        }
        tick(&mut screen, &mut output);
    }
    if let Screen::Bars(bars) = &screen {
        bars.finish();
    }
    events.map_or(Ok(()), Stream::finish)
}

/// Writes with the bars out of the way.
fn beside(screen: &Screen, write: impl FnOnce()) {
    match screen {
        Screen::Bars(bars) => bars.suspend(write),
        Screen::Lines(_) | Screen::None => write(),
    }
}

fn show(screen: &mut Screen, output: &mut Output, event: &Event) {
    match screen {
        Screen::Bars(bars) => {
            if let Some(line) = bars.event(event, Instant::now()) {
                bars.suspend(|| output.message(&line));
            }
        }
        Screen::Lines(lines) => output.message(&lines.event(event, Instant::now())),
        Screen::None => {}
    }
}

fn tick(screen: &mut Screen, output: &mut Output) {
    match screen {
        Screen::Bars(bars) => bars.tick(Instant::now()),
        Screen::Lines(lines) => output.message(&lines.tick(Instant::now())),
        Screen::None => {}
    }
}
