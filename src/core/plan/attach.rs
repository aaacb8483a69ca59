//! Whether the instance takes another interface, and while it runs.

use super::{Code, Finding};
use crate::core::observed::{CloudView, Instance, Observation};

/// Sizes that the vendor's page on attaching calls the small ones of a family.
const SMALL: &[&str] = &["nano", "small", "large"];
/// All sizes of a family.
const ALL: &[&str] = &[];

/// Families, and their sizes, whose instances must be stopped to take an interface (the vendor's page on attaching ENIs).
const STOPPED: [(&str, &[&str]); 8] = [
    ("t5", SMALL),
    ("t6", SMALL),
    ("s6", SMALL),
    ("e", SMALL),
    ("n4", &["small", "large"]),
    ("mn4", &["small", "large"]),
    ("xn4", ALL),
    ("e4", ALL),
];

/// 2018-04-01T00:00:00Z: instances that run since before then have to be restarted before they take an interface.
const OLDEST_START_MS: i64 = 1_522_540_800_000;

/// Looks for what keeps the instance from taking an interface now.
pub(super) fn check(view: &CloudView, instance: &Instance, findings: &mut Vec<Finding>) {
    check_slots(view, instance, findings);
    if must_be_stopped(&instance.instance_type) {
        findings.push(
            Finding::refusal(
                format!("{} takes interfaces only while the instance is stopped", instance.instance_type),
                "the host would have to go down, which is never done to it here",
                "convert its address, stop it with StoppedMode=KeepCharging (otherwise its public address is lost), create \
                 and attach an interface with the tag egressctl:instance by hand, start it, then plan again",
            )
            .coded(Code::EniHotPlug),
        );
    }
    let started = instance.started.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    if let Some(started) = started.filter(|started| started.as_millisecond() < OLDEST_START_MS) {
        findings.push(
            Finding::refusal(
                format!("the instance runs since {started}"),
                "an instance that was not restarted since 2018-04-01 takes no interface",
                "restart it (RebootInstance), then plan again",
            )
            .coded(Code::EniRestartNeeded),
        );
    }
    if instance.io_optimized == Some(false) {
        findings.push(
            Finding::refusal(
                "the instance is not I/O optimised",
                "its generation takes no secondary interfaces",
                "change it to a newer instance type",
            )
            .coded(Code::EniGeneration),
        );
    }
}

/// Whether instances of this type, such as `ecs.t6-c1m1.large`, must be stopped to take an interface.
fn must_be_stopped(instance_type: &str) -> bool {
    let Some((family, size)) = instance_type.strip_prefix("ecs.").and_then(|rest| rest.rsplit_once('.'))
    else {
        return false;
    };
    let family = family.split('-').next().unwrap_or(family);
    STOPPED.iter().any(|(name, sizes)| *name == family && (sizes.is_empty() || sizes.contains(&size)))
}

fn check_slots(view: &CloudView, instance: &Instance, findings: &mut Vec<Finding>) {
    let used = view.enis.values().filter(|eni| eni.instance.as_ref() == Some(&instance.id)).count();
    let found = match view.eni_quantity.get(&instance.instance_type) {
        Some(Observation::Seen(quantity)) if used < usize::try_from(*quantity).unwrap_or(usize::MAX) => {
            return;
        }
        Some(Observation::Seen(quantity)) => Finding::refusal(
            format!("{} takes {quantity} interfaces and {used} are attached", instance.instance_type),
            "there is no slot for another one",
            "detach an unused interface or choose a larger instance type",
        )
        .coded(Code::EniSlots),
        Some(Observation::Unseen(reason)) => Finding::warning(
            format!("how many interfaces {} takes could not be read: {reason}", instance.instance_type),
            "attaching may be refused after the interface was created",
            "grant ecs:DescribeInstanceTypes",
        )
        .coded(Code::EniSlotsUnknown),
        None => Finding::warning(
            format!("instance type {} is not known to the cloud's catalogue", instance.instance_type),
            "attaching may be refused after the interface was created",
            "check the instance type's limit of interfaces by hand",
        )
        .coded(Code::EniSlotsUnknown),
    };
    findings.push(found);
}

#[cfg(test)]
mod tests {
    use super::must_be_stopped;

    #[test]
    fn small_and_old_families_must_be_stopped() {
        for name in [
            "ecs.t5-lc2m1.nano",
            "ecs.t6-c1m1.large",
            "ecs.s6-c1m2.small",
            "ecs.e-c1m1.large",
            "ecs.n4.small",
            "ecs.mn4.large",
            "ecs.xn4.small",
            "ecs.e4.2xlarge",
        ] {
            assert!(must_be_stopped(name), "{name}");
        }
        for name in [
            "ecs.g7.large",
            "ecs.e3.small",
            "ecs.t6-c1m1.xlarge",
            "ecs.n4.xlarge",
            "ecs.s6-c1m1.2xlarge",
            "ecs.gn6e-c12g1.3xlarge",
            "",
            "ecs",
            "e4.small",
        ] {
            assert!(!must_be_stopped(name), "{name}");
        }
    }
}
