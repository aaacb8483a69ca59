//! Asks a person, on the terminal or by the program that `SSH_ASKPASS` names, as OpenSSH does.
//!
//! Must never let a secret be seen while it is typed, leave the terminal without echo, or take anything from stdin, which
//! may be data.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::core::model::Secret;
use crate::core::text::clean_line;
use crate::ports::{Question, Unanswered};

/// The longest answer in bytes.
const LONGEST: usize = 1024;

/// What the environment says about asking.
#[derive(Debug, Clone, Default)]
pub(super) struct Means {
    /// `SSH_ASKPASS`
    pub(super) program: Option<OsString>,
    /// `SSH_ASKPASS_REQUIRE=force`
    pub(super) is_forced: bool,
}

impl Means {
    /// Reads the environment.
    pub(super) fn read() -> Self {
        Self {
            program: std::env::var_os("SSH_ASKPASS").filter(|program| !program.is_empty()),
            is_forced: std::env::var_os("SSH_ASKPASS_REQUIRE").is_some_and(|value| value == "force"),
        }
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(&self, question: &Question) -> Result<Secret<String>, Unanswered> {
        let terminal = || OpenOptions::new().read(true).write(true).open("/dev/tty");
        match (&self.program, terminal()) {
            (Some(program), _) if self.is_forced => by_program(program, question),
            (_, Ok(terminal)) => on_terminal(&terminal, question),
            (Some(program), Err(_)) => by_program(program, question),
            (None, Err(_)) => Err(Unanswered(format!(
                "{} is needed, and nobody can be asked: there is no terminal; set SSH_ASKPASS, or {}",
                wanted(question),
                instead(question)
            ))),
        }
    }
}

/// What is asked for, for the middle of a sentence.
fn wanted(question: &Question) -> String {
    match question {
        Question::Passphrase { file, .. } => format!("the passphrase of {}", file.display()),
        Question::Password { user, jump: None } => format!("the password of {user} on the hosts"),
        Question::Password { user, jump: Some(jump) } => {
            format!("the password of {user} at jump host {jump}")
        }
        Question::Become { user } => format!("the password for being {user} on the hosts"),
        Question::Prompt { user, jump, .. } => format!("an answer for {user} to jump host {jump}"),
    }
}

/// What to do where nobody can be asked, besides `SSH_ASKPASS`.
const fn instead(question: &Question) -> &'static str {
    match question {
        Question::Passphrase { .. } => "use an SSH agent or a key without a passphrase",
        Question::Password { .. } => "log in by a key or an SSH agent (--key-file, SSH_AUTH_SOCK)",
        Question::Become { .. } => "give it by --become-password-file, or let sudoers ask for none",
        Question::Prompt { .. } => "log in to the jump host by a key or an SSH agent",
    }
}

fn prompt(question: &Question) -> String {
    let text = match question {
        Question::Passphrase { attempt: 2.., .. } => format!("That was wrong. Again, {}", wanted(question)),
        Question::Prompt { user, jump, text, .. } => format!("Jump host {jump} asks {user}: {text}"),
        Question::Passphrase { .. } | Question::Password { .. } | Question::Become { .. } => {
            format!("Please give {}", wanted(question))
        }
    };
    let text = clean_line(text.as_bytes(), 600);
    if text.ends_with(':') || text.ends_with('?') { format!("{text} ") } else { format!("{text}: ") }
}

fn by_program(program: &OsString, question: &Question) -> Result<Secret<String>, Unanswered> {
    let name = program.display();
    let failed =
        |why: String| Unanswered(format!("{} was not given: {name} (SSH_ASKPASS) {why}", wanted(question)));
    let output = Command::new(program)
        .arg(prompt(question))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|e| failed(format!("cannot be run: {e}")))?;
    if !output.status.success() {
        return Err(failed(format!("ended with {}", output.status)));
    }
    let bytes = Secret::new(output.stdout);
    let line = bytes.expose().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| failed("wrote no text".to_owned()))?;
    Ok(Secret::new(text.to_owned()))
}

fn on_terminal(terminal: &File, question: &Question) -> Result<Secret<String>, Unanswered> {
    let unanswered =
        |why: &dyn std::fmt::Display| Unanswered(format!("{} was not given: {why}", wanted(question)));
    let mut tty = terminal;
    let modes = Modes::quiet(terminal).map_err(|e| unanswered(&e))?;
    let is_shown = matches!(question, Question::Prompt { echo: true, .. });
    let answer = tty
        .write_all(prompt(question).as_bytes())
        .and_then(|()| line(&mut tty, is_shown.then_some(&mut { terminal })));
    drop(modes);
    // Whatever comes next begins on a line of its own; a terminal that is gone needs none.
    let _ = tty.write_all(b"\n");
    match answer {
        Ok(Typed::Line(line)) => Ok(line),
        Ok(Typed::Nothing) => Err(unanswered(&"the input ended")),
        Ok(Typed::Interrupt) => {
            // As the terminal would have done, had it not been told to leave the keys to us.
            let _ = kill_process(getpid(), Signal::INT);
            Err(unanswered(&"interrupted"))
        }
        Err(e) => Err(unanswered(&e)),
    }
}

/// A terminal that shows nothing of what is typed and leaves the keys to us; dropped, it is as it was.
struct Modes<'a>(&'a File, Termios);

impl<'a> Modes<'a> {
    fn quiet(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        // Flushed: what was typed before the question is not the answer to it.
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self(terminal, before))
    }
}

impl Drop for Modes<'_> {
    fn drop(&mut self) {
        // If the terminal is gone, there is nothing to restore.
        let _ = tcsetattr(self.0, OptionalActions::Drain, &self.1);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Typed {
    Line(Secret<String>),
    Nothing,
    Interrupt,
}

/// Reads a line key by key: backspace and Ctrl-U work, Ctrl-C and Ctrl-D end it. What is typed is repeated to `shown`.
fn line(keys: &mut impl Read, mut shown: Option<&mut impl Write>) -> io::Result<Typed> {
    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    const BACKSPACE: [u8; 2] = [8, 127];
    const KILL: u8 = 21;
    let mut typed: Vec<u8> = Vec::with_capacity(LONGEST);
    let mut key = [0];
    loop {
        if keys.read(&mut key)? == 0 {
            return Ok(Typed::Nothing);
        }
        let mut repeat = |text: &[u8]| shown.as_mut().map_or(Ok(()), |shown| shown.write_all(text));
        match key[0] {
            b'\n' | b'\r' => break,
            INTERRUPT => return Ok(Typed::Interrupt),
            END if typed.is_empty() => return Ok(Typed::Nothing),
            END => break,
            KILL => typed.clear(),
            byte if BACKSPACE.contains(&byte) => {
                while typed.pop().is_some_and(|last| last & 0b1100_0000 == 0b1000_0000) {}
                repeat(b"\x08 \x08")?;
            }
            byte if typed.len() < LONGEST => {
                typed.push(byte);
                repeat(&[byte])?;
            }
            _ => return Err(io::Error::other("the answer is too long")),
        }
    }
    let text = String::from_utf8(typed).map_err(|_| io::Error::other("the answer is not UTF-8"))?;
    Ok(Typed::Line(Secret::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::os::unix::fs::PermissionsExt as _;

    fn typed(keys: &[u8]) -> Typed {
        line(&mut &*keys, None::<&mut Vec<u8>>).unwrap()
    }

    fn passphrase(attempt: u8) -> Question {
        Question::Passphrase { file: "/k".into(), attempt }
    }

    #[test]
    fn keys_edit_the_line() {
        let line = |text: &str| Typed::Line(Secret::new(text.to_owned()));
        let table: [(&[u8], Typed); 9] = [
            (b"abc\n", line("abc")),
            (b"abc\rdef", line("abc")),
            (b"\n", line("")),
            (b"axx\x7f\x08b\n", line("ab")),
            ("aé\x7fb\n".as_bytes(), line("ab")),
            (b"wrong\x15right\n", line("right")),
            (b"half\x04", line("half")),
            (b"\x04", Typed::Nothing),
            (b"ab\x03", Typed::Interrupt),
        ];
        for (keys, expected) in table {
            assert_eq!(typed(keys), expected, "{keys:?}");
        }
        assert_eq!(typed(b"cut"), Typed::Nothing);
        assert!(super::line(&mut &[b'x'; 2000][..], None::<&mut Vec<u8>>).is_err());
    }

    #[test]
    fn a_secret_is_not_shown_and_the_terminal_is_restored() {
        for (echo, expected) in [(false, "asks root: Code: \r\n"), (true, "asks root: Code: 42\r\n")] {
            let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
            grantpt(&near).unwrap();
            unlockpt(&near).unwrap();
            let path = ptsname(&near, Vec::new()).unwrap();
            let mut near = File::from(near);
            let far = OpenOptions::new().read(true).write(true).open(path.to_str().unwrap()).unwrap();
            let before = tcgetattr(&far).unwrap().local_modes;
            let question = Question::Prompt {
                user: "root".to_owned(),
                jump: "j:22".to_owned(),
                text: "Code:".to_owned(),
                echo,
            };
            let asking = std::thread::spawn(move || (on_terminal(&far, &question), far));
            let mut screen = Vec::new();
            let mut until = |end: &str| {
                let mut part = [0; 256];
                while !String::from_utf8_lossy(&screen).ends_with(end) {
                    let size = near.read(&mut part).unwrap();
                    screen.extend_from_slice(&part[..size]);
                }
                near.try_clone().unwrap()
            };
            until("Code: ").write_all(b"42\n").unwrap();
            until(expected);
            let (answer, far) = asking.join().unwrap();
            assert_eq!(answer, Ok(Secret::new("42".to_owned())));
            assert_eq!(tcgetattr(&far).unwrap().local_modes, before);
        }
    }

    #[test]
    fn a_program_may_be_asked_instead() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("askpass");
        let with = |script: &str| {
            std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            Means { program: Some(program.clone().into()), is_forced: true }.ask(&passphrase(1))
        };
        assert_eq!(
            with("echo \"<$1>\"; echo more"),
            Ok(Secret::new("<Please give the passphrase of /k: >".to_owned()))
        );
        assert!(with("exit 1").unwrap_err().0.contains("was not given"));
        assert!(with("printf '\\377\\n'").unwrap_err().0.contains("no text"));
    }

    #[test]
    fn what_a_jump_host_says_cannot_pose_as_ours() {
        let text = "\u{1b}[2JPlease give the passphrase of /k".to_owned();
        let question =
            Question::Prompt { user: "root".to_owned(), jump: "j:22".to_owned(), text, echo: false };
        let shown = prompt(&question);
        assert!(shown.starts_with("Jump host j:22 asks root: \\u{1b}[2J"), "{shown}");
        assert_eq!(prompt(&passphrase(2)), "That was wrong. Again, the passphrase of /k: ");
    }
}
