//! How long things take, and how many there may be.

use std::time::Duration;

/// Delays of the asynchronous operations, and quotas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// `Attaching` lasts this long.
    pub attach: Duration,
    /// `Detaching` lasts this long.
    pub detach: Duration,
    /// `Associating` lasts this long.
    pub associate: Duration,
    /// `Unassociating` lasts this long.
    pub unassociate: Duration,
    /// The EIP of a conversion appears after this long.
    pub convert: Duration,
    /// A change of charge type takes this long.
    pub charge: Duration,
    /// `CreateNetworkInterface` answers after this long.
    pub create: Duration,
    /// `Deleting` lasts this long.
    pub delete: Duration,
    /// Each delay is lengthened by 0 to this many percent, by the lab's seed.
    pub jitter_percent: u32,
    /// EIPs there may be.
    pub eip_quota: usize,
    /// Network interfaces there may be.
    pub eni_quota: usize,
    /// The fabric drops spoofed packets of every interface, whatever `SourceDestCheck` says.
    pub source_check: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            attach: Duration::from_millis(400),
            detach: Duration::from_millis(300),
            associate: Duration::from_millis(300),
            unassociate: Duration::from_millis(150),
            convert: Duration::from_millis(200),
            charge: Duration::from_millis(200),
            create: Duration::from_millis(100),
            delete: Duration::from_millis(100),
            jitter_percent: 50,
            eip_quota: 300,
            eni_quota: 1000,
            source_check: true,
        }
    }
}

/// The `count`-th number of the sequence that `seed` begins (SplitMix64).
#[must_use]
pub(super) const fn dice(seed: u64, count: u64) -> u64 {
    let mut z = seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A time from `least` to `most`, as the number `roll` says.
#[must_use]
pub(super) fn between(least: Duration, most: Duration, roll: u64) -> Duration {
    let room = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or(u64::MAX);
    least + Duration::from_millis(roll % room.saturating_add(1))
}

impl Tuning {
    /// `base`, lengthened by what the number `roll` says.
    #[must_use]
    pub(super) fn jittered(&self, base: Duration, roll: u64) -> Duration {
        let percent = u32::try_from(roll % (u64::from(self.jitter_percent) + 1)).unwrap_or_default();
        base + base * percent / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_in_its_bounds_and_follows_the_seed() {
        let tuning = Tuning::default();
        let base = Duration::from_millis(100);
        let rolls = |seed| (1..100).map(|n| tuning.jittered(base, dice(seed, n))).collect::<Vec<_>>();
        assert!(rolls(7).iter().all(|delay| (base..=base * 3 / 2).contains(delay)));
        assert_eq!(rolls(7), rolls(7));
        assert_ne!(rolls(7), rolls(8));
    }
}
