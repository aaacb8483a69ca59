//! The push script under three shells, in folders of its own on this machine.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use egressctl::core::observed::pushed::{PushEnd, PushReport, parse_push};
use egressctl::core::template::{PushParams, Templates};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::on_every_shell;
use crate::support::lab::is_root;

/// A folder to push to, and a shell that does it.
struct Place {
    shell: &'static [&'static str],
    folder: TempDir,
    /// The only programs that the script finds, if not those of this machine.
    tools: Option<TempDir>,
    /// What stands for the SELinux file system, if not that of this machine.
    selinux: Option<PathBuf>,
}

fn params(dest: &Path, content: &[u8]) -> PushParams {
    PushParams {
        dest: dest.display().to_string(),
        size: content.len() as u64,
        sha256: data_encoding::HEXLOWER.encode(&Sha256::digest(content)),
        mode: String::new(),
        mode_if_new: "644".to_owned(),
        owner: String::new(),
        group: String::new(),
        backup: String::new(),
        check: "no",
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

impl Place {
    fn new(shell: &'static [&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { shell, folder, tools: None, selinux: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn put(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn start(&self, params: &PushParams) -> Child {
        let mut script = Templates::builtin().unwrap().push_script(params).unwrap();
        if let Some(tools) = &self.tools {
            let own = format!("\nPATH={}\n", tools.path().display());
            let at = script.find("\nPATH=").unwrap();
            let end = at + 1 + script[at + 1..].find('\n').unwrap();
            script.replace_range(at..=end, &own);
        }
        if let Some(selinux) = &self.selinux {
            let usual = "\nselinux=/sys/fs/selinux\n";
            assert!(script.contains(usual));
            script = script.replace(usual, &format!("\nselinux={}\n", selinux.display()));
        }
        let mut command = Command::new(self.shell[0]);
        command.args(&self.shell[1..]).args(["-c", &script, "egressctl-push"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn push(&self, params: &PushParams, content: &[u8]) -> PushReport {
        let mut child = self.start(params);
        // What is there already is not read.
        let _ = child.stdin.take().unwrap().write_all(content);
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{:?}", self.shell);
        assert!(output.status.success(), "{:?} {output:?}", self.shell);
        parse_push(&output.stdout).unwrap_or_else(|error| panic!("{:?}: {error}", self.shell))
    }

    /// Fails unless the push is refused with this code and everything is as it was.
    fn refused(&self, params: &PushParams, content: &[u8], expected: &str) {
        let before = self.names();
        let report = self.push(params, content);
        let PushEnd::Refused { code, detail } = report.end else { panic!("{:?} {report:?}", self.shell) };
        assert_eq!(code, expected, "{:?}: {detail}", self.shell);
        assert_eq!(self.names(), before, "{:?}: {expected}", self.shell);
    }

    /// Everything in the folder, with what it holds.
    fn names(&self) -> Vec<(String, u64, u64)> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let meta = entry.path().symlink_metadata().unwrap();
                (entry.file_name().into_string().unwrap(), meta.ino(), meta.size())
            })
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_file_is_written_once_and_replaced_as_a_whole() {
    on_every_shell(|shell| {
        let place = Place::new(shell);
        let mut content: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let path = place.path("a file's $name");
        let report = place.push(&params(&path, &content), &content);
        assert_eq!(
            (&report.end, report.mode_before, report.mode_after),
            (&PushEnd::Changed, None, Some(0o644))
        );
        assert_eq!((fs::read(&path).unwrap() == content, mode(&path)), (true, 0o644), "{shell:?}");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let before = place.names();
        assert_eq!(place.push(&params(&path, &content), &content).end, PushEnd::Unchanged);
        assert_eq!(place.names(), before, "{shell:?}: not written again");

        content.push(0);
        let kept = PushParams { backup: ".bak".to_owned(), ..params(&path, &content) };
        let report = place.push(&kept, &content);
        assert_eq!((report.end, mode(&path)), (PushEnd::Changed, 0o640), "{shell:?}: its mode is kept");
        assert!(fs::read(&path).unwrap() == content);
        let backup = place.path("a file's $name.bak");
        assert_eq!(report.backup.as_deref(), Some(backup.to_str().unwrap()));
        assert_eq!((fs::read(&backup).unwrap().len(), mode(&backup)), (300_000, 0o640));
        assert_eq!(fs::metadata(&backup).unwrap().ino(), before[0].1, "{shell:?}: the old file itself");
        assert_eq!(place.names().len(), 2, "{shell:?}: nothing else is left");

        // The mode alone, and a backup whose name is taken.
        let strict = PushParams { mode: "4600".to_owned(), ..params(&path, &content) };
        assert_eq!(place.push(&strict, &content).end, PushEnd::Changed);
        assert_eq!(mode(&path), 0o4600, "{shell:?}");
        let taken = PushParams { backup: ".bak".to_owned(), ..params(&path, b"x") };
        place.refused(&taken, b"x", "backup");
    });
}

#[test]
fn what_does_not_arrive_whole_is_not_written() {
    on_every_shell(|shell| {
        let place = Place::new(shell);
        let path = place.put("f", b"old", 0o600);
        place.refused(&params(&path, b"whole"), b"who", "cut-short");
        place.refused(&params(&path, b"whole"), b"whale", "damaged");
        place.refused(&params(&place.path("new"), b"whole"), b"", "cut-short");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    });
}

#[test]
fn a_push_that_is_ended_leaves_nothing() {
    on_every_shell(|shell| {
        let place = Place::new(shell);
        let path = place.put("f", b"old", 0o600);
        let mut child = place.start(&params(&path, b"whole"));
        child.stdin.as_mut().unwrap().write_all(b"who").unwrap();
        while place.names().len() < 2 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        drop(child.stdin.take());
        assert!(!child.wait().unwrap().success());
        assert_eq!((place.names().len(), fs::read(&path).unwrap()), (1, b"old".to_vec()), "{shell:?}");
    });
}

#[test]
fn only_files_are_replaced_and_no_link_leads_elsewhere() {
    on_every_shell(|shell| {
        let place = Place::new(shell);
        let path = place.put("f", b"old", 0o600);
        fs::create_dir(place.path("folder")).unwrap();
        symlink("f", place.path("link")).unwrap();
        symlink("nowhere", place.path("dangling")).unwrap();
        assert!(Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
        assert!(fs::symlink_metadata(place.path("pipe")).unwrap().file_type().is_fifo());
        let cases = [
            ("folder", "folder"),
            ("link", "link"),
            ("dangling", "link"),
            ("pipe", "not-a-file"),
            ("nowhere/f", "no-folder"),
            ("dangling/f", "no-folder"),
            ("f/f", "no-folder"),
        ];
        for (name, code) in cases {
            place.refused(&params(&place.path(name), b"new"), b"new", code);
        }
        assert_eq!(fs::read(&path).unwrap(), b"old");
        // Our own link on the way is followed.
        symlink("folder", place.path("way")).unwrap();
        assert_eq!(place.push(&params(&place.path("way/g"), b"new"), b"new").end, PushEnd::Changed);
        assert_eq!(fs::read(place.path("folder/g")).unwrap(), b"new");
    });
}

#[test]
fn a_link_of_somebody_else_is_not_followed() {
    on_every_shell(|shell| {
        let place = Place::new(shell);
        let user = place.path("home");
        fs::create_dir(&user).unwrap();
        fs::create_dir(place.path("elsewhere")).unwrap();
        symlink("../elsewhere", user.join("way")).unwrap();
        if !is_root() {
            // Nobody else's link can be made; ours in our folder is ours to follow.
            assert_eq!(place.push(&params(&user.join("way/f"), b"x"), b"x").end, PushEnd::Changed);
            return;
        }
        // Root writes into the folder of another: that one's link is not followed, nor root's own in a folder where that
        // one could put another in its place; the folder itself is fine, and the file is root's unless it was theirs.
        std::os::unix::fs::lchown(user.join("way"), Some(65534), Some(65534)).unwrap();
        place.refused(&params(&user.join("way/f"), b"x"), b"x", "link");
        std::os::unix::fs::chown(&user, Some(65534), Some(65534)).unwrap();
        std::os::unix::fs::lchown(user.join("way"), Some(0), Some(0)).unwrap();
        place.refused(&params(&user.join("way/f"), b"x"), b"x", "link");
        assert!(fs::read_dir(place.path("elsewhere")).unwrap().next().is_none());
        let path = user.join("f");
        assert_eq!(place.push(&params(&path, b"x"), b"x").end, PushEnd::Changed);
        assert_eq!(fs::metadata(&path).unwrap().uid(), 0);
        std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
        assert_eq!(place.push(&params(&path, b"y"), b"y").end, PushEnd::Changed);
        assert_eq!(fs::metadata(&path).unwrap().uid(), 65534, "{shell:?}: its owner is kept");
        let named = PushParams { owner: "root".to_owned(), group: "0".to_owned(), ..params(&path, b"y") };
        assert_eq!(place.push(&named, b"y").end, PushEnd::Changed);
        assert_eq!(fs::metadata(&path).unwrap().uid(), 0);
        assert_eq!(place.push(&named, b"y").end, PushEnd::Unchanged, "{shell:?}");
        let nobody = PushParams { owner: "no-such-user".to_owned(), ..params(&path, b"y") };
        place.refused(&nobody, b"y", "owner");
        assert_eq!(fs::read_dir(&user).unwrap().count(), 2, "{shell:?}: no leftovers");
    });
}

#[test]
fn a_check_shows_and_changes_nothing() {
    on_every_shell(|shell| {
        let place = Place::new(shell);
        let path = place.put("f", b"old\0\n", 0o600);
        let look = |dest: &Path, content: &[u8]| {
            let before = place.names();
            let report = place.push(&PushParams { check: "yes", ..params(dest, content) }, b"");
            assert_eq!(place.names(), before, "{shell:?}");
            report
        };
        let report = look(&path, b"new");
        assert_eq!((report.end, report.before), (PushEnd::WouldChange, Some(b"old\0\n".to_vec())));
        let report = look(&place.path("new"), b"new");
        assert_eq!((report.end, report.before, report.mode_after), (PushEnd::WouldChange, None, Some(0o644)));
        assert_eq!(look(&path, b"old\0\n").end, PushEnd::Unchanged);
        place.put("f", &[b'x'; 70_000], 0o600);
        assert_eq!(look(&path, b"new").before, None, "{shell:?}: too large");
    });
}

/// A folder with the few programs that the script cannot do without.
fn tools() -> TempDir {
    let tools = tempfile::tempdir().unwrap();
    for name in ["cat", "chmod", "chown", "cmp", "id", "mv", "rm", "stat", "sync", "wc"] {
        symlink(Path::new("/usr/bin").join(name), tools.path().join(name)).unwrap();
    }
    tools
}

#[test]
fn a_host_that_cannot_sum_up_compares_instead() {
    on_every_shell(|shell| {
        let mut place = Place::new(shell);
        place.tools = Some(tools());
        let path = place.path("f");
        assert_eq!(place.push(&params(&path, b"a\n"), b"a\n").end, PushEnd::Changed);
        let before = place.names();
        assert_eq!(place.push(&params(&path, b"a\n"), b"a\n").end, PushEnd::Unchanged);
        assert_eq!(place.names(), before, "{shell:?}");
        assert_eq!(place.push(&params(&path, b"b\n"), b"b\n").end, PushEnd::Changed);
        assert_eq!(fs::read(&path).unwrap(), b"b\n");
    });
}

#[test]
fn a_new_file_gets_its_own_label_where_there_are_labels() {
    on_every_shell(|shell| {
        let mut place = Place::new(shell);
        let (log, selinux) = (place.path("log"), tempfile::tempdir().unwrap());
        let tools = tools();
        let restorecon = tools.path().join("restorecon");
        let write = |rest: &str| {
            let text =
                format!("#!/bin/sh\n{{ echo \"$# $1\"; cat \"$1\"; }} >>'{}'\n{rest}\n", log.display());
            fs::write(&restorecon, text).unwrap();
            fs::set_permissions(&restorecon, fs::Permissions::from_mode(0o755)).unwrap();
        };
        write("");
        place.tools = Some(tools);
        place.selinux = Some(selinux.path().to_owned());
        let path = place.path("a $file");
        let push = |content: &[u8]| place.push(&params(&path, content), content);
        assert_eq!(push(b"without\n").end, PushEnd::Changed);
        assert!(!log.exists(), "{shell:?}: SELinux is not enabled");

        fs::write(selinux.path().join("enforce"), "0").unwrap();
        let report = push(b"with\n");
        assert_eq!((report.end, report.unlabelled), (PushEnd::Changed, None), "{shell:?}");
        let once = format!("1 {}\nwith\n", path.display());
        assert_eq!(fs::read_to_string(&log).unwrap(), once, "{shell:?}: once it has its name");
        assert_eq!(push(b"with\n").end, PushEnd::Unchanged);
        assert_eq!(fs::read_to_string(&log).unwrap(), once, "{shell:?}: nothing was changed");

        write("echo 'no context for it' >&2; exit 1");
        let report = push(b"more\n");
        assert_eq!(report.end, PushEnd::Changed, "{shell:?}: it is written nevertheless");
        assert_eq!(report.unlabelled.as_deref(), Some("no context for it"), "{shell:?}");
        write("exit 1");
        assert!(push(b"less\n").unlabelled.unwrap().contains("no reason"), "{shell:?}");
        assert_eq!(fs::read(&path).unwrap(), b"less\n");
    });
}
