//! Waves, the failure budget, pauses and approvals: who begins, when, and who does not any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use egressctl::core::event::{Event, HostOutcome};
use egressctl::core::model::{HostName, RunId};
use egressctl::core::rollout::{Approve, Progress, Rollout};
use egressctl::core::run::RunNote;
use egressctl::engine::Terms;
use egressctl::ports::{Approval, Gate, Journal};
use tokio::time::Instant;

use super::many::{Goes, Many, words};
use Goes::{Badly, Fine, Lost, Panics, Refused, Slow, SlowBadly, Unreachable, Unverified};

fn terms(waves: &str, budget: &str) -> Terms {
    let wanted = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let rollout = Rollout {
        waves: wanted(waves).map(|text| text.parse().unwrap()),
        budget: wanted(budget).map(|text| text.parse().unwrap()),
        ..Rollout::default()
    };
    Terms { rollout, ..Terms::default() }
}

fn with(terms: Terms, change: impl FnOnce(&mut Rollout)) -> Terms {
    let mut terms = terms;
    change(&mut terms.rollout);
    terms
}

/// Every host has an end in its report and the same in the journal.
async fn all_told(many: &Many, reports: &[egressctl::core::report::HostReport]) {
    let journal = many.in_journal().await;
    assert_eq!(reports.len(), many.plan.hosts.len());
    for report in reports {
        assert_eq!(journal.get(report.name.as_str()), Some(&report.outcome), "{}", report.name);
    }
    let notes = many.notes().await;
    assert!(matches!(notes.first(), Some(RunNote::Planned(planned)) if planned.by == "ann@bastion"));
    assert!(Progress::of(&notes).open().is_empty());
    let done = many.events().into_iter().filter(|event| matches!(event, Event::HostDone { .. })).count();
    assert_eq!(done, reports.len());
}

#[tokio::test(start_paused = true)]
async fn the_budget_stops_exactly_when_it_is_spent() {
    // One at a time, so that nobody else is under way when it is spent.
    for (goes, waves, budget, expected) in [
        (vec![Badly, Fine, Fine], "1,100%", "", "reverted skipped skipped"),
        (vec![Fine, Badly, Fine, Fine], "1,100%", "", "changed reverted skipped skipped"),
        (vec![Badly, Fine, Fine], "1,100%", "2", "reverted changed changed"),
        (vec![Badly, Badly, Fine], "1,100%", "2", "reverted reverted skipped"),
        (
            vec![Badly, Fine, Badly, Fine, Badly, Fine],
            "",
            "3",
            "reverted changed reverted changed reverted skipped",
        ),
        (vec![Badly, Badly, Badly], "", "", "reverted reverted reverted"),
        (vec![Unverified, Fine, Fine], "", "1", "reverted skipped skipped"),
        (vec![Lost, Fine], "1", "", "unknown skipped"),
        (vec![Panics, Fine], "1", "", "unknown skipped"),
        (vec![Panics, Fine], "", "1", "unknown skipped"),
        // Of four hosts 26% are two.
        (vec![Badly, Fine, Badly, Fine], "", "26%", "reverted changed reverted skipped"),
        (vec![Badly, Fine, Badly, Fine], "", "25%", "reverted skipped skipped skipped"),
        // Refused hosts say nothing; unreachable ones count before anybody begins.
        (vec![Refused, Refused, Fine, Fine], "1,100%", "2", "refused refused changed changed"),
        (vec![Fine, Unreachable, Fine], "1,100%", "", "skipped unreachable skipped"),
        (vec![Fine, Unreachable, Badly, Fine], "", "2", "changed unreachable reverted skipped"),
        (vec![Fine, Unreachable, Fine], "1,100%", "2", "changed unreachable changed"),
    ] {
        let many = Many::new(&goes).forks(1);
        let reports = many.roll(terms(waves, budget)).await;
        let case = format!("{goes:?} in {waves:?} with {budget:?}");
        assert_eq!(words(&reports), expected, "{case}: {reports:#?}");
        all_told(&many, &reports).await;
        let skipped = expected.contains("skipped");
        let told = many.notes().await.iter().any(|note| matches!(note, RunNote::Stopped(_)));
        assert_eq!(told, skipped, "{case}");
        for report in &reports {
            if let HostOutcome::Skipped(reason) = &report.outcome {
                assert!(
                    reason.contains("failure budget") && reason.contains("nothing was changed"),
                    "{reason}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_hangs_does_not_hold_up_the_next_wave_as_long_as_the_budget_bears_it() {
    let goes = [Fine, Slow(3600), Fine, Fine, Fine, Fine];
    let many = Many::new(&goes);
    let begun = Instant::now();
    let reports = many.roll(terms("1,2,100%", "2")).await;
    assert_eq!(words(&reports), "changed changed changed changed changed changed");
    assert_eq!(many.begun(), ["h0", "h1", "h2", "h3", "h4", "h5"]);
    let events = many.events();
    let place = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    let third = place(&|event| matches!(event, Event::WaveStarted { wave: 3, .. }));
    let slow = place(&|event| {
        matches!(event, Event::HostDone { host, stage, .. } if host.as_str() == "h1"
        && *stage == egressctl::core::event::Stage::Apply)
    });
    let others = place(&|event| matches!(event, Event::HostDone { host, .. } if host.as_str() == "h5"));
    assert!(third < others && others < slow, "{events:#?}");
    assert!(events.contains(&Event::WaveFinished { wave: 2, of: 3, at_work: 1 }), "{events:#?}");
    assert!(begun.elapsed() >= Duration::from_secs(3600), "and it is waited for in the end");
    all_told(&many, &reports).await;
}

#[tokio::test(start_paused = true)]
async fn a_host_at_work_counts_as_failed_until_it_says_otherwise() {
    // With a budget of one, nobody may be under way when the next wave begins.
    let many = Many::new(&[Fine, Slow(600), Fine, Fine]);
    let reports = many.roll(terms("1,2,100%", "1")).await;
    assert_eq!(words(&reports), "changed changed changed changed");
    let events = many.events();
    assert!(events.contains(&Event::WaveFinished { wave: 2, of: 3, at_work: 0 }), "{events:#?}");
    // And one that fails in the end keeps the next wave from beginning.
    let many = Many::new(&[Fine, SlowBadly(600), Fine, Fine]);
    assert_eq!(words(&many.roll(terms("1,2,100%", "1")).await), "changed reverted changed skipped");
    // Canaries are waited for, whatever the budget bears.
    let many = Many::of_kinds(&[Slow(600), Fine, Fine, Fine], &["a", "a", "b", "b"]);
    let reports = many.roll(terms("canary,100%", "100%")).await;
    assert_eq!(words(&reports), "changed changed changed changed");
    assert_eq!(many.begun(), ["h0", "h2", "h1", "h3"]);
    assert!(many.events().contains(&Event::WaveFinished { wave: 1, of: 2, at_work: 0 }));
}

#[tokio::test(start_paused = true)]
async fn a_soak_passes_and_an_interrupt_ends_it_at_once() {
    let soaked = || with(terms("1,1,100%", ""), |rollout| rollout.soak_ms = 3_600_000);
    let many = Many::new(&[Fine, Fine, Fine]);
    let begun = Instant::now();
    assert_eq!(words(&many.roll(soaked()).await), "changed changed changed");
    assert!(begun.elapsed() >= Duration::from_secs(7200));
    assert!(many.events().contains(&Event::Soaking { wave: 2, ms: 3_600_000 }));

    let many = Many::new(&[Fine, Fine, Fine]);
    let (stop, begun) = (many.world.stop.clone(), Instant::now());
    let interrupt = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        stop.ask();
    };
    let (reports, ()) = tokio::join!(many.roll(soaked()), interrupt);
    assert_eq!(words(&reports), "changed skipped skipped");
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
    assert!(many.notes().await.contains(&RunNote::Stopped("the run was interrupted".to_owned())));
    all_told(&many, &reports).await;
}

/// Says something to one wave, yes to those before it, and nothing to later ones.
struct Says(usize, Approval, AtomicUsize);

#[async_trait]
impl Gate for Says {
    async fn ask(&self, _: &RunId, wave: usize) -> Approval {
        self.2.fetch_add(1, Ordering::SeqCst);
        match wave.cmp(&self.0) {
            std::cmp::Ordering::Less => Approval::Given,
            std::cmp::Ordering::Equal => self.1,
            std::cmp::Ordering::Greater => std::future::pending().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waves_begin_when_somebody_says_so() {
    for (approve, at, says, within, expected, asked) in [
        (Approve::Each, 3, Approval::Given, None, "changed changed changed", 2),
        (Approve::Each, 3, Approval::Denied, None, "changed changed skipped", 2),
        (Approve::Each, 2, Approval::Denied, None, "changed skipped skipped", 1),
        (Approve::AfterCanary, 2, Approval::Given, None, "changed changed changed", 1),
        (Approve::Never, 2, Approval::Denied, None, "changed changed changed", 0),
        (Approve::Each, 2, Approval::Given, Some(60_000), "changed changed skipped", 2),
        (Approve::Each, 1, Approval::Given, Some(60_000), "changed skipped skipped", 1),
    ] {
        let many = Many::new(&[Fine, Fine, Fine]);
        let gate = Arc::new(Says(at, says, AtomicUsize::new(0)));
        let terms = with(terms("1,1,100%", ""), |rollout| {
            (rollout.approve, rollout.approve_within_ms) = (approve, within);
        });
        let reports = many.roll(Terms { gate: Arc::clone(&gate) as Arc<dyn Gate>, ..terms }).await;
        let case = format!("{approve:?} {at} {says:?} {within:?}");
        assert_eq!(words(&reports), expected, "{case}");
        assert_eq!(gate.2.load(Ordering::SeqCst), asked, "{case}");
        all_told(&many, &reports).await;
        let late = "nobody approved wave";
        if let HostOutcome::Skipped(reason) = &reports[2].outcome {
            assert_eq!(reason.contains(late), within.is_some(), "{case}: {reason}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_process_may_approve_through_the_journal() {
    let many = Many::new(&[Fine, Fine, Fine]);
    let terms = with(terms("1,1,100%", ""), |rollout| rollout.approve = Approve::Each);
    let begun = Instant::now();
    let other = async {
        for wave in [2, 3] {
            while Progress::of(&many.notes().await).waiting != Some(wave) {
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
            // An approval of another wave is none of this one.
            let by = "bob@elsewhere".to_owned();
            let wrong = RunNote::Approved { wave: wave + 2, by: by.clone() };
            many.rig.journal.note(many.run(), 0, &wrong).await.unwrap();
            tokio::time::sleep(Duration::from_secs(100)).await;
            assert_eq!(many.begun().len(), wave - 1, "it went on without an approval");
            many.rig.journal.note(many.run(), 0, &RunNote::Approved { wave, by }).await.unwrap();
        }
    };
    let (reports, ()) = tokio::join!(many.roll(terms), other);
    assert_eq!(words(&reports), "changed changed changed");
    assert!(begun.elapsed() < Duration::from_secs(400));
    let by = "bob@elsewhere".to_owned();
    assert!(many.events().contains(&Event::Approved { wave: 3, by }));
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_ends_waiting_for_an_approval() {
    let many = Many::new(&[Fine, Fine, Fine]);
    let terms = with(terms("1", ""), |rollout| rollout.approve = Approve::Each);
    let stop = many.world.stop.clone();
    let interrupt = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        stop.ask();
    };
    let (reports, ()) = tokio::join!(many.roll(terms), interrupt);
    assert_eq!(words(&reports), "changed skipped skipped");
    all_told(&many, &reports).await;
}

#[tokio::test(start_paused = true)]
async fn a_line_that_cannot_be_written_stops_the_run_before_the_next_effect() {
    let count = Many::new(&[Fine, Fine, Fine]).forks(1);
    count.roll(terms("1,1,100%", "")).await;
    let records = count.rig.journal.records(count.run()).await.unwrap().len();
    let lines = records + count.notes().await.len();
    for nth in 1..=lines {
        let many = Many::new(&[Fine, Fine, Fine]).forks(1);
        many.rig.journal.fail_appends_from(nth);
        let reports = many.roll(terms("1,1,100%", "")).await;
        let begun = many.begun();
        for (at, report) in reports.iter().enumerate() {
            let touched = begun.contains(&format!("h{at}"));
            let untouched = matches!(report.outcome, HostOutcome::Failed(_) | HostOutcome::Skipped(_));
            assert!(!(touched && untouched), "line {nth}: {report:#?}");
        }
        // Whoever was under way when the journal died is the last one.
        let written = many.rig.journal.records(many.run()).await.unwrap();
        for name in &begun {
            assert!(
                written.iter().any(|(host, ..)| host.as_str() == name),
                "line {nth}: {name} without an intent"
            );
        }
        assert!(nth > 1 || begun.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn every_wave_is_in_the_journal_before_its_hosts() {
    let many = Many::of_kinds(&[Fine, Fine, Refused, Fine, Fine], &["a", "a", "a", "b", "b"]);
    let reports = many.roll(terms("1,1,100%", "")).await;
    assert_eq!(words(&reports), "changed changed refused changed changed");
    let waves: Vec<String> = many
        .notes()
        .await
        .into_iter()
        .filter_map(|note| match note {
            RunNote::Wave { number, of, hosts } => {
                let hosts: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
                Some(format!("{number}/{of}: {}", hosts.join(" ")))
            }
            _ => None,
        })
        .collect();
    assert_eq!(waves, ["1/3: h0 h3", "2/3: h1", "3/3: h4"]);
    all_told(&many, &reports).await;
}

#[tokio::test(start_paused = true)]
async fn a_fleet_goes_through_its_waves() {
    let goes: Vec<Goes> = (0..90).map(|at| if at % 9 == 8 { Badly } else { Slow(at % 7) }).collect();
    let many = Many::new(&goes);
    let reports = many.roll(terms("1,5,10%,100%", "100%")).await;
    all_told(&many, &reports).await;
    let wrong = reports.iter().filter(|report| matches!(report.outcome, HostOutcome::Reverted(_))).count();
    assert_eq!((wrong, many.begun().len()), (10, 90));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_does_nothing_more() {
    let many = Many::new(&[Slow(60), Slow(60), Fine]).forks(2);
    let dropped = tokio::time::timeout(Duration::from_secs(30), many.roll(Terms::default())).await;
    assert!(dropped.is_err());
    let records = many.rig.journal.records(many.run()).await.unwrap().len();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(many.rig.journal.records(many.run()).await.unwrap().len(), records);
    assert_eq!(many.begun(), ["h0", "h1"]);
    assert_eq!(Progress::of(&many.notes().await).left().len(), 3);
}
