//! What is wanted: an inventory text becomes [`Desired`], or a complete list of what is wrong with it.
//!
//! Must never touch files or the environment (the caller reads them) and never stop at the first mistake.

mod ansible;
mod check;
mod cloud;
mod desired;
mod draft;
pub(crate) mod glob;
mod hosts;
mod layer;
mod limits;
mod login;
mod mistake;
mod name;
mod node;
mod others;
mod pattern;
mod read;
mod select;
mod ssh;
#[cfg(test)]
mod tests;
mod url;
mod value;
mod vars;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use desired::{
    AllowDesired, BecomeDesired, BecomeMethod, CallLimits, CloudDesired, CredentialSource, Desired,
    EniDesired, Form, HostDesired, HostKeyCheck, HostLogin, JumpDesired, KeyDesired, Network, OtherDesired,
    Persist, Provider, Roster, RouteDesired, SshDesired, VerifyDesired,
};
pub use draft::{Draft, DraftHead, draft};
pub use limits::Limits;
pub use login::LoginContext;
pub use mistake::{Mistake, Mistakes};
pub use select::{Lists, Named, SelectError, lists, select, select_any};
pub use vars::variables;

use hosts::Host;
use layer::Layer;
use mistake::{Collector, Pos};
use read::Reader;

/// The largest inventory that is read, in bytes.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What is known from outside an inventory's text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    /// The inventory's folder: relative paths start there.
    pub folder: PathBuf,
    /// Environment variables by name. Those of [`Context::VARIABLES`] are looked at, and only if not empty.
    pub environment: BTreeMap<String, String>,
    /// What lies beside an inventory of Ansible's.
    pub beside: Beside,
    /// What else has a say in how to log in.
    pub login: LoginContext,
}

/// The files of variables beside an inventory of Ansible's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beside {
    /// `group_vars/`, by group; later files win.
    pub group_vars: BTreeMap<String, Vec<VarsFile>>,
    /// `host_vars/`, by host; later files win.
    pub host_vars: BTreeMap<String, Vec<VarsFile>>,
}

/// A file of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VarsFile {
    /// As mistakes name it.
    pub file: String,
    /// Its content, YAML or JSON.
    pub text: String,
}

impl Context {
    /// The variables that count. `HOME` expands `~/` in paths; the others win over what the inventory says.
    pub const VARIABLES: [&str; 6] =
        [cloud::ECS_ENDPOINT, cloud::VPC_ENDPOINT, cloud::STS_ENDPOINT, cloud::ECHO, cloud::REGION, "HOME"];

    fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }
}

/// What an inventory must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Everything that the main job needs.
    Everything,
    /// What logging in needs: the cloud, instances and echo services may be missing.
    Logins,
}

/// Reads an inventory in YAML 1.2 (and so in JSON). `file` is how mistakes name the text.
///
/// # Errors
/// All mistakes that could be found, in the order of the text; only one if the text is not YAML at all.
pub fn parse(file: &str, text: &str, context: &Context) -> Result<Desired, Mistakes> {
    let desired = |read: Read, echo: Option<&Vec<String>>| {
        let hosts = read.hosts.into_iter().filter_map(|host| host.complete(echo)).collect();
        Some(Desired { cloud: read.cloud?, hosts })
    };
    read(file, text, context, Need::Everything, desired)
}

/// Reads the same inventory for verbs that only log in: hosts need no instance if they have an address, and what only the
/// main job needs may be missing.
///
/// # Errors
/// As [`parse`]; what is there must be right, also where it is not needed.
pub fn roster(file: &str, text: &str, context: &Context) -> Result<Roster, Mistakes> {
    let roster = |read: Read, _: Option<&Vec<String>>| {
        let hosts = read.hosts.into_iter().filter_map(Host::login).collect();
        Some(Roster { cloud: read.cloud, hosts })
    };
    read(file, text, context, Need::Logins, roster)
}

/// The cloud that the environment alone names; `None` if it names no region.
///
/// # Errors
/// All mistakes in its variables.
pub fn cloud_from_environment(context: &Context) -> Result<Option<CloudDesired>, Mistakes> {
    let mut collector = Collector::new("the environment", "");
    let mut reader = Reader { collector: &mut collector, context, need: Need::Logins, by_name: false };
    let cloud = reader.cloud(None, Pos::START);
    collector.finish().map_or(Ok(cloud), Err)
}

/// What a text holds; incomplete only after a mistake was recorded.
struct Read {
    cloud: Option<CloudDesired>,
    hosts: Vec<Host>,
}

fn read<T>(
    file: &str,
    text: &str,
    context: &Context,
    need: Need,
    made: impl FnOnce(Read, Option<&Vec<String>>) -> Option<T>,
) -> Result<T, Mistakes> {
    let mut collector = Collector::new(file, text);
    let made =
        take_apart(text, context, need, &mut collector).and_then(|(read, echo)| made(read, echo.as_ref()));
    match (collector.finish(), made) {
        (None, Some(made)) => Ok(made),
        (Some(mistakes), _) => Err(mistakes),
        (None, None) => unreachable!("what cannot be read is recorded as a mistake"),
    }
}

/// `None` only after a mistake was recorded.
fn take_apart(
    text: &str,
    context: &Context,
    need: Need,
    collector: &mut Collector<'_>,
) -> Option<(Read, Option<Vec<String>>)> {
    if text.len() > MOST_BYTES {
        let message = format!("the inventory has {} bytes", text.len());
        collector.add(Pos::START, message, format!("expected at most {MOST_BYTES}"));
        return None;
    }
    let file = collector.file();
    let form = ansible::form(file, text);
    let root = match form {
        Some(form) => ansible::tree(file, text, form, &context.beside, collector)?,
        None => node::tree(text, node::Tags::Refused, collector)?,
    };
    let mut reader = Reader { collector, context, need, by_name: form.is_some() };
    let top = reader.fields(&root, "the inventory", &["cloud", "defaults", "groups", "hosts"])?;
    let cloud = reader.cloud(top.get("cloud"), top.at);
    let echo = reader.echo_override();
    let defaults = top.get("defaults").map(|node| match reader.fields(node, "defaults", &layer::SECTIONS) {
        Some(fields) => reader.layer(&fields),
        None => Layer::unreadable(node),
    });
    let defaults = defaults.unwrap_or_default();
    let groups = reader.groups(top.get("groups"));
    let hosts = reader.hosts(top.get("hosts"), top.at, &defaults, &groups);
    let echo_is_given = need == Need::Logins || context.variable(cloud::ECHO).is_some();
    reader.check_fleet(&hosts, &groups, echo_is_given);
    Some((Read { cloud, hosts }, echo))
}
