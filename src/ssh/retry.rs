//! Which failures to get in are tried again, how often, and after which pause.
//!
//! Must never try again once a credential was offered or a host key was judged: what was refused stays refused.

use std::time::Duration;

use super::patience::Patience;
use crate::ports::SshError;

/// The first pause is somewhere between nothing and this; each further one may be twice as long.
const FIRST: Duration = Duration::from_millis(250);
/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(4);

/// What stood in the way, if it may be gone a moment later. Everything else is tried once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passing {
    /// Nobody listens (yet): sshd restarts, the host boots.
    Refused,
    /// TCP was reset, or there was no route for a moment.
    Unsettled,
    /// The connection was taken and dropped before a credential was offered: `MaxStartups`, or an sshd that ends.
    Dropped,
    /// The name could not be looked up for now.
    NameServer,
    /// The jump host got no connection to the host; it does not say why.
    BehindJump,
    /// The shared connection to the jump host broke meanwhile.
    JumpLost,
}

impl Passing {
    /// How often it is tried in all. The time to connect bounds all of them together.
    const fn tries(self) -> u32 {
        match self {
            Self::Refused | Self::NameServer | Self::JumpLost => 3,
            // Each may have taken seconds.
            Self::Unsettled | Self::BehindJump => 2,
            // One that is dropped at random: ten in a row are unlikely even where two of three are dropped.
            Self::Dropped => 10,
        }
    }
}

/// A failure, and whether it may pass.
#[derive(Debug)]
pub(super) struct Setback {
    pub(super) error: SshError,
    passing: Option<Passing>,
}

impl From<SshError> for Setback {
    fn from(error: SshError) -> Self {
        Self { error, passing: None }
    }
}

impl Setback {
    /// One that may pass.
    pub(super) const fn passing(passing: Passing, error: SshError) -> Self {
        Self { error, passing: Some(passing) }
    }
}

/// How often one thing was tried, and what stood in the way.
#[derive(Debug, Default)]
pub(super) struct Tries {
    count: u32,
    before: Option<SshError>,
}

impl Tries {
    /// Waits until it is to be tried again.
    ///
    /// # Errors
    /// The failure itself, if it is for good, was met often enough, or no time is left.
    pub(super) async fn again(&mut self, setback: Setback, patience: &Patience) -> Result<(), SshError> {
        self.count += 1;
        let (pause, left) = (pause(self.count), patience.left());
        match (setback.passing, self.before.take()) {
            (Some(passing), _) if self.count < passing.tries() && left > pause => {
                self.before = Some(setback.error);
                patience.pause(pause).await;
                Ok(())
            }
            // That the time ran out in the last attempt says less than what stood in the way until then.
            (None, Some(before)) if left.is_zero() => Err(before),
            _ => Err(setback.error),
        }
    }
}

/// Full jitter: hosts that were turned away together do not come back together.
fn pause(tried: u32) -> Duration {
    let most = FIRST.saturating_mul(1 << (tried - 1).min(8)).min(LONGEST);
    // Without randomness the pause is just not spread.
    let share = getrandom::u32().map_or(0.5, |drawn| f64::from(drawn) / f64::from(u32::MAX));
    most.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SshErrorKind;

    fn error() -> SshError {
        SshError { kind: SshErrorKind::Unreachable, message: "no".to_owned() }
    }

    async fn tries(within: u64, make: impl Fn() -> Setback) -> u32 {
        let patience = Patience::new(Duration::from_secs(within));
        let mut tries = Tries::default();
        loop {
            if let Err(last) = tries.again(make(), &patience).await {
                assert_eq!(last, error());
                return tries.count;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_cause_is_tried_as_often_as_the_table_says() {
        use Passing::{BehindJump, Dropped, JumpLost, NameServer, Refused, Unsettled};
        for cause in [BehindJump, Dropped, JumpLost, NameServer, Refused, Unsettled] {
            assert_eq!(tries(3600, || Setback::passing(cause, error())).await, cause.tries(), "{cause:?}");
        }
        assert_eq!(tries(3600, || error().into()).await, 1);
        assert_eq!(tries(0, || Setback::passing(Dropped, error())).await, 1, "no time is left");
    }

    #[tokio::test(start_paused = true)]
    async fn running_out_of_time_does_not_hide_the_cause() {
        let patience = Patience::new(Duration::from_secs(60));
        let mut tries = Tries::default();
        assert_eq!(tries.again(Setback::passing(Passing::Dropped, error()), &patience).await, Ok(()));
        patience.pause(Duration::from_secs(60)).await;
        let late = SshError { message: "late".to_owned(), ..error() };
        assert_eq!(tries.again(late.into(), &patience).await, Err(error()));
    }

    #[test]
    fn pauses_are_spread_grow_and_stay_bounded() {
        let drawn: Vec<_> = (0..200).map(|_| pause(1)).collect();
        assert!(drawn.iter().all(|pause| *pause <= FIRST));
        assert!(drawn.iter().any(|pause| *pause < FIRST / 2) && drawn.iter().any(|pause| *pause > FIRST / 2));
        assert!((0..200).map(|_| pause(40)).all(|pause| pause <= LONGEST));
        assert!((0..200).map(|_| pause(40)).any(|pause| pause > FIRST));
    }
}
