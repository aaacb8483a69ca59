//! Tests of the displays on writers and clocks of their own, and of the whole through its thread.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressDrawTarget, TermLike};
use serde_json::Value;

use super::bars::{self, Bars, frame};
use super::lines::Lines;
use super::output::Output;
use super::thread::Screen;
use super::view::View;
use super::{Painter, Ui, json};
use crate::core::event::{Event, HostOutcome, Stage};
use crate::core::model::HostName;
use crate::core::plan::StepKind;
use crate::ports::EventSink;

fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

fn started(name: &str, step: StepKind) -> Event {
    Event::StepStarted { host: host(name), step, undo: false }
}

fn finished(name: &str, step: StepKind, error: Option<&str>) -> Event {
    Event::StepFinished { host: host(name), step, undo: false, error: error.map(str::to_owned) }
}

fn done(name: &str, outcome: HostOutcome) -> Event {
    Event::HostDone { stage: Stage::Apply, host: host(name), outcome }
}

fn stage(hosts: usize) -> Event {
    Event::StageStarted { stage: Stage::Apply, hosts }
}

/// A run in which one host does well and one fails and says something nasty.
fn story() -> Vec<(u64, Event)> {
    vec![
        (0, Event::StageStarted { stage: Stage::Discover, hosts: 2 }),
        (10, Event::HostDone { stage: Stage::Discover, host: host("web-1"), outcome: HostOutcome::Ok }),
        (20, Event::HostDone { stage: Stage::Discover, host: host("web-2"), outcome: HostOutcome::Ok }),
        (900, Event::StageFinished { stage: Stage::Discover }),
        (1_000, Event::RunStarted { run: "20261122T161500Z-3f9a".parse().unwrap() }),
        (1_000, stage(2)),
        (1_000, started("web-1", StepKind::Convert)),
        (1_500, started("web-2", StepKind::Configure)),
        (2_200, finished("web-1", StepKind::Convert, None)),
        (3_500, finished("web-2", StepKind::Configure, Some("\u{1b}[2Jdisk\nfull"))),
        (3_600, Event::StepStarted { host: host("web-2"), step: StepKind::CreateEni, undo: true }),
        (
            4_000,
            Event::StepFinished { host: host("web-2"), step: StepKind::CreateEni, undo: true, error: None },
        ),
        (4_000, done("web-1", HostOutcome::Changed)),
        (4_100, done("web-2", HostOutcome::Reverted("disk full".to_owned()))),
        (4_200, Event::StageFinished { stage: Stage::Apply }),
    ]
}

#[test]
fn lines_tell_what_matters_once() {
    let mut lines = Lines::new(Painter::new(false));
    let start = Instant::now();
    let text: String =
        story().iter().map(|(ms, event)| lines.event(event, start + Duration::from_millis(*ms))).collect();
    assert_eq!(
        text,
        "discover: 2 hosts\n\
         discover: 2/2 hosts done (900 ms)\n\
         run 20261122T161500Z-3f9a\n\
         apply: 2 hosts\n\
         web-1: convert … done (1.2 s)\n\
         web-2: configure host … x failed: \\u{1b}[2Jdisk full (2.0 s)\n\
         web-2: undo create ENI … done (400 ms)\n\
         web-1: apply: ~ changed\n\
         web-2: apply: < reverted: disk full\n\
         apply: 2/2 hosts done, 1 reverted (3.2 s)\n"
    );
}

#[test]
fn waves_leave_lines_behind_in_every_way_of_showing() {
    let events = [
        Event::RunStarted { run: "20261122T161500Z-3f9a".parse().unwrap() },
        Event::WaveStarted { wave: 1, of: 3, hosts: 1 },
        Event::WaveFinished { wave: 1, of: 3, at_work: 0 },
        Event::Soaking { wave: 2, ms: 600_000 },
        Event::Waiting { wave: 2 },
        Event::Approved { wave: 2, by: "ada@\u{1b}[2Jbastion".to_owned() },
        Event::WaveStarted { wave: 2, of: 3, hosts: 40 },
        Event::WaveFinished { wave: 2, of: 3, at_work: 2 },
        Event::Stopped { reason: "3 hosts did not go well".to_owned() },
    ];
    let expected = "\
wave 1 of 3: 1 host
wave 1 of 3 is over
wave 2 begins in 10 min 00 s, if nothing goes wrong
wave 2 waits for an approval: egressctl approve 20261122T161500Z-3f9a --wave 2
wave 2 was approved by ada@\\u{1b}[2Jbastion
wave 2 of 3: 40 hosts
wave 2 of 3 holds nobody up any more, 2 hosts still at work
nothing new begins: 3 hosts did not go well
";
    let now = Instant::now();
    let mut lines = Lines::new(Painter::new(false));
    let text: String = events.iter().map(|event| lines.event(event, now)).collect();
    assert_eq!(text, format!("run 20261122T161500Z-3f9a\n{expected}"));
    let mut bars = Bars::on(Painter::new(false), ProgressDrawTarget::hidden(), || 80);
    let text: String = events.iter().filter_map(|event| bars.event(event, now)).collect();
    assert_eq!(text, expected);
}

#[test]
fn lines_break_a_long_silence() {
    let mut lines = Lines::new(Painter::new(false));
    let start = Instant::now();
    assert_eq!(lines.tick(start), "");
    lines.event(&stage(3), start);
    lines.event(&started("web-1", StepKind::Convert), start);
    assert_eq!(lines.tick(start + Duration::from_secs(29)), "");
    assert_eq!(lines.tick(start + Duration::from_secs(30)), "apply: 0/3 hosts done, 1 steps under way\n");
    assert_eq!(lines.tick(start + Duration::from_secs(31)), "");
}

/// 500 hosts: 100 done, 20 of them failed, 300 in a step.
fn crowd(start: Instant) -> View {
    let mut view = View::default();
    view.apply(&stage(500), start);
    for n in 0..400 {
        let (name, at) = (format!("host-{n:03}"), start + Duration::from_secs(n));
        let step = if n % 2 == 0 { StepKind::Configure } else { StepKind::AttachEni };
        view.apply(&started(&name, step), at);
        if n < 100 {
            let failed = HostOutcome::Failed(format!("cause {n} {}", "long ".repeat(50)));
            view.apply(&finished(&name, step, None), at);
            view.apply(&done(&name, if n < 80 { HostOutcome::Changed } else { failed }), at);
        }
    }
    view
}

#[test]
fn a_frame_stays_small_however_many_hosts_there_are() {
    let start = Instant::now();
    let lines = frame(&crowd(start), start + Duration::from_secs(400), 72, Painter::new(true));
    assert_eq!(lines.len(), 1 + 1 + 8);
    for line in &lines {
        assert!(console::measure_text_width(line) < 72, "{line}");
    }
    let plain = frame(&crowd(start), start + Duration::from_secs(400), 200, Painter::new(false));
    assert_eq!(
        plain[0],
        "apply    [####--------------------] 100/500 hosts  6 min 40 s  about 26 min 40 s left  x 20 failed"
    );
    assert_eq!(plain[1], "  under way: attach ENI 150, configure host 150");
    assert!(plain[2].starts_with("  x host-099: failed: cause 99"), "{}", plain[2]);
    assert_eq!(plain[6], "    host-100: configure host 5 min 00 s");
    assert_eq!(frame(&View::default(), start, 80, Painter::new(false)), Vec::<String>::new());
}

#[test]
fn a_frame_survives_odd_events() {
    let start = Instant::now();
    let mut view = View::default();
    view.apply(&finished("web-1", StepKind::Verify, None), start);
    view.apply(&done("web-1", HostOutcome::Ok), start);
    view.apply(&Event::StageFinished { stage: Stage::Verify }, start);
    view.apply(&stage(0), start);
    view.apply(&done("web-1", HostOutcome::Ok), start);
    assert_eq!(frame(&view, start, 3, Painter::new(false)), ["a…"]);
}

/// A terminal that counts.
#[derive(Debug, Clone, Default)]
struct Counting(Arc<Mutex<(usize, String)>>);

impl TermLike for Counting {
    fn width(&self) -> u16 {
        80
    }
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn write_line(&self, s: &str) -> io::Result<()> {
        self.write_str(s)
    }
    fn write_str(&self, s: &str) -> io::Result<()> {
        self.0.lock().unwrap().1.push_str(s);
        Ok(())
    }
    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        self.0.lock().unwrap().0 += 1;
        Ok(())
    }
}

#[test]
fn bars_draw_by_time_and_not_by_event() {
    let terminal = Counting::default();
    let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
    let mut bars = Bars::on(Painter::new(false), target, || 80);
    let start = Instant::now();
    assert_eq!(bars.event(&stage(1_000), start), None);
    for n in 0..1_000 {
        bars.event(&started(&format!("host-{n}"), StepKind::Convert), start);
        // All within one period of the display's clock: one drawing.
        bars.tick(start + bars::PERIOD.mul_f64(f64::from(n) / 1_001.0));
    }
    let (flushes, text) = terminal.0.lock().unwrap().clone();
    assert_eq!(flushes, 1);
    assert!(text.contains("0/1000 hosts"), "{text}");
    bars.finish();
    let line = bars.event(&Event::StageFinished { stage: Stage::Apply }, start + Duration::from_secs(2));
    assert_eq!(line.as_deref(), Some("apply: 0/1000 hosts done (2.0 s)\n"));
}

#[test]
fn a_thousand_hosts_are_drawn_at_most_ten_times_a_second() {
    const SECONDS: usize = 20;
    let terminal = Counting::default();
    let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
    let mut bars = Bars::on(Painter::new(false), target, || 80);
    let start = Instant::now();
    bars.event(&stage(1_000), start);
    let mut steps = StepKind::ALL.iter().cycle();
    // An event of some host every millisecond, and after each one the display may draw.
    for ms in 0..SECONDS * 1_000 {
        let (now, name) = (start + Duration::from_millis(ms as u64), format!("host-{}", ms % 1_000));
        let step = *steps.next().unwrap();
        bars.event(&if ms % 2 == 0 { started(&name, step) } else { finished(&name, step, None) }, now);
        bars.tick(now);
    }
    let flushes = terminal.0.lock().unwrap().0;
    assert_eq!(flushes, 10 * SECONDS, "one drawing for each tenth of a second");
}

/// A writer whose content can be read, or which fails.
#[derive(Clone, Default)]
struct Shared {
    bytes: Arc<Mutex<Vec<u8>>>,
    failing: Option<io::ErrorKind>,
}

impl Shared {
    fn failing(kind: io::ErrorKind) -> Self {
        Self { failing: Some(kind), ..Self::default() }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kind) = self.failing {
            return Err(kind.into());
        }
        self.bytes.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ui(out: &Shared, err: &Shared, events: Option<json::Stream>, events_on_stdout: bool) -> Ui {
    let output = Output::new(Box::new(out.clone()), Box::new(err.clone()), events_on_stdout);
    let plain = Painter::new(false);
    Ui::start(Screen::Lines(Lines::new(plain)), output, events, plain, plain).unwrap()
}

#[test]
fn results_and_lines_keep_their_order_and_their_streams() {
    let (out, err) = (Shared::default(), Shared::default());
    let ui = ui(&out, &err, None, false);
    let sink: Arc<dyn EventSink> = Arc::new(ui.sink());
    sink.emit(stage(1));
    ui.out("result\n");
    assert_eq!((out.text().as_str(), err.text().as_str()), ("result\n", "apply: 1 host\n"));
    sink.emit(done("web-1", HostOutcome::Changed));
    ui.err("hint\n");
    ui.finish().unwrap();
    sink.emit(stage(2));
    assert_eq!(err.text(), "apply: 1 host\nweb-1: apply: ~ changed\nhint\n");
}

#[test]
fn nobody_reading_is_no_reason_to_fail() {
    let gone = Shared::failing(io::ErrorKind::BrokenPipe);
    let events = json::Stream::new("pipe", Some(Box::new(gone.clone())));
    let ui = ui(&gone, &gone, Some(events), false);
    ui.sink().emit(stage(1));
    ui.out("result\n");
    ui.err("hint\n");
    ui.out("more\n");
    ui.finish().unwrap();
}

#[test]
fn events_that_cannot_be_written_are_told_at_the_end() {
    let (out, err) = (Shared::default(), Shared::default());
    let full = Shared::failing(io::ErrorKind::StorageFull);
    let ui = ui(&out, &err, Some(json::Stream::new("run.ndjson", Some(Box::new(full)))), false);
    ui.sink().emit(stage(1));
    let error = ui.finish().unwrap_err().to_string();
    assert!(error.starts_with("events to run.ndjson: "), "{error}");
    assert_eq!(err.text(), "apply: 1 host\n");
}

#[test]
fn events_are_numbered_json_lines() {
    let (out, err) = (Shared::default(), Shared::default());
    let ui = ui(&out, &err, Some(json::Stream::new("-", None)), true);
    let sink = ui.sink();
    for (_, event) in story() {
        sink.emit(event);
    }
    ui.out("result\n");
    ui.finish().unwrap();
    let lines: Vec<Value> = out.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), story().len());
    for (index, (line, (_, event))) in lines.iter().zip(story()).enumerate() {
        assert_eq!(line["schema_version"], 1);
        assert_eq!(line["seq"], index + 1);
        assert_eq!(line["run"], if index < 4 { Value::Null } else { "20261122T161500Z-3f9a".into() });
        assert!(line["elapsed_ms"].is_u64());
        assert_eq!(serde_json::from_value::<Event>(line.clone()).unwrap(), event);
    }
    assert!(err.text().ends_with("result\n"), "stdout belongs to the events: {}", err.text());
}

#[test]
fn a_file_for_events_that_cannot_be_opened_is_refused() {
    let options = super::UiOptions {
        progress: super::Progress::Never,
        events: Some("/nonexistent/run.ndjson".into()),
        ..super::UiOptions::default()
    };
    let error = Ui::new(&options).unwrap_err().to_string();
    assert!(error.starts_with("events to /nonexistent/run.ndjson: "), "{error}");
}
