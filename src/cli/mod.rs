//! The command line: one file per verb; each turns arguments into one call and its end into an exit code.
//!
//! Must never hold logic that a library user would miss, and never print except through `ui`.

mod adhoc;
mod apply;
mod approve;
mod audit;
mod beside;
mod calls;
mod change;
mod clock;
mod confirm;
mod demo;
mod doctor;
mod ending;
mod explain;
mod facts;
mod fleet;
mod gate;
mod inventory;
mod lab;
mod leases;
mod limit;
mod lock;
mod ping;
mod plan;
mod preflight;
mod problem;
mod push;
mod rescue;
mod resume;
mod rollback;
mod rollout;
mod run;
mod runs;
mod saved;
mod show;
mod ssh_args;
mod status;
mod trust;
mod validate;
mod values;
mod verify;
mod watchdog;
mod who;

use std::ffi::OsString;
use std::future::Future;
use std::num::NonZero;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use problem::Problem;

/// Give a fleet of cloud hosts one shared egress address without losing anybody's inbound address.
#[derive(Debug, Parser)]
#[command(name = "egressctl", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(alias = "check")]
    Plan(plan::PlanArgs),
    Show(show::ShowPlanArgs),
    Preflight(preflight::PreflightArgs),
    Apply(apply::ApplyArgs),
    Approve(approve::ApproveArgs),
    Verify(verify::VerifyArgs),
    #[command(alias = "drift")]
    Audit(audit::AuditArgs),
    Resume(resume::ResumeArgs),
    Confirm(confirm::ConfirmArgs),
    Rescue(rescue::RescueArgs),
    Rollback(rollback::RollbackArgs),
    #[command(hide = true)]
    Watchdog(watchdog::WatchdogArgs),
    Runs(runs::RunsArgs),
    Lock(lock::LockArgs),
    Explain(explain::ExplainArgs),
    Validate(validate::ValidateArgs),
    Inventory(inventory::InventoryArgs),
    Doctor(doctor::DoctorArgs),
    #[command(alias = "exec")]
    Run(run::RunArgs),
    Ping(ping::PingArgs),
    Trust(trust::TrustArgs),
    Facts(facts::FactsArgs),
    Status(status::StatusArgs),
    Push(push::PushArgs),
    Demo(demo::DemoArgs),
    /// A whole cloud on this machine, in network namespaces
    Lab(lab::LabArgs),
}

/// Exit code of a mistake on the command line; clap's own 2 would read as "changes present".
const USAGE: u8 = 64;

/// Parses `args` (the program's name first), runs the verb, and returns its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed stdout or stderr leaves nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let ended = match cli.verb {
        Verb::Plan(args) => blocking(plan::run(args)),
        Verb::Show(args) => show::run(&args),
        Verb::Preflight(args) => blocking(preflight::run(args)),
        Verb::Apply(args) => blocking(apply::run(args)),
        Verb::Approve(args) => blocking(approve::run(args)),
        Verb::Verify(args) => blocking(verify::run(args)),
        Verb::Audit(args) => blocking(audit::run(args)),
        Verb::Rollback(args) => blocking(rollback::run(args)),
        Verb::Resume(args) => blocking(resume::run(args)),
        Verb::Confirm(args) => blocking(confirm::run(args)),
        Verb::Rescue(args) => blocking(rescue::run(args)),
        Verb::Watchdog(args) => blocking(watchdog::run(args)),
        Verb::Runs(args) => blocking(runs::run(args)),
        Verb::Lock(args) => blocking(lock::run(args)),
        Verb::Explain(args) => blocking(explain::run(args)),
        Verb::Validate(args) => validate::run(&args),
        Verb::Inventory(args) => blocking(inventory::run(args)),
        Verb::Doctor(args) => blocking(doctor::run(args)),
        Verb::Run(args) => blocking(run::run(args)),
        Verb::Ping(args) => blocking(ping::run(args)),
        Verb::Trust(args) => blocking(trust::run(args)),
        Verb::Facts(args) => blocking(facts::run(args)),
        Verb::Status(args) => blocking(status::run(args)),
        Verb::Push(args) => blocking(push::run(args)),
        Verb::Demo(args) => demo::run(&args),
        // The lab enters namespaces, which only a process with one thread can: it makes its own runtimes.
        Verb::Lab(args) => return lab::run(args),
    };
    ended.unwrap_or_else(Problem::report)
}

/// Threads that drive connections: one of them serves a thousand hosts a second, and each takes memory of its own.
const WORKERS: usize = 2;
/// Threads for what blocks, which is reading a few files and asking a person.
const BLOCKING: usize = 8;

fn blocking<T>(verb: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(WORKERS))
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build();
    runtime.map_err(|error| Problem::failed(format!("async runtime: {error}")))?.block_on(verb)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn no_two_options_of_a_verb_are_named_alike() {
        super::Cli::command().debug_assert();
    }

    /// Options without a variable: they say what one call does, and to what. A variable that is still set from an earlier day
    /// must not consent to anything, and must not change what is written where.
    const OF_ONE_CALL: [&str; 29] = [
        "yes",
        "check",
        "only-begun",
        "retry-stuck",
        "out",
        "host",
        "run",
        "wave",
        "fingerprints",
        "script",
        "stdin",
        "mode",
        "owner",
        "group",
        "backup",
        "template",
        "extra-vars",
        "hosts",
        "policy",
        "tag",
        "vpc",
        "vswitch",
        "resource-group",
        "name",
        "id",
        "force",
        "allow-empty",
        "help",
        "version",
    ];

    fn options(verb: &clap::Command, seen: &mut dyn FnMut(&str, Option<&str>)) {
        for option in verb.get_arguments() {
            if let Some(long) = option.get_long() {
                seen(long, option.get_env().and_then(std::ffi::OsStr::to_str));
            }
        }
        verb.get_subcommands().for_each(|below| options(below, seen));
    }

    #[test]
    fn every_option_has_its_variable_but_for_those_of_one_call() {
        let (mut wrong, mut excepted) = (Vec::new(), std::collections::BTreeSet::new());
        for verb in super::Cli::command().get_subcommands() {
            // The lab and its demonstration are for looking at, and what is hidden is called by the program itself.
            if verb.is_hide_set() || ["lab", "demo"].contains(&verb.get_name()) {
                continue;
            }
            options(verb, &mut |long, variable| {
                let usual = format!("EGRESSCTL_{}", long.to_uppercase().replace('-', "_"));
                let expected = match long {
                    // More than one, on lines of their own.
                    "ssh-option" => Some("EGRESSCTL_SSH_OPTIONS"),
                    // The vendor's own name for it.
                    "region" => Some("ALIBABA_CLOUD_REGION_ID"),
                    _ if OF_ONE_CALL.contains(&long) => None,
                    _ => Some(usual.as_str()),
                };
                if variable != expected {
                    wrong.push(format!("{} --{long}: {variable:?} instead of {expected:?}", verb.get_name()));
                }
                excepted.extend(expected.is_none().then(|| long.to_owned()));
            });
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let idle: Vec<_> = OF_ONE_CALL.iter().filter(|long| !excepted.contains(**long)).collect();
        assert!(
            idle.iter().all(|long| ["help", "version"].contains(long)),
            "exceptions for nothing: {idle:?}"
        );
    }
}
