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
use crate::core::inventory::{CloudDesired, HostLogin};
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
    /// No host that --limit selects is no error
    #[arg(long)]
    allow_empty: bool,
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
    /// Ask for the password that the program asks for; once, for all hosts that become somebody by -b or by the inventory
    #[arg(short = 'K', long = "ask-become-pass", conflicts_with = "password_file", env = "EGRESSCTL_ASK_BECOME_PASS", value_parser = BoolishValueParser::new())]
    ask: bool,
    /// Take that password from the first line of FILE
    #[arg(long = "become-password-file", value_name = "FILE", env = "EGRESSCTL_BECOME_PASSWORD_FILE")]
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
        self.open_for(|visit| visit.host.becomes.is_some()).await
    }

    /// The same for a verb that is somebody else on the hosts that `becomes` names, without being told to.
    pub(super) async fn open_for(&self, becomes: impl Fn(&Visit) -> bool) -> Result<Ground, Problem> {
        let fleet = &self.fleet;
        let roster = if self.allow_empty { fleet.read_roster_or_none() } else { fleet.read_roster() };
        let (mut field, visits, ssh, ui) = meet_these(fleet, roster?).await?;
        if visits.is_empty() {
            ui.err("no host is selected; nothing is done\n");
        }
        let (asks, wanted) = (self.become_args.asks(), self.become_args.wanted);
        if asks && !wanted && !visits.is_empty() && !visits.iter().any(becomes) {
            return Err(Problem::usage(
                "a password to become somebody else is given, but nobody does: add -b, or ansible_become to the hosts",
            ));
        }
        if !visits.is_empty() {
            field.become_password = self.become_args.password(&ui).await?;
        }
        let privilege = self.become_args.privilege();
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
    meet_these(fleet, fleet.read_roster()?).await
}

async fn meet_these(
    fleet: &FleetArgs,
    (desired, hosts): (Option<CloudDesired>, Vec<HostLogin>),
) -> Result<(Field, Vec<Visit>, Arc<Russh>, Ui), Problem> {
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
        become_password: None,
    };
    Ok((field, visits, ssh, ui))
}

impl BecomeArgs {
    /// A password is to be asked for or read.
    const fn asks(&self) -> bool {
        self.ask || self.password_file.is_some()
    }

    async fn password(&self, ui: &Ui) -> Result<Option<Secret<String>>, Problem> {
        if self.ask {
            let question = Question::Become { user: self.user.clone() };
            let answer = ui.sink().secret(&question).await;
            return answer.map(Some).map_err(|error| Problem::failed(error.to_string()));
        }
        let Some(path) = &self.password_file else { return Ok(None) };
        let failed = |why: String| Problem::failed(format!("password file {}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        match text.lines().next().unwrap_or_default() {
            "" => Err(failed("its first line is empty".to_owned())),
            line => Ok(Some(Secret::new(line.to_owned()))),
        }
    }

    fn privilege(&self) -> Option<Privilege> {
        let method = match self.method {
            BecomeMethod::Sudo => Method::Sudo,
            BecomeMethod::Doas => Method::Doas,
        };
        self.wanted.then(|| Privilege { method, user: self.user.clone(), password: None })
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
