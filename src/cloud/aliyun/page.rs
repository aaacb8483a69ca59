//! Pages and batches: all items of a list in as few calls as the API allows.
//!
//! Must never take a page for the whole, and never follow a server that turns in circles.

use std::future::Future;

use serde_json::Value;
use tokio::task::JoinSet;

use super::client::{Api, Call, error};
use super::parse::list_at;
use crate::ports::{CloudError, CloudErrorKind};

/// How a list is paged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paging {
    /// `NextToken`, with the name of the size parameter and the size.
    Token(&'static str, usize),
    /// `PageNumber` and `PageSize`.
    Number(usize),
}

/// No list of this procedure has more pages.
const MAX_PAGES: usize = 10_000;
/// Batches of one list that are under way at the same time.
const WIDTH: usize = 8;

impl Api {
    /// All items of the list at `path` of the call's answers.
    pub(super) async fn all(
        &self,
        call: &Call,
        paging: Paging,
        path: &str,
    ) -> Result<Vec<Value>, CloudError> {
        let mut items = Vec::new();
        let mut call = match paging {
            Paging::Token(name, size) => call.clone().with(name, &size),
            Paging::Number(size) => call.clone().with("PageSize", &size).with("PageNumber", &1),
        };
        for page in 1..=MAX_PAGES {
            let mut answer = self.read(&call).await?;
            let seen = list_at(&mut answer, path);
            let count = seen.len();
            items.extend(seen);
            match paging {
                Paging::Token(..) => {
                    let next = answer.get("NextToken").and_then(Value::as_str).filter(|t| !t.is_empty());
                    let Some(next) = next else { return Ok(items) };
                    if call.params.get("NextToken").is_some_and(|token| token == next) {
                        break;
                    }
                    call = call.with("NextToken", next);
                }
                Paging::Number(size) => {
                    let total = answer.get("TotalCount").and_then(Value::as_u64);
                    let whole = total.is_some_and(|total| items.len() as u64 >= total);
                    if count == 0 || whole || (total.is_none() && count < size) {
                        return Ok(items);
                    }
                    call = call.with("PageNumber", &(page + 1));
                }
            }
        }
        Err(error(CloudErrorKind::Protocol, call.action, "the list of pages does not end"))
    }
}

/// Runs the jobs, a few at a time, and returns their results in no particular order.
pub(super) async fn gather<T, Job>(jobs: Vec<Job>) -> Result<Vec<T>, CloudError>
where
    T: Send + 'static,
    Job: Future<Output = Result<T, CloudError>> + Send + 'static,
{
    let mut waiting = jobs.into_iter();
    let mut running = JoinSet::new();
    for job in waiting.by_ref().take(WIDTH) {
        running.spawn(job);
    }
    let mut results = Vec::new();
    while let Some(ended) = running.join_next().await {
        let ended = ended.map_err(|why| {
            error(CloudErrorKind::Protocol, "reading", format!("a reader broke off: {why}"))
        })?;
        results.push(ended?);
        if let Some(job) = waiting.next() {
            running.spawn(job);
        }
    }
    Ok(results)
}
