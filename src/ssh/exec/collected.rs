//! What a command has said and how it ended, as far as it has come in.
//!
//! Must never keep more than its limit, whatever the peer sends.

use russh::{ChannelMsg, Sig};

use super::super::failure::failure;
use super::gate::{Begun, Gate};
use crate::core::text::clean_line;
use crate::ports::{Exec, ExitStatus, Hearing, Output, SshError, SshErrorKind, Stream};

/// A command that writes more than this many times its limit is cut off instead of drained.
pub(super) const FLOOD: usize = 64;

/// What has come in so far.
pub(super) struct Collected {
    output: Output,
    cap: usize,
    received: usize,
    hearing: Option<Hearing>,
    gate: Option<Gate>,
    pub(super) status: Option<ExitStatus>,
    pub(super) eof: bool,
    refused: bool,
}

impl Collected {
    /// Nothing yet; what comes before the gate opens is the gate's.
    pub(super) fn new(exec: &Exec, gate: Option<Gate>) -> Self {
        let output = Output { stdout: vec![], stderr: vec![], status: ExitStatus::Code(0), truncated: false };
        Self {
            output,
            cap: exec.max_output,
            received: 0,
            hearing: exec.hearing.clone(),
            gate,
            status: None,
            eof: false,
            refused: false,
        }
    }

    /// Takes one message in. False if the peer writes without end.
    pub(super) fn take(&mut self, message: ChannelMsg) -> bool {
        match message {
            ChannelMsg::Data { data } => return self.hear(Stream::Out, &data),
            // 1 is SSH_EXTENDED_DATA_STDERR, the only kind there is.
            ChannelMsg::ExtendedData { data, .. } => return self.hear(Stream::Err, &data),
            ChannelMsg::Eof => self.eof = true,
            ChannelMsg::Failure => self.refused = true,
            ChannelMsg::ExitStatus { exit_status } => self.status = Some(ExitStatus::Code(exit_status)),
            ChannelMsg::ExitSignal { signal_name, .. } => {
                self.status = Some(ExitStatus::Signal(signal_text(&signal_name)));
            }
            _ => {}
        }
        true
    }

    fn hear(&mut self, stream: Stream, data: &[u8]) -> bool {
        self.received = self.received.saturating_add(data.len());
        match &mut self.gate {
            Some(gate) if gate.stream() == stream => {
                let behind = gate.take(data);
                self.keep(stream, &behind);
            }
            _ => self.keep(stream, data),
        }
        self.received <= self.cap.saturating_mul(FLOOD)
    }

    fn keep(&mut self, stream: Stream, data: &[u8]) {
        let to = match stream {
            Stream::Out => &mut self.output.stdout,
            Stream::Err => &mut self.output.stderr,
        };
        let room = self.cap.saturating_sub(to.len());
        self.output.truncated |= data.len() > room;
        let kept = data.get(..room).unwrap_or(data);
        to.extend_from_slice(kept);
        if let Some(hearing) = self.hearing.as_ref().filter(|_| !kept.is_empty()) {
            hearing.hear(stream, kept);
        }
    }

    /// The command, once whoever was asked for its privilege has let it begin; never for one without a privilege.
    pub(super) fn begun(&self) -> Option<Begun> {
        self.gate.as_ref().and_then(Gate::begun)
    }

    /// What it comes to once nothing more will come.
    pub(super) fn finish(self, at: &str) -> Result<Output, SshError> {
        let gate = self.gate.filter(|gate| gate.begun().is_none());
        match (self.status, gate) {
            (Some(status), Some(gate)) => Err(gate.refusal(at, &status)),
            (Some(status), None) => Ok(Output { status, ..self.output }),
            (None, _) if self.refused => Err(failure(
                SshErrorKind::Protocol,
                format!(
                    "{at}: the host refuses to run commands for this login (a forced command, or no shell?)"
                ),
            )),
            (None, _) => Err(failure(
                SshErrorKind::Protocol,
                format!("{at}: a command ended without an exit status; its outcome is unknown"),
            )),
        }
    }
}

fn signal_text(signal: &Sig) -> String {
    match signal {
        Sig::ABRT => "ABRT",
        Sig::ALRM => "ALRM",
        Sig::FPE => "FPE",
        Sig::HUP => "HUP",
        Sig::ILL => "ILL",
        Sig::INT => "INT",
        Sig::KILL => "KILL",
        Sig::PIPE => "PIPE",
        Sig::QUIT => "QUIT",
        Sig::SEGV => "SEGV",
        Sig::TERM => "TERM",
        Sig::USR1 => "USR1",
        Sig::Custom(name) => return clean_line(name.as_bytes(), 32),
    }
    .to_owned()
}
