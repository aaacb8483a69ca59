//! `egressctl run -- CMD`: a command on many hosts.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::adhoc::AdhocArgs;
use super::problem::Problem;
use crate::core::adhoc::{Answer, Block, Said, block, fold, to_json};
use crate::core::template::sh_quote;
use crate::engine::adhoc::{RunOrder, run as run_on};
use crate::ports::{Command, Stdin};
use crate::ui::Ui;

/// Limit for a command, in seconds.
const USUAL: u64 = 600;

/// Run a command on hosts; hosts that say the same are shown once
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    adhoc: AdhocArgs,
    /// Run this script by /bin/sh, ARGS being its arguments; it goes by standard input and never on a command line
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// What the command reads, `-` for our own standard input (which is read to its end first)
    #[arg(long, value_name = "FILE")]
    stdin: Option<PathBuf>,
    /// Show every line as it comes, behind the host's name
    #[arg(long, conflicts_with = "json", env = "EGRESSCTL_STREAM", value_parser = BoolishValueParser::new())]
    stream: bool,
    /// Limit for the time in which a command neither says nor reads anything, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..), env = "EGRESSCTL_IDLE_TIMEOUT")]
    idle_timeout: Option<u64>,
    /// Kilobytes kept of each host's standard output, and of its standard error; the rest is dropped, and said so
    #[arg(long, value_name = "KB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_048_576), env = "EGRESSCTL_MAX_OUTPUT")]
    max_output: u32,
    /// The command: a program and its arguments, each one word there as here (for pipes: sh -c '…')
    #[arg(last = true, value_name = "CMD", required_unless_present = "script")]
    command: Vec<String>,
}

pub(super) async fn run(args: RunArgs) -> Result<ExitCode, Problem> {
    let (command, stdin) = args.command()?;
    let ground = args.adhoc.open().await?;
    let order = RunOrder {
        command,
        stdin,
        privilege: ground.privilege.clone(),
        wall: args.adhoc.wall(USUAL),
        idle: args.idle_timeout.map(Duration::from_secs),
        max_output: usize::try_from(args.max_output).unwrap_or(usize::MAX).saturating_mul(1024),
        stream: args.stream,
    };
    let work = run_on(&ground.field, ground.visits.clone(), order);
    Ok(ground.conclude(work, |ui, answers| args.show(ui, answers)).await)
}

impl RunArgs {
    fn command(&self) -> Result<(Command, Stdin), Problem> {
        let stdin = match &self.stdin {
            None => Stdin::Empty,
            Some(path) => Stdin::File(Arc::new(input(path)?)),
        };
        let Some(path) = &self.script else { return Ok((Command::Argv(self.command.clone()), stdin)) };
        let name = path.display();
        let script = std::fs::read_to_string(path)
            .map_err(|error| Problem::failed(format!("script {name}: {error}")))?;
        if let Some(other) = interpreter(&script) {
            return Err(Problem::failed(format!(
                "script {name}: its first line asks for {other}, and scripts are run by /bin/sh; use run --stdin {name} -- {other} -s, \
                 or what that program needs to read its script from standard input"
            )));
        }
        if matches!(stdin, Stdin::Empty) {
            let words: String = self.command.iter().map(|word| format!(" {}", sh_quote(word))).collect();
            let set = if words.is_empty() { words } else { format!("set --{words}\n") };
            return Ok((Command::Script(set + &script), stdin));
        }
        // The script cannot come by standard input where that is the command's.
        let words = ["/bin/sh", "-c", &script, "sh"].map(str::to_owned);
        Ok((Command::Argv(words.into_iter().chain(self.command.iter().cloned()).collect()), stdin))
    }

    fn show(&self, ui: &Ui, answers: &[Answer<Said>]) {
        if self.adhoc.fleet.show.json {
            ui.out(&to_json("run", answers, |_, said| said.fields()));
            return;
        }
        let blocks = answers.iter().map(|answer| (&answer.host, block(answer)));
        if self.stream {
            // Their lines are there already.
            let heads = blocks.filter(|(_, block)| !block.head.is_empty());
            ui.out(&fold(heads.map(|(host, block)| (host, Block { lines: Vec::new(), ..block }))));
        } else {
            ui.out(&fold(blocks));
        }
    }
}

/// A file that many commands can read: our own standard input is kept in a nameless file until then.
fn input(path: &Path) -> Result<File, Problem> {
    let failed = |error: io::Error| Problem::failed(format!("input {}: {error}", path.display()));
    if path != Path::new("-") {
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_file() {
            return Ok(file);
        }
        return kept(file).map_err(failed);
    }
    kept(io::stdin().lock()).map_err(failed)
}

fn kept(mut source: impl io::Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut source, &mut file)?;
    Ok(file)
}

/// The program that a script's first line asks for, if that is no plain shell.
fn interpreter(script: &str) -> Option<String> {
    let line = script.strip_prefix("#!")?.lines().next()?;
    let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let program = words.find(|word| *word != "env" && !word.starts_with('-'))?;
    (!["sh", "dash", "ash"].contains(&program)).then(|| program.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_for_others_are_told_apart() {
        let cases = [
            ("echo", None),
            ("#!/bin/sh -e\n", None),
            ("#! /usr/bin/env sh\n", None),
            ("#!/bin/bash\n", Some("bash")),
            ("#!/usr/bin/env -S python3 -u\n", Some("python3")),
            ("#!", None),
        ];
        for (script, expected) in cases {
            assert_eq!(interpreter(script).as_deref(), expected, "{script}");
        }
    }
}
