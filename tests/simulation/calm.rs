//! Stories in which nothing goes wrong, but that an operator may die at a given moment.

use std::collections::BTreeMap;
use std::time::Duration;

use egressctl::core::model::HostName;
use egressctl::core::saga::Record;
use tokio::time::sleep;

use super::faults::Faults;
use super::host::Nature;
use super::operator::Verb;
use super::scenario::Story;
use super::tally::Tally;
use super::universe::State;

/// What follows a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The same operator applies again.
    Apply,
    /// The same operator takes the run back.
    Rollback,
    /// Another operator, who has another journal, applies.
    TakeOver,
    /// The same one goes on with the run.
    Resume,
    /// The same, before any host has taken anything back.
    ResumeAtOnce,
}

impl After {
    pub(crate) const ALL: [Self; 5] =
        [Self::Apply, Self::Rollback, Self::TakeOver, Self::Resume, Self::ResumeAtOnce];
}

fn calm_story(hosts: usize) -> Story {
    let rng = fastrand::Rng::with_seed(0);
    Story::of(0, rng, &vec![Nature::Plain; hosts], Faults::NONE, usize::MAX, hosts)
}

/// Nothing goes wrong, but that the operator dies at this moment.
pub(crate) fn calm(moment: u64, after: After) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let mut story = calm_story(1);
        let verb = story.verb(None, 0);
        if story.life(&verb, 0, Some(moment)).await {
            let pause = if after == After::ResumeAtOnce { 1 } else { 700 };
            sleep(Duration::from_secs(pause)).await;
            let begun = story.universe.state().books[0].runs.len() == 1;
            let (verb, book) = match (&verb, after) {
                (Verb::Apply(run), After::Rollback) if begun => (story.verb(Some(run.clone()), 0), 0),
                (Verb::Apply(run), After::Resume | After::ResumeAtOnce) if begun => {
                    (Verb::Resume(run.clone(), false), 0)
                }
                (_, After::TakeOver) => (story.verb(None, 1), 1),
                _ => (story.verb(None, 0), 0),
            };
            story.life(&verb, book, None).await;
        }
        story.rest().await;
        story.end()
    })
}

/// A fleet of this size that nothing goes wrong with, applied in one life; what its journal holds of each host.
pub(crate) fn fleet(hosts: usize) -> BTreeMap<HostName, Vec<Record>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let mut story = calm_story(hosts);
        let verb = story.verb(None, 0);
        story.life(&verb, 0, None).await;
        let state = story.universe.state();
        assert_eq!(state.violations, Vec::<String>::new());
        let mut records: BTreeMap<HostName, Vec<Record>> = BTreeMap::new();
        for (host, _, record) in state.books[0].records(&story.runs[0].0) {
            records.entry(host.clone()).or_default().push(record.clone());
        }
        records
    })
}

/// What can be said of a fleet of two that nothing went wrong with.
pub(crate) fn finished<T>(say: impl FnOnce(&mut State) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let mut story = calm_story(2);
        let verb = story.verb(None, 0);
        story.life(&verb, 0, None).await;
        let mut state = story.universe.state();
        assert_eq!(state.violations, Vec::<String>::new());
        assert!(state.is_final(0) && state.is_final(1));
        say(&mut state)
    })
}
