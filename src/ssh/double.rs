//! Test support: a transport without a network, answered by a closure. For the tests of everything that uses the ports.
//!
//! Must never be used by the program itself.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::cache::lock;
use crate::ports::{Exec, ExitStatus, HostKey, Output, Session, SshError, Target, Transport};

type Answer = dyn Fn(&Target, &Exec) -> Result<Output, SshError> + Send + Sync;
type Door = dyn Fn(&Target) -> Result<HostKey, SshError> + Send + Sync;

/// A transport whose hosts are a function from target and script to output.
pub struct ScriptedTransport {
    door: Box<Door>,
    script: Arc<Script>,
}

struct Script {
    answer: Box<Answer>,
    ran: Mutex<Vec<(IpAddr, String)>>,
}

impl ScriptedTransport {
    /// Every connection succeeds; every script is answered by `answer`.
    pub fn new(answer: impl Fn(&Target, &Exec) -> Result<Output, SshError> + Send + Sync + 'static) -> Self {
        let script = Script { answer: Box::new(answer), ran: Mutex::new(Vec::new()) };
        Self { door: Box::new(|_| Ok(double_key())), script: Arc::new(script) }
    }

    /// Lets `door` decide whether a connection succeeds, and which key the host has.
    #[must_use]
    pub fn on_connect(
        self,
        door: impl Fn(&Target) -> Result<HostKey, SshError> + Send + Sync + 'static,
    ) -> Self {
        Self { door: Box::new(door), ..self }
    }

    /// The scripts that were run so far, in order, with the addresses they ran at.
    #[must_use]
    pub fn ran(&self) -> Vec<(IpAddr, String)> {
        lock(&self.script.ran).clone()
    }
}

/// Output of a script that ended well and wrote `stdout`.
#[must_use]
pub fn said(stdout: &str) -> Output {
    Output { stdout: stdout.into(), stderr: vec![], status: ExitStatus::Code(0), truncated: false }
}

fn double_key() -> HostKey {
    HostKey { openssh: "ssh-ed25519 double".to_owned(), fingerprint: "SHA256:double".to_owned() }
}

#[async_trait]
impl Transport for ScriptedTransport {
    async fn connect(&self, target: &Target) -> Result<Box<dyn Session>, SshError> {
        let host_key = (self.door)(target)?;
        Ok(Box::new(ScriptedSession { target: target.clone(), host_key, script: Arc::clone(&self.script) }))
    }
}

struct ScriptedSession {
    target: Target,
    host_key: HostKey,
    script: Arc<Script>,
}

#[async_trait]
impl Session for ScriptedSession {
    fn host_key(&self) -> &HostKey {
        &self.host_key
    }

    async fn exec(&self, exec: &Exec) -> Result<Output, SshError> {
        lock(&self.script.ran).push((self.target.address, exec.command.to_string()));
        (self.script.answer)(&self.target, exec)
    }

    async fn close(self: Box<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{AuthMethod, Command, HostKeyPolicy, Keepalive, SshErrorKind};
    use std::time::Duration;

    fn target(address: [u8; 4]) -> Target {
        Target {
            address: address.into(),
            port: 22,
            user: "root".to_owned(),
            auth: vec![AuthMethod::Key { file: "id".into() }],
            host_key: HostKeyPolicy::Pinned(vec![double_key()]),
            jumps: vec![],
            connect_within: Duration::from_secs(1),
            keepalive: Keepalive::default(),
            algorithms: Default::default(),
        }
    }

    #[tokio::test]
    async fn it_answers_by_target_and_script_and_remembers() {
        let gone = SshError { kind: SshErrorKind::Unreachable, message: "gone".to_owned() };
        let refused = gone.clone();
        let double =
            ScriptedTransport::new(|target, exec| Ok(said(&format!("{} {}", target.address, exec.command))))
                .on_connect(move |target| {
                    if target.address == IpAddr::from([10, 0, 0, 1]) {
                        Ok(double_key())
                    } else {
                        Err(refused.clone())
                    }
                });
        let session = double.connect(&target([10, 0, 0, 1])).await.unwrap();
        let exec = Exec::new(Command::Script("id".to_owned()), Duration::from_secs(1), 10);
        assert_eq!(session.exec(&exec).await, Ok(said("10.0.0.1 id")));
        assert_eq!(session.host_key(), &double_key());
        session.close().await;
        assert_eq!(double.connect(&target([10, 0, 0, 2])).await.err(), Some(gone));
        assert_eq!(double.ran(), [(IpAddr::from([10, 0, 0, 1]), "id".to_owned())]);
    }
}
