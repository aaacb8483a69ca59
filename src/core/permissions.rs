//! What the cloud account's policy must permit, action by action, and what each is for.
//!
//! One list for everybody: the preflight names what is missing of it, and `preflight --policy` prints it.

use serde_json::json;

/// What an action is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing can be planned without it.
    Read,
    /// It only informs: without it some checks are left out.
    Check,
    /// It changes something: whether it is permitted shows only when it is called.
    Write,
    /// It changes something that only some hosts need, where the inventory consents to it.
    Consented,
}

/// An action that the policy must permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// `product:Action`, as in a policy.
    pub action: &'static str,
    /// What it is needed for.
    pub need: Need,
    /// What is done with it, as a noun phrase.
    pub purpose: &'static str,
}

const fn permission(action: &'static str, need: Need, purpose: &'static str) -> Permission {
    Permission { action, need, purpose }
}

/// Every action of the procedure and of its checks.
pub const PERMISSIONS: [Permission; 26] = [
    permission("ecs:DescribeInstances", Need::Read, "the instances"),
    permission("ecs:DescribeNetworkInterfaces", Need::Read, "their interfaces"),
    permission("vpc:DescribeEipAddresses", Need::Read, "their public addresses"),
    permission("vpc:DescribeVSwitches", Need::Read, "the vSwitches"),
    permission("vpc:DescribeVSwitchAttributes", Need::Read, "a vSwitch"),
    permission("vpc:DescribeNatGateways", Need::Read, "the NAT gateways"),
    permission("vpc:DescribeSnatTableEntries", Need::Read, "the shared egress address"),
    permission("vpc:DescribeForwardTableEntries", Need::Read, "DNAT entries, which win over SNAT"),
    permission("vpc:DescribeRouteEntryList", Need::Read, "whether packets reach the NAT gateway"),
    permission("ecs:DescribeInstanceTypes", Need::Check, "how many interfaces an instance takes"),
    permission(
        "ecs:DescribeSecurityGroups",
        Need::Check,
        "type, VPC and room of the new interface's security groups",
    ),
    permission(
        "ecs:DescribeSecurityGroupAttribute",
        Need::Check,
        "whether those groups let the check through the EIP in",
    ),
    permission("ecs:DescribeAccountAttributes", Need::Check, "the quota of interfaces in the region"),
    permission("vpc:DescribeVpcAttribute", Need::Check, "whether the VPC has an IPv4 gateway"),
    permission("ecs:ConvertNatPublicIpToEip", Need::Write, "static public address to EIP"),
    permission("ecs:CreateNetworkInterface", Need::Write, "the secondary interface"),
    permission("ecs:AttachNetworkInterface", Need::Write, "attaching it"),
    permission("ecs:DetachNetworkInterface", Need::Write, "detaching it, in a rollback"),
    permission("ecs:DeleteNetworkInterface", Need::Write, "deleting it, in a rollback"),
    permission("ecs:TagResources", Need::Write, "the interface's tag"),
    permission("vpc:UnassociateEipAddress", Need::Write, "taking the EIP off the instance"),
    permission("vpc:AssociateEipAddress", Need::Write, "binding it to the interface"),
    permission("ecs:ModifyInstanceChargeType", Need::Consented, "subscription to pay-as-you-go"),
    permission("bss:Refund", Need::Consented, "the refund of the rest of a subscription"),
    permission("bssapi:RefundInstance", Need::Consented, "the same under its newer name"),
    permission("sts:GetCallerIdentity", Need::Check, "who we are"),
];

/// What is done with an action, as a noun phrase.
#[must_use]
pub fn purpose(action: &str) -> &'static str {
    PERMISSIONS.iter().find(|it| it.action == action).map_or("something", |it| it.purpose)
}

/// Whether an error code says that the policy does not permit the call.
#[must_use]
pub fn is_denial(code: &str) -> bool {
    code.starts_with("NoPermission")
        || matches!(
            code,
            "Forbidden.RAM" | "Forbidden.SubUser" | "Forbidden.Unauthorized" | "Forbidden.NoPermission"
        )
}

/// A policy that permits all of it, in the vendor's JSON. `consented` also permits what only some inventories consent to.
#[must_use]
pub fn policy_json(consented: bool) -> String {
    let actions = |needs: &[Need]| -> Vec<&str> {
        PERMISSIONS.iter().filter(|it| needs.contains(&it.need)).map(|it| it.action).collect()
    };
    let statement = |actions: Vec<&str>| json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
    let mut statements =
        vec![statement(actions(&[Need::Read, Need::Check])), statement(actions(&[Need::Write]))];
    if consented {
        statements.push(statement(actions(&[Need::Consented])));
    }
    format!("{:#}\n", json!({ "Version": "1", "Statement": statements }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::plan::StepKind;

    #[test]
    fn every_write_of_the_procedure_is_in_the_policy() {
        let policy = policy_json(true);
        for action in StepKind::ALL.iter().filter_map(|step| step.action()) {
            assert!(policy.contains(&format!(":{action}\"")), "{action}");
        }
        assert!(!policy_json(false).contains("ModifyInstanceChargeType"));
    }

    #[test]
    fn denials_are_told_by_their_codes() {
        for code in ["Forbidden.RAM", "NoPermission", "NoPermission.Refund", "Forbidden.SubUser"] {
            assert!(is_denial(code), "{code}");
        }
        for code in ["Forbidden.RiskControl", "Throttling.User", "InvalidVpcId.NotFound", "DryRunOperation"] {
            assert!(!is_denial(code), "{code}");
        }
    }
}
