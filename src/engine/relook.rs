//! Looking at the cloud's records of single hosts again: requests that come close together share one look.
//!
//! A host that takes its time must never hold up the others: a look waits for nobody.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{World, discover};
use crate::core::inventory::HostDesired;
use crate::core::model::InstanceId;
use crate::core::observed::CloudView;

/// How long a request waits for others to come.
const TOGETHER: Duration = Duration::from_millis(100);
/// Looks begin at least so far apart: where hosts begin one after another, some share one.
const APART: Duration = Duration::from_secs(5);
/// So far apart once there were [`MANY`] of them: a look at fifty hosts costs what a look at one does, and nobody is cut off who
/// waits for it.
const APART_LATER: Duration = Duration::from_secs(15);
/// Looks of a run after which it is a large one.
const MANY: u32 = 8;

/// What a look brings: the cloud's records, and former addresses by the journal.
pub(super) type Look = Arc<(CloudView, BTreeMap<InstanceId, Ipv4Addr>)>;

type Request = (HostDesired, oneshot::Sender<Result<Look, String>>);

/// Where requests wait for each other.
#[derive(Default)]
pub(super) struct Desk {
    waiting: Mutex<Vec<Request>>,
    /// When the last one began, and how many there were.
    last: Mutex<Option<(Instant, u32)>>,
}

impl Desk {
    /// Looks at one host's records, together with whoever asks at about the same time.
    pub(super) async fn look(self: &Arc<Self>, world: &World, host: &HostDesired) -> Result<Look, String> {
        let (sender, answer) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((host.clone(), sender));
            waiting.len() == 1
        };
        if first {
            // A task of its own: the host that came first may be given up while the others wait.
            let (desk, world) = (Arc::clone(self), world.clone());
            tokio::spawn(async move {
                tokio::time::sleep_until(desk.due()).await;
                desk.answer(&world).await;
            });
        }
        answer.await.unwrap_or_else(|_| Err("looking at the cloud failed unexpectedly".to_owned()))
    }

    /// When the next look may begin, which is taken as its beginning.
    fn due(&self) -> Instant {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = Instant::now() + TOGETHER;
        let (due, before) = last.map_or((soon, 0), |(last, count)| {
            let apart = if count < MANY { APART } else { APART_LATER };
            (soon.max(last + apart), count)
        });
        *last = Some((due, before + 1));
        due
    }

    async fn answer(&self, world: &World) {
        let requests = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let hosts: Vec<&HostDesired> = requests.iter().map(|(host, _)| host).collect();
        let look = discover::view(world, &hosts, None).await.map(Arc::new).map_err(|error| error.to_string());
        for (_, sender) in requests {
            // Who has gone away needs no answer.
            let _ = sender.send(look.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn looks_are_further_apart_in_a_large_run() {
        let desk = Desk::default();
        let dues: Vec<Instant> = (0..10).map(|_| desk.due()).collect();
        let gaps: Vec<u64> = dues.windows(2).map(|two| (two[1] - two[0]).as_secs()).collect();
        assert_eq!(gaps, [5, 5, 5, 5, 5, 5, 5, 15, 15]);
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(desk.due(), Instant::now() + TOGETHER, "who comes late waits only for company");
    }
}
