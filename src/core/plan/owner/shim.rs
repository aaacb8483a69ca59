//! What brings the shim's table back after a boot, and after whoever flushes every table: a unit of ours, where the owner of
//! the route cannot hold nft's rules. The rule for marked packets is the owner's, as the route's is.
//!
//! Must never be a second owner of a route or a rule.

use super::unit::{Part, looked_after};
use super::{OwnFile, Wanted};
use crate::core::model::Owner;
use crate::core::template::{Kept, TemplateError, Templates};

pub(super) fn files(
    owner: Owner,
    wanted: &Wanted<'_>,
    templates: &Templates,
) -> Result<Vec<OwnFile>, TemplateError> {
    // What these two run has the shim in it.
    if !wanted.target.shim || matches!(owner, Owner::Unit | Owner::RcLocal) {
        return Ok(Vec::new());
    }
    let part = Part {
        name: "shim",
        about: "compatibility shim",
        wants: format!("egressctl-shim-{}", wanted.target.table),
    };
    Ok(looked_after(wanted, &part, &templates.block(wanted.target, Kept::Shim)?))
}
