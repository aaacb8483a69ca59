//! How an instance and its address are paid for: `ModifyInstanceChargeType`, `ConvertNatPublicIpToEip`.

use serde_json::{Value, json};

use super::super::answer::{body, dry_run};
use super::super::errors::{ApiError, TOO_MANY_INSTANCES};
use super::super::params::{invalid, missing};
use super::{Context, Done, Task};

/// `ModifyInstanceChargeType`, to pay as you go only. Its default is the other way, as with the vendor.
pub(super) fn modify(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let ids = context.params.json_list("InstanceIds", usize::MAX)?.ok_or_else(|| missing("InstanceIds"))?;
    if ids.len() > 20 {
        return Err(TOO_MANY_INSTANCES.into());
    }
    if ids.is_empty() {
        return Err(missing("InstanceIds"));
    }
    if context.params.get("InstanceChargeType").unwrap_or("PrePaid") != "PostPaid" {
        return Err(invalid("InstanceChargeType", "must be PostPaid: the lab sells no subscriptions"));
    }
    let instances = context.cloud.check_post_paid(&ids)?;
    dry_run(context.params)?;
    context.cloud.start_post_paid(&instances);
    let fees: Vec<Value> = instances
        .iter()
        .filter(|_| context.params.flag("IsDetailFee").unwrap_or(false))
        .map(|id| json!({ "InstanceId": id, "Fee": "0.0", "Currency": "CNY" }))
        .collect();
    let answer = json!({ "OrderId": "200000000000001", "FeeOfInstances": { "FeeOfInstance": fees } });
    Ok(Done { body: body(answer), task: Some(Task::PostPaid(instances)) })
}

/// `ConvertNatPublicIpToEip`. Answers at once; the EIP appears a little later.
pub(super) fn convert(context: &mut Context<'_>) -> Result<Done, ApiError> {
    let id = context.params.required("InstanceId")?;
    let instance = context.cloud.start_convert(id, context.tuning.eip_quota, context.now_ms)?;
    Done::then(Some(Task::Convert(instance)))
}
