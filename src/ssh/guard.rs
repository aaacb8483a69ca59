//! Our side of russh's callbacks: judges the host key, refuses what nobody asked for, remembers why it ended.
//!
//! Must never let a host open a channel to us.

use std::sync::Arc;

use russh::client::{self, ChannelOpenHandle, DisconnectReason, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelId, cipher};

use super::failure::{failure, russh_text};
use super::trust::Trust;
use super::vitals::{End, Vitals};
use crate::ports::{SshError, SshErrorKind};

/// Callbacks of one connection.
pub(super) struct Guard {
    /// `address:port`, for messages.
    pub(super) at: String,
    /// Which key is accepted.
    pub(super) trust: Trust,
    /// Where to leave word.
    pub(super) vitals: Arc<Vitals>,
}

/// Why russh's task stopped.
#[derive(Debug)]
pub(super) enum Broken {
    /// Our own verdict.
    Ours(SshError),
    /// Its.
    Russh(russh::Error),
}

impl From<russh::Error> for Broken {
    fn from(error: russh::Error) -> Self {
        Self::Russh(error)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.vitals.ended(End::Panic);
        }
        self.vitals.leave();
    }
}

fn uninvited(what: &str) -> Result<(), Broken> {
    Err(Broken::Ours(failure(
        SshErrorKind::Protocol,
        format!("the host tried to open a channel to us ({what})"),
    )))
}

impl client::Handler for Guard {
    type Error = Broken;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Broken> {
        let accepted = self.trust.check(&self.at, shown).await.map_err(Broken::Ours)?;
        self.vitals.proved(accepted);
        Ok(true)
    }

    async fn kex_done(
        &mut self,
        _shared_secret: Option<&[u8]>,
        names: &russh::Names,
        _session: &mut Session,
    ) -> Result<(), Broken> {
        // CVE-2023-48795: without strict key exchange this cipher lets a third party drop our first packets.
        if names.cipher == cipher::CHACHA20_POLY1305 && !names.strict_kex() {
            let message = format!(
                "{}: its sshd is open to prefix truncation (CVE-2023-48795) and has no other cipher; update it",
                self.at
            );
            return Err(Broken::Ours(failure(SshErrorKind::Protocol, message)));
        }
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Broken>) -> Result<(), Broken> {
        use russh::Error as E;
        self.vitals.ended(match reason {
            // A refusal, which the login reports; the connection itself is sound.
            DisconnectReason::Error(Broken::Russh(E::NoAuthMethod)) => return Ok(()),
            DisconnectReason::ReceivedDisconnect(info) => End::Goodbye(info.message),
            DisconnectReason::Error(Broken::Ours(error)) => End::Violation(error.message),
            DisconnectReason::Error(Broken::Russh(E::KeepaliveTimeout)) => {
                End::Lost("the host went silent (no answer to keepalives)".to_owned())
            }
            DisconnectReason::Error(Broken::Russh(E::IO(error))) => End::Lost(error.to_string()),
            DisconnectReason::Error(Broken::Russh(E::Disconnect | E::HUP | E::SendError | E::RecvError)) => {
                End::Lost("the connection was closed".to_owned())
            }
            DisconnectReason::Error(Broken::Russh(error)) => End::Violation(russh_text(&error)),
        });
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _connected_address: &str,
        _connected_port: u32,
        _originator_address: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Broken> {
        uninvited("forwarded-tcpip")
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _socket_path: &str,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Broken> {
        uninvited("forwarded-streamlocal")
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Broken> {
        uninvited("agent")
    }

    async fn should_accept_unknown_server_channel(&mut self, _id: ChannelId, _channel_type: &str) -> bool {
        false
    }

    async fn server_channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Broken> {
        uninvited("session")
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host_to_connect: &str,
        _port_to_connect: u32,
        _originator_address: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Broken> {
        uninvited("direct-tcpip")
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _socket_path: &str,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Broken> {
        uninvited("direct-streamlocal")
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: Channel<Msg>,
        _originator_address: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Broken> {
        uninvited("x11")
    }
}
