//! The meter against servers that stop, start, hang and lie.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::super::testing::{DEADLINE, listener};
use super::*;

const BANNER: &[u8] = b"SSH-2.0-lab\r\n";
const STEP: Duration = Duration::from_millis(10);

/// Says `banner` to everybody, or nothing; counts whom it has said it to.
fn serve(listener: TcpListener, banner: &'static [u8]) -> (JoinHandle<()>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let server = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            // The meter has gone if it had given up.
            let _ = stream.write_all(banner).await;
            kept.push(stream);
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    (server, count)
}

async fn some_served(count: &AtomicUsize) {
    while count.load(Ordering::Relaxed) < 20 {
        tokio::time::sleep(STEP).await;
    }
}

#[tokio::test]
async fn a_server_that_stops_and_starts_makes_one_gap_of_at_least_that_length() {
    let (listener, address) = listener().await;
    let (server, count) = serve(listener, BANNER);
    let mut was_down = Duration::ZERO;
    let script = async {
        some_served(&count).await;
        server.abort();
        server.await.unwrap_err();
        let down = tokio::time::Instant::now();
        tokio::time::sleep(Duration::from_millis(400)).await;
        was_down = down.elapsed();
        let (_, count) = serve(TcpListener::bind(address).await.unwrap(), BANNER);
        some_served(&count).await;
    };
    let found = tokio::time::timeout(DEADLINE, measure(vec![address], STEP, script)).await.unwrap();
    let [found] = found.as_slice() else { panic!("{found:?}") };
    let longest = found.gaps.iter().max_by_key(|gap| gap.length_ms).unwrap();
    assert!(longest.recovered && longest.start_ms > 0, "{found:?}");
    assert!(found.longest_gap >= was_down, "{found:?}, was down {was_down:?}");
    assert!(found.failures > 0 && found.failures < found.probes, "{found:?}");
}

#[tokio::test]
async fn silent_lying_and_absent_servers_are_never_reached_and_each_target_has_its_own_result() {
    let ((silent, a), (lying, b), (good, c), (absent, d)) =
        (listener().await, listener().await, listener().await, listener().await);
    serve(silent, b"");
    serve(lying, b"HTTP/1.1 400 Bad Request\r\n");
    let (_, count) = serve(good, BANNER);
    drop(absent);
    let until = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        some_served(&count).await;
    };
    let found = tokio::time::timeout(DEADLINE, measure(vec![a, b, c, d], STEP, until)).await.unwrap();
    assert_eq!(found.iter().map(|m| m.target).collect::<Vec<_>>(), [a, b, c, d]);
    for bad in [&found[0], &found[1], &found[3]] {
        let [gap] = bad.gaps.as_slice() else { panic!("{bad:?}") };
        assert_eq!((gap.start_ms, gap.recovered, bad.failures), (0, false, bad.probes), "{bad:?}");
        assert!(bad.probes > 1 && gap.length_ms >= 600, "{bad:?}");
    }
    assert!(found[2].failures < found[2].probes, "{:?}", found[2]);
}

#[tokio::test]
async fn the_end_of_the_input_gives_one_json_document_that_reads_back() {
    let (listener, address) = listener().await;
    serve(listener, BANNER);
    let (ours, theirs) = tokio::sync::oneshot::channel::<()>();
    let closed = async {
        theirs.await.unwrap_err();
        Ok(())
    };
    let run = tokio::spawn(run_until(closed, vec![address], Duration::from_millis(25)));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!run.is_finished());
    drop(ours);
    let text = tokio::time::timeout(DEADLINE, run).await.unwrap().unwrap().unwrap();
    let report: OutageReport = serde_json::from_str(&text).unwrap();
    assert_eq!((report.interval_ms, report.targets[0].target), (25, address));
    assert!(report.targets[0].probes > 0);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(json["targets"][0]["longest_gap_ms"].is_u64(), "{text}");
}

#[tokio::test]
async fn an_input_that_cannot_be_read_is_an_error() {
    let broken = async { Err(io::Error::other("broken")) };
    assert_eq!(run_until(broken, Vec::new(), STEP).await.unwrap_err().to_string(), "broken");
}
