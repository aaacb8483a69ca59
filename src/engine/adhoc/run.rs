//! A command on every host: the same for all, or for each its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{Field, Guest, Visit, Work, everywhere};
use crate::core::adhoc::{Answer, Exit, Lines, Said};
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::model::HostName;
use crate::ports::{
    Command, EventSink, Exec, ExitStatus, Hearing, Output, Privilege, SshError, Stdin, Stream,
};

/// What is run where.
#[derive(Debug, Clone)]
pub enum Commands {
    /// This on every host.
    Same(Command),
    /// On each its own, and on others nothing.
    Each(BTreeMap<HostName, Command>),
}

impl Commands {
    fn of(&self, host: &HostName) -> Option<&Command> {
        match self {
            Self::Same(command) => Some(command),
            Self::Each(commands) => commands.get(host),
        }
    }
}

/// What is run, and how.
#[derive(Debug, Clone)]
pub struct RunOrder {
    /// The commands.
    pub commands: Commands,
    /// What it reads.
    pub stdin: Stdin,
    /// As whom.
    pub privilege: Option<Privilege>,
    /// Limit for the whole execution.
    pub wall: Duration,
    /// Limit for silence.
    pub idle: Option<Duration>,
    /// Limit for each stream, in bytes.
    pub max_output: usize,
    /// Lines are told as [`Event::HostSaid`] while it runs.
    pub stream: bool,
}

/// Runs it on all hosts.
pub async fn run(field: &Field, visits: Vec<Visit>, order: RunOrder) -> Vec<Answer<Said>> {
    everywhere(field, visits, order).await.into_iter().map(Answer::flatten).collect()
}

#[async_trait]
impl Work for RunOrder {
    type Value = Option<Said>;
    const STAGE: Stage = Stage::Run;

    async fn on(&self, guest: &Guest<'_>) -> Result<(HostOutcome, Option<Said>), SshError> {
        let Some(command) = self.commands.of(&guest.visit.host.name) else {
            return Ok((HostOutcome::Skipped("there is nothing for it".to_owned()), None));
        };
        let mut exec = Exec {
            stdin: self.stdin.clone(),
            privilege: self.privilege.clone(),
            idle: self.idle,
            ..Exec::new(command.clone(), self.wall, self.max_output)
        };
        let teller = self.stream.then(|| Arc::new(Teller::new(guest)));
        exec.hearing =
            teller.clone().map(|teller| Hearing::new(move |stream, piece| teller.hear(stream, piece)));
        let result = guest.exec(exec).await;
        if let Some(teller) = teller {
            teller.finish();
        }
        let said = said(result?);
        Ok((said.exit.outcome(), Some(said)))
    }
}

/// What a command said, without the port's types.
pub(super) fn said(output: Output) -> Said {
    let exit = match output.status {
        ExitStatus::Code(code) => Exit::Code(code),
        ExitStatus::Signal(name) => Exit::Signal(name),
    };
    Said { stdout: output.stdout, stderr: output.stderr, exit, truncated: output.truncated }
}

/// Makes events of pieces of output.
struct Teller {
    host: HostName,
    events: Arc<dyn EventSink>,
    unfinished: Mutex<(Lines, Lines)>,
}

impl Teller {
    fn new(guest: &Guest<'_>) -> Self {
        Self {
            host: guest.visit.host.name.clone(),
            events: Arc::clone(&guest.field.events),
            unfinished: Mutex::default(),
        }
    }

    fn hear(&self, stream: Stream, piece: &[u8]) {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = match stream {
            Stream::Out => unfinished.0.take(piece),
            Stream::Err => unfinished.1.take(piece),
        };
        for line in lines {
            self.tell(stream, line);
        }
    }

    fn finish(&self) {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = [(Stream::Out, unfinished.0.rest()), (Stream::Err, unfinished.1.rest())];
        for (stream, line) in rest {
            if let Some(line) = line {
                self.tell(stream, line);
            }
        }
    }

    fn tell(&self, stream: Stream, line: String) {
        self.events.emit(Event::HostSaid { host: self.host.clone(), stderr: stream == Stream::Err, line });
    }
}
