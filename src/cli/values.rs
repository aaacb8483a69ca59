//! Templates of the user for each host: which values they have, and where these come from.
//!
//! Must never give a text for some hosts only: what one of them lacks is an error before anything is done.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use super::problem::Problem;
use crate::core::inventory::variables;
use crate::core::model::HostName;
use crate::core::template::FileTemplate;
use crate::engine::adhoc::Visit;

/// Options of verbs that take a template.
#[derive(Debug, Args)]
pub(super) struct ValueArgs {
    /// The file is a handlebars template, rendered for each host; all of them before anything is done
    #[arg(long = "template", requires = "source")]
    pub(super) is_template: bool,
    /// A value for the template, or a YAML or JSON file of them; a later one wins, and all win over `vars` in the inventory and
    /// over host, address, instance, user, port and groups
    #[arg(short = 'e', long, alias = "var", value_name = "NAME=VALUE|@FILE", value_parser = extra, requires = "is_template")]
    extra_vars: Vec<Extra>,
}

/// Values from the command line.
#[derive(Debug, Clone)]
enum Extra {
    One(String, String),
    File(PathBuf),
}

impl ValueArgs {
    /// What the template becomes for each host.
    pub(super) fn render(
        &self,
        template: &FileTemplate,
        visits: &[Visit],
    ) -> Result<BTreeMap<HostName, String>, Problem> {
        let extra = self.extra()?;
        let render = |visit: &Visit| {
            let text = template
                .render(&values(visit, &extra))
                .map_err(|error| Problem::failed(format!("{error} (for host {})", visit.host.name)))?;
            Ok((visit.host.name.clone(), text))
        };
        visits.iter().map(render).collect()
    }

    /// What the command line says, in its order.
    fn extra(&self) -> Result<BTreeMap<String, Value>, Problem> {
        let mut all = BTreeMap::new();
        for extra in &self.extra_vars {
            match extra {
                Extra::One(name, value) => drop(all.insert(name.clone(), value.as_str().into())),
                Extra::File(path) => {
                    let name = path.display().to_string();
                    let text = std::fs::read_to_string(path)
                        .map_err(|error| Problem::failed(format!("-e @{name}: {error}")))?;
                    let read = variables(&name, &text);
                    all.extend(read.map_err(|mistakes| Problem::failed(mistakes.to_string()))?);
                }
            }
        }
        Ok(all)
    }
}

/// What a template can use; what is not known of a host is not there.
fn values(visit: &Visit, extra: &BTreeMap<String, Value>) -> Map<String, Value> {
    let host = &visit.host;
    let mut values = Map::new();
    values.insert("host".to_owned(), host.name.as_str().into());
    values.insert("user".to_owned(), host.ssh.user.as_str().into());
    values.insert("port".to_owned(), host.ssh.port.into());
    values.insert("groups".to_owned(), host.groups.clone().into());
    if let Some(address) = visit.address {
        values.insert("address".to_owned(), address.to_string().into());
    }
    if let Some(instance) = &host.instance {
        values.insert("instance".to_owned(), instance.as_str().into());
    }
    for (name, value) in host.vars.iter().chain(extra) {
        values.insert(name.clone(), value.clone());
    }
    values
}

fn extra(text: &str) -> Result<Extra, String> {
    match (text.strip_prefix('@'), text.split_once('=')) {
        (Some(path), _) if !path.is_empty() => Ok(Extra::File(path.into())),
        (None, Some((name, value))) if !name.is_empty() => Ok(Extra::One(name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE or @FILE".to_owned()),
    }
}
