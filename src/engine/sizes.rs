//! What a host in flight may take, in bytes of its future (docs/performance.md).
//!
//! Must never measure time or a running process: a size is the same on every machine.

use super::{apply, claim, fleet, resume, rollback};

/// The size of a future that nobody has to make.
fn size<I, F>(_: impl FnOnce(I) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn a_hosts_part_of_a_run_stays_small() {
    let sizes = [
        ("claim", 6, size(|(task, run)| claim::claim(task, run))),
        ("apply", 8, size(|(task, run, plan)| apply::one_host(task, run, plan))),
        ("rollback", 13, size(|(task, run, back, adrift)| rollback::one_host(task, run, back, adrift))),
        ("resume", 11, size(|(task, run, story, steps, back)| resume::go_on(task, run, story, steps, back))),
    ];
    for (what, most, size) in sizes {
        assert!(size <= most * 1024, "{what}: {size} bytes, more than {most} KiB");
    }
}

#[tokio::test]
async fn whoever_waits_for_a_task_has_no_room_for_its_work() {
    let large = || async {
        let room = [1_u8; 10_000];
        tokio::task::yield_now().await;
        room.len()
    };
    assert!(size_of_val(&large()) > 10_000);
    let waiting = fleet::alone(large());
    assert!(size_of_val(&waiting) <= 64, "{} bytes", size_of_val(&waiting));
    assert_eq!(waiting.await, Some(10_000));
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
    let work = fleet::placed(places.acquire_owned().await, Box::pin(large()));
    assert!(size_of_val(&work) <= 128, "{} bytes", size_of_val(&work));
    assert_eq!(work.await, 10_000);
}
