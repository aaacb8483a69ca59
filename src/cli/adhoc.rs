//! What the ad-hoc verbs share: privilege, limits, the hosts with their addresses, interrupts, the exit code.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::clock::SystemClock;
use super::ending::heeding_by;
use super::fleet::{FleetArgs, cloud, say_warnings, ssh};
use super::problem::Problem;
use super::ssh_args::say_told;
use crate::core::adhoc::Answer;
use crate::core::model::Secret;
use crate::core::report::exit_code_of;
use crate::engine::Stop;
use crate::engine::adhoc::{Field, Visit, locate};
use crate::ports::{Asker, Clock, Cloud, Method, Privilege, Question, Transport};
use crate::ssh::Russh;
use crate::ui::Ui;

/// Options of every ad-hoc verb.
#[derive(Debug, Args)]
pub(super) struct AdhocArgs {
    #[command(flatten)]
    pub(super) fleet: FleetArgs,
    #[command(flatten)]
    become_args: BecomeArgs,
    /// Limit for what is done on a host, in seconds; it is ended there too
    #[arg(short = 'T', long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..), env = "EGRESSCTL_TIMEOUT")]
    timeout: Option<u64>,
}

/// Options of being somebody else on the hosts.
#[derive(Debug, Args)]
struct BecomeArgs {
    /// Be somebody else on the hosts
    #[arg(short = 'b', long = "become", env = "EGRESSCTL_BECOME", value_parser = BoolishValueParser::new())]
    wanted: bool,
    /// Who to be
    #[arg(
        long = "become-user",
        value_name = "USER",
        default_value = "root",
        requires = "wanted",
        env = "EGRESSCTL_BECOME_USER"
    )]
    user: String,
    /// By which program
    #[arg(
        long = "become-method",
        value_enum,
        default_value = "sudo",
        requires = "wanted",
        env = "EGRESSCTL_BECOME_METHOD"
    )]
    method: BecomeMethod,
    /// Ask for the password that the program asks for; once, for all hosts
    #[arg(short = 'K', long = "ask-become-pass", requires = "wanted", conflicts_with = "password_file", env = "EGRESSCTL_ASK_BECOME_PASS", value_parser = BoolishValueParser::new())]
    ask: bool,
    /// Take that password from the first line of FILE
    #[arg(
        long = "become-password-file",
        value_name = "FILE",
        requires = "wanted",
        env = "EGRESSCTL_BECOME_PASSWORD_FILE"
    )]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BecomeMethod {
    /// sudo(8)
    Sudo,
    /// doas(1); with a password its command gets a terminal, so that its two streams come as one and it reads nothing
    Doas,
}

/// The selected hosts and the doors to them.
pub(super) struct Ground {
    pub(super) field: Field,
    pub(super) visits: Vec<Visit>,
    pub(super) privilege: Option<Privilege>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ui: Ui,
    ssh: Arc<Russh>,
}

impl AdhocArgs {
    /// Everything that an ad-hoc verb needs. Must be called inside a runtime.
    pub(super) async fn open(&self) -> Result<Ground, Problem> {
        let (field, visits, ssh, ui) = meet(&self.fleet).await?;
        let privilege = self.become_args.privilege(&ui).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Ok(Ground { field, visits, privilege, clock, ui, ssh })
    }

    /// The limit for what is done on a host.
    pub(super) fn wall(&self, usual: u64) -> Duration {
        Duration::from_secs(self.timeout.unwrap_or(usual))
    }
}

/// The hosts with their addresses, and the doors to them.
pub(super) async fn meet(fleet: &FleetArgs) -> Result<(Field, Vec<Visit>, Arc<Russh>, Ui), Problem> {
    let (desired, hosts) = fleet.read_roster()?;
    let ui = fleet.show.ui()?;
    say_told(&ui, hosts.iter().map(|host| &host.ssh));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let is_lost = hosts.iter().any(|host| host.address.is_none());
    let cloud = match &desired {
        Some(desired) if is_lost => Some(cloud(desired, &clock)?),
        _ => None,
    };
    let visits = locate(cloud.as_ref().map(|cloud| cloud as &dyn Cloud), hosts).await?;
    let ssh = ssh(&ui, &clock);
    let field = Field {
        transport: Arc::clone(&ssh) as Arc<dyn Transport>,
        events: Arc::new(ui.sink()),
        stop: Stop::default(),
        forks: fleet.forks,
    };
    Ok((field, visits, ssh, ui))
}

impl BecomeArgs {
    async fn privilege(&self, ui: &Ui) -> Result<Option<Privilege>, Problem> {
        if !self.wanted {
            return Ok(None);
        }
        let password = if self.ask {
            let question = Question::Become { user: self.user.clone() };
            Some(ui.sink().secret(&question).await.map_err(|error| Problem::failed(error.to_string()))?)
        } else if let Some(path) = &self.password_file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Problem::failed(format!("password file {}: {error}", path.display())))?;
            let line = text.lines().next().unwrap_or_default();
            if line.is_empty() {
                return Err(Problem::failed(format!(
                    "password file {}: its first line is empty",
                    path.display()
                )));
            }
            Some(Secret::new(line.to_owned()))
        } else {
            None
        };
        let method = match self.method {
            BecomeMethod::Sudo => Method::Sudo,
            BecomeMethod::Doas => Method::Doas,
        };
        Ok(Some(Privilege { method, user: self.user.clone(), password }))
    }
}

impl Ground {
    /// Does the work, shows what came of it, and gives the exit code. The first signal ends what runs on the hosts.
    pub(super) async fn conclude<T>(
        &self,
        work: impl Future<Output = Vec<Answer<T>>>,
        show: impl FnOnce(&Ui, &[Answer<T>]),
    ) -> ExitCode {
        let words = [
            "interrupted: ending what runs on the hosts (again to leave at once)\n",
            "left at once; commands may still run on hosts\n",
        ];
        let (answers, asked) = match heeding_by(&self.ui, &self.field.stop, words, work).await {
            Ok(done) => done,
            Err(code) => return code,
        };
        say_warnings(&self.ui, &self.ssh);
        show(&self.ui, &answers);
        let code = exit_code_of(answers.iter().map(|answer| &answer.outcome));
        ExitCode::from(asked.unwrap_or(code))
    }
}
