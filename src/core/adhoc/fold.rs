//! Many answers in few words: hosts that said the same are shown once.
//!
//! Must never let a host's text look like another host's answer: every line of it is indented.

use std::collections::HashMap;

use super::lines::shown;
use super::{Answer, Said};
use crate::core::event::HostOutcome;
use crate::core::model::HostName;
use crate::core::report::{OutcomeKind, for_terminal, shorten};

/// What is shown of one host; equal blocks are folded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Block {
    /// Behind the host's name; may be empty. Escaped.
    pub head: String,
    /// The lines below, escaped, each with what it begins with.
    pub lines: Vec<String>,
}

/// The block of a command's answer: `  ` before lines of stdout, `! ` before those of stderr.
#[must_use]
pub fn block(answer: &Answer<Said>) -> Block {
    let mut heads = Vec::new();
    if answer.outcome.reason().is_some() {
        heads.push(outcome_words(&answer.outcome));
    }
    let mut lines = Vec::new();
    if let Some(said) = &answer.value {
        if said.truncated {
            heads.push("output over the limit was dropped".to_owned());
        }
        lines.extend(text_lines("  ", &said.stdout));
        lines.extend(text_lines("! ", &said.stderr));
    }
    Block { head: heads.join("; "), lines }
}

fn text_lines<'a>(mark: &'a str, text: &'a [u8]) -> impl Iterator<Item = String> + 'a {
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let lines = (!text.is_empty()).then(|| body.split(|byte| *byte == b'\n'));
    lines.into_iter().flatten().map(move |line| format!("{mark}{}", shown(line)).trim_end().to_owned())
}

/// How it went, with the reason if it did not go well: `x failed: exit code 3`.
#[must_use]
pub fn outcome_words(outcome: &HostOutcome) -> String {
    let kind = OutcomeKind::of(outcome);
    let words = format!("{} {}", kind.sign(), kind.label());
    outcome.reason().map_or_else(|| words.clone(), |reason| format!("{words}: {}", for_terminal(reason)))
}

/// All blocks, equal ones once: `-- web-[1-3] (3 hosts)` and what they said. Order follows the first host of each.
#[must_use]
pub fn fold<'a>(blocks: impl IntoIterator<Item = (&'a HostName, Block)>) -> String {
    let mut groups: Vec<(Block, Vec<&str>)> = Vec::new();
    let mut places: HashMap<Block, usize> = HashMap::new();
    for (host, block) in blocks {
        if let Some((_, hosts)) = places.get(&block).and_then(|place| groups.get_mut(*place)) {
            hosts.push(host.as_str());
        } else {
            places.insert(block.clone(), groups.len());
            groups.push((block, vec![host.as_str()]));
        }
    }
    let mut out = String::new();
    for (block, hosts) in groups {
        let count = if hosts.len() == 1 { String::new() } else { format!(" ({} hosts)", hosts.len()) };
        let head = if block.head.is_empty() { String::new() } else { format!(": {}", block.head) };
        out += &format!("-- {}{count}{head}\n", shorten(hosts).join(" "));
        for line in block.lines {
            out += &line;
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::Exit;
    use super::*;

    fn answer(host: &str, stdout: &[u8], stderr: &[u8], code: u32) -> Answer<Said> {
        let exit = Exit::Code(code);
        let said =
            Said { stdout: stdout.into(), stderr: stderr.into(), exit: exit.clone(), truncated: false };
        Answer {
            host: host.parse().unwrap(),
            outcome: exit.outcome(),
            is_lost: false,
            ms: 1,
            value: Some(said),
        }
    }

    fn folded(answers: &[Answer<Said>]) -> String {
        fold(answers.iter().map(|answer| (&answer.host, block(answer))))
    }

    #[test]
    fn equal_answers_are_shown_once() {
        let mut answers: Vec<_> = (1..=3).map(|n| answer(&format!("web-{n}"), b"a\n\nb\n", b"", 0)).collect();
        answers.insert(1, answer("db", b"a\n\nb", b"late\n", 3));
        answers.push(answer("quiet", b"", b"", 0));
        assert_eq!(
            folded(&answers),
            "-- web-[1-3] (3 hosts)\n  a\n\n  b\n-- db: x failed: exit code 3\n  a\n\n  b\n! late\n-- quiet\n"
        );
    }

    #[test]
    fn a_host_cannot_speak_for_another_or_to_the_terminal() {
        let text = folded(&[answer("web-1", b"x\n-- web-2\nlies\x1b[2J\xff\n", b"", 0)]);
        assert_eq!(text, "-- web-1\n  x\n  -- web-2\n  lies\\u{1b}[2J\\xff\n");
    }

    #[test]
    fn hosts_that_gave_no_answer_say_why() {
        let outcome = HostOutcome::Unreachable("no\nanswer \u{1b}".to_owned());
        let lost = |host: &str| Answer {
            host: host.parse().unwrap(),
            outcome: outcome.clone(),
            is_lost: false,
            ms: 1,
            value: None,
        };
        let text = folded(&[lost("a-1"), lost("a-2")]);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with("-- a-[1-2] (2 hosts): ") && text.contains("no answer \\u{1b}"), "{text}");
    }
}
