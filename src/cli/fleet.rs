//! What the verbs for a fleet share: their options, and the world built from them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::beside;
use super::clock::SystemClock;
use super::limit;
use super::problem::Problem;
use super::ssh_args::{self, SshArgs};
use super::who::operator;
use crate::cloud::aliyun::{Aliyun, AliyunConfig, Env, Tuning};
use crate::core::inventory::{
    self, CloudDesired, Context, Desired, HostDesired, HostLogin, Lists, Mistakes, Named, SelectError,
};
use crate::core::report::for_terminal;
use crate::core::template::Templates;
use crate::engine::{Claims, Cutovers, Settings, World};
use crate::journal::SqliteJournal;
use crate::ports::{Clock, Cloud, Transport};
use crate::ssh::Russh;
use crate::ui::{Color, Progress, Ui, UiOptions};

/// Options of every verb that works on hosts.
#[derive(Debug, Args)]
pub(super) struct FleetArgs {
    /// Inventory file, YAML or JSON
    #[arg(short, long, value_name = "FILE", env = "EGRESSCTL_INVENTORY")]
    pub(super) inventory: Option<PathBuf>,
    /// Only these hosts: names, groups, globs, `a:b`, `!a`, `&a`, `@FILE`, and of the last run `@failed`, `@unreachable`, `@skipped`, `@unknown`
    #[arg(short, long, value_name = "PATTERN", env = "EGRESSCTL_LIMIT")]
    pub(super) limit: Option<String>,
    /// How many hosts are worked on at once
    #[arg(
        short,
        long,
        alias = "parallelism",
        value_name = "N",
        env = "EGRESSCTL_FORKS",
        default_value_t = 20
    )]
    pub(super) forks: usize,
    /// Folder with templates that replace the built-in ones of the same name
    #[arg(long, value_name = "DIR", env = "EGRESSCTL_TEMPLATES")]
    pub(super) templates: Option<PathBuf>,
    #[command(flatten)]
    ssh: SshArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

/// Options of where things are kept.
#[derive(Debug, Args)]
pub(super) struct StateArgs {
    /// Where the journal and the reports are kept [default: $XDG_STATE_HOME/egressctl]
    #[arg(long, value_name = "DIR", env = "EGRESSCTL_STATE_DIR")]
    state_dir: Option<PathBuf>,
}

/// Options of how things are shown.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Colours
    #[arg(long, value_enum, default_value_t = Color::Auto, env = "EGRESSCTL_COLOR")]
    pub(super) color: Color,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t = Progress::Auto, env = "EGRESSCTL_PROGRESS")]
    pub(super) progress: Progress,
    /// Write every event as a line of JSON to FILE, `-` for standard output
    #[arg(long, value_name = "FILE", env = "EGRESSCTL_EVENTS")]
    pub(super) events: Option<PathBuf>,
    /// The result as one JSON document
    #[arg(long, env = "EGRESSCTL_JSON", value_parser = BoolishValueParser::new())]
    pub(super) json: bool,
}

/// An inventory, the hosts selected from it, and the world to work in.
pub(super) struct Fleet {
    pub(super) selected: Vec<HostDesired>,
    pub(super) world: World,
    /// The world's transport, for what it has to say besides answers.
    ssh: Arc<Russh>,
    /// The world's cloud, for what is asked of it without a plan.
    pub(super) search: Arc<Aliyun>,
    pub(super) ui: Ui,
    pub(super) state: PathBuf,
    pub(super) inventory: String,
    /// `cloud.calls_per_day`
    pub(super) calls_per_day: Option<u64>,
}

/// How a pattern selects from hosts.
type Select<H> = for<'a> fn(&'a [H], &str, &Lists) -> Result<Vec<&'a H>, SelectError>;

impl FleetArgs {
    /// The inventory's path.
    pub(super) fn inventory(&self) -> Result<&Path, Problem> {
        let missing = || Problem::usage("no inventory is given: add -i FILE, or set EGRESSCTL_INVENTORY");
        self.inventory.as_deref().ok_or_else(missing)
    }

    /// Reads and checks the inventory and selects hosts.
    pub(super) fn read_inventory(&self) -> Result<(Desired, Vec<HostDesired>), Problem> {
        let mut desired = self.read(inventory::parse)?;
        for host in &mut desired.hosts {
            ssh_args::look(&mut host.ssh);
        }
        let mut selected = self.select(&desired.hosts, inventory::select)?;
        for host in selected.iter_mut().filter(|host| host.address.is_none()) {
            host.address = ssh_args::address(host.name.as_str(), &host.ssh)?;
        }
        Ok((desired, selected))
    }

    /// The same for verbs that only log in.
    pub(super) fn read_roster(&self) -> Result<(Option<CloudDesired>, Vec<HostLogin>), Problem> {
        self.roster(inventory::select)
    }

    /// The same where no host at all is fine.
    pub(super) fn read_roster_or_none(&self) -> Result<(Option<CloudDesired>, Vec<HostLogin>), Problem> {
        self.roster(inventory::select_any)
    }

    fn roster(&self, select: Select<HostLogin>) -> Result<(Option<CloudDesired>, Vec<HostLogin>), Problem> {
        let mut roster = self.read(inventory::roster)?;
        for host in &mut roster.hosts {
            ssh_args::look(&mut host.ssh);
        }
        let mut selected = self.select(&roster.hosts, select)?;
        for host in selected.iter_mut().filter(|host| host.address.is_none()) {
            host.address = ssh_args::address(host.name.as_str(), &host.ssh)?;
        }
        Ok((roster.cloud, selected))
    }

    fn read<T>(&self, parse: impl FnOnce(&str, &str, &Context) -> Result<T, Mistakes>) -> Result<T, Problem> {
        let path = self.inventory()?;
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problem::failed(format!("inventory {name}: {error}")))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let context = Context {
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            environment: environment(),
            beside: beside::read(folder.unwrap_or(Path::new(".")))?,
            login: self.ssh.context()?,
        };
        parse(&name, &text, &context).map_err(|mistakes| Problem::failed(mistakes.to_string()))
    }

    /// The cloud that the environment names, for verbs that can do without an inventory.
    pub(super) fn cloud_from_environment(&self) -> Result<Option<CloudDesired>, Problem> {
        let context = Context { environment: environment(), ..Context::default() };
        inventory::cloud_from_environment(&context).map_err(|mistakes| Problem::failed(mistakes.to_string()))
    }

    fn select<H: Named + Clone>(&self, hosts: &[H], select: Select<H>) -> Result<Vec<H>, Problem> {
        let Some(pattern) = &self.limit else { return Ok(hosts.to_vec()) };
        let selected = select(hosts, pattern, &limit::lists(pattern, self)?)
            .map_err(|error| Problem::failed(error.to_string()))?;
        Ok(selected.into_iter().cloned().collect())
    }

    /// Everything that a verb needs. Must be called inside a runtime.
    pub(super) fn open(&self) -> Result<Fleet, Problem> {
        let inventory = self.inventory()?.display().to_string();
        let (desired, selected) = self.read_inventory()?;
        let templates = Arc::new(self.load_templates()?);
        let (state, journal) = (self.state.folder()?, self.state.journal()?);
        let ui = self.show.ui()?;
        ssh_args::say_told(&ui, selected.iter().map(|host| &host.ssh));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let cloud = Arc::new(cloud(&desired.cloud, &clock)?);
        let operator = operator().map_err(|error| Problem::failed(error.to_string()))?;
        let ssh = ssh(&ui, &clock);
        let world = World {
            cloud: Arc::clone(&cloud) as Arc<dyn Cloud>,
            transport: Arc::clone(&ssh) as Arc<dyn Transport>,
            journal: Arc::new(journal),
            clock,
            events: Arc::new(ui.sink()),
            templates,
            settings: Settings { forks: self.forks, limits: desired.cloud.limits, ..Settings::default() },
            stop: crate::engine::Stop::default(),
            cutovers: Cutovers::default(),
            claims: Claims::new(operator),
        };
        let calls_per_day = desired.cloud.calls.calls_per_day.map(u64::from);
        Ok(Fleet { selected, world, ssh, search: cloud, ui, state, inventory, calls_per_day })
    }

    /// The built-in templates, with those of the user's folder in their place.
    pub(super) fn load_templates(&self) -> Result<Templates, Problem> {
        let Some(folder) = &self.templates else {
            return Templates::builtin().map_err(|error| Problem::failed(error.to_string()));
        };
        let unreadable =
            |error: std::io::Error| Problem::failed(format!("templates {}: {error}", folder.display()));
        let mut overrides = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if let (Some("hbs"), Some(stem)) =
                (path.extension().and_then(|e| e.to_str()), path.file_stem().and_then(|s| s.to_str()))
            {
                let text = std::fs::read_to_string(&path).map_err(unreadable)?;
                overrides.insert(stem.to_owned(), (path.display().to_string(), text));
            }
        }
        Templates::with_overrides(overrides).map_err(|error| Problem::failed(error.to_string()))
    }
}

/// The variables that have a say in inventories.
pub(super) fn environment() -> BTreeMap<String, String> {
    let variables = Context::VARIABLES.iter();
    variables.filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect()
}

/// The client of a cloud.
pub(super) fn cloud(desired: &CloudDesired, clock: &Arc<dyn Clock>) -> Result<Aliyun, Problem> {
    Aliyun::new(&config(desired), &Env::process(), Arc::clone(clock))
        .map_err(|error| Problem::failed(error.to_string()))
}

/// The configuration of that client.
pub(super) fn config(desired: &CloudDesired) -> AliyunConfig {
    AliyunConfig {
        region: desired.region.clone(),
        ecs_endpoint: desired.ecs_endpoint.clone(),
        vpc_endpoint: desired.vpc_endpoint.clone(),
        sts_endpoint: desired.sts_endpoint.clone(),
        network: desired.network,
        credentials: desired.credentials,
        profile: desired.profile.clone(),
        metadata_base: None,
        tuning: Tuning { quota_share: f64::from(desired.calls.quota_share) / 100.0, ..Tuning::default() },
    }
}

/// The SSH client, which asks by this interface.
pub(super) fn ssh(ui: &Ui, clock: &Arc<dyn Clock>) -> Arc<Russh> {
    let ssh = Russh::new(crate::ssh::Settings::default(), Arc::new(ui.sink()));
    Arc::new(ssh.by_clock(Arc::clone(clock)))
}

/// Says once what was ignored in the files of host keys.
pub(super) fn say_warnings(ui: &Ui, ssh: &Russh) {
    for warning in ssh.take_warnings() {
        ui.err(&format!("warning: {}\n", for_terminal(&warning)));
    }
}

impl StateArgs {
    /// The folder; it need not exist yet.
    pub(super) fn folder(&self) -> Result<PathBuf, Problem> {
        let usual = || {
            let base =
                std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
            let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
            base.map(|base| base.join("egressctl"))
        };
        let folder = self.state_dir.clone().or_else(usual);
        folder.ok_or_else(|| Problem::failed("no home directory: set --state-dir or XDG_STATE_HOME"))
    }

    /// The journal in it.
    pub(super) fn journal(&self) -> Result<SqliteJournal, Problem> {
        let path = self.folder()?.join("journal.sqlite");
        SqliteJournal::open(&path).map_err(|error| Problem::failed(error.to_string()))
    }
}

impl ShowArgs {
    /// The user interface.
    pub(super) fn ui(&self) -> Result<Ui, Problem> {
        let options = UiOptions { color: self.color, progress: self.progress, events: self.events.clone() };
        Ui::new(&options).map_err(|error| Problem::failed(error.to_string()))
    }
}

impl Fleet {
    /// Says once what was ignored in the files of host keys.
    pub(super) fn say_warnings(&self) {
        say_warnings(&self.ui, &self.ssh);
    }

    /// The selected hosts by reference.
    pub(super) fn hosts(&self) -> Vec<&HostDesired> {
        self.selected.iter().collect()
    }
}
