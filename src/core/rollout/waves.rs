//! `--waves`: how the hosts to change are divided, and which of them go first.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Rollout;
use super::budget::{Budget, amount, share};
use crate::core::model::{ModelError, VSwitchId};
use crate::core::observed::{CloudView, Instance};
use crate::core::plan::{Plan, Verdict};

/// Sizes of waves in their order, such as `1,5,10%,100%`. Each is a wave's own size, as in Ansible's `serial`, and a share is
/// one of all hosts to change, rounded up. The last is always `100%`, which takes whoever is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Waves(Vec<Size>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// One host of every kind, and nobody else.
    Canary,
    Hosts(Budget),
}

const ALL: Size = Size::Hosts(Budget::Percent(100));

const EXPECTED: &str = "sizes of waves such as 1,5,10%,100% or canary,10% (hosts from 1, shares from 1% to 100%, the word \
                        canary as the first, nothing after 100%)";

/// What hosts have in common when one of them speaks for the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The image that the instance was made from.
    pub image: Option<String>,
    /// The instance type without its size, such as `ecs.g7`.
    pub family: String,
    /// The vSwitch of the primary interface.
    pub vswitch: Option<VSwitchId>,
}

impl Kind {
    /// The kind of an instance.
    #[must_use]
    pub fn of(instance: &Instance) -> Self {
        let name = &instance.instance_type;
        let family = name.rsplit_once('.').map_or(name.as_str(), |(family, _)| family);
        Self { image: instance.image.clone(), family: family.to_owned(), vswitch: instance.vswitch.clone() }
    }
}

impl Waves {
    /// Divides hosts of these kinds into waves of their positions, each ascending and never empty; every position is in
    /// exactly one. The first wave has one host of every kind, and as many as its size if that is more.
    #[must_use]
    pub fn split<K: Ord>(&self, kinds: &[K]) -> Vec<Vec<usize>> {
        let total = kinds.len();
        let mut seen = BTreeSet::new();
        let (canaries, others): (Vec<usize>, Vec<usize>) =
            (0..total).partition(|at| seen.insert(&kinds[*at]));
        let mut least = canaries.len();
        let mut left = canaries.into_iter().chain(others).collect::<Vec<_>>();
        let mut waves = Vec::new();
        for size in &self.0 {
            let wanted = match size {
                Size::Canary => least,
                Size::Hosts(Budget::Count(count)) => *count,
                Size::Hosts(Budget::Percent(100)) => left.len(),
                Size::Hosts(Budget::Percent(percent)) => share(total, *percent),
            };
            let rest = left.split_off(wanted.max(least).min(left.len()));
            let mut wave = std::mem::replace(&mut left, rest);
            if !wave.is_empty() {
                wave.sort_unstable();
                waves.push(wave);
            }
            // From now on everybody goes in the order of the inventory.
            least = 0;
            left.sort_unstable();
        }
        waves
    }
}

/// The waves of a plan as positions in it: the hosts to change, in the inventory's order. One wave if none are asked for.
#[must_use]
pub fn waves(plan: &Plan, cloud: &CloudView, rollout: &Rollout) -> Vec<Vec<usize>> {
    let hosts = plan.hosts.iter().enumerate().filter(|(_, host)| host.verdict == Verdict::Change);
    let (places, kinds): (Vec<usize>, Vec<Option<Kind>>) =
        hosts.map(|(at, host)| (at, cloud.instances.get(&host.instance).map(Kind::of))).unzip();
    match &rollout.waves {
        _ if places.is_empty() => Vec::new(),
        None => vec![places],
        Some(waves) => {
            let place = |wave: Vec<usize>| wave.into_iter().map(|at| places[at]).collect();
            waves.split(&kinds).into_iter().map(place).collect()
        }
    }
}

impl FromStr for Waves {
    type Err = ModelError;
    fn from_str(text: &str) -> Result<Self, ModelError> {
        let wrong = || ModelError::new(text, EXPECTED);
        let mut sizes = Vec::new();
        for part in text.split(',') {
            let size = match part.trim() {
                "canary" if sizes.is_empty() => Size::Canary,
                part => Size::Hosts(amount(part).ok_or_else(wrong)?),
            };
            if sizes.last() == Some(&ALL) {
                return Err(wrong());
            }
            sizes.push(size);
        }
        if sizes.last() != Some(&ALL) {
            sizes.push(ALL);
        }
        Ok(Self(sizes))
    }
}

impl TryFrom<String> for Waves {
    type Error = ModelError;
    fn try_from(text: String) -> Result<Self, ModelError> {
        text.parse()
    }
}

impl From<Waves> for String {
    fn from(waves: Waves) -> Self {
        waves.to_string()
    }
}

impl fmt::Display for Waves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, size) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match size {
                Size::Canary => write!(f, "{comma}canary")?,
                Size::Hosts(amount) => write!(f, "{comma}{amount}")?,
            }
        }
        Ok(())
    }
}
