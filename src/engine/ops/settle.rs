//! Sending a write to the cloud and telling truthfully what came of it, also if its answer, or the process that asked, is gone.

use std::future::Future;
use std::time::Duration;

use super::{Answer, HostTask};
use crate::ports::{CloudError, CloudErrorKind};

/// How long a state is awaited after an answer that got lost, before the call is taken as never received.
pub(super) const LOST: Duration = Duration::from_secs(20);
/// How often a write is sent whose answers get lost one after the other.
const TRIES: u32 = 4;
/// How long it takes to see what is so already.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// Whether the write may have had its effect.
pub(super) const fn tells_nothing(error: &CloudError) -> bool {
    matches!(error.kind, CloudErrorKind::Unknown | CloudErrorKind::Late | CloudErrorKind::Protocol)
}

impl HostTask {
    /// What may have been sent before is looked for first; then it is [sent](Self::send).
    pub(super) async fn settle<T, W, G>(
        &self,
        write: impl Fn() -> W,
        goal: impl Fn(Duration) -> G,
        patience: Duration,
    ) -> Result<T, Answer>
    where
        W: Future<Output = Result<(), CloudError>>,
        G: Future<Output = Result<T, CloudError>>,
    {
        if self.again
            && let Ok(record) = goal(LOOK).await
        {
            return Ok(record);
        }
        self.send(write, goal, patience).await
    }

    /// Writes, then waits for the goal. An answer that got lost is settled by waiting for the goal; if it does not come, the
    /// write is sent again, [`TRIES`] times in all, which every step here bears (token, or refused by the cloud because it is done already). A
    /// write of which one answer got lost never ends as refused unless a later copy was accepted and then failed.
    pub(super) async fn send<T, W, G>(
        &self,
        write: impl Fn() -> W,
        goal: impl Fn(Duration) -> G,
        patience: Duration,
    ) -> Result<T, Answer>
    where
        W: Future<Output = Result<(), CloudError>>,
        G: Future<Output = Result<T, CloudError>>,
    {
        let mut lost: Option<CloudError> = None;
        for _ in 0..TRIES {
            let refusal = match write().await {
                Ok(()) => {
                    return goal(patience).await.map_err(|error| match error.kind {
                        CloudErrorKind::Refused => Answer::Refused(error.to_string()),
                        // That it cannot be seen any more does not take an accepted write back.
                        _ => Answer::Unknown(error.to_string()),
                    });
                }
                Err(error) if tells_nothing(&error) => {
                    if let Ok(record) = goal(LOST).await {
                        return Ok(record);
                    }
                    lost = Some(error);
                    continue;
                }
                Err(error) => {
                    self.heed(&error);
                    error
                }
            };
            // Refused, but perhaps because it is so already, or because the first copy is still at work.
            let within = if lost.is_some() || self.again { patience } else { LOOK };
            return goal(within).await.map_err(|_| match &lost {
                None => Answer::Refused(refusal.to_string()),
                Some(first) => Answer::Unknown(format!("{first}; sent again: {refusal}")),
            });
        }
        Err(Answer::Unknown(lost.map_or_else(String::new, |error| error.to_string())))
    }

    /// What is wrong with the account is wrong for every host: no other one begins.
    pub(super) fn heed(&self, error: &CloudError) {
        if error.kind == CloudErrorKind::Account {
            self.world.stop.because(format!("the account is refused ({error})"));
        }
    }
}

/// The outcome of an undo.
pub(super) fn undone<T>(result: Result<T, Answer>) -> Result<Option<String>, String> {
    match result {
        Ok(_) | Err(Answer::Done(_)) => Ok(None),
        Err(Answer::Refused(reason) | Answer::Unknown(reason)) => Err(reason),
    }
}
