//! From a command to the one line that sshd hands to the login's shell, and to what is fed to it.
//!
//! Must never let a word of the caller be anything but one word there. The login's shell must know single quotes as POSIX
//! does; scripts never pass through it.

use tokio::sync::mpsc::unbounded_channel;

use super::feed::Feed;
use super::gate::Gate;
use crate::core::template::sh_quote;
use crate::core::text::clean_line;
use crate::ports::{Command, Exec, Stdin};

/// The longest line: the login's shell gets it as one argument, and Linux takes 128 KiB with the final NUL.
const LONGEST: usize = 128 * 1024 - 1;

/// What is fed to the command, and what stands before its output. The error says what is wrong with the command.
pub(super) fn prepare(exec: &Exec) -> Result<(Feed, Option<Gate>), String> {
    let (asks, answers) = unbounded_channel();
    let gate = match &exec.privilege {
        Some(privilege) => Some(Gate::new(privilege.clone(), &token()?, asks)),
        None => None,
    };
    let terminal = gate.as_ref().is_some_and(Gate::is_terminal);
    let (words, input) = match &exec.command {
        Command::Script(script) if terminal => (own(&["/bin/sh", "-c", script]), Stdin::Empty),
        Command::Script(script) => (own(&["/bin/sh", "-s"]), Stdin::Bytes(script.as_bytes().into())),
        Command::Argv(words) => (words.clone(), exec.stdin.clone()),
    };
    if terminal && !matches!(input, Stdin::Empty) {
        return Err("doas reads its password from a terminal, so that nothing can be fed to its command; use sudo, or \
                    permit it without a password"
            .to_owned());
    }
    match words.first() {
        None => return Err("there is no command".to_owned()),
        // The login's shell would take it for an option of its own.
        Some(first) if first.starts_with('-') => {
            return Err(format!("a command cannot begin with {}", clean_line(first.as_bytes(), 40)));
        }
        Some(_) => {}
    }
    let words = gate.as_ref().map(Gate::words).into_iter().flatten().chain(words);
    let line = words.fold("exec".to_owned(), |line, word| line + " " + &quote_if_needed(word));
    if line.contains('\0') {
        return Err("the command has a NUL byte, which no command line can hold".to_owned());
    }
    if line.len() > LONGEST {
        return Err(format!(
            "the command line has {} bytes, and a host takes at most {LONGEST}; put it into a script, or feed it by stdin",
            line.len()
        ));
    }
    let password = exec.privilege.as_ref().and_then(|privilege| privilege.password.clone());
    let feed = Feed { line, input, gate: gate.is_some().then_some((answers, password)), terminal };
    Ok((feed, gate))
}

/// Plain words stay readable in the host's list of processes.
fn quote_if_needed(word: String) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word } else { sh_quote(&word) }
}

fn own(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A word that no host can have written by chance.
fn token() -> Result<String, String> {
    let mut noise = [0_u8; 8];
    getrandom::fill(&mut noise).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(noise.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::model::Secret;
    use crate::ports::{Method, Privilege};

    fn line(exec: &Exec) -> Result<String, String> {
        prepare(exec).map(|(feed, _)| feed.line)
    }

    fn exec(command: Command) -> Exec {
        Exec::new(command, Duration::from_secs(1), 10)
    }

    fn argv(words: &[&str]) -> Exec {
        exec(Command::Argv(own(words)))
    }

    #[test]
    fn words_stay_words_and_scripts_stay_off_the_line() {
        let script = exec(Command::Script("secret $(id)".to_owned()));
        assert_eq!(line(&script).as_deref(), Ok("exec /bin/sh -s"));
        assert_eq!(line(&argv(&["echo", "a b", "'", ""])).as_deref(), Ok(r"exec echo 'a b' ''\''' ''"));
        let sudo = Exec { privilege: Some(Privilege::default()), ..argv(&["id"]) };
        let text = line(&sudo).unwrap();
        assert!(text.starts_with("exec env 'LC_MESSAGES=C' sudo -H -n -u root -- /bin/sh -c "), "{text}");
        assert!(text.ends_with(" sh id"), "{text}");
    }

    #[test]
    fn what_no_line_can_hold_is_said() {
        assert!(line(&argv(&[])).unwrap_err().contains("no command"));
        assert_eq!(line(&argv(&["-l", "id"])).unwrap_err(), "a command cannot begin with -l");
        assert!(line(&argv(&["a\0"])).unwrap_err().contains("NUL"));
        assert!(line(&argv(&["a", &"x".repeat(LONGEST)])).unwrap_err().contains("at most 131071"));
        assert!(line(&exec(Command::Script("x".repeat(LONGEST * 2)))).is_ok());
    }

    #[test]
    fn doas_with_a_password_takes_no_input() {
        let password = Some(Secret::new("p".to_owned()));
        let privilege = Some(Privilege { method: Method::Doas, user: "root".to_owned(), password });
        let script = Exec { privilege: privilege.clone(), ..exec(Command::Script("id".to_owned())) };
        let (feed, gate) = prepare(&script).unwrap();
        assert!(feed.terminal && feed.line.ends_with(" sh /bin/sh -c id"), "{}", feed.line);
        assert!(gate.unwrap().is_terminal());
        let fed = Exec { privilege, stdin: Stdin::Bytes(b"x"[..].into()), ..argv(&["cat"]) };
        assert!(line(&fed).unwrap_err().contains("use sudo"));
    }
}
