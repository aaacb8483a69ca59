//! What a subscription needs before its static public address can be converted.

use super::{Code, Finding, Op, Policy, Step};
use crate::core::inventory::HostDesired;
use crate::core::observed::{ChargeType, CloudView, DryRun, Instance, InternetChargeType};

/// Milliseconds in a day; a subscription that ends sooner cannot be converted.
const DAY_MS: i64 = 24 * 3_600_000;

/// A subscription that pays by bandwidth: its address is converted only once it is paid for as you go.
#[must_use]
pub fn needs_change(instance: &Instance) -> bool {
    instance.charge_type == ChargeType::PrePaid
        && instance.internet_charge_type != InternetChargeType::PayByTraffic
}

/// The step that changes the charge type, if it is needed and consented to.
pub(super) fn change(
    view: &CloudView,
    desired: &HostDesired,
    instance: &Instance,
    policy: &Policy,
    findings: &mut Vec<Finding>,
) -> Option<Step> {
    if instance.charge_type != ChargeType::PrePaid {
        return None;
    }
    check_end(instance, policy, findings);
    if !needs_change(instance) {
        return None;
    }
    if !desired.allow.charge_type_change {
        findings.push(
            Finding::refusal(
                "it is a subscription (PrePaid) that pays by bandwidth",
                "the cloud converts only subscriptions that pay by traffic",
                "set allow.charge_type_change: true for this host to switch it to pay-as-you-go (it costs money and \
                 is not taken back), or change its traffic billing by hand",
            )
            .coded(Code::ChargeType),
        );
        return None;
    }
    findings.push(cost(instance));
    if let Some(DryRun::Refused(code, message)) = view.charge_changes.get(&instance.id) {
        findings.push(
            Finding::refusal(
                format!("the dry run of the change to pay-as-you-go was refused: {message} [{code}]"),
                "without the change its address cannot be converted",
                if code.starts_with("NoPermission") || code.starts_with("Forbidden") {
                    "permit ecs:ModifyInstanceChargeType and refunds (bss:Refund), then plan again"
                } else {
                    "clear what the message names, then plan again"
                },
            )
            .coded(Code::ChargeTypeRefused),
        );
    }
    Some(Step {
        op: Op::MakePostPaid { instance: instance.id.clone() },
        why: "a subscription that pays by bandwidth cannot be converted; the inventory consents to \
              pay-as-you-go"
            .to_owned(),
        diff: vec!["- charge type PrePaid".to_owned(), "+ charge type PostPaid".to_owned()],
    })
}

fn check_end(instance: &Instance, policy: &Policy, findings: &mut Vec<Finding>) {
    match instance.expires.as_deref().map(str::parse::<jiff::Timestamp>) {
        Some(Ok(end)) if end.as_millisecond() - policy.now_ms > DAY_MS => {}
        Some(Ok(end)) => findings.push(
            Finding::refusal(
                format!("its subscription ends at {end}"),
                "the conversion needs more than 24 hours left",
                "renew the subscription, then plan again",
            )
            .coded(Code::SubscriptionEnding),
        ),
        Some(Err(_)) | None => findings.push(
            Finding::warning(
                "the end of its subscription is not known",
                "the conversion is refused by the cloud within 24 hours of it",
                "check the expiry date in the console",
            )
            .coded(Code::SubscriptionEndUnknown),
        ),
    }
}

/// What is known of the price before the order is made; the API tells the refund only with the order.
fn cost(instance: &Instance) -> Finding {
    let until = instance.expires.as_deref().unwrap_or("a date that is not known");
    Finding::warning(
        format!("{} becomes pay-as-you-go; it is paid for until {until}", instance.instance_type),
        "the rest of the subscription is refunded at the vendor's terms (vouchers are not, and the vCPU hours refunded in a \
         month are limited); from then on it costs the hourly price of its type and what it sends, and there is no way \
         back but to buy a subscription again",
        "compare the two prices in the console; the API tells the refund only with the order",
    )
    .coded(Code::ChargeTypeCost)
}
