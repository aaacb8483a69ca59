//! The options of how a run goes over its hosts.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};

use super::fleet::Fleet;
use super::gate::Terminal;
use crate::core::rollout::{Approve, Budget, Rollout, Waves};
use crate::core::text::milliseconds;
use crate::engine::Terms;

/// Options of the verbs that begin hosts.
#[derive(Debug, Args)]
pub(super) struct RolloutArgs {
    /// Sizes of waves, such as 1,5,10%,100% or canary,10%; the first has one host of every image, instance family and vSwitch
    #[arg(long, value_name = "SIZES", env = "EGRESSCTL_WAVES")]
    waves: Option<Waves>,
    /// Begin nothing new once N hosts, or N% of them, have failed [default: 1 with --waves, else all may]
    #[arg(long, value_name = "N|N%", env = "EGRESSCTL_MAX_FAIL")]
    max_fail: Option<Budget>,
    /// Pause between two waves, such as 30s, 10m or 2h
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "waves", env = "EGRESSCTL_SOAK")]
    soak: Option<u64>,
    /// Which waves begin only when somebody approves, at the terminal or by `egressctl approve`
    #[arg(long, value_enum, default_value_t = Asks::Never, requires = "waves", env = "EGRESSCTL_APPROVE")]
    approve: Asks,
    /// Begin nothing more when an approval takes longer than this
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "approve", env = "EGRESSCTL_APPROVE_WITHIN")]
    approve_within: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Asks {
    /// None
    Never,
    /// The second, when the canaries are done
    AfterCanary,
    /// Every one but the first, which is approved with the plan
    Each,
}

fn duration(text: &str) -> Result<u64, String> {
    milliseconds(text).ok_or_else(|| "expected a time with its unit such as 30s, 10m or 2h".to_owned())
}

impl RolloutArgs {
    /// What was asked for, as data.
    pub(super) fn policy(&self) -> Rollout {
        Rollout {
            waves: self.waves.clone(),
            budget: self.max_fail,
            soak_ms: self.soak.unwrap_or_default(),
            approve: match self.approve {
                Asks::Never => Approve::Never,
                Asks::AfterCanary => Approve::AfterCanary,
                Asks::Each => Approve::Each,
            },
            approve_within_ms: self.approve_within,
        }
    }

    /// The terms of a run. Somebody at the terminal is asked unless `yes` says not to.
    pub(super) fn terms(&self, fleet: &Fleet, yes: bool) -> Terms {
        let mut terms = Terms { rollout: self.policy(), ..Terms::default() };
        if !yes && std::io::stdin().is_terminal() {
            terms.gate = Terminal::new(fleet.ui.sink());
        }
        terms
    }
}
