//! Tags of instances, interfaces and EIPs.

use std::collections::BTreeMap;

use super::super::errors::{ApiError, RESOURCE_TYPE_UNKNOWN, RESOURCE_UNKNOWN};
use super::super::params::missing;
use super::super::state::Cloud;
use super::{Context, Done};

type Tags = BTreeMap<String, String>;

/// `TagResources` of the compute product.
pub(super) fn tag(context: &mut Context<'_>) -> Result<Done, ApiError> {
    set(context, ecs_tags_of)
}

/// `UntagResources` of the compute product.
pub(super) fn untag(context: &mut Context<'_>) -> Result<Done, ApiError> {
    clear(context, ecs_tags_of)
}

/// `TagResources` of the network product.
pub(super) fn tag_eips(context: &mut Context<'_>) -> Result<Done, ApiError> {
    set(context, eip_tags_of)
}

/// `UnTagResources` of the network product.
pub(super) fn untag_eips(context: &mut Context<'_>) -> Result<Done, ApiError> {
    clear(context, eip_tags_of)
}

type Lookup = for<'a> fn(&'a mut Cloud, kind: &str, id: &str) -> Result<&'a mut Tags, ApiError>;

fn ecs_tags_of<'a>(cloud: &'a mut Cloud, kind: &str, id: &str) -> Result<&'a mut Tags, ApiError> {
    let tags = match kind.to_ascii_lowercase().as_str() {
        "instance" => id.parse().ok().and_then(|id| cloud.instances.get_mut(&id)).map(|i| &mut i.tags),
        "eni" => id.parse().ok().and_then(|id| cloud.enis.get_mut(&id)).map(|eni| &mut eni.tags),
        _ => return Err(RESOURCE_TYPE_UNKNOWN.into()),
    };
    tags.ok_or_else(|| RESOURCE_UNKNOWN.into())
}

fn eip_tags_of<'a>(cloud: &'a mut Cloud, kind: &str, id: &str) -> Result<&'a mut Tags, ApiError> {
    if !kind.eq_ignore_ascii_case("EIP") {
        return Err(RESOURCE_TYPE_UNKNOWN.into());
    }
    let eip = id.parse().ok().and_then(|id| cloud.eips.get_mut(&id));
    eip.map(|eip| &mut eip.tags).ok_or_else(|| RESOURCE_UNKNOWN.into())
}

fn set(context: &mut Context<'_>, tags_of: Lookup) -> Result<Done, ApiError> {
    let tags = context.params.tags();
    if tags.is_empty() {
        return Err(missing("Tag.1.Key"));
    }
    each(context, tags_of, |own| {
        own.extend(tags.iter().map(|(k, v)| ((*k).to_owned(), v.unwrap_or_default().to_owned())));
    })
}

fn clear(context: &mut Context<'_>, tags_of: Lookup) -> Result<Done, ApiError> {
    let keys = context.params.list("TagKey");
    let all = context.params.flag("All")?;
    if keys.is_empty() && !all {
        return Err(missing("TagKey.1"));
    }
    each(context, tags_of, |own| own.retain(|key, _| !keys.is_empty() && !keys.contains(&key.as_str())))
}

/// All resources or none: the ids are checked before the first change.
fn each(context: &mut Context<'_>, tags_of: Lookup, change: impl Fn(&mut Tags)) -> Result<Done, ApiError> {
    let kind = context.params.required("ResourceType")?;
    let ids = context.params.list("ResourceId");
    if ids.is_empty() {
        return Err(missing("ResourceId.1"));
    }
    for id in &ids {
        tags_of(context.cloud, kind, id)?;
    }
    for id in &ids {
        change(tags_of(context.cloud, kind, id)?);
    }
    Done::then(None)
}
