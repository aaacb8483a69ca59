//! A running agent of OpenSSH.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use egressctl::ports::{AgentKey, AuthMethod};

use super::rig::Keys;

/// OpenSSH's agent, with keys.
pub(super) struct Agent {
    child: Child,
    pub(super) socket: PathBuf,
}

impl Agent {
    pub(super) fn with(keys: &Keys, names: &[&str]) -> Self {
        let socket = keys.path("agent");
        let mut command = Command::new("ssh-agent");
        let child = command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
        let agent = Self { child: child.expect("ssh-agent is needed"), socket };
        for _ in 0..500 {
            if agent.socket.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        for name in names {
            let mut add = Command::new("ssh-add");
            add.arg("-q").arg(keys.path(name)).env("SSH_AUTH_SOCK", &agent.socket);
            assert!(add.status().unwrap().success());
        }
        agent
    }

    pub(super) fn method(&self, key: Option<AgentKey>) -> AuthMethod {
        AuthMethod::Agent { socket: self.socket.clone(), key }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
