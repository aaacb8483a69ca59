//! What the verbs for a fleet share: their options, and the world built from them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::clock::SystemClock;
use super::limit;
use super::problem::Problem;
use super::who::operator;
use crate::cloud::aliyun::{Aliyun, AliyunConfig, Env, Tuning};
use crate::core::inventory::{self, Context, Desired, HostDesired};
use crate::core::report::for_terminal;
use crate::core::template::Templates;
use crate::engine::{Claims, Settings, World};
use crate::journal::SqliteJournal;
use crate::ports::{Clock, Transport};
use crate::ssh::Russh;
use crate::ui::{Color, Progress, Ui, UiOptions};

/// Options of every verb that works on hosts.
#[derive(Debug, Args)]
pub(super) struct FleetArgs {
    /// Inventory file, YAML or JSON
    #[arg(short, long, value_name = "FILE", env = "EGRESSCTL_INVENTORY")]
    pub(super) inventory: PathBuf,
    /// Only these hosts: names, groups, globs, `a:b`, `!a`, `&a`, `@FILE`, and of the last run `@failed`, `@unreachable`, `@skipped`, `@unknown`
    #[arg(short, long, value_name = "PATTERN")]
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
    /// Private key for hosts whose inventory names none
    #[arg(long, alias = "private-key", value_name = "FILE", env = "EGRESSCTL_KEY_FILE")]
    pub(super) key_file: Option<PathBuf>,
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
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub(super) progress: Progress,
    /// Write every event as a line of JSON to FILE, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub(super) events: Option<PathBuf>,
    /// The result as one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

/// An inventory, the hosts selected from it, and the world to work in.
pub(super) struct Fleet {
    pub(super) selected: Vec<HostDesired>,
    pub(super) world: World,
    /// The world's transport, for what it has to say besides answers.
    ssh: Arc<Russh>,
    pub(super) ui: Ui,
    pub(super) state: PathBuf,
    pub(super) inventory: String,
}

impl FleetArgs {
    /// Reads and checks the inventory and selects hosts.
    pub(super) fn read_inventory(&self) -> Result<(Desired, Vec<HostDesired>), Problem> {
        let name = self.inventory.display().to_string();
        let text = std::fs::read_to_string(&self.inventory)
            .map_err(|error| Problem::failed(format!("inventory {name}: {error}")))?;
        let folder = self.inventory.parent().filter(|folder| !folder.as_os_str().is_empty());
        let variables = Context::VARIABLES.iter();
        let context = Context {
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            environment: variables
                .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
                .collect(),
        };
        let mut desired = inventory::parse(&name, &text, &context)
            .map_err(|mistakes| Problem::failed(mistakes.to_string()))?;
        for host in &mut desired.hosts {
            self.fill_in(host);
        }
        let selected = match &self.limit {
            Some(pattern) => inventory::select(&desired.hosts, pattern, &limit::lists(pattern, self)?)
                .map_err(|error| Problem::failed(error.to_string()))?
                .into_iter()
                .cloned()
                .collect(),
            None => desired.hosts.clone(),
        };
        Ok((desired, selected))
    }

    /// The defaults that depend on who is calling.
    fn fill_in(&self, host: &mut HostDesired) {
        let home = std::env::home_dir().unwrap_or_default().join(".ssh");
        if host.ssh.known_hosts.is_empty() {
            host.ssh.known_hosts.push(home.join("known_hosts"));
        }
        if host.ssh.key.is_none() {
            let usual = || Some(home.join("id_ed25519")).filter(|path| path.exists());
            host.ssh.key = self.key_file.clone().or_else(usual);
        }
    }

    /// Everything that a verb needs. Must be called inside a runtime.
    pub(super) fn open(&self) -> Result<Fleet, Problem> {
        let (desired, selected) = self.read_inventory()?;
        let templates = Arc::new(self.load_templates()?);
        let (state, journal) = (self.state.folder()?, self.state.journal()?);
        let ui = self.show.ui()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = AliyunConfig {
            region: desired.cloud.region.clone(),
            ecs_endpoint: desired.cloud.ecs_endpoint.clone(),
            vpc_endpoint: desired.cloud.vpc_endpoint.clone(),
            credentials: desired.cloud.credentials,
            metadata_base: None,
            tuning: Tuning::default(),
        };
        let cloud = Aliyun::new(&config, &Env::process(), Arc::clone(&clock))
            .map_err(|error| Problem::failed(error.to_string()))?;
        let operator = operator().map_err(|error| Problem::failed(error.to_string()))?;
        let ssh = Russh::new(crate::ssh::Settings::default(), Arc::new(ui.sink()));
        let ssh = Arc::new(ssh.by_clock(Arc::clone(&clock)));
        let world = World {
            cloud: Arc::new(cloud),
            transport: Arc::clone(&ssh) as Arc<dyn Transport>,
            journal: Arc::new(journal),
            clock,
            events: Arc::new(ui.sink()),
            templates,
            settings: Settings { forks: self.forks, ..Settings::default() },
            stop: crate::engine::Stop::default(),
            claims: Claims::new(operator),
        };
        Ok(Fleet { selected, world, ssh, ui, state, inventory: self.inventory.display().to_string() })
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
        for warning in self.ssh.take_warnings() {
            self.ui.err(&format!("warning: {}\n", for_terminal(&warning)));
        }
    }

    /// The selected hosts by reference.
    pub(super) fn hosts(&self) -> Vec<&HostDesired> {
        self.selected.iter().collect()
    }
}
