//! How fast calls may be sent: one bucket for each action, shared by everybody, at a share of the account's quota.
//!
//! The vendor counts by action, region and account in windows of one minute, and other programs and the console count with us.
//! Must never hold back the call that ends an outage for a reason of our own: what paces it is paced where the outage begins.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
/// Ends an outage, so it is sent when it is due; only the server may hold it back.
const URGENT: &str = "AssociateEipAddress";
/// Begins an outage, at the pace at which outages can be ended.
const OPENING: &str = "UnassociateEipAddress";
/// The rate after the server has said "too fast", against the rate before.
const SLOWER: f64 = 0.5;
/// What comes back of the share in each minute without a complaint.
const FASTER: f64 = 0.1;
/// The least that is left of the share.
const SLOWEST: f64 = 0.05;
/// Complaints closer together than this are one: they are answers to calls that were under way at the same time.
const SAME: Duration = Duration::from_secs(5);

/// Calls that an account may send in a minute, where a number is known, and where it is from.
///
/// D: the vendor's page on quotas of the action (2026). C: the limit that the vendor's own container network client keeps to.
const QUOTAS: [(&str, u32, char); 9] = [
    ("AllocateEipAddress", 120, 'D'),
    ("AssociateEipAddress", 120, 'D'),
    ("DescribeEipAddresses", 600, 'D'),
    ("AttachNetworkInterface", 500, 'C'),
    ("CreateNetworkInterface", 500, 'C'),
    ("DeleteNetworkInterface", 500, 'C'),
    ("DetachNetworkInterface", 400, 'C'),
    ("DescribeNetworkInterfaces", 800, 'C'),
    ("DescribeVSwitches", 300, 'C'),
];
/// For every other action, by whether it changes something: less than any number that is known of its kind.
const UNKNOWN: [(bool, u32); 2] = [(false, 300), (true, 100)];

/// Whether the call ends an outage.
pub(super) fn urgent(action: &str) -> bool {
    action == URGENT
}

/// The quota of an action, calls per minute.
fn quota(action: &str) -> u32 {
    if action == OPENING {
        // Its own number is not documented; it cannot be faster than what must follow it.
        return quota(URGENT);
    }
    let known = QUOTAS.iter().find(|(name, ..)| *name == action).map(|(_, quota, _)| *quota);
    let write = !action.starts_with("Describe") && !action.starts_with("Get") && !action.starts_with("List");
    known.unwrap_or_else(|| UNKNOWN.iter().find(|(kind, _)| *kind == write).map_or(100, |(_, quota)| *quota))
}

/// One action's bucket.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Our share of the quota, calls per minute.
    share: f64,
    /// The rate at present, calls per minute.
    rate: f64,
    /// When the next call is due; it may lie behind us by a quarter of a minute's calls, which may then be sent at once.
    due: Instant,
    /// Nothing is sent before, because the server said so.
    blocked: Instant,
    /// When the rate was last changed.
    changed: Instant,
}

impl Bucket {
    fn new(action: &str, share: f64, now: Instant) -> Self {
        let share = (f64::from(quota(action)) * share).max(1.0);
        Self {
            share,
            rate: share,
            due: now.checked_sub(MINUTE / 4).unwrap_or(now),
            blocked: now,
            changed: now,
        }
    }

    fn gap(&self) -> Duration {
        MINUTE.div_f64(self.rate)
    }

    /// The rate comes back a little for every minute that has passed.
    fn recover(&mut self, now: Instant) {
        let minutes = now.saturating_duration_since(self.changed).as_secs_f64() / MINUTE.as_secs_f64();
        if minutes >= 1.0 && self.rate < self.share {
            self.rate = (self.rate + self.share * FASTER * minutes).min(self.share);
            self.changed = now;
        }
    }

    /// Takes the next place in the queue and tells when it is due.
    fn take(&mut self, now: Instant, gap: Duration) -> Instant {
        let burst = MINUTE / 4;
        let earliest = now.checked_sub(burst).unwrap_or(now);
        let due = self.due.max(earliest).max(self.blocked.min(now));
        self.due = due + gap;
        due.max(self.blocked)
    }
}

/// All buckets of one region and account.
#[derive(Debug)]
pub(super) struct Throttle {
    share: f64,
    buckets: Mutex<BTreeMap<&'static str, Bucket>>,
}

impl Throttle {
    /// At this share of every quota, from 0 to 1.
    pub(super) fn new(share: f64) -> Self {
        Self { share, buckets: Mutex::default() }
    }

    fn with<T>(&self, action: &'static str, now: Instant, act: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(action).or_insert_with(|| Bucket::new(action, self.share, now));
        bucket.recover(now);
        act(bucket)
    }

    /// When a call of this action may be sent. It has its place then, and must be sent.
    pub(super) fn due(&self, action: &'static str, now: Instant) -> Instant {
        if action == URGENT {
            return self.with(action, now, |bucket| {
                bucket.take(now, bucket.gap());
                bucket.blocked
            });
        }
        let (gap, blocked) = match action {
            OPENING => self.with(URGENT, now, |bucket| (bucket.gap(), bucket.blocked)),
            _ => (Duration::ZERO, now),
        };
        self.with(action, now, |bucket| bucket.take(now, bucket.gap().max(gap)).max(blocked))
    }

    /// Until when the server wants no call of this action.
    pub(super) fn blocked(&self, action: &'static str, now: Instant) -> Instant {
        self.with(action, now, |bucket| bucket.blocked)
    }

    /// The server said "too fast", and nothing of this action is wanted for this long. Holds for everybody.
    pub(super) fn slow_down(&self, action: &'static str, now: Instant, pause: Duration) {
        self.with(action, now, |bucket| {
            bucket.blocked = bucket.blocked.max(now + pause);
            if now.saturating_duration_since(bucket.changed) >= SAME || bucket.rate >= bucket.share {
                bucket.rate = (bucket.rate * SLOWER).max(bucket.share * SLOWEST);
                bucket.changed = now;
            }
            // What was saved up is gone: the window is full.
            bucket.due = bucket.due.max(now);
        });
    }

    /// Waits until a call of this action may be sent.
    pub(super) async fn wait(&self, action: &'static str) {
        let mut at = self.due(action, Instant::now());
        while at > Instant::now() {
            tokio::time::sleep_until(at).await;
            at = self.blocked(action, Instant::now());
        }
    }
}

/// How long nothing of an action is sent after a "too fast" without a time to come back: until the window of one minute is
/// over, by the wall clock.
pub(super) fn window_left(now_ms: i64) -> Duration {
    let minute = 60_000;
    Duration::from_millis(u64::try_from(minute - now_ms.rem_euclid(minute)).unwrap_or(60_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many calls go out in the `nth` minute when everybody wants to send at once.
    fn sent(throttle: &Throttle, action: &'static str, calls: u32) -> Vec<usize> {
        let start = Instant::now();
        let mut minutes = vec![0; 100];
        for _ in 0..calls {
            let at = throttle.due(action, start).saturating_duration_since(start);
            minutes[usize::try_from(at.as_secs() / 60).unwrap()] += 1;
        }
        minutes
    }

    #[test]
    fn no_minute_takes_more_than_its_share_and_what_was_saved() {
        for (action, share, each) in [
            ("UnassociateEipAddress", 0.5, 60),
            ("DescribeEipAddresses", 0.5, 300),
            ("ConvertNatPublicIpToEip", 1.0, 100),
            ("DescribeSomethingElse", 0.1, 30),
        ] {
            let minutes = sent(&Throttle::new(share), action, each * 4);
            let each = usize::try_from(each).unwrap();
            assert!(minutes[0] <= each + each / 4 + 1, "{action}: {minutes:?}");
            assert!(minutes[1..].iter().all(|n| *n <= each + 1), "{action}: {minutes:?}");
            assert!(minutes[2] >= each - 1, "{action}: {minutes:?}");
        }
    }

    #[test]
    fn what_ends_an_outage_is_never_held_back_by_us_but_slows_what_begins_one() {
        let throttle = Throttle::new(0.5);
        let now = Instant::now();
        assert!((0..500).all(|_| throttle.due(URGENT, now) <= now));
        throttle.slow_down(URGENT, now, Duration::from_secs(20));
        assert_eq!(throttle.due(URGENT, now), now + Duration::from_secs(20), "the server may hold it back");
        assert!(throttle.due(OPENING, now) >= now + Duration::from_secs(20));
        let second = throttle.due(OPENING, now);
        let later = (0..30).map(|_| throttle.due(OPENING, now)).last().unwrap();
        assert!(later > second + Duration::from_secs(20), "at half the rate");
    }

    #[test]
    fn a_complaint_holds_for_everybody_and_the_rate_comes_back_slowly() {
        let throttle = Throttle::new(0.5);
        let now = Instant::now();
        let action = "CreateNetworkInterface";
        throttle.slow_down(action, now, Duration::from_millis(1500));
        throttle.slow_down(action, now, Duration::from_millis(10));
        assert_eq!(throttle.blocked(action, now), now + Duration::from_millis(1500));
        let rate = |at| throttle.with(action, at, |bucket| bucket.rate);
        assert!((rate(now) - 125.0).abs() < 0.1, "two complaints at once are one");
        assert!((rate(now + MINUTE) - 150.0).abs() < 0.1);
        assert!((rate(now + MINUTE * 20) - 250.0).abs() < 0.1);
        for n in 0..20 {
            throttle.slow_down(action, now + MINUTE * 20 + SAME * n, Duration::ZERO);
        }
        assert!(rate(now + MINUTE * 20 + SAME * 20) >= 250.0 * SLOWEST);
        assert!(throttle.due("AttachNetworkInterface", now) <= now, "another action is not concerned");
    }

    #[test]
    fn the_window_ends_with_the_minute() {
        assert_eq!(window_left(0), Duration::from_secs(60));
        assert_eq!(window_left(59_999), Duration::from_millis(1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_wakes_when_the_server_allows_it() {
        let throttle = Throttle::new(1.0);
        let start = Instant::now();
        throttle.slow_down("AttachNetworkInterface", start, Duration::from_secs(3));
        throttle.wait("AttachNetworkInterface").await;
        assert!(start.elapsed() >= Duration::from_secs(3) && start.elapsed() < Duration::from_secs(4));
    }
}
