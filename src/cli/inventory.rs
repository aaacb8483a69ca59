//! `egressctl inventory …`: what is in an inventory, and a new one from what the cloud has.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::clock::SystemClock;
use super::fleet::{FleetArgs, cloud, environment};
use super::problem::Problem;
use crate::core::inventory::{CloudDesired, Context, Draft, DraftHead, HostLogin, draft, parse, roster};
use crate::core::model::{InstanceId, RegionId, ResourceGroupId, VSwitchId, VpcId};
use crate::ports::{Clock, CloudSearch, Search};

/// What is in an inventory, and a new one from what the cloud has
#[derive(Debug, Args)]
pub(super) struct InventoryArgs {
    #[command(subcommand)]
    verb: InventoryVerb,
}

#[derive(Debug, Subcommand)]
enum InventoryVerb {
    /// List the hosts of an inventory; talks to nobody
    List(ListArgs),
    Discover(DiscoverArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    fleet: FleetArgs,
}

/// Write an inventory of the instances that the cloud has
#[derive(Debug, Args)]
struct DiscoverArgs {
    /// The region
    #[arg(long, env = "ALIBABA_CLOUD_REGION_ID")]
    region: RegionId,
    /// Only with this tag, `KEY=VALUE`, or with any value of `KEY`; may be given several times
    #[arg(long, value_name = "KEY[=VALUE]", value_parser = tag)]
    tag: Vec<(String, Option<String>)>,
    /// Only in this VPC
    #[arg(long, value_name = "ID")]
    vpc: Option<VpcId>,
    /// Only in this vSwitch
    #[arg(long, value_name = "ID")]
    vswitch: Option<VSwitchId>,
    /// Only in this resource group
    #[arg(long, value_name = "ID")]
    resource_group: Option<ResourceGroupId>,
    /// Only with this name; `*` stands for any text
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,
    /// Only these instances
    #[arg(long = "id", value_name = "ID", value_delimiter = ',')]
    ids: Vec<InstanceId>,
    /// Who logs in
    #[arg(short, long, env = "EGRESSCTL_USER", default_value = "root")]
    user: String,
    /// Services that answer with the caller's address, separated by commas
    #[arg(long, value_name = "URLS", env = "EGRESSCTL_ECHO")]
    echo: String,
    /// Write to FILE, which must not exist, instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace FILE if it exists
    #[arg(long, requires = "out")]
    force: bool,
    /// No instance is no error
    #[arg(long)]
    allow_empty: bool,
}

fn tag(text: &str) -> Result<(String, Option<String>), String> {
    let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
    if key.is_empty() || key.len() > 128 {
        return Err("expected KEY or KEY=VALUE".to_owned());
    }
    Ok((key.to_owned(), value.map(str::to_owned)))
}

pub(super) async fn run(args: InventoryArgs) -> Result<ExitCode, Problem> {
    match args.verb {
        InventoryVerb::List(args) => list(&args),
        InventoryVerb::Discover(args) => discover(args).await,
    }
}

fn list(args: &ListArgs) -> Result<ExitCode, Problem> {
    let (_, hosts) = args.fleet.read_roster()?;
    let text = if args.fleet.show.json {
        let host = |host: &HostLogin| {
            serde_json::json!({
                "name": host.name,
                "instance": host.instance,
                "address": host.address,
                "groups": host.groups,
            })
        };
        let hosts: Vec<_> = hosts.iter().map(host).collect();
        format!("{:#}\n", serde_json::json!({ "schema_version": 1, "hosts": hosts }))
    } else {
        hosts.iter().fold(String::new(), |mut text, host| {
            let instance = host.instance.as_ref().map_or("-", |id| id.as_str());
            let address = host.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
            let line = format!("{:<24} {instance:<24} {address:<15} {}", host.name, host.groups.join(","));
            let _ = writeln!(text, "{}", line.trim_end());
            text
        })
    };
    args.fleet.show.ui()?.out(&text);
    Ok(ExitCode::SUCCESS)
}

async fn discover(args: DiscoverArgs) -> Result<ExitCode, Problem> {
    if let Some(path) = args.out.as_ref().filter(|path| path.exists() && !args.force) {
        return Err(exists(path));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let search = Search {
        ids: args.ids.clone(),
        tags: args.tag.clone(),
        vpc: args.vpc.clone(),
        vswitch: args.vswitch.clone(),
        resource_group: args.resource_group.clone(),
        name: args.name.clone(),
    };
    let cloud = cloud(&account(&args.region)?, &clock)?;
    let found = cloud.search(&search).await.map_err(|error| Problem::failed(format!("cloud: {error}")))?;
    let urls = args.echo.split(|c: char| c == ',' || c.is_whitespace()).filter(|url| !url.is_empty());
    let head = DraftHead {
        region: args.region.clone(),
        user: args.user.clone(),
        echo: urls.map(str::to_owned).collect(),
        search: told(&search),
    };
    let draft = draft(&found, &head);
    for (id, reason) in &draft.left_out {
        crate::ui::complain(&format!("left out: {id}: {reason}"));
    }
    if draft.hosts == 0 {
        let nothing = format!("no instance of {} is to be in an inventory ({})", args.region, told(&search));
        crate::ui::complain(&nothing);
        return Ok(if args.allow_empty { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    save(&args, &draft)
}

fn save(args: &DiscoverArgs, draft: &Draft) -> Result<ExitCode, Problem> {
    // What is written must be what we read: a user or a URL from the command line may not fit.
    let read = parse("the new inventory", &draft.text, &Context::default());
    read.map_err(|mistakes| Problem::usage(mistakes.to_string()))?;
    let Some(path) = &args.out else {
        crate::ui::say(&draft.text);
        return Ok(ExitCode::SUCCESS);
    };
    let mut options = OpenOptions::new();
    let options = if args.force { options.create(true).truncate(true) } else { options.create_new(true) };
    let written = options.write(true).open(path).and_then(|mut file| {
        file.write_all(draft.text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => Problem::failed(format!("inventory {}: {error}", path.display())),
    })?;
    crate::ui::complain(&format!(
        "{} hosts: `egressctl preflight -i {}` looks at them",
        draft.hosts,
        path.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn exists(path: &Path) -> Problem {
    Problem::failed(format!("inventory {}: it exists; --force replaces it", path.display()))
}

/// The account of a region, as an inventory that says nothing but the region would have it.
fn account(region: &RegionId) -> Result<CloudDesired, Problem> {
    let text = format!("cloud: {{region: \"{region}\"}}\nhosts: [{{name: none, address: 192.0.2.1}}]\n");
    let context = Context { environment: environment(), ..Context::default() };
    let read = roster("the environment", &text, &context);
    let read = read.map_err(|mistakes| Problem::failed(mistakes.to_string()))?;
    read.cloud.ok_or_else(|| Problem::failed("the region is not known"))
}

fn told(search: &Search) -> String {
    let mut words = Vec::new();
    let mut add =
        |name: &str, value: Option<String>| words.extend(value.map(|value| format!("{name} {value}")));
    add("vpc", search.vpc.as_ref().map(ToString::to_string));
    add("vswitch", search.vswitch.as_ref().map(ToString::to_string));
    add("resource group", search.resource_group.as_ref().map(ToString::to_string));
    add("name", search.name.clone());
    for (key, value) in &search.tags {
        add("tag", Some(value.as_ref().map_or_else(|| key.clone(), |value| format!("{key}={value}"))));
    }
    add("ids", (!search.ids.is_empty()).then(|| search.ids.len().to_string()));
    if words.is_empty() { "all instances of the region".to_owned() } else { words.join(", ") }
}
