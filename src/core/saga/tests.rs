//! The machine by enumeration: every step, every way it can end, every prefix of what was written down.

use super::*;
use crate::core::observed::EipHolder;
use crate::core::plan::{Known, Op, StepKind};

fn ops() -> Vec<Op> {
    let instance: crate::core::model::InstanceId = "i-1".parse().unwrap();
    vec![
        Op::MakePostPaid { instance: instance.clone() },
        Op::ConvertPublicIp { instance: instance.clone(), address: "203.0.113.9".parse().unwrap() },
        Op::CreateEni {
            instance: instance.clone(),
            name: "egress-a".to_owned(),
            vswitch: "vsw-1".parse().unwrap(),
            security_groups: Vec::new(),
            primary_ip: None,
            resource_group: None,
        },
        Op::AttachEni { instance: instance.clone() },
        Op::UnassociateEip { from: EipHolder::Instance(instance), private_ip: None },
        Op::AssociateEip,
        Op::Verify,
    ]
}

fn effect(step: StepKind) -> Effect {
    match step {
        StepKind::Convert => Effect::Converted {
            allocation: "eip-1".parse().unwrap(),
            address: "203.0.113.9".parse().unwrap(),
        },
        StepKind::CreateEni => Effect::EniCreated { eni: "eni-1".parse().unwrap(), mac: None, address: None },
        StepKind::AttachEni => Effect::EniAttached {
            eni: "eni-1".parse().unwrap(),
            mac: "00:16:3e:aa:bb:02".parse().unwrap(),
            address: "172.16.0.20".parse().unwrap(),
        },
        _ => Effect::Nothing,
    }
}

fn began() -> Began {
    Began { instance: "i-1".parse().unwrap(), known: Known::default(), ops: ops() }
}

/// How the scripted world answers a step.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Answer {
    Fine,
    Refused,
    Unknown,
}

/// Runs a saga against a world that answers `answer` at `at` and fine elsewhere; undoing fails at `undo_fails`.
fn run(
    mut saga: Saga,
    at: StepKind,
    answer: Answer,
    undo_fails: Option<StepKind>,
    log: &mut Vec<Record>,
) -> Saga {
    loop {
        let mut write = |saga: &mut Saga, record: Record| {
            saga.record(&record).unwrap();
            log.push(record);
        };
        match saga.next() {
            Next::Do(op) => {
                let step = op.kind();
                write(&mut saga, Record::Intent(op));
                write(
                    &mut saga,
                    match answer {
                        Answer::Refused if step == at => Record::Refused(step, "no".to_owned()),
                        Answer::Unknown if step == at => Record::Unknown(step, "?".to_owned()),
                        _ => Record::Done(step, effect(step)),
                    },
                );
            }
            Next::Settle(op) => write(&mut saga, Record::Done(op.kind(), effect(op.kind()))),
            Next::Undo(op, _) => {
                let step = op.kind();
                write(&mut saga, Record::UndoIntent(step));
                write(
                    &mut saga,
                    if undo_fails == Some(step) {
                        Record::UndoFailed(step, "stays".to_owned())
                    } else {
                        Record::Undone(step, step.irreversible().then(|| "stays an EIP".to_owned()))
                    },
                );
            }
            Next::End(end) => write(&mut saga, Record::Ended(end)),
            Next::Nothing => return saga,
        }
    }
}

fn fresh_log() -> Vec<Record> {
    vec![Record::Began(Box::new(began()))]
}

#[test]
fn every_step_and_answer_ends_in_one_of_three_ways() {
    for op in ops() {
        for answer in [Answer::Fine, Answer::Refused, Answer::Unknown] {
            let mut log = fresh_log();
            let saga = run(Saga::new(began()), op.kind(), answer, None, &mut log);
            let expected = match answer {
                Answer::Fine => End::Committed,
                Answer::Refused => End::Unwound("no".to_owned()),
                Answer::Unknown => End::Stuck("?".to_owned()),
            };
            assert_eq!(saga.end(), Some(&expected), "{:?} {answer:?}", op.kind());
            assert!(
                answer != Answer::Refused || saga.done().is_empty(),
                "unwound means nothing is left done"
            );
        }
    }
}

#[test]
fn undo_runs_in_reverse_and_collects_every_problem() {
    let mut log = fresh_log();
    let saga =
        run(Saga::new(began()), StepKind::Verify, Answer::Refused, Some(StepKind::AttachEni), &mut log);
    let undone: Vec<StepKind> = log
        .iter()
        .filter_map(|r| if let Record::UndoIntent(step) = r { Some(*step) } else { None })
        .collect();
    let mut forward: Vec<StepKind> = ops().iter().map(Op::kind).filter(|k| *k != StepKind::Verify).collect();
    forward.reverse();
    assert_eq!(undone, forward, "a failed undo does not stop the others");
    assert!(
        matches!(saga.end(), Some(End::Stuck(why)) if why.contains("attach ENI was not taken back: stays"))
    );
    assert_eq!(saga.notes().len(), 2);

    let mut saga = saga;
    saga.record(&Record::TurnedBack("again".to_owned())).unwrap();
    assert!(
        matches!(saga.next(), Next::Undo(op, _) if op.kind() == StepKind::AttachEni),
        "what failed is tried again"
    );
    let saga = run(saga, StepKind::Verify, Answer::Fine, None, &mut log);
    assert_eq!(saga.end(), Some(&End::Unwound("again".to_owned())));
}

#[test]
fn while_the_eip_is_not_home_the_interface_and_the_route_stay() {
    for (fails, undone) in [
        (StepKind::Unassociate, vec![StepKind::Associate, StepKind::Unassociate]),
        (StepKind::Associate, StepKind::ALL.iter().rev().copied().filter(|k| made(*k)).collect()),
    ] {
        let mut log = fresh_log();
        let saga = run(Saga::new(began()), StepKind::Verify, Answer::Refused, Some(fails), &mut log);
        let tried: Vec<StepKind> = log
            .iter()
            .filter_map(|r| if let Record::UndoIntent(step) = r { Some(*step) } else { None })
            .collect();
        assert_eq!(tried, undone, "{fails:?}");
        // The EIP at home proves that it has left the interface.
        let home = fails == StepKind::Associate;
        assert_eq!(saga.end() == Some(&End::Unwound("no".to_owned())), home, "{:?}", saga.end());
        assert_eq!(Saga::replay(&log).unwrap().unwrap(), saga);
    }
}

fn made(step: StepKind) -> bool {
    ops().iter().any(|op| op.kind() == step) && step != StepKind::Verify
}

#[test]
fn a_run_killed_while_it_was_taken_back_can_be_taken_back() {
    let mut log = fresh_log();
    run(Saga::new(began()), StepKind::Verify, Answer::Refused, None, &mut log);
    for length in 1..=log.len() {
        let mut saga = Saga::replay(&log[..length]).unwrap().unwrap();
        saga.record(&Record::TurnedBack("asked for".to_owned())).unwrap();
        let saga = run(saga, StepKind::Verify, Answer::Fine, None, &mut Vec::new());
        assert_eq!(saga.end(), Some(&End::Unwound("asked for".to_owned())), "{length}");
    }
}

#[test]
fn every_prefix_of_every_log_replays_to_the_same_state_and_still_ends() {
    for op in ops() {
        for answer in [Answer::Fine, Answer::Refused, Answer::Unknown] {
            let mut log = fresh_log();
            run(Saga::new(began()), op.kind(), answer, None, &mut log);
            for length in 1..=log.len() {
                let saga = Saga::replay(&log[..length]).unwrap().unwrap();
                let mut rest = log[..length].to_vec();
                let ended = run(saga.clone(), StepKind::Verify, Answer::Fine, None, &mut rest);
                assert!(ended.end().is_some());
                assert_eq!(Saga::replay(&rest).unwrap().unwrap(), ended, "replay of {rest:?}");
            }
        }
    }
}

#[test]
fn a_finished_saga_can_be_turned_back_and_knows_what_it_made() {
    let mut log = fresh_log();
    let mut saga = run(Saga::new(began()), StepKind::Verify, Answer::Fine, None, &mut log);
    assert_eq!(saga.known().eni.as_ref().unwrap().id.as_str(), "eni-1");
    assert_eq!(saga.known().eip.as_ref().unwrap().id.as_str(), "eip-1");
    saga.record(&Record::TurnedBack("asked for".to_owned())).unwrap();
    let saga = run(saga, StepKind::Verify, Answer::Fine, None, &mut Vec::new());
    assert_eq!(saga.end(), Some(&End::Unwound("asked for".to_owned())));
}

#[test]
fn a_step_of_unknown_outcome_is_taken_back_too() {
    let mut log = fresh_log();
    let mut saga = run(Saga::new(began()), StepKind::Unassociate, Answer::Unknown, None, &mut log);
    saga.record(&Record::TurnedBack("asked for".to_owned())).unwrap();
    assert!(matches!(saga.next(), Next::Undo(op, Effect::Nothing) if op.kind() == StepKind::Unassociate));
}

#[test]
fn records_that_cannot_follow_are_refused_and_change_nothing() {
    let bad = [
        Record::Began(Box::new(began())),
        Record::Intent(Op::Verify),
        Record::Done(StepKind::ChargeType, Effect::Nothing),
        Record::Refused(StepKind::ChargeType, String::new()),
        Record::Unknown(StepKind::ChargeType, String::new()),
        Record::UndoIntent(StepKind::ChargeType),
        Record::Undone(StepKind::ChargeType, None),
        Record::UndoFailed(StepKind::ChargeType, String::new()),
        Record::Ended(End::Committed),
    ];
    for record in bad {
        let mut saga = Saga::new(began());
        assert!(saga.record(&record).is_err(), "{record:?}");
        assert_eq!(saga, Saga::new(began()));
    }
    assert_eq!(Saga::replay([]).unwrap(), None);
    assert!(Saga::replay([&Record::Ended(End::Committed)]).is_err());
}

#[test]
fn the_window_is_open_from_the_first_intent_to_the_last_outcome_both_ways() {
    let mut log = fresh_log();
    run(Saga::new(began()), StepKind::Verify, Answer::Refused, None, &mut log);
    let opens_or_closes: Vec<(String, bool)> = (1..=log.len())
        .filter_map(|length| {
            let window =
                |length: usize| Saga::replay(&log[..length]).unwrap().is_some_and(|saga| saga.window());
            (window(length) != window(length - 1)).then(|| (format!("{:?}", log[length - 1]), window(length)))
        })
        .collect();
    let expected = [
        ("Intent(UnassociateEip", true),
        ("Done(Associate", false),
        ("UndoIntent(Associate", true),
        ("Undone(Unassociate", false),
    ];
    assert_eq!(opens_or_closes.len(), expected.len(), "{opens_or_closes:?}");
    for ((record, open), (begins, expected)) in opens_or_closes.iter().zip(expected) {
        assert!(record.starts_with(begins) && *open == expected, "{opens_or_closes:?}");
    }
}

#[test]
fn only_what_a_human_was_needed_for_can_be_tried_again() {
    for op in ops() {
        let mut log = fresh_log();
        let mut saga = run(Saga::new(began()), op.kind(), Answer::Unknown, None, &mut log);
        saga.record(&Record::Retried).unwrap();
        assert_eq!(saga.next(), Next::Settle(op.clone()));
        log.push(Record::Retried);
        let saga = run(saga, StepKind::Verify, Answer::Fine, None, &mut log);
        assert_eq!(saga.end(), Some(&End::Committed), "{:?}", op.kind());
        assert_eq!(Saga::replay(&log).unwrap().unwrap(), saga);
    }
    let failed = run(
        Saga::new(began()),
        StepKind::Verify,
        Answer::Refused,
        Some(StepKind::AttachEni),
        &mut fresh_log(),
    );
    let mut saga = failed;
    saga.record(&Record::Retried).unwrap();
    assert!(matches!(saga.next(), Next::Undo(op, _) if op.kind() == StepKind::AttachEni));
    let mut committed = run(Saga::new(began()), StepKind::Verify, Answer::Fine, None, &mut fresh_log());
    assert!(committed.record(&Record::Retried).is_err());
    assert!(Saga::new(began()).record(&Record::Retried).is_err());
}
