//! The way through sudo or doas: knows the question for the password and the word that the command itself has begun, and
//! says why if it never does.
//!
//! Must never let a password out before it is asked for: if nobody asks, it would be the command's input.

use std::num::NonZeroU32;

use tokio::sync::mpsc::UnboundedSender;

use super::super::failure::{failure, quoted};
use crate::ports::{ExitStatus, Method, Privilege, SshError, SshErrorKind, Stream};

/// Text before the gate that is kept, to say why it stays shut.
const HELD: usize = 16 * 1024;
/// Digits of the longest number of a process.
const LONGEST_NUMBER: usize = 10;
/// What doas ends its question with; it lets nobody choose another one.
const DOAS_QUESTION: &str = "assword: ";

/// What the host wants before it reads on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// The password.
    Password,
    /// The command's own input.
    Input,
}

/// A command that has got its privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ssh) struct Begun {
    /// Its process, as the host says.
    pub(in crate::ssh) process: Option<NonZeroU32>,
}

/// Stands before the output of a command until the command itself has begun.
pub(super) struct Gate {
    privilege: Privilege,
    prompt: String,
    /// What the command says of itself before it begins, up to the number of its process.
    mark: String,
    held: Vec<u8>,
    /// How much of it has been searched.
    searched: usize,
    asked: usize,
    begun: Option<Begun>,
    asks: UnboundedSender<Ask>,
}

impl Gate {
    /// A shut gate; `token` is what nobody else can write by chance.
    pub(super) fn new(privilege: Privilege, token: &str, asks: UnboundedSender<Ask>) -> Self {
        let prompt = match privilege.method {
            Method::Sudo => format!("[egressctl-{token}-password]"),
            Method::Doas => DOAS_QUESTION.to_owned(),
        };
        let mark = format!("[egressctl-{token}-begun-");
        Self { privilege, prompt, mark, held: Vec::new(), searched: 0, asked: 0, begun: None, asks }
    }

    /// Where it listens: doas asks on a terminal, which has one stream only.
    pub(super) fn stream(&self) -> Stream {
        if self.is_terminal() { Stream::Out } else { Stream::Err }
    }

    /// A terminal is needed, because doas reads passwords from nothing else.
    pub(super) fn is_terminal(&self) -> bool {
        self.privilege.method == Method::Doas && self.privilege.password.is_some()
    }

    /// The command, once it has begun.
    pub(super) const fn begun(&self) -> Option<Begun> {
        self.begun
    }

    /// The words that go before the command's own: become somebody else, say so, be the command.
    pub(super) fn words(&self) -> Vec<String> {
        let Self { privilege, prompt, mark, .. } = self;
        // Put together only there: a refusal may quote the command.
        let (front, back) = mark.split_at(mark.len() / 2);
        let begin = if self.is_terminal() {
            format!("printf '%s%s%s]' '{front}' '{back}' $$; exec \"$@\" </dev/null")
        } else {
            format!("printf '%s%s%s]' '{front}' '{back}' $$ >&2; exec \"$@\"")
        };
        // Its messages are to be understood here.
        let mut words = vec!["env", "LC_MESSAGES=C"];
        match (privilege.method, &privilege.password) {
            (Method::Sudo, None) => words.extend(["sudo", "-H", "-n"]),
            (Method::Sudo, Some(_)) => words.extend(["sudo", "-H", "-S", "-p", prompt]),
            (Method::Doas, None) => words.extend(["doas", "-n"]),
            (Method::Doas, Some(_)) => words.push("doas"),
        }
        words.extend(["-u", &privilege.user, "--", "/bin/sh", "-c", &begin, "sh"]);
        words.into_iter().map(str::to_owned).collect()
    }

    /// Takes what the host says; gives what the command itself has said of it.
    pub(super) fn take(&mut self, data: &[u8]) -> Vec<u8> {
        if self.begun.is_some() {
            return data.to_vec();
        }
        self.held.extend_from_slice(data);
        loop {
            let (question, mark) = (self.find(&self.prompt), self.find(&self.mark));
            match (question, mark) {
                (Some(at), mark) if mark.is_none_or(|mark| at < mark) => {
                    self.held.drain(at..at + self.prompt.len());
                    self.searched = at;
                    self.asked += 1;
                    // Whoever feeds the command is gone when it is being given up.
                    let _ = self.asks.send(Ask::Password);
                }
                (_, Some(at)) => return self.pass(at),
                (_, None) => break,
            }
        }
        let excess = self.held.len().saturating_sub(HELD);
        self.held.drain(..excess);
        // A word may have begun at the end of it.
        self.searched = self.held.len().saturating_sub(self.prompt.len().max(self.mark.len()));
        Vec::new()
    }

    /// Opens, if the mark at `at` is there as a whole.
    fn pass(&mut self, at: usize) -> Vec<u8> {
        let number = at + self.mark.len();
        let behind = self.held.get(number..).unwrap_or_default();
        let end = behind.iter().take(LONGEST_NUMBER + 1).position(|byte| *byte == b']');
        if end.is_none() && behind.len() <= LONGEST_NUMBER {
            self.searched = at;
            return Vec::new();
        }
        let number = end.and_then(|end| str::from_utf8(behind.get(..end)?).ok()?.parse().ok());
        let behind = behind.get(end.map_or(0, |end| end + 1)..).unwrap_or_default().to_vec();
        self.begun = Some(Begun { process: number });
        self.held.clear();
        let _ = self.asks.send(Ask::Input);
        behind
    }

    fn find(&self, word: &str) -> Option<usize> {
        find(self.held.get(self.searched..)?, word).map(|at| at + self.searched)
    }

    /// Why the command has not begun.
    pub(super) fn refusal(&self, at: &str, status: &ExitStatus) -> SshError {
        let said = String::from_utf8_lossy(&self.held);
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let Privilege { method, user, password } = &self.privilege;
        let by = match method {
            Method::Sudo => "sudo",
            Method::Doas => "doas",
        };
        let why = if self.asked > 1
            || says(&["incorrect password attempt", "uthentication failed", "uthorization failed"])
        {
            format!("{by} did not take the password; it was tried once")
        } else if says(&["must have a tty"]) {
            "its sudo wants a terminal (requiretty); add \"Defaults:USER !requiretty\" to its sudoers, or use another \
             --become-method"
                .to_owned()
        } else if says(&[
            "not in the sudoers file",
            "may not run sudo",
            "is not allowed to",
            "peration not permitted",
            "doas is not enabled",
        ]) {
            format!("{by} does not let this login be {user}; permit it in its sudoers or doas.conf")
        } else if says(&["unknown user", "unknown group"]) {
            format!("{by} knows no user {user}")
        } else if password.is_none()
            && says(&[
                "password is required",
                "authentication is required",
                "uthentication required",
                "terminal is required",
            ])
        {
            format!(
                "{by} asks for a password; use --ask-become-pass or --become-password-file, or permit it without one"
            )
        } else if *status == ExitStatus::Code(127) {
            format!("there is no {by}; use another --become-method, or log in as {user}")
        } else {
            format!("{by} did not run the command; it said {}", quoted(&self.held))
        };
        failure(SshErrorKind::Privilege, format!("{at}: {why}"))
    }
}

fn find(text: &[u8], word: &str) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word.as_bytes())
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::core::model::Secret;

    fn gate(method: Method, password: bool) -> (Gate, UnboundedReceiver<Ask>) {
        let (sender, asks) = unbounded_channel();
        let password = password.then(|| Secret::new("canary".to_owned()));
        (Gate::new(Privilege { method, user: "root".to_owned(), password }, "t", sender), asks)
    }

    #[test]
    fn the_password_is_wanted_only_when_asked_for_and_what_comes_before_is_not_the_commands() {
        let (mut gate, mut asks) = gate(Method::Sudo, true);
        for piece in ["We trust you\n[egressctl-t-pass", "word]"] {
            assert!(gate.take(piece.as_bytes()).is_empty());
        }
        assert_eq!(asks.try_recv(), Ok(Ask::Password));
        assert_eq!(
            gate.take(b"\n[egressctl-t-begun-41]own [egressctl-t-password]"),
            b"own [egressctl-t-password]"
        );
        assert_eq!(asks.try_recv(), Ok(Ask::Input));
        assert!(gate.begun().unwrap().process == NonZeroU32::new(41) && asks.try_recv().is_err());
        assert_eq!(gate.take(b"more"), b"more");
    }

    #[test]
    fn the_mark_may_come_in_pieces_and_hold_nonsense() {
        let begun = |pieces: &[&str]| {
            let (mut gate, _asks) = gate(Method::Sudo, true);
            let behind: Vec<u8> = pieces.iter().flat_map(|piece| gate.take(piece.as_bytes())).collect();
            (gate.begun().map(|begun| begun.process), String::from_utf8(behind).unwrap())
        };
        let all = "[egressctl-t-password]\n[egressctl-t-begun-65536]own";
        for at in 0..all.len() - 3 {
            let (front, back) = all.split_at(at);
            assert_eq!(begun(&[front, back]), (Some(NonZeroU32::new(65_536)), "own".to_owned()), "{at}");
        }
        let bytes: Vec<String> = all.chars().map(String::from).collect();
        let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
        assert_eq!(begun(&bytes), (Some(NonZeroU32::new(65_536)), "own".to_owned()));
        for nonsense in ["x]own", "0]own", "]own", "99999999999]own", "-1]own"] {
            let (process, _) = begun(&[&format!("[egressctl-t-begun-{nonsense}")]);
            assert_eq!(process, Some(None), "{nonsense}");
        }
        assert_eq!(begun(&["[egressctl-t-begun-4194304"]).0, None, "its end is not there yet");
    }

    #[test]
    fn no_password_is_on_the_command_line() {
        for method in [Method::Sudo, Method::Doas] {
            let (gate, _) = gate(method, true);
            assert!(!gate.words().concat().contains("canary"));
            assert!(!gate.words().join(" ").contains(&gate.mark), "a refusal may quote the command");
            assert!(!format!("{:?}", gate.privilege).contains("canary"));
        }
    }

    #[test]
    fn refusals_are_told_by_what_is_said() {
        let table = [
            (
                Method::Sudo,
                true,
                "Sorry, try again.\n[egressctl-t-password][egressctl-t-password]",
                "tried once",
            ),
            (
                Method::Sudo,
                false,
                "Sorry, user a is not allowed to execute '/bin/sh -c printf %s%s '[egressctl' '-t-begun-'",
                "does not let",
            ),
            (Method::Sudo, true, "[egressctl-t-password]sudo: 1 incorrect password attempt\n", "tried once"),
            (Method::Doas, true, "doas (a@h) password: doas: Authentication failed\n", "tried once"),
            (Method::Sudo, false, "sudo: sorry, you must have a tty to run sudo\n", "requiretty"),
            (Method::Sudo, false, "a is not in the sudoers file.\n", "does not let this login be root"),
            (
                Method::Sudo,
                false,
                "Sorry, user a may not run sudo on h.\n",
                "does not let this login be root",
            ),
            (
                Method::Sudo,
                false,
                "Sorry, user a is not allowed to execute '/bin/sh' as root on h.\n",
                "does not let",
            ),
            (Method::Doas, false, "doas: Operation not permitted\n", "does not let this login be root"),
            (
                Method::Doas,
                false,
                "doas: doas is not enabled, /etc/doas.conf: No such file\n",
                "does not let",
            ),
            (Method::Sudo, false, "sudo: a password is required\n", "--ask-become-pass"),
            (Method::Sudo, false, "sudo: interactive authentication is required\n", "--ask-become-pass"),
            (Method::Doas, false, "doas: Authentication required\n", "--ask-become-pass"),
            (Method::Sudo, false, "sudo: unknown user root\n", "no user root"),
            (Method::Sudo, false, "sudo: \u{1b}[31mon fire", "it said \"sudo: \\u{1b}[31mon fire\""),
        ];
        for (method, password, said, expected) in table {
            let (mut gate, _asks) = gate(method, password);
            gate.take(said.as_bytes());
            let error = gate.refusal("h:22", &ExitStatus::Code(1));
            assert!(error.message.contains(expected), "{said:?}: {error}");
            assert_eq!(error.kind, SshErrorKind::Privilege);
        }
        let (mut gate, _asks) = gate(Method::Sudo, false);
        gate.take(b"env: 'sudo': No such file or directory\n");
        assert!(gate.refusal("h", &ExitStatus::Code(127)).message.contains("there is no sudo"));
    }

    #[test]
    fn a_flood_before_the_gate_is_not_kept() {
        let (mut gate, _asks) = gate(Method::Sudo, false);
        for _ in 0..100 {
            assert!(gate.take(&[b'x'; 4096]).is_empty());
        }
        assert!(gate.held.len() <= HELD);
    }
}
