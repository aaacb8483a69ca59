//! Instances that a search has found.

use std::collections::BTreeMap;

use super::Instance;
use crate::core::model::InstanceId;

/// An instance that a search has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundInstance {
    /// `InstanceId`.
    pub id: InstanceId,
    /// Its record, or why that cannot be used.
    pub record: Result<Instance, String>,
    /// `InstanceName`.
    pub name: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}
