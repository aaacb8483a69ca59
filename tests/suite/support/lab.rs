//! Starting labs from tests: a script in the bastion, as root and as an ordinary user.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

/// An unprivileged user id, if the tests run as root; such users exist on every machine.
const NOBODY: &str = "65534";

/// Functions for scripts: `fetch ADDRESS` prints the body of an HTTP answer, `on HOST COMMAND…` runs on a host, `log_in ADDRESS
/// KEY-OF COMMAND…` is SSH with the key that is known for the private address KEY-OF.
const PRELUDE: &str = r#"
set -euo pipefail
fetch() { timeout 5 bash -c 'exec 3<>/dev/tcp/$0/80; printf "GET / HTTP/1.0\r\n\r\n" >&3; sed "1,/^\r\$/d" <&3' "$1"; }
on() { local host=$1; shift; "$EGRESSCTL" lab exec "$host" -- "$@"; }
log_in() {
    local address=$1 key_of=$2; shift 2
    ssh -F none -i "$EGRESSCTL_LAB/key" -o IdentitiesOnly=yes -o UserKnownHostsFile="$EGRESSCTL_LAB/known_hosts" \
        -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes -o BatchMode=yes -o ConnectTimeout=5 \
        -o HostKeyAlias="$key_of" "root@$address" "$@"
}
export -f fetch
"#;

/// Who starts a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// Whoever runs the tests.
    Same,
    /// An ordinary user, by way of `setpriv`; needs root.
    Nobody,
}

/// Everybody that this machine lets start a lab here: the tests' own user, and an ordinary one if that is root.
pub(crate) fn users() -> Vec<User> {
    if is_root() { vec![User::Same, User::Nobody] } else { vec![User::Same] }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether labs with OpenSSH's server can be started: by root. Anybody else must be told so, which is then what is proven.
pub(crate) fn openssh_or_refusal() -> bool {
    if is_root() {
        return true;
    }
    let output = Lab::run(&["--sshd", "openssh"], "exit 0");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("--sshd openssh needs root; use --sshd builtin"), "{text}");
    false
}

/// A lab around one script.
pub(crate) struct Lab;

impl Lab {
    /// Runs `egressctl lab run ARGS -- bash -c SCRIPT` as the tests' own user. In the script, `$EGRESSCTL` is the program.
    pub(crate) fn run(args: &[&str], script: &str) -> Output {
        Self::run_as(User::Same, args, script)
    }

    /// The same as somebody.
    pub(crate) fn run_as(user: User, args: &[&str], script: &str) -> Output {
        Self::command(user, args, script).output().unwrap()
    }

    /// What a successful script printed; fails the test with everything there is to know otherwise.
    pub(crate) fn stdout_of(user: User, args: &[&str], script: &str) -> String {
        let output = Self::run_as(user, args, script);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{user:?} {args:?}: {}\n{out}\n{err}", output.status);
        out.into_owned()
    }

    /// The command that [`Lab::run_as`] runs, for tests that end it in other ways.
    pub(crate) fn command(user: User, args: &[&str], script: &str) -> Command {
        let mut command = as_user(user);
        command.args(["lab", "run"]).args(args).args(["--", "bash", "-c"]);
        command.arg(format!("{PRELUDE}\n{script}"));
        command
    }
}

/// `egressctl` as somebody, in a folder that everybody may read.
pub(crate) fn as_user(user: User) -> Command {
    let program = public_copy();
    let mut command = match user {
        User::Same => Command::new(program),
        User::Nobody => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(program);
            command
        }
    };
    command.env("EGRESSCTL", program).env("HOME", "/nonexistent").stdin(Stdio::null()).current_dir("/");
    command
}

/// The program under test where every user can read it: the build folder may be somebody's own. One copy for each build
/// and user; old ones are taken away.
fn public_copy() -> &'static Path {
    static COPY: LazyLock<PathBuf> = LazyLock::new(|| {
        let original = Path::new(env!("CARGO_BIN_EXE_egressctl"));
        let built = fs::metadata(original).unwrap().modified().unwrap();
        let built = built.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let user = rustix::process::geteuid().as_raw();
        let (prefix, temp) = (format!("egressctl-test-{user}-"), std::env::temp_dir());
        let folder = temp.join(format!("{prefix}{built}"));
        for entry in fs::read_dir(&temp).unwrap().flatten() {
            let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix));
            let age = entry.metadata().and_then(|meta| meta.modified()).map(|time| time.elapsed());
            let old = age.is_ok_and(|age| age.is_ok_and(|age| age > Duration::from_secs(3600)));
            if ours && old && entry.path() != folder {
                // Somebody else may be at it, too.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        if !folder.exists() {
            let fresh = temp.join(format!("{prefix}{built}-{}", std::process::id()));
            fs::create_dir(&fresh).unwrap();
            fs::copy(original, fresh.join("egressctl")).unwrap();
            for path in [fresh.join("egressctl"), fresh.clone()] {
                fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
            }
            if fs::rename(&fresh, &folder).is_err() {
                fs::remove_dir_all(&fresh).unwrap();
            }
        }
        // The place is everybody's.
        assert_eq!(fs::symlink_metadata(&folder).unwrap().uid(), user, "{}", folder.display());
        folder.join("egressctl")
    });
    &COPY
}
