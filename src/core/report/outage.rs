//! How long a host's address was bound to nothing, as its steps tell.

use super::data::StepTime;
use crate::core::plan::StepKind;

/// The windows in which the address was bound to nothing, milliseconds since 1970: each from the beginning of the call that
/// takes it off to the end of the one that binds it again, so that the true outage is within them. `Err` is the beginning
/// of one that never ended.
pub(super) fn windows(steps: &[StepTime]) -> Vec<Result<(i64, i64), i64>> {
    let (mut windows, mut open) = (Vec::new(), None);
    for step in steps {
        let Some((start, end)) = step.span() else { continue };
        let (takes_off, binds) = match (step.step, step.undo) {
            (StepKind::Unassociate, false) | (StepKind::Associate, true) => (true, false),
            (StepKind::Associate, false) | (StepKind::Unassociate, true) => (false, true),
            _ => continue,
        };
        if takes_off && open.is_none() {
            open = Some(start);
        } else if binds
            && step.error.is_none()
            && let Some(start) = open.take()
        {
            windows.push(Ok((start, end)));
        }
    }
    windows.extend(open.map(Err));
    windows
}

/// For how long the address was bound to nothing at most, milliseconds; `None` if it never was, or still is.
#[must_use]
pub fn outage(steps: &[StepTime]) -> Option<u64> {
    let windows = windows(steps);
    if windows.is_empty() {
        return None;
    }
    let lengths = windows.into_iter().map(|window| window.ok().map(|(start, end)| end.abs_diff(start)));
    lengths.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: StepKind, undo: bool, start: i64, ms: u64, error: Option<&str>) -> StepTime {
        StepTime { step, undo, ms, started_ms: Some(start), error: error.map(str::to_owned) }
    }

    #[test]
    fn an_outage_is_from_the_first_call_that_takes_off_to_the_end_of_the_one_that_binds() {
        use StepKind::{Associate, Configure, Unassociate, Verify};
        let there = [
            step(Configure, false, 0, 500, None),
            step(Unassociate, false, 1_000, 200, None),
            step(Associate, false, 1_250, 400, None),
            step(Verify, false, 1_700, 90, None),
        ];
        assert_eq!(outage(&there), Some(650));
        let back = [step(Associate, true, 2_000, 100, None), step(Unassociate, true, 2_150, 50, None)];
        assert_eq!(outage(&[&there[..], &back].concat()), Some(650 + 200), "and back again");
        let refused = [
            step(Unassociate, false, 0, 10, None),
            step(Associate, false, 20, 10, Some("refused")),
            step(Unassociate, true, 40, 10, None),
        ];
        assert_eq!(outage(&refused), Some(50), "it lasts until the address is home");
        assert_eq!(outage(&there[..1]), None);
        assert_eq!(outage(&there[..2]), None, "it has not ended");
    }
}
