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
use super::values::ValueArgs;
use crate::core::adhoc::{Answer, Block, Said, block, fold, to_json};
use crate::core::template::{FileTemplate, sh_quote};
use crate::engine::adhoc::{Commands, RunOrder, Visit, run as run_on};
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
    #[arg(long, value_name = "FILE", group = "source")]
    script: Option<PathBuf>,
    #[command(flatten)]
    values: ValueArgs,
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
    let (work, stdin) = (args.work()?, args.stdin()?);
    let ground = args.adhoc.open().await?;
    let order = RunOrder {
        commands: args.commands(work, matches!(stdin, Stdin::Empty), &ground.visits)?,
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

/// What is asked for, as far as no host has to be known for it.
enum Wanted {
    Command,
    Script(String),
    Template(Box<FileTemplate>),
}

impl RunArgs {
    fn stdin(&self) -> Result<Stdin, Problem> {
        Ok(match &self.stdin {
            None => Stdin::Empty,
            Some(path) => Stdin::File(Arc::new(input(path)?)),
        })
    }

    fn work(&self) -> Result<Wanted, Problem> {
        let Some(path) = &self.script else { return Ok(Wanted::Command) };
        let name = path.display().to_string();
        let script = std::fs::read_to_string(path)
            .map_err(|error| Problem::failed(format!("script {name}: {error}")))?;
        if let Some(other) = interpreter(&script) {
            return Err(Problem::failed(format!(
                "script {name}: its first line asks for {other}, and scripts are run by /bin/sh; use run --stdin {name} -- {other} -s, \
                 or what that program needs to read its script from standard input"
            )));
        }
        if !self.values.is_template {
            return Ok(Wanted::Script(script));
        }
        let template = FileTemplate::script(&name, &script);
        template.map(|it| Wanted::Template(Box::new(it))).map_err(|error| Problem::failed(error.to_string()))
    }

    fn commands(&self, wanted: Wanted, by_stdin: bool, visits: &[Visit]) -> Result<Commands, Problem> {
        Ok(match wanted {
            Wanted::Command => Commands::Same(Command::Argv(self.command.clone())),
            Wanted::Script(script) => Commands::Same(self.by_shell(script, by_stdin)),
            Wanted::Template(template) => {
                let scripts = self.values.render(&template, visits)?.into_iter();
                Commands::Each(
                    scripts.map(|(host, script)| (host, self.by_shell(script, by_stdin))).collect(),
                )
            }
        })
    }

    /// The script with its arguments; `by_stdin` unless standard input is the command's.
    fn by_shell(&self, script: String, by_stdin: bool) -> Command {
        if by_stdin {
            let words: String = self.command.iter().map(|word| format!(" {}", sh_quote(word))).collect();
            let set = if words.is_empty() { words } else { format!("set --{words}\n") };
            return Command::Script(set + &script);
        }
        let words = ["/bin/sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()];
        Command::Argv(words.into_iter().chain(self.command.iter().cloned()).collect())
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
