//! `egressctl lab …`

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::core::model::HostName;
use crate::lab::control::Status;
use crate::lab::emulator::Summary;
use crate::lab::emulator::faults::FaultFile;
use crate::lab::services::outage::run_until_stdin_closes;
use crate::lab::spec::{Flavour, LabSpec, Sshd};
use crate::lab::{LabError, client, host, parent, supervisor};
use crate::ui;

/// A fault file travels as one argument of a command.
const MOST_FAULTS: u64 = 64 * 1024;

/// Arguments of `egressctl lab`.
#[derive(Debug, Args)]
pub(super) struct LabArgs {
    #[command(subcommand)]
    verb: LabVerb,
}

#[derive(Debug, Subcommand)]
enum LabVerb {
    /// Bring up a lab, run a command in its bastion, take the lab down, exit like the command
    Run {
        #[command(flatten)]
        options: Options,
        /// The command and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Bring up a lab and open a shell in its bastion
    Shell {
        #[command(flatten)]
        options: Options,
    },
    /// Inside a lab: run a command on a host (or on the bastion), not by SSH
    Exec {
        /// The host; "bastion" is one, too
        host: HostName,
        /// The command and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Inside a lab: run a command from the internet's side
    Internet {
        /// The command and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Inside a lab: kill a host, drop its network state, boot it again
    Reboot {
        /// The host
        host: HostName,
    },
    /// Inside a lab: what the cloud's API was called for, counted by action and by error code
    Calls {
        /// One JSON document, with every call
        #[arg(long)]
        json: bool,
    },
    /// Inside a lab: let the cloud go wrong as a file says (docs/lab-faults.md); without a file, end all faults
    Faults {
        /// The fault file
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Inside a lab: hosts, interfaces, public addresses
    Status {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Measure how long SSH servers do not answer; one JSON document when standard input closes
    #[command(hide = true)]
    Outage {
        /// Time between two connections, milliseconds
        #[arg(long, default_value_t = 25)]
        interval_ms: u64,
        /// Where the servers are
        #[arg(required = true, value_name = "ADDRESS:PORT")]
        targets: Vec<SocketAddr>,
    },
    /// PID 1 of a lab
    #[command(hide = true)]
    Supervise { spec: String },
    /// The supervisor of a lab
    #[command(hide = true)]
    Supervisor,
    /// PID 1 of a host
    #[command(hide = true)]
    HostInit { name: String },
    /// The SSH server of a host
    #[command(hide = true)]
    HostSsh,
    /// Step into a lab from outside
    #[command(hide = true)]
    Enter {
        #[arg(long)]
        unshare: u32,
        #[arg(long)]
        user: bool,
        #[arg(long)]
        folder: PathBuf,
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
struct Options {
    /// Number of hosts; six have one of each case
    #[arg(long, default_value_t = 6, value_name = "N")]
    hosts: usize,
    /// SSH server of the hosts
    #[arg(long, value_enum, default_value_t = Sshd::Builtin)]
    sshd: Sshd,
    /// Only hosts of this kind
    #[arg(long, value_enum)]
    flavour: Option<Flavour>,
    /// Seed of ids and delays
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Give every host one more interface, attached and bare
    #[arg(long)]
    others: bool,
    /// Let the cloud's API go wrong as this file says (docs/lab-faults.md)
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

impl Options {
    fn spec(&self) -> Result<LabSpec, LabError> {
        let spec = LabSpec::new(self.seed, self.sshd, self.hosts, self.flavour)
            .map_err(|text| LabError { code: super::USAGE, text })?;
        let faults = self.faults.as_deref().map_or_else(|| Ok(String::new()), fault_file)?;
        Ok(LabSpec { faults, others: self.others, ..spec })
    }
}

/// The text of a fault file without mistakes.
fn fault_file(path: &Path) -> Result<String, LabError> {
    let usage = |text: String| LabError { code: super::USAGE, text };
    let name = path.display().to_string();
    let size = std::fs::metadata(path).map_err(|error| usage(format!("{name}: {error}")))?.len();
    if size > MOST_FAULTS {
        return Err(usage(format!("{name}: {size} bytes are no fault file; at most {MOST_FAULTS} are read")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| usage(format!("{name}: {error}")))?;
    FaultFile::parse(&name, &text).map_err(usage)?;
    Ok(text)
}

pub(super) fn run(args: LabArgs) -> ExitCode {
    act(args.verb).unwrap_or_else(|error| {
        ui::complain(&format!("egressctl lab: {error}"));
        ExitCode::from(error.code)
    })
}

fn act(verb: LabVerb) -> Result<ExitCode, LabError> {
    match verb {
        LabVerb::Run { options, command } => parent::run(&options.spec()?, &command),
        LabVerb::Shell { options } => shell(&options.spec()?),
        LabVerb::Exec { host, command } => client::exec(&host, &command),
        LabVerb::Internet { command } => client::internet(&command),
        LabVerb::Reboot { host } => done(client::reboot(&host)?),
        LabVerb::Calls { json } => calls(&client::calls()?, json),
        LabVerb::Faults { file } => {
            let text = file.as_deref().map_or_else(|| Ok(String::new()), fault_file)?;
            done(client::faults(text)?)
        }
        LabVerb::Status { json } => status(&client::status()?, json),
        LabVerb::Outage { interval_ms, targets } => outage(targets, Duration::from_millis(interval_ms)),
        LabVerb::Supervise { spec } => {
            let spec = serde_json::from_str(&spec).map_err(|error| error.to_string())?;
            done(supervisor::init(&spec).or_else(reported)?)
        }
        LabVerb::Supervisor => done(supervisor::run().or_else(reported)?),
        LabVerb::HostInit { name } => done(host::init(&name)?),
        LabVerb::HostSsh => done(host::serve_builtin()?),
        LabVerb::Enter { unshare, user, folder, command } => parent::enter(unshare, user, &folder, &command),
    }
}

fn outage(targets: Vec<SocketAddr>, interval: Duration) -> Result<ExitCode, LabError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let json =
        runtime.block_on(run_until_stdin_closes(targets, interval)).map_err(|error| error.to_string())?;
    ui::say(&json);
    Ok(ExitCode::SUCCESS)
}

fn done((): ()) -> Result<ExitCode, LabError> {
    Ok(ExitCode::SUCCESS)
}

/// The supervisor's failures are told by the parent.
fn reported(_: String) -> Result<(), LabError> {
    Ok(())
}

fn shell(spec: &LabSpec) -> Result<ExitCode, LabError> {
    let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
    let hint = "A shell in the bastion of a lab; exit ends the lab.\n\
                  egressctl lab status              hosts and addresses\n  \
                  egressctl lab exec HOST -- CMD    on a host, not by SSH\n  \
                  egressctl lab internet -- CMD     from the internet\n  \
                  egressctl lab reboot HOST         power cut and boot\n\
                The inventory is $EGRESSCTL_INVENTORY.";
    ui::complain(hint);
    parent::run(spec, &[shell.unwrap_or_else(|| "/bin/sh".into())])
}

fn calls(summary: &Summary, json: bool) -> Result<ExitCode, LabError> {
    let text = if json {
        let text = serde_json::to_string_pretty(summary).map_err(|error| error.to_string())?;
        format!("{text}\n")
    } else {
        summary.table()
    };
    ui::say(&text);
    Ok(ExitCode::SUCCESS)
}

fn status(status: &Status, json: bool) -> Result<ExitCode, LabError> {
    let text = if json {
        let text = serde_json::to_string_pretty(status).map_err(|error| error.to_string())?;
        format!("{text}\n")
    } else {
        table(status)
    };
    ui::say(&text);
    Ok(ExitCode::SUCCESS)
}

fn table(status: &Status) -> String {
    use std::fmt::Write;
    let mut text =
        format!("{:<12} {:<18} {:<6} {:<19} {:<15} PUBLIC\n", "HOST", "INSTANCE", "DEVICE", "MAC", "ADDRESS");
    for host in &status.hosts {
        for (number, port) in host.ports.iter().enumerate() {
            let (name, instance) =
                if number == 0 { (host.name.as_str(), host.instance.as_str()) } else { ("", "") };
            let public = port.public.map_or_else(|| "-".to_owned(), |public| public.to_string());
            let _ = writeln!(
                text,
                "{name:<12} {instance:<18} {:<6} {:<19} {:<15} {public}",
                port.device,
                port.mac,
                port.address.to_string()
            );
        }
    }
    text
}
