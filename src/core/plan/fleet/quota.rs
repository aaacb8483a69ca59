//! Quotas of the account against what the whole plan needs. A plan over a quota is refused to every host that would need of it:
//! which of them come first is nothing to leave to chance.

use super::{changing, refuse};
use crate::core::inventory::Limits;
use crate::core::observed::CloudView;
use crate::core::plan::{Code, Finding, Plan, StepKind};

/// EIPs that an account may have unless its quota was raised (the vendor's limits page).
const DOCUMENTED_EIPS: u32 = 20;

/// Checks what the plan adds to what there is.
pub(super) fn check(plan: &mut Plan, view: &CloudView, limits: &Limits) {
    let assumed = "the documented default, as cloud.limits.eips is not set";
    let eips = limits.eips.map_or((DOCUMENTED_EIPS, assumed), |most| (most, "cloud.limits.eips"));
    let eips = Quota {
        step: StepKind::Convert,
        code: Code::EipQuota,
        what: "EIPs",
        most: Some(eips),
        there: view.account.eips,
        fix: "look the quota up in the Quota Center, have it raised if need be, and say it in cloud.limits.eips; or plan \
              fewer hosts with --limit",
    };
    let most = match (limits.enis, view.account.eni_limit) {
        (Some(most), _) => Some((most, "cloud.limits.enis")),
        (None, Some(most)) => Some((most, "as the account's attributes say")),
        (None, None) => None,
    };
    let enis = Quota {
        step: StepKind::CreateEni,
        code: Code::EniQuota,
        what: "secondary interfaces",
        most,
        there: view.account.enis,
        fix: "have the quota of interfaces in this region raised, or plan fewer hosts with --limit",
    };
    eips.check(plan);
    enis.check(plan);
}

struct Quota {
    step: StepKind,
    code: Code,
    what: &'static str,
    most: Option<(u32, &'static str)>,
    there: Option<u32>,
    fix: &'static str,
}

impl Quota {
    fn check(&self, plan: &mut Plan) {
        let (Some((most, by)), Some(there)) = (self.most, self.there) else { return };
        let step = self.step;
        let more = changing(plan).filter(|host| host.has(step)).count();
        let need = u64::from(there) + more as u64;
        if more == 0 || need <= u64::from(most) {
            return;
        }
        for host in changing(plan).filter(|host| host.has(step)) {
            refuse(
                host,
                Finding::refusal(
                    format!(
                        "this plan needs {more} more {}: {there} are there, which makes {need}, and the limit is {most} ({by})",
                        self.what
                    ),
                    "the cloud would refuse the last ones half-way through the fleet",
                    self.fix,
                )
                .coded(self.code),
            );
        }
    }
}
