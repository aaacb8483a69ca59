//! A host's part of the newest run, as far as somebody needs it who wants the host back.
//!
//! Pure. Must never say that a run has touched something that its journal does not tell of.

use serde::Serialize;

use crate::core::model::RunId;
use crate::core::plan::route::FileChange;
use crate::core::plan::{Op, Other, RouteTarget};
use crate::core::saga::{End, Saga};

/// A host's part of the newest run, by the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastRun {
    /// The run.
    pub run: RunId,
    /// What its guard's folder is called on the host.
    pub guard: String,
    /// Where it is, in words.
    pub at: String,
    /// It came to no end, or to one for which a human is needed.
    pub open: bool,
    /// The EIP may be bound to nothing.
    pub cut: bool,
    /// The policy route it is about.
    pub route: Option<RouteTarget>,
    /// The files it has changed, as far as the journal says; `None` if it does not.
    pub files: Option<Vec<FileChange>>,
    /// The same of the host's further interfaces, in the order in which they were done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Part>,
}

/// One policy route that a run was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What its guard's folder is called on the host.
    pub guard: String,
    /// The route.
    pub route: RouteTarget,
    /// The files that were changed for it, as far as the journal says; `None` if it does not.
    pub files: Option<Vec<FileChange>>,
}

impl LastRun {
    /// By a saga's records. `guard` tells what the guard's folder of an interface is called.
    #[must_use]
    pub fn of(run: &RunId, guard: impl Fn(Option<&Other>) -> String, saga: &Saga) -> Self {
        let at = match (saga.end(), saga.open()) {
            (Some(End::Committed), _) => "it is done".to_owned(),
            (Some(End::Unwound(reason)), _) => format!("it was taken back: {reason}"),
            (Some(End::Stuck(reason)), _) => format!("a human is needed: {reason}"),
            (None, Some(op)) => format!("in the middle of: {}", op.kind().label()),
            (None, None) => match saga.done().last() {
                Some((op, _)) => format!("in the middle, behind: {}", op.kind().label()),
                None => "begun, and nothing done".to_owned(),
            },
        };
        let mut parts = parts(&guard, saga).into_iter();
        let first = parts.next();
        let guard = first.as_ref().map_or_else(|| guard(None), |part| part.guard.clone());
        let (route, files) = first.map_or((None, None), |part| (Some(part.route), part.files));
        Self {
            run: run.clone(),
            guard,
            at,
            open: !matches!(saga.end(), Some(End::Committed | End::Unwound(_))),
            cut: saga.window(),
            route,
            files,
            others: parts.collect(),
        }
    }

    /// All parts, the first one too, as far as it is known what they are about.
    pub(super) fn parts(&self) -> Vec<Part> {
        let Self { guard, route, files, others, .. } = self;
        let first =
            |route: &RouteTarget| Part { guard: guard.clone(), route: route.clone(), files: files.clone() };
        route.iter().map(first).chain(others.iter().cloned()).collect()
    }
}

/// The parts of a run on its host, in their order: those that it has begun, or all of them if it has begun none.
fn parts(guard: impl Fn(Option<&Other>) -> String, saga: &Saga) -> Vec<Part> {
    let part = |op: &Op, files: Option<Vec<FileChange>>| match op.complete(saga.known()) {
        Op::Configure { route, other } => Some(Part { guard: guard(other.as_ref()), route, files }),
        _ => None,
    };
    let done = saga.done().iter();
    let done = done.filter_map(|(op, effect)| part(op, effect.files().map(|(files, _)| files)));
    let begun: Vec<Part> = done.chain(saga.open().and_then(|op| part(op, None))).collect();
    if begun.is_empty() { saga.began().ops.iter().filter_map(|op| part(op, None)).collect() } else { begun }
}
