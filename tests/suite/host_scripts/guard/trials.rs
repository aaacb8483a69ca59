//! Trials by chance: a bad gateway, a cut path, a killed controller, a boot in the window, a confirmation that races the timer.
//! `EGRESSCTL_TRIALS=1020 cargo test --locked --test suite guard::trials -- --nocapture` is the whole of it; without the variable
//! there are fewer. What is late is measured by the host's own clock, from the moment at which it should act.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use egressctl::core::observed::applied::parse_apply;
use egressctl::core::observed::guarded::GuardState;
use egressctl::core::observed::{ApplyEnd, ApplyReport};
use egressctl::core::plan::RouteTarget;
use egressctl::core::plan::route::HostChanges;
use egressctl::core::template::Phase;

use super::super::host::{Host, SHELLS, phase_script, target};
use super::super::{DEBIAN, debian};
use super::{CHANGE, FIRST, FOLDER, SECOND};

/// How late a host may be, in hundredths of a second, on a machine that has time for it.
const LATE: i64 = 200;
/// Trials on one host, which does not live for ever.
const ON_ONE_HOST: usize = 20;
/// Hosts at a time.
const AT_ONCE: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    BadGateway,
    CutPath,
    KilledController,
    BootInTheWindow,
    ConfirmRacesTheTimer,
}

const KINDS: [Kind; 5] = [
    Kind::BadGateway,
    Kind::CutPath,
    Kind::KilledController,
    Kind::BootInTheWindow,
    Kind::ConfirmRacesTheTimer,
];

/// What was seen over all trials.
#[derive(Default)]
struct Seen {
    /// How each kind ended, and how often.
    ends: Mutex<BTreeMap<(Kind, &'static str), usize>>,
    /// The latest of each kind, in hundredths of a second.
    late: Mutex<BTreeMap<Kind, i64>>,
    wrong: Mutex<Vec<String>>,
    /// How long the machine let somebody wait who wanted to sleep for a hundredth of a second.
    stall_ms: AtomicU64,
}

/// One host, between two trials.
struct Place<'a> {
    host: Host,
    file: HostChanges,
    network: String,
    seen: &'a Seen,
    rng: fastrand::Rng,
}

impl<'a> Place<'a> {
    fn new(shell: &'static [&'static str], seen: &'a Seen, seed: u64) -> Self {
        let host = debian(shell);
        boot(&host);
        let file = host.changes();
        let network = host.network();
        Self { host, file, network, seen, rng: fastrand::Rng::with_seed(seed) }
    }

    fn wrong(&self, kind: Kind, what: &str) {
        let now = format!("{}{}", self.host.network(), self.host.read("rc.local"));
        let shell = self.host.shell;
        self.seen.wrong.lock().unwrap().push(format!("{kind:?} {shell:?}: {what}\n{now}"));
    }

    fn ended(&self, kind: Kind, how: &'static str) {
        *self.seen.ends.lock().unwrap().entry((kind, how)).or_default() += 1;
    }

    fn is_before(&self) -> bool {
        self.host.network() == self.network && self.host.read("rc.local") == DEBIAN
    }

    fn is_after(&self) -> bool {
        self.host.changes().is_empty()
    }

    /// A phase whose answer may never come, because the host ends whoever is in its way.
    fn phase(&self, phase: Phase, seconds: u32) -> Option<ApplyReport> {
        let output = self.host.run(&phase_script(&target(), &self.file, phase, seconds));
        parse_apply(&output.stdout).ok()
    }

    /// The host has acted by itself, or has nothing to act upon; notes how late.
    fn settled(&self, kind: Kind) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let look = format!(
                "cd {FOLDER} 2>/dev/null || exit 0; for f in until.1 until.2 result; do [ ! -e $f ] || echo $f $(cat $f); done; [ -e armed.1 ] || [ -e armed.2 ] || [ -e rolledback ] || echo none"
            );
            let text = self.host.ok(&look);
            let mut until = BTreeMap::new();
            let mut result = None;
            for line in text.lines() {
                let words: Vec<&str> = line.split(' ').collect();
                match words.as_slice() {
                    ["result", end, fired, back, _, ..] => {
                        result = Some((*end, fired.parse::<i64>().unwrap(), back.parse::<i64>().unwrap()));
                    }
                    [name, value] => drop(until.insert(*name, value.parse::<i64>().unwrap())),
                    _ => {}
                }
            }
            if text.is_empty() || text.contains("none") {
                return;
            }
            if let Some((end, fired, back)) = result {
                if end != "reverted" {
                    self.wrong(kind, &format!("it says {text}"));
                }
                // The second guard's time counts where it had taken over; a failed probe takes back before any time is over.
                let due = until.values().copied().filter(|due| *due <= fired + 100).max();
                if let Some(due) = due {
                    let mut late = self.seen.late.lock().unwrap();
                    let worst = late.entry(kind).or_insert(i64::MIN);
                    *worst = (*worst).max(back - due);
                }
                return;
            }
            if Instant::now() > deadline {
                return self.wrong(kind, &format!("nobody takes it back: {text}"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whatever it was, the next trial begins with a host that nothing was done to.
    fn clean(&mut self, kind: Kind) {
        self.host.revert(&self.file);
        if !self.is_before() {
            self.wrong(kind, "not clean after a revert");
            boot(&self.host);
            self.host.write("rc.local", DEBIAN, 0o755);
            self.network = self.host.network();
        }
    }

    fn trial(&mut self, kind: Kind) {
        let seconds = self.rng.u32(3..=6);
        match kind {
            Kind::BadGateway => self.bad_gateway(seconds),
            Kind::CutPath => self.cut_path(seconds),
            Kind::KilledController => self.killed(seconds),
            Kind::BootInTheWindow => self.boot_in_the_window(),
            Kind::ConfirmRacesTheTimer => self.race(seconds),
        }
        self.clean(kind);
    }

    fn bad_gateway(&mut self, seconds: u32) {
        // The host's own probes fail, or its time is over before they do.
        let bad = RouteTarget { gateway: Ipv4Addr::new(172, 16, 0, 252), ..target() };
        let output = self.host.run(&phase_script(&bad, &self.file, CHANGE, seconds));
        match parse_apply(&output.stdout).map(|report| report.end) {
            Ok(ApplyEnd::Reverted { code, .. }) if code == "gateway-silent" => {
                self.ended(Kind::BadGateway, "taken back at once");
            }
            Ok(ApplyEnd::Reverted { .. }) | Err(_) => self.ended(Kind::BadGateway, "taken back by the timer"),
            Ok(end) => self.wrong(Kind::BadGateway, &format!("{end:?}")),
        }
        self.settled(Kind::BadGateway);
        if !self.is_before() {
            self.wrong(Kind::BadGateway, "not as before");
        }
    }

    /// The controller is there, and its new connections do not arrive.
    fn cut_path(&mut self, seconds: u32) {
        let persist = self.rng.bool();
        let report = self.phase(CHANGE, seconds + 4);
        if persist && report.is_some() {
            self.phase(FIRST, seconds);
        }
        self.host.router("ip link set p0 down");
        self.settled(Kind::CutPath);
        // It has done so without anybody's help.
        self.host.router("ip link set p0 up");
        let begun = Instant::now();
        while !self.host.router_says("ping -c 1 -W 1 172.16.0.10 >/dev/null") {
            if begun.elapsed() > Duration::from_secs(20) {
                return self.wrong(Kind::CutPath, "not reached afterwards");
            }
        }
        match self.phase(if persist { SECOND } else { FIRST }, seconds) {
            Some(ApplyReport { end: ApplyEnd::Reverted { .. }, .. }) if self.is_before() => {
                self.ended(Kind::CutPath, if persist { "files taken back" } else { "taken back" });
            }
            report => self.wrong(Kind::CutPath, &format!("{report:?}")),
        }
    }

    /// It dies at any moment of any phase, and what it has begun on the host goes on or dies with it.
    fn killed(&mut self, seconds: u32) {
        let in_second = self.rng.bool() && self.phase(CHANGE, seconds + 4).is_some();
        let script = phase_script(&target(), &self.file, if in_second { FIRST } else { CHANGE }, seconds);
        let wait = Duration::from_millis(self.rng.u64(0..900));
        let with_its_script = self.rng.bool();
        std::thread::scope(|scope| {
            scope.spawn(|| self.host.run(&script));
            std::thread::sleep(wait);
            if with_its_script {
                self.host.ok(&format!("read -r pid rest <{FOLDER}/worker && kill -9 $pid || :"));
            }
        });
        self.settled(Kind::KilledController);
        if self.is_before() {
            self.ended(Kind::KilledController, if in_second { "files taken back" } else { "taken back" });
        } else {
            self.wrong(Kind::KilledController, &format!("after {wait:?} of {in_second}"));
        }
    }

    fn boot_in_the_window(&mut self) {
        let kind = Kind::BootInTheWindow;
        let in_second = self.rng.bool();
        let report = self.phase(CHANGE, 60);
        let report = if in_second { self.phase(FIRST, 60) } else { report };
        let generation = if in_second { 2 } else { 1 };
        if !matches!(report, Some(ApplyReport { guard: Some(GuardState::Armed { .. }), .. })) {
            return self.wrong(kind, &format!("{report:?}"));
        }
        boot(&self.host);
        // Without systemd nobody takes files back at a boot: then what they say is whole, and so is the route.
        match (self.is_before(), self.is_after()) {
            (true, false) if !in_second => self.ended(kind, "nothing left"),
            (false, true) if in_second => self.ended(kind, "files and route"),
            other => self.wrong(kind, &format!("{other:?} in the second window: {in_second}")),
        }
        let report = self.phase(Phase::Confirm { generation }, 60);
        if !format!("{report:?}").contains("\"gone\"") {
            self.wrong(kind, &format!("{report:?}"));
        }
        // Whoever goes on begins again, and comes to the same end.
        let mut report = self.phase(Phase::Change { again: true }, 60);
        while let Some(ApplyReport { guard: Some(GuardState::Armed { generation, .. }), .. }) = report {
            report = self.phase(Phase::Confirm { generation }, 60);
        }
        if !self.is_after() {
            self.wrong(kind, &format!("not finished afterwards: {report:?}"));
        }
    }

    fn race(&mut self, seconds: u32) {
        let kind = Kind::ConfirmRacesTheTimer;
        let second = self.rng.bool();
        self.phase(CHANGE, if second { seconds + 20 } else { seconds });
        if second {
            self.phase(FIRST, seconds);
        }
        let generation = if second { 2 } else { 1 };
        let until = self.host.ok(&format!("cat {FOLDER}/until.{generation} 2>/dev/null || echo 0"));
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let now: i64 = uptime.split(' ').next().unwrap().replace('.', "").parse().unwrap();
        let left = until.trim().parse::<i64>().unwrap() - now;
        // A confirmation takes a while until it renames.
        let left = u64::try_from(left.max(0) * 10).unwrap().saturating_sub(self.rng.u64(0..600));
        std::thread::sleep(Duration::from_millis(left));
        // The file is there only with the second guard: no other phase is to follow the first.
        let none = HostChanges::default();
        let file = if second { &self.file } else { &none };
        let script = phase_script(&target(), file, Phase::Confirm { generation }, seconds);
        let report = parse_apply(&self.host.run(&script).stdout).ok();
        self.settled(kind);
        let confirmed =
            matches!(report, Some(ApplyReport { end: ApplyEnd::Ok, guard: Some(GuardState::Confirmed), .. }));
        let stays = if second { self.is_after() } else { self.host.network() != self.network };
        match (confirmed, stays, self.is_before()) {
            (true, true, false) => self.ended(kind, "confirmed"),
            (false, false, true) if report.is_some() => self.ended(kind, "taken back, and told so"),
            (false, false, true) => self.ended(kind, "taken back, no answer"),
            other => self.wrong(kind, &format!("{other:?} {report:?}")),
        }
    }
}

/// Power off and on: every process goes, `/run` is empty, the owner's network comes back, and `rc.local` runs.
fn boot(host: &Host) {
    boot_with(host, || ());
}

/// The same, with what runs before the network comes up.
pub(super) fn boot_with(host: &Host, early: impl FnOnce()) {
    host.ok("for p in /proc/[0-9]*; do p=${p#/proc/}
            case $(tr '\\0' ' ' </proc/$p/cmdline 2>/dev/null) in '' | 'sleep 600 ') continue ;; esac
            [ $p = 1 ] || [ $p = $$ ] || kill -9 $p 2>/dev/null
        done; umount -l /run; mount -t tmpfs none /run");
    early();
    host.reboot();
}

#[test]
fn access_is_back_in_time_and_nothing_is_both_confirmed_and_taken_back() {
    let trials: usize = std::env::var("EGRESSCTL_TRIALS").map_or(60, |text| text.parse().unwrap());
    let (seen, over) = (Seen::default(), AtomicBool::new(false));
    let next = AtomicU64::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                let before = Instant::now();
                std::thread::sleep(Duration::from_millis(10));
                let stall = u64::try_from(before.elapsed().as_millis()).unwrap().saturating_sub(10);
                seen.stall_ms.fetch_max(stall, Ordering::SeqCst);
            }
        });
        let workers: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let first =
                            next.fetch_add(ON_ONE_HOST.min(trials / AT_ONCE + 1) as u64, Ordering::SeqCst);
                        if first >= trials as u64 {
                            return;
                        }
                        let last = (first + ON_ONE_HOST.min(trials / AT_ONCE + 1) as u64).min(trials as u64);
                        let mut place = Place::new(SHELLS[first as usize % SHELLS.len()], &seen, first);
                        for trial in first..last {
                            place.trial(KINDS[trial as usize % KINDS.len()]);
                        }
                    }
                })
            })
            .collect();
        let ended: Vec<_> = workers.into_iter().map(ScopedJoinHandle::join).collect();
        // Also after a panic: the measuring would go on for ever.
        over.store(true, Ordering::SeqCst);
        ended.into_iter().for_each(|worker| worker.unwrap());
    });
    let stall = seen.stall_ms.load(Ordering::SeqCst);
    println!(
        "{trials} trials in {:.0} s, longest stall of the machine {stall} ms",
        begun.elapsed().as_secs_f64()
    );
    let (ends, late) = (seen.ends.into_inner().unwrap(), seen.late.into_inner().unwrap());
    for ((kind, how), count) in &ends {
        println!("{kind:?}: {how}: {count}");
    }
    for (kind, late) in &late {
        println!("{kind:?}: back {:.2} s after the timeout at the latest", *late as f64 / 100.0);
    }
    let wrong = seen.wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {trials}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(ends.values().sum::<usize>(), trials);
    // What the machine itself withholds from everybody is not the guard's; on a machine with time it is next to nothing.
    let allowed = LATE + i64::try_from(stall).unwrap() * 4 / 10;
    assert!(late.values().all(|late| *late <= allowed), "allowed {allowed}: {late:?}");
    assert!(late.len() >= 3, "{late:?}");
}
