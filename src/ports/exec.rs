//! One command on a host: what is run, as whom, what it reads, how long and how much it may say, and what came of it.

use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::core::model::Secret;

/// A command to run on a host.
#[derive(Debug, Clone)]
pub struct Exec {
    /// What is run.
    pub command: Command,
    /// What an [`Command::Argv`] reads on its standard input; a [`Command::Script`] is itself what is read.
    pub stdin: Stdin,
    /// As whom, if not as the one who logs in.
    pub privilege: Option<Privilege>,
    /// Limit for the whole execution.
    pub wall: Duration,
    /// Limit for the time without a byte in either direction.
    pub idle: Option<Duration>,
    /// Limit for each of stdout and stderr, in bytes; the rest is dropped and flagged.
    pub max_output: usize,
    /// Hears what the command says while it runs, up to the same limit.
    pub hearing: Option<Hearing>,
    /// Becomes true when the command is to be ended at once.
    pub cancel: Option<watch::Receiver<bool>>,
}

impl Exec {
    /// A command with no input, as the one who logs in, without a limit for silence.
    #[must_use]
    pub const fn new(command: Command, wall: Duration, max_output: usize) -> Self {
        Self {
            command,
            stdin: Stdin::Empty,
            privilege: None,
            wall,
            idle: None,
            max_output,
            hearing: None,
            cancel: None,
        }
    }

    /// A script, run as root: by `sudo` where the login `user` is another.
    #[must_use]
    pub fn script_as_root(script: impl Into<String>, user: &str, wall: Duration, max_output: usize) -> Self {
        let privilege = (user != "root").then(Privilege::default);
        Self { privilege, ..Self::new(Command::Script(script.into()), wall, max_output) }
    }
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A script, run by `/bin/sh -s` and fed by stdin; nothing of it is put on a command line.
    Script(String),
    /// A program and its arguments, each of them one word there as here; at least one, none with a NUL.
    Argv(Vec<String>),
}

impl fmt::Display for Command {
    /// The script, or the words with spaces between them: for people, not for a shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script(script) => f.write_str(script),
            Self::Argv(words) => f.write_str(&words.join(" ")),
        }
    }
}

/// What a command reads.
#[derive(Debug, Clone, Default)]
pub enum Stdin {
    /// Nothing.
    #[default]
    Empty,
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// A file from its beginning to its end, read piece by piece; many commands may read the same one.
    File(Arc<File>),
}

/// Being somebody else on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privilege {
    /// By which program.
    pub method: Method,
    /// Who to be; a login name.
    pub user: String,
    /// The password to answer with, once, if there is a question; without one a question is a refusal.
    pub password: Option<Secret<String>>,
}

impl Default for Privilege {
    /// Root by `sudo` without a password.
    fn default() -> Self {
        Self { method: Method::Sudo, user: "root".to_owned(), password: None }
    }
}

/// Programs that make somebody else of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// sudo(8)
    Sudo,
    /// doas(1)
    Doas,
}

/// The two streams of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What is told of output as it comes.
type Ear = dyn Fn(Stream, &[u8]) + Send + Sync;

/// Told what a command says, in pieces as they come. Must return at once.
#[derive(Clone)]
pub struct Hearing(Arc<Ear>);

impl Hearing {
    /// Hears by this function.
    pub fn new(hear: impl Fn(Stream, &[u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    /// Passes a piece on.
    pub fn hear(&self, stream: Stream, piece: &[u8]) {
        (self.0)(stream, piece);
    }
}

impl fmt::Debug for Hearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hearing")
    }
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Standard output, raw.
    pub stdout: Vec<u8>,
    /// Standard error, raw.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub status: ExitStatus,
    /// Output over the limit was dropped.
    pub truncated: bool,
}

/// How a remote command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitStatus {
    /// With this code.
    Code(u32),
    /// By this signal, named without `SIG`.
    Signal(String),
}
