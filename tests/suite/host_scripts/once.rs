//! A step that is asked for twice is done once, and its answer outlives the connection.

use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use egressctl::core::template::OnceParams;
use tempfile::TempDir;

use super::host::templates;
use super::on_every_shell;

/// A place where steps are done, by one shell.
struct Place {
    shell: &'static [&'static str],
    folder: TempDir,
}

impl Place {
    fn new(shell: &'static [&'static str]) -> Self {
        Self { shell, folder: tempfile::tempdir().unwrap() }
    }

    /// Begins to ask for a step, as a connection would.
    fn begin(&self, key: &str, step: &str) -> Child {
        let answers = self.folder.path().join("run/steps");
        let params = OnceParams { folder: answers.to_str().unwrap(), key, step };
        let script = templates().once_script(&params).unwrap();
        let mut child = Command::new(self.shell[0])
            .args(&self.shell[1..])
            .arg("-s")
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{:?} is needed by this test: {error}", self.shell));
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        child
    }

    /// Asks, and gives the first line, the rest, and the exit code.
    fn ask(&self, key: &str, step: &str) -> (String, String, Option<i32>) {
        answer(self.begin(key, step))
    }

    fn note(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    fn wait_for(&self, name: &str) {
        let begun = Instant::now();
        while !self.folder.path().join(name).exists() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{name} does not come");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn answer(child: Child) -> (String, String, Option<i32>) {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    (first.to_owned(), rest.to_owned(), output.status.code())
}

fn told(how: &str, rest: &str, code: i32) -> (String, String, Option<i32>) {
    (format!("egressctl-once {how}"), rest.to_owned(), Some(code))
}

#[test]
fn the_second_to_ask_is_given_the_first_answer() {
    on_every_shell(|shell| {
        let place = Place::new(shell);
        let step = "echo ran >>effect; echo \"it's done\"; echo noise >&2; exit 3";
        assert_eq!(place.ask("k1", step), told("first", "it's done\n", 3), "{shell:?}");
        assert_eq!(place.ask("k1", step), told("read", "it's done\n", 3), "{shell:?}");
        assert_eq!(place.ask("k2", step), told("first", "it's done\n", 3), "{shell:?}");
        assert_eq!(place.note("effect"), "ran\nran\n", "{shell:?}");
        let kept: Vec<_> = fs::read_dir(place.folder.path().join("run/steps")).unwrap().collect();
        assert_eq!(kept.len(), 1, "{shell:?}: only the newest answer is kept");
    });
}

#[test]
fn a_step_goes_on_without_its_connection_and_is_waited_for() {
    on_every_shell(|shell| {
        let place = Place::new(shell);
        let step = "echo begun >begun; sleep 2; echo effect >>effect; echo done";
        let mut lost = place.begin("k", step);
        place.wait_for("begun");
        lost.kill().unwrap();
        lost.wait().unwrap();
        assert_eq!(place.note("effect"), "", "{shell:?}");
        assert_eq!(place.ask("k", step), told("read", "done\n", 0), "{shell:?}");
        assert_eq!(place.note("effect"), "effect\n", "{shell:?}");
    });
}

#[test]
fn many_who_ask_at_once_are_given_one_answer() {
    on_every_shell(|shell| {
        let place = Place::new(shell);
        let step = "echo ran >>effect; sleep 1; echo done";
        let all: Vec<_> = (0..6).map(|_| place.begin("k", step)).collect();
        let told: Vec<_> = all.into_iter().map(answer).collect();
        assert!(
            told.iter().all(|(_, rest, code)| rest == "done\n" && *code == Some(0)),
            "{shell:?}: {told:?}"
        );
        assert_eq!(told.iter().filter(|(how, ..)| how.ends_with("first")).count(), 1, "{shell:?}: {told:?}");
        assert_eq!(place.note("effect"), "ran\n", "{shell:?}");
    });
}

#[test]
fn a_step_that_was_cut_off_half_way_is_done_again_and_says_so() {
    on_every_shell(|shell| {
        let place = Place::new(shell);
        // As a boot of the host, or the end of a command that took too long: the whole session is gone, with no answer.
        let step = "echo ran >>effect; echo done";
        let answers = place.folder.path().join("run/steps/k");
        fs::create_dir_all(&answers).unwrap();
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        fs::write(answers.join("process"), format!("{}\n", gone.id())).unwrap();
        assert_eq!(place.ask("k", step), told("again", "done\n", 0), "{shell:?}");
        assert_eq!(place.ask("k", step), told("read", "done\n", 0), "{shell:?}");
        assert_eq!(place.note("effect"), "ran\n", "{shell:?}");
    });
}

#[test]
fn a_stranger_that_has_got_the_number_of_a_step_is_neither_waited_for_nor_ended() {
    on_every_shell(|shell| {
        let place = Place::new(shell);
        let step = "echo ran >>effect; echo done";
        assert_eq!(place.ask("k", step), told("first", "done\n", 0), "{shell:?}");
        // The kernel counts births in hundredths of a second.
        std::thread::sleep(Duration::from_millis(50));
        let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
        // As when the host was cut off in the middle and has given the number away since.
        let cut_off = || {
            let answers = place.folder.path().join("run/steps/k");
            let process = fs::read_to_string(answers.join("process")).unwrap();
            let number = process.split_whitespace().next().unwrap();
            let process = process.replacen(number, &stranger.id().to_string(), 1);
            fs::write(answers.join("process"), process).unwrap();
            fs::remove_file(answers.join("status")).unwrap();
        };
        cut_off();
        let asked = Instant::now();
        assert_eq!(place.ask("k", step), told("again", "done\n", 0), "{shell:?}");
        cut_off();
        assert_eq!(place.ask("other", step), told("first", "done\n", 0), "{shell:?}");
        assert!(asked.elapsed() < Duration::from_secs(25), "{shell:?}: {:?}", asked.elapsed());
        let lives = stranger.try_wait().unwrap().is_none();
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        assert!(lives, "{shell:?}: the stranger was ended");
    });
}

#[test]
fn another_step_waits_for_the_one_before_it() {
    on_every_shell(|shell| {
        let place = Place::new(shell);
        let mut lost = place.begin("k1", "echo >begun; sleep 2; echo one >>order");
        place.wait_for("begun");
        lost.kill().unwrap();
        lost.wait().unwrap();
        assert_eq!(place.ask("k2", "echo two >>order"), told("first", "", 0), "{shell:?}");
        assert_eq!(place.note("order"), "one\ntwo\n", "{shell:?}");
    });
}

#[test]
fn where_no_answer_can_be_kept_the_step_is_just_done() {
    on_every_shell(|shell| {
        let place = Place::new(shell);
        fs::write(place.folder.path().join("run"), "a file in the way").unwrap();
        let (first, rest, code) = place.ask("k", "echo done; exit 4");
        assert_eq!((first.as_str(), rest.as_str(), code), ("done", "", Some(4)), "{shell:?}");
    });
}
