//! A plan in a file, to be reviewed by one and applied by another: once, as it is, and only to hosts that are still as they
//! were.
//!
//! Pure: bytes in, bytes out. Must never hold a secret, and never trust a file that was changed by hand.

mod fingerprint;
mod stale;
#[cfg(test)]
mod tests;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use fingerprint::Fingerprint;

use crate::core::model::Operator;
use crate::core::plan::{HostPlan, Plan};
use crate::core::text::clean_line;

/// What stands under `format` in every such file.
const FORMAT: &str = "egressctl-plan";
/// The version that is written, and the newest that is read.
const VERSION: u64 = 1;

/// A plan, and what it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// The version of the program that made it.
    pub tool: String,
    /// When, milliseconds since 1970-01-01T00:00:00Z.
    pub made_ms: i64,
    /// By whom.
    pub by: Operator,
    /// The inventory's path, absolute.
    pub inventory: String,
    /// The digest of the templates that it was made with.
    pub templates: String,
    /// Its hosts, in the order of the inventory.
    pub hosts: Vec<SavedHost>,
}

/// One host's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedHost {
    /// What to do.
    pub plan: HostPlan,
    /// What it was made from.
    pub fingerprint: Fingerprint,
}

/// Why a file is not a saved plan that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// It is something else, or it is cut off.
    #[error("this is not a saved plan: {0}")]
    Foreign(String),
    /// It is of a later version of the format.
    #[error(
        "this plan has version {0} of the format, and this program reads version {VERSION}: use the program that made it, or plan again"
    )]
    TooNew(u64),
    /// Its content is not what was written.
    #[error("this plan was changed after it was made: make a new one by `egressctl plan --out FILE`")]
    Edited,
}

impl SavedPlan {
    /// The plan by itself.
    #[must_use]
    pub fn plan(&self) -> Plan {
        Plan { hosts: self.hosts.iter().map(|host| host.plan.clone()).collect() }
    }

    /// The file's text, and the hash that names this plan from now on.
    ///
    /// # Errors
    /// Never for a plan of this program: everything in it can be written as JSON.
    pub fn encode(&self) -> Result<(String, String), serde_json::Error> {
        let plan = serde_json::to_value(self)?;
        let hash = hash(&plan);
        let file = json!({ "format": FORMAT, "version": VERSION, "hash": hash, "plan": plan });
        Ok((format!("{file:#}\n"), hash))
    }

    /// Reads a file's bytes; gives the plan and its hash.
    ///
    /// # Errors
    /// It is no saved plan, of a later version, or was changed.
    pub fn decode(bytes: &[u8]) -> Result<(Self, String), SavedError> {
        // The message may quote the file, which somebody else may have written.
        let foreign =
            |error: serde_json::Error| SavedError::Foreign(clean_line(error.to_string().as_bytes(), 300));
        let mut file: Value = serde_json::from_slice(bytes).map_err(foreign)?;
        if file.get("format").and_then(Value::as_str) != Some(FORMAT) {
            return Err(SavedError::Foreign(format!("it does not say \"format\": \"{FORMAT}\"")));
        }
        match file.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(version) if version > VERSION => return Err(SavedError::TooNew(version)),
            _ => return Err(SavedError::Foreign("its version makes no sense".to_owned())),
        }
        let plan = file.get_mut("plan").map(Value::take).unwrap_or_default();
        let hash = hash(&plan);
        if file.get("hash").and_then(Value::as_str) != Some(&hash) {
            return Err(SavedError::Edited);
        }
        Ok((serde_json::from_value(plan).map_err(foreign)?, hash))
    }
}

/// SHA-256 of the value's compact text, whose keys are sorted: white space in the file does not matter.
fn hash(value: &Value) -> String {
    HEXLOWER.encode(&Sha256::digest(value.to_string()))
}
